"""Whatever replies, connections, servers and the runner itself do, every chunk ends in a row, once."""

import random
import subprocess
from contextlib import suppress

import pytest

from synth.io import read_json, read_jsonl
from tests.conftest import wait_until

FAULTS = {
    "server errors": ("n_retries", ["fail-frac: 0.1"]),
    "rate limit": ("n_retries", ["fail-frac: 0.1", "status: 429", "retry-after-s: 1"]),
    "too many": ("n_retries", ["refuse-above: 4"]),
    "reset": ("n_retries", ["reset-frac: 0.1"]),
    "prose": ("n_reasked", ["prose-frac: 0.1"]),
    "broken": ("n_requests", ["broken-frac: 0.1"]),
    "cut off": ("n_reasked", ["cut-frac: 0.1"]),
    "empty": ("n_reasked", ["empty-frac: 0.1"]),
    "huge": ("n_requests", ["huge-frac: 0.1"]),
    "spikes": ("n_requests", ["spike-frac: 0.05", "spike-s: 1"]),
    "dies": ("n_retries", ["exit-after-requests: 40", "trouble-times: 3"]),
    "hangs": ("n_retries", ["hang-after-requests: 40", "trouble-times: 1"]),
}
"""What shows that it was met, and the switches of the stub."""
ALL = ["fault-frac: 0.4", "retry-after-s: 1", "spike-s: 1", "exit-after-requests: 100"]


@pytest.fixture
def arguments(stub, tmp_path):
    """Overrides for a run of some chunks on a stub with switches."""
    text = tmp_path / "long.txt"
    # Each sentence is another one, so that no two chunks are the same.
    text.write_text(" ".join(f"Fact {n} is that the number {n} is a number." for n in range(60000)))

    def make(n_chunks, *switches, delay_s=0.01):
        note = f"trouble-note: {tmp_path}/trouble"
        flags = ", ".join([*switches, note, "max-num-seqs: 8", f"delay-s: {delay_s}"])
        values = {"gen.max_retries": 3, "server.stall_s": 2}
        return [
            *(text for text in stub if not text.startswith(("docs=", "gen.max_retries"))),
            f"docs={text}",
            f"chunk.limit={n_chunks}",
            "chunk.size=32",
            f"server.engine_args={{{flags}}}",
            *(f"{key}={value}" for key, value in values.items()),
        ]

    return make


def rows(run, name):
    return list(read_jsonl(run / f"{name}.jsonl"))


def size_of(path):
    return path.stat().st_size if path.exists() else 0


def check_complete(run, n_chunks):
    """Every chunk is in the pairs or in the failures, and in one of them; return the failures."""
    asked = [row["id"] for row in rows(run, "chunks")]
    with_pairs = {row["chunk_id"] for row in rows(run, "pairs")}
    failed = [row["id"] for row in rows(run, "failures")]
    assert len(asked) == n_chunks
    assert len(failed) == len(set(failed))
    assert with_pairs.isdisjoint(failed)
    assert with_pairs | set(failed) == set(asked)
    ids = [row["id"] for row in rows(run, "pairs")]
    assert len(ids) == len(set(ids))
    return failed


@pytest.mark.parametrize("fault", FAULTS)
def test_run_under_a_fault_is_complete(run_cli, arguments, tmp_path, fault):
    shown_by, switches = FAULTS[fault]
    done = run_cli(*arguments(150, *switches))
    assert done.returncode == 0, done.stderr
    assert check_complete(tmp_path / "run", 150) == []
    assert read_json(tmp_path / "run/run.json")["metrics"][f"generate/{shown_by}"] > 0


@pytest.mark.parametrize(
    "n_chunks",
    [
        pytest.param(400, marks=pytest.mark.timeout(300)),
        pytest.param(4000, marks=[pytest.mark.soak, pytest.mark.timeout(1200)]),
    ],
)
def test_run_under_all_faults_at_once_is_complete(start_cli, arguments, tmp_path, n_chunks):
    run = start_cli(*arguments(n_chunks, *ALL, "trouble-times: 3"))
    _, errors = run.communicate(timeout=1100)
    assert run.returncode == 0, errors
    assert len(check_complete(tmp_path / "run", n_chunks)) < n_chunks / 20
    assert read_json(tmp_path / "run/run.json")["server"]["n_restarts"] == 3


@pytest.mark.timeout(400)
def test_run_that_is_killed_twenty_times_makes_what_it_would_have_made(
    run_cli, start_cli, arguments, tmp_path
):
    spoilt = ["prose-frac: 0.05", "broken-frac: 0.05", "cut-frac: 0.05", "fail-frac: 0.05"]
    whole = run_cli(*arguments(1000, *spoilt), "hydra.run.dir=whole", SYNTH_CACHE="elsewhere")
    assert whole.returncode == 0, whole.stderr
    killed, sizes = arguments(1000, *spoilt, delay_s=0.1), set()
    record, pairs = tmp_path / "run/run.json", tmp_path / "run/pairs.jsonl"
    draws = random.Random(0)
    for number in range(20):
        run = start_cli(*(["resume=run"] if record.exists() else killed))
        wait_until(record.exists)
        before = size_of(pairs)
        if number % 2:  # of the others, most are killed before they generate
            wait_until(lambda: size_of(pairs) > before or run.poll() is not None)  # noqa: B023
        with suppress(subprocess.TimeoutExpired):
            run.communicate(timeout=draws.uniform(0, 1.5))
        run.kill()
        run.communicate()
        sizes.add(size_of(pairs))
    assert len(sizes) > 8
    assert run_cli("resume=run").returncode == 0
    for name in ("pairs", "failures", "chunks"):
        assert rows(tmp_path / "run", name) == rows(tmp_path / "whole", name)
    seeds = [row["seed"] for row in rows(tmp_path / "run", "requests")]
    assert sorted(seeds) == sorted(row["seed"] for row in rows(tmp_path / "whole", "requests"))
