"""Settings that are fine by themselves and contradict each other; pure."""

from collections import Counter
from collections.abc import Iterator

from synth.config.schema import STEPS, Config, ServerConfig

_NEEDS = {
    "chunk": "ingest",
    "config": "chunk",
    "generate": "chunk",
    "curate": "generate",
    "export": "generate",
}


def contradictions(config: Config) -> Iterator[str]:
    """Yield a sentence for each."""
    steps = set(config.steps)
    given = {"ingest", "chunk"} if config.shard_of is not None else set()
    for step in STEPS:
        if step in steps and (need := _NEEDS.get(step)) and need not in steps | given:
            yield f"steps: {step!r} needs {need!r}; add it"
    if "generate" in steps and "serve" not in steps and config.server.kind == "managed":
        yield "steps: 'generate' needs 'serve' (or server=external); add it"
    yield from _server_problems(config.server)
    if config.qa.engine == "synthetic-data-kit":
        yield from _tool_problems(config)
    elif config.qa.command is not None:
        yield "qa.command: only qa.engine=synthetic-data-kit starts it"
    yield from _curation_problems(config)
    yield from _budget_problems(config)


def _server_problems(server: ServerConfig) -> Iterator[str]:
    n = server.replicas
    if server.kind == "managed":
        if server.port and server.port + n - 1 > 65535:
            yield f"server.port={server.port}: server.replicas={n} needs as many ports from there on"
        return
    if n > 1:
        yield (
            f"server.replicas={n}: server=external starts no server; start them elsewhere, and name "
            "them all in server.api_base"
        )
    if not server.api_bases and server.endpoints_file is None:
        yield "server.api_base is missing: server=external needs its URL"
    for url, n_times in Counter(server.api_bases).items():
        if n_times > 1:
            yield f"server.api_base: {url} is listed {n_times} times"


def _tool_problems(config: Config) -> Iterator[str]:
    if "generate" in config.steps and not {"serve", "config"} <= set(config.steps):
        yield "steps: 'generate' with qa.engine=synthetic-data-kit needs 'serve' and 'config'"
    if config.qa.schema or config.qa.chunks > 1:
        yield (
            f"qa.kind={config.qa.kind}: synthetic-data-kit asks for the question and answer of one "
            "chunk only; choose qa=qa, or qa.engine=synth"
        )
    if not config.chunk.files:
        yield "chunk.files=false: synthetic-data-kit reads the chunks from their files"
    if config.model.chat_template_kwargs:
        yield (
            "model.chat_template_kwargs: synthetic-data-kit can't send them; take each out "
            "(~model.chat_template_kwargs.NAME) and let vLLM add them: "
            "server.engine_args={default-chat-template-kwargs: {NAME: …}}"
        )


def _curation_problems(config: Config) -> Iterator[str]:
    curate, export = config.curate, config.export
    if curate.judge == "endpoint" and curate.api_base is None:
        yield "curate.api_base is missing: curate.judge=endpoint needs its URL"
    if export.validation_frac + export.test_frac >= 1:
        yield (
            f"export.validation_frac={export.validation_frac} and export.test_frac="
            f"{export.test_frac} leave nothing to train on"
        )
    if export.push_to is not None and not {"parquet", "hf"} & set(export.formats):
        yield f"export.push_to={export.push_to}: needs hf or parquet among export.formats"


def _budget_problems(config: Config) -> Iterator[str]:
    size, overlap, chunks = config.chunk_size, config.chunk.overlap, config.qa.chunks
    room = config.model.max_seq_length - config.gen.max_tokens
    if room <= 0:
        yield (
            f"gen.max_tokens={config.gen.max_tokens}: leaves no room for a prompt in "
            f"model.max_seq_length={config.model.max_seq_length}"
        )
    elif config.chunk.size is None and size < 8:
        yield (
            f"gen.max_tokens={config.gen.max_tokens}: too long, max_seq_length − 2·max_tokens − 128"
            f" leaves {size} tokens for a chunk; lower it, or set chunk.size"
        )
    elif size * chunks >= room:
        several = f"{chunks} chunks (qa.chunks)" if chunks > 1 else "chunk"
        yield (
            f"chunk.size={size}: {several} and reply ({config.gen.max_tokens}) together exceed "
            f"model.max_seq_length={config.model.max_seq_length}"
        )
    elif overlap >= size:
        yield f"chunk.overlap={overlap}: expected less than the chunk's size of {size} tokens"
