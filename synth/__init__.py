"""Turn documents into question-answer datasets, and find which settings make the best one."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synth.kit import SyntheticDataKit

__version__ = "0.1.0"

__all__ = ["SyntheticDataKit", "__version__"]


def __getattr__(name: str) -> object:
    """Import the Python class when it is asked for: the program itself does not need it."""
    if name == "SyntheticDataKit":
        from synth.kit import SyntheticDataKit

        return SyntheticDataKit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
