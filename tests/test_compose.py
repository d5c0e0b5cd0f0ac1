"""A configuration without a command line."""

import subprocess
import sys

import pytest

from synth.config import compose
from synth.errors import ConfigError


def test_values_win_over_options():
    config = compose(["gen=precise"], {"gen.top_p": 0.5, "tags": {"a": "b"}})
    assert (config.gen.temperature, config.gen.top_p, config.tags) == (0.2, 0.5, {"a": "b"})


@pytest.mark.parametrize(
    ("overrides", "values", "word"),
    [
        (["gen=nosuch"], {}, "nosuch"),
        (["gen.temprature=1"], {}, "temprature"),
        ([], {"gen.temprature": 1}, "gen.temperature"),
        ([], {"gen.top_p": 7}, "gen.top_p=7"),
    ],
)
def test_mistakes_name_themselves(overrides, values, word):
    with pytest.raises(ConfigError, match=word):
        compose(overrides, values)


def test_it_works_inside_of_a_hydra_application(tmp_path):
    code = """
import hydra
from hydra.core.hydra_config import HydraConfig
from synth.config import compose

@hydra.main(version_base="1.2", config_path=None)
def app(node):
    assert compose([], {"seed": 3}).seed == 3
    assert hydra.core.global_hydra.GlobalHydra.instance().is_initialized()
    print(HydraConfig.get().job.name, hydra.version.getbase())

app()
"""
    (tmp_path / "app.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["app", "1.2"], done.stderr
