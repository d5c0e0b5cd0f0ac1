"""The step of curation in whole runs against the stub: judge, closed book, verdicts, resume."""

import json
import signal

import pytest

from synth.io import read_json, read_jsonl, write_jsonl
from tests.conftest import wait_until


@pytest.fixture
def run_dir(tmp_path):
    return tmp_path / "run"


@pytest.fixture
def run(run_cli, stub, run_dir):
    """Run the stub's pairs through curation; return them, and what was said."""

    def call(*overrides, **environment):
        done = run_cli(*stub, *overrides, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return list(read_jsonl(run_dir / "pairs.jsonl")), done.stdout

    return call


def exported(run_dir):
    return [row["question"] for row in read_jsonl(run_dir / "export" / "jsonl" / "train.jsonl")]


def test_only_kept_pairs_are_exported(run, run_dir):
    pairs, said = run("curate=judge", "curate.threshold=6")
    kept = [pair for pair in pairs if pair["kept"]]
    assert 0 < len(kept) < len(pairs)
    assert all(pair["score"] >= 6 for pair in kept)
    assert {tuple(pair["reasons"]) for pair in pairs if not pair["kept"]} == {("low_score",)}
    assert exported(run_dir) == [pair["question"] for pair in kept]
    assert f"{len(kept)} kept" in said
    record = read_json(run_dir / "run.json")
    assert record["counts"]["n_kept"] == len(kept)
    assert record["metrics"]["curate/n_judged"] == len(pairs)
    assert record["metrics"]["quality/score_mean"] == pytest.approx(
        sum(pair["score"] for pair in pairs) / len(pairs)
    )


def test_judge_of_another_endpoint(run, serve, run_dir):
    judge = serve("--note-requests", str(run_dir.parent / "judged.jsonl"))
    pairs, _ = run(
        "curate=judge",
        "curate.judge=endpoint",
        f"curate.api_base={judge.base_url}",
        f"curate.api_key={judge.api_key}",
    )
    assert all("score" in pair for pair in pairs)
    assert (run_dir.parent / "judged.jsonl").stat().st_size > 0
    written = b"".join(path.read_bytes() for path in run_dir.rglob("*") if path.is_file())
    assert b"api_key=key" not in written
    assert b"api_key: key" not in written


def test_silent_judge_costs_no_pair(run):
    pairs, said = run(
        "curate=judge",
        "curate.judge=endpoint",
        "curate.model=m",
        "curate.api_base=http://127.0.0.1:9/v1",
    )
    assert all(pair["kept"] for pair in pairs)
    assert not any("score" in pair for pair in pairs)
    assert "failed" in said


def test_closed_book_marks_and_drops_nothing(run):
    pairs, _ = run("curate=full", "curate.threshold=0")
    assert all(set(pair["closed_book"]) == {"known", "answerable"} for pair in pairs)
    marked = [pair for pair in pairs if pair["reasons"]]
    assert all(pair["kept"] for pair in pairs)
    assert {reason for pair in marked for reason in pair["reasons"]} <= {"known", "unanswerable"}


def test_marks_can_be_faults(run):
    pairs, _ = run("curate=full", "curate.threshold=0", "curate.drop=[unanswerable]")
    assert all(pair["kept"] != ("unanswerable" in pair["reasons"]) for pair in pairs)


def test_verdicts_by_hand_are_fed_back(run, run_dir, tmp_path):
    first, *others = run()[0]
    verdict = {name: first[name] for name in ("id", "question", "answer")} | {"verdict": "drop"}
    write_jsonl(tmp_path / "verdicts.jsonl", [verdict, {**verdict, "answer": "another"}])
    _, said = run(f"curate.verdicts={tmp_path}/verdicts.jsonl", "hydra.run.dir=run2")
    again = list(read_jsonl(tmp_path / "run2" / "pairs.jsonl"))
    assert [pair["kept"] for pair in again] == [False] + [True] * len(others)
    assert again[0]["by_hand"] == "drop"
    exported = list(read_jsonl(tmp_path / "run2" / "export" / "jsonl" / "train.jsonl"))
    assert len(exported) == len(others)
    assert "by_hand" not in exported[0]
    assert "1 of 2 verdicts by hand" in said


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("curate.verdicts=gone.jsonl", "curate.verdicts=gone.jsonl"),
        ("curate.contamination=[gone.csv]", "curate.contamination=gone.csv"),
        ("curate.judge=endpoint", "curate.api_base is missing"),
        ("curate.drop=[ugly]", "curate.drop"),
        ("curate.prompt='{{ pairs }} {{ txt }}'", "curate.prompt"),
        ("export.reply='{{ anwser }}'", "export.reply"),
    ],
)
def test_mistake_ends_the_run_before_it_begins(run_cli, stub, run_dir, override, said):
    done = run_cli(*stub, "curate=judge", override)
    assert done.returncode == 1
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not (run_dir / "pairs.jsonl").exists()


def test_killed_judgement_goes_on_and_asks_nothing_twice(
    start_cli, run_cli, stub, run_dir, tmp_path
):
    note = tmp_path / "sent.jsonl"
    server = f"server.engine_args={{note-requests: {note}, delay-s: 0.05, max-num-seqs: 4}}"
    process = start_cli(*stub, server, "curate=judge", "curate.batch_size=1")
    requests = run_dir / "curate_requests.jsonl"
    wait_until(lambda: requests.exists() and requests.read_text().count("\n") > 8)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = run_cli(f"resume={run_dir}")
    assert done.returncode == 0, done.stderr
    pairs = list(read_jsonl(run_dir / "pairs.jsonl"))
    assert all("score" in pair for pair in pairs)
    sent = [json.dumps(row["messages"]) for row in read_jsonl(note)]
    in_flight = 8  # four at work, and those that stand ready
    assert len(sent) - len(set(sent)) <= in_flight < len(pairs) / 4
    assert not list(run_dir.glob(".findings*"))


def test_step_can_be_left_out(run, run_dir):
    pairs, _ = run("steps=[serve,ingest,chunk,config,generate,export]")
    assert not any("kept" in pair for pair in pairs)
    assert len(exported(run_dir)) == len(pairs)


def test_ctrl_c_in_the_middle_leaves_the_pairs(start_cli, stub, run_dir):
    process = start_cli(*stub, "curate=judge", "server.engine_args={hang-after-requests: 30}")
    requests = run_dir / "curate_requests.jsonl"
    wait_until(requests.exists)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, out + err
    assert len(list(read_jsonl(run_dir / "pairs.jsonl"))) > 0
    assert not list(run_dir.glob(".findings*"))
