"""Which files of a run go to MLflow."""

from synth.artifacts import choose_files


def chosen(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [path.relative_to(folder).as_posix() for path in choose_files(folder)]


def test_scratch_stays_here(tmp_path):
    scratch = (".lock", "tracking.jsonl", ".replies.db-wal", "data/txt/.synth-chunks/a.json")
    told = ("pairs.jsonl", ".hydra/config.yaml", "data/txt/a.txt")
    assert chosen(tmp_path, *scratch, *told) == ["pairs.jsonl", *told[1:]]


def test_shards_stay_here(tmp_path):
    assert chosen(tmp_path, "pairs.jsonl", "findings.jsonl", "shards/00/pairs.jsonl") == [
        "pairs.jsonl"
    ]


def test_many_texts_and_chunks_stay_here(tmp_path):
    few = [f"data/parsed/{n}.txt" for n in range(500)]
    assert len(chosen(tmp_path, "run.json", *few)) == 501
    assert chosen(tmp_path, "data/txt/a.txt", "export/data/a.jsonl") == [
        "run.json",
        "export/data/a.jsonl",
    ]


def test_links_are_files_and_broken_ones_are_not(tmp_path):
    (tmp_path / "log").touch()
    (tmp_path / "server.log").symlink_to(tmp_path / "log")
    (tmp_path / "gone.log").symlink_to(tmp_path / "nowhere")
    assert chosen(tmp_path) == ["log", "server.log"]
