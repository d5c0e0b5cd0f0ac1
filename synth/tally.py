"""What generation takes: tokens, seconds and money, summed up while the replies come in."""

from array import array
from dataclasses import dataclass

from synth.config import Config, CostConfig
from synth.io import JsonlWriter
from synth.memory import read_spread
from synth.records import Request

_MILLION = 1_000_000


@dataclass
class Sums:
    """Totals of some requests."""

    n_requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Those of the prompt tokens that the prefix cache had."""
    output_tokens: int = 0
    queue_s: float = 0.0
    server_s: float = 0.0

    def add(self, request: Request) -> None:
        """Count a request."""
        self.n_requests += 1
        self.prompt_tokens += request.prompt_tokens
        self.cached_tokens += request.cached_tokens
        self.output_tokens += request.output_tokens
        self.queue_s += request.queue_s
        self.server_s += request.server_s


class Tally:
    """What generation has taken so far; each answered request is a row of ``writer``.

    A request leaves four bytes here, for the percentiles; the rest is sums.
    """

    def __init__(self, writer: JsonlWriter, *, n_gpus: int = 0, cost: CostConfig) -> None:
        """Begin at nothing.

        Args:
            writer: of the file of requests.
            n_gpus: those that the server has; 0: none, or nobody knows.
            cost: what it is to be paid with.
        """
        self.answered = Sums()
        self.sent = Sums()
        """Those of them that were not answered by the store of replies."""
        self.n_retries = 0
        self._n_cut_off = 0
        self._n_reasked = 0
        self._n_unreadable = 0
        self._queue_max_s = 0.0
        self._latencies_s = array("f")
        self._writer, self._n_gpus, self._cost = writer, n_gpus, cost

    def add(self, request: Request, *, is_new: bool = True) -> None:
        """Count an answered request.

        Args:
            request: it.
            is_new: False if it stands in the file already, from an earlier attempt of the run.
        """
        if is_new:
            self._writer.write(vars(request))
        self.answered.add(request)
        self.n_retries += request.n_retries
        self._n_cut_off += request.finish_reason == "length"
        self._n_reasked += request.attempt > 0
        self._n_unreadable += request.n_items == 0
        self._latencies_s.append(request.latency_s)
        if not request.is_stored:
            self.sent.add(request)
            self._queue_max_s = max(self._queue_max_s, request.queue_s)

    def figures(self, n_pairs: int, gpu_s: float | None = None) -> dict[str, float]:
        """Return counts, rates, seconds and costs; none if nothing was answered.

        Rates are by the run's share of the server's time. A stored reply is in them with what it
        took when it was made, so that they don't depend on what the store has; it costs nothing.

        Args:
            n_pairs: what came of it.
            gpu_s: seconds of GPUs that it took, where several servers have answered.
        """
        every, sent = self.answered, self.sent
        if not every.n_requests:  # nobody counts what an external tool does
            return {}
        figures: dict[str, float] = {
            "n_requests": every.n_requests,
            "n_sent": sent.n_requests,
            "n_stored": every.n_requests - sent.n_requests,
            "n_reasked": self._n_reasked,
            "n_retries": self.n_retries,
            "n_cut_off": self._n_cut_off,
            "unreadable_frac": self._n_unreadable / every.n_requests,
            "n_prompt_tokens": every.prompt_tokens,
            "n_cached_tokens": every.cached_tokens,
            "n_output_tokens": every.output_tokens,
            "prefix_cache_hit_frac": every.cached_tokens / max(1, every.prompt_tokens),
            "server_s": every.server_s,
        }
        if every.server_s:
            figures["output_tokens_per_s"] = every.output_tokens / every.server_s
            figures["pairs_per_s"] = n_pairs / every.server_s
        if sent.n_requests:
            figures["queue_mean_s"] = sent.queue_s / sent.n_requests
            figures["queue_max_s"] = self._queue_max_s
        return figures | self._latencies() | self._costs(n_pairs, gpu_s)

    def _latencies(self) -> dict[str, float]:
        import numpy as np

        names = ("latency_median_s", "latency_p90_s", "latency_p99_s", "latency_max_s")
        values = np.quantile(np.array(self._latencies_s, dtype=float), (0.5, 0.9, 0.99, 1))
        # Seven digits are what four bytes hold.
        return {name: float(f"{value:.7g}") for name, value in zip(names, values, strict=True)}

    def _costs(self, n_pairs: int, gpu_s: float | None) -> dict[str, float]:
        figures: dict[str, float] = {}
        if gpu_s is not None or self._n_gpus:
            figures["gpu_s"] = self.sent.server_s * self._n_gpus if gpu_s is None else gpu_s
        cost = price(self.sent, figures.get("gpu_s"), self._cost)
        if cost is not None:
            figures["cost"] = cost
            if n_pairs:
                figures["cost_per_1000_pairs"] = 1000 * cost / n_pairs
        return figures


def price(sums: Sums, gpu_s: float | None, cost: CostConfig) -> float | None:
    """Return what requests cost; None if nothing of what they took has a price."""
    cached = cost.million_cached_tokens
    hours = [] if gpu_s is None else [(gpu_s / 3600, cost.gpu_hour)]
    bill = [
        *hours,
        ((sums.prompt_tokens - sums.cached_tokens) / _MILLION, cost.million_prompt_tokens),
        (sums.cached_tokens / _MILLION, cost.million_prompt_tokens if cached is None else cached),
        (sums.output_tokens / _MILLION, cost.million_output_tokens),
    ]
    items = [amount * each for amount, each in bill if each is not None]
    return sum(items) if items else None


def count_gpus(config: Config) -> int:
    """Return over how many GPUs a run spreads the servers that it starts; 0 if it starts none."""
    server = config.server
    return 0 if server.kind == "external" else server.replicas * read_spread(config).n_devices
