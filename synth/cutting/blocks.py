"""The blocks that a text in Markdown is made of, and where they are.

They are those of tree-sitter's grammar of CommonMark with tables and front matter. Its time is
linear, also for hostile text, and it knows no errors: any text is Markdown.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import tree_sitter
import tree_sitter_markdown

from synth.cutting.breaks import Ints
from synth.cutting.sections import Heading

_LANGUAGE = tree_sitter.Language(tree_sitter_markdown.language())
_TITLE_CHARS = 200
"""A longer title is cut: it stands in every chunk of its section."""


class Kind(IntEnum):
    """What a block is."""

    TEXT, HEADING, CODE, TABLE, LIST, OTHER = range(6)


_KINDS = {
    "paragraph": Kind.TEXT,
    "link_reference_definition": Kind.TEXT,
    "ERROR": Kind.TEXT,
    "atx_heading": Kind.HEADING,
    "setext_heading": Kind.HEADING,
    "fenced_code_block": Kind.CODE,
    "pipe_table": Kind.TABLE,
    "list": Kind.LIST,
}


@dataclass(frozen=True, eq=False)
class Blocks:
    """The outermost blocks of a text; all places are characters at which lines begin."""

    starts: Ints
    kinds: Ints
    headings: list[Heading]
    """Those of the blocks that are one."""
    items: Ints
    """Where items of lists begin, but those of lists in others."""
    glued: Ints
    """Lines that belong to the line before them: the first rows of tables, the edges of code."""
    lines: Ints
    """All lines."""

    def line_of(self, places: Ints) -> Ints:
        """Return where the lines of characters begin."""
        found: Ints = self.lines[np.searchsorted(self.lines, places, "right") - 1]
        return found


def find_blocks(text: str) -> Blocks:
    """Return the blocks of a text."""
    data = text.encode()
    octets = np.frombuffer(data, np.uint8)
    lines = np.concatenate([[0], np.flatnonzero(octets == ord("\n")) + 1])
    nodes = list(_outermost(tree_sitter.Parser(_LANGUAGE).parse(data).root_node))
    kinds = [_KINDS.get(node.type, Kind.OTHER) for node in nodes]
    items = [item for node in nodes if node.type == "list" for item in node.children]

    def begin(found: list[tree_sitter.Node], n_behind: int = 0) -> Ints:
        """Return the lines, in bytes, where nodes begin, or lines behind these."""
        places = np.array([node.start_byte for node in found], np.int64)
        index = np.searchsorted(lines, places, "right") - 1 + n_behind
        found_lines: Ints = lines[index.clip(max=len(lines) - 1)]
        return found_lines

    def to_chars(places: Ints) -> Ints:
        return places if before is None else before[places]

    code = [node for node in nodes if node.type == "fenced_code_block"]
    tables = [node for node in nodes if node.type == "pipe_table"]
    glued = [
        begin(code, 1),
        begin([node.children[-1] for node in code]),
        begin(tables, 1),
        begin(tables, 2),
    ]
    before = None if text.isascii() else _count_chars(octets)
    return Blocks(
        starts=to_chars(begin(nodes)),
        kinds=np.array(kinds, np.int64),
        headings=[_heading(node, data) for node in nodes if node.type.endswith("_heading")],
        items=to_chars(begin(items)),
        glued=to_chars(np.concatenate(glued)),
        lines=to_chars(lines),
    )


def _outermost(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    for child in node.children:
        if child.type == "section":
            yield from _outermost(child)
        else:
            yield child


def _heading(node: tree_sitter.Node, data: bytes) -> Heading:
    mark = next(
        child.type for child in node.children if child.type.endswith(("marker", "underline"))
    )
    level = int(mark.removeprefix("atx_h").removeprefix("setext_h")[0])
    content = node.child_by_field_name("heading_content")
    if content is None:
        return Heading(level, "")
    end = min(content.end_byte, content.start_byte + 4 * _TITLE_CHARS)
    title = data[content.start_byte : end].decode(errors="ignore")
    title = " ".join(title.split())[:_TITLE_CHARS]
    words, _, last = title.rpartition(" ")
    return Heading(level, title if last.strip("#") else words)  # a last word of # closes it


def _count_chars(octets: npt.NDArray[np.uint8]) -> Ints:
    """Return the characters before each byte of UTF-8, and those of all."""
    return np.concatenate([[0], np.cumsum((octets & 0xC0) != 0x80, dtype=np.int64)])
