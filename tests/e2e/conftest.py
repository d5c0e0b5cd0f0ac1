"""What all tests with a real vLLM share."""

import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from synth.models import cache_dir
from synth.replies import NAME


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory) -> Iterator[Path]:
    """The bundled model is converted once for this machine; replies of other tests are not found."""
    own, folder = cache_dir(), tmp_path_factory.mktemp("cache")
    (own / "models").mkdir(parents=True, exist_ok=True)
    for path in own.iterdir():
        if not path.name.startswith(NAME):
            (folder / path.name).symlink_to(path)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SYNTH_CACHE", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def keep_cache(monkeypatch, cache: Path) -> None:
    """Use it in each test, without a reply in it."""
    monkeypatch.setenv("SYNTH_CACHE", str(cache))
    for file in cache.glob("replies.db*"):
        file.unlink()


def vllm_processes() -> list[psutil.Process]:
    """Return every process of a managed vLLM: server, engine and workers."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "name", "status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE
        and re.search(
            r"vllm\.entrypoints|VLLM::|synth\.server\.supervisor|kill -KILL 0",
            " ".join([process.info["name"], *(process.info["cmdline"] or [])]),
        )
    ]
