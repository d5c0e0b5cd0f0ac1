"""Each word of a PDF stands on its page, whatever runs along and whatever the parser repairs."""

import io
import itertools
import random
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from synth.reading import scans
from synth.reading.pages import find_pages
from synth.reading.pdf import mend_ligatures, strip_running
from tests.reading.samples import make_pdf

WORDS = [
    "harbour",
    "ship",
    "grain",
    "market",
    "winter",
    "letter",
    "bridge",
    "copper",
    "island",
    "garden",
    "river",
    "silver",
]


def words_of(text):
    return Counter(re.findall("[A-Za-z0-9]+", text))


def make_pages(count, seed=1):
    rng = random.Random(seed)

    def sentence():
        return " ".join(rng.choices(WORDS, k=rng.randint(8, 90))).capitalize() + "."

    return ["\n\n".join(sentence() for _ in range(rng.randint(2, 7))) for _ in range(count)]


@pytest.mark.parametrize("seed", range(3))
def test_words_stand_on_their_pages(reader, seed):
    pages = make_pages(12, seed)
    pages[5] = ""
    (document,) = reader("a.pdf", make_pdf(*pages))
    text = reader.text(document)
    found = [text[start:end] for start, end in itertools.pairwise((*document.pages, None))]
    assert [words_of(page) for page in found] == [words_of(page) for page in pages]


def test_span_knows_its_pages(reader):
    (document,) = reader("a.pdf", make_pdf(*make_pages(3)))
    text, second = reader.text(document), document.pages[1]
    assert document.pages_of(0, 5) == (1, 1)
    assert document.pages_of(second - 5, second + 5) == (1, 2)
    assert document.pages_of(second, len(text)) == (2, 3)
    assert document.pages_of(0, second) == (1, 1)


def test_what_runs_along_is_taken_out():
    pages = [f"Chapter 1: Ships {n}\n\n{word} sail.\n\n{n}\n\n" for n, word in enumerate(WORDS)]
    stripped = strip_running(pages)
    assert stripped[0] == "Chapter 1: Ships 0\n\nharbour sail.\n\n"
    assert stripped[1:] == [f"{word} sail.\n\n" for word in WORDS[1:]]


def test_pages_that_are_alike_are_kept():
    pages = ["All the same.\n\n"] * 4
    assert strip_running(pages) == pages


@pytest.mark.parametrize(
    ("text", "raw", "mended"),
    [
        ("the Nextttiethod is", "the NextMethod is", "the NextMethod is"),
        ("a xmltilang of", "a xml:lang of", "a xml:lang of"),
        ("tmptt here", "*tmp* here", "tmp* here"),
        ("filine", "# line", "# line"),
        ("a little fitting fish", "a little fitting fish", "a little fitting fish"),
        ("condition", "condi-\ntion", "condition"),
    ],
)
def test_false_repairs_are_undone(text, raw, mended):
    assert mend_ligatures(text, raw) == mended


@given(st.lists(st.lists(st.text("ab1 .\n", max_size=9), max_size=3), min_size=1, max_size=6))
def test_pages_begin_where_their_blocks_do(pages):
    nodes = [
        {"page": number, "content": {"node_type": "paragraph", "text": block}}
        for number, blocks in enumerate(pages, 1)
        for block in blocks
    ]
    texts = ["".join(f"- {block}\n\n" for block in blocks) for blocks in pages]
    starts = find_pages("".join(texts), nodes, len(pages))
    assert len(starts) == len(pages)
    assert list(starts) == sorted(starts)
    found = itertools.pairwise((*starts, None))
    letters = ["".join(filter(str.isalnum, "".join(texts)[a:b])) for a, b in found]
    assert letters == ["".join(filter(str.isalnum, text)) for text in texts]


def test_blocks_that_are_not_found_are_passed_over():
    nodes = [
        {"page": page, "content": {"node_type": "paragraph", "text": text}}
        for page, text in ((1, "one"), (2, "elsewhere"), (2, "two"), (3, "three"))
    ]
    assert find_pages("one\n\ntwo\n\nthree", nodes, 4) == (0, 5, 10, 15)


def make_scan(folder):
    from kreuzberg import render_pdf_page

    path = folder / "source.pdf"
    path.write_bytes(make_pdf("The harbour of Lisbon.", "Grain and salt from Genoa."))
    images = [Image.open(io.BytesIO(render_pdf_page(str(path), n, dpi=150))) for n in (0, 1)]
    target = io.BytesIO()
    images[0].save(target, "PDF", save_all=True, append_images=images[1:])
    return target.getvalue()


@pytest.mark.parametrize(
    ("language", "settings", "there", "message"),
    [
        ("eng", {"ocr": "never"}, True, "ingest.ocr=auto reads it where tesseract is installed"),
        ("eng", {"ocr": "auto"}, False, "install tesseract, ingest.ocr=auto reads it then"),
        ("eng+tlh", {"ocr": "auto"}, True, "tesseract lacks the language tlh: install it"),
    ],
    ids=["never", "not installed", "language"],
)
def test_scan_that_can_not_be_read_is_told(
    reader, tmp_path, monkeypatch, language, settings, there, message
):
    monkeypatch.setattr(scans.shutil, "which", lambda _: "/bin/tesseract" if there else None)
    monkeypatch.setattr(scans, "_languages", lambda: frozenset({"eng"}))
    (detail,) = reader.texts("a.pdf", make_scan(tmp_path), ocr_language=language, **settings)
    assert detail == f"has no text layer: it is scanned (2 pages); {message}"


def test_scan_is_recognised_page_by_page(reader, tmp_path, monkeypatch):
    tool = tmp_path / "bin" / "tesseract"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\ncase $1 in --list*) printf 'all:\\neng\\n';; *) wc -c;; esac\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=":")
    scans._languages.cache_clear()
    (document,) = reader("a.pdf", make_scan(tmp_path), ocr="auto")
    scans._languages.cache_clear()
    sizes = [int(size) for size in reader.text(document).split()]
    assert len(document.pages) == len(sizes) == 2
    assert all(size > 1000 for size in sizes)


def test_encrypted_pdf_is_told(reader):
    import fpdf

    pdf = fpdf.FPDF()
    pdf.set_encryption(owner_password="a", user_password="b")
    pdf.add_page()
    assert reader.texts("a.pdf", bytes(pdf.output())) == [
        "is encrypted: save it without a password"
    ]
