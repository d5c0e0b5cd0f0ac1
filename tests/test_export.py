"""The datasets, and the config for the external tool."""

import pytest
import yaml

from synth.export import FORMATS, export
from synth.io import read_jsonl
from synth.qa_config import write_qa_config
from synth.records import Endpoint

PAIRS = [
    {"id": "1", "chunk_id": "c", "doc_id": "d", "question": "Q1?", "answer": "A1"},
    {"id": "2", "chunk_id": "c", "doc_id": "d", "question": "Q2?", "answer": "é 🙂"},
]


def test_jsonl_holds_the_pairs(tmp_path):
    (path,) = export(lambda: iter(PAIRS), ["jsonl"], tmp_path)
    assert list(read_jsonl(path))[1] == {"question": "Q2?", "answer": "é 🙂"}


def test_chatml_holds_conversations(tmp_path):
    (path,) = export(lambda: iter(PAIRS), ["chatml"], tmp_path)
    messages = next(read_jsonl(path))["messages"]
    assert [(m["role"], m["content"]) for m in messages] == [("user", "Q1?"), ("assistant", "A1")]


def test_second_export_replaces_the_first(tmp_path):
    for _ in "ab":
        export(lambda: iter(PAIRS), list(FORMATS), tmp_path)
    assert all(len(list(read_jsonl(path))) == 2 for path in tmp_path.iterdir())


@pytest.fixture
def sections(make_config, tmp_path):
    config = make_config("chunk.size=100", "chunk.overlap=10", "curate.threshold=8")
    endpoint = Endpoint("http://127.0.0.1:8123/v1", "name", "marked-key")
    path = write_qa_config(config, endpoint, tmp_path / "a 'b' #c")
    text = path.read_text()
    assert "marked-key" not in text
    return yaml.safe_load(text)


def test_config_names_the_real_server(sections):
    assert sections["vllm"]["port"] == 8123
    assert sections["vllm"]["api_base"] == sections["api-endpoint"]["api_base"]
    assert {"model", "max_retries", "retry_delay", "sleep_time"} <= set(sections["api-endpoint"])


def test_config_has_both_spellings(sections):
    assert sections["curate"] == sections["cleanup"]
    assert sections["curate"]["threshold"] == 8
    assert sections["paths"]["output"]["curated"] == sections["paths"]["output"]["cleaned"]


def test_config_counts_characters(sections):
    assert sections["generation"]["chunk_size"] == 800
    assert sections["generation"]["overlap"] == 40


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("qa_generation", {"num_pairs": 3, "summary": "s", "text": "T"}),
        ("qa_rating", {"pairs": "P"}),
        ("cot_generation", {"num_examples": 3, "text": "T"}),
        ("cot_enhancement", {"conversations": "C", "include_simple_steps": True}),
    ],
)
def test_prompts_are_format_strings(sections, name, values):
    filled = sections["prompts"][name].format(**values)
    assert all(str(value) in filled for key, value in values.items() if key != "summary")
    assert "{{" not in filled


def test_folders_of_the_stages_are_there(sections, tmp_path):
    from pathlib import Path

    assert all(Path(path).is_dir() for path in sections["paths"]["output"].values())
    assert all(Path(path).is_dir() for path in sections["paths"]["input"].values())
