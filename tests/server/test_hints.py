"""The usual causes are recognised in a log."""

import pytest

from synth.server.hints import cause, hint, tail


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


def test_tail_is_the_end(tmp_path):
    path = tmp_path / "log"
    path.write_text("\n".join(map(str, range(100))))
    assert tail(path, 2) == "98\n99"
    assert tail(tmp_path / "none") == ""
