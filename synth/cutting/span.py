"""What the modes of cutting yield."""

from typing import NamedTuple


class Span(NamedTuple):
    """A chunk of a text, in characters of it."""

    start: int
    end: int
    n_tokens: int
    headings: tuple[str, ...] = ()
    """Titles of the sections around its first character, the outermost first."""
