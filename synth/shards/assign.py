"""Which document is in which shard; pure."""

import hashlib
import heapq
from collections.abc import Mapping


def assign(n_tokens: Mapping[str, int], n_shards: int) -> dict[str, int]:
    """Return the number of each document's shard.

    The largest documents go first, each to the shard that has the fewest tokens; so the fullest shard
    has at most as many tokens more than the emptiest as the largest document has. Documents of one
    size are taken in the order of a hash of their ids: files that stand together, and may have much
    in common, are spread. The order of ``n_tokens`` changes nothing.

    Args:
        n_tokens: of each document, by its id.
        n_shards: as many shards get a document, if there are as many documents.
    """
    order = sorted(n_tokens, key=lambda id_: (-n_tokens[id_], _digest(id_)))
    shards = [(0, 0, number) for number in range(n_shards)]  # tokens, documents
    number_of = {}
    for id_ in order:
        tokens, documents, number = shards[0]
        heapq.heapreplace(shards, (tokens + n_tokens[id_], documents + 1, number))
        number_of[id_] = number
    return number_of


def _digest(id_: str) -> bytes:
    return hashlib.blake2b(id_.encode(), digest_size=16).digest()
