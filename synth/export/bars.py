"""Libraries that draw progress bars of their own, kept from it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_bars(utils: Any) -> Iterator[None]:
    """Draw no bars meanwhile; ``utils`` is the module of ``datasets`` or ``huggingface_hub``."""
    had_bars = not utils.are_progress_bars_disabled()
    utils.disable_progress_bars()
    try:
        yield
    finally:
        if had_bars:
            utils.enable_progress_bars()
