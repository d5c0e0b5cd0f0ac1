"""The baseline: Meta's synthetic-data-kit asks the model, over the chunks of a run.

It is started on folders of chunk files and takes one file after the other, each with a request for
a summary and then one for the pairs. So one process has one request in flight, and several work
side by side. What counts is the file that it writes for each chunk: its exit code is 0 even where
it failed, and a reply that it can't read leaves a file without pairs.
"""

import asyncio
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from synth.config import Config, QaConfig
from synth.errors import ConfigError, ReplyError, SynthError, ToolError
from synth.io import read_json, read_text
from synth.models import cache_dir
from synth.pool import FailureBudget
from synth.process import ProcessGroup
from synth.qa import Kind
from synth.records import Chunk, Endpoint, Failure, Pair

log = logging.getLogger(__name__)

RELEASE = "synthetic-data-kit==0.0.5"
MAX_PROCESSES = 16
"""Unless ``gen.concurrency`` asks for more; each takes 70 MiB, and 1.5 s of a core to start."""
QA_CONFIG = "synthetic_data_kit_config.yaml"

LOG = "synthetic_data_kit.log"
OUTPUT = "data/generated"
_POLL_S = 0.1
_NOT_ITS_OWN = ("HF_TOKEN", "OPENAI_API_KEY", "PYTHONHOME", "PYTHONPATH", "SYNTH_")
"""How variables begin that it does not get to see: secrets, and paths of our environment."""


def find_program(config: QaConfig) -> str:
    """Return the path of what starts synthetic-data-kit: that of ``qa.command``, or uv.

    Raises:
        ConfigError: if there is no such program.
    """
    if config.command is not None:
        program = shutil.which(config.command[0]) if config.command else None
        if program is None:
            raise ConfigError([f"qa.command={config.command}: there is no such program"])
        return str(Path(program).absolute())  # it works in another folder
    places = (os.environ.get("PATH", ""), Path(sys.executable).parent, cache_dir() / "tools/bin")
    uv = shutil.which("uv", path=os.pathsep.join(map(str, places)))
    if uv is None:
        raise ConfigError(["qa.engine=synthetic-data-kit needs uv: install it, or set qa.command"])
    return uv


def find_tool(config: QaConfig) -> list[str]:
    """Return the command that starts synthetic-data-kit, installed by uv if it is not there yet.

    Raises:
        ConfigError: if there is no such command, no uv, or nowhere to install it from.
    """
    program = find_program(config)
    if config.command is not None:
        return [program, *config.command[1:]]
    # In an environment of its own: beside vLLM it would change what vLLM has.
    source = ["--from", RELEASE, "--python", sys.executable]
    for network in (["--offline"], []):
        probe = [program, "tool", "run", *network, *source, "python", "-c", ""]
        done = subprocess.run(probe, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return [program, "tool", "run", "--offline", *source, "synthetic-data-kit"]
    raise ConfigError([f"qa.engine=synthetic-data-kit: uv can't install it: {done.stderr.strip()}"])


async def generate(
    chunks: Sequence[Chunk],
    folder: Path,
    tool: Sequence[str],
    endpoint: Endpoint,
    config: Config,
    budget: FailureBudget,
) -> AsyncGenerator[list[Pair] | Failure]:
    """Yield, for every chunk in order, its pairs or why there are none.

    Whatever ends the iteration, no process of the tool is left running.

    Args:
        folder: of the run, with the chunk files and ``QA_CONFIG`` in it.
        tool: starts synthetic-data-kit.

    Raises:
        BudgetExceeded: if more chunks fail than ``budget`` allows.
    """
    log.info("synthetic-data-kit takes no gen.structured, no gen.timeout_s and no seed")
    slots = config.gen.concurrency or min(endpoint.n_slots or MAX_PROCESSES, MAX_PROCESSES)
    shares = [chunks[number::slots] for number in range(min(slots, len(chunks)))]
    kind = Kind(config.qa)
    with _at_work(shares, folder, tool, _environment(endpoint)) as processes:
        for number, chunk in enumerate(chunks):
            result = await _attempt(chunk, kind, folder, processes[number % slots])
            yield result
            if isinstance(result, Failure):
                budget.spend(result.detail)


@contextmanager
def _at_work(
    shares: Sequence[Sequence[Chunk]], folder: Path, tool: Sequence[str], env: Mapping[str, str]
) -> Iterator[list[ProcessGroup]]:
    """Start a process for each share of the chunks; end them all."""
    with ExitStack() as stack:
        # It works in a folder of its own, where it leaves empty folders, and sees relative paths
        # only: what it prints of a path it reads as markup.
        stack.callback((folder / OUTPUT / "test_write.json").unlink, missing_ok=True)
        work = Path(stack.enter_context(TemporaryDirectory(prefix=".tool-", dir=folder)))
        processes = []
        for number, share in enumerate(shares):
            inputs = work / str(number)
            inputs.mkdir()
            for chunk in share:
                source = folder.absolute() / chunk.path
                (inputs / source.name).symlink_to(source)
            create = ["create", inputs.name, "--type", "qa", "-o", f"../{OUTPUT}"]
            argv = [*tool, "-c", f"../{QA_CONFIG}", *create]
            process = ProcessGroup(argv, env, folder / LOG, work)
            stack.callback(process.stop, grace_s=0)
            processes.append(process)
        yield processes


async def _attempt(
    chunk: Chunk, kind: Kind, folder: Path, process: ProcessGroup
) -> list[Pair] | Failure:
    try:
        output = await _await_output(folder, Path(chunk.path).stem, process)
        items = kind.whole(output.get("qa_pairs", []))
        pairs = kind.to_pairs([chunk], [read_text(folder / chunk.path)], items)
        if not pairs:
            raise ReplyError("synthetic-data-kit found no pair in the reply")
    except SynthError as error:
        return Failure(chunk.id, "generate", type(error).__name__, str(error))
    return pairs


async def _await_output(folder: Path, name: str, process: ProcessGroup) -> dict[str, Any]:
    path = folder / OUTPUT / f"{name}_qa_pairs.json"
    while True:
        has_ended = process.poll() is not None  # asked first: what it wrote until then counts
        with suppress(FileNotFoundError, ValueError):  # half a file is no JSON
            return read_json(path)
        said = (folder / LOG).read_text(encoding="utf-8", errors="replace")
        if failure := re.search(rf"✗ {re.escape(name)}\.txt: (.*)", said):
            raise ToolError(f"synthetic-data-kit: {failure[1]}")
        if has_ended:
            last = said.strip().rpartition("\n")[2]
            raise ToolError(f"synthetic-data-kit ended before this chunk; it said last: {last}")
        await asyncio.sleep(_POLL_S)


def _environment(endpoint: Endpoint) -> dict[str, str]:
    own = {n: value for n, value in os.environ.items() if not n.startswith(_NOT_ITS_OWN)}
    direct = [own.get("no_proxy") or own.get("NO_PROXY"), urlsplit(endpoint.base_url).hostname]
    return own | {
        "API_ENDPOINT_KEY": endpoint.api_key or "none",  # it wants one in any case
        "no_proxy": ",".join(filter(None, direct)),  # as our own client goes
        "COLUMNS": "10000",  # one line for each message of its log
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
    }
