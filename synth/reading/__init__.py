"""Read documents of any format as text."""

from synth.reading.documents import is_plain, read
from synth.reading.source import Member, show

__all__ = ["Member", "is_plain", "read", "show"]
