"""A text of OpenDocument (ODT) as HTML.

kreuzberg 4.10 drops the words of links and of marks in marks, line ends and the kinds of lists.
"""

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

_TAGS = {"list-item": "li", "list-header": "li", "table": "table", "table-row": "tr"}
_PASSED_OVER = frozenset(
    {"tracked-changes", "annotation", "annotation-end", "sequence-decls", "forms", "desc", "title"}
)
"""What is not text of the document: what was deleted, comments, settings."""
_WIDEST = 100


def odt_to_html(data: bytes) -> str:
    """Return the text of a document, its notes at the end, without pictures.

    Raises:
        Exception: of many kinds, if it is broken.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        root = _parse(archive.read("content.xml"))
        body = next(node for node in root.iter() if _name(node) == "body")
        page = _Page(archive, _numbered_lists(root))
        text = "".join(page.convert(body))
    notes = "".join(f"<p>[{number}] {note}</p>" for number, note in enumerate(page.notes, 1))
    return f"<html><body>{text}{notes}</body></html>"


@dataclass
class _Page:
    archive: zipfile.ZipFile
    is_numbered: Mapping[tuple[str, int], bool]
    notes: list[str] = field(default_factory=list)

    def convert(self, node: Any, depth: int = 0, style: str = "") -> Iterator[str]:
        """Yield the HTML of a node; ``depth`` and ``style`` are of the list that it is in."""
        name = _name(node)
        if name in _PASSED_OVER:
            return
        if name == "list":
            depth, style = depth + 1, _attribute(node, "style-name") or style
        opening, closing = self._tags_of(node, name, depth, style)
        yield opening
        if name == "note":
            yield self._note(node)
        elif name == "object":
            yield escape(self._formula(node))
        else:
            yield escape(node.text or "")
            for child in node.iterchildren("*"):
                yield from self.convert(child, depth, style)
                yield escape(child.tail or "")
        yield closing

    def _tags_of(self, node: Any, name: str, depth: int, style: str) -> tuple[str, str]:
        if name in ("h", "p"):
            level = _attribute(node, "outline-level") if name == "h" else ""
            is_title = _attribute(node, "style-name") == "Title"
            tag = f"h{min(_number(level), 6)}" if level else "h1" if is_title else "p"
        elif name == "list":
            known = self.is_numbered
            tag = "ol" if known.get((style, depth), known.get((style, 1), False)) else "ul"
        elif name in ("table-cell", "covered-table-cell"):
            repeated = _number(_attribute(node, "number-columns-repeated"))
            return "<td>", "</td>" + "<td></td>" * (min(repeated, _WIDEST) - 1)
        elif name == "a":
            return f'<a href="{escape(_attribute(node, "href"))}">', "</a>"
        elif name in ("s", "tab", "line-break"):
            return {"tab": "\t", "line-break": "<br>"}.get(name, " "), ""
        else:
            tag = _TAGS.get(name, "")
        return (f"<{tag}>", f"</{tag}>") if tag else ("", "")

    def _note(self, node: Any) -> str:
        body = next(
            (child for child in node.iterchildren("*") if _name(child) == "note-body"), None
        )
        if body is None:
            return ""
        self.notes.append("")
        number = len(self.notes)
        paragraphs = ("".join(self.convert(child)) for child in body.iterchildren("*"))
        self.notes[number - 1] = " ".join(text[3:-4] for text in paragraphs)
        return f"[{number}]"

    def _formula(self, node: Any) -> str:
        """Return how a formula is written, or its characters."""
        name = f"{_attribute(node, 'href').removeprefix('./').rstrip('/')}/content.xml"
        if name not in self.archive.NameToInfo:
            return ""
        root = _parse(self.archive.read(name))
        written = [node for node in root.iter("*") if _name(node) == "annotation"]
        return "".join((written[0] if written else root).itertext()).strip()


def _numbered_lists(root: Any) -> dict[tuple[str, int], bool]:
    """Return which styles of lists are numbered, by level."""
    return {
        (_attribute(style, "name"), _number(_attribute(level, "level"))): (
            _name(level) == "list-level-style-number" and bool(_attribute(level, "num-format"))
        )
        for style in root.iter("*")
        if _name(style) == "list-style"
        for level in style.iterchildren("*")
    }


def _parse(xml: bytes) -> Any:
    from lxml import etree

    return etree.fromstring(xml, etree.XMLParser(resolve_entities=False, huge_tree=True))


def _name(node: Any) -> str:
    return str(node.tag).rpartition("}")[2]


def _attribute(node: Any, name: str) -> str:
    """Return an attribute, of whatever namespace."""
    return next((value for key, value in node.items() if key.rpartition("}")[2] == name), "")


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 1
