"""Read plain text and Markdown of any size, to the character: line ends and NULs included.

The file is read once, in pieces. Only if it turns out not to be UTF-8, it is read again in the
encoding that a sample suggests.
"""

import codecs
import hashlib
import logging
import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from synth.config.dataset import IngestConfig
from synth.errors import IngestError
from synth.io import read_text
from synth.reading.encodings import (
    CONTROL_FRAC,
    count_controls,
    encoding_of_mark,
    guess_encoding,
    take_sample,
)
from synth.reading.source import Source, Target, opened, record, show
from synth.records import Document
from synth.texts import TextWriter

_log = logging.getLogger(__name__)

_PIECE = 1024 * 1024


class _NotTextError(Exception):
    """A byte that is none of the encoding's; ``args[0]`` is its place in the file."""


def read_plain(source: Source, kind: str, target: Target) -> Document:
    """Read a file of text.

    Raises:
        IngestError: if it can't be read, is no text, or is blank.
    """
    with opened(source) as file:
        encoding = encoding_of_mark(file.read(4))
    try:
        return _read_as(encoding, source, kind, target)
    except _NotTextError as error:
        place = int(error.args[0])
    with opened(source) as file:
        size = os.fstat(file.fileno()).st_size
        guess = guess_encoding(take_sample(file, place)) if encoding == "utf-8" else None
    if guess is not None:
        with suppress(_NotTextError):
            document = _read_as(guess, source, kind, target)
            _log.info("%s: read as %s", source.path, guess)
            return document
    name = encoding.upper().removesuffix("-SIG")
    raise IngestError(f"is not text in {name} (byte {place} of {size})", source.path)


def read_text_of(path: Path, config: IngestConfig) -> str:
    """Return the text of a file that is asked for by its name, and keep nothing.

    Raises:
        IngestError: as :func:`read_plain`.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        source = Source(path, show(str(path)), path.name, is_named=True)
        document = read_plain(source, "text", Target(folder, folder, config))
        return read_text(folder / document.text_path)


def _read_as(encoding: str, source: Source, kind: str, target: Target) -> Document:
    decoder = codecs.getincrementaldecoder(encoding)()
    digest = None if encoding == "utf-8" else hashlib.sha256()  # else it is the text's own
    data, n_read, n_controls = b"-", 0, 0
    with opened(source) as file, TextWriter(target.folder, target.scratch) as writer:
        while data and n_controls <= CONTROL_FRAC * max(_PIECE, writer.n_chars):
            data = file.read(_PIECE)
            if digest is not None:
                digest.update(data)
            text = _decode(decoder, data, n_read)
            n_read += len(data)
            n_controls += count_controls(text.encode("utf-8", "surrogatepass"))
            _write(writer, text, n_read)
        if n_controls > CONTROL_FRAC * writer.n_chars:
            raise IngestError(
                f"is not text ({n_controls} of {writer.n_chars} are control characters)",
                source.path,
            )
    return record(writer, source.path, kind, sha256=digest.hexdigest() if digest else "")


def _decode(decoder: codecs.IncrementalDecoder, data: bytes, offset: int) -> str:
    n_pending = len(decoder.getstate()[0])
    try:
        return decoder.decode(data, final=not data)
    except UnicodeDecodeError as error:
        raise _NotTextError(offset - n_pending + error.start) from error
    except UnicodeError as error:  # UTF-16 and UTF-32 say no more
        raise _NotTextError(offset) from error


def _write(writer: TextWriter, text: str, offset: int) -> None:
    try:
        writer.write(text)
    except UnicodeEncodeError as error:  # some encodings make halves of characters
        raise _NotTextError(offset) from error
