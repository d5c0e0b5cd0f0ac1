"""A run dealt out to shards: whole documents, links to texts, a configuration to go on with."""

import shutil
from itertools import chain

import pytest
from omegaconf import OmegaConf

from synth.config import open_saved
from synth.errors import ConfigError
from synth.io import read_json, read_jsonl, write_jsonl
from synth.shards import read_book, split


def rows(folder, name):
    return list(read_jsonl(folder / f"{name}.jsonl"))


@pytest.fixture
def run(make_run, make_config):
    """Make a run with a configuration, as Hydra saves it."""

    def make(*n_chunks):
        folder = make_run(*n_chunks)
        config = OmegaConf.structured(make_config("curate=judge"))
        hydra = OmegaConf.create({"hydra": {"runtime": {"output_dir": "", "cwd": ""}}})
        for name, node in {"config": config, "hydra": hydra, "overrides": []}.items():
            (folder / ".hydra" / f"{name}.yaml").write_text(OmegaConf.to_yaml(node))
        return folder

    return make


def test_shards_hold_all_rows_and_whole_documents(run):
    folder = run(5, 1, 0, 3, 2)
    shards = split(folder, 2)
    documents = [rows(shard, "documents") for shard in shards]
    chunks = [rows(shard, "chunks") for shard in shards]
    for mine, theirs in zip(documents, chunks, strict=True):
        assert {row["doc_id"] for row in theirs} <= {row["id"] for row in mine}
    by_id = sorted(chain(*documents), key=lambda row: row["id"])
    assert by_id == rows(folder, "documents")
    assert sorted(chain(*chunks), key=lambda row: row["id"]) == rows(folder, "chunks")
    assert [shard.n_tokens for shard in read_book(folder).shards] == [
        10 * len(one) for one in chunks
    ]


def test_rows_keep_their_order(run):
    for shard in split(run(*[2] * 9), 2):
        ids = [row["id"] for row in rows(shard, "chunks")]
        assert ids == sorted(ids)


def test_texts_are_linked_in_one_piece(run):
    folder = run(1, 1)
    (folder / "data/txt/d0.txt").write_text("The text")
    moved = shutil.copytree(folder, folder.with_name("moved"))
    for shard in split(moved, 2):
        assert (shard / "data/txt").is_symlink()
        assert (shard / "data/txt/d0.txt").read_text() == "The text"


def test_files_of_chunks_are_linked_too(run):
    folder = run(1, 1)
    chunks = [row | {"path": f"data/output/{row['id']}.txt"} for row in rows(folder, "chunks")]
    write_jsonl(folder / "chunks.jsonl", chunks)
    for shard in split(folder, 2):
        assert (shard / "data/output").resolve() == folder / "data/output"


def test_configuration_is_for_asking_alone(run):
    (shard, _) = split(run(3, 1), 2)
    config = open_saved(shard)
    assert config.steps == ["serve", "generate", "curate"]
    assert (config.shard_of, config.report, config.tracking.kind) == (4, False, "none")
    assert read_json(shard / "run.json")["steps"] == ["ingest", "chunk"]


def test_more_shards_than_documents(run):
    assert len(split(run(1, 1, 1), 7)) == 3


def test_run_without_documents_is_one_shard(run):
    assert len(split(run(), 7)) == 1


def test_split_again_changes_nothing(run):
    folder = run(1, 2, 3)
    shards = split(folder, 2)
    (shards[0] / "run.json").write_text("{}")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert split(folder, 3) == shards
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_attempt_that_was_killed_is_begun_anew(run):
    folder = run(1, 2, 3)
    split(folder, 3)
    (folder / "shards.json").unlink()
    (folder / "shards/0/chunks.jsonl").write_text("torn")
    assert sum(len(rows(shard, "chunks")) for shard in split(folder, 3)) == 6


def test_shards_of_other_chunks_are_refused(run):
    folder = run(1, 2)
    split(folder, 2)
    (folder / "chunks.jsonl").write_text("")
    with pytest.raises(ConfigError, match="other chunks"):
        split(folder, 2)


def test_run_without_its_configuration_is_refused(make_run):
    with pytest.raises(ConfigError, match=r"\.hydra"):
        split(make_run(1), 2)
