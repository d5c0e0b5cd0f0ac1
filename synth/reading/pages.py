"""Where each page of a document begins in its Markdown.

The parser tells the page of each block, but not where the block stands in the Markdown that it made
of them. Both have the same letters and digits in the same order, so the blocks are found one after
the other by these alone; what the Markdown adds or changes (marks, line ends, quotes) is neither.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_PROBE, _NEAR = 200, 2000
"""Letters that a block is looked for by; how far a short one may be from where it should be."""


def find_pages(text: str, nodes: Iterable[Mapping[str, Any]], n_pages: int) -> tuple[int, ...]:
    """Return the character at which each page begins; they ascend, and the first is 0.

    A page without text begins where the next one does.

    Args:
        text: the Markdown.
        nodes: the blocks in reading order, as kreuzberg tells them.
    """
    places = [place for place, char in enumerate(text) if char.isalnum()]
    letters = _letters_of(text)
    begins: dict[int, int] = {}
    cursor = 0
    for page, block in _blocks(nodes):
        found = _find(letters, block, cursor)
        if found < 0:
            continue
        after = places[cursor - 1] + 1 if cursor else 0
        begins.setdefault(page, max(after, text.rfind("\n", 0, places[found]) + 1))
        cursor = found + len(block)
    starts, latest = [], len(text)
    for page in range(max(n_pages, *begins, 1), 1, -1):
        latest = min(latest, begins.get(page, latest))
        starts.append(latest)
    return (0, *reversed(starts))


def _blocks(nodes: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, str]]:
    """Yield the page and the letters of each block that has both."""
    for node in nodes:
        content, page = node["content"], node.get("page")
        if page is None or content["node_type"] == "group":
            continue
        cells = content.get("grid", {}).get("cells", ())
        block = _letters_of(content.get("text") or "".join(cell["content"] for cell in cells))
        if block:
            yield page, block


def _find(letters: str, block: str, cursor: int) -> int:
    if letters.startswith(block, cursor):
        return cursor
    end = len(letters) if len(block) >= _PROBE else cursor + len(block) + _NEAR
    return letters.find(block[:_PROBE], cursor, end)


def _letters_of(text: str) -> str:
    return "".join(filter(str.isalnum, text))
