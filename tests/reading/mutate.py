"""Break files in ways that a seed decides, and see what reading makes of them.

    python -m tests.reading.mutate 5000 [more folders of files to break]

Each file is read in a child process with a limit on time and memory; one that crashes or hangs is
replaced.
"""

import json
import random
import resource
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from synth.config.dataset import IngestConfig
from synth.reading import read
from synth.records import Document
from synth.sources import Location

LIMIT_S = 60
SETTINGS = IngestConfig(
    text_column=None,
    ocr="never",
    ocr_language="eng",
    similarity=None,
    timeout_s=LIMIT_S,
    max_memory_gib=4,
    max_file_gib=1,
    max_unpacked_gib=1,
    max_download_mib=1,
    private_urls=False,
    processes=None,
)


def mutate(data, other, seed):
    """Return a broken file, of one or of two."""
    rng = random.Random(seed)
    broken = bytearray(data)
    kind = seed % 5
    if kind == 0:
        return bytes(broken[: rng.randrange(len(broken) + 1)])
    if kind == 1:
        for _ in range(rng.choice((1, 3, 30))):
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        cut = rng.randrange(len(broken))
        broken[cut:] = other[rng.randrange(len(other)) :]
    elif kind == 3:
        start = rng.randrange(len(broken))
        length = rng.choice((1, 16, 256))
        broken[start : start + length] = rng.randbytes(rng.choice((0, length)))
    else:
        start, place = rng.randrange(len(broken)), rng.randrange(len(broken))
        broken[place:place] = broken[start : start + rng.choice((4, 100, 5000))] * rng.choice(
            (1, 9)
        )
    return bytes(broken)


def break_files(samples, count, seed=0):
    """Yield names and contents of broken files, all formats in turn."""
    names = sorted(samples)
    for number in range(count):
        name = names[number % len(names)]
        rng = random.Random(seed + number)
        other = samples[rng.choice(names)]
        yield name, mutate(samples[name], other, seed + number // len(names) * 5 + number % 5)


class Child:
    """A process that reads files one by one."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.reading.mutate", "--child", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def read(self, path):
        """Return how many of what came of it, or how it ended."""
        self.process.stdin.write(f"{path}\n".encode())
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], LIMIT_S)
        line = self.process.stdout.readline() if ready else b""
        if line:
            return json.loads(line)
        self.process.kill()
        return {"end": "timeout" if not ready else f"exit {self.process.wait()}"}

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.kill()
        self.process.wait()


def read_broken(files, folder):
    """Read files and return what came of them by format, and those that ended their process."""
    child, counts, ends, slowest = Child(folder), Counter(), [], (0.0, "")
    try:
        for number, (name, data) in enumerate(files):
            path = folder / f"{number}-{name}"
            path.write_bytes(data)
            began = time.monotonic()
            results = child.read(path)
            slowest = max(slowest, (time.monotonic() - began, path.name))
            counts.update(
                {f"{what} {Path(name).suffix}": n for what, n in results.items() if what != "end"}
            )
            if "end" in results:
                ends.append((path.name, results["end"]))
                child.close()
                child = Child(folder)
            else:
                path.unlink()
    finally:
        child.close()
    return counts, ends, slowest


def _serve(folder):
    limit = SETTINGS.max_memory_gib * 1024**3
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    scratch = folder / "scratch"
    for line in sys.stdin:
        counts = Counter()
        for result in read(Location(line.rstrip("\n")), folder, scratch, SETTINGS):
            counts["text" if isinstance(result, Document) else "failure"] += 1
            if isinstance(result, Document):
                text = (folder / result.text_path).read_bytes().decode()
                assert len(text) == result.n_chars
                assert list(result.pages) == sorted(result.pages)
        if scratch.exists() and any(scratch.iterdir()):
            counts["left in scratch"] += 1
        print(json.dumps(counts), flush=True)


def _main(count, folders):
    from tests.reading.samples import make_samples

    samples = make_samples()
    for folder in folders:
        samples |= {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        counts, ends, slowest = read_broken(break_files(samples, count), Path(folder))
    print(
        f"{count} files in {time.monotonic() - began:.0f} s, the slowest in {slowest[0]:.1f} s ({slowest[1]})"
    )
    for what, number in sorted(counts.items()):
        print(f"{number:8} {what}")
    for name, end in ends:
        print(name, end)


if __name__ == "__main__":
    if sys.argv[1] == "--child":
        _serve(Path(sys.argv[2]))
    else:
        _main(int(sys.argv[1]), sys.argv[2:])
