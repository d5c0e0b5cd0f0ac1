"""What is seen of a machine."""

import sys
from types import SimpleNamespace

import pytest

from synth.memory import GIB, Gpu, Machine, choose_cpu_dtype, probe_machine
from synth.memory.machine import choose_visible, probe_gpus

UUIDS = ["GPU-aa1", "GPU-ab2", "GPU-bb3"]


@pytest.mark.parametrize(
    ("flags", "dtype"),
    [(["avx2"], "float32"), (["avx512_bf16"], "bfloat16"), (["amx_bf16", "avx2"], "bfloat16")],
)
def test_dtype_is_what_the_cpu_computes(flags, dtype):
    assert choose_cpu_dtype(Machine(True, (0, 1), frozenset(flags), 20)) == dtype


def test_this_machine_is_seen():
    seen = probe_machine()
    assert seen.cpus
    assert seen.cpu_flags
    assert 0 < seen.free_gib < seen.total_gib


@pytest.mark.parametrize(
    ("visible", "chosen"),
    [
        (None, UUIDS),
        ("", []),
        ("1", ["GPU-ab2"]),
        ("2,0", ["GPU-bb3", "GPU-aa1"]),
        ("GPU-b", ["GPU-bb3"]),
        ("GPU-a", []),  # it could be two
        ("0,7,1", ["GPU-aa1"]),  # the list ends where it is wrong
        ("-1", []),
    ],
)
def test_gpus_that_cuda_would_show(visible, chosen):
    assert choose_visible(UUIDS, visible) == chosen


class NVMLError(Exception):
    pass


def fake_nvml(**overrides):
    """The driver's library, with one GPU."""
    memory = SimpleNamespace(total=16 * GIB, free=15 * GIB)
    functions = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlSystemGetDriverVersion": lambda: "570.86",
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetUUID": lambda handle: UUIDS[handle],
        "nvmlDeviceGetMemoryInfo": lambda handle: memory,
        "nvmlDeviceGetName": lambda handle: "Tesla T4",
        "nvmlDeviceGetCudaComputeCapability": lambda handle: [7, 5],
    }
    return SimpleNamespace(**functions | overrides, NVMLError=NVMLError)


def test_gpu_is_seen(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml())
    assert probe_gpus(None) == (Gpu("Tesla T4", 16, 15, (7, 5), "570.86"),)
    assert probe_gpus("") == ()


def test_no_driver_means_no_gpus(monkeypatch):
    def fail():
        raise NVMLError

    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(nvmlInit=fail))
    assert probe_gpus(None) == ()
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert probe_gpus(None) == ()
