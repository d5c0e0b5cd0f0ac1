"""Cutting beside what people write: ``scripts/bench chunk [FILE] [--mb N] [--rounds N] [--ours]``.

In turn, mode by mode and round by round, each contestant reads the same text file and cuts it, in a
process of its own on the same two cores. Printed are MB of text a second, from the start of reading to the last
boundary with the imports left out, the ratio, and the most memory that the process has had. In
the mode ``token`` all must find the same boundaries; in the others each has its own idea of a good
one. ``--ours`` leaves the others out, for a text
that they have no memory for.

A text that is too short is repeated, each time with two letters of the alphabet exchanged, or a
tokenizer would find all words in its cache. Without FILE it is the prose of /usr/share/doc.
"""

import argparse
import hashlib
import html
import json
import math
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from synth.config.files import samples_dir
from synth.models import bundled_model

DOCS = Path("/usr/share/doc")
SIZE, OVERLAP = 1024, 64
PIECE_SIZE = 512
"""Tokens of the longest chunk in the modes ``text`` and ``markdown``."""
Bounds = list[tuple[int, int]]
Contestant = Callable[[Path, Path], Callable[[], Bounds]]


def cut_tokens(path: Path, tokenizer: Path) -> Callable[[], Bounds]:
    """synth: near-equal chunks with an exact overlap, of the text itself."""
    from synth.cutting.token import spans
    from synth.texts import TextFile
    from synth.tokens import Tokenizer

    def cut() -> Bounds:
        tokens = Tokenizer(tokenizer).tokenize(TextFile(path))
        bounds = spans(len(tokens), SIZE, OVERLAP)
        places = [(tokens.start(left), tokens.end(right)) for left, right in bounds]
        assert places[-1][1] == tokens.n_chars
        return bounds

    return cut


def cut_tokens_plainly(path: Path, tokenizer: Path) -> Callable[[], Bounds]:
    """Unsloth's chunk_data as people write it: encode all, decode the ids of each chunk."""
    import numpy as np
    import tokenizers

    def cut() -> Bounds:
        encoder = tokenizers.Tokenizer.from_file(str(tokenizer))
        text = path.read_text(encoding="utf-8")
        ids = encoder.encode(text, add_special_tokens=False).ids
        n_chunks = math.ceil((len(ids) - OVERLAP) / (SIZE - OVERLAP))
        marks = np.ceil(np.linspace(0, len(ids) - OVERLAP, n_chunks + 1)).astype(int).tolist()
        ends = [min(mark + OVERLAP, len(ids)) for mark in marks[1:]]
        bounds = list(zip(marks[:-1], ends, strict=True))
        for left, right in bounds:
            encoder.decode(ids[left:right])
        return bounds

    return cut


def cut_pieces(mode: str) -> Contestant:
    """synth: whole sentences, or sections."""

    def prepare(path: Path, tokenizer: Path) -> Callable[[], Bounds]:
        from synth.cutting import Cut, cut
        from synth.records import Document
        from synth.texts import TextFile
        from synth.tokens import Tokenizer

        def run() -> Bounds:
            document = Document("0", str(path), "", 0, "")
            chunks = cut(document, TextFile(path), Tokenizer(tokenizer), Cut(mode, PIECE_SIZE, 0))
            return [(chunk.start, chunk.end) for chunk in chunks]

        return run

    return prepare


def split_pieces(splitter: str) -> Contestant:
    """semantic-text-splitter by its own path."""

    def prepare(path: Path, tokenizer: Path) -> Callable[[], Bounds]:
        import semantic_text_splitter
        import tokenizers

        def run() -> Bounds:
            encoder = tokenizers.Tokenizer.from_file(str(tokenizer))
            make = getattr(semantic_text_splitter, splitter).from_huggingface_tokenizer
            pieces = make(encoder, PIECE_SIZE).chunk_indices(path.read_text(encoding="utf-8"))
            return [(start, start + len(piece)) for start, piece in pieces]

        return run

    return prepare


@dataclass(frozen=True)
class Mode:
    """Who cuts in the same way: a name, and what prepares the cutting of a file."""

    ours: Contestant
    others: dict[str, Contestant]
    goal: int
    most_mb: float
    """Of text, so that the slowest has done in a minute."""
    same: bool = False
    """Whether all find the same boundaries."""


MODES = {
    "token": Mode(cut_tokens, {"tokenizers": cut_tokens_plainly}, 20, 2000, same=True),
    "text": Mode(
        cut_pieces("text"), {"semantic-text-splitter": split_pieces("TextSplitter")}, 10, 4
    ),
    "markdown": Mode(
        cut_pieces("markdown"), {"semantic-text-splitter": split_pieces("MarkdownSplitter")}, 10, 4
    ),
}


def main() -> None:
    """Compare, or be a contestant."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--mb", type=float, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours", action="store_true")
    parser.add_argument("--contestant", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        contest(*options.contestant)
        return
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    with tempfile.TemporaryDirectory() as folder:
        for name, mode in MODES.items():
            n_bytes = int(min(options.mb, mode.most_mb) * 1e6)
            path = write_text(Path(folder), options.file, n_bytes)
            compare(name, path, options.rounds, others=not options.ours)


def compare(name: str, path: Path, rounds: int, *, others: bool) -> None:
    """Let all cut the file in turn, and print what they took."""
    mode = MODES[name]
    contestants = ["synth", *(mode.others if others else ())]
    rates: dict[str, list[float]] = {contestant: [] for contestant in contestants}
    for number in range(rounds):
        digests = set()
        for contestant in contestants:
            took = ask(name, contestant, path)
            rates[contestant].append(path.stat().st_size / 1e6 / took["seconds"])
            digests.add(took["digest"])
            print(
                f"{name}, round {number + 1}: {contestant:12} {rates[contestant][-1]:8.2f} MB/s, "
                f"peak {took['peak_mb']:6.0f} MB, {took['n_chunks']} chunks",
                flush=True,
            )
        assert not mode.same or len(digests) == 1, "the boundaries differ"
    ours = statistics.median(rates["synth"])
    for contestant in contestants[1:]:
        ratio = ours / statistics.median(rates[contestant])
        print(f"{name}: {ratio:.1f} times as fast as {contestant}; goal {mode.goal}")


def ask(mode: str, contestant: str, path: Path) -> dict[str, float]:
    """Return what a contestant took, in a process of its own."""
    command = [sys.executable, __file__, "--contestant", mode, contestant, str(path)]
    made = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    took: dict[str, float] = json.loads(made.stdout)
    return took


def contest(mode: str, contestant: str, path: str) -> None:
    """Cut the file, and write what it took."""
    prepare = {"synth": MODES[mode].ours, **MODES[mode].others}[contestant]
    cut = prepare(Path(path), bundled_model() / "tokenizer.json")
    begin = time.perf_counter()
    bounds = cut()
    took = {
        "seconds": time.perf_counter() - begin,
        "peak_mb": peak_mb(),
        "n_chunks": len(bounds),
        "digest": hashlib.sha256(repr(bounds).encode()).hexdigest(),
    }
    sys.stdout.write(json.dumps(took))


def peak_mb() -> float:
    """Return the most memory that this process has had; ``getrusage`` counts the parent's, too."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024 / 1e6


def write_text(folder: Path, source: Path | None, n_bytes: int) -> Path:
    """Write about ``n_bytes`` of text, and say where it is from."""
    name = str(source or f"the prose of {DOCS}")
    text = source.read_text(encoding="utf-8") if source else "\n\n".join(find_prose())
    if not text:
        text = "\n\n".join(path.read_text() for path in sorted(samples_dir().iterdir()))
        name = "the sample documents"
    rng, path, written, piece = random.Random(0), folder / "text.txt", 0, text
    with path.open("wb") as file:
        while written < n_bytes:
            data = piece.encode()[: n_bytes - written].decode(errors="ignore").encode()
            written += max(file.write(data), 1)
            a, b = rng.sample("abcdefghijklmnopqrstuvwxyz", 2)
            piece = text.translate(str.maketrans(a + b, b + a))
    print(f"{path.stat().st_size / 1e6:.1f} MB, made from {name}", flush=True)
    return path


def find_prose() -> Iterator[str]:
    """Yield what HTML pages and plain files of documentation say."""
    for path in sorted(DOCS.rglob("*")):
        if path.suffix not in {".html", ".txt"} or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".html":
            text = re.sub(r"(?s)<(script|style|head)\b.*?</\1>|<!--.*?-->|<[^>]*>", "", text)
        yield re.sub(r"\n{3,}", "\n\n", html.unescape(text))


if __name__ == "__main__":
    main()
