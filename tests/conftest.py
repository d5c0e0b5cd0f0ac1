"""Fixtures: configurations, a tokenizer, the stub server, the program as a process, a browser."""

import contextlib
import gc
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import psutil
import pytest
import tokenizers
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from playwright.sync_api import sync_playwright

from synth import SyntheticDataKit
from synth.config import Config, TrackingConfig, open_door, register
from synth.config.files import conf_dir, samples_dir
from synth.config.overrides import read_command_line
from synth.records import Endpoint
from synth.server.address import find_port
from synth.tokens import Tokenizer
from tests.cluster import Cluster

STRICT = ["-W", "error", "-W", "ignore:The ``noload`` loader"]  # MLflow 3.17 on SQLAlchemy 2.1
STUB = Path(__file__).with_name("stub_vllm.py")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run those first that may take longest: none of them is left over in the end."""
    markers = {item: item.get_closest_marker("timeout") for item in items}
    items.sort(key=lambda item: -marker.args[0] if (marker := markers[item]) else 0)


@pytest.fixture(autouse=True, scope="session")
def hear_ctrl_c() -> None:
    """A shell ignores SIGINT for what it starts in the background, and so would our children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory) -> None:
    """No secret, cache or session of the machine reaches a test."""
    for name in ("HF_TOKEN", "OPENAI_API_KEY", "SYNTH_SESSION", "SYNTH_SESSION_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # many short processes
    cache = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("SYNTH_CACHE", str(cache))
    for file in cache.glob("replies.db*"):
        file.unlink()


@pytest.fixture(scope="session")
def make_config() -> Iterator[Callable[..., Config]]:
    """Compose a checked configuration: ``make_config("gen.temperature=0.5")``."""
    register()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        yield _compose
    GlobalHydra.instance().clear()


def _compose(*overrides: str) -> Config:
    line = read_command_line(overrides)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in line.secrets.items():
            environment.setenv(name, value)
        return open_door(compose("config", overrides=line.overrides))


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory) -> Path:
    """A folder that looks like a model, with a small byte-level tokenizer trained here."""
    folder = tmp_path_factory.mktemp("model")
    trained = tokenizers.ByteLevelBPETokenizer()
    files = [str(path) for path in sorted(samples_dir().iterdir())]
    trained.train(files, vocab_size=600, show_progress=False)
    trained.save(str(folder / "tokenizer.json"))
    shape = {
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "hidden_size": 64,
        "intermediate_size": 128,
        "vocab_size": 600,
    }
    (folder / "config.json").write_text(json.dumps(shape))
    return folder


@pytest.fixture(scope="session")
def new_store(tmp_path_factory) -> Path:
    """An MLflow store with nothing in it."""
    path = tmp_path_factory.mktemp("store") / "ml.db"
    mlflow.MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture(scope="session")
def tokenizer(model_dir: Path) -> Tokenizer:
    return Tokenizer(model_dir / "tokenizer.json")


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """Two short documents."""
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "moon.txt").write_text("The Moon is a rock. " * 60)
    (folder / "sea.md").write_text("# Sea\n\nThe sea is salt. " * 60)
    return folder


@pytest.fixture
def stub(model_dir: Path, documents: Path) -> list[str]:
    """Overrides that run the stub through the managed path, on two short documents."""
    return [
        f"docs={documents}",
        f"model.name={model_dir}",
        f"server.command=[{sys.executable},{STUB}]",
        "chunk.size=64",
        "chunk.overlap=8",
        "gen.max_retries=0",
        "model.dtype=float32",  # memory plans are the same on every processor
        "tracking=none",
        "report=false",  # it takes a second or two
        "hydra.run.dir=run",
        "hydra.sweep.dir=sweep",
    ]


@pytest.fixture
def serve(tmp_path):
    """Start the stub with switches; returns its endpoint."""
    started = []

    def start(*switches: str) -> Endpoint:
        port = find_port("127.0.0.1", 0)
        log = tmp_path / f"{port}.log"
        with log.open("w") as file:
            started.append(
                subprocess.Popen(
                    [
                        sys.executable,
                        STUB,
                        "--port",
                        str(port),
                        "--served-model-name",
                        "m",
                        *switches,
                    ],
                    env=os.environ | {"VLLM_API_KEY": "key"},
                    stdout=file,
                    stderr=file,
                )
            )
        endpoint = Endpoint(f"http://127.0.0.1:{port}/v1", "m", "key")
        wait_until(lambda: _accepts(port))
        return endpoint

    yield start
    for process in started:
        process.kill()
        process.wait()


def settings(uri: str, **values: Any) -> TrackingConfig:
    """Tracking in a store, which is not waited for when it is away."""
    common = {"kind": "mlflow", "experiment": "exp", "traces": 25, "wait_s": 0, "artifacts": None}
    return TrackingConfig(uri=uri, **(common | values))


class StoreServer:
    """A real MLflow server on loopback, which can be away."""

    def __init__(self, store_uri: str, folder: Path) -> None:
        self._store_uri = store_uri
        self._folder = folder
        self._port = find_port("127.0.0.1", 0)
        self._process: subprocess.Popen[bytes] | None = None
        self.uri = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        command = ["-m", "mlflow", "server", "--workers", "1", "--port", str(self._port)]
        with (self._folder / "mlflow.log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, *command, "--backend-store-uri", self._store_uri],
                env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(lambda: _accepts(self._port), 60)

    def stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def serve_store(tmp_path: Path) -> Iterator[Callable[..., StoreServer]]:
    """Make an MLflow server on a store, and start it unless it is to be away."""
    servers = []

    def make(store_uri: str, is_away: bool = False) -> StoreServer:
        servers.append(StoreServer(store_uri, tmp_path))
        if not is_away:
            servers[-1].start()
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.fixture
def start_cli(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start ``python -m synth …`` in ``tmp_path``, every warning an error."""
    started = []

    def start(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, *STRICT, "-m", "synth", *arguments],
            cwd=tmp_path,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def run_cli(start_cli) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run ``python -m synth …`` to its end."""

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        process = start_cli(*arguments, **environment)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run


@pytest.fixture
def offspring(tmp_path, monkeypatch) -> Callable[[], list[int]]:
    """Find the processes that this test has started, wherever they have gone since."""
    monkeypatch.setenv("SYNTH_TEST", mark := str(tmp_path))

    def find() -> list[int]:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("SYNTH_TEST") == mark and is_running(process.pid):
                    found.append(process.pid)
        return found

    return find


@pytest.fixture
def cluster(tmp_path_factory, monkeypatch) -> Iterator[Cluster]:
    """A Slurm of two nodes; scripts/test installs it."""
    one = Cluster(tmp_path_factory.mktemp("slurm"))
    monkeypatch.setenv("SLURM_CONF", str(one.conf))
    one.start()
    yield one
    one.stop()


@pytest.fixture
def soak(tmp_path, monkeypatch, offspring):
    """Start, prepare, chunk, generate and stop a kit some times; return what each time has left."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))

    def run(times: int, documents: Path, max_generation_tokens: int, **settings: Any) -> list[Any]:
        held = []
        for _ in range(times):
            with SyntheticDataKit(**settings) as kit:
                kit.prepare_qa_generation(max_generation_tokens=max_generation_tokens)
                kit.chunk_data(documents / "moon.txt")
                kit.generate(documents)  # a small model may write nothing that is kept
            gc.collect()
            me, files = psutil.Process(), sorted((tmp_path / "tmp").iterdir())
            held.append((me.num_fds(), me.num_threads(), offspring(), files))
        assert held[0][2:] == ([], [])
        # What the first time has imported is kept, and is no leak.
        return [last for first, last in itertools.pairwise(held) if last != first]

    return run


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; scripts/test installs one. Its loop must not meet other tests."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert found, f"none of {', '.join(BROWSERS)} is on the PATH"
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=found, args=FLAGS)


def wait_until(condition: Callable[[], object], timeout_s: float = 20) -> None:
    """Wait for a condition, or fail."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"
