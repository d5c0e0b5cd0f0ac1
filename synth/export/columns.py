"""Columns of a dataset and their types, as the kinds of files that we write have them.

JSON lines say nothing of types, and what reads them guesses from the first rows: a column that is
empty there, or in one of the splits, is guessed wrong. So the card beside them names the types.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

Types = Mapping[str, str]
"""Names of columns and their types, in order."""

_FEATURES: Mapping[str, Any] = {
    "text": {"dtype": "string"},
    "int": {"dtype": "int64"},
    "float": {"dtype": "float64"},
    "bool": {"dtype": "bool"},
    "ints": {"list": "int64"},
    "texts": {"list": "string"},
    "json": {"dtype": "json"},
    "messages": {
        "list": [{"name": "role", "dtype": "string"}, {"name": "content", "dtype": "string"}]
    },
    "turns": {"list": [{"name": "from", "dtype": "string"}, {"name": "value", "dtype": "string"}]},
}
"""Each type as a card has it. Source: ``datasets.Features._to_yaml_list`` of datasets 5.2."""

_SCALARS: Mapping[type, str] = {str: "text", bool: "bool", float: "float"}
_TOO_LARGE = 2**63


def features(types: Types) -> list[dict[str, Any]]:
    """Return the columns as ``dataset_info.features`` of a card has them."""
    # Each has its own copy: YAML writes what is there twice as a reference, and datasets trips on it.
    return [{"name": name, **deepcopy(_FEATURES[kind])} for name, kind in types.items()]


def type_of(value: Any) -> str:
    """Return the type of a value that JSON can hold."""
    if isinstance(value, int) and not isinstance(value, bool):
        return "int" if -_TOO_LARGE <= value < _TOO_LARGE else "float"
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return "texts"
    return _SCALARS.get(type(value), "json")


def type_of_all(types: Iterable[str]) -> str:
    """Return the type of a column that holds values of these types."""
    found = set(types)
    if found == {"int", "float"}:
        return "float"
    return found.pop() if len(found) == 1 else "json"


def fit(value: Any, kind: str) -> Any:
    """Return a value as it stands in a column of this type."""
    if kind != "float" or value is None:
        return value
    try:
        return float(value)
    except OverflowError:
        return None
