"""What the machine does while a run goes on: MLflow's system metrics, without MLflow's way to log.

That way ends at the first call that fails, and asks the store for the run before each of its own.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

INTERVAL_S = 5.0
"""Between the points of a curve, at first."""
_POINTS_PER_AGE = 200
_PREFIX = "system/"


def interval_at(age_s: float) -> float:
    """Return how long it is to the next point of a curve that is ``age_s`` long.

    It grows with the age, which makes some 700 points in three hours and fewer than 2,000 in a month.
    """
    return max(INTERVAL_S, age_s / _POINTS_PER_AGE)


class Monitor:
    """A thread that looks at the machine now and then."""

    def __init__(self, log: Callable[[Mapping[str, float]], None]) -> None:
        """Start it; MLflow is imported here, which two threads should not do at a time.

        Args:
            log: takes figures of a moment; called in its thread.
        """
        self._log = log
        self._meters = _meters()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="monitor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it; it logs nothing any more."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        meters, begin_s = self._meters, time.monotonic()
        while not self._ended.is_set():
            for meter in meters:
                meter.collect_metrics()
            if self._ended.wait(interval_at(time.monotonic() - begin_s)):
                return
            figures: dict[str, float] = {}
            for meter in meters:
                figures |= meter.aggregate_metrics()
                meter.clear_metrics()
            self._log({_PREFIX + name: value for name, value in figures.items()})


def _meters() -> list[Any]:
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor
    from mlflow.system_metrics.metrics.rocm_monitor import ROCMMonitor

    meters = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    for gpu in (GPUMonitor, ROCMMonitor):
        with contextlib.suppress(Exception):  # there is none, or what tells of it is missing
            meters.append(gpu())
            break
    return meters
