"""What every mode promises, on any text: the chunks are the text, in order, and none is too long."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.config.files import samples_dir
from synth.cutting import Cut, cut
from synth.records import Document
from synth.texts import TextFile
from tests.cutting.test_token import TEXTS

MODES = ["token", "text", "markdown"]
DOCUMENT = Document("d0c", "file.txt", "d0c", 0, "data/txt/d0c.txt", pages=(0, 100, 250))
FOLDERS = [samples_dir(), Path("docs"), Path("/usr/share/doc")]
FILES = [
    path
    for folder in FOLDERS
    for path in itertools.islice(sorted(folder.rglob("*.[mt][dx][t]*")), 20)
    if path.is_file() and path.stat().st_size < 200_000
]
PIECES = [
    *("# ", "## Title\n", "### ", "\n", "\n\n", "\r\n", "\t", " ", "    ", "a", "Word ", "end. "),
    *("> ", "- ", "1. ", "```\n", "~~~\n", "|", "|a|b|\n|-|-|\n", "===\n", "---\n", "`", "*", "["),
    *(
        "<div>\n",
        "e\u0301",
        "\u0301",
        "👨‍👩‍👧‍👦",
        "🇨🇭",
        "東京は。",
        "漢",
        "مرحبا؟ ",
        "\0",
        "\u2028",
        "\x1c",
    ),
    *("x" * 90, " " * 70, "\n" * 9, "e.g. ", "U.S. ", "3.14 ", "! ", "?”", "…", "\ufdfa", "\ufeff"),
]
soups = st.lists(st.sampled_from(PIECES), max_size=120).map("".join)
anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


def check(text, tokenizer, mode, size, overlap):
    """Cut a text, and assert all that is promised."""
    chunks = list(cut(DOCUMENT, text, tokenizer, Cut(mode, size, overlap)))
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    shared = [text[b.start : a.end] for a, b in itertools.pairwise(chunks)]
    assert all(a.start < b.start and a.end < b.end for a, b in itertools.pairwise(chunks))
    bounds = [0, *(chunk.end for chunk in chunks)]
    starts = [*(chunk.start for chunk in chunks), len(text)]
    lost = [text[end:start] for end, start in zip(bounds, starts, strict=True)]
    assert not "".join(lost).strip()
    if mode == "token":
        assert not any(lost)
        return chunks
    texts = [text[chunk.start : chunk.end] for chunk in chunks]
    counts = tokenizer.count(texts)
    assert counts == [chunk.n_tokens for chunk in chunks]
    assert all(n <= size or len(one) == 1 for n, one in zip(counts, texts, strict=True))
    assert all(n <= overlap for n in tokenizer.count(shared))
    assert all(one == one.rstrip() != "" for one in texts)
    return chunks


@pytest.mark.parametrize("mode", MODES)
@settings(deadline=None, max_examples=60)
@given(text=soups | anything, size=st.integers(8, 60), overlap=st.integers(0, 59))
def test_promises_on_any_text(any_tokenizer, mode, text, size, overlap):
    check(text, any_tokenizer, mode, size, min(overlap, size - 1))


@pytest.mark.parametrize("mode", MODES)
def test_promises_on_real_documents(tokenizer, mode):
    assert len(FILES) > 10
    for path in FILES:
        text = path.read_bytes().decode(errors="replace")
        check(text, tokenizer, mode, 200, 30)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", TEXTS)
def test_promises_on_every_script(any_tokenizer, mode, name):
    assert len(check(TEXTS[name], any_tokenizer, mode, 40, 7)) > 2


@pytest.mark.parametrize("mode", MODES)
def test_file_is_cut_like_its_text(tokenizer, tmp_path, mode):
    text = "".join(TEXTS.values())
    (path := tmp_path / "text.txt").write_bytes(text.encode())
    how = Cut(mode, 40, 7)
    made = list(cut(DOCUMENT, TextFile(path), tokenizer, how))
    assert made == list(cut(DOCUMENT, text, tokenizer, how))


@pytest.mark.parametrize("mode", MODES)
def test_chunks_say_where_they_are(tokenizer, mode):
    made = list(cut(DOCUMENT, TEXTS["prose"], tokenizer, Cut(mode, 40, 7, files=True)))
    assert made[1].id == f"d0c-{made[1].start}-{made[1].end}"
    assert [chunk.path for chunk in made[:2]] == ["data/parsed/d0c_0.txt", "data/parsed/d0c_1.txt"]
    assert made[0].pages[0] == 1
    assert made[-1].pages == (3, 3)


@pytest.mark.parametrize("mode", MODES)
def test_chunks_have_no_path_unless_files_are_wanted(tokenizer, mode):
    made = cut(DOCUMENT, TEXTS["prose"], tokenizer, Cut(mode, 40, 7))
    assert {chunk.path for chunk in made} == {""}


@pytest.mark.parametrize("mode", MODES)
def test_text_that_fits_is_one_chunk(tokenizer, mode):
    made = list(cut(DOCUMENT, "One. Two.\n\n# Three", tokenizer, Cut(mode, 40, 7)))
    assert [(chunk.start, chunk.end) for chunk in made] == [(0, 18)]


@pytest.mark.parametrize("mode", ["text", "markdown"])
@pytest.mark.parametrize("text", ["", " \n\t\r\n ", "\u2028\x1c"], ids=["empty", "spaces", "rare"])
def test_blank_text_has_no_chunks(tokenizer, mode, text):
    assert list(cut(DOCUMENT, text, tokenizer, Cut(mode, 40, 7))) == []


@pytest.mark.parametrize("mode", ["text", "markdown"])
def test_character_with_more_tokens_than_a_chunk_stays_whole(tokenizer, mode):
    cut_alone = list(cut(DOCUMENT, "a \U0001f9ff b", tokenizer, Cut(mode, 2, 0)))
    assert [(chunk.start, chunk.end) for chunk in cut_alone] == [(0, 1), (2, 3), (4, 5)]
