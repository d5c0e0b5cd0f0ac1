"""What all tests with a real vLLM share."""

import re

import psutil
import pytest


@pytest.fixture(autouse=True)
def keep_cache(monkeypatch):
    """The bundled model is converted once for this machine, not for each test."""
    monkeypatch.delenv("SYNTH_CACHE")


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
