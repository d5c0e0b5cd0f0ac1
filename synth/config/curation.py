"""The part of the schema that says which pairs are good, and what is made of them."""

from dataclasses import dataclass
from typing import Any

from synth.config.setting import is_name_of_repository, is_one_or_more_texts, is_text, setting

FAULTS_OF_FORM = (
    *("empty", "echo", "no_question", "copied", "cut_off", "repetitive", "leaked", "language"),
    "needs_text",
)
FAULTS = (
    *FAULTS_OF_FORM,
    *("unsupported", "duplicate", "near_duplicate", "contaminated"),
    *("low_score", "known", "unanswerable"),
)
"""What may be wrong with a pair: the names that stand in its ``reasons``."""

FORMATS = ("jsonl", "alpaca", "chatml", "ft", "sharegpt", "parquet", "hf", "dpo")


@dataclass(kw_only=True)
class CurateConfig:
    """Which pairs are kept."""

    drop: list[str] = setting(
        "faults for which a pair is not kept; the others are only noted", choices=FAULTS
    )
    min_support: float = setting(
        "share of what an answer says that has to stand in its chunk", least=0, most=1
    )
    similarity: float = setting(
        "likeness of two questions from which on they are near duplicates", above=0, most=1
    )
    contamination: Any = setting(
        "a file, or a list of them, with questions of evaluations that no pair may hold; null = none",
        accepts=lambda value: value is None or is_one_or_more_texts(value),
        expected="a path, a list of paths, or null",
    )
    contamination_words: int = setting(
        "words in a row that a pair may not share with a question of an evaluation", least=3
    )
    verdicts: Any = setting(
        "a file, or a list of them, with verdicts by hand, as report.html makes them; null = none",
        accepts=lambda value: value is None or is_one_or_more_texts(value),
        expected="a path, a list of paths, or null",
    )
    judge: str = setting(
        "who scores the pairs: nobody, the model that wrote them, or curate.api_base",
        choices=("none", "served", "endpoint"),
    )
    api_base: str | None = setting(
        "URL of the judge's OpenAI-compatible endpoint, with its /v1",
        accepts=lambda value: value is None or value.startswith(("http://", "https://")),
        expected="a URL such as http://127.0.0.1:8001/v1",
    )
    api_key: str | None = setting(
        "key of that endpoint; null = OPENAI_API_KEY of the environment", secret=True
    )
    model: str | None = setting("name to ask that endpoint for; null = the one that it lists")
    criteria: list[str] = setting(
        "what is scored from 1 to 10; a pair's score is the mean",
        accepts=lambda value: is_one_or_more_texts(value) and isinstance(value, list),
        expected="a list of names",
    )
    system: str = setting("system prompt of the judge")
    prompt: str = setting(
        "prompt of the judge; {{ text }} is the chunk, {{ pairs }} a list of id, question and "
        "answer, {{ criteria }} the names",
        accepts=lambda value: isinstance(value, str) and "pairs" in value,
        expected="a Jinja template that uses {{ pairs }}",
    )
    threshold: float = setting("lowest score that is kept", least=0, most=10)
    batch_size: int = setting("pairs that are judged in one request, at most", least=1)
    temperature: float = setting("randomness of the judge", least=0, most=2)
    closed_book: bool = setting(
        "ask the served model each question without and with the text, and mark what it knows "
        "already and what it can't answer"
    )


@dataclass(kw_only=True)
class ExportConfig:
    """Which datasets are written."""

    formats: list[str] = setting(
        "jsonl = the pairs; alpaca, chatml, ft (OpenAI), sharegpt = for trainers; parquet; hf = a "
        "folder for datasets.load_from_disk, with its card; dpo = chosen and rejected answers",
        choices=FORMATS,
    )
    validation_frac: float = setting(
        "share of the pairs, by whole documents, that is for validation", least=0, most=0.9
    )
    test_frac: float = setting("likewise, for tests", least=0, most=0.9)
    system: str = setting("system prompt of each conversation; empty = none")
    prompt: str = setting(
        "what the user says: {{ question }}, {{ answer }}, {{ text }} (the chunk) and the fields of "
        "the pairs' kind",
        accepts=is_text,
        expected="a Jinja template such as {{ question }}",
    )
    reply: str = setting(
        "what the model is to say, likewise",
        accepts=is_text,
        expected="a Jinja template such as {{ answer }}",
    )
    provenance: bool = setting(
        "write where each pair is from (document, pages, chunk, evidence, score) beside it"
    )
    license: str | None = setting("the card's license, such as cc-by-4.0; null = it says none")
    push_to: str | None = setting(
        "repository of the Hugging Face hub to push the dataset to; null = none",
        accepts=lambda value: value is None or is_name_of_repository(value),
        expected="owner/name",
    )
    private: bool = setting("make that repository a private one")
