"""Slides of a PPTX as Markdown, with where each begins.

Read by python-pptx: kreuzberg leaves out the speaker's notes and the marks of most bullets, and does
not tell the slides.
"""

import io
from collections.abc import Iterable, Iterator
from typing import Any


def slides_to_markdown(data: bytes) -> tuple[str, tuple[int, ...]]:
    """Return the text of a presentation and the character at which each slide begins.

    Raises:
        Exception: of many kinds, if it is broken.
    """
    import pptx

    texts, starts, size = [], [], 0
    for slide in pptx.Presentation(io.BytesIO(data)).slides:
        text = "".join(f"{block}\n\n" for block in _blocks_of(slide) if block.strip())
        starts.append(size)
        texts.append(text)
        size += len(text)
    return "".join(texts), tuple(starts)


def _blocks_of(slide: Any) -> Iterator[str]:
    title = slide.shapes.title
    if title is not None and title.text_frame.text.strip():
        yield f"## {' '.join(title.text_frame.text.split())}"
    for shape in _flatten(slide.shapes):
        if title is not None and shape.shape_id == title.shape_id:
            continue
        if getattr(shape, "has_table", False):
            yield _table(shape.table)
        elif getattr(shape, "has_text_frame", False):
            yield from _paragraphs(shape)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = slide.notes_slide.notes_text_frame.text.strip()
        if notes:
            yield f"Notes: {notes}"


def _flatten(shapes: Iterable[Any]) -> Iterator[Any]:
    for shape in shapes:
        if hasattr(shape, "shapes"):
            yield from _flatten(shape.shapes)
        else:
            yield shape


def _paragraphs(shape: Any) -> Iterator[str]:
    """Yield the paragraphs of a shape; those of the slide's body are a list."""
    from pptx.enum.shapes import PP_PLACEHOLDER

    listed = (PP_PLACEHOLDER.BODY, PP_PLACEHOLDER.OBJECT, PP_PLACEHOLDER.VERTICAL_BODY)
    paragraphs = [one for one in shape.text_frame.paragraphs if one.text.strip()]
    is_list = shape.is_placeholder and shape.placeholder_format.type in listed
    if len(paragraphs) > 1 and (is_list or any(one.level for one in paragraphs)):
        yield "\n".join(f"{'  ' * one.level}- {_line(one.text)}" for one in paragraphs)
    else:
        yield from (_line(one.text) for one in paragraphs)


def _table(table: Any) -> str:
    rows = [[_line(cell.text).replace("|", "\\|") for cell in row.cells] for row in table.rows]
    if not rows:
        return ""
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _line(text: str) -> str:
    return " ".join(text.split())
