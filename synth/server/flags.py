"""Which flags the installed vLLM knows, so that a typo ends a run before anything starts.

vLLM itself is asked: its ``--help`` takes some twenty seconds on two cores, so the answer is kept
for each version of it.
"""

import difflib
import logging
import os
import re
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from synth.io import read_json, write_json
from synth.memory import vllm_build

log = logging.getLogger(__name__)

_FLAG = re.compile(r"(?<![\w-])--([a-z][\w-]*)")
_TIMEOUT_S = 300


def known_flags(program: Sequence[str], env: Mapping[str, str], folder: Path) -> frozenset[str]:
    """Return the long flags of this environment's vLLM, without their dashes.

    Empty if it can't be asked: then vLLM's own check at its start is what there is.

    Args:
        program: what starts vLLM's server.
        env: variables that it needs.
        folder: where the answer is kept.
    """
    kept = folder / f"vllm-flags-{'-'.join(vllm_build())}.json"
    with suppress(OSError, ValueError):
        return frozenset(read_json(kept)["flags"])
    log.info("server    asking vLLM which flags it knows, once for this version")
    flags = sorted(set(_FLAG.findall(_help_of(program, env))))
    if flags:
        write_json(kept, {"flags": flags})
    return frozenset(flags)


def unknown_flags(given: Iterable[str], known: Collection[str]) -> list[str]:
    """Return a sentence for each given flag that vLLM does not know, naming the nearest it does."""
    problems = []
    for name in given:
        flag = name.partition(".")[0]  # --compilation-config.mode sets a part of a mapping
        if flag in known:
            continue
        nearest = difflib.get_close_matches(flag, known, n=1)
        hint = f" Did you mean {nearest[0]}?" if nearest else ""
        problems.append(f"server.engine_args.{name}: vLLM has no such flag.{hint}")
    return problems


def _help_of(program: Sequence[str], env: Mapping[str, str]) -> str:
    try:
        asked = subprocess.run(
            [*program, "--help"],
            env=os.environ | env | {"VLLM_LOGGING_LEVEL": "ERROR"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout if asked.returncode == 0 else ""
