"""Whether two answers to one question say the same, as far as words tell."""

from synth.filters.evidence import Passage, find_support
from synth.filters.language import guess
from synth.filters.phrases import AGREEING
from synth.filters.words import analyse, words_of

_LEAST = 0.6
"""Share of what the one says that the other has to say, too."""
_DEFAULT_LANGUAGE = "en"


def agrees(reply: str, answer: str, question: str) -> bool:
    """Return whether ``reply`` says what ``answer`` does; where that is yes or no, that.

    Numbers count on their own, as they do beside a text. A reply in other words does not agree.
    """
    language = guess(f"{question} {answer}").best or _DEFAULT_LANGUAGE
    asked, said = analyse(question, language), analyse(answer, language)
    says = (
        {word.stem for word in said if word.weight > 0} - {word.stem for word in asked} - AGREEING
    )
    if not says:
        return words_of(reply)[:1] == words_of(answer)[:1]
    return find_support(asked, said, [Passage(reply, language)]).share >= _LEAST
