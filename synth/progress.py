"""Progress bars on a terminal; nothing elsewhere."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


@contextmanager
def show_progress(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar (a spinner if ``total`` is None) and yield the function that moves it."""
    console = get_console()
    columns = [SpinnerColumn(), TextColumn("{task.description}")]
    if total is not None:
        columns += [BarColumn(), MofNCompleteColumn()]
    with Progress(
        *columns,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(label, total=total)
        yield lambda n: progress.advance(task, n)


def make_log_handler() -> logging.Handler:
    """Return the handler for the terminal: one that leaves bars whole, or plain lines in a pipe."""
    console = get_console()
    if console.is_terminal:
        return RichHandler(console=console, show_path=False, log_time_format="%H:%M:%S")
    return logging.StreamHandler(sys.stdout)
