"""Documents are taken in by their order, alike ones once, and what fails costs itself."""

import threading

import pytest

from synth.cutting import Cut
from synth.ingest import SCRATCH, Intake, Order
from synth.prepare import Cutting
from synth.shared import Shared
from synth.sources import Location
from synth.texts import Texts

LINES = [f"Line {n} of a text in which every line is another one, {n * n}." for n in range(400)]


@pytest.fixture
def order(make_config, model_dir, tmp_path):
    """Make an order for some sources; ``work`` forces worker processes, or this one."""

    def make(*sources, cut=True, limit=None, **ingest):
        settings = [f"ingest.{name}={value}" for name, value in ingest.items()]
        return Order(
            folder=tmp_path / "run",
            ingest=make_config(*settings).ingest,
            sources=[Location(str(source)) for source in sources],
            cutting=Cutting(Cut("token", 32, 8), model_dir / "tokenizer.json") if cut else None,
            limit=limit,
        )

    return make


@pytest.fixture(params=["here", "workers"])
def place(request, monkeypatch):
    """Where the work is done."""
    if request.param == "workers":
        monkeypatch.setattr("synth.ingest._AT_ONCE_BYTES", -1)
    return request.param


def take(order, shared=None):
    batches = list(Intake(order, shared or Shared()).batches())
    return tuple(
        [row for batch in batches for row in getattr(batch, name)]
        for name in ("documents", "failures", "chunks")
    )


def write(folder, **texts):
    paths = [folder / f"{name}.txt" for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        path.write_text(text)
    return paths


def test_documents_and_chunks_come_in_the_order_of_the_sources(order, tmp_path, place):
    paths = write(tmp_path, **{f"d{n}": "\n".join(LINES[n : n + 40]) for n in range(0, 400, 40)})
    documents, failures, chunks = take(made := order(*paths))
    assert [document.path for document in documents] == list(map(str, paths))
    assert list(dict.fromkeys(chunk.doc_id for chunk in chunks)) == [one.id for one in documents]
    assert failures == []
    assert "\n".join(LINES).startswith(Texts(made.folder).read(chunks[0]))
    assert not (made.folder / SCRATCH).exists()


def test_equal_documents_are_used_once(order, tmp_path, place):
    paths = write(tmp_path, a=LINES[0], b=LINES[0], c=LINES[1])
    documents, failures, chunks = take(order(*paths))
    assert [document.path for document in documents] == [str(paths[0]), str(paths[2])]
    assert [(one.id, one.error) for one in failures] == [(str(paths[1]), "Duplicate")]
    assert str(paths[0]) in failures[0].detail
    assert {chunk.doc_id for chunk in chunks} == {document.id for document in documents}


def test_near_identical_documents_are_used_once(order, tmp_path, place):
    text = "\n".join(LINES)
    paths = write(tmp_path, a=text, b=text.replace("Line 7 ", "Line seven "))
    documents, failures, chunks = take(made := order(*paths))
    assert len(documents) == 1
    assert (failures[0].error, failures[0].id) == ("NearDuplicate", str(paths[1]))
    assert {chunk.doc_id for chunk in chunks} == {documents[0].id}
    assert len(list((made.folder / "data/txt").iterdir())) == 1


def test_near_identical_documents_stay_where_that_is_asked(order, tmp_path):
    text = "\n".join(LINES)
    paths = write(tmp_path, a=text, b=text.replace("Line 7 ", "Line seven "))
    assert len(take(order(*paths, similarity="null"))[0]) == 2


def test_what_can_not_be_read_costs_itself(order, tmp_path, place):
    paths = write(tmp_path, a=LINES[0], b=" ", c=LINES[1])
    documents, failures, _ = take(order(*paths, tmp_path / "gone.txt"))
    assert len(documents) == 2
    assert [failure.id for failure in failures] == [str(paths[1]), str(tmp_path / "gone.txt")]


def test_what_a_killed_attempt_has_left_goes(order, tmp_path, place):
    made = order(*write(tmp_path, a=LINES[0]))
    (left := made.folder / SCRATCH / "0/task/half.txt").parent.mkdir(parents=True)
    left.touch()
    assert len(take(made)[0]) == 1
    assert not left.exists()


def test_limit_ends_the_reading(order, tmp_path, place):
    paths = write(tmp_path, **{f"d{n}": "\n".join(LINES[n : n + 40]) for n in range(0, 400, 40)})
    documents, _, chunks = take(order(*paths, limit=3))
    assert (len(documents), len(chunks)) == (1, 3)


def test_documents_that_were_read_before_are_cut_only(order, tmp_path, place):
    first = order(*write(tmp_path, a="\n".join(LINES[:40]), b=LINES[50]), cut=False)
    documents, _, none = take(first)
    again = order()
    object.__setattr__(again, "documents", documents)
    read, failures, chunks = take(again)
    assert (none, read, failures) == ([], [], [])
    assert {chunk.doc_id for chunk in chunks} == {document.id for document in documents}


def test_jobs_of_a_sweep_share_what_the_first_has_read(order, tmp_path, place):
    paths = write(tmp_path, a=LINES[0], b=LINES[0], c=LINES[1])
    shared = Shared(tmp_path / "shared")
    first = take(made := order(*paths), shared)
    paths[0].write_text("changed")
    made.folder.rename(tmp_path / "other")
    (tmp_path / "run").symlink_to("other")
    assert take(made, shared) == first


def test_stop_ends_it_soon(order, tmp_path, monkeypatch):
    monkeypatch.setattr("synth.ingest._AT_ONCE_BYTES", -1)
    paths = write(tmp_path, **{f"d{n}": "\n".join(LINES[n:]) for n in range(60)})
    intake = Intake(order(*paths, similarity="null"), Shared())
    batches = intake.batches()
    next(batches)
    threading.Thread(target=intake.stop).start()
    assert sum(len(batch.documents) for batch in batches) < 60
    assert not any((tmp_path / "run" / SCRATCH).glob("*"))
