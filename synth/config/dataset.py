"""The part of the schema that makes the dataset, from documents to exports."""

from dataclasses import dataclass
from typing import Any

from synth.config.setting import is_text, is_word, setting


@dataclass(kw_only=True)
class IngestConfig:
    """How documents are read, and what one of them may cost."""

    text_column: str | None = setting(
        "column of CSV, JSONL and Parquet files that holds the text; null = text, content, …",
        accepts=lambda value: value is None or is_text(value),
        expected="a column's name",
    )
    ocr: str = setting(
        "auto = read scanned pages where tesseract is installed; never = report them",
        choices=("auto", "never"),
    )
    ocr_language: str = setting(
        "tesseract's name of the language of scanned pages, such as eng or eng+deu",
        accepts=is_text,
        expected="a name such as eng",
    )
    similarity: float | None = setting(
        "share of word sequences in common from which on only the first of two documents is used; "
        "null = only of equal ones",
        above=0,
        most=1,
    )
    timeout_s: float = setting("longest that one document may take, in seconds", above=0)
    max_memory_gib: float = setting("most memory of a process that reads, in GiB", least=1)
    max_file_gib: float = setting(
        "largest file of a format that is read as a whole, such as PDF, in GiB; text, tables and "
        "archives are read piece by piece",
        above=0,
    )
    max_unpacked_gib: float = setting(
        "most that the files of one archive may hold together, in GiB", above=0
    )
    max_download_mib: float = setting("largest answer of a URL, in MiB", above=0)
    private_urls: bool = setting("read URLs of this machine and of private networks, too")
    processes: int | None = setting(
        "processes that read and cut; null = one for each core, at most 8", least=1, most=256
    )


@dataclass(kw_only=True)
class ChunkConfig:
    """How documents are cut."""

    mode: str = setting(
        "token = equal pieces with an exact overlap; text = whole sentences and paragraphs; "
        "markdown = also sections, with their headings",
        choices=("token", "text", "markdown"),
    )
    size: int | None = setting(
        "longest chunk in tokens; null = what fits: max_seq_length − 2·gen.max_tokens − 128",
        least=8,
    )
    overlap: int = setting(
        "tokens that neighbours share, exactly or (text, markdown) at most", least=0
    )
    limit: int | None = setting("use only this many chunks; null = all", least=1)
    files: bool = setting(
        "write each chunk as a file of its own, too, which external tools read; false for corpora"
    )


@dataclass(kw_only=True)
class GenConfig:
    """Sampling, and how requests are sent."""

    temperature: float = setting("randomness of the replies", least=0, most=2)
    top_p: float = setting("nucleus sampling: share of the probability kept", above=0, most=1)
    max_tokens: int = setting("longest reply in tokens", least=16)
    concurrency: int | None = setting("requests in flight; null = what the server takes", least=1)
    structured: bool = setting("make the server enforce the JSON schema of the reply")
    timeout_s: float = setting("longest wait for one reply, in seconds", above=0)
    max_retries: int = setting("tries after the first, for errors that may pass", least=0, most=100)
    max_reasks: int = setting(
        "further requests for a chunk whose reply was cut off, or holds no pair", least=0, most=20
    )
    reuse: bool = setting(
        "use the replies that earlier runs had to the same requests, and keep this run's for others"
    )
    max_failed_frac: float = setting(
        "end the run when a larger share of the chunks fails", least=0, most=1
    )


@dataclass(kw_only=True)
class QaConfig:
    """What is asked for."""

    kind: str = setting(
        "name of what is asked for, such as qa, cot or one of your own",
        accepts=is_word,
        expected="letters, digits, '-' and '_'",
    )
    engine: str = setting(
        "who asks the model: synth, or Meta's synthetic-data-kit as a baseline",
        choices=("synth", "synthetic-data-kit"),
    )
    command: list[str] | None = setting(
        "how to start synthetic-data-kit; null = version 0.0.5 of PyPI, by uv in an environment "
        "of its own"
    )
    num_pairs: int = setting("pairs of each chunk, or of so many as qa.chunks", least=1, most=200)
    chunks: int = setting(
        "chunks of one document that a request is about; text then holds them all", least=1, most=16
    )
    system: str = setting("system prompt")
    prompt: str = setting(
        "prompt; {{ text }} is the chunk, {{ num_pairs }} the number of pairs, {{ texts }} a list of "
        "the chunks where there are several",
        accepts=lambda value: isinstance(value, str) and "text" in value,
        expected="a Jinja template that uses {{ text }}",
    )
    schema: dict[str, Any] = setting(
        "JSON schema of what one pair is made from, an object; {} = question and answer, two texts"
    )
    question: str = setting(
        "the pair's question, from the schema's properties and what the prompt may use",
        accepts=is_text,
        expected="a Jinja template such as {{ question }}",
    )
    answer: str = setting(
        "the pair's answer, likewise",
        accepts=is_text,
        expected="a Jinja template such as {{ answer }}",
    )
