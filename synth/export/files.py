"""The splits of a dataset as files: JSON lines, and Parquet tables row group by row group."""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from synth.export.columns import Types
from synth.export.splits import SPLITS, TRAIN
from synth.io import JsonlWriter
from synth.rows import Row

_TOGETHER = 2000
"""Rows of each split that are written together: a row group of a table."""


class File(Protocol):
    """A file that is open for the rows of one split."""

    def write(self, *rows: Row) -> None:
        """Append them."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class Splits:
    """A folder with a file for each split that there is; ``train`` is always there."""

    def __init__(self, folder: Path, suffix: str, open_file: Callable[[Path], File]) -> None:
        folder.mkdir(parents=True)
        self.n_rows = Counter[str]()
        self._folder, self._suffix, self._open_file = folder, suffix, open_file
        self._files: dict[str, File] = {}
        self._held: dict[str, list[Row]] = {}
        self._stack = ExitStack()

    @property
    def paths(self) -> dict[str, Path]:
        """The file of each split."""
        names = [name for name in SPLITS if name in self._files]
        return {name: self._folder / f"{name}{self._suffix}" for name in names}

    def write(self, split: str, row: Row) -> None:
        """Append a row."""
        held = self._held.setdefault(split, [])
        held.append(row)
        self.n_rows[split] += 1
        if len(held) == _TOGETHER:
            self._flush(split)

    def _flush(self, split: str) -> None:
        if split not in self._files:
            path = self._folder / f"{split}{self._suffix}"
            self._files[split] = self._stack.enter_context(self._open_file(path))
        self._files[split].write(*self._held.pop(split, ()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._stack:
            if exc is None:
                for split in {TRAIN, *self._held}:
                    self._flush(split)


def line_splits(folder: Path) -> Splits:
    """Return files of JSON lines."""
    return Splits(folder, ".jsonl", JsonlWriter)


def table_splits(folder: Path, types: Types) -> Splits:
    """Return Parquet files; what is of type ``json`` stands in them as JSON text."""
    return Splits(folder, ".parquet", lambda path: _Table(path, types))


class _Table:
    def __init__(self, path: Path, types: Types) -> None:
        import pyarrow.parquet

        self._as_json = [name for name, kind in types.items() if kind == "json"]
        self._schema = _schema(types)
        self._file = pyarrow.parquet.ParquetWriter(path, self._schema)

    def write(self, *rows: Row) -> None:
        import pyarrow

        plain = [{**row, **{name: _as_json(row[name]) for name in self._as_json}} for row in rows]
        if plain:  # a row group without rows can't be read by datasets
            self._file.write_table(pyarrow.Table.from_pylist(plain, self._schema))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()


def _as_json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _schema(types: Types) -> Any:
    import pyarrow as pa

    def records(*names: str) -> Any:
        return pa.list_(pa.struct([(name, pa.string()) for name in names]))

    arrow = {
        "text": pa.string(),
        "int": pa.int64(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "ints": pa.list_(pa.int64()),
        "texts": pa.list_(pa.string()),
        "json": pa.string(),
        "messages": records("role", "content"),
        "turns": records("from", "value"),
    }
    return pa.schema([(name, arrow[kind]) for name, kind in types.items()])
