"""What was answered once is not asked again: by another run, another job, another attempt."""

import pytest

from synth.io import read_json, read_jsonl


@pytest.fixture
def run(run_cli, stub, tmp_path):
    """Run with overrides in a folder; return how many requests the stub has had for it."""
    note = tmp_path / "sent.jsonl"
    noted = f"server.engine_args={{note-requests: {note}}}"

    def call(name, *overrides):
        note.unlink(missing_ok=True)
        place = [f"hydra.run.dir={name}", f"hydra.sweep.dir={name}"]
        done = run_cli(*stub, noted, *place, *overrides)
        assert done.returncode == 0, done.stderr
        return len(list(read_jsonl(note))) if note.exists() else 0

    return call


def pairs(tmp_path, name):
    return (tmp_path / name / "pairs.jsonl").read_bytes()


@pytest.mark.parametrize("override", ["curate.threshold=5", "export.formats=[chatml]"])
def test_run_with_another_curation_or_export_sends_nothing(run, tmp_path, override):
    n_sent = run("first")
    assert n_sent == len(list(read_jsonl(tmp_path / "first/chunks.jsonl"))) > 0
    assert run("second", override) == 0
    assert pairs(tmp_path, "second") == pairs(tmp_path, "first")
    metrics = read_json(tmp_path / "second/run.json")["metrics"]
    assert (metrics["generate/n_sent"], metrics["generate/n_stored"]) == (0, n_sent)


@pytest.mark.parametrize(
    "override", ["gen.temperature=0.1", "seed=1", "model.dtype=bfloat16", "gen.reuse=false"]
)
def test_run_that_asks_otherwise_sends_all(run, override):
    assert run("first") == run("second", override) > 0


def test_jobs_that_ask_the_same_send_it_once(run, tmp_path):
    n_sent = run("sweep", "-m", "curate.threshold=5,6,7")
    assert n_sent == len(list(read_jsonl(tmp_path / "sweep/0/chunks.jsonl")))
    assert pairs(tmp_path, "sweep/0") == pairs(tmp_path, "sweep/2")


def test_own_journal_of_a_run_is_gone_when_it_is_complete(run, tmp_path):
    run("first", "gen.reuse=false")
    assert not list((tmp_path / "first").glob(".replies*"))


def test_failed_run_goes_on_without_asking_again(run_cli, stub, tmp_path):
    noted = f"server.engine_args={{note-requests: {tmp_path}/sent.jsonl, prose-frac: 0.4}}"
    failing = [noted, "gen.max_failed_frac=0", "gen.max_reasks=0", "gen.reuse=false"]
    assert run_cli(*stub, *failing, "chunk.size=16").returncode == 1
    answered = [row["seed"] for row in read_jsonl(tmp_path / "run/requests.jsonl")]
    assert run_cli("resume=run").returncode == 1
    sent = [row["seed"] for row in read_jsonl(tmp_path / "sent.jsonl")]
    assert [sent.count(seed) for seed in answered] == [1] * len(answered)
