"""Which requests the stub of vLLM answers badly, and what its bad replies look like.

A request's content draws a number from 0 to 1, on which the kinds of faults hold their shares side
by side; so the same requests meet the same faults in any order, and no request meets two.
"""

import argparse
import itertools
from collections import Counter

PASSING = {
    "fail": "are answered with --status",
    "reset": "get half of a reply, then the connection is reset",
    "spike": "take --spike-s longer",
}
"""Hit a content the first times that it comes, so that a retry gets through."""
LASTING = {
    "prose": "get no JSON at all",
    "broken": "get almost JSON",
    "cut": "get a reply that ends in the middle",
    "empty": "get an empty reply",
    "huge": "get half a megabyte",
}
"""Hit a content always; another attempt has another seed, so it is another content."""
KINDS = PASSING | LASTING
HUGE_CHARS = 2**19
PROSE = "I would rather not."


def add_switches(parser: argparse.ArgumentParser) -> None:
    """Add a share for each kind of fault."""
    parser.add_argument("--fault-frac", type=float, default=0, help="of all kinds together")
    for kind, meaning in KINDS.items():
        text = f"share of the requests that {meaning}"
        parser.add_argument(f"--{kind}-frac", type=float, default=0, help=text)
    parser.add_argument("--spike-s", type=float, default=2)
    parser.add_argument("--fault-times", type=int, default=1, help="that a passing fault comes")


class Faults:
    """Knows which fault a content meets, and which contents have been met already."""

    def __init__(self, options: argparse.Namespace) -> None:
        even = options.fault_frac / len(KINDS)
        shares = [getattr(options, f"{kind}_frac") + even for kind in KINDS]
        self._limits = list(zip(KINDS, itertools.accumulate(shares), strict=True))
        self._times = options.fault_times
        self._met: Counter[str] = Counter()

    def meet(self, digest: str) -> str:
        """Return the fault of a content that has just come, nothing for none."""
        drawn = int(digest[-8:], 16) / 2**32
        kind = next((kind for kind, limit in self._limits if drawn < limit), "")
        if kind in PASSING:
            self._met[digest] += 1
            return kind if self._met[digest] <= self._times else ""
        return kind


def spoil(text: str, kind: str, digest: str) -> str:
    """Return what is left of a good reply, a JSON object that has the short digest in it."""
    if kind == "prose":
        return PROSE
    if kind == "broken":
        return _break(text, digest)
    if kind == "cut":
        return text[: len(text) * 3 // 4]
    if kind == "huge":
        return text.replace(digest, digest + " and so on" * (HUGE_CHARS // 10), 1)
    return "" if kind == "empty" else text


def _break(text: str, digest: str) -> str:
    return [
        text.replace('"', "'"),
        text.replace("}", ",}").replace("]", ",]"),
        text.replace(digest, f'"{digest}"'),
    ][int(digest, 16) % 3]
