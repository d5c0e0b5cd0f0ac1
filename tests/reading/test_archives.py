"""Archives are read member by member, and none of them can do harm."""

import io
import tarfile
import zipfile

import pytest

from synth.reading import archives
from synth.records import Document
from tests.reading.samples import make_tar, make_zip

MEMBERS = {"a.txt": b"one", "deep/b.md": b"# two", ".hidden": b"no", "__MACOSX/a.txt": b"no"}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.zip", make_zip(MEMBERS)),
        ("a.tar", make_tar(MEMBERS)),
        *((f"a.tar.{kind}", make_tar(MEMBERS, f"w:{kind}")) for kind in ("gz", "bz2", "xz")),
    ],
)
def test_members_are_documents(reader, name, data):
    results = reader(name, data)
    assert [reader.text(one) for one in results] == ["one", "# two"]
    assert [one.path.partition(name)[2] for one in results] == ["!a.txt", "!deep/b.md"]


def test_member_that_can_not_be_read_costs_itself(reader):
    data = make_zip({"a.txt": b"one", "b.pdf": b"%PDF-1.4 broken", "c.png": b"x", "d.txt": b"two"})
    assert [isinstance(one, Document) for one in reader("a.zip", data)] == [
        True,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_paths_of_members_lead_nowhere(reader, make):
    data = make({"../../evil.txt": b"words", "/tmp/evil.txt": b"more"})
    assert reader.texts("x.zip", data) == ["words", "more"]
    assert not list(reader.folder.parent.glob("evil.txt"))


def test_rows_and_archives_in_archives_are_read(reader):
    inner = make_zip({"rows.jsonl": b'{"text": "a"}\n{"text": "b"}\n'})
    results = reader("o.tar", make_tar({"i.zip": inner}))
    assert [one.path.partition("o.tar")[2] for one in results] == [
        "!i.zip!rows.jsonl#1",
        "!i.zip!rows.jsonl#2",
    ]


def test_depth_is_bounded(reader):
    data = b"words"
    for number in range(6):
        data = make_zip({f"{number}.zip" if number else "a.txt": data})
    (detail,) = reader.texts("a.zip", data)
    assert detail == "is an archive in 3 others: unpack it first"


@pytest.mark.parametrize(
    ("name", "make", "n_read"),
    [("a.zip", make_zip, 1), ("a.tar.gz", lambda members: make_tar(members, "w:gz"), 1)],
    ids=["zip", "tar"],
)
def test_bomb_is_stopped(reader, name, make, n_read):
    members = {f"{number}.txt": b"word " * 200_000 for number in range(9)}
    results = reader(name, make(members), max_unpacked_gib=1.5e6 / 1024**3)
    assert [isinstance(one, Document) for one in results] == [True] * n_read + [False]
    assert "ingest.max_unpacked_gib" in results[-1].detail


def test_ratio_is_bounded(reader, monkeypatch):
    monkeypatch.setattr(archives, "_ALWAYS", 1000)
    (detail,) = reader.texts("a.zip", make_zip({"a.txt": b"\n" * 10_000_000}))
    assert "500 times its size" in detail


def test_bomb_in_an_archive_counts_for_the_outer_one(reader):
    inner = make_zip({"a.txt": b"word " * 100_000})
    data = make_zip({f"{number}.zip": inner for number in range(4)})
    details = reader.texts("a.zip", data, max_unpacked_gib=1.2e6 / 1024**3)
    assert len(details) == 3
    assert details[-1].startswith("holds too much")


def test_encrypted_member_is_told(reader):
    data = bytearray(make_zip({"a.txt": b"one"}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert reader.texts("a.zip", bytes(data)) == ["is encrypted: unpack it first"]


def test_links_and_devices_are_skipped(reader):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, kind in (("l.txt", tarfile.SYMTYPE), ("h.txt", tarfile.LNKTYPE), ("d", b"3")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert reader.texts("a.tar", target.getvalue()) == [archives._LINK] * 3


def test_link_in_a_zip_is_skipped(reader):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        info = zipfile.ZipInfo("l.txt")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    assert reader.texts("a.zip", target.getvalue()) == [archives._LINK]


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tar.xz"])
def test_archive_that_breaks_off_gives_what_it_can(reader, name):
    mode = {"a.tar": "w", "a.tar.gz": "w:gz", "a.tar.xz": "w:xz"}[name]
    noise = bytes((n * n) % 251 % 90 + 32 for n in range(3_000_000))
    data = make_tar({"a.txt": b"one", "b.txt": noise, "c.txt": noise[::-1]}, mode)
    first, *_, last = reader.texts(name, data[: len(data) * 2 // 3])
    assert first == "one"
    assert last.startswith("is broken: ")


def test_overlapping_members_are_no_harm(reader):
    inner = make_zip({"a.txt": b"one"})
    data = bytearray(make_zip({"a.txt": b"one", "b.txt": b"one"}))
    second = data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = (0).to_bytes(4, "little")
    assert len(inner) < len(data)
    assert reader.texts("a.zip", bytes(data))[0] == "one"


def test_archive_without_documents_is_told(reader):
    assert reader.texts("a.zip", make_zip({".hidden": b"no"})) == ["holds no documents"]


def test_files_of_a_named_archive_are_not_named(reader):
    data = make_zip({"a.py": b"print()"})
    assert reader.texts("a.zip", data, is_named=True) == ["format .py is not supported"]
