"""Write all datasets of a run, in one go through its pairs."""

import itertools
import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from synth.config import Config
from synth.config.curation import FORMATS
from synth.export.card import MOST_DOCUMENTS, Facts, write_card
from synth.export.columns import Types
from synth.export.files import Splits, line_splits, table_splits
from synth.export.forms import LINES, Example, Examples, preference_types, to_table
from synth.export.hub import DATA, push
from synth.export.preference import Preferences
from synth.export.splits import TRAIN, split_documents
from synth.export.survey import (
    Survey,
    find_languages,
    read_documents,
    read_pairs,
    survey_pairs,
)
from synth.export.tables import save_to_disk
from synth.export.words import Wording
from synth.io import write_text
from synth.rows import Row, is_kept

log = logging.getLogger(__name__)

FOLDER = "export"
"""Where datasets are, relative to the run's folder."""
_TABLES = frozenset({"parquet", "hf"})
_N_SAMPLE = 3
_CARD = "README.md"


def export(folder: Path, config: Config, figures: Mapping[str, float]) -> list[Path]:
    """Write the datasets of the run in ``folder``, in place of those that are there; push them.

    Its pairs are read twice and never held, however many there are.

    Args:
        folder: with ``pairs.jsonl``, in the order of ``chunks.jsonl``, and ``documents.jsonl``.
        config: of the run.
        figures: what the cards tell of the pairs, by name.

    Returns:
        The folder of each format.

    Raises:
        ExportError: if a template can't be filled, or when all is written but can't be pushed.
    """
    with _scratch(folder) as scratch:
        making = _Making(folder, config, scratch)
        making.write_rows()
        facts = making.describe(figures)
        making.write_cards(facts)
        written = _put_in_place(folder / FOLDER, scratch, config.export.formats)
        if config.export.push_to is not None:
            making.push(folder / FOLDER, facts)
    return written


@dataclass
class _Making:
    """The datasets of a run while they are made in a scratch folder."""

    folder: Path
    config: Config
    scratch: Path
    survey: Survey = field(init=False)
    split_of: Mapping[str, str] = field(init=False)
    """Of the documents that are not for training."""
    made: dict[str, tuple[Splits, Types]] = field(default_factory=dict)
    """What was made, by format; ``parquet`` is what ``hf`` comes from, too."""
    sample: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        config, self.survey = self.config, survey_pairs(self.folder)
        self.split_of = split_documents(self.survey.n_kept, config.export, config.seed)

    def write_rows(self) -> None:
        """Write all that holds pairs.

        Raises:
            ExportError: if a template can't be filled.
        """
        formats = self.config.export.formats
        with ExitStack() as stack:
            outputs = self._open_outputs(stack)
            preferences = None
            if "dpo" in formats:
                preferences = stack.enter_context(Preferences(self.scratch / ".answers.db"))
            self._deal_out(outputs, preferences)
            if preferences is not None:
                self._write_preferences(preferences)
        if "hf" in formats:
            tables, _ = self.made["parquet"]
            save_to_disk(tables.paths, self.scratch / "hf", self.scratch / ".cache")

    def _open_outputs(self, stack: ExitStack) -> list[tuple[Splits, Callable[[Example], Row]]]:
        export = self.config.export
        examples, outputs = self._examples, []
        for name, form in LINES.items():
            if name in export.formats:
                splits = stack.enter_context(line_splits(self.scratch / name))
                self.made[name] = (splits, examples.types(form, export.system))
                outputs.append((splits, form))
        if _TABLES & set(export.formats):
            types = examples.types(to_table, export.system)
            splits = stack.enter_context(table_splits(self.scratch / "parquet", types))
            self.made["parquet"] = (splits, types)
            outputs.append((splits, to_table))
        return outputs

    @property
    def _examples(self) -> Examples:
        return Examples(self.survey, provenance=self.config.export.provenance)

    def _deal_out(
        self,
        outputs: Sequence[tuple[Splits, Callable[[Example], Row]]],
        preferences: Preferences | None,
    ) -> None:
        """Write each pair in each format, and note the answers that may be preferred to others."""
        if not self.survey.n_worse:
            preferences = None
        examples, wording = self._examples, Wording(self.config, self.folder)
        path_of = {row["id"]: row["path"] for row in read_documents(self.folder)}
        for row in read_pairs(self.folder):
            if not is_kept(row) and (preferences is None or not preferences.takes(row)):
                continue
            document = path_of.get(row["doc_id"], "")
            talk = wording.say(row, document)
            split = self.split_of.get(row["doc_id"], TRAIN)
            if preferences is not None:
                preferences.add(row, talk, split)
            if is_kept(row):
                example = examples.make(row, talk, document)
                for splits, form in outputs:
                    splits.write(split, form(example))
                if len(self.sample) < _N_SAMPLE:
                    self.sample.append(example.shown())

    def _write_preferences(self, preferences: Preferences) -> None:
        provenance = self.config.export.provenance
        with line_splits(self.scratch / "dpo") as splits:
            for split, row in preferences.rows(provenance=provenance):
                splits.write(split, row)
        self.made["dpo"] = (splits, preference_types(provenance=provenance))
        if not splits.n_rows:
            log.info(
                "%-9s dpo is empty: no kept and no dropped answer to the same question, of which "
                "the dropped one is worse",
                "export",
            )

    def describe(self, figures: Mapping[str, float]) -> Facts:
        """Return what cards tell, when all rows are written."""
        documents = read_documents(self.folder)
        first = list(itertools.islice(documents, MOST_DOCUMENTS))
        return Facts(
            config=self.config,
            figures=figures,
            languages=find_languages(self.folder),
            documents=first,
            n_documents=len(first) + sum(1 for _ in documents),
            n_documents_of=Counter(self.split_of.get(id_, TRAIN) for id_ in self.survey.n_kept),
            sample=self.sample,
        )

    def write_cards(self, facts: Facts) -> None:
        """Write the card of each format beside its files."""
        for name, (splits, types) in self.made.items():
            files = {split: path.name for split, path in splits.paths.items()}
            filled = {split: file for split, file in files.items() if splits.n_rows[split]}
            told = None if name == "parquet" else types  # Parquet tells them itself
            card = write_card(facts, splits.n_rows, told, filled or files)
            write_text(self.scratch / name / _CARD, card)
        if "hf" in self.config.export.formats:
            tables, _ = self.made["parquet"]
            write_text(self.scratch / "hf" / _CARD, write_card(facts, tables.n_rows))

    def push(self, place: Path, facts: Facts) -> None:
        """Push the tables, which are in their place already if they are asked for."""
        tables, _ = self.made["parquet"]
        base = place if "parquet" in self.config.export.formats else self.scratch
        paths = {split: base / "parquet" / path.name for split, path in tables.paths.items()}
        files = {split: f"{DATA}/{path.name}" for split, path in paths.items()}
        card = write_card(facts, tables.n_rows, files=files)
        push(self.config, card, paths, self.scratch / ".push")


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Make a folder beside the datasets, which is gone afterwards."""
    scratch = folder / ".export"
    shutil.rmtree(scratch, ignore_errors=True)  # of a run that was killed
    scratch.mkdir(parents=True)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _put_in_place(target: Path, scratch: Path, formats: Sequence[str]) -> list[Path]:
    """Move what was made to where it belongs; of other exports nothing is left."""
    target.mkdir(exist_ok=True)
    for name in FORMATS:
        shutil.rmtree(target / name, ignore_errors=True)
        (target / f"{name}.jsonl").unlink(missing_ok=True)  # of versions without splits
        if name in formats:
            (scratch / name).rename(target / name)
    return [target / name for name in formats]
