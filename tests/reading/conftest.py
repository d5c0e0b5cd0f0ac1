"""Read a file as a run does."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from synth.reading import Member, read
from synth.records import Document
from synth.sources import Location
from tests.reading.mutate import SETTINGS
from tests.reading.samples import make_samples


@pytest.fixture(scope="session")
def samples() -> dict[str, bytes]:
    """A file of each format."""
    return make_samples()


class Reader:
    """Reads into a folder; nothing is in scratch when it has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name, data=None, *, is_named=False, **settings):
        """Return the results for a file, which is written first if there is data."""
        path = self.folder / name
        if data is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        scratch = self.folder / "scratch"
        config = dataclasses.replace(SETTINGS, **settings)
        location = Location(str(path), is_named=is_named)
        found = read(location, self.folder, scratch, config)
        results = [one for one in found if not isinstance(one, Member)]
        assert not scratch.exists() or not list(scratch.iterdir())
        return results

    def text(self, document: Document) -> str:
        text = (self.folder / document.text_path).read_bytes().decode()
        assert len(text) == document.n_chars
        return text

    def texts(self, *args, **settings) -> list[str]:
        """Return the texts of a file, or the reasons why there is none."""
        results = self(*args, **settings)
        return [self.text(one) if isinstance(one, Document) else one.detail for one in results]


@pytest.fixture
def reader(tmp_path) -> Callable[..., list]:
    return Reader(tmp_path)
