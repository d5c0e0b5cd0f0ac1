"""The baseline's stage on a stand-in for synthetic-data-kit."""

import asyncio
import os
import sys
from pathlib import Path

import psutil
import pytest

from synth import external
from synth.errors import BudgetExceeded, ConfigError
from synth.external import LOG, QA_CONFIG, find_tool, generate
from synth.pool import FailureBudget, Total
from synth.records import Chunk, Endpoint, Failure
from tests.conftest import wait_until

STUB = [sys.executable, str(Path(__file__).with_name("stub_tool.py"))]
ENDPOINT = Endpoint("http://127.0.0.1:9/v1", "m", "key")
CHUNKS = [Chunk(f"d-{n}-{n + 1}", "d", n, n + 1, 1, f"data/parsed/d_{n}.txt") for n in range(12)]


@pytest.fixture
def folder(tmp_path):
    """A run's folder with the files of its chunks."""
    folder = tmp_path / "a [b] 'c'"
    for name in ("parsed", "generated"):
        (folder / "data" / name).mkdir(parents=True)
    (folder / QA_CONFIG).touch()
    for chunk in CHUNKS:
        (folder / chunk.path).write_text(chunk.id)
    return folder


@pytest.fixture
def stream(make_config, folder):
    def start(*switches, overrides=()):
        config = make_config("qa=synthetic-data-kit", "gen.concurrency=5", *overrides)
        return generate(
            CHUNKS,
            folder,
            [*STUB, *switches],
            ENDPOINT,
            config,
            FailureBudget(Total(len(CHUNKS), is_final=True), 0.5),
        )

    return start


@pytest.fixture
def run(stream):
    async def collect(*switches, overrides=()):
        return [result async for result in stream(*switches, overrides=overrides)]

    return lambda *switches, **given: asyncio.run(collect(*switches, **given))


def processes(folder):
    """Return what runs in a folder inside of the run's."""
    return [p for p in psutil.process_iter(["cwd"]) if str(folder) in (p.info["cwd"] or "")]


def test_every_chunk_gives_its_pairs_in_order(run):
    results = run()
    assert [[pair.chunk_id for pair in pairs] for pairs in results] == [[c.id] for c in CHUNKS]
    assert [pairs[0].question for pairs in results] == [f"What is {c.id}?" for c in CHUNKS]
    assert results[3][0].id == "d-3-4-0"


def test_nothing_but_its_output_is_left(run, folder):
    run()
    outputs = {f"d_{n}_qa_pairs.json" for n in range(12)}
    assert {path.name for path in (folder / "data" / "generated").iterdir()} == outputs
    assert {path.name for path in folder.iterdir()} == {"data", QA_CONFIG, LOG}


def test_key_goes_by_the_environment(run, folder, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-marked")
    run()
    assert (folder / LOG).read_text().count("key: True") == 5


def test_chunk_that_fails_is_a_row(run):
    results = run("--fail", "d_2.txt,d_5.txt")
    failed = [result for result in results if isinstance(result, Failure)]
    assert [(row.id, row.stage, row.error) for row in failed] == [
        ("d-2-3", "generate", "ToolError"),
        ("d-5-6", "generate", "ToolError"),
    ]
    assert failed[0].detail == "synthetic-data-kit: planted failure"


def test_too_many_failures_end_the_run(run, folder):
    failing = ",".join(f"d_{n}.txt" for n in range(11))
    with pytest.raises(BudgetExceeded, match=r"11 of 12 failed; the first: .* planted"):
        run("--fail", failing)
    assert not processes(folder)


def test_replies_without_pairs_are_failures(run):
    with pytest.raises(BudgetExceeded, match="no pair in the reply"):
        run("--prose")


def test_tool_that_crashes_is_told(run):
    with pytest.raises(BudgetExceeded, match="it said last: planted crash"):
        run("--crash")


def test_cancelled_stage_leaves_no_process(stream, folder):
    async def cancel():
        task = asyncio.create_task(anext(stream("--delay-s", "60")))
        await asyncio.to_thread(wait_until, lambda: len(processes(folder)) >= 5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(cancel())
    assert not processes(folder)


def test_command_that_does_not_exist_is_told(make_config):
    config = make_config("qa=synthetic-data-kit", "qa.command=[/nowhere/tool]")
    with pytest.raises(ConfigError, match=r"qa\.command=\['/nowhere/tool'\]"):
        find_tool(config.qa)


def test_missing_uv_is_told(make_config, monkeypatch):
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ConfigError, match="needs uv"):
        find_tool(make_config("qa=synthetic-data-kit").qa)


def test_uv_that_can_not_install_is_told(make_config, monkeypatch, tmp_path):
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho planted failure >&2; exit 2")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.defpath}")
    with pytest.raises(ConfigError, match="can't install it: planted failure"):
        find_tool(make_config("qa=synthetic-data-kit").qa)


def test_secrets_of_ours_are_not_the_tools(monkeypatch):
    for name in ("HF_TOKEN", "SYNTH_MODEL_TOKEN", "SYNTH_SERVER_API_KEY", "SYNTH_SESSION_KEY"):
        monkeypatch.setenv(name, "marked")
    assert "marked" not in external._environment(ENDPOINT).values()
