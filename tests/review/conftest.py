"""Runs that were made up, and their pages opened in a real browser."""

import pytest

from synth.config.curation import FAULTS
from synth.io import write_jsonl
from synth.review.report import Facts, write_report
from synth.texts import text_path

SENTENCE = "The Moon 🌖 of document {} has <b>{}</b> craters </script>. "
ALLOWED = ("file:", "data:", "blob:")


@pytest.fixture
def write_run(tmp_path):
    """Write a run's files: ``write_run({"d": text}, chunks, pairs)``; returns its folder."""

    def write(texts, chunks, pairs):
        folder = tmp_path / "run"
        for name, text in texts.items():
            (path := folder / text_path(name)).parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        documents = [
            {"id": name, "path": f"/somewhere/{name}.txt", "text_path": text_path(name)}
            | {"n_chars": len(text)}
            for name, text in texts.items()
        ]
        for file, rows in {"documents": documents, "chunks": chunks, "pairs": pairs}.items():
            write_jsonl(folder / f"{file}.jsonl", rows)
        return folder

    return write


@pytest.fixture
def make_run(write_run):
    """Write a run of documents of some chunks of some pairs, every fifth pair dropped."""

    def make(n_documents=2, n_chunks=3, n_pairs=4, n_sentences=10, curated=True):
        texts, chunks, pairs = {}, [], []
        for d in range(n_documents):
            name, text = f"d{d}", ""
            for c in range(n_chunks):
                start = len(text)
                for s in range(n_sentences):
                    text += SENTENCE.format(d, 100 * c + s)
                place = {"doc_id": name, "start": start, "end": len(text), "n_tokens": 9}
                more = {"headings": ["Moon", f"Part {c}"], "pages": [c + 1, c + 2]}
                chunks.append({"id": f"{name}-{c}", **place, **more})
                size = (len(text) - start) // n_sentences
                for p in range(n_pairs):
                    question = f"How many craters has <i>moon</i> {d}.{c}.{p}?"
                    row = {"id": f"{name}-{c}-{p}", "chunk_id": f"{name}-{c}", "doc_id": name}
                    row |= {"question": question, "answer": f"It has {100 * c + p} <img src=x>."}
                    at = start + p % n_sentences * size
                    pairs.append(row | (_verdict(len(pairs), at, at + size) if curated else {}))
            texts[name] = text
        return write_run(texts, chunks, pairs)

    return make


def _verdict(n, start, end):
    kept = n % 5 > 0
    reasons = [] if kept and n % 7 else [FAULTS[n % len(FAULTS)]]
    return {
        "kept": kept,
        "reasons": reasons,
        "support": n % 11 / 10,
        "evidence": [start, end],
        "score": 1 + n % 10,
        "scores": {"clarity": 1 + n % 10, "use": None},
        "closed_book": {"known": n % 3 == 0, "answerable": True},
    }


@pytest.fixture
def open_report(browser, tmp_path):
    """Write the report of a run and open it; what goes wrong stands in ``page.wrong``."""
    contexts = []

    def open_(folder, facts=None, script=None, **options):
        path = tmp_path / "report.html"
        write_report(folder, facts or Facts({"name": "trial"}), path, **options)
        contexts.append(context := browser.new_context(viewport={"width": 1280, "height": 900}))
        if script:
            context.add_init_script(script)
        page, wrong = context.new_page(), []
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda it: it.url.startswith(ALLOWED) or wrong.append(it.url))
        page.goto(path.as_uri())
        if page.locator("#loading").count():
            page.wait_for_selector("#review")
        page.wrong = wrong
        return page

    yield open_
    for context in contexts:
        context.close()
