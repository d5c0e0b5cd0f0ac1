"""A folder for ``datasets.load_from_disk``, from Parquet files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synth.export.bars import without_bars


def save_to_disk(tables: Mapping[str, Path], folder: Path, scratch: Path) -> None:
    """Write the tables as a ``DatasetDict``; only a part of one is in memory at a time.

    Args:
        tables: the Parquet file of each split.
        folder: what is to be made.
        scratch: where they are unpacked; the caller removes it.
    """
    from datasets import DatasetDict, utils

    with without_bars(utils):
        splits = {split: _load(path, split, scratch) for split, path in tables.items()}
        # Left to itself it writes no file at all for a split without rows, and can't load that.
        n_files = {split: None if len(rows) else 1 for split, rows in splits.items()}
        DatasetDict(splits).save_to_disk(str(folder), num_shards=n_files)


def _load(path: Path, split: str, scratch: Path) -> Any:
    import pyarrow.parquet
    from datasets import Dataset

    if pyarrow.parquet.read_metadata(path).num_rows == 0:  # the reader below refuses it
        return Dataset(pyarrow.parquet.read_table(path))
    return Dataset.from_parquet(str(path), cache_dir=str(scratch / split), split=split)
