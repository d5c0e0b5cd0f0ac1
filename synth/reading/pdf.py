"""Read a PDF as Markdown, with where each page begins.

kreuzberg finds headings, lists and tables. What it would leave out at the margins is kept, lest text
goes with it; what runs along all pages is taken out here. Its repair of ligatures makes
``Nextttiethod`` of ``NextMethod`` and ``xmltilang`` of ``xml:lang``: where the page's plain text,
which it leaves alone, has another word, that one stands.
"""

import itertools
import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from synth.errors import IngestError
from synth.reading.pages import find_pages
from synth.reading.parser import parse
from synth.reading.scans import recognise, why_unreadable
from synth.reading.source import Source, Target

_log = logging.getLogger(__name__)

_LIGATURES = (
    *(("tti", "M"), ("tt", "*"), ("ti", ":"), ("ti", ": "), ("ffi", '"'), ("fi", "!")),
    *(("ff", "!"), ("fi", "#"), ("fi", "# "), ("fl", "#")),
)
"""What kreuzberg makes of a character in the middle of a word."""
_SUSPECT = re.compile(r"\w*(?:tt|ti|fi|ff|fl)\w*")
_FEWEST_RUNNING, _LONGEST_RUNNING = 3, 150


def read_pdf(data: bytes, source: Source, target: Target) -> tuple[str, tuple[int, ...]]:
    """Return the text and the character at which each page begins.

    Raises:
        IngestError: if it has no text, and can't be recognised.
        Exception: of many kinds, if it is broken.
    """
    pages = _read_pages(data)
    bare = [number for number, page in enumerate(pages, 1) if not page.strip()]
    hindrance = why_unreadable(target.config) if bare else None
    if hindrance is None:
        for page, words in recognise(source.file, bare, target.config, source.path).items():
            pages[page - 1] = f"{words}\n\n" if words else ""
    elif len(bare) == len(pages):
        raise IngestError(
            f"has no text layer: it is scanned ({len(pages)} pages); {hindrance}", source.path
        )
    else:
        _log.info("%s: %d of %d pages have no text", source.path, len(bare), len(pages))
    pages = strip_running(pages)
    starts = itertools.accumulate(map(len, pages[:-1]), initial=0)
    return "".join(pages), tuple(starts)


def strip_running(pages: Sequence[str]) -> list[str]:
    """Take out what stands at the top or the bottom of page after page, apart from its numbers.

    That is a short block that one of the two pages before has there, too, and three pages at least;
    so the first one stays, unless it is but a number. No page is emptied.
    """
    blocks = [list(filter(None, page.rstrip("\n").split("\n\n"))) for page in pages]
    for edge in (0, -1, 0, -1):
        keys = [_key_of(page[edge]) if len(page) > 1 else None for page in blocks]
        counts = Counter(keys)
        for number, page in enumerate(blocks):
            key = keys[number]
            if key is None or counts[key] < _FEWEST_RUNNING:
                continue
            if not key or key in keys[max(0, number - 2) : number]:
                del page[edge]
    return ["".join(f"{block}\n\n" for block in page) for page in blocks]


def mend_ligatures(text: str, raw: str) -> str:
    """Put back the characters that were taken for ligatures, by the words of the raw text."""
    words = set(re.findall(r"\w+", raw))

    def mend(match: re.Match[str]) -> str:
        word = match[0]
        if word in words:
            return word
        return next((other for other in _other_readings(word) if other in raw), word)

    return _SUSPECT.sub(mend, text)


def _read_pages(data: bytes) -> list[str]:
    from kreuzberg import ContentFilterConfig, PageConfig, PdfConfig

    result = parse(
        data,
        "application/pdf",
        include_document_structure=True,
        pages=PageConfig(extract_pages=True),
        pdf_options=PdfConfig(top_margin_fraction=0.0, bottom_margin_fraction=0.0),
        content_filter=ContentFilterConfig(
            include_headers=True, include_footers=True, strip_repeating_text=False
        ),
    )
    raw = {page["page_number"]: page["content"] for page in result.pages or ()}
    nodes = (result.document or {}).get("nodes", ())
    starts = find_pages(result.content, nodes, result.metadata.get("page_count") or 1)
    return [
        mend_ligatures(result.content[start:end], raw.get(number, ""))
        for number, (start, end) in enumerate(itertools.pairwise((*starts, None)), 1)
    ]


def _other_readings(word: str) -> Iterator[str]:
    for ligature, meant in _LIGATURES:
        yield word.replace(ligature, meant)
        for found in re.finditer(ligature, word):
            yield word[: found.start()] + meant + word[found.end() :]


def _key_of(block: str) -> str | None:
    """Return what makes a block known again; None if it is too long to run along."""
    if "\n" in block or len(block) > _LONGEST_RUNNING or not block:
        return None
    return "".join(filter(str.isalpha, block)).lower()
