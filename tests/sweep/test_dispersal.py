"""Runs in shards, as jobs of each launcher: what comes of them, and of those that are interrupted."""

import hashlib
import signal

import pytest

from synth.io import read_json, read_jsonl
from tests.cluster import NODES
from tests.conftest import wait_until
from tests.shards.conftest import write_corpus
from tests.test_cli import fails

LAUNCHERS = {
    "basic": ["hydra/launcher=basic"],
    "side by side": [],
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    "slurm": NODES,
}

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def corpus(stub, tmp_path):
    """Forty documents, on a stub that answers the same again and writes prose now and then."""
    kept = [text for text in stub if not text.startswith(("docs=", "hydra.run.dir"))]
    return [
        *kept,
        f"docs={write_corpus(tmp_path / 'corpus', 40)}",
        "server.engine_args.ask-alike=true",
        "server.engine_args.num-pairs=2",
        "ingest.similarity=1",
        "gen.reuse=false",
    ]


@pytest.fixture
def run(start_cli):
    def run(*arguments):
        process = start_cli(*arguments)
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, out + err
        return out

    return run


def digest(folder):
    """Of all that a run has made."""
    names = ("documents.jsonl", "chunks.jsonl", "pairs.jsonl", "failures.jsonl")
    files = [*names, "export/jsonl/train.jsonl"]
    rows = {name: sorted((folder / name).read_bytes().splitlines()) for name in files}
    return {name: hashlib.sha256(b"".join(lines)).hexdigest() for name, lines in rows.items()}


def test_pairs_are_those_of_the_whole_run_on_every_launcher(cluster, run, corpus, tmp_path):
    run(*corpus, "hydra.run.dir=whole")
    whole = digest(tmp_path / "whole")
    pairs = read_jsonl(tmp_path / "whole" / "pairs.jsonl")
    assert any({"duplicate", "near_duplicate"} & set(pair["reasons"]) for pair in pairs)
    for name, launcher in LAUNCHERS.items():
        run(*corpus, *launcher, "shards=5", f"hydra.run.dir={name}")
        assert digest(tmp_path / name) == whole, name
        findings = list(read_jsonl(tmp_path / name / "findings.jsonl"))
        assert len(findings) == len(list(read_jsonl(tmp_path / name / "pairs.jsonl")))
        assert not list((tmp_path / name).glob("shards/*/curate_requests.jsonl"))
        record = read_json(tmp_path / name / "run.json")
        assert record["metrics"]["shards/n"] == 5
        assert record["status"] == "FINISHED"


def begun(folder):
    return [path for path in folder.glob("shards/*/pairs.jsonl") if path.stat().st_size]


@pytest.mark.parametrize("name", ["side by side", "slurm"])
def test_killed_run_goes_on_with_its_shards(
    cluster, start_cli, run, corpus, tmp_path, name, offspring
):
    run(*corpus, "hydra.run.dir=whole")
    slow = ["server.engine_args.delay-s=0.5", "gen.concurrency=2"]
    process = start_cli(*corpus, *slow, *LAUNCHERS[name], "shards=5", "hydra.run.dir=run")
    wait_until(lambda: len(begun(tmp_path / "run")) >= 2, 60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if name == "slurm":
        cluster.lose("n2")
        cluster.bring_back("n2")
    else:
        wait_until(lambda: not offspring())
    out = run("resume=run")
    assert digest(tmp_path / "run") == digest(tmp_path / "whole"), out


def test_shards_of_a_sweep_are_refused(run_cli, corpus):
    assert fails(run_cli(*corpus, "shards=2", "-m", "seed=0,1"), "shards: ", "can't be divided")
