"""A run in 64 shards without its models: ``scripts/bench shards [PAIRS …]``.

Told is, for made-up pairs (five a chunk), what the one process takes that divides the run and brings
it together, beside what the shards take for looking at the pairs, which is on as many nodes as there
are; and how both grow. The limit is growth in proportion.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from synth.appraise import appraise
from synth.config import compose, open_saved
from synth.curation import Curation, prepare_curation
from synth.export import export
from synth.io import JsonlWriter, read_jsonl, write_json, write_jsonl
from synth.records import Request
from synth.rows import FINDINGS, PAIRS, REQUESTS, read_chunks
from synth.shards import merge, read_book, split, summarise
from tests.bench.curate import make_run, peak_mb

N_SHARDS = 64
ASKED = {"prompt_tokens": 400, "cached_tokens": 50, "output_tokens": 300, "finish_reason": "stop"}


def prepare(folder: Path, n_pairs: int) -> None:
    """Make a run that is read and cut, and a file of what its models will have said."""
    make_run(folder, n_pairs)
    (folder / PAIRS).rename(folder / "said.jsonl")
    (folder / ".hydra").mkdir()
    config = OmegaConf.structured(compose([], {"docs": ["x"]}))
    hydra = OmegaConf.create({"hydra": {"runtime": {"output_dir": "", "cwd": ""}}})
    for name, node in {"config": config, "hydra": hydra, "overrides": []}.items():
        (folder / f".hydra/{name}.yaml").write_text(OmegaConf.to_yaml(node))


def answer(folder: Path) -> None:
    """Give each shard its pairs, and the request of each of its chunks."""
    book = read_book(folder)
    shard_of = {
        chunk.id: number for number, one in enumerate(book.folders) for chunk in read_chunks(one)
    }
    pairs: list[list[dict[str, Any]]] = [[] for _ in book.shards]
    for row in read_jsonl(folder / "said.jsonl"):
        pairs[shard_of[row["chunk_id"]]].append(row)
    for shard, rows in zip(book.folders, pairs, strict=True):
        write_jsonl(shard / PAIRS, rows)
        with JsonlWriter(shard / REQUESTS) as requests:
            for chunk in read_chunks(shard):
                requests.write(
                    vars(Request(chunk_id=chunk.id, latency_s=1.0, server_s=0.1, **ASKED))
                )
        write_json(shard / "run.json", {"status": "FINISHED"})


def look(folder: Path) -> dict[str, float]:
    """Look at the pairs of all shards, one after the other."""
    begin = time.monotonic()
    for shard in read_book(folder).folders:
        config = open_saved(shard)
        curation = Curation(shard, config, prepare_curation(config))
        curation.inspect(lambda n: None)
        curation.set_down()
        curation.close()
    return {"in_shards_s": time.monotonic() - begin}


def bring_together(folder: Path) -> dict[str, float]:
    """Do what is left to the run itself."""
    config = open_saved(folder)
    took: dict[str, float] = {}

    def timed(name: str, work: Callable[[], object]) -> None:
        begin = time.monotonic()
        work()
        took[f"{name}_s"] = time.monotonic() - begin

    timed("merge", lambda: merge(folder))
    timed("sum_up", lambda: summarise(folder, config))
    curation = Curation(folder, config, prepare_curation(config))
    timed("take", lambda: curation.inspect(lambda n: None))
    timed("compare", curation.compare)
    timed("settle", curation.settle)
    curation.close()
    took["curate_mb"] = peak_mb()
    timed("appraise", lambda: appraise(folder, config))
    timed("export", lambda: export(folder, config, {}))
    return took | {"all_mb": peak_mb()}


def divide(folder: Path) -> dict[str, float]:
    """Deal the run out."""
    begin = time.monotonic()
    split(folder, N_SHARDS)
    return {"split_s": time.monotonic() - begin}


STAGES = {"divide": divide, "look": look, "bring_together": bring_together}


def in_process(stage: str, folder: Path) -> dict[str, float]:
    """Run a stage in a process of its own, so that its memory is its own."""
    done = subprocess.run(
        [sys.executable, __file__, stage, str(folder)], check=True, stdout=subprocess.PIPE
    )
    took: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return took


def main() -> None:
    """Print a line for each number of pairs."""
    if sys.argv[1:2] and sys.argv[1] in STAGES:
        sys.stdout.write(json.dumps(STAGES[sys.argv[1]](Path(sys.argv[2]))) + "\n")
        return
    sizes = [int(text) for text in sys.argv[1:]] or [20_000, 200_000]
    results = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            prepare(folder, size)
            took = in_process("divide", folder)
            answer(folder)
            took |= in_process("look", folder) | in_process("bring_together", folder)
            findings = sum(path.stat().st_size for path in folder.glob(f"shards/*/{FINDINGS}"))
            took["finding_bytes"] = findings / size
        one = sum(s for key, s in took.items() if key.endswith("_s") and key != "in_shards_s")
        results.append(took | {"one_process_s": one})
        shown = {key: round(value, 1) for key, value in results[-1].items()}
        sys.stdout.write(f"{size:,} pairs: {shown}\n")
        sys.stdout.flush()
    for key in results[0]:
        ratio = results[-1][key] / results[0][key]
        sys.stdout.write(
            f"{key}: {ratio:.1f} times for {sizes[-1] / sizes[0]:.0f} times the pairs\n"
        )


if __name__ == "__main__":
    main()
