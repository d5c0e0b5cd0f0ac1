"""What the benchmarks of generation share: the program as a process, and what it is given to do."""

import os
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import tokenizers

from synth.config.files import samples_dir
from synth.io import read_json, read_jsonl
from synth.models import cache_dir
from synth.server.address import find_port

STUB = Path(__file__).parents[1] / "stub_vllm.py"
WORDS = "tide moon harbour pilot chart depth signal rope lamp north current gale shoal keel"


class Outcome(NamedTuple):
    """What a run has done, by the files in its folder."""

    n_chunks: int
    n_pairs: int
    n_output_tokens: int
    seconds: float
    """Of the step alone: no start, no reading of documents."""


def run_engine(folder: Path, url: str, *overrides: str) -> Outcome:
    """Run ``generate`` against a server in a folder and with a cache of its own."""
    command = [sys.executable, "-m", "synth", "server=external", f"server.api_base={url}"]
    fixed = [
        "steps=[serve,ingest,chunk,config,generate]",
        "tracking=none",
        "hydra.run.dir=run",
        "chunk.overlap=0",
    ]
    tools = cache_dir() / "tools" / "bin"  # uv, if scripts/bench had to install it
    environment = {
        "SYNTH_CACHE": str(folder / "cache"),
        "PATH": f"{os.environ['PATH']}{os.pathsep}{tools}",
    }
    done = subprocess.run(
        [*command, *fixed, *overrides],
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stdout)
    record = read_json(folder / "run" / "run.json")
    requests = folder / "run" / "requests.jsonl"
    return Outcome(
        n_chunks=record["counts"]["n_chunks"],
        n_pairs=record["counts"]["n_pairs"],
        n_output_tokens=sum(row["output_tokens"] for row in read_jsonl(requests)),
        seconds=record["timings"]["generate_s"],
    )


@contextmanager
def open_stub(n_slots: int, *switches: str) -> Iterator[str]:
    """Start the stand-in for vLLM; yield its URL."""
    port = find_port("127.0.0.1", 0)
    argv = [sys.executable, str(STUB), "--served-model-name", "m"]
    argv += ["--port", str(port), "--max-num-seqs", str(n_slots), *switches]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as process:
        try:
            while not _answers(port):
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def write_model(folder: Path) -> Path:
    """Return a folder that looks like a model, with a small tokenizer trained here."""
    folder.mkdir()
    trained = tokenizers.ByteLevelBPETokenizer()
    files = [str(path) for path in sorted(samples_dir().iterdir())]
    trained.train(files, vocab_size=600, show_progress=False)
    trained.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text("{}")
    return folder


def write_document(path: Path, n_words: int) -> Path:
    """Return a file of sentences in which no two chunks are alike."""
    words, rng = WORDS.split(), random.Random(0)
    sentences = (
        f"The {' '.join(rng.choices(words, k=9))} of {n} is known." for n in range(n_words // 14)
    )
    path.write_text("\n".join(sentences))
    return path
