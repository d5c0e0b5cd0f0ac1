"""A file is what its content says, then what it is called."""

import pytest

from synth.records import Document


@pytest.mark.parametrize(
    ("sample", "name", "kind"),
    [
        ("a.pdf", "a.txt", "pdf"),
        ("a.docx", "a.zip", "docx"),
        ("a.epub", "a", "epub"),
        ("a.html", "a.txt", "html"),
        ("a.rtf", "a.doc", "rtf"),
        ("a.parquet", "a.csv", "parquet"),
        ("a.md", "a.md", "markdown"),
        ("a.txt", "README", "text"),
        ("a.fb2", "a.xml", "fb2"),
    ],
)
def test_content_goes_before_the_name(reader, samples, sample, name, kind):
    assert {one.format for one in reader(name, samples[sample])} == {kind}


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"\x89PNG\r\n\x1a\n", "is an image"),
        ("a.py", b"print()", "format .py is not supported"),
        ("a.xyz", b"text", "format .xyz is not supported"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive: unpack it first"),
        ("a", b"\x7fELF", "is a program"),
    ],
)
def test_what_is_no_document_is_told(reader, name, data, message):
    assert reader.texts(name, data) == [message]


@pytest.mark.parametrize("text", ["A file begins with %PDF-1.4.", "BZhang wrote.", "GIF8 is none."])
def test_text_about_formats_is_text(reader, text):
    assert reader.texts("a.txt", text.encode()) == [text]


def test_any_text_is_read_if_it_is_named(reader):
    assert reader.texts("a.py", b"print()", is_named=True) == ["print()"]


def test_every_format_has_a_reader(reader, samples):
    for name, data in samples.items():
        results = reader(name, data)
        assert results, name
        assert all(isinstance(one, Document) for one in results), (name, results)
