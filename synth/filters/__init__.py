"""What is wrong with a pair, as far as that can be told without a model. Pure.

``inspect`` looks at one pair and its text, by ``form`` and ``pointing``, ``language``, ``evidence``
and ``contamination``; ``duplicates`` at all pairs together. docs/curation.md has what each finds.
"""

from synth.filters.agreement import agrees
from synth.filters.contamination import Evaluations, read_questions
from synth.filters.duplicates import Key, find_duplicates
from synth.filters.evidence import Support
from synth.filters.form import is_question
from synth.filters.inspect import Finding, Ground, Inspector
from synth.filters.language import guess
from synth.filters.words import count_words, words_of

__all__ = [
    "Evaluations",
    "Finding",
    "Ground",
    "Inspector",
    "Key",
    "Support",
    "agrees",
    "count_words",
    "find_duplicates",
    "guess",
    "is_question",
    "read_questions",
    "words_of",
]
