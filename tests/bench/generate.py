"""The engine beside others: ``scripts/bench generate``, on the stub; ``--real``, on a real vLLM.

The stub holds each of 2,000 requests half a second and works on 256 at a time, so 512 requests a
second are the ideal (2,000 fill the last of their half seconds in part: 500 can be reached). In
turn, round by round, it is asked by

- the whole engine, a ``python -m synth`` with an empty cache: requests, parsing, files. Its seconds
  are those of the step ``generate``;
- a plain aiohttp client that sends the very same requests, as many at a time, and drops the
  replies: the most that a client in Python can do;
- Meta's synthetic-data-kit 0.0.5, where uv can install it. It has one request in flight and two a
  chunk, so it gets a hundredth of the chunks; its start is part of its seconds.

The limits are 0.90 of the plain client and 0.75 of the ideal. ``real.py`` tells of ``--real``.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import real
from engine import open_stub, run_engine, write_document, write_model

N_CHUNKS = 2000
CHUNK_TOKENS = 256
N_SLOTS = 256
DELAY_S = 0.5
IDEAL = N_SLOTS / DELAY_S
KIT = "synthetic-data-kit"
KIT_CHUNKS = N_CHUNKS // 100


class Contest:
    """Each method returns how many requests a second one contestant has made."""

    def __init__(self, folder: Path) -> None:
        """Write what all work with, and record the requests of one run of the engine."""
        self._folder = folder
        self._requests = folder / "requests.jsonl"
        document = write_document(folder / "text.txt", n_words=N_CHUNKS * CHUNK_TOKENS)
        model = write_model(folder / "model")
        self._settings = [f"docs={document}", f"model.name={model}", f"chunk.size={CHUNK_TOKENS}"]
        with open_stub(N_SLOTS, "--note-requests", str(self._requests)) as url:
            self.engine(url)
        n_requests = len(self._requests.read_text().splitlines())
        assert n_requests == N_CHUNKS, f"the engine has made {n_requests} requests"

    def engine(self, url: str) -> float:
        """The whole engine."""
        return N_CHUNKS / self._run(url, f"gen.concurrency={N_SLOTS}", f"chunk.limit={N_CHUNKS}")

    def plain(self, url: str) -> float:
        """The same requests and nothing else."""
        client = [sys.executable, str(Path(__file__).with_name("plain_client.py"))]
        command = [*client, url, str(self._requests), str(N_SLOTS)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return N_CHUNKS / float(done.stdout)

    def kit(self, url: str) -> float:
        """Meta's tool, whose replies count as they come."""
        tool = [f"qa={KIT}", "gen.concurrency=1", "gen.max_failed_frac=1"]
        return 2 * KIT_CHUNKS / self._run(url, *tool, f"chunk.limit={KIT_CHUNKS}")

    def _run(self, url: str, *overrides: str) -> float:
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            outcome = run_engine(Path(folder), url, *self._settings, *overrides)
        return outcome.seconds


def main() -> None:
    """Print requests a second, round by round, and the medians with their ratios."""
    parser = argparse.ArgumentParser(prog="scripts/bench generate")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-kit", action="store_true")
    parser.add_argument("--real", action="store_true", help="beside vllm bench serve, minutes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if options.real:
            real.compare(Path(name), options.rounds)
        else:
            compare(Path(name), options.rounds, with_kit=not options.without_kit)


def compare(folder: Path, rounds: int, *, with_kit: bool) -> None:
    """Let all ask the same stub in turn."""
    contest = Contest(folder)
    contestants = {"plain client": contest.plain, "synth": contest.engine}
    if with_kit:
        contestants[f"{KIT}, 1 in flight"] = contest.kit
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    with open_stub(N_SLOTS, "--delay-s", str(DELAY_S)) as url:
        for number in range(rounds):
            for name, run in contestants.items():
                rates[name].append(run(url))
            row = ", ".join(f"{name} {found[-1]:.1f}" for name, found in rates.items())
            print(f"round {number + 1}: {row} requests/s", flush=True)
    medians = {name: statistics.median(found) for name, found in rates.items()}
    print(f"\n{'median':32} requests/s   of plain   of ideal")
    for name, rate in medians.items():
        of_plain, of_ideal = rate / medians["plain client"], rate / IDEAL
        print(f"{name:32} {rate:10.1f} {of_plain:10.3f} {of_ideal:10.3f}")
    print(
        f"{'ideal':32} {IDEAL:10.1f}\nlimits of synth: 0.90 of the plain client, 0.75 of the ideal"
    )


if __name__ == "__main__":
    main()
