"""What is said about a pair: the templates for the user's and the model's part."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from synth.config import Config
from synth.errors import ConfigError, ExportError
from synth.qa.form import PAIR
from synth.qa.template import Template, TemplateFault, nothing
from synth.records import Chunk
from synth.rows import Row, read_chunks
from synth.texts import Texts

_NAMES = ("question", "answer", "reasoning", "text", "headings", "document")
"""What templates know of every pair; without a reasoning it is blank."""


def check_templates(config: Config) -> None:
    """Compile the templates of the export.

    Raises:
        ConfigError: with all that is wrong with them.
    """
    _compile(config)


@dataclass(frozen=True, slots=True)
class Talk:
    """What is said about a pair."""

    system: str
    prompt: str
    reply: str

    def opening(self) -> list[dict[str, str]]:
        """Return the messages before the reply."""
        system = [message("system", self.system)] if self.system else []
        return [*system, message("user", self.prompt)]

    def messages(self) -> list[dict[str, str]]:
        """Return the whole conversation."""
        return [*self.opening(), message("assistant", self.reply)]


class Wording:
    """The templates of an export, for the pairs of the run in ``folder``."""

    def __init__(self, config: Config, folder: Path) -> None:
        self._system = config.export.system.strip()
        self._prompt, self._reply = templates = _compile(config)
        self._blanks: Row = dict(nothing(_names(config)))
        used = templates[0].used | templates[1].used
        self._passages = _Passages(folder) if used & {"text", "headings"} else None
        self._reads_text = "text" in used

    def say(self, row: Row, document: str) -> Talk:
        """Return what is said about a pair.

        Pairs in the order of their chunks take the fewest reads.

        Raises:
            ExportError: if a template can't be filled with it.
        """
        values = {**self._blanks, "document": document, **row}
        if self._passages is not None:
            values |= self._passages.about(row, reads_text=self._reads_text)
        try:
            prompt, reply = (part.fill(values).strip() for part in (self._prompt, self._reply))
        except TemplateFault as error:
            raise ExportError(
                f"export.prompt and export.reply can't be filled with the pair {row['id']}: {error}; "
                "correct the template, or ask with an if whether a pair has what it uses"
            ) from error
        return Talk(self._system, prompt, reply)


class _Passages:
    """Texts and headings of pairs, from a file of chunks that is read beside that of the pairs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._texts = Texts(folder)
        self._documents = self._by_document()
        self._doc_id: str | None = None
        self._chunks: dict[str, Chunk] = {}

    def about(self, row: Row, *, reads_text: bool) -> Row:
        """Return ``headings`` and, if asked for, ``text`` of the chunks of a pair."""
        self._go_to(row["doc_id"])
        ids = row.get("chunk_ids") or [row["chunk_id"]]
        chunks = [self._chunks[id_] for id_ in ids if id_ in self._chunks]
        texts = map(self._texts.read, chunks) if reads_text else ()
        return {
            "headings": list(chunks[0].headings) if chunks else [],
            "text": "\n\n".join(texts),
        }

    def _go_to(self, doc_id: str) -> None:
        """Hold the chunks of a document; begin anew, once, if it does not come any more."""
        if doc_id == self._doc_id or self._advance(doc_id):
            return
        self._documents = self._by_document()
        if not self._advance(doc_id):
            self._doc_id, self._chunks = doc_id, {}
            self._documents = self._by_document()

    def _advance(self, doc_id: str) -> bool:
        for found, chunks in self._documents:
            if found == doc_id:
                self._doc_id, self._chunks = found, chunks
                return True
        return False

    def _by_document(self) -> Iterator[tuple[str, dict[str, Chunk]]]:
        chunks = read_chunks(self._folder)
        for doc_id, group in itertools.groupby(chunks, key=lambda chunk: chunk.doc_id):
            yield doc_id, {chunk.id: chunk for chunk in group}


def message(role: str, content: str) -> dict[str, str]:
    """Return one message of a conversation."""
    return {"role": role, "content": content}


def _names(config: Config) -> tuple[str, ...]:
    own = (config.qa.schema or PAIR).get("properties", {})
    return tuple(dict.fromkeys((*_NAMES, *own)))


def _compile(config: Config) -> tuple[Template, Template]:
    templates, problems = [], []
    for key in ("prompt", "reply"):
        try:
            templates.append(Template(getattr(config.export, key), _names(config)))
        except TemplateFault as error:
            problems.append(f"export.{key}: {error}")
    if problems:
        raise ConfigError(problems)
    prompt, reply = templates
    return prompt, reply
