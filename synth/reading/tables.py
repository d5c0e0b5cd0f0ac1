"""Read CSV, JSON lines, JSON arrays and Parquet: one document for each row, from one column.

Files are read row by row. A bad row costs itself; which column holds the text is decided by the
header, or by the first row where there is none.
"""

import codecs
import csv
import io
import itertools
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import pydantic_core

from synth.errors import IngestError
from synth.reading.encodings import find_encoding
from synth.reading.source import Source, Target, failure, is_of_writing, opened
from synth.records import Document, Failure

TEXT_COLUMNS = (
    *("text", "content", "body", "document", "passage", "article", "page_content", "markdown"),
    *("context", "abstract", "story", "contents", "raw_content", "completion"),
)
"""Names by which the column of the text is found, in this order, in whatever case."""

_MOST = 256 * 1024 * 1024
"""Longest line of JSON, or field of CSV, in bytes."""
_BLOCK = 1024 * 1024
_DELIMITERS = ",;\t|"
_BETWEEN = re.compile(r"[\s,]*")

Row = tuple[int, Mapping[str, Any] | IngestError]
"""A row's number, and its columns or what is wrong with it."""


def read_table(source: Source, kind: str, target: Target) -> Iterator[Document | Failure]:
    """Yield a document or a failure for each row of a file of one of :data:`READERS`."""
    column = target.config.text_column
    with opened(source) as file:
        for number, row in READERS[kind](file, source, column):
            path = f"{source.path}#{number}"
            try:
                if isinstance(row, IngestError):
                    raise row
                column = column or _find_column(row, source)
                yield target.save(_text_of(row, column, path), path, kind)
            except IngestError as error:
                yield failure(error)
                if error.path == source.path:
                    return


def _find_column(names: Iterable[str], source: Source) -> str:
    """Return the column that holds the text.

    Raises:
        IngestError: with the columns that there are, if none has the name of one.
    """
    by_name = {name.strip().lower(): name for name in reversed(list(names))}
    found = next((by_name[name] for name in TEXT_COLUMNS if name in by_name), None)
    if found is None:
        columns = ", ".join(sorted(by_name.values())[:30]) or "none"
        raise IngestError(
            f"has no column of text that is known: set ingest.text_column to one of {columns}",
            source.path,
        )
    return found


def _check_column(column: str, names: Collection[str], path: str) -> None:
    if column not in names:
        columns = ", ".join(list(names)[:30]) or "none"
        raise IngestError(f"has no column {column} (there are {columns})", path)


def _text_of(row: Mapping[str, Any], column: str, path: str) -> str:
    _check_column(column, row, path)
    value = row[column]
    if value is None or value == "":
        raise IngestError("has no text", path)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if not isinstance(value, str):
        raise IngestError(f"column {column} holds no text but {type(value).__name__}", path)
    return value


def _read_csv(file: BinaryIO, source: Source, column: str | None) -> Iterator[Row]:
    csv.field_size_limit(_MOST)
    encoding = find_encoding(file)
    # A byte that is not of the encoding makes half a character, and its row a failure.
    with io.TextIOWrapper(file, encoding, errors="surrogateescape", newline="") as lines:
        delimiter = "\t"
        if not source.name.lower().endswith((".tsv", ".tab")):
            delimiter = _find_delimiter(lines.read(_BLOCK // 16))
            lines.seek(0)
        rows = csv.reader(lines, delimiter=delimiter)
        header = next(rows, [])
        column = column or _find_column(header, source)
        _check_column(column, header, source.path)
        place = header.index(column)
        for number in itertools.count(1):
            path = f"{source.path}#{number}"
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield number, IngestError(f"is no row of CSV: {error}", path)
                continue
            if place < len(row) <= len(header):
                yield number, {column: row[place]}
            elif row:
                yield number, IngestError(f"has {len(row)} fields, not {len(header)}", path)


def _find_delimiter(sample: str) -> str:
    header = sample.partition("\n")[0]
    return max(_DELIMITERS, key=header.count)


def _read_lines(file: BinaryIO, source: Source, _: str | None) -> Iterator[Row]:
    number = 0
    while line := file.readline(_MOST):
        number += 1
        path = f"{source.path}#{number}"
        if len(line) == _MOST and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = file.readline(_MOST)
            yield number, IngestError(f"is longer than {_MOST // 1024**2} MiB", path)
        elif line.strip():
            yield number, _parse_line(line.removeprefix(codecs.BOM_UTF8), path)


def _parse_line(line: bytes, path: str) -> Mapping[str, Any] | IngestError:
    try:
        row = pydantic_core.from_json(line)
    except ValueError as error:
        return IngestError(f"is not JSON: {error}", path)
    return row if isinstance(row, dict) else IngestError("is JSON, but no object", path)


def _read_json(file: BinaryIO, source: Source, _: str | None) -> Iterator[Row]:
    """Read the objects of an array one by one, or the only one."""
    with io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape") as text:
        yield from _values_of_json(text, source)


def _values_of_json(text: io.TextIOWrapper, source: Source) -> Iterator[Row]:
    held = text.read(_BLOCK).lstrip()
    what = "no object" if held.startswith("[") else "neither an object nor a list of them"
    place = 1 if held.startswith("[") else 0
    for number in itertools.count(1):
        place = _skip(held, place)
        while place == len(held):
            held = text.read(_BLOCK)
            place = _skip(held, 0)
            if not held:
                return
        if held[place] == "]":
            return
        try:
            row, held, place = _next_value(held, place, text)
        except (ValueError, RecursionError) as error:
            raise IngestError(f"is not JSON at row {number}: {error}", source.path) from error
        path = f"{source.path}#{number}"
        yield number, row if isinstance(row, dict) else IngestError(f"is JSON, but {what}", path)


def _skip(held: str, place: int) -> int:
    """Return where the next value, or the end, is."""
    between = _BETWEEN.match(held, place)
    return between.end() if between else place


def _next_value(held: str, place: int, text: io.TextIOWrapper) -> tuple[Any, str, int]:
    """Return the value at a place, and what is held then and the place after it."""
    wanted = _BLOCK
    while True:
        try:
            value, end = json.JSONDecoder().raw_decode(held, place)
        except ValueError:
            more = text.read(wanted)
            if not more or len(held) > _MOST:
                raise
            held, place, wanted = held[place:] + more, 0, wanted * 2
            continue
        return value, held, end


def _read_parquet(file: BinaryIO, source: Source, column: str | None) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(file, pre_buffer=False)
        names = table.schema_arrow.names
        column = column or _find_column(names, source)
        _check_column(column, names, source.path)
        number = 0
        for batch in table.iter_batches(batch_size=256, columns=[column], use_threads=False):
            for value in batch.column(0).to_pylist():
                number += 1
                yield number, {column: value}
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        if is_of_writing(error):
            raise
        said = str(error).strip().partition("\n")[0]
        raise IngestError(f"can't be read as parquet: {said}", source.path) from error


READERS: dict[str, Callable[[BinaryIO, Source, str | None], Iterator[Row]]] = {
    "csv": _read_csv,
    "tsv": _read_csv,
    "jsonl": _read_lines,
    "json": _read_json,
    "parquet": _read_parquet,
}
