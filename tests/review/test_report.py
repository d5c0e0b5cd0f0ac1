"""The page of a run in a real browser, without any network."""

import re

import pytest

from synth.io import read_jsonl
from synth.review.counts import count
from synth.review.plots import draw
from synth.review.report import Facts, Figure, write_report

WATERFALL = [("asked", 40), ("returned", 30), ("accepted", 24)]
FIGURES = [
    Figure("kept", 0.8, 0.7, 0.9, "share of the pairs that are kept"),
    Figure("score", 5.5, meaning="<b>mean</b>"),
]
ABOUT = {"name": "<trial>", "model": "<i>m</i>", "folder": "f"}
FORBID = "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no') } })"


def shown(page):
    """How many pairs fit what is chosen."""
    found = re.search(r"of ([\d,]+) pair", page.locator("#range").inner_text())
    return int(found[1].replace(",", "")) if found else 0


def rows(page):
    return page.locator("#list tbody tr")


def verdicts(page):
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "verdicts.jsonl"
    return list(read_jsonl(download.value.path()))


def test_page_needs_nothing_else_and_tells_all(make_run, open_report):
    folder = make_run()
    plots = draw(count(folder), WATERFALL)
    page = open_report(folder, Facts(ABOUT, WATERFALL, FIGURES, plots))
    page.wait_for_selector("#chart-coverage svg")
    assert page.locator(".chart svg").count() == len(plots) - 1
    assert page.wrong == []
    text = page.locator("body").inner_text()
    assert page.title() == "<trial>: pairs"
    assert "19 of 24 pairs are kept (79 %, 95 %: 70 to 90 %)." in text
    assert "<i>m</i>" in text
    assert [one.split() for one in page.locator(".steps li").all_inner_texts()] == [
        ["asked", "40"],
        ["returned", "30", "−10", "(25", "%)"],
        ["accepted", "24", "−6", "(20", "%)"],
    ]
    assert "0.7 to 0.9" in page.locator("#figures").inner_text()
    assert "<b>mean</b>" in page.locator("#figures").inner_text()
    assert "curate.verdicts=verdicts.jsonl" in text


def test_page_without_plots_has_no_vega(make_run, tmp_path):
    write_report(make_run(), Facts({"name": "x"}), tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "vega" not in text
    assert len(text) < 50_000


def test_chosen_pair_stands_beside_its_source(make_run, open_report):
    folder = make_run()
    page = open_report(folder)
    row = list(read_jsonl(folder / "pairs.jsonl"))[14]
    rows(page).nth(14).click()
    pane = page.locator("#pane")
    assert pane.locator("h3").text_content() == row["question"]
    assert "<i>moon</i> 1.0.2" in row["question"]
    start, end = row["evidence"]
    text = (folder / "data/txt/d1.txt").read_bytes().decode()
    assert pane.locator("mark").text_content() == text[start:end]
    chunk = list(read_jsonl(folder / "chunks.jsonl"))[3]
    assert pane.locator("blockquote").text_content() == text[: chunk["end"]]
    assert "d1.txt · pages 1 to 2 · Moon › Part 0" in pane.locator(".source").inner_text()
    assert "<img src=x>" in pane.inner_text()
    assert page.locator("#pane img, #pane i, #list img").count() == 0
    assert page.wrong == []


def test_evidence_is_in_view(make_run, open_report):
    page = open_report(make_run(n_sentences=80, n_pairs=80))
    rows(page).nth(45).click()
    box, mark = (page.locator(one).bounding_box() for one in ("blockquote", "mark"))
    assert box["y"] <= mark["y"] <= box["y"] + box["height"]
    assert page.locator("blockquote").evaluate("it => it.scrollTop") > 0


def test_pairs_are_filtered(make_run, open_report):
    page = open_report(make_run())
    assert shown(page) == 24
    page.select_option("#state", "dropped")
    assert shown(page) == 5
    assert rows(page).locator(".bad").count() == 5
    page.select_option("#state", "all")
    page.select_option("#reason", "empty")
    assert shown(page) == rows(page).locator(".badge", has_text="empty").count() == 1
    page.select_option("#reason", "")
    page.select_option("#document", label="d1.txt (12)")
    assert shown(page) == 12
    page.fill("#search", "MOON 0.0.1")
    assert shown(page) == 0
    assert page.locator("#pane").inner_text() == ""
    page.select_option("#document", "")
    assert shown(page) == 1
    page.fill("#search", "201 many")
    assert shown(page) == 2
    page.fill("#search", "")
    page.fill("#support", "0.95")
    assert shown(page) == 2
    page.fill("#score", "9")
    assert shown(page) == 0
    assert page.wrong == []


def test_pairs_are_sorted(make_run, open_report):
    page = open_report(make_run())
    page.select_option("#order", "support, highest first")
    column = [float(text) for text in rows(page).locator("td:nth-child(3)").all_inner_texts()]
    assert column == sorted(column, reverse=True)
    page.select_option("#order", "place in the document")
    assert rows(page).nth(1).locator(".question").inner_text().endswith("1.0.0?")


def test_keys_move_and_judge(make_run, open_report):
    folder = make_run()
    page = open_report(folder)
    pairs = list(read_jsonl(folder / "pairs.jsonl"))
    for key in ["j", "ArrowDown", "j", "k", "+", "j", "-", "j", "Shift+K", "u", "j", "D"]:
        page.keyboard.press(key)
    page.keyboard.press("/")
    page.keyboard.press("u")
    assert page.input_value("#search") == "u"
    page.fill("#search", "")
    assert verdicts(page) == [
        {"id": pairs[n]["id"], "verdict": verdict}
        | {name: pairs[n][name] for name in ("question", "answer")}
        for n, verdict in [(2, "keep"), (3, "drop"), (5, "drop")]
    ]
    assert page.wrong == []


def test_arrows_scroll_where_no_pair_is_in_sight(make_run, open_report):
    figures = [Figure(f"f{n}", n) for n in range(60)]
    page = open_report(make_run(), Facts({"name": "x"}, figures=figures))
    page.keyboard.press("ArrowDown")
    assert rows(page).nth(0).get_attribute("class") == "chosen"
    page.keyboard.press("j")
    assert rows(page).nth(1).get_attribute("class") == "chosen"
    page.keyboard.press("ArrowDown")
    assert rows(page).nth(2).get_attribute("class") == "chosen"


def test_verdicts_are_marked_and_remembered(make_run, open_report):
    folder = make_run()
    page = open_report(folder)
    rows(page).nth(1).click()
    page.click("#drop")
    assert rows(page).nth(1).locator(".hand").inner_text() == "✗ drop"
    assert page.locator("#verdicts").inner_text() == "1 verdict by hand"
    page.reload()
    page.wait_for_selector("#review")
    assert rows(page).nth(1).locator(".hand").inner_text() == "✗ drop"
    page.select_option("#state", "with a verdict by hand")
    assert shown(page) == 1
    page.click("#undo")
    assert page.locator("#verdicts").inner_text() == "0 verdicts by hand"
    assert page.locator("#download").is_disabled()


def test_verdicts_of_another_run_of_this_name_are_not_taken(make_run, open_report):
    folder = make_run()
    page = open_report(folder)
    page.click("#keep")
    pairs = (folder / "pairs.jsonl").read_text().replace("How many", "How few")
    (folder / "pairs.jsonl").write_text(pairs)
    write_report(folder, Facts({"name": "trial"}), folder.parent / "report.html")
    page.reload()
    page.wait_for_selector("#review")
    assert page.locator("#verdicts").inner_text() == "0 verdicts by hand"


def test_browser_that_keeps_nothing_still_gives_the_file(make_run, open_report):
    page = open_report(make_run(), script=FORBID)
    page.click("#keep")
    assert "does not keep" in page.locator("#stored").inner_text()
    assert [row["verdict"] for row in verdicts(page)] == ["keep"]
    assert page.wrong == []


def test_verdicts_that_were_applied_are_shown_and_given_again(write_run, open_report):
    pair = {"id": "p", "chunk_id": "c", "doc_id": "d", "question": "Why?", "answer": "So."}
    more = {"kept": True, "reasons": ["echo"], "by_hand": "keep", "steps": ["<b>", float("nan")]}
    chunk = {"id": "c", "doc_id": "d", "start": 0, "end": 4, "n_tokens": 1}
    page = open_report(write_run({"d": "Text"}, [chunk], [pair | more]))
    assert "1 of 1 pair is kept (100 %)." in page.locator(".verdict").inner_text()
    assert page.locator("#pane").inner_text().count("✓ keep by hand") == 1
    assert "<b>" in page.locator("#pane .field").inner_text()
    assert len(verdicts(page)) == 1
    page.click("#undo")
    assert page.locator("#download").is_disabled()
    assert page.wrong == []


def test_chunk_with_the_evidence_is_shown(write_run, open_report):
    text = "🌑🌒🌓 one. two 🌕. three."
    chunks = [
        {"id": name, "doc_id": "d", "start": start, "end": end, "n_tokens": 1}
        for name, start, end in [("a", 0, 8), ("b", 8, 15), ("c", 15, len(text))]
    ]
    pair = {"doc_id": "d", "question": "Q?", "answer": "\ud800 half a character"}
    pairs = [
        {"id": "1", "chunk_id": "a", "chunk_ids": ["a", "b"], **pair, "evidence": [9, 14]},
        {"id": "2", "chunk_id": "a", "chunk_ids": ["a", "b"], **pair, "duplicate_of": "1"},
        {"id": "3", "chunk_id": "gone", **pair},
    ]
    page = open_report(write_run({"d": text}, chunks, pairs))
    assert page.locator("mark").text_content() == text[9:14]
    assert page.locator("blockquote").text_content() == text[8:15]
    rows(page).nth(1).click()
    assert page.locator("blockquote").text_content() == text[:8]
    page.click("a.jump")
    assert page.locator("mark").text_content() == text[9:14]
    rows(page).nth(2).click()
    assert "is not there" in page.locator("#pane").inner_text()
    assert page.wrong == []


def test_many_pairs_are_few_rows(make_run, open_report):
    page = open_report(make_run(n_documents=40, n_chunks=100, n_pairs=5, n_sentences=30))
    assert shown(page) == 20_000
    assert rows(page).count() == 50
    page.click("#forth")
    page.keyboard.press("k")
    assert "1 to 50" in page.locator("#range").inner_text()
    page.keyboard.press("j")
    assert "51 to 100" in page.locator("#range").inner_text()
    page.fill("#search", "moon 17.42.")
    assert shown(page) == rows(page).count() == 5
    page.fill("#search", "")
    page.select_option("#state", "dropped")
    assert shown(page) == 4000
    page.select_option("#order", "support, lowest first")
    assert rows(page).count() == 50
    assert page.locator("*").count() < 3000
    assert page.wrong == []


def test_too_many_pairs_are_those_of_some_chunks(make_run, open_report):
    folder = make_run(n_documents=10, n_chunks=10, n_pairs=4)
    page = open_report(folder, most_pairs=50)
    assert "48 of 400 pairs" in page.locator("#part").inner_text()
    assert "320 of 400 pairs are kept" in page.locator(".verdict").inner_text()
    assert shown(page) == 48
    assert page.locator("#document option").count() > 8


@pytest.mark.parametrize("n_pairs", [0, 1])
def test_run_without_curation(make_run, open_report, n_pairs):
    page = open_report(make_run(1, 1, n_pairs, curated=False))
    assert page.wrong == []
    if n_pairs:
        assert "1 pair was made" in page.locator(".verdict").inner_text()
        assert page.locator("blockquote").text_content()
        assert not page.locator("#support").is_visible()
        assert not page.locator("#reason").is_visible()
        assert page.locator("#list th:visible").count() == 2
    else:
        assert page.locator(".verdict").inner_text() == "There are no pairs."
        assert page.locator("#list").count() == 0


def test_run_without_texts_or_files(make_run, open_report, tmp_path):
    folder = make_run()
    for file in (folder / "data/txt").iterdir():
        file.unlink()
    (folder / "documents.jsonl").unlink()
    page = open_report(folder)
    assert "is not there" in page.locator("#pane").inner_text()
    assert page.wrong == []
    (tmp_path / "empty").mkdir()
    assert open_report(tmp_path / "empty").wrong == []
