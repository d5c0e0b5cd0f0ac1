"""Find documents and read their text.

A document is one file of plain text or Markdown in UTF-8 (or UTF-16 with its byte order mark).
Its text is kept to the character, line ends and NUL bytes included.
"""

import codecs
import glob
import hashlib
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from synth.chunk_files import is_chunk
from synth.errors import ConfigError, IngestError
from synth.io import link, read_json, write_json, write_text
from synth.records import Document, Failure
from synth.shared import Shared

TEXT_SUFFIXES = frozenset(
    {"", ".txt", ".text", ".md", ".markdown", ".mdx", ".rst", ".adoc", ".org"}
)
"""Files that are read; others in a folder are reported as skipped."""

_CONTROL_FRAC = 0.1
_CONTROLS = "".join(set(map(chr, range(32))) - set("\t\n\v\f\r\x1b"))
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Ingested:
    """A document with its text."""

    document: Document
    text: str


def find_documents(docs: Sequence[str]) -> list[Path]:
    """Return the files behind ``docs`` (files, folders, globs), each once, in a stable order.

    Left out are hidden files in folders and, unless named one by one, what
    ``SyntheticDataKit.chunk_data`` has cut there.

    Raises:
        ConfigError: if an entry matches nothing.
    """
    found: dict[Path, None] = {}
    problems = []
    for entry in docs:
        paths = _expand(entry)
        if not paths:
            problems.append(_nothing_at(entry))
        found.update(dict.fromkeys(paths))
    if problems:
        raise ConfigError(problems)
    return list(found)


def ingest(paths: Sequence[Path], folder: Path, shared: Shared) -> Iterator[Document | Failure]:
    """Read the files, and write their texts to ``folder``; one result for each file.

    The jobs of a sweep have the texts that the first of them has read, even if a file has changed
    since: they are compared.
    """
    with shared.once("documents", *map(str, paths)) as kept:
        if kept is not None and kept.exists():
            yield from _link_documents(kept, folder)
            return
        rows: list[dict[str, object]] = []
        for result in read_documents(paths):
            if isinstance(result, Failure):
                rows.append({"failure": asdict(result)})
                yield result
                continue
            document, text_path = result.document, folder / result.document.text_path
            write_text(text_path, result.text)
            rows.append({"document": asdict(document), "text": str(text_path.absolute())})
            yield document
        if kept is not None:
            write_json(kept, {"files": rows})


def _link_documents(kept: Path, folder: Path) -> Iterator[Document | Failure]:
    for row in read_json(kept)["files"]:
        if "failure" in row:
            yield Failure(**row["failure"])
            continue
        document = Document(**row["document"])
        link(Path(row["text"]), folder / document.text_path)
        yield document


def read_documents(paths: Sequence[Path]) -> Iterator[Ingested | Failure]:
    """Read the files one by one; what can't be read, or was read before, is a failure."""
    seen: dict[str, Path] = {}
    for path in paths:
        try:
            ingested = read_document(path)
        except IngestError as error:
            yield Failure(error.path, "ingest", type(error).__name__, str(error))
            continue
        first = seen.setdefault(ingested.document.id, path)
        if first is path:
            yield ingested
        else:
            yield Failure(str(path), "ingest", "Duplicate", f"same content as {first}")


def read_document(path: Path, suffixes: Collection[str] | None = TEXT_SUFFIXES) -> Ingested:
    """Read one file.

    Args:
        suffixes: those of text; None = whatever it is called.

    Raises:
        IngestError: if it can't be read, is of another format, not text, or empty.
    """
    if suffixes is not None and path.suffix.lower() not in suffixes:
        known = " ".join(sorted(filter(None, suffixes)))
        raise IngestError(f"format {path.suffix} is not supported (read: {known})", str(path))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise IngestError(f"can't be read: {error.strerror}", str(path)) from error
    text = _decode(data, path)
    if not text.strip():
        raise IngestError("has no text", str(path))
    sha256 = hashlib.sha256(data).hexdigest()
    document = Document(
        id=sha256[:16],
        path=str(path),
        sha256=sha256,
        n_chars=len(text),
        text_path=f"data/txt/{sha256[:16]}.txt",
    )
    return Ingested(document, text)


def _expand(entry: str) -> list[Path]:
    path = Path(entry).expanduser()
    if path.is_dir():
        return sorted(file for file in _walk(path) if not is_chunk(file))
    if path.exists():
        return [path.absolute()]
    matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))  # noqa: PTH207  (absolute patterns)
    files = (file.absolute() for file in matches if file.is_file())
    return [file for file in files if not is_chunk(file)]


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name).absolute() for name in files if not name.startswith("."))


def _nothing_at(entry: str) -> str:
    path = Path(entry).expanduser()
    if path.is_dir():
        return f"docs={entry}: the folder holds no files"
    if glob.has_magic(entry):
        return f"docs={entry}: no file matches (looked from {Path.cwd()})"
    return f"docs={entry}: there is no such file or folder (looked from {Path.cwd()})"


def _decode(data: bytes, path: Path) -> str:
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise IngestError(
            f"is not text in UTF-8 (byte {error.start} of {len(data)})", str(path)
        ) from error
    n_controls = sum(map(text.count, _CONTROLS))
    if n_controls > _CONTROL_FRAC * len(text):
        raise IngestError(
            f"is not text ({n_controls} of {len(text)} are control characters)", str(path)
        )
    return text
