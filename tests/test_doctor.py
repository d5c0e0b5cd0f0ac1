"""What is wrong is found before a run finds it."""

import socket
import threading

import pytest

from synth.doctor import examine
from synth.errors import ConfigError
from synth.serving import check_flags


@pytest.fixture
def examine_stub(make_config, stub, tmp_path, monkeypatch):
    """Examine a configuration on the stub with changes; returns topic → (texts, is_wrong)."""
    monkeypatch.chdir(tmp_path)

    def run(*overrides):
        findings = examine(make_config(*stub[:-2], *overrides))
        topics = {}
        for finding in findings:
            text, is_wrong = topics.get(finding.topic, ("", False))
            topics[finding.topic] = (f"{text}\n{finding.text}", is_wrong or finding.is_wrong)
        return topics

    return run


def test_sound_configuration_has_nothing_to_mend(examine_stub):
    topics = examine_stub()
    assert {topic for topic, (_, is_wrong) in topics.items() if is_wrong} <= {"disk"}
    assert "cores" in topics["machine"][0]
    assert "2 files" in topics["documents"][0]
    assert "KV cache" in topics["memory"][0]


@pytest.mark.parametrize(
    ("override", "topic", "words"),
    [
        ("docs=nowhere", "documents", "no such file"),
        ("model.name=/nowhere", "model", "no such folder"),
        ("server.host=203.0.113.1", "server", "can't listen"),
        ("tracking=mlflow tracking.uri=http://127.0.0.1:9", "tracking", "does not answer"),
        (
            "tracking=mlflow tracking.uri=sqlite:////etc/hostname/ml.db",
            "tracking",
            "can't be written",
        ),
        ("memory.cpu_kv_cache_gib=100000", "model", "memory.cpu_kv_cache_gib=100000"),
        ("qa=synthetic-data-kit qa.command=[/nowhere/sdk]", "prompt", "no such program"),
        ("qa.num_pairs=50", "prompt", "gen.max_tokens=512 has room for 28"),
        ("qa.prompt='{{ text }} {{ nosuch }}'", "prompt", "nosuch"),
        ("curate.verdicts=nowhere.jsonl", "curation", "curate.verdicts=nowhere.jsonl"),
        ("curate=judge curate.criteria=[id]", "curation", "curate.criteria"),
    ],
)
def test_what_is_wrong_is_named(examine_stub, override, topic, words):
    overrides = [override] if "'" in override else override.split()
    text, is_wrong = examine_stub(*overrides)[topic]
    assert is_wrong
    assert words in text


def test_hub_that_can_not_be_reached_is_told(examine_stub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    topics = examine_stub("model.name=owner/model")
    assert topics["hub"] == (
        "\nhttp://127.0.0.1:9 can't be reached; what is cached can be used",
        False,
    )
    assert topics["model"][1]


def test_external_endpoint_is_asked(examine_stub, serve):
    up = examine_stub("server=external", f"server.api_base={serve().base_url}")["server"]
    down = examine_stub("server=external", "server.api_base=http://127.0.0.1:9/v1")["server"]
    assert ("answers" in up[0], up[1]) == (True, False)
    assert ("does not answer" in down[0], down[1]) == (True, True)


def test_each_external_endpoint_is_asked(make_config, serve, stub):
    urls = f"[{serve().base_url},http://127.0.0.1:9/v1]"
    findings = examine(make_config(*stub[:-2], "server=external", f"server.api_base={urls}"))
    servers = [finding for finding in findings if finding.topic == "server"]
    assert [finding.is_wrong for finding in servers] == [False, True]


def test_file_of_endpoints_is_read(examine_stub, serve, tmp_path):
    file = tmp_path / "endpoints.txt"
    external = ["server=external", f"server.api_base={file}"]
    text, is_wrong = examine_stub(*external)["server"]
    assert ("is not there yet: a run waits for it" in text, is_wrong) == (True, False)
    file.write_text(f"{serve().base_url}\nnonsense\n")
    text, is_wrong = examine_stub(*external)["server"]
    assert ("answers" in text, "line 2: 'nonsense'" in text, is_wrong) == (True, True, True)


def test_ray_that_is_not_installed_is_told(make_config):
    config = make_config("server.engine_args={distributed-executor-backend: ray}")
    with pytest.raises(ConfigError, match="ray is not installed"):
        check_flags(config, {})


def test_servers_are_counted(examine_stub):
    topics = examine_stub("server.replicas=2", "server.port=18000")
    assert "x 2, each with" in topics["memory"][0]
    assert "2 times vLLM on 127.0.0.1:18000 to 18001" in topics["server"][0]


def test_port_that_speaks_no_http_does_not_answer(examine_stub):
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=greet_once, args=[server])
        thread.start()
        base = f"server.api_base=http://127.0.0.1:{server.getsockname()[1]}/v1"
        text, is_wrong = examine_stub("server=external", base)["server"]
        thread.join()
    assert ("does not answer" in text, is_wrong) == (True, True)


def greet_once(server):
    connection, _ = server.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"SSH-2.0\r\n\r\n")


def test_password_of_the_tracker_is_not_shown(examine_stub):
    text, _ = examine_stub("tracking=mlflow", "tracking.uri=http://me:marked@127.0.0.1:9")[
        "tracking"
    ]
    assert "marked" not in text


def test_command_ends_with_1_when_something_is_wrong(run_cli, stub, tmp_path):
    good = run_cli("doctor", *stub)
    assert (good.returncode, "all is well" in good.stdout) == (0, True), good.stdout + good.stderr
    bad = run_cli("doctor", *stub, "docs=nowhere")
    assert (bad.returncode, "1 to mend" in bad.stdout) == (1, True)
    assert not (tmp_path / "outputs").exists()
    assert not (tmp_path / "run").exists()
