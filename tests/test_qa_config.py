"""The config for synthetic-data-kit."""

from pathlib import Path

import pytest
import yaml

from synth.qa_config import Layout, write_qa_config
from synth.records import Endpoint

ENDPOINT = Endpoint("http://127.0.0.1:8123/v1", "name", "marked-key")
ODD = "a 'b' \"c\" #d \\e: é"


@pytest.fixture
def write(make_config, tmp_path):
    """Write the config for overrides and load it back."""

    def write(*overrides, longest_chunk_chars=0):
        folder = tmp_path / ODD
        layout = Layout(folder / "config.yaml", folder / "data")
        config = make_config("chunk.size=100", *overrides)
        path = write_qa_config(config, ENDPOINT, layout, longest_chunk_chars)
        return yaml.safe_load(path.read_text())

    return write


@pytest.fixture
def sections(write):
    return write("chunk.overlap=10", "curate.threshold=8")


def test_config_holds_no_key(sections, tmp_path):
    assert "marked-key" not in (tmp_path / ODD / "config.yaml").read_text()
    assert sections["api-endpoint"]["api_key"] is None


def test_config_names_the_real_server(sections):
    assert sections["vllm"]["port"] == 8123
    assert sections["vllm"]["api_base"] == sections["api-endpoint"]["api_base"]
    assert {"model", "max_retries", "retry_delay", "sleep_time"} <= set(sections["api-endpoint"])


def test_config_has_both_spellings(sections):
    assert sections["curate"] == sections["cleanup"]
    assert sections["curate"]["threshold"] == 8
    assert sections["paths"]["output"]["curated"] == sections["paths"]["output"]["cleaned"]


def test_config_counts_characters(sections):
    assert sections["generation"]["chunk_size"] == 400
    assert sections["generation"]["overlap"] == 40


def test_longest_chunk_stays_whole(write):
    text = "\n\n".join(["word " * 20] * 30)  # 30 characters for each of 100 tokens
    size = write(longest_chunk_chars=len(text))["generation"]["chunk_size"]
    assert len(split(text, size)) == 1
    assert len(split(text, size - 3)) == 2


def split(text: str, chunk_size: int) -> list[str]:
    """Cut as synthetic-data-kit 0.0.5 does, without the overlap (``utils/text.py``)."""
    pieces = [""]
    for paragraph in text.split("\n\n"):
        if len(pieces[-1]) + len(paragraph) > chunk_size and pieces[-1]:
            pieces.append(paragraph)
        else:
            pieces[-1] += ("\n\n" if pieces[-1] else "") + paragraph
    return pieces


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


def test_number_that_is_computed_with_stands_in_the_prompt(write):
    prompt = write("qa=synthetic-data-kit", "qa.num_pairs=3")["prompts"]["qa_generation"]
    filled = prompt.format(num_pairs=9, summary="", text="{T}")
    assert filled.startswith("{T}\n\nQuestion")
    assert filled.count('{"question": "...", "answer": "..."}') == 3


def test_system_prompt_is_part_of_the_prompt(write):
    prompt = write("qa.system='Be {brief}.'")["prompts"]["qa_generation"]
    assert prompt.startswith("Be {{brief}}.\n\nText:")


def test_requests_at_a_time_and_tries_are_the_run_s(write):
    sections = write("gen.concurrency=7", "gen.max_retries=0")
    assert sections["generation"]["batch_size"] == sections["curate"]["inference_batch"] == 7
    assert sections["api-endpoint"]["max_retries"] == sections["vllm"]["max_retries"] == 1


def test_folders_are_the_ones_that_were_made(sections, tmp_path):
    data = tmp_path / ODD / "data"
    folders = {*sections["paths"]["input"].values(), *sections["paths"]["output"].values()}
    assert {Path(folder) for folder in folders} == set(data.iterdir())


def test_folders_can_have_other_names(make_config, tmp_path):
    layout = Layout(tmp_path / "c.yaml", tmp_path / "data", parsed="output", curated="cleaned")
    write_qa_config(make_config(), None, layout)
    output = yaml.safe_load(layout.path.read_text())["paths"]["output"]
    assert output["parsed"] == output["default"] == str(tmp_path / "data" / "output")
    assert output["curated"] == output["cleaned"] == str(tmp_path / "data" / "cleaned")
