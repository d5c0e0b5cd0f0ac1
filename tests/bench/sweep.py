"""Nine jobs of 100 requests against one job of 900, on the stub: ``scripts/bench sweep``.

Counted is all from the server's readiness to the end of the process: requests, files, tracking and,
for the nine jobs, their comparison. The stub takes some seconds to start, less than a vLLM does, in
which the program imports what it needs and opens its MLflow store. The limit is a ratio of 1.3.
"""

import statistics
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

STUB = Path(__file__).parents[1] / "stub_vllm.py"
N_CHUNKS = 100
ROUNDS = 5


def run(folder: Path, *arguments: str) -> float:
    """Return the seconds of a run from its server's readiness to its end."""
    common = [
        f"docs={folder}/text.txt",
        f"server.command=[{sys.executable},{STUB}]",
        "server.engine_args={delay-s: 0.5, max-num-seqs: 256, startup-delay-s: 10}",
        "chunk.size=64",
        "chunk.overlap=0",
    ]
    command = [sys.executable, "-m", "synth", *common, *arguments]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    end = datetime.now()  # noqa: DTZ005  (the log's own clock)
    log = min(folder.rglob("synth.log"), key=lambda path: len(path.parts)).read_text()
    ready = next(line for line in log.splitlines() if "serve     ready" in line)
    return (end - datetime.strptime(ready[:23], "%Y-%m-%d %H:%M:%S,%f")).total_seconds()  # noqa: DTZ007


def main() -> None:
    """Print the seconds of both, and their ratio, for some rounds, and the median."""
    words = "The moon orbits the earth and the tide follows it twice a day, as sailors know. "
    temperatures = ",".join(str(n / 10) for n in range(1, 10))
    ratios = []
    for _ in range(ROUNDS):
        seconds = []
        for limit, grid in (
            (9 * N_CHUNKS, []),
            (N_CHUNKS, ["-m", f"gen.temperature={temperatures}"]),
        ):
            with tempfile.TemporaryDirectory() as name:
                (Path(name) / "text.txt").write_text(words * 4000)
                seconds.append(run(Path(name), f"chunk.limit={limit}", *grid))
        one, nine = seconds
        ratios.append(nine / one)
        sys.stdout.write(f"one job {one:.1f} s, nine jobs {nine:.1f} s, ratio {ratios[-1]:.2f}\n")
    sys.stdout.write(f"median ratio {statistics.median(ratios):.2f}\n")


if __name__ == "__main__":
    main()
