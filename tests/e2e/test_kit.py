"""The examples, as a user runs them: the Python class on a real vLLM with the bundled model."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from synth.config.files import samples_dir
from synth.io import read_json, read_jsonl
from tests.e2e.conftest import vllm_processes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDERS = {
    "pdf",
    "html",
    "youtube",
    "docx",
    "ppt",
    "txt",
    "output",
    "generated",
    "cleaned",
    "final",
}


@pytest.fixture
def run_example(tmp_path):
    """Run an example beside a folder with one document; return what it said."""
    (tmp_path / "docs").mkdir()
    text = (samples_dir() / "tides.txt").read_text()
    (tmp_path / "docs" / "tides.txt").write_text(text)

    def run(name, *arguments):
        done = subprocess.run(
            [sys.executable, str(EXAMPLES / name), *arguments],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert vllm_processes() == []
        return done.stdout

    return run


def folders(path):
    return {entry.name for entry in path.iterdir() if entry.is_dir()}


def test_basic(run_example, tmp_path):
    said = run_example("basic.py", "docs/tides.txt")
    config = yaml.safe_load((tmp_path / "synthetic_data_kit_config.yaml").read_text())
    parts = [path.read_text() for path in sorted((tmp_path / "docs").glob("tides_*.txt"))]
    text = (tmp_path / "docs" / "tides.txt").read_text()
    assert f"{len(parts)} chunks, the first is docs/tides_0.txt" in said
    assert text.startswith(parts[0])
    assert text.endswith(parts[-1])
    assert config["generation"]["num_pairs"] == 25
    assert folders(tmp_path / "my_data") == FOLDERS


def test_many_documents(run_example, tmp_path):
    run_example("many_documents.py", "docs")
    (run,) = (tmp_path / "domain_data" / "runs").iterdir()
    record = read_json(run / "run.json")
    assert record["server"]["was_reused"]
    assert abs(record["server"]["memory"]["kv_cache_error_frac"]) < 0.05
    assert len(list(read_jsonl(run / "documents.jsonl"))) == 1
    assert len(list(read_jsonl(run / "pairs.jsonl"))) == record["counts"]["n_pairs"] > 0


def test_custom_vllm(run_example, tmp_path):
    said = run_example("custom_vllm.py")
    config = yaml.safe_load((tmp_path / "synthetic_data_kit_config.yaml").read_text())
    assert "ready: True" in said
    assert config["vllm"]["api_base"] in said
    assert folders(tmp_path / "custom_data") == FOLDERS
