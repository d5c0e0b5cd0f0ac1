"""The planted pairs as a run's folder, and what the filters make of them."""

import json
from collections import Counter
from pathlib import Path

from synth.curation import Curation, prepare_curation
from synth.io import read_jsonl, write_jsonl
from synth.records import Chunk, Document
from synth.texts import TextWriter

HERE = Path(__file__).parents[1] / "planted"
SETS = ("first", "second", "third")


def read_planted(name: str) -> list[dict]:
    return list(read_jsonl(HERE / name / "pairs.jsonl"))


def write_run(folder: Path, name: str) -> None:
    """Write documents, chunks (the sections) and pairs of a planted set."""
    planted, documents, chunks = read_planted(name), [], []
    for path in sorted((HERE / name / "documents").glob("*.md")):
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


def confusion(rows: dict[str, dict], name: str) -> dict[str, Counter]:
    """Return, for each planted fault ("" = good), how many pairs have which reasons.

    Of two pairs that say the same either one may be the one that is dropped.
    """
    table: dict[str, Counter] = {}
    planted = read_planted(name)
    twins = {row["of"]: row["id"] for row in planted if row.get("of")}
    swapped = {one: other for one, other in twins.items() if rows[one].get("duplicate_of") == other}
    for row in planted:
        counts = table.setdefault(row["fault"] or "", Counter())
        other = swapped.get(row["id"]) or (row["id"] in swapped.values() and row["of"])
        counts["n"] += 1
        counts.update(rows[other or row["id"]]["reasons"] or ["none"])
    return table


def to_markdown(tables: dict[str, dict[str, Counter]]) -> str:
    """Return the shares that are found, set beside set, as they stand in docs/curation.md."""
    names = list(tables)
    lines = [f"| planted | {' | '.join(names)} |", f"|---{'|---' * len(names)}|"]
    faults = sorted({fault for table in tables.values() for fault in table if fault})
    for fault in faults:
        cells = [f"{tables[name][fault][fault]} of {tables[name][fault]['n']}" for name in names]
        lines.append(f"| `{fault}` | {' | '.join(cells)} |")
    good = [tables[name][""] for name in names]
    cells = [f"{counts['n'] - counts['none']} of {counts['n']} dropped" for counts in good]
    lines.append(f"| nothing | {' | '.join(cells)} |")
    return "\n".join(lines)


def measure(name: str, make_config, folder: Path) -> tuple[dict[str, dict], dict[str, Counter]]:
    """Return the curated rows of a planted set, and what was found."""
    write_run(folder, name)
    config = make_config(f"curate.contamination={HERE}/{name}/evaluation.jsonl")
    rows = curate(folder, config)
    return rows, confusion(rows, name)


if __name__ == "__main__":
    import sys
    import tempfile

    from synth.config import compose

    tables = {}
    for name in sys.argv[1:] or SETS:
        with tempfile.TemporaryDirectory() as folder:
            rows, tables[name] = measure(name, lambda *one: compose(one), Path(folder))
        for row in read_planted(name):
            got = rows[row["id"]]
            if got["reasons"] if not row["fault"] else row["fault"] not in got["reasons"]:
                print(json.dumps(row | {"got": got}, ensure_ascii=False))
    print(to_markdown(tables))
