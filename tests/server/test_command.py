"""From the configuration to argv and environment."""

from dataclasses import replace

import pytest

from synth.errors import ConfigError
from synth.memory import Gpu, Machine, divide, make_plan
from synth.models import Model
from synth.server.command import build_command, build_ladders
from synth.server.lease import fingerprint

CPU = Machine(is_cpu_build=True, cpus=(0, 1), cpu_flags=frozenset({"avx2"}), free_gib=20)
GPU = Machine(is_cpu_build=False, cpus=(0, 1), cpu_flags=frozenset(), free_gib=20)
GPUS = replace(
    GPU,
    gpus=(Gpu("NVIDIA H200", 139.8, 139.0, (9, 0), "570"),) * 8,
    visible=tuple(map(str, range(8))),
)
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


@pytest.fixture
def ladders(make_config):
    def build(*overrides, machine=GPUS):
        config = make_config(*overrides)
        plan = make_plan(config, {}, None, divide(machine, config)[0])
        return build_ladders(config, HUB, plan, machine)

    return build


def test_parallelism_inside_a_server_reaches_vllm(build):
    flags = {
        "data-parallel-size": "2",
        "tensor-parallel-size": "2",
        "pipeline-parallel-size": "2",
        "distributed-executor-backend": "ray",
        "data-parallel-backend": "ray",
        "nnodes": "2",
        "master-addr": "10.0.0.1",
    }
    told = ", ".join(f"{name.replace('-', '_')}: {value}" for name, value in flags.items())
    argv = build(f"server.engine_args={{{told}}}", machine=GPUS).argv
    assert {name: value_of(argv, f"--{name}") for name in flags} == flags


def test_each_engine_of_a_server_has_slots_of_its_own(build):
    assert build(machine=GPUS).n_slots == 256
    assert build("server.engine_args={data-parallel-size: 4}", machine=GPUS).n_slots == 1024


def test_servers_differ_by_their_part_alone(ladders):
    two = ladders("server.replicas=2", "server.engine_args={tensor-parallel-size: 2}")
    envs = [ladder[0].env for ladder in two]
    assert [env["CUDA_VISIBLE_DEVICES"] for env in envs] == ["0,1", "2,3"]
    assert [env["SYNTH_REPLICA"] for env in envs] == ["1 of 2", "2 of 2"]
    assert two[0][0].argv == two[1][0].argv
    assert [len(ladder) for ladder in two] == [4, 4]


def test_fingerprints_are_equal_for_equal_settings_and_parts(ladders):
    first, again = ladders("server.replicas=2"), ladders("server.replicas=2")
    prints = [[fingerprint(ladder[0]) for ladder in two] for two in (first, again)]
    assert prints[0] == prints[1]
    assert len(set(prints[0])) == 2


def test_one_server_has_no_mark(build):
    assert not {"SYNTH_REPLICA", "CUDA_VISIBLE_DEVICES"} & set(build(machine=GPUS).env)


@pytest.mark.parametrize(("port", "ports"), [(0, [0, 0, 0]), (8000, [8000, 8001, 8002])])
def test_ports_of_several_servers(ladders, port, ports):
    made = ladders("server.replicas=3", f"server.port={port}")
    assert [ladder[-1].port for ladder in made] == ports


def test_small_cpu_is_shared_by_threads(ladders):
    envs = [ladder[0].env for ladder in ladders("server.replicas=2", machine=CPU)]
    assert [env["OMP_NUM_THREADS"] for env in envs] == ["1", "1"]
    assert "CUDA_VISIBLE_DEVICES" not in envs[0]


def test_large_cpu_is_shared_by_cores(ladders):
    machine = replace(CPU, cpus=tuple(range(64)), cores=tuple(range(32)), free_gib=200)
    envs = [ladder[0].env for ladder in ladders("server.replicas=2", machine=machine)]
    assert [env["VLLM_CPU_OMP_THREADS_BIND"] for env in envs] == [
        ",".join(map(str, range(15))),
        ",".join(map(str, range(16, 31))),
    ]
    assert "VLLM_CPU_OMP_THREADS_BIND" not in ladders(machine=machine)[0][0].env


def test_workers_on_a_cpu_have_cores_of_their_own(build):
    flags = "server.engine_args={pipeline-parallel-size: 2}"
    env = build(flags, machine=replace(CPU, cpus=(0, 1, 2, 3))).env
    assert (env["OMP_NUM_THREADS"], env["VLLM_CPU_OMP_THREADS_BIND"]) == ("2", "0,1|2,3")
