"""Endpoints that a file names, which may change while they are used; with real processes."""

import asyncio
import logging
from dataclasses import replace

import pytest

from synth import endpoints
from synth.endpoints import Outside, parse_urls
from synth.errors import ConfigError, ServerTimeout
from synth.io import read_json, read_jsonl
from tests.conftest import wait_until

GONE = "http://127.0.0.1:9/v1"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "endpoints.txt"


@pytest.fixture
def outside(make_config, file, monkeypatch):
    """The endpoints of the file, which is looked at often."""
    monkeypatch.setattr(endpoints, "_LOOK_S", 0.01)

    def make(**changes):
        server = make_config("server=external", f"server.api_base={file}").server
        changes = {"api_key": "key", "timeout_s": 20, **changes}
        return Outside(replace(server, **changes))

    return make


def urls(found):
    return [endpoint.base_url for endpoint in found]


async def until(outside, expected):
    while urls(await outside.find()) != expected:  # noqa: ASYNC110  (nothing tells of it)
        await asyncio.sleep(0.01)


def test_lines_are_urls_comments_or_blank(file):
    text = f"# servers\n\n{GONE}/  # node 1\n  http://b:8000/v1\n{GONE}\n"
    assert parse_urls(text, file) == ([GONE, "http://b:8000/v1"], [])


@pytest.mark.parametrize("line", ["b:8000/v1", "http://", "ftp://b/v1", "http://b:port/v1", "x y"])
def test_bad_line_is_named_with_its_number(file, line):
    found, (problem,) = parse_urls(f"{GONE}\n\n{line}\n", file)
    assert found == [GONE]
    assert problem.startswith(f"server.api_base={file}, line 3: {line!r} is no URL")


def test_endpoints_of_a_file_are_opened(outside, file, serve):
    file.write_text(f"{GONE}\n{(up := serve()).base_url}\n")
    assert asyncio.run(outside().open()) == (up,)


def test_file_that_comes_later_is_waited_for(outside, file, serve, caplog):
    up = serve()

    async def write():
        while "waiting for an endpoint" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        file.write_text("\n")
        await asyncio.sleep(0.05)
        file.write_text(f"{up.base_url}\n")

    async def run():
        opened, _ = await asyncio.gather(outside().open(), write())
        return opened

    caplog.set_level(logging.INFO)
    assert asyncio.run(run()) == (up,)


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "it is not there"), ("# none\n", "names no endpoint"), (GONE, "names no endpoint")],
    ids=["missing", "empty", "down"],
)
def test_file_that_names_none_in_time_is_an_error(outside, file, text, words):
    if text is not None:
        file.write_text(text)
    with pytest.raises(ServerTimeout, match=r"server\.timeout_s=0\.2") as caught:
        asyncio.run(outside(timeout_s=0.2).open())
    assert str(file) in str(caught.value)
    assert words in str(caught.value)


def test_what_is_wrong_in_a_file_ends_the_run_at_once(outside, file, serve):
    file.write_text(f"{serve().base_url}\nnonsense\nhttp:/x\n")
    with pytest.raises(ConfigError) as caught:
        asyncio.run(outside().open())
    assert len(caught.value.problems) == 2
    assert "line 2: 'nonsense'" in caught.value.problems[0]


def test_folder_in_place_of_a_file_is_told(outside, file):
    file.mkdir()
    with pytest.raises(ConfigError, match="Is a directory"):
        asyncio.run(outside().open())


def test_what_is_added_joins_and_what_is_taken_out_leaves(outside, file, serve):
    first, second = serve().base_url, serve().base_url

    async def run():
        watched = outside()
        file.write_text(first)
        assert urls(await watched.open()) == [first]
        file.write_text(f"{first}\n{second}\n")
        await until(watched, [first, second])
        file.write_text(f"{second}\n")
        await until(watched, [second])
        file.write_text(f"{second}\n{first}\n")
        await until(watched, [second, first])

    asyncio.run(asyncio.wait_for(run(), 20))


def test_new_line_that_is_wrong_is_warned_of_once(outside, file, serve, caplog):
    first = serve().base_url

    async def run():
        watched = outside()
        file.write_text(first)
        await watched.open()
        file.write_text(f"{first}\nhttp:/half\n")
        while "line 2" not in caplog.text:
            await watched.find()
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        return await watched.find()

    assert urls(asyncio.run(run())) == [first]
    assert caplog.text.count("line 2: 'http:/half'") == 1


def test_file_that_can_not_be_read_for_a_moment_changes_nothing(outside, file, serve):
    async def run():
        watched = outside()
        file.write_text(serve().base_url)
        opened = await watched.open()
        file.unlink()
        await asyncio.sleep(0.05)
        assert await watched.find() == opened

    asyncio.run(run())


def test_file_that_names_none_for_too_long_ends_the_run(outside, file, serve):
    async def run():
        watched = outside(timeout_s=0.2)
        file.write_text(serve().base_url)
        await watched.open()
        file.write_text("")
        await watched.keep()

    with pytest.raises(ServerTimeout, match="names no endpoint"):
        asyncio.run(asyncio.wait_for(run(), 20))


def test_run_follows_its_file(start_cli, stub, documents, tmp_path, file, serve):
    (documents / "hold.txt").write_text("HOLD this. " * 300)
    notes = [tmp_path / "first", tmp_path / "second"]
    slots = ["--max-num-seqs", "2", "--hold-until", str(tmp_path / "go")]
    first, second = (serve(*slots, "--note-requests", str(note)) for note in notes)
    external = ["server=external", f"server.api_base={file}", f"docs={documents}/hold.txt"]
    process = start_cli(*stub, *external, "gen.concurrency=4", OPENAI_API_KEY="key")
    file.write_text(f"{first.base_url}\n")
    wait_until(notes[0].exists)
    file.write_text(f"{first.base_url}\n{second.base_url}\n")
    wait_until(lambda: "takes requests, too" in (tmp_path / "run/synth.log").read_text())
    file.write_text(f"{second.base_url}\n")
    wait_until(lambda: "gets no more requests" in (tmp_path / "run/synth.log").read_text())
    (tmp_path / "go").touch()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert not (tmp_path / "run/failures.jsonl").read_text()
    n_asked = [len(list(read_jsonl(note))) for note in notes]
    assert n_asked[0] <= 4 < n_asked[1]
    assert read_json(tmp_path / "run/run.json")["server"]["base_urls"] == [
        first.base_url,
        second.base_url,
    ]
