"""A Slurm of two nodes on this machine, by ``scripts/slurm``."""

import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / "scripts" / "slurm"

NODES = [
    "hydra/launcher=slurm",
    "hydra.launcher.gpus_per_node=null",
    "hydra.launcher.cpus_per_task=1",
    "+hydra.launcher.exclusive=true",  # a whole node
    "hydra.launcher.array_parallelism=2",
]
"""Overrides that ask for both nodes."""


class Cluster:
    """It is found by ``SLURM_CONF`` of the environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"

    def start(self) -> None:
        self._script("start")

    def stop(self) -> None:
        self._script("stop")

    def lose(self, node: str) -> None:
        """Kill all that runs on a node."""
        self._script("lose", node)

    def bring_back(self, node: str) -> None:
        self._script("node", node)

    def jobs(self) -> list[list[str]]:
        """Number in the array, state and node of what is not over."""
        text = self.ask("squeue", "--array", "--noheader", "--format=%K %T %N")
        return [line.split() for line in text.splitlines()]

    def ask(self, *command: str) -> str:
        environment = os.environ | {"SLURM_CONF": str(self.conf)}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout

    def _script(self, verb: str, *arguments: str) -> None:
        # Daemons keep what they get as output; a pipe would never end.
        # The daemons are none of the processes that a test looks for.
        environment = {name: text for name, text in os.environ.items() if name != "SYNTH_TEST"}
        subprocess.run(
            [SCRIPT, verb, self.folder, *arguments],
            stdout=subprocess.DEVNULL,
            env=environment,
            check=True,
        )
