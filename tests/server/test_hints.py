"""The usual causes are recognised in a log."""

import pytest

from synth.server.hints import cause, hint, is_out_of_memory, tail


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate", "out of memory"),
        ("ValueError: Free memory on device cuda:0 (1/80 GiB) is less than desired", "memory"),
        ("OSError: [Errno 98] Address already in use", "server.port=0"),
        ("GatedRepoError: 403 Client Error.", "HF_TOKEN"),
        ("OSError: x/y is not a local folder and is not a valid model identifier", "model.name"),
        ("RuntimeError: Failed to infer device type", "extra gpu"),
        ("api_server.py: error: unrecognized arguments: --foo", "server.engine_args"),
        ("ModuleNotFoundError: No module named 'vllm'", "scripts/run"),
        ("ValueError: User-specified max_model_len (9) is greater than", "max_seq_length"),
    ],
)
def test_cause_gives_advice(line, word):
    assert word in hint(f"INFO starting\n{line}\nINFO end")


def test_unknown_cause_gives_none():
    assert hint("all is well") == ""


def test_first_exception_is_the_cause():
    text = "(Worker pid=1) ERROR RuntimeError: root\nERROR EngineDeadError: follows"
    assert cause(text) == "RuntimeError: root"


def test_exception_without_a_message_is_a_cause():
    text = "    raise RuntimeError(\n[core.py:1] AssertionError\nRuntimeError: see above"
    assert cause(text) == "AssertionError"


def test_advice_that_names_an_exception_is_no_cause():
    text = "may cause `OSError: [Errno 24] Too many open files`.\nRuntimeError: root"
    assert cause(text) == "RuntimeError: root"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("DefaultCPUAllocator: can't allocate memory: you tried to allocate 7077888 bytes", True),
        ("torch.OutOfMemoryError: CUDA out of memory.", True),
        ("ValueError: No available memory for the cache blocks.", False),
        ("ImportError: no", False),
    ],
)
def test_memory_that_a_smaller_start_needs_less_of(line, expected):
    assert is_out_of_memory(line) is expected


def test_killed_server_hints_at_the_kernel():
    assert "dmesg" in hint("INFO loading", -9)


def test_tail_is_the_end(tmp_path):
    path = tmp_path / "log"
    path.write_text("\n".join(map(str, range(100))))
    assert tail(path, 2) == "98\n99"
    assert tail(tmp_path / "none") == ""
