"""What this machine has, and what a server on it should take.

:func:`make_plan` is the door: configuration, model and machine in, the settings for vLLM out.
"""

from synth.memory.machine import (
    CPU_BUILD,
    GIB,
    Gpu,
    Machine,
    choose_cpu_dtype,
    probe_machine,
    vllm_build,
)
from synth.memory.parallel import Spread, divide, find_tightest, read_spread, share_evenly
from synth.memory.plan import Expected, Plan, make_plan
from synth.memory.table import describe_plan
from synth.memory.weights import resolve_quantization

__all__ = [
    "CPU_BUILD",
    "GIB",
    "Expected",
    "Gpu",
    "Machine",
    "Plan",
    "Spread",
    "choose_cpu_dtype",
    "describe_plan",
    "divide",
    "find_tightest",
    "make_plan",
    "probe_machine",
    "read_spread",
    "resolve_quantization",
    "share_evenly",
    "vllm_build",
]
