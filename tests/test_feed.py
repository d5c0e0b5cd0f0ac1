"""The chunks of a run come in their order, whoever is faster: the writer or the reader."""

import asyncio

import pytest

from synth.feed import Feed
from synth.io import JsonlWriter
from synth.records import Chunk

CHUNKS = [Chunk(f"d-{n}", "d", n, n + 1, 1, headings=("A", "B"), pages=(1, 2)) for n in range(5)]


@pytest.fixture
def feed(tmp_path):
    return Feed(tmp_path)


async def write(feed, folder, chunks):
    with JsonlWriter(folder / "chunks.jsonl") as writer:
        for chunk in chunks:
            writer.write(chunk.row())
            feed.grow(1)
            await asyncio.sleep(0.01)
    feed.close()


async def collect(feed):
    return [chunk async for chunk in feed.read()]


def test_chunks_come_while_they_are_written(feed, tmp_path):
    async def main():
        read, _ = await asyncio.gather(collect(feed), write(feed, tmp_path, CHUNKS))
        return read

    assert asyncio.run(main()) == CHUNKS


def test_chunks_that_were_there_before_are_read(feed, tmp_path):
    async def main():
        await write(feed, tmp_path, CHUNKS)
        await feed.wait_for_all()
        return await collect(feed)

    assert asyncio.run(main()) == CHUNKS
    assert (feed.total.n, feed.total.is_final) == (5, True)


def test_a_chunk_is_not_read_before_it_is_told(feed, tmp_path):
    async def main():
        with JsonlWriter(tmp_path / "chunks.jsonl") as writer:
            writer.write(*(chunk.row() for chunk in CHUNKS))
        feed.grow(2)
        chunks = feed.read()
        assert [await anext(chunks), await anext(chunks)] == CHUNKS[:2]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(chunks), 0.05)

    asyncio.run(main())


def test_no_chunks_at_all(feed):
    feed.close()
    assert asyncio.run(collect(feed)) == []
