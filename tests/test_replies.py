"""A reply is kept before it counts, found by what was asked, asked for once, and cleaned away."""

import asyncio
import multiprocessing
import platform
import sqlite3
import time
from contextlib import closing

import pytest

from synth.errors import StoreError, TransientError
from synth.records import Reply, Usage
from synth.replies import Replies, key_of, store_in

REQUEST = {"messages": [{"role": "user", "content": "?"}], "seed": 1}


def reply(text="yes"):
    return Reply(text, "stop", Usage(10, 5, 2), 0.5, 1.5, 0.25, 1)


def ask_once(replies, request=REQUEST, model="m", text="yes"):
    async def ask():
        return reply(text)

    return asyncio.run(replies.once(model, request, ask))


def test_machines_that_share_a_folder_have_a_store_each(tmp_path, monkeypatch):
    assert store_in(tmp_path) == tmp_path / "replies.db"
    monkeypatch.setattr("synth.replies.network_filesystem", lambda path: "nfs4")
    assert store_in(tmp_path) == tmp_path / f"replies.{platform.node()}.db"
    with Replies(store_in(tmp_path)) as replies:
        assert not ask_once(replies)[1]
        assert ask_once(replies)[1]
    # WAL needs memory that is not shared over a network; it would stand in the file.
    with closing(sqlite3.connect(store_in(tmp_path))) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() != ("wal",)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "replies.db"


def test_reply_is_found_by_another_run(path):
    with Replies(path) as replies:
        assert ask_once(replies) == (reply(), False)
    with Replies(path) as replies:
        assert ask_once(replies, text="no") == (reply(), True)


@pytest.mark.parametrize(
    ("model", "request_"),
    [("other", REQUEST), ("m", REQUEST | {"seed": 2}), ("m", REQUEST | {"messages": []})],
    ids=["model", "seed", "prompt"],
)
def test_another_request_has_another_reply(path, model, request_):
    with Replies(path) as replies:
        ask_once(replies)
        assert ask_once(replies, request_, model, "no") == (reply("no"), False)


def test_key_does_not_depend_on_the_order_of_settings():
    assert key_of("m", {"a": 1, "b": 2}) == key_of("m", {"b": 2, "a": 1})


def test_same_request_at_the_same_time_is_sent_once(path):
    n_asked = 0

    async def ask():
        nonlocal n_asked
        n_asked += 1
        await asyncio.sleep(0.02)
        return reply()

    async def run(replies):
        return await asyncio.gather(*(replies.once("m", REQUEST, ask) for _ in range(20)))

    with Replies(path) as replies:
        results = asyncio.run(run(replies))
    assert n_asked == 1
    assert [is_stored for _, is_stored in results].count(False) == 1


def test_who_waits_for_a_request_that_fails_asks_himself(path):
    async def fail():
        await asyncio.sleep(0.02)
        raise TransientError("down", url="")

    async def succeed():
        return reply()

    async def run(replies):
        first = asyncio.create_task(replies.once("m", REQUEST, fail))
        await asyncio.sleep(0.01)
        second = await replies.once("m", REQUEST, succeed)
        return await asyncio.gather(first, return_exceptions=True), second

    with Replies(path) as replies:
        (error,), second = asyncio.run(run(replies))
    assert isinstance(error, TransientError)
    assert second == (reply(), False)


def _fill(path, first):
    async def run(replies):
        async def ask():
            return reply()

        await asyncio.gather(*(replies.once("m", {"n": first + n}, ask) for n in range(200)))

    with Replies(path) as replies:
        asyncio.run(run(replies))


def test_processes_write_side_by_side(path):
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_fill, args=(path, n * 1000)) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    with Replies(path) as replies:
        assert [holding.n_replies for holding in replies.holdings()] == [600]


def test_holdings_are_told_by_model(path):
    with Replies(path) as replies:
        ask_once(replies, model="small")
        ask_once(replies, model="large", text="x" * 1000)
        large, small = replies.holdings()
    assert (large.model, small.model, large.n_replies) == ("large", "small", 1)
    assert large.n_bytes > 1000 > small.n_bytes
    assert time.time() - 5 < large.last_used_s <= time.time()


def test_cleaning_by_size_keeps_the_latest(path):
    with Replies(path) as replies:
        for n in range(10):
            ask_once(replies, {"n": n}, text="x" * 1000)
        each = replies.holdings()[0].n_bytes // 10
        assert replies.clean(max_bytes=3 * each) == 7
        assert ask_once(replies, {"n": 9})[1]
        assert not ask_once(replies, {"n": 0})[1]


def test_cleaning_by_age_goes_by_the_last_use(path):
    with Replies(path) as replies:
        for n in range(2):
            ask_once(replies, {"n": n})
        replies._writer.execute("UPDATE replies SET used = used - 90000")
        replies._writer.commit()
        ask_once(replies, {"n": 1})
    with Replies(path) as replies:
        assert replies.clean(max_age_s=86400) == 1
        assert ask_once(replies, {"n": 1})[1]


def test_file_that_is_no_store_is_told(path):
    path.parent.mkdir()
    path.write_text("no database, but long enough to be read as one" * 100)
    with pytest.raises(StoreError, match=r"replies.db.*gen.reuse=false"):
        Replies(path)
