"""Markdown is cut between its sections and blocks, and each chunk knows what it stands under."""

import itertools
import re

import pytest

from synth.cutting.markdown import read_markdown
from synth.cutting.outline import OutlineCutter

SENTENCE = "The sea is salt and the moon is a rock. "
DOCUMENT = f"""---
title: no # heading
---
{SENTENCE}

# Sea

{SENTENCE * 3}

## Tides of the `sea` ##

{SENTENCE * 12}

```py
# no heading

## nor this
```

Moon
and rock
========

### Deep

{SENTENCE * 5}
"""


def cut(text, tokenizer, size=60, overlap=0, part_chars=10**6):
    cutter = OutlineCutter(tokenizer, size, overlap, read_markdown, part_chars)
    return [(text[span.start : span.end], span.headings) for span in cutter.cut(text)]


def test_chunks_have_the_titles_above_them(tokenizer):
    made = cut(DOCUMENT, tokenizer, size=100)
    firsts = [next(group) for _, group in itertools.groupby(made, key=lambda one: one[1])]
    assert [(text.split("\n")[0][:9], headings) for text, headings in firsts] == [
        ("---", ()),
        ("## Tides ", ("Sea",)),
        ("The sea i", ("Sea", "Tides of the `sea`")),
        ("Moon", ()),
        ("The sea i", ("Moon and rock", "Deep")),
    ]


def test_chunk_that_begins_with_headings_has_none_of_them_above(tokenizer):
    text, headings = cut(DOCUMENT, tokenizer, size=200)[-1]
    assert text.startswith("Moon\nand rock\n====")
    assert headings == ()


def test_long_title_is_cut_once_for_all_its_chunks(tokenizer):
    made = cut("# " + "long é " * 500 + "\n\n" + SENTENCE * 20, tokenizer)
    assert 100 < len(made[-1][1][0]) <= 200


def test_heading_stays_with_what_follows(tokenizer):
    text = "\n\n".join(f"{SENTENCE * 2}\n\n## {i}\n\n- {SENTENCE}" for i in range(20))
    assert not [one for one, _ in cut(text, tokenizer, size=48) if re.search(r"## \d+$", one)]


BLOCKS = {
    "code": "```py\n" + "    x = 1\n\n" * 4 + "```",
    "table": "| a | b |\n|---|---|\n" + "| 1 | 2. Yes |\n" * 4,
    "list": "- one. Two\n  - three\n" * 3,
    "quote": "> One. Two.\n> three\n>\n> four\n" * 2,
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_block_is_kept_whole_if_it_fits(tokenizer, block):
    text = "\n\n".join(SENTENCE * n + "\n\n" + block.strip() for n in range(1, 6))
    made = cut(text, tokenizer, size=95)
    assert len(made) > 4
    assert sum(one.count(block.strip()) for one, _ in made) == 5


BIG = {
    "code": ("```py\n" + "    x = 1. Y\n" * 60 + "```", r"(```py\n)?(    x = 1. Y\n?)+(\n?```)?"),
    "table": (
        "|a|b|\n|-|-|\n" + "|1|2. Yes|\n" * 60,
        r"(\|a\|b\|\n\|-\|-\|\n)?(\|1\|2. Yes\|\n?)+",
    ),
    "list": ("- one. Two\n  - three\n" * 40, r"(- one. Two\n  - three\n?)+"),
}


@pytest.mark.parametrize(("block", "pattern"), BIG.values(), ids=BIG)
def test_big_block_is_cut_between_rows_lines_and_items(tokenizer, block, pattern):
    made = cut(block, tokenizer, overlap=20)
    assert len(made) > 4
    assert all(re.fullmatch(pattern, one) for one, _ in made)


def test_list_is_kept_with_the_line_that_announces_it(tokenizer):
    text = f"{SENTENCE * 3}\n\nThese are:\n- one\n- two\n" * 10
    assert not [one for one, _ in cut(text, tokenizer, size=60) if one.endswith("are:")]


def test_nothing_is_repeated_across_sections(tokenizer):
    text = "".join(f"# {i}\n\n{SENTENCE * 4}\n\n" for i in range(9))
    made = cut(text, tokenizer, size=80, overlap=30)
    assert sum(one.count("The sea") for one, _ in made) == 36


@pytest.mark.parametrize("part_chars", [300, 1000, 4000])
def test_parts_are_cut_between_sections_and_headings_go_on(tokenizer, part_chars):
    sections = (f"## {i}\n\n{SENTENCE * (i % 7)}\n\n{BLOCKS['code']}\n\n" for i in range(40))
    text = "# Sea\n\n" + "".join(sections)
    made = cut(text, tokenizer, part_chars=part_chars)
    assert {headings[0] for _, headings in made[1:]} == {"Sea"}
    assert "".join("".join(one for one, _ in made).split()) == "".join(text.split())


@pytest.mark.parametrize("mark", ["`", "[", "*", ">", "|", "- ", "> ", "# ", "\n", "=\n", "<a"])
def test_marks_without_end_are_text_like_any_other(tokenizer, mark):
    text = "a" + mark * 5000
    made = cut(text, tokenizer)
    assert "".join(itertools.chain(*(one.split() for one, _ in made))) == "".join(text.split())
