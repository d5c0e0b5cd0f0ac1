"""The schema, the door and the check of overrides."""

import dataclasses
from pathlib import Path

import pytest

from synth.config import check_overrides, flatten
from synth.config.describe import describe, settings
from synth.config.files import option_names
from synth.config.overrides import read_command_line
from synth.errors import ConfigError

TOOL = ["qa=synthetic-data-kit"]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("gen.temprature=0.5", "unknown key 'gen.temprature'. Did you mean gen.temperature?"),
        ("+gen.temprature=0.5", "unknown key 'gen.temprature'. Did you mean gen.temperature?"),
        ("++nothing.like.it=1", "unknown key 'nothing.like.it'."),
        ("gen.temperature=hot", "gen.temperature='hot': expected a number, at least 0"),
        ("gen.temperature=2.1", "gen.temperature=2.1: expected a number, at least 0 and at most 2"),
        ("gen.top_p=0", "gen.top_p=0: expected a number, above 0 and at most 1"),
        ("gen.temperature=0.3,7", "gen.temperature=7: expected"),
        ("chunk.size=1.5", "chunk.size=1.5: expected a whole number, at least 8, or null"),
        ("qa.kind='a b'", "qa.kind='a b': expected letters, digits, '-' and '_'"),
        ("qa.chunks=17", "qa.chunks=17: expected a whole number, at least 1 and at most 16"),
        ("qa.schema=3", "qa.schema=3: expected a mapping"),
        ("qa.num_pairs=null", "qa.num_pairs=None: expected a whole number"),
        ("steps=[fly]", "expected a list of serve, ingest, chunk"),
        ("name='a/b'", "name='a/b': expected letters"),
        ("docs=null", "docs=None: expected a path or a list of paths"),
        ("gen=0.5", "gen=0.5: no such option"),
        ("model=lama8b", "model=lama8b: no such option. Did you mean llama8b?"),
        ("experiment=nope", "experiment=nope: no such option"),
        ("server.api_base=localhost", "expected a URL"),
        ("server.api_base=[http://a/v1,b]", "expected a URL"),
        ("server.api_base=[]", "expected a URL"),
        ("server.api_base=127.0.0.1:8000/v1", "or file:endpoints.txt, or null"),
        ("server.api_base='http://'", "expected a URL"),
        ("server.api_base='file:'", "expected a URL"),
        ("server.api_base=[/shared/endpoints.txt]", "expected a URL"),
        ("server.replicas=0", "server.replicas=0: expected a whole number, at least 1"),
        ("server.max_restarts=-1", "expected a whole number, at least 0"),
        ("server.stall_s=0", "expected a number, above 0, or null"),
        ("memory.float8_kv_cache=perhaps", "expected true or false"),
        ("gen.temperature", "gen.temperature"),
    ],
)
def test_bad_override_is_told(override, expected):
    (problem,) = check_overrides([override], option_names())
    assert expected in problem


@pytest.mark.parametrize(
    "override",
    [
        "gen.temperature=0.3,0.7",
        "gen.temperature=range(0,1,0.5)",
        "chunk.size=null",
        "docs=[a,b]",
        "server.api_base=[http://127.0.0.1:8000/v1,https://b.example/v1]",
        "server.api_base=null",
        "server.api_base=/shared/endpoints.txt",
        "server.api_base=file:endpoints.txt",
        "server.stall_s=null",
        "model=llama8b,smollm2",
        "hydra.run.dir=anywhere",
        "hydra/launcher=joblib",
        "++tags.team=docs",
        "server.engine_args={max-num-seqs: 8}",
        "qa.schema.properties.level.type=string",
        "name=${model.name}",
        "~experiment",
        "experiment=null",
    ],
)
def test_good_override_is_not(override):
    assert check_overrides([override], option_names()) == []


def test_all_problems_are_told_at_once():
    assert len(check_overrides(["gen.top_p=2", "foo=1", "model=x"], option_names())) == 3


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["steps=[generate]"], "'generate' needs 'chunk'"),
        (["steps=[export]", "shard_of=9"], "'export' needs 'generate'"),
        (["steps=[ingest,chunk,generate]"], "'generate' needs 'serve'"),
        (["server=external"], "server.api_base is missing"),
        (["server=external", "server.api_base=[http://a/v1,http://a/v1/]"], "is listed 2 times"),
        (["server=external", "server.api_base=/x", "server.replicas=2"], "starts no server"),
        (["server.replicas=3", "server.port=65534"], "server.port=65534: server.replicas=3 needs"),
        (["chunk.overlap=512"], "chunk.overlap=512: expected less than"),
        (["gen.max_tokens=2048"], "leaves no room"),
        (["chunk.size=1900"], "together exceed model.max_seq_length=2048"),
        (["chunk=full", "gen.max_tokens=1000"], "leaves -80 tokens for a chunk"),
        (["qa.command=[tool]"], "only qa.engine=synthetic-data-kit"),
        (["qa=multi_hop", "chunk.size=800"], r"2 chunks \(qa.chunks\) and reply \(512\) together"),
        (
            ["qa=cot", "qa.engine=synthetic-data-kit"],
            "qa.kind=cot: synthetic-data-kit asks for the",
        ),
        ([*TOOL, "qa.chunks=2"], "qa.kind=qa: synthetic-data-kit asks for the question and answer"),
        ([*TOOL, "chunk.files=false"], "synthetic-data-kit reads the chunks from their files"),
        ([*TOOL, "model=qwen4b"], "synthetic-data-kit can't send them"),
        ([*TOOL, "steps=[serve,ingest,chunk,generate]"], "needs 'serve' and 'config'"),
    ],
)
def test_contradictions_are_told(make_config, overrides, expected):
    with pytest.raises(ConfigError, match=expected):
        make_config(*overrides)


def test_door_closes_the_hole_behind_plus(make_config):
    with pytest.raises(ConfigError, match=r"unknown key 'gen.temprature'"):
        make_config("+gen.temprature=0.5")


def test_door_checks_ranges_of_files(make_config):
    with pytest.raises(ConfigError) as caught:
        make_config("gen.top_p=7", "qa.num_pairs=0")
    assert len(caught.value.problems) == 2


def test_chunk_size_is_what_fits(make_config):
    assert make_config("chunk=full").chunk_size == 2048 - 2 * 512 - 128
    assert make_config("chunk=full", "qa=multi_hop").chunk_size == (2048 - 2 * 512 - 128) // 2


def test_every_key_is_described():
    text = describe()
    assert len(settings()) > 40
    assert all(key in text and spec.help for key, spec in settings().items())


def test_parameters_hold_every_key_but_secrets(make_config):
    flat = flatten(make_config("model.token=hf_marked"))
    secrets = {key for key, spec in settings().items() if spec.secret}
    assert secrets == {"model.token", "server.api_key", "curate.api_key"}
    assert set(flat) == set(settings()) - secrets
    assert "hf_marked" not in str(flat)


def test_secret_is_not_in_the_text_of_a_config(make_config):
    config = make_config("model.token=hf_marked")
    assert config.model.token == "hf_marked"
    assert "hf_marked" not in repr(config)
    assert dataclasses.asdict(config)["model"]["token"] == "hf_marked"


def test_command_line_hides_secrets():
    line = read_command_line(["model.token=hf_marked", "-m", "gen.top_p=1"])
    assert line.arguments == ["-m", "model.token=${oc.env:SYNTH_MODEL_TOKEN}", "gen.top_p=1"]
    assert line.secrets == {"SYNTH_MODEL_TOKEN": "hf_marked"}


def test_command_line_lets_mappings_grow():
    line = read_command_line(["tags.team=docs", "server.engine_args.max-num-seqs=4"])
    assert line.overrides == ["++tags.team=docs", "++server.engine_args.max-num-seqs=4"]


def test_command_line_may_be_empty():
    assert read_command_line([]).arguments == []


@pytest.mark.parametrize("flags", [["--config-dir", "own"], ["--config-dir=own"], ["-cd", "own"]])
def test_folder_of_own_options_is_seen(flags):
    assert read_command_line(flags).config_dir == Path("own")


def test_completion_is_not_taken_for_overrides():
    assert read_command_line(["-sc", "query=bash"]).overrides == []


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("/shared/endpoints.txt", "/shared/endpoints.txt"),
        ("file:endpoints.txt", "endpoints.txt"),
        ("file:///shared/endpoints.txt", "/shared/endpoints.txt"),
        ("./endpoints.txt", "endpoints.txt"),
        ("http://a/v1", None),
    ],
)
def test_file_of_endpoints_is_told_from_a_url(make_config, given, path):
    server = make_config("server=external", f"server.api_base={given}").server
    assert server.endpoints_file == (path and Path(path))
    assert server.api_bases == ([] if path else [given])
