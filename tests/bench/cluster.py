"""Sweeps of more and more jobs on a Slurm of two nodes: ``scripts/bench cluster [JOBS …]``.

Each node serves its jobs by a stand-in for vLLM; an MLflow server on PostgreSQL (Debian's package)
tracks them. Told are jobs a minute, failures, the memory of the process that waits, and what a job
costs: files and bytes in the sweep's folder, calls and bytes to MLflow. Nothing of it may grow with the
number of jobs.
"""

import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlflow
import psutil

from synth.io import read_json
from synth.server.address import find_port
from tests.cluster import NODES, Cluster

STUB = Path(__file__).parents[1] / "stub_vllm.py"
N_CHUNKS = 4
TEXT = "The moon orbits the earth and the tide follows it twice a day, as sailors know. "


@dataclass
class Sizes:
    """What a sweep has taken so far, in all."""

    n_calls: int
    database_bytes: int
    artifact_bytes: int


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL in ``folder`` and yield its address."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
    if programs is None:
        sys.exit("PostgreSQL is missing: install it (Debian: apt-get install postgresql)")
    data, port = folder / "postgres", find_port("127.0.0.1", 0)
    data.mkdir()
    user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    shutil.chown(data, user)
    folder.chmod(0o755)

    def call(program: str, *arguments: str) -> None:
        subprocess.run(
            [programs / program, *arguments],
            user=user,
            cwd=data,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    call("initdb", "--auth=trust", f"--username={user}", str(data))
    options = f"-p {port} -k {data} -c listen_addresses=127.0.0.1"
    call("pg_ctl", "-D", str(data), "-l", str(data / "log"), "-w", "-o", options, "start")
    try:
        call("createdb", "--host=127.0.0.1", f"--port={port}", f"--username={user}", "runs")
        yield f"postgresql://{user}@127.0.0.1:{port}/runs"
    finally:
        call("pg_ctl", "-D", str(data), "-m", "immediate", "stop")


@contextmanager
def mlflow_server(folder: Path, database: str) -> Iterator[str]:
    """Run an MLflow server and yield its address; each request is a line in ``mlflow.log``."""
    port = find_port("127.0.0.1", 0)
    where = ["--host", "127.0.0.1", "--port", str(port), "--workers", "2"]
    stores = ["--backend-store-uri", database, "--artifacts-destination", str(folder / "artifacts")]
    with (folder / "mlflow.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *where, *stores],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            uri = f"http://127.0.0.1:{port}"
            client = mlflow.MlflowClient(uri)
            deadline = time.monotonic() + 120
            while True:
                try:
                    client.search_experiments()
                    break
                except mlflow.MlflowException:
                    assert time.monotonic() < deadline, (folder / "mlflow.log").read_text()
            yield uri
        finally:
            for one in [*psutil.Process(process.pid).children(recursive=True), process]:
                one.kill()
            process.wait()


def measure(folder: Path, database: str) -> Sizes:
    """Return what MLflow has got so far."""
    query = "SELECT pg_database_size('runs')"
    said = subprocess.run(
        ["psql", database, "-Atc", query], capture_output=True, text=True, check=True
    )
    calls = re.findall(r'" \d{3}', (folder / "mlflow.log").read_text())
    sizes = (path.stat().st_size for path in (folder / "artifacts").rglob("*") if path.is_file())
    return Sizes(len(calls), int(said.stdout), sum(sizes))


def sweep(folder: Path, uri: str, n_jobs: int) -> tuple[float, int]:
    """Run a sweep; return its seconds, and the most memory of the process that waits, in bytes."""
    common = [
        f"docs={folder}/text.txt",
        f"server.command=[{sys.executable},{STUB}]",
        "server.engine_args={delay-s: 0.5, max-num-seqs: 256}",
        *("chunk.size=64", "chunk.overlap=0", f"chunk.limit={N_CHUNKS}", "report=false"),
        *(f"tracking.uri={uri}", f"hydra.sweep.dir={folder}/sweep"),
    ]
    grid = ["-m", f"seed=range(0,{n_jobs})"]
    begin, most = time.monotonic(), 0
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "synth", *common, *NODES, *grid],
            cwd=folder,
            stdout=said,
            stderr=said,
        )
        me = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                most = max(most, me.memory_full_info().uss)
            except psutil.Error:
                break
            time.sleep(0.5)
    if process.wait():
        sys.exit((folder / "said").read_text()[-3000:])
    return time.monotonic() - begin, most


def tell(folder: Path, n_jobs: int, taken: tuple[float, int], before: Sizes, after: Sizes) -> None:
    """Print a line of the table."""
    seconds, most = taken
    records = [read_json(path) for path in (folder / "sweep").glob("*/run.json")]
    n_failed = n_jobs - sum(record["status"] == "FINISHED" for record in records)
    files = [path for path in (folder / "sweep").rglob("*") if path.is_file()]
    n_bytes = sum(path.stat().st_size for path in files)
    figures = (
        f"{n_jobs:>6,}",
        f"{60 * n_jobs / seconds:>9.1f}",
        f"{n_failed:>8}",
        f"{most / 2**20:>12.0f}",
        f"{len(files) / n_jobs:>8.1f}",
        f"{n_bytes / n_jobs / 1024:>7.1f}",
        f"{(after.n_calls - before.n_calls) / n_jobs:>10.1f}",
        f"{(after.database_bytes - before.database_bytes) / n_jobs / 1024:>11.1f}",
        f"{(after.artifact_bytes - before.artifact_bytes) / n_jobs / 1024:>13.1f}",
    )
    sys.stdout.write("  ".join(figures) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Print a line for each number of jobs."""
    numbers = [int(text) for text in sys.argv[1:]] or [10, 100, 1000]
    sys.stdout.write(
        "  jobs  jobs/min    failed   driver MiB     files      KiB  MLflow calls  database KiB"
        "  artifacts KiB   (per job, but for the first four)\n"
    )
    with tempfile.TemporaryDirectory() as name, postgres(Path(name)) as database:
        root = Path(name)
        with mlflow_server(root, database) as uri:
            for n_jobs in numbers:
                folder = root / str(n_jobs)
                folder.mkdir()
                (folder / "text.txt").write_text(TEXT * 100)
                cluster = Cluster(folder / "slurm")
                os.environ |= {
                    "SLURM_CONF": str(cluster.conf),
                    "SYNTH_CACHE": str(folder / "cache"),
                }
                cluster.start()
                before = measure(root, database)
                try:
                    taken = sweep(folder, uri, n_jobs)
                finally:
                    cluster.stop()
                tell(folder, n_jobs, taken, before, measure(root, database))


if __name__ == "__main__":
    main()
