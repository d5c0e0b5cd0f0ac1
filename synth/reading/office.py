"""Read formats that are read as a whole: PDF, Office, HTML, EPUB, … as Markdown.

kreuzberg does it, but for what it loses parts of: texts of Word (``word``) and of OpenDocument
(``opendocument``) come to it as HTML, and slides (``slides``) not at all. Its parsers meet anything; whatever they raise costs that one document.
"""

import hashlib
import io
import re
import zipfile
from importlib.metadata import version

from synth.errors import IngestError
from synth.io import read_json, write_json
from synth.reading.encodings import encoding_of_mark, guess_encoding
from synth.reading.opendocument import odt_to_html
from synth.reading.parser import parse
from synth.reading.pdf import read_pdf
from synth.reading.scans import why_unreadable
from synth.reading.slides import slides_to_markdown
from synth.reading.source import BROKEN_ZIP, GIB, Source, Target, read_whole
from synth.reading.word import word_to_html
from synth.records import Document

MEDIA_TYPES = {
    "pdf": "",
    "html": "text/html",
    "docx": "text/html",
    "pptx": "",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xls": "application/vnd.ms-excel",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odt": "text/html",
    "rtf": "application/rtf",
    "epub": "application/epub+zip",
    "fb2": "application/x-fictionbook+xml",
    "doc": "application/msword",
    "ppt": "application/vnd.ms-powerpoint",
    "eml": "message/rfc822",
    "msg": "application/vnd.ms-outlook",
    "ipynb": "application/x-ipynb+json",
}
"""The formats that are read here, and what kreuzberg is told that they are; "" = not by it."""

_FORMAT = "1"
"""Of the texts that are kept; another one finds none of the old."""

_CHARSET = re.compile(
    rb"(?:<meta[^<>]+charset|<\?xml[^<>]+encoding)\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE
)
_HEAD = re.compile(r"<title(?:\s[^<>]*)?>[^<]*</title>|<(?:meta|link)\s[^<>]*>", re.IGNORECASE)
"""What kreuzberg would put before the text as settings."""
_NOISE = (
    (re.compile(r"!\[([^\]\n]{0,500})\]\(data:[^)\s]*\)"), r"\1"),  # pictures as text
    (re.compile(r"(?<!!)\[\]\([^)\s]*\)"), ""),  # links of nothing, as pandoc puts at line numbers
    (re.compile(r"\s?\[[↑↩\ufe0e]+\]\(#[^)]*\)"), ""),  # from a note back to where it is called
    (re.compile(r"\[\[(\d+)\]\]\(#(?:foot|end)note-[^)]*\)"), r"[\1]"),
    (re.compile(r"<!-- MathML:.*?-->\s?", re.DOTALL), ""),
)


def read_office(source: Source, kind: str, target: Target) -> Document:
    """Read a file of one of :data:`MEDIA_TYPES`.

    Raises:
        IngestError: if it can't be read, is too large, encrypted or broken, or has no text.
    """
    data = read_whole(source, target.config)
    sha256 = hashlib.sha256(data).hexdigest()
    if data.startswith(b"PK"):
        _check_unpacked(data, source, target)
    with target.texts.once(*_key_of(sha256, kind, target)) as kept:
        if kept is not None and kept.exists():
            found = read_json(kept)
            text, pages = found["text"], tuple(found["pages"])
        else:
            text, pages = _convert_or_tell(data, kind, source, target)
            if kept is not None:
                write_json(kept, {"text": text, "pages": pages})
    return target.save(text, source.path, kind, sha256=sha256, pages=pages)


def _key_of(sha256: str, kind: str, target: Target) -> tuple[str, ...]:
    """Return all that a text depends on."""
    config = target.config
    recognised = (config.ocr_language, str(why_unreadable(config))) if kind == "pdf" else ()
    return ("text", _FORMAT, version("kreuzberg"), kind, sha256, *recognised)


def _convert_or_tell(
    data: bytes, kind: str, source: Source, target: Target
) -> tuple[str, tuple[int, ...]]:
    try:
        return _convert(data, kind, source, target)
    except IngestError:
        raise
    except Exception as error:  # parsers of a dozen formats, each with errors of its own
        raise IngestError(_explain(error, kind), source.path) from error


def _convert(data: bytes, kind: str, source: Source, target: Target) -> tuple[str, tuple[int, ...]]:
    if kind == "pdf":
        return read_pdf(data, source, target)
    if kind == "pptx":
        return slides_to_markdown(data)
    if kind == "docx":
        data = word_to_html(data).encode()
    elif kind in ("html", "fb2"):
        data = _HEAD.sub("", _decode_markup(data)).encode()
    elif kind == "odt":
        data = odt_to_html(data).encode()
    # The Markdown of older Word documents has all paragraphs in one.
    text = parse(data, MEDIA_TYPES[kind], "plain" if kind == "doc" else "markdown").content
    for noise, instead in _NOISE if kind in ("docx", "odt", "html", "epub") else ():
        text = noise.sub(instead, text)
    return text, ()


def _explain(error: Exception, kind: str) -> str:
    said = str(error).strip().splitlines()
    detail = said[0].removeprefix(f"{type(error).__name__}: ") if said else type(error).__name__
    if "password" in detail.lower() or "encrypt" in detail.lower():
        return "is encrypted: save it without a password"
    return f"can't be read as {kind}: {detail}"


def _check_unpacked(data: bytes, source: Source, target: Target) -> None:
    """Refuse a document whose parts would fill the memory when they are unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(info.file_size for info in archive.infolist())
    except BROKEN_ZIP:
        return
    if size > target.config.max_file_gib * GIB:
        raise IngestError(
            f"holds {size / GIB:.1f} GiB unpacked, more than "
            f"ingest.max_file_gib={target.config.max_file_gib:g}",
            source.path,
        )


def _decode_markup(data: bytes) -> str:
    encoding = encoding_of_mark(data)
    if encoding == "utf-8":
        named = _CHARSET.search(data[:4096])
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            encoding = named[1].decode() if named else guess_encoding(data[:65536]) or "utf-8"
    try:
        return data.decode(encoding, "replace")
    except LookupError:  # a name of no encoding
        return data.decode("utf-8", "replace")
