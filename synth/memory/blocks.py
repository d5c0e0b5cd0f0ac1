"""vLLM's KV cache in blocks: how many tokens and sequences an amount of memory holds.

All layers draw from one pool of equal blocks. Layers that need the same tokens form groups of equal
size, the last one padded; a block holds ``block_size`` tokens of all layers of one group, and each
sequence takes blocks for every group. Source: vLLM 0.32, v1/core/kv_cache_utils.py
(``_get_kv_cache_groups_uniform_page_size``, ``get_max_concurrency_for_kv_cache_config``).
"""

import math
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass

from synth.memory.shape import EVERYTHING, Shape


@dataclass(frozen=True)
class Blocks:
    """The pool's blocks, and what a sequence takes of them."""

    block_tokens: int
    block_bytes: int
    group_windows: tuple[int, ...]
    """For each group of layers the tokens that it sees, or :data:`EVERYTHING`."""
    n_state_groups: int
    in_flight_tokens: int
    """Tokens that may be computed before a window lets go of those that it has passed."""

    def n_per_sequence(self, length: int) -> int:
        """Return the blocks that a sequence of ``length`` tokens takes."""
        attention = sum(self._n_of_group(window, length) for window in self.group_windows)
        # The state, and the one that prefix caching keeps beside it: MambaSpec, mode "align".
        return attention + 2 * self.n_state_groups

    def bytes_for(self, length: int) -> int:
        """Return the memory that one sequence of ``length`` tokens takes."""
        return self.n_per_sequence(length) * self.block_bytes

    def count_sequences(self, cache_bytes: int, length: int) -> float:
        """Return how many sequences of ``length`` tokens fit, as vLLM reports it."""
        return cache_bytes // self.block_bytes / self.n_per_sequence(length)

    def find_longest(self, cache_bytes: int, most: int) -> int:
        """Return the longest sequence up to ``most`` tokens that fits; 0 if none does."""
        return bisect_right(range(1, most + 1), cache_bytes, key=self.bytes_for)

    def _n_of_group(self, window: int, length: int) -> int:
        if window == EVERYTHING:
            return math.ceil(length / self.block_tokens)
        # One more, since a window may begin inside of a block: SlidingWindowSpec.
        kept = min(window - 1 + self.in_flight_tokens, length)
        return math.ceil(kept / self.block_tokens) + 1


def lay_out(
    shape: Shape,
    bytes_per_value: int,
    block_tokens: int,
    in_flight_tokens: int,
    n_gpus: int = 1,
    n_stages: int = 1,
) -> Blocks:
    """Return the blocks that vLLM makes for a model, on each of ``n_gpus``.

    Stages of a pipeline have their layers' part of each group: ``get_kv_cache_configs``.

    Args:
        bytes_per_value: of the KV cache; 1 if it is kept in 8 bits.
        block_tokens: enlarged for a model with linear attention until a block holds a state.
    """
    page = shape.kv_bytes_per_layer(bytes_per_value, n_gpus)
    n_layers = Counter(shape.windows)
    if shape.n_state_layers:
        # Source: platforms/interface.py, _align_hybrid_block_size.
        state = shape.state_bytes_per_layer(max(2, bytes_per_value), n_gpus)
        block_tokens *= math.ceil(state / (block_tokens * page))
    counts = [*n_layers.values(), *([shape.n_state_layers] if shape.n_state_layers else [])]
    size = _group_size(counts)
    groups = [w for w, n in n_layers.items() for _ in range(math.ceil(n / size))]
    return Blocks(
        block_tokens=block_tokens,
        block_bytes=math.ceil(size / n_stages) * block_tokens * page,
        group_windows=tuple(groups),
        n_state_groups=math.ceil(shape.n_state_layers / size),
        in_flight_tokens=in_flight_tokens,
    )


def _group_size(counts: list[int]) -> int:
    """Return the layers of a group: as many as the rarest kind has, unless all are as common."""
    return max(counts) if max(counts) < 1.5 * min(counts) else min(counts)
