"""The planted pairs as a run's folder, and what the filters make of them."""

import json
from collections import Counter
from pathlib import Path

from synth.curation import Curation, prepare_curation
from synth.io import read_jsonl, write_jsonl
from synth.records import Chunk, Document
from synth.texts import TextWriter

HERE = Path(__file__).parents[1] / "planted"


def read_planted() -> list[dict]:
    return list(read_jsonl(HERE / "pairs.jsonl"))


def write_run(folder: Path) -> None:
    """Write documents, chunks (the sections) and pairs of the planted set."""
    planted, documents, chunks = read_planted(), [], []
    for path in sorted((HERE / "documents").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        with TextWriter(folder, folder) as writer:
            writer.write(text)
        document = Document(
            writer.id, path.name, writer.sha256, len(text), f"data/txt/{writer.id}.txt"
        )
        documents.append(document)
        starts = [
            n
            for n in range(len(text))
            if text.startswith("## ", n) and text[n - 1 : n] in ("", "\n")
        ]
        for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(text)], strict=True)):
            chunks.append(
                (path.name, number, Chunk(f"{writer.id}-{start}-{end}", writer.id, start, end, 1))
            )
    by_place = {(name, number): chunk for name, number, chunk in chunks}
    order = {chunk.id: n for n, (_, _, chunk) in enumerate(chunks)}
    pairs = []
    for row in planted:
        chunk = by_place[row["document"], row["section"]]
        pairs.append(
            {"id": row["id"], "chunk_id": chunk.id, "doc_id": chunk.doc_id}
            | {name: row[name] for name in ("question", "answer")}
        )
    pairs.sort(key=lambda pair: order[pair["chunk_id"]])
    write_jsonl(folder / "documents.jsonl", (document.row() for document in documents))
    write_jsonl(folder / "chunks.jsonl", (chunk.row() for _, _, chunk in chunks))
    write_jsonl(folder / "pairs.jsonl", pairs)


def curate(folder: Path, config) -> dict[str, dict]:
    """Return the curated rows by id."""
    curation = Curation(folder, config, prepare_curation(config))
    curation.inspect(lambda n: None)
    curation.compare()
    curation.settle()
    return {row["id"]: row for row in read_jsonl(folder / "pairs.jsonl")}


def confusion(rows: dict[str, dict]) -> dict[str, Counter]:
    """Return, for each planted fault ("" = good), how many pairs have which reasons."""
    table: dict[str, Counter] = {}
    for row in read_planted():
        counts = table.setdefault(row["fault"] or "", Counter())
        counts["n"] += 1
        counts.update(rows[row["id"]]["reasons"] or ["none"])
    return table


def to_markdown(table: dict[str, Counter]) -> str:
    """Return the confusion table as it stands in docs/curation.md."""
    lines = ["| planted | pairs | found | noted beside it |", "|---|---|---|---|"]
    for fault in sorted(table):
        counts = table[fault]
        others = {n: k for n, k in counts.items() if n not in ("n", "none", fault)}
        beside = ", ".join(f"{k} `{name}`" for name, k in sorted(others.items())) or "–"
        name = f"`{fault}`" if fault else "nothing (good pairs)"
        found = f"{counts[fault]}" if fault else f"{counts['none']} without a fault"
        lines.append(f"| {name} | {counts['n']} | {found} | {beside} |")
    return "\n".join(lines)


if __name__ == "__main__":
    import sys
    import tempfile

    from hydra import compose, initialize_config_dir

    from synth.config import open_door, register
    from synth.config.files import conf_dir

    register()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = open_door(
            compose("config", overrides=[f"curate.contamination={HERE}/evaluation.jsonl"])
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_run(folder)
        rows = curate(folder, config)
    print(to_markdown(confusion(rows)))
    if len(sys.argv) > 1:
        for row in read_planted():
            got = rows[row["id"]]
            wrong = got["reasons"] if not row["fault"] else row["fault"] not in got["reasons"]
            if wrong:
                print(
                    json.dumps(
                        row
                        | {
                            "got": got["reasons"],
                            "support": got["support"],
                            "dup": got.get("duplicate_of"),
                        },
                        ensure_ascii=False,
                    )
                )
