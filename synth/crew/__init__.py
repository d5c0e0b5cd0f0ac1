"""Processes that work on tasks, and may die or hang at one without harm to the others."""

from synth.crew.crew import Crew
from synth.crew.keeper import Limits
from synth.crew.stream import Recovery, Stream, Task

__all__ = ["Crew", "Limits", "Recovery", "Stream", "Task"]
