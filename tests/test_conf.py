"""Every YAML file: each option composes, each experiment and debug file runs."""

import pytest

from synth.config.files import conf_dir, option_names
from synth.io import read_json

OPTIONS = [
    (group, option)
    for group, options in option_names().items()
    for option in options
    if group not in ("experiment", "debug", "sweep")
]
SWEEPS = option_names()["sweep"]
RUNNABLE = [
    (group, option) for group in ("experiment", "debug") for option in option_names()[group]
]


def test_the_tests_below_see_every_file():
    sweeps = [("sweep", option) for option in SWEEPS]
    seen = {f"{group}/{option}.yaml" for group, option in [*OPTIONS, *RUNNABLE, *sweeps]}
    files = {
        str(path.relative_to(conf_dir()))
        for path in conf_dir().rglob("*.yaml")
        if path.relative_to(conf_dir()).parts[0] not in ("hydra", "local", "config.yaml")
    }
    assert seen == files
    assert len(OPTIONS) > 15
    assert len(RUNNABLE) > 3
    assert len(SWEEPS) > 2


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_option_composes(make_config, group, option):
    extra = ["server.api_base=http://127.0.0.1:1/v1"] if option == "external" else []
    make_config(f"{group}={option}", *extra)


@pytest.mark.parametrize(("group", "option"), RUNNABLE)
def test_file_runs(run_cli, stub, tmp_path, group, option):
    own = {"chunk.size", "chunk.overlap", "tracking"}
    shared = [text for text in stub if text.partition("=")[0] not in own]
    done = run_cli(*shared, f"{group}={option}", "tracking=none")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "export" / "jsonl" / "train.jsonl").stat().st_size > 0


@pytest.mark.parametrize("sweep", SWEEPS)
def test_sweep_runs_without_a_flag(run_cli, stub, model_dir, tmp_path, sweep):
    own = {"chunk.size", "chunk.overlap"}
    shared = [text for text in stub if text.partition("=")[0] not in own]
    done = run_cli(*shared, f"sweep={sweep}", "model.max_seq_length=4096")
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = read_json(tmp_path / "sweep" / "sweep.json")["jobs"]
    assert len({job["name"] for job in jobs}) == len(jobs) > 2
