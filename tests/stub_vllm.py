"""A stand-in for vLLM, run as a real process through the managed path; standard library only.

It takes vLLM's flags (those it does not know are ignored) and switches that make it misbehave.
Its replies depend on the request alone. As in vLLM at most ``--max-num-seqs`` requests are worked
on at a time, the others wait in the order they came, and a request whose client has gone is ended.
It answers thousands of requests a second, so that what is measured with it is the client.
"""

import argparse
import asyncio
import fcntl
import functools
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import stub_faults
import stub_judge
from stub_http import Reply, serve

parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--served-model-name", required=True)
parser.add_argument("--max-num-seqs", type=int, default=32)
parser.add_argument("--max-model-len", default="", help="heeded with --count-words")
parser.add_argument("--out-of-memory-above", type=int, default=2**31, help="sequences")
parser.add_argument("--chatter", type=int, default=0, help="characters to write at start")
parser.add_argument("--hang", action="store_true", help="take questions, answer none")
parser.add_argument("--note-start", default="", help="add a line to this file")
parser.add_argument("--note-requests", default="", help="add each request to this file")
parser.add_argument("--startup-delay-s", type=float, default=0)
parser.add_argument("--exit-at-start", default="", help="print this and exit with code 1")
parser.add_argument("--exit-after-requests", type=int, default=0)
parser.add_argument("--refuse-above", type=int, default=2**31, help="so many at a time get 429")
parser.add_argument("--hang-after-requests", type=int, default=0, help="stay healthy, answer none")
parser.add_argument("--trouble-note", default="", help="a file with a line for each process …")
parser.add_argument("--trouble-times", type=int, default=1, help="… that exits or hangs; at most")
parser.add_argument("--ignore-sigterm", action="store_true")
parser.add_argument("--spawn-child", default="", help="write the pid of a stubborn child here")
parser.add_argument("--delay-s", type=float, default=0, help="of each reply, from its slot on")
parser.add_argument("--hold-until", default="", help="keep HOLD waiting until this file exists")
parser.add_argument("--fail-every", type=int, default=0)
parser.add_argument("--status", type=int, default=503, help="of the replies that fail")
parser.add_argument("--retry-after-s", default="", help="header of those")
parser.add_argument("--count-words", action="store_true", help="refuse more than --max-model-len")
parser.add_argument("--refuse-formats", default="", help="types of response_format, with commas")
parser.add_argument("--garbage", action="store_true", help="reply with prose")
parser.add_argument("--num-pairs", type=int, default=3)
parser.add_argument("--ratings", default="", help="reply with pairs that are rated so")
parser.add_argument("--ask-alike", action="store_true", help="the same about the same words")
parser.add_argument("--cut-off", action="store_true", help="end each reply in the middle")
parser.add_argument("--no-usage", action="store_true", help="count no tokens in replies")
parser.add_argument("--no-metrics", action="store_true")
stub_faults.add_switches(parser)
stub_judge.add_switches(parser)
options, _ = parser.parse_known_args()

CHILD = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
PROMPT_TOKENS = 100
OUTPUT_TOKENS = 50
METRICS = """\
# TYPE vllm:cache_config_info gauge
vllm:cache_config_info{{engine="0",kv_cache_max_concurrency="4.0",kv_cache_size_tokens="8192"}} 1.0
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{labels} {n_running}
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{labels} {n_waiting}
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{labels} {used_frac}
# TYPE vllm:prefix_cache_queries counter
vllm:prefix_cache_queries_total{labels} {n_prompt_tokens}
# TYPE vllm:prefix_cache_hits counter
vllm:prefix_cache_hits_total{labels} 0
# TYPE vllm:num_preemptions counter
vllm:num_preemptions_total{labels} 0
# TYPE vllm:prompt_tokens counter
vllm:prompt_tokens_total{labels} {n_prompt_tokens}
# TYPE vllm:generation_tokens counter
vllm:generation_tokens_total{labels} {n_output_tokens}
# TYPE vllm:request_queue_time_seconds histogram
vllm:request_queue_time_seconds_bucket{inf_labels} {n_begun}
vllm:request_queue_time_seconds_count{labels} {n_begun}
vllm:request_queue_time_seconds_sum{labels} {queue_s}
"""
"""The names are those of vllm/v1/metrics/loggers.py."""


class Work:
    """The requests that are in a slot, and those that wait for one."""

    def __init__(self) -> None:
        self.slots = asyncio.Semaphore(
            options.max_num_seqs
        )  # the first to come is the first served
        self.faults = stub_faults.Faults(options)
        self.judge = stub_judge.Judge(options)
        self.n_requests = 0
        self.n_waiting = 0
        self.n_begun = 0
        self.queue_s = 0.0
        self.n_output_tokens = 0
        self.running: dict[object, tuple[float, float]] = {}  # begin and duration of each

    async def wait_for_slot(self) -> None:
        came = time.monotonic()
        self.n_waiting += 1
        try:
            await self.slots.acquire()
        finally:
            self.n_waiting -= 1
        self.n_begun += 1
        self.queue_s += time.monotonic() - came

    @contextmanager
    def run(self, duration_s: float) -> Iterator[None]:
        """Make tokens evenly while the context lasts, then leave the slot."""
        me = object()
        self.running[me] = time.monotonic(), duration_s
        try:
            yield
        finally:
            self.n_output_tokens += count_made(*self.running.pop(me))
            self.slots.release()

    def report(self) -> str:
        labels = f'engine="0",model_name="{options.served_model_name}"'
        made = sum(count_made(*times) for times in self.running.values())
        return METRICS.format(
            labels=f"{{{labels}}}",
            inf_labels=f'{{{labels},le="+Inf"}}',
            n_running=len(self.running),
            n_waiting=self.n_waiting,
            used_frac=len(self.running) / options.max_num_seqs,
            n_prompt_tokens=self.n_begun * PROMPT_TOKENS,
            n_output_tokens=self.n_output_tokens + made,
            n_begun=self.n_begun,
            queue_s=self.queue_s,
        )

    async def complete(self, body: dict) -> Reply:
        self.n_requests += 1
        number, digest = self.n_requests, digest_of(body)
        note_request(body)
        if refusal := refusal_of(body):
            error = {"message": refusal, "type": "BadRequestError", "param": None, "code": 400}
            return Reply(400, {"error": error})
        kind = self.faults.meet(digest)
        if len(self.running) + self.n_waiting >= options.refuse_above:
            return Reply(429, {"error": {"message": "too many requests"}}, options.retry_after_s)
        await self.wait_for_slot()
        is_hung = options.hang_after_requests and number > options.hang_after_requests
        if is_hung and has_trouble():
            with self.run(float("inf")):
                await asyncio.Event().wait()
        delay_s = options.delay_s + options.spike_s * (kind == "spike")
        with self.run(delay_s):
            if delay_s:
                await asyncio.sleep(delay_s)
            while is_held(body):  # noqa: ASYNC110  (nothing tells of a new file)
                await asyncio.sleep(0.05)
        if options.exit_after_requests and number > options.exit_after_requests and has_trouble():
            os._exit(5)
        if kind == "fail" or (options.fail_every and number % options.fail_every == 0):
            failure = {"error": {"message": "planted failure"}}
            return Reply(options.status, failure, options.retry_after_s)
        return Reply(200, completion(body, digest, kind), is_torn=kind == "reset")


def count_made(begin: float, duration_s: float) -> int:
    elapsed_s = time.monotonic() - begin
    return OUTPUT_TOKENS if elapsed_s >= duration_s else int(OUTPUT_TOKENS * elapsed_s / duration_s)


def is_held(body: dict) -> bool:
    go = options.hold_until
    return bool(go) and "HOLD" in str(body) and not Path(go).exists()


@functools.cache
def has_trouble() -> bool:
    """Whether this process is one of those that exit or hang; asked when the moment has come."""
    if not options.trouble_note:
        return True
    with Path(options.trouble_note).open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        if len(file.readlines()) >= options.trouble_times:
            return False
        file.write(f"{os.getpid()}\n")
    return True


def note_request(body: dict) -> None:
    if options.note_requests:
        with Path(options.note_requests).open("ab", buffering=0) as file:
            file.write(json.dumps(body).encode() + b"\n")


def digest_of(body: dict) -> str:
    request = {name: value for name, value in body.items() if name != "model"}
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


def refusal_of(body: dict) -> str:
    """Return why vLLM refuses a request; the words are those of vllm/renderers/params.py."""
    kind = (body.get("response_format") or {}).get("type")
    if kind and kind in options.refuse_formats.split(","):
        return f"response_format of type '{kind}' is not supported by this server"
    if not options.count_words:
        return ""
    n_words = sum(len(text.split()) for _, text in messages_in(body))
    limit, wanted = int(options.max_model_len), body.get("max_tokens") or 0
    opening = f"This model's maximum context length is {limit} tokens. However, "
    if n_words > limit:
        return (
            f"{opening}your prompt contains {n_words} input tokens, which exceeds this limit even "
            "without any output tokens. Please reduce the length of the input prompt."
        )
    if n_words + wanted > limit:  # the words of older vLLMs; newer ones make do with what is left
        return (
            f"{opening}you requested {n_words + wanted} tokens ({n_words} in the messages, {wanted} "
            "in the completion). Please reduce the length of the messages or completion."
        )
    return ""


def completion(body: dict, digest: str, kind: str) -> dict:
    kind = "prose" if options.garbage else "cut" if options.cut_off else kind
    text, is_cut = text_of(body, digest[:8])
    choice = {
        "message": {"role": "assistant", "content": stub_faults.spoil(text, kind, digest[:8])},
        "finish_reason": "length" if is_cut or kind == "cut" else "stop",
    }
    usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": OUTPUT_TOKENS}
    usage |= {"prompt_tokens_details": {"cached_tokens": 0}}
    return {"choices": [choice]} | ({} if options.no_usage else {"usage": usage})


def text_of(body: dict, digest: str) -> tuple[str, bool]:
    """Return the reply to whatever is asked, and whether it is cut off."""
    prompts = dict(messages_in(body))
    system, prompt = prompts.get("system", ""), prompts.get("user", "")
    if (judged := work.judge.reply(prompt)) is not None:
        return judged
    if (said := stub_judge.answer(system, prompt)) is not None:
        return said, False
    return json.dumps({"pairs": pairs_for(body, digest)}), False


def pairs_for(body: dict, digest: str) -> list[dict]:
    if options.ratings:
        ratings = [float(rating) for rating in options.ratings.split(",")]
        return [{"question": "Q?", "answer": "A.", "rating": rating} for rating in ratings]
    names = names_in(body.get("response_format") or {})
    words = words_in(body)
    return [
        {
            name: text_for(name, mark_of(digest_for(words, digest, n), n), quote(words, n))
            for name in names
        }
        for n in range(options.num_pairs)
    ]


def names_in(reply_format: dict) -> list[str]:
    """Return the names of the texts that a schema wants of each pair."""
    try:
        pair = reply_format["json_schema"]["schema"]["properties"]["pairs"]["items"]
        kinds = {name: pair["properties"][name].get("type") for name in pair["required"]}
    except KeyError:
        return ["question", "answer"]
    return [name for name, kind in kinds.items() if kind == "string"]


def messages_in(body: dict) -> list[tuple[str, str]]:
    """Return role and text of each message; a body that has none is no reason to fail."""
    messages = body.get("messages") or []
    return [(str(one.get("role")), str(one.get("content"))) for one in messages]


def words_in(body: dict) -> list[str]:
    """Return the words of the text that a prompt is about, without the first and the last."""
    content = next((text for role, text in messages_in(body) if role == "user"), "")
    text = content.partition("Text:\n")[2].rpartition("\n\nWrite")[0]
    return text.split()[1:-1]


def quote(words: list[str], n: int) -> str:
    """Return a sentence of words that stand in the text."""
    start = 5 * n % max(1, len(words) - 5)
    return " ".join(words[start : start + 5]).strip(".").capitalize() or f"It is number {n}"


def digest_for(words: list[str], digest: str, n: int) -> str:
    """Return what a question has its mark of: the request, or the words that the answer quotes."""
    if not options.ask_alike:
        return digest
    return hashlib.sha256(quote(words, n).encode()).hexdigest()[:8]


def mark_of(digest: str, n: int) -> str:
    """Return a word that no other question has, nor one like it; the first one has the digest."""
    return (
        f"x{digest}" if n == 0 else "x" + hashlib.sha256(f"{digest}-{n}".encode()).hexdigest()[:8]
    )


def text_for(name: str, mark: str, quoted: str) -> str:
    known = {"question": f"What is {mark}?", "answer": f"{quoted}."}
    return known.get(name, f"The {name} of {mark}.")


async def answer(method: str, path: str, authorization: str, body: bytes) -> Reply:
    if options.hang:
        await asyncio.Event().wait()
    if path == "/health" and method == "GET":
        return Reply(200, {})
    if path == "/metrics" and method == "GET":
        return (
            Reply(404, {"detail": "Not Found"}) if options.no_metrics else Reply(200, work.report())
        )
    key = os.environ.get("VLLM_API_KEY")
    if key and authorization != f"Bearer {key}":
        return Reply(401, {"error": f"Unauthorized: {authorization}"})
    if method == "GET":
        return Reply(200, {"data": [{"id": options.served_model_name}]})
    return await work.complete(json.loads(body))


if options.ignore_sigterm:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if options.spawn_child:
    child = subprocess.Popen([sys.executable, "-c", CHILD])
    with Path(options.spawn_child).open("w") as file:
        file.write(str(child.pid))
if options.max_num_seqs > options.out_of_memory_above:
    sys.exit("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB")
if options.exit_at_start:
    sys.exit(options.exit_at_start)
print("x" * options.chatter)
if options.note_start:
    with Path(options.note_start).open("a") as file:
        file.write(f"{os.getpid()}\n")
print("environment key:", "set" if os.environ.get("VLLM_API_KEY") else "none", flush=True)
time.sleep(options.startup_delay_s)
work = Work()
asyncio.run(serve(answer, options.host, options.port))
