"""Headings, lists and tables survive as Markdown; what is hostile costs that document alone."""

import io
import zipfile

import pytest

from synth.reading import office, read
from synth.records import Failure
from synth.sources import Location
from tests.reading.mutate import SETTINGS
from tests.reading.samples import HTML, WORDS, make_zip

LISTS = "- ships\n  * sails\n    {}masts\n"


def test_word_document_keeps_its_structure(reader, samples):
    (text,) = reader.texts("a.docx", samples["a.docx"])
    assert text.startswith(f"# Ports\n\n{WORDS}\n\n{LISTS.format('+ ')}")
    assert "## Trade\n\n| good  | price  |\n| ----- | ------ |\n| grain | 1 \\| 2 |" in text
    assert text.rstrip().endswith("left\tright")


def test_html_keeps_its_structure(reader):
    (text,) = reader.texts("a.html", HTML.encode())
    assert text.startswith(f"# Ports\n\n{WORDS}\n\n{LISTS.format('1. ')}- crews\n")
    assert "## Trade\n\n| good  | price  |\n| ----- | ------ |\n| grain | 1 \\| 2 |" in text
    assert "```\nif a:\n    b()\n```" in text
    assert "base64" not in text


@pytest.mark.parametrize(
    "data",
    [
        b"<html><meta charset=iso-8859-1><p>caf\xe9 na\xefve",
        b'<html><meta http-equiv=a content="text/html; charset=cp1252"><p>caf\xe9 na\xefve',
        "<html><p>café naïve".encode(),
        "<html><p>café naïve".encode("utf-16"),
        b"<html><meta charset=none><p>caf\xc3\xa9 na\xc3\xafve",
    ],
    ids=["charset", "content type", "utf-8", "mark", "unknown"],
)
def test_html_is_decoded_as_it_says(reader, data):
    assert reader.texts("a.html", data)[0].strip() == "café naïve"


def test_fictionbook_is_decoded_as_it_says(reader, samples):
    book = samples["a.fb2"].decode().replace("utf-8", "windows-1251").replace("harbour", "порт")
    assert "The порт of Lisbon." in reader.texts("a.fb2", book.encode("cp1251"))[0]


def test_links_and_notes_of_an_odt_are_kept(reader, samples):
    assert reader.texts("a.odt", samples["a.odt"])[0].split("\n\n") == [
        "# Ports",
        "See [the harbour](http://x.org) of Lisbon.\n",
    ]


def test_formulas_of_a_word_document_are_spelled(reader, samples):
    xml = zipfile.ZipFile(io.BytesIO(samples["a.docx"])).read("word/document.xml").decode()
    math = '<m:oMath xmlns:m="m"><m:r><m:t>E=mc</m:t></m:r><m:r><m:t>2</m:t></m:r></m:oMath>'
    (text,) = reader.texts(
        "a.docx",
        _with_body(
            samples, xml.replace("<w:tab/>", "").replace("<w:r><w:t>left", f"{math}<w:r><w:t>left")
        ),
    )
    assert "E=mc2left" in text


def test_slides_have_their_notes_and_pages(reader, samples):
    (document,) = reader("a.pptx", samples["a.pptx"])
    text = reader.text(document)
    assert [text[start:][:8] for start in document.pages] == ["## Ports", "## Trade"]
    assert text.endswith("- grain\n  - salt\n\nNotes: Say it slowly.\n\n")


@pytest.mark.parametrize("name", ["a.docx", "a.pptx", "a.xlsx", "a.pdf", "a.odt", "a.epub"])
def test_broken_file_is_told(reader, samples, name):
    (detail,) = reader.texts(name, samples[name][: len(samples[name]) // 2])
    assert detail.startswith((f"can't be read as {name[2:]}: ", "is broken: ", "has no text"))


def test_encrypted_office_file_is_told(reader):
    data = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512) + "EncryptedPackage".encode("utf-16-le")
    assert reader.texts("a.docx", data) == ["is encrypted: save it without a password"]


def test_document_that_unpacks_too_large_is_told(reader, samples):
    members = {"word/document.xml": b" " * 3_000_000, "[Content_Types].xml": b""}
    (detail,) = reader.texts("a.docx", make_zip(members), max_file_gib=2e6 / 1024**3)
    assert "more than ingest.max_file_gib" in detail


def test_panic_of_the_parser_costs_the_document(reader, monkeypatch):
    class PanicException(BaseException):
        pass

    def panic(*_, **__):
        raise PanicException("index out of bounds")

    monkeypatch.setattr("kreuzberg.extract_bytes_sync", panic)
    assert reader.texts("a.rtf", b"{\\rtf1 a}") == ["can't be read as rtf: the parser gave up"]


def test_every_kind_is_read_by_some_parser(samples):
    lacking = set(office.MEDIA_TYPES) - {name.rpartition(".")[2] for name in samples}
    assert lacking == {"doc", "ppt", "xls", "ods", "msg"}  # nothing here can write these


def _with_body(samples, xml):
    source, target = zipfile.ZipFile(io.BytesIO(samples["a.docx"])), io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            archive.writestr(name, xml if name == "word/document.xml" else source.read(name))
    return target.getvalue()


def test_text_is_kept_for_the_next_run(tmp_path, samples, monkeypatch):
    (tmp_path / "a.pdf").write_bytes(samples["a.pdf"])
    place = Location(str(tmp_path / "a.pdf"))
    first, again, without = (tmp_path / name for name in ("first", "again", "without"))
    (made,) = read(place, first, first, SETTINGS, cache=tmp_path / "cache")
    monkeypatch.setattr(office, "_convert", None)
    (found,) = read(place, again, again, SETTINGS, cache=tmp_path / "cache")
    assert found == made
    assert (again / found.text_path).read_bytes() == (first / made.text_path).read_bytes()
    (failure,) = read(place, without, without, SETTINGS)
    assert isinstance(failure, Failure)
