"""Stores that can't be logged to are found before anything starts; passwords are not shown."""

from types import SimpleNamespace

import psutil
import pytest

from synth.address import artifacts_uri, check_store, ui_address, ui_command
from synth.config.passwords import hide_password
from synth.errors import ConfigError
from tests.conftest import settings
from tests.test_cli import fails


@pytest.mark.parametrize(
    "uri",
    ["sqlite:///ml.db", "http://127.0.0.1:5000", "https://ml.example.org", "databricks://me"],
)
def test_stores_that_can_be(uri):
    check_store(settings(uri))


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("nosuch://x", "expected sqlite:///PATH"),
        ("mlruns", "expected sqlite:///PATH"),
        ("file:///tmp/mlruns", "expected sqlite:///PATH"),
        ("postgresql+nosuchdriver://me@host/db", "no such database or driver"),
        ("mysql+pyodbc://me@host/db", "pyodbc, which talks to the database, is not installed"),
    ],
)
def test_stores_that_can_not_be(uri, said):
    with pytest.raises(ConfigError, match=said):
        check_store(settings(uri))
    check_store(settings(uri, kind="none"))


def test_sqlite_on_a_network_file_system_is_refused(monkeypatch, make_config):
    mount = SimpleNamespace(mountpoint="/nfs/home", fstype="nfs4")
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: [mount])
    with pytest.raises(ConfigError, match=r"nfs4.*MLflow server.*PostgreSQL.*tracking=none"):
        check_store(settings("sqlite:////nfs/home/me/ml.db"))


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://me:pw@host/db", "postgresql://me:***@host/db"),
        ("postgresql+psycopg2://me:p@w@host:1/db", "postgresql+psycopg2://me:***@host:1/db"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("postgresql://host/db?user=me&password=pw", "postgresql://host/db?user=me&password=***"),
        ("http://me:pw@host/x", "http://***@host/x"),
        ("https://token@host", "https://***@host"),
        ("http://host/a@b", "http://host/a@b"),
        ("sqlite:////home/me@work/ml.db", "sqlite:////home/me@work/ml.db"),
    ],
)
def test_passwords_are_hidden(uri, shown):
    assert hide_password(uri) == shown


def test_files_of_a_database_stand_where_the_program_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    uri = "postgresql://me@host/db"
    assert artifacts_uri(settings(uri)) == f"file://{tmp_path}/outputs/mlartifacts"
    assert artifacts_uri(settings(uri, artifacts="s3://bucket/x")) == "s3://bucket/x"
    assert artifacts_uri(settings("sqlite:///ml.db")) is None
    assert artifacts_uri(settings("http://host", artifacts="files")) == f"file://{tmp_path}/files"


def test_how_to_look_at_runs():
    assert ui_address("http://me:pw@host:1/") == "http://***@host:1"
    assert ui_command("postgresql://me:pw@host/db").endswith("postgresql://me:***@host/db")
    assert ui_address("postgresql://me:pw@host/db") == "http://127.0.0.1:5000"


def everything(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return b"\n".join(path.read_bytes() for path in files)


def test_password_gets_nowhere(run_cli, stub, tmp_path):
    uri = "http://me:marked@127.0.0.1:9"
    done = run_cli(*stub, "tracking=mlflow", f"tracking.uri={uri}", "tracking.wait_s=0")
    assert fails(done, "tracking.uri=http://***@127.0.0.1:9")
    assert (tmp_path / "run" / "tracking.jsonl").exists()
    assert "marked" not in done.stdout + done.stderr
    assert b"marked" not in everything(tmp_path)
    again = run_cli("resume=run", f"tracking.uri={uri}")  # no file has kept it
    assert fails(again, "tracking.uri=http://***@127.0.0.1:9")


@pytest.mark.parametrize("swept", [(), ("-m", "chunk.size=32,64")], ids=["run", "sweep"])
def test_password_gets_not_into_the_store(run_cli, stub, serve_store, new_store, tmp_path, swept):
    (tmp_path / "ml.db").write_bytes(new_store.read_bytes())
    uri = serve_store(f"sqlite:///{tmp_path}/ml.db").uri.replace("//", "//me:marked@")
    rest = [text for text in stub if not text.startswith("chunk.size")]
    done = run_cli(*rest, "tracking=mlflow", f"tracking.uri={uri}", *(swept or ["chunk.size=64"]))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "marked" not in done.stdout + done.stderr
    assert b"marked" not in everything(tmp_path)


def test_password_in_a_file_is_refused(run_cli, stub, tmp_path):
    (tmp_path / "own" / "tracking").mkdir(parents=True)
    text = "defaults: [mlflow]\nuri: http://me:marked@127.0.0.1:9\n"
    (tmp_path / "own" / "tracking" / "mine.yaml").write_text(text)
    rest = [text for text in stub if text != "tracking=none"]
    done = run_cli(*rest, "--config-dir", "own", "tracking=mine")
    assert fails(done, "${oc.env:NAME}")
    assert "marked" not in done.stdout + done.stderr
