"""What varies in a sweep, and which of its jobs are twins."""

import pytest

from synth.errors import ConfigError
from synth.sweep.plan import Request, check_sweep, ranks, settings_of, varying

SAME = "chunk.size=256"


@pytest.fixture
def request_jobs(make_config, tmp_path):
    """Jobs that have an override of their own each, beside one that all have."""

    def make(*overrides):
        return [
            Request(number, [SAME, text], tmp_path, make_config(SAME, text))
            for number, text in enumerate(overrides)
        ]

    return make


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (("gen.temperature=0.2", "gen.temperature=0.8", "seed=1"), [0, 0, 0]),
        (("qa=qa", "qa=factual", "qa.num_pairs=9"), [0, 0, 0]),
        (("seed=1", "chunk.size=128", "seed=2"), [0, 1, 0]),
        (("seed=1", "qa.system=Be brief.", "qa.prompt='In short: {{ text }}'"), [0, 1, 2]),
    ],
    ids=["sampling", "what is asked", "chunks", "what comes first"],
)
def test_prompts_that_begin_in_the_same_way_are_twins(request_jobs, overrides, expected):
    configs = {job.number: job.config for job in request_jobs(*overrides)}
    assert list(ranks(configs).values()) == expected


def test_names_say_only_what_varies(request_jobs):
    jobs = request_jobs("seed=1", "seed=2")
    assert varying(jobs, [SAME, "seed=1,2"]) == [["seed=1"], ["seed=2"]]


def test_only_job_is_named_by_what_was_swept(request_jobs):
    assert varying(request_jobs("seed=1"), [SAME, "seed=range(1,2)"]) == [["seed=1"]]


@pytest.mark.parametrize(
    ("override", "settings"),
    [
        ("gen.temperature=1", {"gen.temperature": 1.0}),
        ("chunk.size=null", {"chunk.size": None}),
        ("qa=factual", {"qa": "factual"}),
    ],
)
def test_settings_have_their_types(make_config, override, settings):
    assert settings_of(make_config(override), [override]) == settings


def test_jobs_of_two_experiments_are_no_sweep(request_jobs):
    with pytest.raises(ConfigError, match=r"tracking\.experiment: it can't differ"):
        check_sweep(request_jobs("tracking.experiment=a", "tracking.experiment=b"))
