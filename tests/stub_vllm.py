"""A stand-in for vLLM, run as a real process through the managed path; standard library only.

It takes vLLM's flags (those it does not know are ignored) and switches that make it misbehave.
Its replies depend on the request alone.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--served-model-name", required=True)
parser.add_argument("--max-num-seqs", type=int, default=32)
parser.add_argument("--out-of-memory-above", type=int, default=2**31, help="sequences")
parser.add_argument("--chatter", type=int, default=0, help="characters to write at start")
parser.add_argument("--hang", action="store_true", help="take questions, answer none")
parser.add_argument("--note-start", default="", help="add a line to this file")
parser.add_argument("--note-requests", default="", help="add each request to this file")
parser.add_argument("--startup-delay-s", type=float, default=0)
parser.add_argument("--exit-at-start", default="", help="print this and exit with code 1")
parser.add_argument("--exit-after-requests", type=int, default=0)
parser.add_argument("--ignore-sigterm", action="store_true")
parser.add_argument("--spawn-child", default="", help="write the pid of a stubborn child here")
parser.add_argument("--delay-s", type=float, default=0, help="of each reply")
parser.add_argument("--hold-until", default="", help="keep HOLD waiting until this file exists")
parser.add_argument("--fail-every", type=int, default=0)
parser.add_argument("--status", type=int, default=503, help="of the replies that fail")
parser.add_argument("--garbage", action="store_true", help="reply with prose")
parser.add_argument("--ratings", default="", help="reply with pairs that are rated so")
parser.add_argument("--cut-off", action="store_true", help="end each reply in the middle")
options, _ = parser.parse_known_args()

CHILD = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
METRICS = """\
# TYPE vllm:cache_config_info gauge
vllm:cache_config_info{engine="0",kv_cache_max_concurrency="4.0",kv_cache_size_tokens="8192"} 1.0
"""
n_requests = 0
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if options.hang:
            time.sleep(600)
        if self.path == "/health":
            self.reply(200, {})
        elif self.path == "/metrics":
            self.reply(200, METRICS)
        elif self.is_authorized():
            self.reply(200, {"data": [{"id": options.served_model_name}]})

    def do_POST(self) -> None:
        global n_requests
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.is_authorized():
            return
        with lock:
            n_requests += 1
            number = n_requests
        if options.note_requests:
            with lock, Path(options.note_requests).open("a") as file:
                file.write(json.dumps(body) + "\n")
        time.sleep(options.delay_s)
        while options.hold_until and "HOLD" in str(body) and not Path(options.hold_until).exists():
            time.sleep(0.05)
        if options.exit_after_requests and number > options.exit_after_requests:
            os._exit(5)
        if options.fail_every and number % options.fail_every == 0:
            self.reply(options.status, {"error": {"message": "planted failure"}})
        else:
            self.reply(200, completion(body))

    def is_authorized(self) -> bool:
        key = os.environ.get("VLLM_API_KEY")
        if key and self.headers.get("Authorization") != f"Bearer {key}":
            self.reply(401, {"error": "Unauthorized"})
            return False
        return True

    def reply(self, status: int, value: dict | str) -> None:
        data = (value if isinstance(value, str) else json.dumps(value)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


def completion(body: dict) -> dict:
    request = {name: value for name, value in body.items() if name != "model"}
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:8]
    pairs = [
        {"question": f"What is {digest}-{n}?", "answer": f"It is number {n}."} for n in range(3)
    ]
    if options.ratings:
        ratings = [float(rating) for rating in options.ratings.split(",")]
        pairs = [{"question": "Q?", "answer": "A.", "rating": rating} for rating in ratings]
    text = "I would rather not." if options.garbage else json.dumps({"pairs": pairs})
    if options.cut_off:
        text = text[: len(text) * 3 // 4]
    return {
        "choices": [
            {
                "message": {"role": "assistant", "content": text},
                "finish_reason": "length" if options.cut_off else "stop",
            }
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 50},
    }


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
ThreadingHTTPServer.request_queue_size = 1024
server = ThreadingHTTPServer((options.host, options.port), Handler)
server.daemon_threads = True
server.serve_forever()
