"""The form of one item: the JSON schema that the server enforces and that replies are held against."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jsonschema
from jsonschema import Draft202012Validator

from synth.records import Pair

Item = dict[str, Any]
"""What the model wrote about a text, by the names of the schema's properties."""

PAIR: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "question": {"type": "string", "minLength": 8},
        "answer": {"type": "string", "minLength": 1},
    },
}
"""The schema of an item where ``qa.schema`` is empty."""

TEXT_NAMES = ("text", "texts", "headings", "num_pairs")
"""What a template knows beside the fields of an item."""

CHARS_PER_TOKEN = 4
"""A usual figure for English."""

_EXPORTED = ("document", "messages")
"""Columns that exports add."""
_RESERVED = {*Pair.COLUMNS, *TEXT_NAMES, *_EXPORTED} - {"question", "answer"}
_LENGTHS = ("minLength", "maxLength")
_ENDS = {"maxLength", "enum", "const", "pattern", "format"}
"""What says where a string ends."""

_REPLY_TOKENS = 5
_FIELD_TOKENS = 4
_STRING_TOKENS = 5
"""Of the JSON around all items, around each field, and in its string.

Source: pairs as short as "When did Apollo 11 land?", "On July 20, 1969." with the tokenizer of
SmolLM2, as compact JSON: 20 tokens each (two fields: 9 around, 11 inside) and 5 for the reply. Pairs
with answers of two lines take 50, questions with their reasoning 70, summaries of a line 19.
"""


class Form:
    """A schema that was checked."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        properties = schema["properties"]
        self.names = tuple(properties)
        self._schema = {"type": "object", "required": list(properties), **schema}
        self._as_given = schema
        self._validator = Draft202012Validator(_rebuild(self._schema, _without_lengths))

    def whole(self, values: Iterable[Any]) -> list[Item]:
        """Return the items among decoded values; what is none, or half of one, is left out.

        Types and required fields count, lengths don't: they are there to guide the server. A string
        with nothing but white space is missing, and so is a number that JSON can't hold.
        """
        items = (self._item(value) for value in values if isinstance(value, Mapping))
        return [item for item in items if item and self._validator.is_valid(item)]

    def reply_format(self, num_pairs: int, max_tokens: int) -> dict[str, Any]:
        """Return the ``response_format`` that holds a reply to exactly ``num_pairs`` items.

        A small model may never end a string, so none may be longer than twice its share of the
        reply: enough for a long answer among short ones, and one that runs away does not take it
        all. A question gets half of that.
        """
        longest = max(200, 2 * CHARS_PER_TOKEN * max_tokens // num_pairs)
        properties = {
            name: _rebuild(part, _end_at(longest // 2 if name == "question" else longest))
            for name, part in self._as_given["properties"].items()
        }
        item = _closed({"type": "object", **self._as_given, "properties": properties})
        array = {"type": "array", "items": item, "minItems": num_pairs, "maxItems": num_pairs}
        schema = _closed({"type": "object", "properties": {"pairs": array}})
        return {
            "type": "json_schema",
            "json_schema": {"name": "pairs", "strict": True, "schema": schema},
        }

    def tokens_for(self, num_pairs: int) -> int:
        """Return how many tokens ``num_pairs`` items take at the least; see :data:`_FIELD_TOKENS`."""
        fields = [self._schema["properties"][name] for name in self._schema["required"]]
        return _REPLY_TOKENS + num_pairs * sum(map(_least_tokens, fields))

    def _item(self, value: Mapping[str, Any]) -> Item:
        cleaned = {name: _clean(value[name]) for name in self.names if name in value}
        return {name: field for name, field in cleaned.items() if field != ""}


def find_problems(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield why a mapping is no schema of an item."""
    try:
        Draft202012Validator.check_schema(schema, Draft202012Validator.FORMAT_CHECKER)
    except jsonschema.SchemaError as error:
        place = ".".join(map(str, error.absolute_path)) or "it"
        yield f"{place}: {error.message}"
        return
    properties = schema.get("properties")
    if schema.get("type", "object") != "object" or not properties:
        yield "expected the JSON schema of an object with at least one property"
        return
    for name in properties:
        if name in _RESERVED:
            yield f"a property can't be named {name!r}: synth itself uses that name"
    for name in schema.get("required", ()):
        if name not in properties:
            yield f"required: there is no property {name!r}"
    if "$ref" in str(schema):
        yield "$ref: write what it refers to in its place"


def _least_tokens(field: Any) -> int:
    if not isinstance(field, Mapping) or field.get("type") != "string" or "enum" in field:
        return _FIELD_TOKENS + 1
    least_chars: int = field.get("minLength", 0)
    return _FIELD_TOKENS + max(_STRING_TOKENS, least_chars // CHARS_PER_TOKEN)


def _clean(value: Any) -> Any:
    if isinstance(value, str):  # half of a surrogate pair can't be written
        return value.encode("utf-8", "ignore").decode().strip()
    if isinstance(value, list):
        return [_clean(part) for part in value]
    if isinstance(value, dict):
        return {_clean(name): _clean(part) for name, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _rebuild(schema: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Return the schema with ``change`` made to it and to each schema in it."""
    if not isinstance(schema, Mapping):
        return schema  # true or false
    parts = dict(schema)
    if "properties" in parts:
        parts["properties"] = {n: _rebuild(p, change) for n, p in parts["properties"].items()}
    if "items" in parts:
        parts["items"] = _rebuild(parts["items"], change)
    for key in parts.keys() & {"anyOf", "oneOf", "allOf", "prefixItems"}:
        parts[key] = [_rebuild(part, change) for part in parts[key]]
    return change(parts)


def _without_lengths(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in _LENGTHS}


def _end_at(longest: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(schema: dict[str, Any]) -> dict[str, Any]:
        if schema.get("type") == "string" and schema.keys().isdisjoint(_ENDS):
            return {**schema, "maxLength": max(longest, schema.get("minLength", 0))}
        return _closed(schema) if "properties" in schema else schema

    return change


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object with all of its properties and no others, unless it says so."""
    rules = {"required": list(schema["properties"]), "additionalProperties": False}
    return {**schema, **{key: schema.get(key, value) for key, value in rules.items()}}
