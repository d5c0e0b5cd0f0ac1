"""Over which devices servers are spread, and what is refused, on planned machines."""

from dataclasses import replace

import pytest

from synth.errors import ConfigError
from synth.memory import GIB, Gpu, Machine, describe_plan, divide, find_tightest, make_plan
from synth.memory import read_spread as read
from synth.memory.machine import find_cores, name_visible
from synth.memory.parallel import share_evenly

H200 = Gpu("NVIDIA H200", 139.8, 139.0, (9, 0), "570")
CPU = Machine(True, tuple(range(8)), frozenset({"avx2"}), free_gib=20, total_gib=24)
EIGHT = Machine(
    False,
    (0, 1),
    frozenset(),
    free_gib=100,
    gpus=(H200,) * 8,
    visible=tuple(map(str, range(8))),
)
PARALLEL = "server.engine_args={tensor-parallel-size: %d, pipeline_parallel_size: %d, data-parallel-size: %d}"


@pytest.fixture
def parts(make_config):
    return lambda machine, *overrides: divide(machine, make_config(*overrides))


@pytest.fixture
def refusal(parts):
    def make(*arguments):
        with pytest.raises(ConfigError) as caught:
            parts(*arguments)
        return str(caught.value)

    return make


def names(parts):
    return [",".join(part.visible) for part in parts]


def test_one_server_has_the_machine_as_it_is(parts):
    assert parts(EIGHT) == [EIGHT]
    assert parts(CPU) == [CPU]


def test_each_server_has_as_many_gpus_as_its_sizes_ask_for(parts):
    assert names(parts(EIGHT, "server.replicas=3")) == ["0", "1", "2"]
    assert names(parts(EIGHT, "server.replicas=2", PARALLEL % (2, 1, 2))) == ["0,1,2,3", "4,5,6,7"]
    made = parts(EIGHT, "server.replicas=4", PARALLEL % (1, 2, 1))
    assert [(len(part.gpus), part.part) for part in made][::3] == [(2, "1 of 4"), (2, "4 of 4")]


def test_gpus_keep_the_names_that_the_environment_has_for_them(parts):
    machine = replace(EIGHT, gpus=(H200,) * 3, visible=("GPU-aa", "5", "GPU-cc"))
    assert names(parts(machine, "server.replicas=3")) == ["GPU-aa", "5", "GPU-cc"]


def test_gpus_that_could_not_be_looked_at_are_numbered(parts):
    blind = replace(EIGHT, gpus=(), visible=())
    assert names(parts(blind, "server.replicas=2", PARALLEL % (2, 1, 1))) == ["0,1", "2,3"]
    assert names(parts(replace(blind, visible=("6", "7")), "server.replicas=2")) == ["6", "7"]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            ["server.replicas=9"],
            "server.replicas=9 takes 9 GPUs, and 8 are visible; set server.replicas to 8 or less",
        ),
        (
            ["server.replicas=4", PARALLEL % (2, 1, 2)],
            "tensor-parallel-size=2 × data-parallel-size=2 takes 16 GPUs, and 8 are visible",
        ),
        (
            [PARALLEL % (16, 1, 1)],
            "takes 16 GPUs, and 8 are visible; set the sizes to 8 GPUs or less, or distributed-exec",
        ),
        (["server.replicas=2", "server.engine_args={nnodes: 2}"], "server.engine_args.nnodes=2"),
        (["server.engine_args={tensor-parallel-size: two}"], "tensor-parallel-size=two: expected"),
        (["server.engine_args={data-parallel-size: 0}"], "data-parallel-size=0: expected a whole"),
        (["server.engine_args={nnodes: true}"], "nnodes=True: expected a whole"),
        (
            ["server.engine_args={distributed-executor-backend: rya}"],
            "distributed-executor-backend=rya: expected one of mp, ray",
        ),
        (["server.engine_args={data-parallel-backend: uni}"], "expected one of mp, ray"),
    ],
)
def test_what_can_not_be_spread_is_refused(refusal, overrides, words):
    assert words in refusal(EIGHT, *overrides)


@pytest.mark.parametrize(
    "flags",
    [
        "{tensor-parallel-size: 16, distributed-executor-backend: ray}",
        "{data-parallel-size: 16, data_parallel_backend: ray}",
        "{tensor-parallel-size: 8, pipeline-parallel-size: 2, nnodes: 2}",
        "{data-parallel-size: 16, data-parallel-size-local: 8}",
        "{distributed-executor-backend: my.own.Executor}",
    ],
)
def test_gpus_of_other_machines_are_not_looked_for_here(parts, flags):
    assert parts(EIGHT, f"server.engine_args={flags}") == [EIGHT]


def test_ray_gives_out_its_gpus_itself(parts):
    ray = "server.engine_args={tensor-parallel-size: 8, distributed-executor-backend: ray}"
    assert names(parts(EIGHT, "server.replicas=2", ray)) == ["", ""]


def test_cores_and_memory_are_shared_out(parts):
    two = parts(replace(CPU, cores=(0, 2, 4, 6)), "server.replicas=2")
    assert [part.cpus for part in two] == [(0, 1, 2, 3), (4, 5, 6, 7)]
    assert [part.cores for part in two] == [(0, 2), (4, 6)]
    assert [part.free_gib for part in two] == [10, 10]
    three = parts(replace(CPU, cpus=(0, 1)), "server.replicas=3")
    assert [part.cpus for part in three] == [(0,), (1,), (0,)]


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_shares_are_even_and_leave_nothing(n):
    shares = share_evenly(range(8), n)
    assert [one for share in shares for one in share] == list(range(8))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_plan_is_made_for_the_part_with_the_least(parts):
    busy = replace(H200, free_gib=20)
    two = parts(replace(EIGHT, gpus=(H200, busy), visible=("0", "1")), "server.replicas=2")
    assert find_tightest(two) == two[1]


def test_stages_have_their_part_of_weights_and_cache(make_config, models):
    def plan(*overrides):
        config = make_config("model.name=x", *overrides)
        return make_plan(config, models["llama-3.1-8b"], None, EIGHT).expected

    one, staged = plan(), plan(PARALLEL % (1, 2, 1))
    end = 128256 * 4096 * 2 / GIB
    assert staged.weights_gib == pytest.approx((one.weights_gib - 2 * end) / 2 + end)
    per_gib = one.kv_tokens / one.kv_cache_gib
    assert staged.kv_tokens / staged.kv_cache_gib == pytest.approx(2 * per_gib, rel=1e-3)
    four = plan(PARALLEL % (2, 2, 1))
    assert four.weights_gib == pytest.approx(staged.weights_gib / 2)
    assert four.kv_tokens / four.kv_cache_gib == pytest.approx(4 * per_gib, rel=1e-3)


def test_engines_side_by_side_are_planned_one_by_one(make_config, models):
    one, eight = (
        make_plan(make_config("model.name=x", flags), models["llama-3.1-8b"], None, EIGHT)
        for flags in (PARALLEL % (1, 1, 1), PARALLEL % (1, 1, 8))
    )
    assert one == eight
    assert eight.expected.times(8).kv_tokens == 8 * one.expected.kv_tokens


def test_workers_on_a_cpu_share_its_memory(make_config, models):
    config = make_config("model.name=x", "model.max_seq_length=8192", PARALLEL % (1, 2, 2))
    made = make_plan(config, models["smollm2-135m"], None, CPU)
    assert made.kv_cache_bytes == int(20 / 4 / 4 * GIB)


def test_spread_of_a_server(make_config):
    spread = read(make_config(PARALLEL % (2, 3, 4)))
    assert (spread.tensor, spread.n_stages, spread.n_engines) == (2, 3, 4)
    assert (spread.n_devices, spread.n_here, spread.n_per_engine) == (24, 24, 6)


def test_table_says_how_many_servers(parts, make_config, models):
    two = parts(EIGHT, "server.replicas=2", PARALLEL % (4, 1, 1))
    config = make_config("model.name=x", PARALLEL % (4, 1, 1))
    lines = describe_plan(make_plan(config, models["llama-3.1-8b"], None, two[0]), two[0], 2)
    assert lines[1] == "memory    servers   x 2, each with 4 GPUs and what follows"


@pytest.mark.parametrize(
    ("n_gpus", "visible", "named"),
    [
        (2, None, ("0", "1")),
        (2, "3, GPU-b", ("3", "GPU-b")),
        (1, "3,9", ("3",)),  # CUDA shows none behind a wrong one
        (0, "MIG-a,MIG-b", ("MIG-a", "MIG-b")),
        (0, None, ()),
        (0, "", ()),
    ],
)
def test_names_of_the_gpus(n_gpus, visible, named):
    assert name_visible(n_gpus, visible) == named


def test_one_thread_of_each_core(tmp_path):
    for cpu, (node, core) in enumerate([(0, 0), (1, 0), (0, 0), (1, 0), (0, 1), (1, 1)]):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "core_id").write_text(f"{core}\n")
        (folder / "physical_package_id").write_text(f"{node}\n")
        (folder.parent / f"node{node}").mkdir()
    assert find_cores(range(6), tmp_path) == (0, 4, 1, 5)
    assert find_cores([0, 1], tmp_path / "nowhere") == (0, 1)
