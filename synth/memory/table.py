"""The plan as a few aligned lines for a log."""

from synth.memory.machine import Machine
from synth.memory.plan import Plan


def describe_plan(plan: Plan, machine: Machine, n_replicas: int = 1) -> list[str]:
    """Return what is expected of a start, one line each for device, weights, KV cache, settings.

    Args:
        machine: what one server has of it.
        n_replicas: servers that are started with the plan.
    """
    rows = [("device", _device(plan, machine))]
    if n_replicas > 1:
        rows.append(("servers", f"x {n_replicas}, each with {_part(machine)} and what follows"))
    if plan.expected is None:
        rows.append(
            ("expected", "unknown: vLLM decides, for this model or GPU can't be looked into")
        )
    else:
        expected = plan.expected
        rows += [
            ("weights", f"{expected.weights_gib:8.2f} GiB"),
            ("KV cache", f"{expected.kv_cache_gib:8.2f} GiB, {expected.kv_tokens:,} tokens"),
        ]
        if expected.overhead_gib:
            rows.append(("other", f"{expected.overhead_gib:8.2f} GiB of working memory, about"))
        fits = f"{expected.concurrency:8.1f} of {plan.max_seq_length:,} tokens fit"
        rows.append(("sequences", f"{fits}, {plan.max_num_seqs} at most at a time"))
    if plan.max_seq_length < plan.asked_seq_length:
        rows.append(
            ("shortened", f"from {plan.asked_seq_length:,} to {plan.max_seq_length:,} tokens")
        )
    return [f"memory    {name:<10}{text}" for name, text in rows]


def _part(machine: Machine) -> str:
    if machine.is_cpu_build:
        n, name = len(machine.cpus), "core"
    else:
        n, name = len(machine.visible), "GPU"
    return f"{n} {name}{'' if n == 1 else 's'}" if n else "GPUs that Ray finds"


def _device(plan: Plan, machine: Machine) -> str:
    dtype = f", {plan.dtype}" if plan.dtype else ""
    if machine.is_cpu_build:
        return f"CPU, {machine.free_gib:.1f} GiB of memory free{dtype} (mode {plan.mode})"
    share = plan.gpu_memory_utilization
    limit = f", utilisation {share:.4g}" if share else ""
    if not machine.gpus:
        return f"GPU, not looked into{limit}{dtype} (mode {plan.mode})"
    gpu = min(machine.gpus, key=lambda gpu: gpu.free_gib)
    free = f"{gpu.free_gib:.1f} of {gpu.total_gib:.1f} GiB free"
    return f"{gpu.name}, {free}{limit}{dtype} (mode {plan.mode})"
