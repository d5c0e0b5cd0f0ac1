"""Progress bars on a terminal, and whose a line of the log is when jobs run side by side."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path

from rich import get_console
from rich.logging import RichHandler
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_label: ContextVar[str] = ContextVar("label", default="")
_bars: ContextVar[Progress | None] = ContextVar("bars", default=None)


@contextmanager
def show_progress(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar (a spinner if ``total`` is None) and yield the function that moves it."""
    with _shared_or_own() as progress:
        task = progress.add_task(_label.get() + label, total=total)
        try:
            yield lambda n: progress.advance(task, n)
        finally:
            progress.remove_task(task)


@contextmanager
def share_progress() -> Iterator[None]:
    """Show the bars of all that is done in this context below each other."""
    with _new_bars() as progress:
        token = _bars.set(progress)
        try:
            yield
        finally:
            _bars.reset(token)


@contextmanager
def labelled(label: str) -> Iterator[None]:
    """Put ``label`` before the lines that this context logs."""
    token = _label.set(label)
    try:
        yield
    finally:
        _label.reset(token)


@contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Write the lines with this context's label to a file, too."""
    label = _label.get()
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter(_FORMAT))
    handler.addFilter(lambda record: _label.get() == label)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


class LabelFilter(logging.Filter):
    """Gives each record the label of the job that logs it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attribute ``label``; let all records pass."""
        record.label = _label.get()
        return True


def tell(*lines: str) -> None:
    """Print results: as they are, whatever the terminal's width."""
    get_console().print("\n".join(lines), highlight=False, soft_wrap=True, markup=False)


def make_log_handler() -> logging.Handler:
    """Return the handler for the terminal: one that leaves bars whole, or plain lines in a pipe."""
    console = get_console()
    if console.is_terminal:
        return RichHandler(console=console, show_path=False, log_time_format="%H:%M:%S")
    return logging.StreamHandler(sys.stdout)


def _shared_or_own() -> AbstractContextManager[Progress]:
    shared = _bars.get()
    return _new_bars() if shared is None else nullcontext(shared)


def _new_bars() -> Progress:
    console = get_console()
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
