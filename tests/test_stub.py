"""The stand-in for vLLM itself: what it promises to the tests and benchmarks that use it."""

import asyncio
import json

import aiohttp
import pytest

CONTENTS = [f"Question {n}" for n in range(200)]


@pytest.fixture
def talk(serve):
    """Start a stub and return what a conversation with it returns."""

    def call(conversation, *switches):
        async def run():
            root = serve(*switches).base_url.removesuffix("/v1")
            headers = {"Authorization": "Bearer key"}
            async with aiohttp.ClientSession(root, headers=headers) as http:
                return await conversation(http)

        return asyncio.run(run())

    return call


@pytest.fixture
def ask(talk):
    """Ask some questions at once, as often as asked for; return statuses and replies."""

    def call(*switches, contents=("?",), times=1, **parameters):
        bodies = [
            {"model": "m", "messages": [{"role": "user", "content": content}]} | parameters
            for content in contents
        ]

        async def conversation(http):
            return [
                await asyncio.gather(*(post(http, body) for body in bodies)) for _ in range(times)
            ]

        return talk(conversation, *switches)

    return call


async def post(http, body):
    try:
        async with http.post("/v1/chat/completions", json=body) as reply:
            return reply.status, await reply.json()
    except aiohttp.ClientError as error:
        return 0, repr(error)


async def read_metrics(http):
    async with http.get("/metrics") as reply:
        return await reply.text()


def text_of(reply):
    return reply["choices"][0]["message"]["content"]


def metric(page, name):
    (line,) = [line for line in page.splitlines() if line.startswith(f"vllm:{name}{{")]
    return float(line.split()[-1])


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


def test_slots_are_few_and_the_others_wait(talk):
    async def conversation(http):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(post(http, {"seed": n})) for n in range(6)]
            pages = []
            while not all(task.done() for task in tasks):
                pages.append(await read_metrics(http))
        return [*pages, await read_metrics(http)]

    pages = talk(conversation, "--max-num-seqs", "2", "--delay-s", "0.2")
    assert max(metric(page, "num_requests_running") for page in pages) == 2
    assert max(metric(page, "num_requests_waiting") for page in pages) == 4
    made = [metric(page, "generation_tokens_total") for page in pages]
    assert made == sorted(made)
    assert made[-1] == metric(pages[-1], "request_queue_time_seconds_count") * 50 == 300


def test_default_reply_depends_on_the_request_alone(ask):
    first, second = ask("--delay-s", "0.01", contents=["a", "b"], times=2)
    assert first == second
    assert text_of(first[0][1]) != text_of(first[1][1])
    (pairs,) = json.loads(text_of(first[0][1])).values()
    assert [pair["answer"] for pair in pairs] == [f"It is number {n}." for n in range(3)]
    assert first[0][1]["usage"]["completion_tokens"] == 50


def test_reply_has_the_texts_that_a_schema_wants(ask):
    texts = {"question": {"type": "string"}, "reasoning": {"type": "string"}}
    pair = {"properties": texts | {"rating": {"type": "number"}}, "required": [*texts, "rating"]}
    schema = {"properties": {"pairs": {"type": "array", "items": pair}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "pairs", "schema": schema}}
    (((_, reply),),) = ask("--num-pairs", "2", "--no-usage", response_format=wanted)
    assert "usage" not in reply
    assert [list(pair) for pair in json.loads(text_of(reply))["pairs"]] == [list(texts)] * 2


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        (["--refuse-formats", "json_schema,json_object"], "response_format"),
        (["--count-words", "--max-model-len", "2"], "your prompt contains 3 input tokens"),
        (["--count-words", "--max-model-len", "9"], "you requested 11 tokens (3 in the messages"),
    ],
)
def test_refusal_says_why(ask, switches, message):
    wanted = {"max_tokens": 8, "response_format": {"type": "json_object"}}
    (((status, reply),),) = ask(*switches, contents=["a b c"], **wanted)
    assert status == 400
    assert message in reply["error"]["message"]


def test_trouble_comes_to_as_many_processes_as_asked_for(ask, tmp_path):
    note = ("--trouble-note", str(tmp_path / "note"), "--trouble-times", "2")
    switches = ("--exit-after-requests", "1", *note)
    statuses = [[status for ((status, _),) in ask(*switches, times=2)] for _ in range(3)]
    assert statuses == [[200, 0], [200, 0], [200, 200]]


def test_hung_server_stays_healthy(talk):
    async def conversation(http):
        await post(http, {})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(post(http, {}), 0.3)
        async with http.get("/health") as reply:
            return reply.status, metric(await read_metrics(http), "generation_tokens_total")

    assert talk(conversation, "--hang-after-requests", "1") == (200, 50)


def test_failure_asks_to_wait_and_metrics_may_be_missing(talk):
    async def conversation(http):
        failed, page = await http.post("/v1/chat/completions", json={}), await http.get("/metrics")
        async with failed, page:
            return failed.status, failed.headers["Retry-After"], page.status

    switches = ("--fail-frac", "1", "--retry-after-s", "3", "--no-metrics")
    assert talk(conversation, *switches) == (503, "3", 404)
