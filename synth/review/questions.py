"""Questions, seen by their words alone."""

import re

TYPES = ("what", "how", "why", "when", "where", "who", "which", "yes-no", "request", "other")
"""What a question asks for."""

_HEAD = re.compile(r"[^\W\d_]+")
_BEFORE = frozenset(
    (
        *("about", "after", "at", "before", "by", "during", "for", "from", "in", "of", "on"),
        *("over", "through", "to", "under", "until", "with"),
    )
)
_TYPE_OF = {
    **{name: name for name in TYPES[:7]},
    **dict.fromkeys(("whom", "whose"), "who"),
    **dict.fromkeys(("does", "did", "could", "would", "should", "were", "might", "must"), "yes-no"),
    **dict.fromkeys(
        (
            *("analyse", "analyze", "calculate", "compare", "define", "describe", "discuss"),
            *("evaluate", "explain", "find", "give", "identify", "list", "mention", "name"),
            *("outline", "please", "provide", "state", "summarise", "summarize", "tell", "write"),
        ),
        "request",
    ),
}
# They begin questions of other languages as well ("Was ist …"), so they count beside a word that
# is English for sure.
_MAYBE = frozenset(
    ("am", "are", "can", "do", "had", "has", "have", "is", "may", "shall", "was", "will")
)
_ENGLISH = frozenset(("a", "it", "of", "that", "the", "there", "they", "this", "to", "you"))


def find_type(question: str) -> str:
    """Return which of :data:`TYPES` an English question is; one in another language is ``other``.

    Its first word tells, or the one behind "In", "According to the text," and the like.
    """
    lowered = question.lower()
    words = set(_HEAD.findall(lowered))
    for clause in lowered.split(","):
        head = _HEAD.findall(clause)[:2]
        while head:
            if found := _TYPE_OF.get(head[0]):
                return found
            if head[0] in _MAYBE and words & _ENGLISH:
                return "yes-no"
            if head.pop(0) not in _BEFORE:
                break
    return "other"
