"""Curate and export 20,000 and 200,000 made-up pairs: seconds, peak memory, and how both grow.

Each size runs in a process of its own. The goal is growth in proportion: ten times as many pairs
take ten times as long, and little more memory than their keys.
"""

import argparse
import itertools
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import wordfreq
from hydra import compose, initialize_config_dir

from synth.appraise import appraise
from synth.config import open_door, register
from synth.config.files import conf_dir
from synth.curation import Curation, prepare_curation
from synth.export import export
from synth.io import write_jsonl
from synth.records import Chunk

PAIRS_PER_CHUNK, CHUNKS_PER_DOCUMENT = 5, 50
SENTENCES, WORDS = 16, 14
FORMS = (
    "What does the {} of the {} {}?",
    "Why is the {} {} before the {}?",
    "How many of the {} are {} in {}?",
    "When was the {} first {} by the {}?",
    "Explain how the {} {} the {}.",
)


def make_run(folder: Path, n_pairs: int) -> None:
    """Write a run of made-up text; one pair in twenty is asked twice, one nearly."""
    draws = random.Random(0)
    words = [word for word in wordfreq.top_n_list("en", 20_000) if word.isalpha() and len(word) > 3]
    weights = [1 / (n + 10) for n in range(len(words))]
    totals = list(itertools.accumulate(weights))

    def pick(n: int) -> list[str]:
        return draws.choices(words, cum_weights=totals, k=n)

    documents, chunks, pairs = [], [], []
    n_chunks = n_pairs // PAIRS_PER_CHUNK
    for number in range(-(-n_chunks // CHUNKS_PER_DOCUMENT)):
        texts, doc_id, start = [], f"d{number}", 0
        for _ in range(min(CHUNKS_PER_DOCUMENT, n_chunks - len(chunks))):
            sentences = [" ".join(pick(WORDS)).capitalize() + "." for _ in range(SENTENCES)]
            text = " ".join(sentences) + "\n\n"
            chunk = Chunk(f"{doc_id}-{start}", doc_id, start, start + len(text) - 2, 300)
            chunks.append(chunk)
            for n in range(PAIRS_PER_CHUNK):
                question = FORMS[n].format(*pick(3))
                if pairs and draws.random() < 0.1:
                    question = pairs[draws.randrange(len(pairs))]["question"]
                    if draws.random() < 0.5:
                        question = question.replace(" the ", " ").replace("?", " exactly?")
                row = {"id": f"{chunk.id}-{n}", "chunk_id": chunk.id, "doc_id": doc_id}
                pairs.append(row | {"question": question, "answer": draws.choice(sentences)})
            texts.append(text)
            start += len(text)
        whole = "".join(texts)
        path = folder / f"data/txt/{doc_id}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(whole)
        row = {"id": doc_id, "path": f"{doc_id}.txt", "sha256": "", "n_chars": len(whole)}
        documents.append(row | {"text_path": f"data/txt/{doc_id}.txt"})
    write_jsonl(folder / "documents.jsonl", documents)
    write_jsonl(folder / "chunks.jsonl", (chunk.row() for chunk in chunks))
    write_jsonl(folder / "pairs.jsonl", pairs)


def curate(folder: Path, formats: str) -> dict[str, float]:
    """Curate, appraise and export; return seconds and the peak of memory in MB."""
    register()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = open_door(compose("config", overrides=[f"export.formats=[{formats}]"]))
    times = [time.monotonic()]
    curation = Curation(folder, config, prepare_curation(config))
    curation.inspect(lambda n: None)
    times.append(time.monotonic())
    curation.compare()
    times.append(time.monotonic())
    told = curation.settle()
    curation.close()
    times.append(time.monotonic())
    peak = peak_mb()
    metrics = appraise(folder, config)
    times.append(time.monotonic())
    export(folder, config, metrics)
    times.append(time.monotonic())
    names = ("inspect_s", "compare_s", "settle_s", "appraise_s", "export_s")
    spans = {
        name: end - begin
        for name, (begin, end) in zip(names, itertools.pairwise(times), strict=True)
    }
    return {**spans, "curate_mb": peak, "all_mb": peak_mb(), "n_kept": told["kept"]} | {
        f"n_{name}": n for name, n in told.items()
    }


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--formats", default="jsonl,alpaca,chatml,ft,sharegpt,parquet,hf,dpo")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        print(json.dumps(curate(options.folder, options.formats)))
        return
    results = []
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as name:
            make_run(Path(name), size)
            command = [sys.executable, __file__, "--folder", name, "--formats", options.formats]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            results.append(json.loads(done.stdout.splitlines()[-1]))
        shown = {key: round(value, 2) for key, value in results[-1].items()}
        print(f"{size:,} pairs: {shown}", flush=True)
    first, last = results[0], results[-1]
    times = options.sizes[-1] / options.sizes[0]
    for key in ("inspect_s", "compare_s", "settle_s", "appraise_s", "export_s", "all_mb"):
        print(f"{key}: {last[key] / first[key]:.1f} times for {times:.0f} times the pairs")


if __name__ == "__main__":
    main()
