"""Memory of a run over a million short chunks, on the stub: ``scripts/bench memory [chunks]``.

The stub answers at once, so the run goes as fast as the engine does. Printed is the resident memory
of the runner along the way; the limit is 500 MB, and that it does not grow with the chunks.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from tokenizers import ByteLevelBPETokenizer

from synth.config.files import samples_dir
from synth.server.address import find_port

STUB = Path(__file__).parents[1] / "stub_vllm.py"
N_CHUNKS = 1_000_000
CHUNKS_PER_DOCUMENT = 1000
LIMIT_MB = 500
MB = 1e6


def main() -> None:
    """Print the curve, and its peak beside the limit."""
    n_chunks = int(sys.argv[1]) if len(sys.argv) > 1 else N_CHUNKS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, n_chunks)
        port = find_port("127.0.0.1", 0)
        stub = subprocess.Popen(
            [sys.executable, STUB, "--port", str(port), "--served-model-name", "m"],
            stdout=subprocess.DEVNULL,
        )
        try:
            peak = watch(start(folder, port, n_chunks), folder / "run", n_chunks)
        finally:
            stub.kill()
        counts = json.loads((folder / "run/run.json").read_text())["counts"]
    sys.stdout.write(f"{counts}\npeak {peak:.0f} MB, limit {LIMIT_MB} MB\n")


def write_inputs(folder: Path, n_chunks: int) -> None:
    """Write a tokenizer, and documents that are cut into more than ``n_chunks`` chunks."""
    model = folder / "model"
    model.mkdir()
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train([str(path) for path in samples_dir().iterdir()], 600, show_progress=False)
    tokenizer.save(str(model / "tokenizer.json"))
    (model / "config.json").write_text("{}")
    (folder / "documents").mkdir()
    for number in range(n_chunks // CHUNKS_PER_DOCUMENT + 1):
        words = (f"{number} has {n}." for n in range(CHUNKS_PER_DOCUMENT * 2))
        (folder / f"documents/{number}.txt").write_text(" ".join(words))


def start(folder: Path, port: int, n_chunks: int) -> "subprocess.Popen[bytes]":
    """Start the run."""
    arguments = [
        f"docs={folder}/documents",
        f"model.name={folder}/model",
        "server=external",
        f"server.api_base=http://127.0.0.1:{port}/v1",
        "chunk.size=8",
        "chunk.overlap=0",
        f"chunk.limit={n_chunks}",
        "tracking=none",
        "hydra.run.dir=run",
    ]
    environment = {"SYNTH_CACHE": str(folder / "cache"), "PATH": ""}
    return subprocess.Popen(
        [sys.executable, "-m", "synth", *arguments], cwd=folder, env=environment
    )


def watch(run: "subprocess.Popen[bytes]", folder: Path, n_chunks: int) -> float:
    """Print memory and progress until the run ends; return the most that it has had, in MB."""
    process, begin, peak, told = psutil.Process(run.pid), time.monotonic(), 0.0, 0.0
    while run.poll() is None:
        resident = process.memory_info().rss / MB
        peak = max(peak, resident)
        if time.monotonic() >= told + 15:
            told = time.monotonic()
            files = {path.stem: path.stat().st_size for path in sorted(folder.glob("*.jsonl"))}
            sizes = " ".join(f"{name} {size / MB:.0f}" for name, size in files.items())
            line = f"{told - begin:6.0f} s {resident:6.0f} MB; files in MB: {sizes}\n"
            sys.stdout.write(line)
            sys.stdout.flush()
        time.sleep(0.5)
    assert run.returncode == 0, f"the run over {n_chunks} chunks has failed"
    return peak


if __name__ == "__main__":
    main()
