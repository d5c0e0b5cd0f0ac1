"""Push: what arrives at the hub, and what a run says when it does not."""

import io

import pyarrow.parquet
import pytest
import yaml

from synth.errors import ExportError
from synth.export import export
from synth.io import read_json
from tests.export.conftest import make_pair, make_run
from tests.export.dataset_hub import READ_TOKEN, TOKEN

# huggingface_hub 2.4 sends tables by LFS in a way that its own HTTP client advises against.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>'")

PUSH = "export.push_to=owner/name"


@pytest.fixture
def push(tmp_path, make_config):
    """Export and push the pairs of eight documents."""

    def call(*overrides, token=TOKEN, formats="hf"):
        rows = [make_pair(n, f"d{n}") for n in range(8)]
        config = make_config(
            PUSH, f"export.formats=[{formats}]", f"model.token={token}", *overrides
        )
        return export(make_run(tmp_path, rows), config, {})

    return call


@pytest.mark.parametrize("formats", ["hf", "parquet", "parquet,hf,chatml"])
def test_card_and_tables_are_pushed_in_one_commit(hub, push, tmp_path, formats):
    push("export.test_frac=0.25", "export.validation_frac=0", formats=formats)
    assert (
        hub.created[0] | {"name": "name", "organization": "owner", "type": "dataset"}
        == (hub.created[0])
    )
    assert len(hub.commits) == 1
    files = {name for name in hub.files if name != ".gitattributes"}
    assert files == {"README.md", "data/train.parquet", "data/test.parquet"}
    table = pyarrow.parquet.read_table(io.BytesIO(hub.files["data/train.parquet"]))
    assert len(table) == 6
    front = yaml.safe_load(hub.files["README.md"].decode().split("---\n")[1])
    assert front["configs"][0]["data_files"] == [
        {"split": "train", "path": "data/train.parquet"},
        {"split": "test", "path": "data/test.parquet"},
    ]
    made = {path.name for path in (tmp_path / "export").iterdir()}
    assert made == set(formats.split(","))


def test_repository_loads(hub, push, tmp_path):
    import datasets

    push("export.test_frac=0.25", "export.validation_frac=0")
    for name, data in hub.files.items():
        path = tmp_path / "copy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    loaded = datasets.load_dataset(str(tmp_path / "copy"), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 6, "test": 2}


def test_upload_that_is_refused_is_told(hub, push):
    hub.put_status = 403
    with pytest.raises(ExportError, match="the token may not write there"):
        push()


def test_repository_is_public_if_asked(hub, push):
    push("export.private=false")
    assert hub.created[0]["visibility"] == "public"


def test_second_push_replaces_the_first(hub, push):
    push("export.test_frac=0.25")
    push("export.test_frac=0")
    assert len(hub.commits) == 2
    assert "data/test.parquet" not in hub.files


@pytest.mark.parametrize(
    ("token", "reason"),
    [(READ_TOKEN, "the token may not write there"), ("hf_no", "the hub does not know the token")],
)
def test_refused_token_is_told(hub, push, tmp_path, caplog, token, reason):
    caplog.set_level("DEBUG")
    with pytest.raises(ExportError, match=f"export.push_to=owner/name: {reason}") as caught:
        push(token=token)
    assert token not in str(caught.value) + caplog.text
    assert (tmp_path / "export" / "hf" / "train").is_dir()
    assert hub.files == {}


def test_token_is_in_no_log_and_no_file(hub, push, tmp_path, caplog):
    caplog.set_level("DEBUG")
    push()
    assert TOKEN not in caplog.text
    assert not any(TOKEN.encode() in data for data in hub.files.values())
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(TOKEN.encode() in path.read_bytes() for path in files)


def test_missing_token_is_told_before_anything_is_made(run_cli, stub, tmp_path):
    done = run_cli(*stub, "export.formats=[parquet]", PUSH, HF_HOME=str(tmp_path / "none"))
    assert done.returncode == 1
    assert f"{PUSH}: there is no token; set HF_TOKEN" in done.stdout + done.stderr
    assert not (tmp_path / "run" / "documents.jsonl").exists()


def test_token_of_a_login_will_do(hub, run_cli, stub, tmp_path):
    hub.large = "regular"
    (tmp_path / "token").write_text(TOKEN)
    place = {"HF_TOKEN_PATH": str(tmp_path / "token"), "HF_HUB_DISABLE_XET": "1"}
    done = run_cli(*stub, "export.formats=[parquet]", PUSH, HF_ENDPOINT=hub.url, **place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "data/train.parquet" in hub.files


def test_hub_that_can_not_be_reached_is_told(push, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(ExportError, match="the hub could not be reached"):
        push()


def test_run_pushes_with_the_token_of_the_environment(hub, run_cli, stub, tmp_path):
    hub.large = "regular"  # that warning would be an error there
    environment = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}
    done = run_cli(*stub, "export.formats=[parquet]", PUSH, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "data/train.parquet" in hub.files
    assert TOKEN not in done.stdout + done.stderr


def test_run_that_can_not_push_fails_with_its_files(hub, run_cli, stub, tmp_path):
    environment = {"HF_ENDPOINT": hub.url, "HF_TOKEN": READ_TOKEN, "HF_HUB_DISABLE_XET": "1"}
    done = run_cli(*stub, "export.formats=[parquet]", PUSH, **environment)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "the token may not write there" in said
    assert READ_TOKEN not in said
    assert (tmp_path / "run" / "export" / "parquet" / "train.parquet").is_file()
    assert read_json(tmp_path / "run" / "run.json")["status"] == "FAILED"
