"""Progress bars on a terminal, and whose a line of the log is when jobs run side by side."""

import logging
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path

from rich import get_console
from rich.logging import RichHandler
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column
from rich.text import Text

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_label: ContextVar[str] = ContextVar("label", default="")
_bars: ContextVar[Progress | None] = ContextVar("bars", default=None)


class Bar:
    """A line of the terminal: how much of something is done, and what there is to say of it."""

    def __init__(self, progress: Progress, label: str, total: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task(label, total=total, said="")

    def __call__(self, n: int) -> None:
        """Move on by ``n``."""
        self._progress.advance(self._task, n)

    def expect(self, total: int) -> None:
        """Say how much there is to do, as it is known now."""
        self._progress.update(self._task, total=total)

    def say(self, text: str) -> None:
        """Show ``text`` behind the bar, in place of what stood there."""
        self._progress.update(self._task, said=text)

    def remove(self) -> None:
        """Take the line away."""
        self._progress.remove_task(self._task)


@contextmanager
def show_progress(label: str, total: int | None) -> Iterator[Bar]:
    """Show a bar (a spinner if ``total`` is None); call what is yielded to move it."""
    with _shared_or_own() as progress:
        bar = Bar(progress, _label.get() + label, total)
        try:
            yield bar
        finally:
            bar.remove()


def has_bars() -> bool:
    """Return whether bars can be seen: there is a terminal."""
    return get_console().is_terminal


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


class _SaidColumn(ProgressColumn):
    """What a bar says; the end of it is cut where the terminal is narrow."""

    def render(self, task: Task) -> Text:
        """Return it as one line."""
        return Text(task.fields["said"], "progress.remaining", no_wrap=True, overflow="ellipsis")


def _whole() -> Column:
    """Return a column that is not made narrower."""
    return Column(no_wrap=True)


def _shared_or_own() -> AbstractContextManager[Progress]:
    shared = _bars.get()
    return _new_bars() if shared is None else nullcontext(shared)


def _new_bars() -> Progress:
    console = get_console()
    return Progress(
        SpinnerColumn(table_column=_whole()),
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        MofNCompleteColumn(table_column=_whole()),
        TimeElapsedColumn(table_column=_whole()),
        _SaidColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
