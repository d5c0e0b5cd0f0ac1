"""Hydra's side of a sweep."""

import pytest
from hydra import compose
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra

from synth.launcher import _Composer


@pytest.mark.usefixtures("make_config")
def test_job_that_the_sweeper_has_composed_is_not_composed_again(monkeypatch):
    composer = _Composer(GlobalHydra.instance().config_loader().get_search_path())
    master = compose("config", return_hydra_config=True)
    composed, load = [], ConfigLoaderImpl.load_configuration

    def count(self, config_name, overrides, *rest, **more):
        composed.append(overrides[-1])
        return load(self, config_name, overrides, *rest, **more)

    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", count)
    for seed in (3, 4):
        composer.load_sweep_config(master, [f"seed={seed}"])
    nodes = [composer.take(master, [f"seed={seed}"]) for seed in (4, 3)]
    assert [node.seed for node in nodes] == [4, 3]
    assert composed == ["seed=3", "seed=4"]
    assert composer.take(master, ["seed=3"]) is not nodes[1]  # a launcher changes what it has taken
    assert composed == ["seed=3", "seed=4", "seed=3"]
