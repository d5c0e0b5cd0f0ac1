"""Every YAML file: each option composes, each experiment and debug file runs."""

import pytest

from synth.config.files import conf_dir, option_names

OPTIONS = [
    (group, option)
    for group, options in option_names().items()
    for option in options
    if group not in ("experiment", "debug")
]
RUNNABLE = [
    (group, option) for group in ("experiment", "debug") for option in option_names()[group]
]


def test_the_tests_below_see_every_file():
    seen = {f"{group}/{option}.yaml" for group, option in OPTIONS + RUNNABLE}
    files = {
        str(path.relative_to(conf_dir()))
        for path in conf_dir().rglob("*.yaml")
        if path.relative_to(conf_dir()).parts[0] not in ("hydra", "local", "config.yaml")
    }
    assert seen == files
    assert len(OPTIONS) > 15
    assert len(RUNNABLE) > 3


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
    assert (tmp_path / "run" / "export" / "jsonl.jsonl").stat().st_size > 0
