"""The schema: one dataclass a group, one :func:`setting` a key.

A setting says what its type can't: meaning, unit, range. The check at the door and ``--help`` read
it from there, so a key is described once. There are no default values here: ``conf/`` has them.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synth.config.curation import CurateConfig, ExportConfig
from synth.config.dataset import ChunkConfig, GenConfig, IngestConfig, QaConfig
from synth.config.setting import (
    QUALITY,
    are_urls_or_a_file_if_any,
    is_file_name,
    is_metric,
    is_one_or_more_texts,
    is_text,
    path_of,
    setting,
)

STEPS = ("serve", "ingest", "chunk", "config", "generate", "curate", "export")
"""The steps of a run in their order."""


@dataclass(kw_only=True)
class ModelConfig:
    """The model that answers, and the tokenizer that counts."""

    name: str = setting(
        "Hugging Face id, local folder, or bundled/smollm2",
        accepts=is_text,
        expected="a Hugging Face id or a folder",
    )
    tokenizer: str | None = setting(
        "Hugging Face id or folder of the tokenizer; null = the model's"
    )
    revision: str | None = setting("branch, tag or commit on the hub; null = its main branch")
    dtype: str = setting(
        "number format of the weights; auto = the fastest that this machine computes",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    max_seq_length: int = setting("prompt and reply together, in tokens", least=256, most=4_194_304)
    quantization: str | None = setting(
        "vLLM's name for how the weights are packed, such as bitsandbytes, fp8 or awq; null = what "
        "the model says",
        accepts=is_text,
        expected="a name that vLLM knows, such as bitsandbytes",
    )
    token: str | None = setting(
        "Hugging Face token; null = HF_TOKEN of the environment", secret=True
    )
    chat_template_kwargs: dict[str, Any] = setting("values that the model's chat template reads")


@dataclass(kw_only=True)
class MemoryConfig:
    """What vLLM may take."""

    mode: str = setting(
        "auto = from the model's shape and what is free now; unsloth = the original's arithmetic",
        choices=("auto", "unsloth"),
    )
    gpu_memory_utilization: float | None = setting(
        "share of the GPU's memory that vLLM takes; null = 0.92, or what is free. mode=unsloth: of "
        "what is free; without a GPU: of the free main memory",
        above=0,
        most=1,
    )
    conservativeness: float = setting(
        "share of the sequences at a time that the plan would allow", least=0, most=1
    )
    may_shorten: bool = setting(
        "shorten model.max_seq_length to what fits, where the run would be refused"
    )
    float8_kv_cache: bool = setting("keep the KV cache in 8 bits: twice the tokens in its memory")
    cpu_kv_cache_gib: float | None = setting(
        "KV cache on a machine without a GPU, in GiB; null = from the free memory", above=0
    )


@dataclass(kw_only=True)
class ServerConfig:
    """The server that generates: vLLM as a child of the run, or an endpoint that is there."""

    kind: str = setting(
        "managed = start vLLM; external = use server.api_base", choices=("managed", "external")
    )
    api_base: Any = setting(
        "URL of a running OpenAI-compatible endpoint, with its /v1, a list of them that share the "
        "requests, or a file with a URL on each line, which may change while the run goes on",
        accepts=are_urls_or_a_file_if_any,
        expected="a URL such as http://127.0.0.1:8000/v1, a list of them, a file such as "
        "/shared/endpoints.txt or file:endpoints.txt, or null",
    )
    api_key: str | None = setting(
        "key of the external endpoint; null = OPENAI_API_KEY of the environment", secret=True
    )
    model: str | None = setting("name to ask the endpoint for; null = the one that it lists")
    host: str = setting(
        "address that the managed server listens on", accepts=is_text, expected="an address"
    )
    port: int = setting(
        "port of the managed server, or of the first of several; 0 = any free one",
        least=0,
        most=65535,
    )
    replicas: int = setting(
        "servers to start side by side, each on its own part of the machine: its GPUs, or its share "
        "of the cores and of the memory",
        least=1,
    )
    timeout_s: float = setting("longest wait until the server is ready, in seconds", above=0)
    max_restarts: int = setting(
        "times that a managed server, each of several, is started again when it has died or hangs; "
        "0 = it is given up the first time",
        least=0,
    )
    stall_s: float | None = setting(
        "seconds without a token or a finished request, while there are requests, after which a "
        "managed server counts as hung; null = never",
        above=0,
    )
    engine_args: dict[str, Any] = setting("any flag of vLLM: {max-num-seqs: 64, …}")
    command: list[str] | None = setting(
        "what to start instead of this environment's vLLM, such as another one's Python with "
        "-m vllm.entrypoints.openai.api_server"
    )

    @property
    def api_bases(self) -> list[str]:
        """The URLs of ``api_base``, whichever way it was written; without slashes at the ends."""
        if self.endpoints_file is not None:
            return []
        given = self.api_base if isinstance(self.api_base, list) else [self.api_base or ""]
        return [url.rstrip("/") for url in given if url]

    @property
    def endpoints_file(self) -> Path | None:
        """The file that ``api_base`` names in place of URLs."""
        return path_of(self.api_base) if isinstance(self.api_base, str) else None


@dataclass(kw_only=True)
class TrackingConfig:
    """Where runs are logged."""

    kind: str = setting("mlflow, or none", choices=("mlflow", "none"))
    uri: str = setting(
        "MLflow store: sqlite:///…, where a relative path starts in the current folder; http://… of "
        "an MLflow server; or postgresql://…. A password in it is neither shown nor saved",
        accepts=is_text,
        expected="sqlite:///…, http://… or postgresql://…",
        may_hold_password=True,
    )
    experiment: str = setting(
        "MLflow experiment that collects the runs", accepts=is_text, expected="a name"
    )
    traces: int = setting(
        "how many chunks, at most, have their calls kept as traces: prompt, reply, tokens, times; 0 = none",
        least=0,
    )
    wait_s: float = setting(
        "longest wait for a store that is away when a run or sweep ends, in seconds; 0 = none. What "
        "it could not take is kept beside the run, and sent by resume=",
        least=0,
    )
    artifacts: str | None = setting(
        "folder or URI that takes the files of the runs when the experiment is made; null = beside "
        "an sqlite store, outputs/mlartifacts for another database, and what an MLflow server says",
        accepts=is_text,
        expected="a folder, a URI such as s3://bucket/runs, or null",
    )


@dataclass(kw_only=True)
class CostConfig:
    """Prices, in any currency; null = it costs nothing that is counted."""

    gpu_hour: float | None = setting("price of one GPU for one hour of its time", least=0)
    million_prompt_tokens: float | None = setting("price of 1,000,000 prompt tokens", least=0)
    million_cached_tokens: float | None = setting(
        "price of 1,000,000 prompt tokens from the prefix cache; null = as other prompt tokens",
        least=0,
    )
    million_output_tokens: float | None = setting("price of 1,000,000 output tokens", least=0)


@dataclass(kw_only=True)
class Config:
    """One experiment."""

    docs: Any = setting(
        "a file, a folder, a glob, a URL, or a list of them",
        accepts=is_one_or_more_texts,
        expected="a path or a list of paths",
    )
    steps: list[str] = setting("steps to run: " + ", ".join(STEPS), choices=STEPS)
    seed: int = setting("seed of every random choice", least=0, most=2**63 - 1)
    name: str = setting(
        "name of the run, part of its folder's name",
        accepts=is_file_name,
        expected="letters, digits, '-', '_' and '.'",
    )
    tags: dict[str, Any] = setting("free tags for the tracker: {team: docs, …}")
    objective: str = setting(
        "metric that decides which job of a sweep is best; with a '-' before it the lowest is; "
        "quality = quality/overall",
        accepts=is_metric,
        expected="a metric's name such as quality/kept_frac",
    )
    report: bool = setting("write report.html and plots of each run; a sweep has its own")
    resume: str | None = setting("folder of a run or sweep to go on with, as it was configured")
    shards: int | None = setting(
        "parts of about the same size to have the documents asked about in, wherever the launcher runs "
        "jobs; null = the run asks itself",
        least=1,
    )
    shard_of: int | None = setting(
        "stands in the folder of a shard, where a run has written it: how many chunks the whole run "
        "has; null = this is a whole run",
        least=1,
    )
    model: ModelConfig = field(default_factory=ModelConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    server: ServerConfig = field(default_factory=ServerConfig)
    ingest: IngestConfig = field(default_factory=IngestConfig)
    chunk: ChunkConfig = field(default_factory=ChunkConfig)
    gen: GenConfig = field(default_factory=GenConfig)
    qa: QaConfig = field(default_factory=QaConfig)
    curate: CurateConfig = field(default_factory=CurateConfig)
    export: ExportConfig = field(default_factory=ExportConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    cost: CostConfig = field(default_factory=CostConfig)

    def __post_init__(self) -> None:
        if self.objective.removeprefix("-") == QUALITY:
            self.objective += "/overall"

    @property
    def docs_list(self) -> list[str]:
        """``docs`` as a list, whichever way it was written."""
        return list(self.docs) if isinstance(self.docs, list) else [self.docs]

    @property
    def chunk_size(self) -> int:
        """Tokens of the longest chunk.

        Source: Unsloth's ``chunk_data`` leaves room for two replies and 128 tokens of prompt. What
        is left is shared by the chunks of a request.
        """
        if self.chunk.size is not None:
            return self.chunk.size
        return (self.model.max_seq_length - 2 * self.gen.max_tokens - 128) // self.qa.chunks
