"""Rows of shards back in the run: in order, again and again, from shards in any state."""

import shutil

import pytest

from synth.errors import BudgetExceeded
from synth.io import JsonlWriter, read_json, read_jsonl, write_json, write_jsonl
from synth.shards import Book, Shard, check_losses, merge, read_book

FILES = ("pairs", "failures", "requests", "curate_requests", "findings")


def pair(chunk_id, number=0, **columns):
    return {"id": f"{chunk_id}-{number}", "chunk_id": chunk_id, **columns}


def failure(id_, stage="generate"):
    return {"id": id_, "stage": stage, "error": "E", "detail": "why"}


def read(folder, name="pairs"):
    return list(read_jsonl(folder / f"{name}.jsonl"))


def ids(folder, name="pairs"):
    return [row["id"] for row in read(folder, name)]


def finish(shard, status="FINISHED"):
    write_json(shard / "run.json", {"status": status, "steps": ["ingest", "chunk", "generate"]})


@pytest.fixture
def run(make_run):
    """A run of two shards: of the documents d0 and d2, and of d1; with pairs, last chunks first."""
    folder = make_run(2, 2, 1)
    write_jsonl(folder / "failures.jsonl", [failure("gone.txt", "ingest")])
    book = Book(folder, "", [Shard("shards/0", 2, 3, 30), Shard("shards/1", 1, 2, 20)])
    for shard, documents in zip(book.folders, (("d0", "d2"), ("d1",)), strict=True):
        chunks = [row for row in read(folder, "chunks") if row["doc_id"] in documents]
        write_jsonl(shard / "chunks.jsonl", chunks)
        made = [pair(row["id"], number) for row in reversed(chunks) for number in range(2)]
        write_jsonl(shard / "pairs.jsonl", made)
        finish(shard)
    book.write()
    return folder


ALL = [f"{chunk}-{n}" for chunk in ("d0-0", "d0-1", "d1-0", "d1-1", "d2-0") for n in range(2)]


def test_rows_are_in_the_order_of_the_chunks(run):
    merged = merge(run)
    assert ids(run) == ALL
    assert (merged.n_pairs, merged.n_failures, merged.n_new) == (10, 1, 2)
    assert not merged.unfinished


def test_all_files_are_merged(run):
    for name in FILES[1:]:
        row = {"id": "d1-0"} if name == "failures" else {"id": "x", "chunk_id": "d1-0"}
        write_jsonl(run / f"shards/1/{name}.jsonl", [row])
    merge(run)
    assert ids(run, "failures") == ["gone.txt", "d1-0"]
    assert [len(read(run, name)) for name in FILES[2:]] == [1, 1, 1]


def test_merged_again_nothing_changes(run):
    merge(run)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*.jsonl")}
    assert merge(run).n_new == 0
    assert before == {path: path.stat().st_mtime_ns for path in run.rglob("*.jsonl")}


def test_only_what_is_new_is_read(run):
    (run / "shards/1").rename(run / "later")
    first = merge(run)
    assert (first.n_new, first.unfinished) == (1, [run / "shards/1"])
    judged = [row | {"kept": True} for row in read(run)]
    write_jsonl(run / "pairs.jsonl", judged)
    shutil.rmtree(run / "shards/0")
    (run / "later").rename(run / "shards/1")
    second = merge(run)
    assert (second.n_new, second.unfinished) == (1, [])
    assert ids(run) == ALL
    assert [row["chunk_id"][:2] for row in read(run) if "kept" in row] == ["d0"] * 4 + ["d2"] * 2


def test_shard_that_has_changed_is_taken_anew(run):
    shard = run / "shards/1"
    write_jsonl(shard / "pairs.jsonl", [pair("d1-1")])
    write_jsonl(shard / "failures.jsonl", [failure("d1-0")])
    finish(shard, "FAILED")
    assert merge(run).unfinished == [shard]
    assert ids(run, "failures") == ["gone.txt", "d1-0"]
    write_jsonl(shard / "pairs.jsonl", [pair("d1-0"), pair("d1-1")])
    write_jsonl(shard / "failures.jsonl", [])
    finish(shard)
    assert not merge(run).unfinished
    assert ids(run)[4:6] == ["d1-0-0", "d1-1-0"]
    assert ids(run, "failures") == ["gone.txt"]


def test_torn_row_takes_its_chunk_along(run):
    shard = run / "shards/1"
    with (shard / "pairs.jsonl").open("ab") as file:
        file.write(b'{"id": "d1-0-2", "chunk')
    merge(run)
    assert ids(run) == [id_ for id_ in ALL if not id_.startswith("d1-0")]


def test_torn_request_is_left_out(run):
    with JsonlWriter(run / "shards/1/requests.jsonl") as writer:
        writer.write(pair("d1-0"))
    with (run / "shards/1/requests.jsonl").open("ab") as file:
        file.write(b'{"chunk')
    merge(run)
    assert len(read(run, "requests")) == 1


def test_shard_that_was_not_begun(run):
    for name in ("pairs.jsonl", "run.json"):
        (run / "shards/0" / name).unlink()
    merged = merge(run)
    assert merged.unfinished == [run / "shards/0"]
    assert ids(run) == ALL[4:8]


def test_merge_that_was_killed_is_done_again(run):
    before = (run / "shards.json").read_bytes()
    merge(run)
    (run / "shards.json").write_bytes(before)
    (run / "requests.jsonl").unlink(missing_ok=True)
    merge(run)
    assert ids(run) == ALL
    assert not list(run.glob(".merged*"))


def test_losses_are_those_of_the_whole_run(run, make_config):
    merge(run)
    check_losses(run, make_config())
    for number, chunks in enumerate((("d0-0", "d0-1", "d2-0"), ("d1-0", "d1-1"))):
        write_jsonl(run / f"shards/{number}/pairs.jsonl", [])
        write_jsonl(run / f"shards/{number}/failures.jsonl", map(failure, chunks))
        check_losses(run, make_config())
        merge(run)
    with pytest.raises(BudgetExceeded, match="5 of 5"):
        check_losses(run, make_config())
    assert {read_json(shard / "run.json")["status"] for shard in read_book(run).folders} == {
        "FAILED"
    }
