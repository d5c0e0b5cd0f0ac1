"""The wheel carries all that the program needs, and runs anywhere."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the wheel unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def test_wheel_runs_from_any_folder(installed, tmp_path):
    code = (
        "import synth.main as m, sys; sys.argv[1:] = ['docs=nowhere']; print(m.__file__); m.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert str(installed) in done.stdout
    assert "docs=nowhere: there is no such file" in done.stdout


def test_wheel_carries_configuration_samples_and_pages(installed):
    def names(folder: Path) -> set[str]:
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    assert {"report.css", "report.html.jinja", "report.js"} < names(installed / "synth" / "review")
    assert names(installed / "synth" / "conf") == names(ROOT / "conf")
    assert names(installed / "synth" / "examples") == names(ROOT / "examples" / "documents")
