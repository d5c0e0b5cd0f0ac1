"""From the configuration to argv and environment."""

from dataclasses import replace

import pytest

from synth.errors import ConfigError
from synth.memory import Machine, make_plan
from synth.models import Model
from synth.server.command import build_command

CPU = Machine(is_cpu_build=True, cpus=(0, 1), cpu_flags=frozenset({"avx2"}), free_gib=20)
GPU = Machine(is_cpu_build=False, cpus=(0, 1), cpu_flags=frozenset(), free_gib=20)
HUB = Model("owner/model", "owner/model", None, None)


@pytest.fixture
def build(make_config):
    def build(*overrides, machine=GPU, model=HUB):
        config = make_config(*overrides)
        plan = make_plan(config, model.shape, model.weight_bytes, machine)
        return build_command(config, model, plan, machine)

    return build


def value_of(argv, flag):
    return argv[argv.index(flag) + 1]


def test_flags_of_the_settings(build):
    argv = build("memory=half", "memory.float8_kv_cache=true", "model.max_seq_length=4096").argv
    assert argv[1:3] == ["-m", "vllm.entrypoints.openai.api_server"]
    assert value_of(argv, "--model") == "owner/model"
    assert value_of(argv, "--max-model-len") == "4096"
    assert value_of(argv, "--gpu-memory-utilization") == "0.45"
    assert value_of(argv, "--kv-cache-dtype") == "fp8"
    assert "--tokenizer" not in argv


def test_cpu_is_used_whole(build):
    command = build(machine=CPU)
    assert value_of(command.argv, "--dtype") == "float32"
    assert "--enforce-eager" in command.argv
    assert "--no-enable-chunked-prefill" in command.argv
    assert command.env["OMP_NUM_THREADS"] == "2"
    assert command.env["VLLM_TARGET_DEVICE"] == "cpu"


def test_asked_cpu_memory_is_given(build):
    argv = build("memory.cpu_kv_cache_gib=1.5", machine=CPU).argv
    assert value_of(argv, "--kv-cache-memory-bytes") == str(3 * 2**29)


@pytest.mark.parametrize(
    ("args", "flags"),
    [
        ("{max_num_seqs: 4}", ["--max-num-seqs", "4"]),
        ("{enable-prefix-caching: false}", ["--no-enable-prefix-caching"]),
        ("{async-scheduling: true}", ["--async-scheduling"]),
        ("{limit-mm-per-prompt: {image: 0}}", ["--limit-mm-per-prompt", '{"image": 0}']),
        ("{middleware: [a, b]}", ["--middleware", "a", "b"]),
    ],
)
def test_engine_args_become_flags(build, args, flags):
    argv = build(f"server.engine_args={args}").argv
    begin = argv.index(flags[0])
    assert argv[begin : begin + len(flags)] == flags


def test_engine_arg_wins_over_our_own_choice(build):
    argv = build("server.engine_args={enforce-eager: false}", machine=CPU).argv
    assert "--no-enforce-eager" in argv
    assert "--enforce-eager" not in argv


@pytest.mark.parametrize("name", ["model", "api_key", "hf-token", "port"])
def test_what_has_a_key_of_its_own_is_refused(build, name):
    with pytest.raises(ConfigError, match=r"server\.engine_args"):
        build(f"server.engine_args={{{name}: x}}")


def test_token_is_in_the_environment_alone(build):
    command = build("model.token=hf_marked")
    assert command.secret_env == {"HF_TOKEN": "hf_marked"}
    assert "hf_marked" not in repr(command)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (Model("unsloth/x-bnb-4bit", "t", None, None), "bitsandbytes"),
        (
            replace(HUB, shape={"quantization_config": {"quant_method": "bitsandbytes"}}),
            "bitsandbytes",
        ),
    ],
    ids=["name", "config"],
)
def test_four_bits_of_bitsandbytes_are_recognised(build, model, expected):
    argv = build(f"model.name={model.source}", model=model).argv
    assert value_of(argv, "--quantization") == expected
    assert value_of(argv, "--load-format") == expected


def test_quantization_that_is_asked_for_is_given(build):
    argv = build("model.quantization=fp8").argv
    assert value_of(argv, "--quantization") == "fp8"
    assert "--load-format" not in argv
