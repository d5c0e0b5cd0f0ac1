"""Whole runs against the stub: the same pairs in any number of shards, and without."""

import hashlib
import shutil
import signal

import pytest

from synth.config import open_saved, register, save_changed
from synth.io import read_json, read_jsonl, write_json, write_jsonl
from synth.jobs import resume_job
from synth.server import lease
from synth.shards import split
from synth.sweep.dispersal import Dispersal, run_in_shards
from tests.conftest import wait_until
from tests.shards.conftest import write_corpus

STEPS = ["ingest", "chunk", "generate", "curate", "export"]


@pytest.fixture
def cut(run_cli, stub, serve, tmp_path):
    """A run of 100 documents that is read and cut, with a stub that answers the same again."""
    endpoint = serve("--ask-alike", "--prose-frac", "0.1", "--num-pairs", "2")
    done = run_cli(
        *(text for text in stub if not text.startswith(("docs=", "server."))),
        f"docs={write_corpus(tmp_path / 'corpus', 100)}",
        "server=external",
        f"server.api_base={endpoint.base_url}",
        "server.model=m",
        "curate=full",
        "curate.threshold=5",
        "ingest.similarity=1",
        "gen.reuse=false",
        "gen.max_reasks=0",
        "gen.max_failed_frac=0.3",
        "gen.concurrency=16",
        "steps=[ingest,chunk]",
        OPENAI_API_KEY="key",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return tmp_path / "run"


@pytest.fixture
def go_on(monkeypatch):
    """Go on with a run, in this process."""
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    register()

    def resume(folder):
        config = open_saved(folder)
        with lease.open_session() as session:
            if config.shards is None:
                resume_job(config, folder, session, [])
            else:
                run_in_shards(config, folder, [], Dispersal(session, 16))

    return resume


def copy(cut, name, n_shards=None):
    folder = shutil.copytree(cut, cut.with_name(name), symlinks=True)
    save_changed(cut, [folder], {"steps": STEPS, "shards": n_shards})
    write_json(folder / "run.json", {"status": "KILLED", "steps": ["ingest", "chunk"]})
    return folder


def digest(folder, name):
    return hashlib.sha256(b"".join(sorted((folder / name).read_bytes().splitlines()))).hexdigest()


def made(folder):
    names = ("pairs.jsonl", "failures.jsonl", "export/jsonl/train.jsonl")
    return {name: digest(folder, name) for name in names} | read_json(folder / "run.json")["counts"]


@pytest.mark.timeout(300)
def test_same_pairs_in_any_number_of_shards(cut, go_on):
    whole = copy(cut, "whole")
    go_on(whole)
    pairs = list(read_jsonl(whole / "pairs.jsonl"))
    reasons = {reason for pair in pairs for reason in pair["reasons"]}
    assert {"duplicate", "low_score", "unanswerable"} & reasons
    assert read_json(whole / "run.json")["counts"]["n_failures"] > 10
    assert any(pair["kept"] for pair in pairs)
    figures = []
    for n_shards in (1, 4, 16):
        folder = copy(cut, f"shards{n_shards}", n_shards)
        go_on(folder)
        assert len(read_json(folder / "shards.json")["shards"]) == n_shards
        assert made(folder) == made(whole)
        assert (folder / "pairs.jsonl").read_bytes() == (whole / "pairs.jsonl").read_bytes()
        record = read_json(folder / "run.json")
        assert record["server"]["n_shards"] == n_shards
        names = ("generate/n_output_tokens", "curate/n_judged", "quality/overall")
        figures.append([record["metrics"][name] for name in names])
    assert figures[0] == figures[1] == figures[2]


@pytest.mark.timeout(300)
def test_shard_that_was_killed_is_gone_on_with(cut, go_on, start_cli):
    whole, folder = copy(cut, "whole"), copy(cut, "shards", 2)
    go_on(whole)
    first, _ = split(folder, 2)
    process = start_cli(f"resume={first}", OPENAI_API_KEY="key")
    wait_until(lambda: (first / "pairs.jsonl").exists() and (first / "pairs.jsonl").stat().st_size)
    process.send_signal(signal.SIGKILL)
    process.wait()
    go_on(folder)
    assert made(folder) == made(whole)


def test_shard_that_is_gone_on_with_finds_out_anew(cut, go_on):
    """Of pairs that are made in the second attempt nothing is known yet, and a judge may have failed."""
    first, _ = split(copy(cut, "shards", 2), 2)
    go_on(first)
    before = (first / "findings.jsonl").read_bytes()
    old = [{**row, "reasons": ["echo"]} for row in read_jsonl(first / "findings.jsonl")]
    write_jsonl(first / "findings.jsonl", old)
    record = read_json(first / "run.json")
    write_json(first / "run.json", record | {"status": "KILLED", "steps": STEPS[:3]})
    go_on(first)
    assert (first / "findings.jsonl").read_bytes() == before


def test_run_is_gone_on_with_without_its_shards(cut, go_on):
    """What was found out there is its own, whatever interrupts curation and export."""
    folder = copy(cut, "shards", 3)
    go_on(folder)
    before = made(folder)
    shutil.rmtree(folder / "shards")
    go_on(folder)
    assert made(folder) == before
