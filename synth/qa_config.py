"""Write ``synthetic_data_kit_config.yaml``: the run's settings for Meta's synthetic-data-kit.

Read by its version 0.0.5, which merges no defaults (so each section is complete) and counts
characters where synth counts tokens. Both spellings of curation stand in it: ``curate`` and
``curated`` are what it reads, ``cleanup`` and ``cleaned`` what older configs have.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from synth.config import Config, QaConfig
from synth.io import write_text
from synth.qa import CHARS_PER_TOKEN, Kind
from synth.records import Endpoint

_TEXT_SLOT = "\0text\0"
_NUMBER_SLOT = "\0num_pairs\0"

_SUMMARY = "Summarize this document in three to five sentences, focusing on its main subject."
_RATING = """\
Rate each question-answer pair from 1 to 10 for accuracy, relevance, clarity and usefulness.
Reply with JSON only, one object for each pair, in their order, both texts unchanged:
[{{"question": "…", "answer": "…", "rating": 8}}]

Pairs:
{pairs}
"""
_REASONING = """\
Write {num_examples} questions about the text that need several steps of thought, each with the
reasoning and the answer. Reply with JSON only:
[{{"question": "…", "reasoning": "…", "answer": "…"}}]

Text:
{text}
"""
_ENHANCEMENT = """\
Add the reasoning to the answers of these conversations, step by step, and keep all else as it is.
Also for simple questions: {include_simple_steps}. Reply with JSON only, in the same form.

Conversations:
{conversations}
"""


@dataclass(frozen=True)
class Layout:
    """Where the config and its stage folders are."""

    path: Path
    """Of the YAML file."""
    data: Path
    """Folder of the stage folders, which the fields below name."""
    parsed: str = "parsed"
    generated: str = "generated"
    curated: str = "curated"
    final: str = "final"
    stages: tuple[str, ...] = ("pdf", "html", "youtube", "docx", "ppt", "txt")
    """The input folders."""


def write_qa_config(
    config: Config, endpoint: Endpoint | None, layout: Layout, longest_chunk_chars: int = 0
) -> Path:
    """Make the stage folders and write the config; return its path.

    Args:
        longest_chunk_chars: characters of the longest chunk that was made, which stays whole there.
    """
    paths = _paths(layout)
    for folder in (*paths["input"].values(), *paths["output"].values()):
        Path(folder).mkdir(parents=True, exist_ok=True)
    sections = {"paths": paths, **_sections(config, endpoint, longest_chunk_chars)}
    write_text(layout.path, yaml.safe_dump(sections, sort_keys=False, width=100))
    return layout.path


def _sections(
    config: Config, endpoint: Endpoint | None, longest_chunk_chars: int
) -> dict[str, Any]:
    base = endpoint.base_url if endpoint else next(iter(config.server.api_bases), None)
    model = endpoint.model if endpoint else config.model.name
    n_tries = config.gen.max_retries + 1
    server = {"api_base": base, "model": model, "max_retries": n_tries, "retry_delay": 1.0}
    n_requests = config.gen.concurrency or (endpoint and endpoint.n_slots) or 32
    document_chars = CHARS_PER_TOKEN * config.chunk_size
    curate = {
        "threshold": config.curate.threshold,
        "batch_size": config.curate.batch_size,
        "inference_batch": n_requests,
        "temperature": config.curate.temperature,
    }
    return {
        "llm": {"provider": "api-endpoint"},
        "vllm": {**server, "port": _port(base), "sleep_time": 0.1},
        # A key is read from the environment, API_ENDPOINT_KEY: no secret stands in this file. Where
        # there is none, the tool's client wants a word all the same.
        "api-endpoint": {**server, "api_key": _placeholder(endpoint), "sleep_time": 0.1},
        "generation": {
            "temperature": config.gen.temperature,
            "top_p": config.gen.top_p,
            # It cuts where the paragraphs so far and the next one have more characters than this.
            "chunk_size": max(document_chars, longest_chunk_chars),
            "overlap": CHARS_PER_TOKEN * config.chunk.overlap,
            "max_tokens": config.gen.max_tokens,
            "num_pairs": config.qa.num_pairs,
            "batch_size": n_requests,
            "max_context_length": document_chars,
            "num_cot_examples": config.qa.num_pairs,
            "num_cot_enhance_examples": None,
            "single_call_max_size": document_chars,
        },
        "curate": curate,
        "cleanup": curate.copy(),
        "format": {"default": "jsonl"},
        "prompts": {
            "summary": _SUMMARY,
            "qa_generation": _as_format_string(config.qa),
            "qa_rating": _RATING,
            "cot_generation": _REASONING,
            "cot_enhancement": _ENHANCEMENT,
        },
    }


def _placeholder(endpoint: Endpoint | None) -> str | None:
    return "none" if endpoint is not None and endpoint.api_key is None else None


def _paths(layout: Layout) -> dict[str, dict[str, str]]:
    data = layout.data.absolute()
    parsed, curated = str(data / layout.parsed), str(data / layout.curated)
    return {
        "input": {name: str(data / name) for name in layout.stages},
        "output": {
            "default": parsed,
            "parsed": parsed,
            "generated": str(data / layout.generated),
            "curated": curated,
            "cleaned": curated,
            "final": str(data / layout.final),
        },
    }


def _as_format_string(config: QaConfig) -> str:
    """Return system prompt and Jinja prompt as one template for ``str.format``.

    There is one message to the model there. Literal braces are doubled.
    """
    filled = Kind(config).fill(_TEXT_SLOT, _NUMBER_SLOT)
    filled = f"{config.system}\n\n{filled}".strip()
    doubled = filled.replace("{", "{{").replace("}", "}}")
    return doubled.replace(_TEXT_SLOT, "{text}").replace(_NUMBER_SLOT, "{num_pairs}")


def _port(base_url: str | None) -> int | None:
    return urlsplit(base_url).port if base_url else None
