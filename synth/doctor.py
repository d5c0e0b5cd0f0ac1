"""``python -m synth doctor …``: what this machine has, what a run would do, and what is wrong.

No server is started. The first time, the bundled model is unpacked and vLLM is asked for its flags,
as a run would do. One line a finding.
"""

import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from synth.address import check_store
from synth.config import Config, ServerConfig
from synth.config.passwords import hide_password
from synth.curation import prepare_curation
from synth.endpoints import parse_urls
from synth.errors import SynthError
from synth.export import check_templates, check_token
from synth.external import find_program
from synth.memory import (
    CPU_BUILD,
    GIB,
    Machine,
    describe_plan,
    divide,
    find_tightest,
    make_plan,
    probe_machine,
    vllm_build,
)
from synth.models import cache_dir, needs_hub, resolve_model
from synth.qa import Kind, describe_shortage
from synth.server.address import find_port
from synth.server.command import build_command
from synth.serving import check_flags
from synth.sources import find_documents

_LEAST_FREE_GIB = 2.0
"""Of disk: results are small, but MLflow copies them, and vLLM compiles into its cache."""
_TIMEOUT_S = 5


@dataclass(frozen=True)
class Finding:
    """One line of the report; ``is_wrong`` says that a run would fail or disappoint."""

    topic: str
    text: str
    is_wrong: bool = False


def examine(config: Config) -> list[Finding]:
    """Return what there is to say of this machine and this configuration, topic by topic."""
    machine = probe_machine()
    findings = [*_machine(machine), *_disk()]
    findings += _checked("documents", lambda: _documents(config))
    findings += _checked("prompt", lambda: _prompt(config))
    findings += _checked("curation", lambda: _curation(config))
    if config.server.kind == "external":
        findings += _checked("server", lambda: _endpoints(config.server))
    else:
        findings += _checked("model", lambda: _model(config, machine))
        findings += _checked("server", lambda: _server(config))
    findings += _checked("tracking", lambda: _tracking(config))
    return findings


def tell(findings: list[Finding], console: Console) -> None:
    """Print the report."""
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        mark = "[red]✗[/]" if finding.is_wrong else "[green]✓[/]"
        table.add_row(mark, finding.topic, finding.text.replace("[", r"\["))
    console.print(table)
    n_wrong = sum(finding.is_wrong for finding in findings)
    console.print(f"{n_wrong} to mend" if n_wrong else "all is well", highlight=False)


def _checked(topic: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """Return what ``check`` finds; where it fails, its message is the finding."""
    found: list[Finding] = []
    try:
        found.extend(check())
    except (SynthError, OSError) as error:
        found += [Finding(topic, line, is_wrong=True) for line in str(error).splitlines()]
    return found


def _machine(machine: Machine) -> Iterator[Finding]:
    yield Finding(
        "machine",
        f"{len(machine.cpus)} cores, {machine.free_gib:.1f} of {machine.total_gib:.1f} GiB of "
        "memory free",
    )
    for gpu in machine.gpus:
        major, minor = gpu.compute_capability
        yield Finding(
            "GPU",
            f"{gpu.name}, {gpu.free_gib:.1f} of {gpu.total_gib:.1f} GiB free, compute capability "
            f"{major}.{minor}, driver {gpu.driver}",
        )
    yield from _vllm(machine)


def _vllm(machine: Machine) -> Iterator[Finding]:
    build, version = vllm_build()
    has_gpu = Path("/proc/driver/nvidia/version").exists()
    if not version:
        yield Finding("vLLM", "not installed: scripts/run installs it", is_wrong=True)
    elif build == CPU_BUILD and has_gpu:
        text = f"{version}, the CPU build, beside an NVIDIA GPU: use the extra gpu"
        yield Finding("vLLM", text, is_wrong=True)
    elif build == CPU_BUILD:
        yield Finding("vLLM", f"{version}, the CPU build")
    elif not machine.gpus:
        text = f"{version}, the CUDA build, and no GPU is seen: use the extra cpu"
        yield Finding("vLLM", text, is_wrong=True)
    else:
        yield Finding("vLLM", f"{version}, the CUDA build")


def _disk() -> Iterator[Finding]:
    places = (
        ("results", Path.cwd(), "hydra.run.dir moves them"),
        ("cache", cache_dir(), "SYNTH_CACHE moves it"),
    )
    for name, path, advice in places:
        free_gib = shutil.disk_usage(_existing(path)).free / GIB
        text = f"{free_gib:.1f} GiB free for {name} in {path}"
        is_full = free_gib < _LEAST_FREE_GIB
        yield Finding("disk", f"{text}; {advice}" if is_full else text, is_full)


def _documents(config: Config) -> Iterator[Finding]:
    sources = find_documents(config.docs_list)
    paths = [Path(source.name) for source in sources if not source.is_url]
    urls = f", {n} URLs" if (n := len(sources) - len(paths)) else ""
    mib = sum(path.stat().st_size for path in paths if path.exists()) / 2**20
    size = f"chunks of at most {config.chunk_size} tokens, {config.chunk.overlap} shared"
    yield Finding("documents", f"{len(paths)} files, {mib:.1f} MiB{urls}; {size}")


def _curation(config: Config) -> Iterator[Finding]:
    aids, curate = prepare_curation(config), config.curate
    told = [f"drops {len(curate.drop)} faults", f"judge: {curate.judge}"]
    if n_verdicts := len(aids.verdicts):
        told.append(f"{n_verdicts} verdicts by hand")
    if aids.evaluations:
        told.append("evaluations to keep clear of")
    yield Finding("curation", ", ".join(told))


def _prompt(config: Config) -> Iterator[Finding]:
    Kind(config.qa)
    check_templates(config)
    check_token(config)
    if config.qa.engine == "synthetic-data-kit":
        yield Finding("tool", f"synthetic-data-kit, by {find_program(config.qa)}")
    yield Finding(
        "prompt",
        f"{config.qa.kind}: {config.qa.num_pairs} pairs of {_chunks(config.qa.chunks)}, "
        f"temperature {config.gen.temperature:g}",
    )
    if shortage := describe_shortage(config):
        yield Finding("prompt", shortage, is_wrong=True)


def _chunks(number: int) -> str:
    return "a chunk" if number == 1 else f"{number} chunks"


def _model(config: Config, machine: Machine) -> Iterator[Finding]:
    if needs_hub(config.model):
        yield _hub(config)
    model = resolve_model(config.model)
    size = f", {model.weight_bytes / GIB:.2f} GiB of weights" if model.weight_bytes else ""
    yield Finding("model", f"{config.model.name}{size}")
    part = find_tightest(divide(machine, config))
    plan = make_plan(config, model.shape, model.weight_bytes, part)
    for line in describe_plan(plan, part, config.server.replicas):
        yield Finding("memory", line.removeprefix("memory").strip())
    check_flags(config, build_command(config, model, plan, part).env)
    if config.server.engine_args:
        yield Finding("flags", f"known to vLLM: {', '.join(config.server.engine_args)}")


def _hub(config: Config) -> Finding:
    url = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    if not _answers(url):
        return Finding("hub", f"{url} can't be reached; what is cached can be used")
    has_token = bool(config.model.token or os.environ.get("HF_TOKEN"))
    return Finding("hub", f"{url} answers; a token is {'set' if has_token else 'not set'}")


def _server(config: Config) -> Iterator[Finding]:
    host, first, n = config.server.host, config.server.port, config.server.replicas
    for port in range(first, first + n if first else 1):
        find_port(host, port)
    where = f"any free port of {host}"
    if first:
        where = f"{host}:{first}" + (f" to {first + n - 1}" if n > 1 else "")
    yield Finding("server", f"{f'{n} times ' if n > 1 else ''}vLLM on {where}")


def _endpoints(server: ServerConfig) -> Iterator[Finding]:
    urls, file = server.api_bases, server.endpoints_file
    if file is not None:
        if not file.exists():
            text = (
                f"external, {file} is not there yet: a run waits for it, server.timeout_s at most"
            )
            yield Finding("server", text)
            return
        urls, problems = parse_urls(file.read_text("utf-8", "replace"), file)
        yield from (Finding("server", problem, is_wrong=True) for problem in problems)
        yield Finding("server", f"external, {len(urls)} endpoints in {file}")
    yield from map(_external, urls)


def _external(url: str) -> Finding:
    if _answers(f"{url}/models"):
        return Finding("server", f"external, {hide_password(url)} answers")
    return Finding("server", f"external, {hide_password(url)} does not answer", is_wrong=True)


def _tracking(config: Config) -> Iterator[Finding]:
    uri, shown = config.tracking.uri, hide_password(config.tracking.uri)
    check_store(config.tracking)
    if config.tracking.kind == "none":
        yield Finding("tracking", "none")
    elif uri.startswith("sqlite:///") and not _is_writable(Path(uri.removeprefix("sqlite:///"))):
        yield Finding("tracking", f"{shown} can't be written; set tracking.uri", is_wrong=True)
    elif uri.startswith("http") and not _answers(f"{uri.rstrip('/')}/health"):
        yield Finding("tracking", f"{shown} does not answer; set tracking.uri", is_wrong=True)
    else:
        yield Finding("tracking", f"MLflow, {shown}")


def _is_writable(path: Path) -> bool:
    place = _existing(path)
    return os.access(place, os.W_OK) and (place == path or place.is_dir())


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=_TIMEOUT_S).close()  # noqa: S310  (the user's own)
    except urllib.error.HTTPError as error:
        return error.code in (401, 403)  # it is there, and wants a key
    except (OSError, ValueError, http.client.HTTPException):
        return False
    return True


def _existing(path: Path) -> Path:
    """Return the path or the nearest parent that exists."""
    return next(place for place in (path, *path.absolute().parents) if place.exists())
