"""The stand-in for vLLM itself: what it promises to the tests and benchmarks that use it."""

import asyncio
import json

import aiohttp
import pytest

SHARED = "The words of the question, {}."


@pytest.fixture
def ask(serve):
    """Start a stub, ask it some questions at once, and return statuses and what was said."""

    def call(*switches, contents=("?",), times=1, **parameters):
        endpoint = serve(*switches)

        async def post(http, content):
            body = {"model": "m", "messages": [{"role": "user", "content": content}]} | parameters
            try:
                async with http.post(f"{endpoint.base_url}/chat/completions", json=body) as reply:
                    return reply.status, await reply.json(content_type=None)
            except aiohttp.ClientError as error:
                return 0, repr(error)

        async def run():
            headers = {"Authorization": "Bearer key"}
            async with aiohttp.ClientSession(headers=headers) as http:
                return [
                    await asyncio.gather(*(post(http, content) for content in contents))
                    for _ in range(times)
                ]

        return asyncio.run(run())

    return call


def text_of(reply):
    return reply["choices"][0]["message"]["content"]


def metric(page, name):
    (line,) = [line for line in page.splitlines() if line.startswith(f"vllm:{name}{{")]
    return float(line.split()[-1])


CONTENTS = [SHARED.format(n) for n in range(200)]


@pytest.mark.parametrize("kind", ["fail", "reset"])
def test_passing_fault_hits_its_share_once(ask, kind):
    first, second = ask(f"--{kind}-frac", "0.3", contents=CONTENTS, times=2)
    hit = [status != 200 for status, _ in first]
    assert 0.2 < sum(hit) / len(hit) < 0.4
    assert all(status == 200 for status, _ in second)


@pytest.mark.parametrize("kind", ["prose", "broken", "cut", "empty", "huge"])
def test_lasting_fault_hits_the_same_requests_always(ask, kind):
    good = {status for status, _ in ask(contents=CONTENTS)[0]}
    first, second = ask(f"--{kind}-frac", "0.3", contents=CONTENTS, times=2)
    assert good == {200}
    assert first == second
    assert 0.2 < sum(is_spoilt(text_of(reply)) for _, reply in first) / 200 < 0.4


def is_spoilt(text):
    try:
        json.loads(text)
    except ValueError:
        return True
    return len(text) > 2**19


def test_order_decides_nothing(ask):
    switches = ("--fault-frac", "0.5", "--spike-s", "0")
    (one,) = ask(*switches, contents=CONTENTS)
    (other,) = ask(*switches, contents=CONTENTS[::-1])
    assert [status for status, _ in one] == [status for status, _ in other[::-1]]
    assert len({status for status, _ in one}) > 1


def test_slots_are_few_and_taken_in_turn(serve):
    async def run():
        endpoint = serve("--max-num-seqs", "2", "--delay-s", "0.2")
        root, headers = endpoint.base_url.removesuffix("/v1"), {"Authorization": "Bearer key"}
        async with aiohttp.ClientSession(headers=headers) as http:
            bodies = [{"messages": [], "seed": n} for n in range(6)]
            tasks = [
                asyncio.create_task(http.post(f"{root}/v1/chat/completions", json=body))
                for body in bodies
            ]
            pages = []
            while not all(task.done() for task in tasks):
                pages.append(await (await http.get(f"{root}/metrics")).text())
                await asyncio.sleep(0.02)
            return pages, await (await http.get(f"{root}/metrics")).text()

    pages, last = asyncio.run(run())
    assert max(metric(page, "num_requests_running") for page in pages) == 2
    assert max(metric(page, "num_requests_waiting") for page in pages) == 4
    made = [metric(page, "generation_tokens_total") for page in [*pages, last]]
    assert made == sorted(made)
    assert made[-1] == 6 * 50
    assert metric(last, "request_queue_time_seconds_count") == 6
