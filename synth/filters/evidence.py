"""How much of an answer stands in the text that it was made from, and where.

What an answer says is its words without those of the question, each with its weight
(:mod:`synth.filters.words`). Numbers and, where only names are written so, capitalised words are
looked at on their own, too: one wrong date among many right words is what a model gets wrong. The
evidence is the run of one to three sentences that holds most of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from rapidfuzz import fuzz, process

from synth.cutting.breaks import find_breaks
from synth.filters.phrases import AGREEING
from synth.filters.words import Word, analyse

_ALIKE = 80.0
"""Likeness (rapidfuzz's ratio) from which on two stems are of one family: mainten, maintain."""
_LEAST_STEM = 4
_MOST_SENTENCES = 3
_LONGER = 0.15
"""What each further sentence of the evidence has to add, as a share of all that is looked for."""
_OF_QUESTION = 0.25
"""How much a word of the question counts beside one of the answer when sentences are chosen."""
_NOUNS_ARE_CAPITAL = ("de", "lb")
_LEAST_NAME = 3
_SAYS_SOMETHING = 0.5
_COPIED = 95.0
_LEAST_COPIED_WORDS = 5
_QUESTION_MARKS = "?\uff1f\u061f"


class Passage:
    """A text that answers are looked up in; what is found out about it is kept."""

    def __init__(self, text: str, language: str, start: int = 0) -> None:
        """Take a text.

        Args:
            start: where it begins in its document.
        """
        self.text, self.language, self.start = text, language, start
        self._words = analyse(text, language)
        self.stems = {word.stem for word in self._words}
        self.match = lru_cache(4096)(self._match)

    @cached_property
    def sentences(self) -> list[tuple[int, int, set[str]]]:
        """Start and end of each sentence, and its stems."""
        breaks = find_breaks(self.text)
        starts = [0, *breaks.at.tolist()]
        ends = [*breaks.stop.tolist(), len(self.text.rstrip())]
        found, number = [], 0
        for start, end in zip(starts, ends, strict=True):
            stems = set[str]()
            while number < len(self._words) and self._words[number].start < end:
                stems.add(self._words[number].stem)
                number += 1
            if stems:
                found.append((start, end, stems))
        return found

    @cached_property
    def _long_stems(self) -> list[str]:
        return [stem for stem in self.stems if len(stem) >= _LEAST_STEM]

    def _match(self, stem: str, is_number: bool) -> str | None:
        """Return the stem of the text that says the same, if there is one."""
        if stem in self.stems:
            return stem
        if is_number or len(stem) < _LEAST_STEM:
            return None
        inner = next((one for one in self._long_stems if stem in one or one in stem), None)
        if inner is not None and 3 * min(len(stem), len(inner)) >= 2 * max(len(stem), len(inner)):
            return inner
        alike = process.extractOne(stem, self._long_stems, scorer=fuzz.ratio, score_cutoff=_ALIKE)
        found: str | None = alike[0] if alike is not None else None
        return found


@dataclass(frozen=True, slots=True)
class Support:
    """How much of an answer was found; ``evidence`` are characters of the document."""

    share: float
    evidence: tuple[int, int] | None


def find_support(
    question: Sequence[Word], answer: Sequence[Word], passages: Sequence[Passage]
) -> Support:
    """Return how much of an answer stands in passages, and the sentences that hold most of it.

    Without a word of its own, as in "Yes, it does", the answer is held to say what the question
    does.
    """
    asked = {word.stem for word in question}
    claims = [
        word
        for word in answer
        if word.weight > 0 and word.stem not in asked and word.stem not in AGREEING
    ]
    if sum(word.weight for word in claims) < _SAYS_SOMETHING:
        claims = [word for word in question if word.weight > 0] if answer else []
        share = _share(claims, passages)
    else:
        share = _least_share(claims, passages)
    wanted = _wanted(claims, question)
    best: tuple[float, tuple[int, int]] | None = None
    for passage in passages:
        found = _best_window(passage, wanted)
        if found is not None and (best is None or found[0] > best[0]):
            best = found
    return Support(round(share, 4), best[1] if best else None)


def is_copied(question: str, words: Sequence[Word], passage: Passage) -> bool:
    """Return whether a question is a statement of the text, or part of one, and no question there."""
    if len(words) < _LEAST_COPIED_WORDS or len(question) > len(passage.text):
        return False
    if sum(word.stem in passage.stems for word in words) < 0.9 * len(words):
        return False
    wanted = question.strip(" \t\n\"'?.!\u201c\u201d").casefold()
    text = passage.text.casefold()
    found = fuzz.partial_ratio_alignment(wanted, text, score_cutoff=_COPIED)
    if found is None:
        return False
    behind = text[found.dest_end - 1 : found.dest_end + 3]
    return not any(mark in behind for mark in _QUESTION_MARKS)


def _least_share(claims: Sequence[Word], passages: Sequence[Passage]) -> float:
    """Return the least of the shares of words, of names and of numbers that are found.

    Those of names and numbers are squared: of two, one that is wrong makes the answer wrong.
    """
    exact = [[word for word in claims if word.is_number]]
    if passages[0].language not in _NOUNS_ARE_CAPITAL:
        exact.append(_names(claims))
    shares = [_share(words, passages) ** 2 for words in exact if words]
    return min([_share(claims, passages), *shares])


def _share(words: Sequence[Word], passages: Sequence[Passage]) -> float:
    """Return the share of words that are found, by what they say."""
    whole = sum(word.weight for word in words)
    found = sum(
        word.weight
        for word in words
        if any(one.match(word.stem, word.is_number) for one in passages)
    )
    return found / whole if whole else 0.0


def _names(claims: Sequence[Word]) -> list[Word]:
    """Return what is written as a name."""
    return [word for word in claims if word.is_capital and word.end - word.start >= _LEAST_NAME]


def _wanted(claims: Iterable[Word], question: Iterable[Word]) -> dict[tuple[str, bool], float]:
    """Return what is looked for in the evidence, with its weight."""
    wanted: dict[tuple[str, bool], float] = {}
    for word in question:
        wanted[word.stem, word.is_number] = _OF_QUESTION * word.weight
    for word in claims:
        wanted[word.stem, word.is_number] = word.weight
    return {key: weight for key, weight in wanted.items() if weight > 0}


def _best_window(
    passage: Passage, wanted: dict[tuple[str, bool], float]
) -> tuple[float, tuple[int, int]] | None:
    """Return what the best run of sentences is worth, and where it is; None if there is nothing."""
    weights: dict[str, float] = {}
    for (stem, is_number), weight in wanted.items():
        if (match := passage.match(stem, is_number)) is not None:
            weights[match] = max(weight, weights.get(match, 0.0))
    whole = sum(wanted.values())
    best: tuple[float, tuple[int, int]] | None = None
    held = [stems & weights.keys() for _, _, stems in passage.sentences]
    for first, (start, _, _) in enumerate(passage.sentences):
        if not held[first]:
            continue
        seen = set[str]()
        for last in range(first, min(first + _MOST_SENTENCES, len(held))):
            seen |= held[last]
            value = sum(weights[stem] for stem in seen) - _LONGER * whole * (last - first)
            if best is None or value > best[0] + 1e-9:
                end = passage.sentences[last][1]
                best = value, (passage.start + start, passage.start + end)
    return best
