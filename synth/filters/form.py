"""Faults that a pair shows by itself: no answer, no question, cut off, in a loop, prompt in it."""

import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from synth.cutting.breaks import find_breaks
from synth.filters.phrases import (
    CHOICES,
    EMPTY_WORDS,
    LEAKED,
    NOTHING,
    OPEN_ASKING,
    PARTICLES,
    QUANTITIES,
    REQUESTING,
    UNENDING,
)
from synth.filters.pointing import needs_text
from synth.filters.words import Dictionary, Word, analyse, words_of

_QUESTION_MARKS = "?\uff1f\u061f\u037e\u2047\u2048\u2049\u1367\ua60f"
_CLOSING = " \t\r\n\"'\u2019\u201d\u00bb\u201c)]}*_`\u300d\u300f"
_STOPS = ".!?\u2026\u3002\uff01\uff1f\u061f\u06d4\u0964"
_DANGLING = re.compile(r"[,;:\-\u2013\u2014(\[{/&+=\u201e\u00ab\u3001]\s*$")
_BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"), ("\u201c", "\u201d"), ("\u00ab", "\u00bb"))
_LETTER = re.compile(r"\b[A-Z]\W*$")
"""As in "vitamin A", which is no article."""
_FENCE_AT_END = re.compile(r"\S[^`]*\n\s*```\s*\Z")
_ITEM = re.compile(r"^\s*(?:[-*\u2022\u2013]|\d+[.)]|[a-z][.)])\s", re.IGNORECASE)
_CODE = re.compile(r"`|^\s{4}|https?://\S+$|\S*[/\\]\S*$|--?\w[\w-]*(?:=\S*)?$|[{}<>$=|;]\s*$")
_MOST_BARE_WORDS = 9
"""Words of an answer without a full stop; a longer one may have been a sentence."""
_CONTENT = 0.5
"""Weight of words that the one before them belongs to: the old bridge."""
_RARE = 4.0
"""Zipf frequency below which a word that the text has only the whole of is taken for a part of it."""
_LOOP_FRAC = 0.5
_LEAST_LOOPS = 3
_LONG_LOOP = 5
_LEAST_WORDS_OF_LOOP = 6
_MOST_WORDS = 600
"""In which a loop is looked for; the time grows with their square."""
_LEAST_TRIGRAMS, _FEW_TRIGRAMS_FRAC = 20, 0.5
_PROMPT_WORDS = 8
"""Words in a row that a pair does not share with the prompt by chance."""


@dataclass(frozen=True)
class Parts:
    """A pair in the forms that the filters look at."""

    question: str
    answer: str
    question_words: Sequence[Word]
    answer_words: Sequence[Word]
    text: str
    """Of the chunks that it was made from."""
    dictionary: Dictionary
    holds_text: bool = False
    """Whether the question holds its text, as that of a summary does, and so needs nothing else."""

    @cached_property
    def asked(self) -> list[str]:
        """The question's words in normal form."""
        return words_of(self.question)

    @cached_property
    def said(self) -> list[str]:
        """The answer's words in normal form."""
        return words_of(self.answer)


class Prompt:
    """The words of the prompt that the model had, without the text."""

    def __init__(self, *parts: str) -> None:
        self._runs = {run for part in parts for run in _runs(words_of(part), _PROMPT_WORDS)}

    def is_in(self, words: Sequence[str]) -> bool:
        """Return whether words hold some in a row of the prompt."""
        return any(run in self._runs for run in _runs(words, _PROMPT_WORDS))


def find_faults(parts: Parts, prompt: Prompt) -> Iterator[str]:
    """Yield the names of the faults that a pair shows by itself."""
    if _is_empty(parts.question) or _is_empty(parts.answer):
        yield "empty"
        return
    if not is_asking(parts.question):
        yield "no_question"
    if _is_echo(parts):
        yield "echo"
    if _is_cut_off(parts):
        yield "cut_off"
    if is_repetitive(parts.said) or is_repetitive(parts.asked):
        yield "repetitive"
    if _is_leaked(parts, prompt):
        yield "leaked"
    if not parts.holds_text and needs_text(parts.question, parts.text):
        yield "needs_text"


def is_question(text: str) -> bool:
    """Return whether ``text`` ends in a question mark of any script."""
    return text.rstrip(_CLOSING)[-1:] in tuple(_QUESTION_MARKS)


def is_asking(text: str) -> bool:
    """Return whether ``text`` asks: by its mark, its first word, or a request in one of its sentences."""
    if is_question(text):
        return len(words_of(text)) > 1
    sentences = re.split(rf"(?<=[{_STOPS}\n])\s+", text)
    if any(is_question(one) for one in sentences):
        return True
    firsts = [words[0] for words in map(words_of, sentences) if len(words) > 2]
    return any(first in REQUESTING or first in OPEN_ASKING for first in firsts)


def is_repetitive(words: Sequence[str]) -> bool:
    """Return whether words go round in a loop."""
    words = words[:_MOST_WORDS]
    n = len(words)
    if n < _LEAST_WORDS_OF_LOOP:
        return False
    trigrams = list(zip(words, words[1:], words[2:], strict=False))
    if n >= _LEAST_TRIGRAMS and len(set(trigrams)) < _FEW_TRIGRAMS_FRAC * len(trigrams):
        return True
    return any(_loops(words, period) for period in range(1, n // _LEAST_LOOPS + 1))


def _loops(words: Sequence[str], period: int) -> bool:
    """Return whether a run of words of this length comes again and again, at once."""
    longest = run = 0
    for before, after in zip(words, words[period:], strict=False):
        run = run + 1 if before == after else 0
        longest = max(longest, run)
    n_times, covered = longest // period + 1, longest + period
    if n_times < _LEAST_LOOPS:
        return False
    return covered >= _LOOP_FRAC * len(words) or n_times >= _LONG_LOOP


def _is_empty(text: str) -> bool:
    bare = text.strip().strip("\"'\u201c\u201d\u00ab\u00bb").strip().casefold()
    if bare.rstrip(".") in NOTHING or bare.replace(" ", "_").rstrip(".") in NOTHING:
        return True
    return not any(unicodedata.category(char)[0] in "LN" for char in bare)


def _is_echo(parts: Parts) -> bool:
    """Return whether the answer adds no word to a question that asks for more than yes or no."""
    asked = {word.stem for word in parts.question_words}
    words = parts.asked
    if words == parts.said:
        return True
    is_open = not OPEN_ASKING.isdisjoint(words[:3]) or words[0] in REQUESTING
    is_open |= words[0] == "was" and parts.dictionary.language == "de"
    if not is_open or not CHOICES.isdisjoint(words):
        return False
    return not any(
        word.stem not in asked
        and word.stem not in EMPTY_WORDS
        and (word.weight > 0 or word.stem in QUANTITIES)
        for word in parts.answer_words
    )


def _is_cut_off(parts: Parts) -> bool:
    answer = parts.answer.rstrip()
    bare = answer.rstrip(_CLOSING)
    if _has_open_bracket(answer):
        return True
    if not bare or bare[-1] in _STOPS:
        return False
    last_line = answer.splitlines()[-1]
    if _CODE.search(last_line):
        return False
    return bool(_DANGLING.search(last_line)) or (
        answer[-1] not in _CLOSING and _stops_short(answer, last_line, parts)
    )


def _stops_short(answer: str, last_line: str, parts: Parts) -> bool:
    """Return whether an answer without a full stop ends in a word, a sentence or an item."""
    words = parts.said
    is_long = len(words) > _MOST_BARE_WORDS
    unending = UNENDING.get(parts.dictionary.language, frozenset())
    if (words[-1] in unending and not _LETTER.search(answer)) or _is_part_of_word(words, parts):
        return is_long or words[-1] not in PARTICLES
    if _ITEM.match(last_line) or "\n" in answer:
        return len(words_of(last_line)) > 2 * _MOST_BARE_WORDS
    if not is_long or _is_list(answer):
        return False
    return len(find_breaks(answer).at) > 0 or _goes_on(words, parts)


def _goes_on(words: Sequence[str], parts: Parts) -> bool:
    """Return whether the text goes on, behind the last two words, with one that belongs to them."""
    last = [parts.dictionary.stem(word).text for word in words[-2:]]
    text = analyse(parts.text, parts.dictionary.language)
    return any(
        [one.stem, two.stem] == last
        and three.weight > _CONTENT
        and parts.text[one.end : two.start].isspace()
        and parts.text[two.end : three.start].isspace()
        for one, two, three in zip(text, text[1:], text[2:], strict=False)
    )


def _is_list(answer: str) -> bool:
    """Return whether an answer names things one after the other, with few words each."""
    things = re.split(r",|;|\band\b|\bund\b|\bet\b|\by\b", answer)
    return len(things) > 2 and max(len(words_of(thing)) for thing in things) <= 4


def _is_part_of_word(words: Sequence[str], parts: Parts) -> bool:
    """Return whether the last word is only the beginning of one: of the text's, and none itself.

    A word that there is counts, too, where the text goes on with a longer one behind the same word.
    """
    last, text = words[-1], words_of(parts.text)
    if not last.isalpha() or len(last) < 2:
        return False
    follows = {two for one, two in itertools.pairwise(text) if words[-2:-1] == [one]}
    if last not in follows and any(two.startswith(last) for two in follows):
        return True
    longer = any(one.startswith(last) and len(one) > len(last) + 1 for one in text)
    return longer and last not in text and parts.dictionary.zipf(last) < _RARE


def _has_open_bracket(text: str) -> bool:
    if text.count("```") % 2 and not _FENCE_AT_END.search(text):
        return True
    tail = text.rstrip()[-200:]
    return any(
        text.count(left) > text.count(right) and tail.rfind(left) > tail.rfind(right)
        for left, right in _BRACKETS
    )


def _is_leaked(parts: Parts, prompt: Prompt) -> bool:
    if prompt.is_in(parts.said) or (not parts.holds_text and prompt.is_in(parts.asked)):
        return True
    if parts.answer.count("```") == 1 and _FENCE_AT_END.search(parts.answer):
        return True
    for text in (parts.answer,) if parts.holds_text else (parts.question, parts.answer):
        if any(found[0] not in parts.text for found in LEAKED.finditer(text)):
            return True
    return False


def _runs(words: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    return (tuple(words[start : start + n]) for start in range(len(words) - n + 1))
