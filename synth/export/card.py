"""The card of a dataset: what it is, in words for people and in front matter for the hub."""

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from synth.config import Config, flatten
from synth.export.columns import Types, features
from synth.export.splits import SPLITS
from synth.rows import Row

MOST_DOCUMENTS = 50
"""That a card lists."""
_MOST_CHARS = 2000
"""Of a text in the sample."""
_SETTINGS = ("model.name", "model.revision", "seed", "chunk.", "gen.", "qa.", "curate.")
"""Keys that decide what the pairs are like; those that end in a dot stand for all in the group."""
_LEFT_OUT = (
    *("qa.prompt", "qa.system", "qa.command", "qa.schema", "gen.reuse", "gen.timeout_s"),
    *("curate.prompt", "curate.system", "curate.api_base"),
    *("curate.contamination", "curate.verdicts"),
)
"""Long texts, and what tells more of a machine than of the pairs."""
_WHAT = (
    "Question-answer pairs that a language model has written about documents: synthetic data, "
    "which may be wrong where the model was."
)
_SIZES = (
    *((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M")),
    *((10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B")),
)
"""Source: the hub's size categories."""


@dataclass(frozen=True)
class Facts:
    """What a card tells."""

    config: Config
    figures: Mapping[str, float]
    languages: Sequence[str]
    """Codes such as ``en``; empty if they are not known."""
    documents: Sequence[Row]
    """The first rows of ``documents.jsonl``, at most :data:`MOST_DOCUMENTS`."""
    n_documents: int
    n_documents_of: Mapping[str, int]
    """Documents of each split."""
    sample: Sequence[Row] = field(default=())
    """Some pairs."""


def write_card(
    facts: Facts,
    n_rows: Mapping[str, int],
    types: Types | None = None,
    files: Mapping[str, str] | None = None,
) -> str:
    """Return the text of ``README.md``.

    Args:
        facts: what holds for the whole run.
        n_rows: rows of each split.
        types: of the columns, where the files don't tell them.
        files: those of each split, beside the card; None where nothing has to be said of them.
    """
    parts = [
        f"---\n{_front_matter(facts, n_rows, types, files)}\n---",
        f"# {facts.config.name}",
        _WHAT,
        "## Splits\n\n" + _splits(facts, n_rows),
        "## Documents\n\n" + _documents(facts),
        "## Settings\n\n" + _table(("setting", "value"), _settings(facts.config)),
    ]
    if facts.figures:
        rows = ((f"`{name}`", f"{value:.4g}") for name, value in sorted(facts.figures.items()))
        parts.append("## Figures\n\n" + _table(("figure", "value"), rows))
    if facts.sample:
        parts.append("## Sample\n\n" + "\n\n".join(map(_sample, facts.sample)))
    licence = facts.config.export.license
    said = f"`{licence}`." if licence else "None was given; that of the documents counts, too."
    parts += [
        f"## License\n\n{said}",
        f"Made with synth {_version()} and the seed {facts.config.seed}.",
    ]
    return "\n\n".join(parts) + "\n"


def _version() -> str:
    try:
        return importlib.metadata.version("synth")
    except importlib.metadata.PackageNotFoundError:  # run from a folder of its code
        return "of an unknown version"


def _front_matter(
    facts: Facts,
    n_rows: Mapping[str, int],
    types: Types | None,
    files: Mapping[str, str] | None,
) -> str:
    from huggingface_hub import DatasetCardData

    n = sum(n_rows.values())
    more: Row = {}
    if types:
        more["dataset_info"] = {"features": features(types)}
    if files:
        data_files = [{"split": split, "path": path} for split, path in files.items()]
        more["configs"] = [{"config_name": "default", "data_files": data_files}]
    card = DatasetCardData(
        license=facts.config.export.license,
        language=list(facts.languages) or None,
        task_categories=["question-answering", "text-generation"],
        tags=["synthetic", "synth"],
        size_categories=[next((name for most, name in _SIZES if n < most), "1B<n<10B")],
        **more,
    )
    return str(card.to_yaml()).strip()


def _splits(facts: Facts, n_rows: Mapping[str, int]) -> str:
    rows = (
        (split, f"{n_rows.get(split, 0):,}", f"{facts.n_documents_of.get(split, 0):,}")
        for split in SPLITS
    )
    return _table(("split", "rows", "documents"), rows) + "\n\nNo document is in two splits."


def _documents(facts: Facts) -> str:
    rows = ((_name(row.get("path", "")), f"`{row.get('sha256', '')}`") for row in facts.documents)
    table = _table(("document", "SHA-256"), rows)
    if (more := facts.n_documents - len(facts.documents)) > 0:
        table += f"\n\n… and {more:,} more."
    return table


def _name(path: str) -> str:
    """Return a document's name without the folders of the machine that it was read on."""
    if "://" in path:
        return path
    outer, mark, inner = path.partition("!")
    return outer.rpartition("/")[2] + mark + inner


def _settings(config: Config) -> list[tuple[str, str]]:
    return [
        (f"`{key}`", _name(str(value)) if key == "model.name" and _is_path(value) else str(value))
        for key, value in flatten(config).items()
        if key.startswith(_SETTINGS) and key not in _LEFT_OUT and value is not None
    ]


def _is_path(name: str) -> bool:
    return name.startswith(("/", "./", "../", "~"))


def _sample(row: Row) -> str:
    short = {name: _shortened(value) for name, value in row.items()}
    return f"```json\n{json.dumps(short, ensure_ascii=False, indent=2)}\n```"


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _MOST_CHARS:
        return value[:_MOST_CHARS] + " …"
    return value


def _table(head: Sequence[str], rows: Any) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
