"""Find the items in a reply, whatever the model put around them or did to its JSON."""

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import json_repair
import pydantic_core

MOST_REPAIRED_CHARS = 2**16
MOST_REPAIRED_ITEMS = 200
MOST_REPAIRED_BRACKETS = 100
"""Of a reply; opening brackets of an item.

Source: json_repair's time grows with the square of the brackets that lead nowhere, 20 s for 16,000
characters of ``]{``. Within these bounds nothing was found that takes it half a second.
"""

_OBJECT = r"""\{(?=\s*["'“]?\w[\w -]*["'”]?\s*:)"""
_SPACE = re.compile(r"[\s,]*")
_OPENING = re.compile(r"[\[{(]")


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")


_decoder = json.JSONDecoder(strict=False, parse_constant=_refuse)


def find_items(
    text: str,
    names: Sequence[str],
    *,
    is_cut_off: bool,
    array: Sequence[str] = ("pairs", "qa_pairs"),
) -> list[Any]:
    """Return what may be items: the values of ``{"pairs": […]}``, of an array, or one alone.

    They are decoded one by one, so one that was cut off can't be taken for a whole one. What is no
    JSON is repaired, and of a reply that was cut off as well, the last one is left out.

    Args:
        names: of an item's fields.
        is_cut_off: whether the model had to stop before it was done.
        array: names that the array of items may have.
    """
    text = text.encode("utf-8", "ignore").decode()  # half of a surrogate pair is no text
    start = _find_start(text, names, array)
    if start is None:
        return []
    items = []
    while text.startswith("{", position := _skip_space(text, start)):
        try:
            item, start = _decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            break
        items.append(item)
    rest = text[position:]
    if not rest or rest.startswith("]"):
        return items
    if not _is_unfinished(rest):
        return items + _repair(rest, names, is_cut_off)
    if is_cut_off or not rest.startswith("{"):
        return items
    return [*items, pydantic_core.from_json(rest, allow_partial=True)]  # without its open string


def count_items(text: str, names: Sequence[str]) -> int:
    """Return how many items a reply begins, those that can't be read included."""
    return len(re.findall(_item_pattern(names), text))


def _find_start(text: str, names: Sequence[str], array: Sequence[str]) -> int | None:
    """Return where the items begin: behind the ``[`` of a named array, or at the first of them."""
    named = rf"""["'“]?\b(?:{"|".join(array)})["'”]?\s*:\s*\["""
    for pattern in (f"{named}|(?={_item_pattern(names)})", f"(?={_OBJECT})"):
        if found := re.search(pattern, text):
            return found.end()
    return None


def _item_pattern(names: Sequence[str]) -> str:
    """Return how an item begins, by one of its fields; at the very beginning its ``{`` may lack."""
    name = "|".join(map(re.escape, names))
    return rf"""\{{\s*["'“]?(?:{name})["'”]?\s*:|\A["'“](?:{name})["'”]\s*:"""


def _skip_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    assert found is not None
    return found.end()


def _is_unfinished(rest: str) -> bool:
    """Return whether nothing is wrong with JSON but that it stops."""
    try:
        pydantic_core.from_json(rest)
    except ValueError as error:
        return str(error).startswith("EOF while")
    return False


def _repair(rest: str, names: Sequence[str], is_cut_off: bool) -> list[Any]:
    is_cut_off |= len(rest) > MOST_REPAIRED_CHARS
    rest = rest[:MOST_REPAIRED_CHARS]
    starts = [found.start() for found in re.finditer(_item_pattern(names), rest)]
    if rest.startswith("{"):  # with a field that we don't know
        starts.insert(0, 0)
    bounds = sorted({*starts, len(rest)})
    pieces = [rest[begin:end] for begin, end in pairwise(bounds)]
    whole = pieces[:-1] if is_cut_off else pieces
    return [_repair_item(piece) for piece in whole[:MOST_REPAIRED_ITEMS]]


def _repair_item(piece: str) -> Any:
    """Return the value at the beginning of ``piece``, or None; behind it may be anything."""
    piece = piece if piece.startswith("{") else "{" + piece
    try:
        return _decoder.raw_decode(piece)[0]
    except (ValueError, RecursionError):
        if len(_OPENING.findall(piece)) > MOST_REPAIRED_BRACKETS:
            return None
    try:
        value = json_repair.loads(piece, skip_json_loads=True)
    except (ValueError, RecursionError):
        return None
    return value[0] if isinstance(value, list) and value else value
