"""What a run exports trains a model: one step of TRL on each form that it takes."""

import json
import math
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from synth.export import export
from synth.external import find_program
from synth.models import bundled_model
from tests.export.conftest import FORMATS, make_pair, make_run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

TRL = "trl==1.16.0"
SCRIPT = Path(__file__).with_name("train.py")


@pytest.fixture(scope="module")
def trainer_python(make_config):
    """Python with TRL, and all else from the environment that runs the tests."""
    folder = bundled_model().resolve().parents[1] / "tools" / TRL.replace("==", "-")
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        uv = find_program(make_config().qa)
        subprocess.run([uv, "venv", "--clear", "--python", sys.executable, str(folder)], check=True)
        install = [uv, "pip", "install", "--no-deps", "--python", str(python), TRL]
        subprocess.run(install, check=True)
        (folder / "complete").touch()
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.fixture(scope="module")
def trained(trainer_python, make_config, tmp_path_factory):
    """What training has said of each format."""
    folder = tmp_path_factory.mktemp("trained")
    rows = [
        make_pair(n, f"d{n}", reasoning="It says so.", score=8.0, pages=[1, 2]) for n in range(4)
    ]
    rows += [
        {**row, "id": f"{row['id']}w", "answer": "no", "kept": False, "reasons": ["low_score"]}
        for row in rows
    ]
    config = make_config("export=all", "export.system=Be brief.", "export.test_frac=0.25")
    export(make_run(folder, rows), config, {})
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [
            *(trainer_python, SCRIPT, bundled_model(), folder / "export", folder / "models"),
            *FORMATS,
        ],
        env=os.environ | offline,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", ["chatml", "ft", "parquet", "hf", "dpo"])
def test_trainer_takes_a_step(trained, name):
    assert trained[name]["rows"] == 3
    assert trained[name]["steps"] == 1
    assert math.isfinite(trained[name]["loss"])


@pytest.mark.parametrize("name", ["jsonl", "alpaca", "sharegpt"])
def test_other_forms_load(trained, name):
    assert trained[name]["rows"] == 3
