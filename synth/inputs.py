"""What a run is given."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from synth.config import Config
from synth.curation import Aids
from synth.examination import OpenJudge
from synth.harvest import Asking
from synth.salvage import Salvage
from synth.shared import Shared
from synth.sources import Location
from synth.traffic import Route

Disperse = Callable[[Path, int], Awaitable[None]]
"""Divides the run in a folder into so many shards, and runs them."""


@dataclass(frozen=True)
class Inputs:
    """What a run is given."""

    config: Config
    sources: Sequence[Location]
    find_tokenizer: Callable[[], Path]
    """Returns the model's ``tokenizer.json``, when something is cut."""
    cache: Path
    """Folder in which texts and their tokens are kept for later runs."""
    connect: Callable[[], Awaitable[Route]]
    """Returns where requests may go when they can be answered there."""
    asking: Asking
    aids: Aids
    open_judge: OpenJudge
    shared: Shared = field(default_factory=Shared)
    before: Salvage = field(default_factory=Salvage)
    """What earlier attempts have left."""
    disperse: Disperse | None = None
    """Has the shards of the run asked."""
    save: Callable[[], None] = lambda: None
    """Called when a step is complete."""
