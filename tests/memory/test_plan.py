"""What is planned for a machine, and how a plan that can't fit is refused."""

from dataclasses import replace

import pytest

from synth.errors import ConfigError
from synth.memory import GIB, Gpu, Machine, describe_plan, make_plan

CPU = Machine(True, (0, 1), frozenset({"avx2"}), free_gib=20, total_gib=24)
FREE_H200 = Gpu("NVIDIA H200", 139.8, 139.0, (9, 0), "570")
L4 = Gpu("NVIDIA L4", 22.5, 22.0, (8, 9), "570")
T4 = Gpu("Tesla T4", 14.74, 14.6, (7, 5), "570")


def with_gpus(*gpus):
    return Machine(False, (0, 1), frozenset(), free_gib=100, total_gib=128, gpus=gpus)


@pytest.fixture
def plan(make_config, models):
    def make(machine, name, *overrides, weight_bytes=None):
        config = make_config(f"model.name={name}", *overrides)
        return make_plan(config, models.get(name, {}), weight_bytes, machine)

    return make


@pytest.fixture
def refusal(plan):
    def make(*arguments, **more):
        with pytest.raises(ConfigError) as caught:
            plan(*arguments, **more)
        return str(caught.value)

    return make


def test_bundled_model_on_a_cpu(plan):
    made = plan(CPU, "smollm2-135m")
    assert made.dtype == "float32"
    assert (made.max_num_seqs, made.max_num_batched_tokens) == (32, 4096)
    assert made.kv_cache_bytes == GIB
    assert made.gpu_memory_utilization is None
    assert made.expected.kv_tokens == 23_296  # as vLLM 0.32 reports it
    assert made.expected.weights_gib == pytest.approx(134_515_008 * 4 / GIB, rel=1e-3)


@pytest.mark.parametrize(
    ("free_gib", "length", "expected_gib"),
    [(20, 2048, 1), (20, 8192, 8 * 8192 * 92_160 / 2 / GIB), (8, 8192, 2), (2, 8192, 1)],
)
def test_cpu_cache_is_what_eight_sequences_fill(plan, free_gib, length, expected_gib):
    machine = replace(CPU, free_gib=free_gib)
    made = plan(machine, "smollm2-135m", f"model.max_seq_length={length}")
    assert made.kv_cache_bytes == pytest.approx(expected_gib * GIB)


def test_unknown_shape_is_planned_without_an_expectation(plan):
    made = plan(CPU, "unheard-of")
    assert made.expected is None
    assert made.kv_cache_bytes == 5 * GIB
    assert "unknown" in describe_plan(made, CPU)[1]


def test_unsloth_on_a_cpu_is_auto_with_fewer_sequences(plan):
    made = plan(CPU, "smollm2-135m", "memory=unsloth", "memory.conservativeness=0.5")
    assert made.max_num_seqs == 16
    assert made.kv_cache_bytes == GIB


def test_large_gpu(plan):
    made = plan(with_gpus(FREE_H200), "llama-3.1-8b")
    assert made.gpu_memory_utilization == 0.92
    assert made.dtype is None
    assert made.max_num_seqs == 256
    assert made.max_num_batched_tokens is None
    kept = made.expected
    assert kept.total_gib == pytest.approx(0.92 * 139.8)
    assert kept.weights_gib == pytest.approx(8_030_261_248 * 2 / GIB, rel=1e-3)
    blocks = int(kept.kv_cache_gib * GIB) // (16 * 2 * 32 * 8 * 128 * 2)
    assert kept.kv_tokens == pytest.approx(blocks * 16, abs=16)


@pytest.mark.parametrize(("free_gib", "share"), [(22.0, 0.92), (12.0, 0.51)])
def test_share_is_of_the_total_and_of_what_is_free(plan, free_gib, share):
    made = plan(with_gpus(replace(L4, free_gib=free_gib)), "qwen3-0.6b")
    assert made.gpu_memory_utilization == share


def test_flags_of_the_user_are_reckoned_with(plan):
    one = plan(with_gpus(FREE_H200), "llama-3.1-8b")
    flags = "server.engine_args={max-num-seqs: 64, tensor_parallel_size: 2, block-size: 32}"
    two = plan(with_gpus(FREE_H200, FREE_H200), "llama-3.1-8b", flags)
    assert two.max_num_seqs == 64
    assert two.expected.weights_gib == pytest.approx(one.expected.weights_gib / 2)
    assert two.expected.kv_tokens > 2 * one.expected.kv_tokens


def test_cache_of_a_given_size_on_a_gpu(plan):
    flags = "server.engine_args={kv-cache-memory-bytes: 1073741824}"
    made = plan(with_gpus(L4), "llama-3.2-3b", flags)
    assert made.kv_cache_bytes == GIB
    assert made.expected.kv_tokens == GIB // (16 * 2 * 28 * 8 * 128 * 2) * 16


def test_8_bits_hold_twice_the_tokens(plan):
    full = plan(with_gpus(L4), "llama-3.2-3b").expected.kv_tokens
    assert plan(with_gpus(L4), "llama-3.2-3b", "memory=float8").expected.kv_tokens == (
        pytest.approx(2 * full, rel=1e-4)
    )


def test_old_gpu_computes_in_float16(plan):
    assert plan(with_gpus(T4), "llama-3.2-3b").dtype == "float16"


def test_4_bit_name_is_planned_for_in_4_bits(make_config, models):
    config = make_config("model=llama8b")
    made = make_plan(config, models["llama-3.1-8b"], None, with_gpus(T4))
    by_hand = 32 * (41_943_040 + 176_160_768) * 4.5 / 8 + 2 * 128256 * 4096 * 2
    assert made.expected.weights_gib == pytest.approx(by_hand / GIB)


def test_unsloth_settings_on_a_gpu(plan):
    made = plan(with_gpus(FREE_H200), "llama-3.1-8b", "memory=unsloth", "model.max_seq_length=8192")
    assert made.gpu_memory_utilization == 0.9 * 139.0 / 139.8
    assert (made.max_num_batched_tokens, made.max_num_seqs) == (8192, 256)
    assert made.expected.total_gib == pytest.approx(0.9 * 139.0)


def test_unsloth_asks_for_no_more_than_vllm_finds_free(plan):
    made = plan(with_gpus(T4), "llama-3.2-3b", "memory=unsloth", "memory.gpu_memory_utilization=1")
    assert made.gpu_memory_utilization * 14.74 <= 14.6 - 0.5


def test_unsloth_does_not_shorten_what_fits(plan):
    # 22 of Gemma's 26 layers see 512 tokens; the original reckons that all see all, and shrinks to
    # 80,000 tokens what fits.
    overrides = ["memory=unsloth", "memory.gpu_memory_utilization=0.3"]
    made = plan(with_gpus(T4), "gemma-3-1b", *overrides, "model.max_seq_length=131072")
    assert made.max_seq_length == 131_072
    assert made.expected.concurrency > 1


def test_gpu_that_was_not_looked_into_is_left_to_vllm(plan):
    made = plan(with_gpus(), "llama-3.1-8b", "memory=half")
    assert made.expected is None
    assert made.gpu_memory_utilization == 0.45


# Refusals


def test_length_that_does_not_fit_is_refused_with_what_would(refusal, plan):
    text = refusal(with_gpus(L4), "llama-3.1-8b", "model.max_seq_length=65536")
    assert "model.max_seq_length=65536: one sequence takes 8.00 GiB" in text
    longest = text.partition("set model.max_seq_length=")[2].partition(" ")[0]
    made = plan(with_gpus(L4), "llama-3.1-8b", f"model.max_seq_length={longest}")
    assert 1 <= made.expected.concurrency < 1.01
    assert "memory.may_shorten=true" in text
    assert "smaller model" in text
    assert "gpu_memory_utilization" not in text  # more is not free


def test_refusal_names_the_share_that_would_fit(refusal, plan):
    asked = ["llama-3.1-8b", "memory.gpu_memory_utilization=0.75", "model.max_seq_length=8192"]
    text = refusal(with_gpus(L4), *asked)
    share = text.partition("set memory.gpu_memory_utilization=")[2].partition(",")[0]
    assert 0.75 < float(share) < 0.85
    made = plan(with_gpus(L4), *asked, f"memory.gpu_memory_utilization={share}")
    assert made.max_seq_length == 8192


def test_refusal_names_8_bits_where_they_would_do(refusal, plan):
    asked = ["llama-3.1-8b", "model.max_seq_length=40960"]
    assert "set memory.float8_kv_cache=true" in refusal(with_gpus(L4), *asked)
    assert plan(with_gpus(L4), *asked, "memory.float8_kv_cache=true").max_seq_length == 40_960


def test_length_is_shortened_where_that_is_allowed(plan):
    overrides = ["model.max_seq_length=65536", "memory.may_shorten=true"]
    made = plan(with_gpus(L4), "llama-3.1-8b", *overrides)
    assert 256 <= made.max_seq_length < 65_536
    assert made.max_seq_length % 16 == 0
    assert made.expected.concurrency >= 1
    assert "shortened" in describe_plan(made, with_gpus(L4))[-1]


def test_model_that_does_not_fit_is_refused(refusal):
    text = refusal(with_gpus(T4), "llama-3.1-8b", "memory=unsloth", "memory.may_shorten=true")
    assert "model.name=llama-3.1-8b: 15.0 GiB of weights" in text
    assert "4 bits" in text


def test_share_that_is_not_free_is_refused(refusal):
    gpu = replace(FREE_H200, free_gib=80)
    text = refusal(with_gpus(gpu), "llama-3.1-8b", "memory.gpu_memory_utilization=0.9")
    assert "memory.gpu_memory_utilization=0.9: that is 125.8 of 139.8 GiB, and 80.0 GiB" in text
    assert "set memory.gpu_memory_utilization=0.56" in text


def test_formats_that_the_device_lacks_are_refused_at_once(refusal):
    asked = ["memory.float8_kv_cache=true", "model.dtype=bfloat16"]
    text = refusal(with_gpus(T4), "llama-3.2-3b", *asked)
    assert "memory.float8_kv_cache=true: Tesla T4 can't; set it to false" in text
    assert "model.dtype=bfloat16: Tesla T4 can't; set model.dtype=float16" in text
    assert "without AVX-512" in refusal(CPU, "smollm2-135m", "memory.float8_kv_cache=true")


def test_flag_that_is_no_count_is_refused(refusal):
    text = refusal(CPU, "smollm2-135m", "server.engine_args={max-num-seqs: many}")
    assert "server.engine_args.max-num-seqs=many: expected a whole number" in text


def test_cpu_cache_that_does_not_fit_is_refused(refusal):
    text = refusal(CPU, "smollm2-135m", "memory.cpu_kv_cache_gib=30")
    assert "memory.cpu_kv_cache_gib=30.0: with the weights" in text
    assert "set it to 19.4 or less" in text


def test_length_on_a_cpu_is_refused_with_the_cache_that_would_do(refusal, plan):
    machine = replace(CPU, free_gib=8)
    asked = ["smollm2-135m", "model.max_seq_length=65536"]
    assert "set memory.cpu_kv_cache_gib=2.9" in refusal(machine, *asked)
    assert plan(machine, *asked, "memory.cpu_kv_cache_gib=2.9").max_seq_length == 65_536


def test_model_larger_than_the_main_memory_is_refused(refusal):
    assert "model.name=llama-3.1-8b: 29.9 GiB of weights" in refusal(CPU, "llama-3.1-8b")


def test_unsloth_needs_its_six_sizes(make_config, models):
    shape = models["llama-3.1-8b"]
    del shape["vocab_size"]
    with pytest.raises(ConfigError, match=r"memory\.mode=unsloth.*vocab_size.*memory\.mode=auto"):
        make_plan(make_config("memory=unsloth"), shape, 10**9, with_gpus(L4))


# The ladder


def test_ladder_takes_sequences_first_then_memory(plan):
    made = plan(with_gpus(L4), "llama-3.2-3b")
    steps = [(step.max_num_seqs, step.gpu_memory_utilization) for step in made.ladder()]
    assert steps == [(128, 0.92), (64, 0.92), (64, 0.782)]
    last = list(made.ladder())[-1].expected
    assert last.total_gib == pytest.approx(0.85 * 0.92 * 22.5, rel=1e-3)
    assert last.kv_tokens < made.expected.kv_tokens


def test_ladder_on_a_cpu_takes_from_the_cache(plan):
    steps = list(plan(CPU, "smollm2-135m").ladder())
    assert [step.max_num_seqs for step in steps] == [16, 8, 8]
    assert steps[-1].kv_cache_bytes == int(0.85 * GIB)
    assert steps[-1].expected.kv_tokens == pytest.approx(0.85 * 23_296, abs=1)


def test_ladder_leaves_what_the_user_set(plan):
    flags = "server.engine_args={max-num-seqs: 8}"
    asked = ["llama-3.2-3b", flags, "memory.gpu_memory_utilization=0.9"]
    assert list(plan(with_gpus(L4), *asked).ladder()) == []
    assert list(plan(CPU, "smollm2-135m", flags, "memory.cpu_kv_cache_gib=1").ladder()) == []


def test_ladder_never_goes_below_one_sequence(plan):
    full = ["smollm2-135m", "model.max_seq_length=8192", "memory.conservativeness=0"]
    made = plan(replace(CPU, free_gib=1.6), *full)
    assert made.max_num_seqs == 1
    assert all(step.expected.concurrency >= 1 for step in made.ladder())


# The table


def test_table_says_what_is_expected(plan):
    lines = describe_plan(plan(CPU, "smollm2-135m"), CPU)
    assert lines == [
        "memory    device    CPU, 20.0 GiB of memory free, float32 (mode auto)",
        "memory    weights       0.50 GiB",
        "memory    KV cache      1.00 GiB, 23,296 tokens",
        "memory    sequences     11.4 of 2,048 tokens fit, 32 at most at a time",
    ]
    machine = with_gpus(FREE_H200)
    lines = describe_plan(plan(machine, "llama-3.1-8b"), machine)
    assert lines[0] == (
        "memory    device    NVIDIA H200, 139.0 of 139.8 GiB free, utilisation 0.92 (mode auto)"
    )


@pytest.mark.parametrize("override", ["model.quantization=bitsandbytes", "model.name=x/y-bnb-4bit"])
def test_four_bits_of_bitsandbytes_need_a_gpu(refusal, override):
    assert "can't read what bitsandbytes has packed" in refusal(CPU, "smollm2-135m", override)
