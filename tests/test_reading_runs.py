"""Reading as users meet it: any format, while pairs are made, and whatever is in the files."""

import contextlib
import json
import shutil
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from synth.io import read_json, read_jsonl, read_text
from tests.conftest import wait_until
from tests.reading.samples import make_samples

LATE = "The last document tells of ships that come when the first one was asked about. " * 20


@pytest.fixture
def run_dir(tmp_path):
    return tmp_path / "run"


@pytest.fixture
def late_url(tmp_path):
    """Serve a document as soon as the model was asked about another one, or never."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            with contextlib.suppress(AssertionError):
                wait_until((tmp_path / "asked").exists, timeout_s=20)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(LATE.encode())

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/late.txt"
    server.shutdown()
    server.server_close()


@pytest.fixture
def samples(tmp_path):
    """A folder with a file of each format, one that is broken and one that is encrypted."""
    (folder := tmp_path / "samples").mkdir()
    for name, data in make_samples().items():
        (folder / name).write_bytes(data)
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nbroken")
    return folder


def rows_of(run_dir, name):
    return list(read_jsonl(run_dir / f"{name}.jsonl"))


def test_first_chunks_are_asked_about_while_later_documents_are_read(
    run_cli, stub, documents, late_url, tmp_path, run_dir
):
    note = f"server.engine_args.note-requests={tmp_path}/asked"
    done = run_cli(*stub, f"docs=[{documents},'{late_url}']", "ingest.private_urls=true", note)
    assert done.returncode == 0, done.stdout
    assert [row["path"] for row in rows_of(run_dir, "documents")][-1] == late_url
    late = rows_of(run_dir, "documents")[-1]["id"]
    assert late in {pair["doc_id"] for pair in rows_of(run_dir, "pairs")}
    assert read_json(run_dir / "run.json")["counts"]["n_failures"] == 0


def test_pairs_of_any_format_lead_to_their_characters_and_pages(run_cli, stub, samples, run_dir):
    done = run_cli(*stub, f"docs={samples}", "chunk=markdown", "chunk.size=64")
    assert done.returncode == 0, done.stdout
    documents = {row["id"]: row for row in rows_of(run_dir, "documents")}
    assert len({row["format"] for row in documents.values()}) > 10
    for chunk in rows_of(run_dir, "chunks"):
        document = documents[chunk["doc_id"]]
        text = read_text(run_dir / document["text_path"])
        assert text[chunk["start"] : chunk["end"]] == read_text(run_dir / chunk["path"])
        assert ("pages" in chunk) == ("pages" in document)
    pages = {row["id"]: row.get("pages") for row in rows_of(run_dir, "chunks")}
    pairs = rows_of(run_dir, "pairs")
    assert all(pair.get("pages") == pages[pair["chunk_id"]] for pair in pairs)
    assert any(pair.get("pages") for pair in pairs)
    (broken,) = [row for row in rows_of(run_dir, "failures") if "broken.pdf" in row["id"]]
    assert broken["stage"] == "ingest"
    assert not list(run_dir.glob(".reading/*"))


def test_headings_reach_the_prompt(run_cli, stub, tmp_path, run_dir):
    (folder := tmp_path / "manual").mkdir()
    words = " ".join(f"word{n}" for n in range(40))
    (folder / "a.md").write_text(f"# Pump\n\n{words}.\n\n## Valves\n\n{words} 1.\n\n{words} 2.\n")
    note = f"server.engine_args.note-requests={tmp_path}/asked"
    run_cli(*stub, f"docs={folder}", "chunk=markdown", "chunk.size=128", "chunk.overlap=0", note)
    prompts = [row["messages"][-1]["content"] for row in read_jsonl(tmp_path / "asked")]
    headings = [row.get("headings", []) for row in rows_of(run_dir, "chunks")]
    assert max(headings, key=len) == ["Pump", "Valves"]
    assert any(prompt.startswith("Section: Pump > Valves\n\nText:\n") for prompt in prompts)
    assert any(prompt.startswith("Text:\n") for prompt in prompts)


def test_chunks_need_no_files(run_cli, stub, run_dir):
    assert run_cli(*stub, "chunk.files=false").returncode == 0
    assert not list((run_dir / "data/parsed").glob("*"))
    assert all("path" not in row for row in rows_of(run_dir, "chunks"))


def test_a_second_run_reads_from_the_cache_and_gives_the_same(run_cli, stub, samples, tmp_path):
    runs = [tmp_path / name for name in ("first", "second")]
    for run in runs:
        steps = ("steps=[ingest,chunk]", f"docs={samples}", f"hydra.run.dir={run}")
        assert run_cli(*stub, *steps).returncode == 0
    for name in ("documents", "chunks", "failures"):
        first, second = ((run / f"{name}.jsonl").read_text() for run in runs)
        assert first == second


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_the_run(start_cli, stub, tmp_path, run_dir, offspring, number):
    (tmp_path / "slow.jsonl").write_text("".join(f'{{"text": "row {n}"}}\n' for n in range(200000)))
    process = start_cli(*stub, f"docs={tmp_path / 'slow.jsonl'}", "steps=[ingest,chunk]")
    wait_until((run_dir / "data/txt").exists, timeout_s=20)
    process.send_signal(number)
    process.communicate(timeout=30)
    wait_until(lambda: not offspring(), timeout_s=10)
    if number == signal.SIGINT:
        assert not list(run_dir.glob(".reading/*"))


def test_killed_while_reading_and_gone_on_with_gives_the_same(
    run_cli, start_cli, stub, documents, late_url, tmp_path, run_dir
):
    settings = (f"docs=[{documents},'{late_url}']", "ingest.private_urls=true")
    process = start_cli(*stub, *settings)
    wait_until(lambda: (run_dir / "pairs.jsonl").exists() or (run_dir / "chunks.jsonl").exists())
    time.sleep(0.1)
    process.kill()
    process.communicate()
    (tmp_path / "asked").touch()
    assert run_cli(f"resume={run_dir}").returncode == 0
    resumed = {name: rows_of(run_dir, name) for name in ("documents", "chunks", "pairs")}
    shutil.rmtree(run_dir)
    assert run_cli(*stub, *settings).returncode == 0
    assert resumed == {name: rows_of(run_dir, name) for name in resumed}
    assert json.dumps(resumed["pairs"]).count("chunk_id") == 3 * len(resumed["chunks"])
