"""Which format a file is of: by its content first, then by what it is called.

Text that people write by hand (Markdown, reStructuredText, LaTeX, …) is kept as it is. Source code,
settings and logs are text, too, but no documents unless they are named.
"""

import zipfile
from pathlib import PurePath

from synth.errors import IngestError
from synth.reading.source import BROKEN_ZIP, Source, opened

HEAD = 4096
"""Bytes at the beginning that tell a format."""

SUFFIXES = {
    **dict.fromkeys(("", ".txt", ".text", ".rst", ".adoc", ".asciidoc", ".org", ".tex"), "text"),
    **dict.fromkeys((".md", ".markdown", ".mdx"), "markdown"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    **dict.fromkeys((".docx", ".docm", ".dotx"), "docx"),
    **dict.fromkeys((".pptx", ".pptm", ".ppsx"), "pptx"),
    **dict.fromkeys((".xlsx", ".xlsm"), "xlsx"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    **dict.fromkeys((".tsv", ".tab"), "tsv"),
    **dict.fromkeys((".tgz", ".tbz2", ".txz", ".tzst"), "tar"),
    **{
        f".{kind}": kind
        for kind in (
            *("pdf", "doc", "ppt", "xls", "odt", "ods", "rtf", "epub", "fb2", "eml", "msg"),
            *("ipynb", "csv", "json", "parquet", "zip", "tar", "gz", "bz2", "xz", "zst"),
        )
    },
}
"""Formats by the suffix of a name; what is not here is reported, unless its content tells."""

_MEDIA_TYPES = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/markdown": "markdown",
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/json": "json",
    "application/x-ndjson": "jsonl",
    "application/jsonl": "jsonl",
    "message/rfc822": "eml",
}
"""What a server says of formats that have no marks of their own."""

_MAGIC = (
    (b"{\\rtf", "rtf"),
    (b"\x1f\x8b", "gz"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zst"),
    (b"PAR1", "parquet"),
)
_NOT_READ = (
    (b"\x89PNG\r\n", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF87a", "an image"),
    (b"GIF89a", "an image"),
    (b"II*\0", "an image"),
    (b"MM\0*", "an image"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: unpack it first"),
    (b"Rar!\x1a\x07", "a RAR archive: unpack it first"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3\0", "a database"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_STREAMS = (
    ("EncryptedPackage", "encrypted"),
    ("WordDocument", "doc"),
    ("PowerPoint Document", "ppt"),
    ("Workbook", "xls"),
    ("__substg1.0_", "msg"),
)
_ZIP_MEMBERS = {
    "word/document.xml": "docx",
    "ppt/presentation.xml": "pptx",
    "xl/workbook.xml": "xlsx",
    "xl/workbook.bin": "xlsb",
}
_ZIP_TYPES = {
    b"application/epub+zip": "epub",
    b"application/vnd.oasis.opendocument.text": "odt",
    b"application/vnd.oasis.opendocument.spreadsheet": "ods",
    b"application/vnd.oasis.opendocument.presentation": "odp",
}


def find_format(source: Source) -> str:
    """Return the format of a file, one of the values of :data:`SUFFIXES`.

    Raises:
        IngestError: if it can't be read, or is of none of them.
    """
    with opened(source) as file:
        head = file.read(HEAD)
    suffix = PurePath(source.name).suffix.lower()
    kind = (
        _by_content(head, source)
        or _MEDIA_TYPES.get((source.media_type or "").partition(";")[0].strip().lower())
        or SUFFIXES.get(suffix)
    )
    if kind is None and (source.is_named or (source.media_type or "").startswith("text/plain")):
        return "text"
    if kind is None or kind not in SUFFIXES.values():
        raise IngestError(f"format .{kind or suffix[1:]} is not supported", source.path)
    return kind


def _by_content(head: bytes, source: Source) -> str | None:
    is_called_pdf = source.name.lower().endswith(".pdf")
    if b"%PDF-" in head[: 1024 if is_called_pdf else 5]:  # some begin with other bytes
        return "pdf"
    for magic, what in _NOT_READ:
        if head.startswith(magic):
            raise IngestError(f"is {what}", source.path)
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(source)
    if head.startswith(_OLE):
        return _kind_of_ole(source)
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        return "bz2"
    if head[257:262] == b"ustar":
        return "tar"
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), _kind_of_markup(head))


def _kind_of_markup(head: bytes) -> str | None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "html"
    if start.startswith(b"<?xml"):
        return next(
            (k for mark, k in ((b"<html", "html"), (b"<fictionb", "fb2")) if mark in start), None
        )
    return None


def _kind_of_zip(source: Source) -> str:
    """Tell a document from an archive; a broken one is what its suffix says."""
    try:
        with zipfile.ZipFile(source.file) as archive:
            names = archive.NameToInfo
            if "mimetype" in names and names["mimetype"].file_size < HEAD:
                kind = _ZIP_TYPES.get(archive.read("mimetype").strip())
                if kind is not None:
                    return kind
            return next((kind for name, kind in _ZIP_MEMBERS.items() if name in names), "zip")
    except (*BROKEN_ZIP, RuntimeError):  # RuntimeError: it is encrypted
        kind = SUFFIXES.get(PurePath(source.name).suffix.lower(), "zip")
        return "zip" if kind in ("text", "markdown") else kind


def _kind_of_ole(source: Source) -> str | None:
    """Look for the names of the parts of a file of older Office versions."""
    with opened(source) as file:
        data = file.read(64 * HEAD)
        size = file.seek(0, 2)
        file.seek(max(0, size - 64 * HEAD))
        data += file.read()
    found = [kind for name, kind in _OLE_STREAMS if name.encode("utf-16-le") in data]
    if found[:1] == ["encrypted"]:
        raise IngestError("is encrypted: save it without a password", source.path)
    return found[0] if found else None
