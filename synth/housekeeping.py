"""Look at the store of replies, and clean it: ``python -m synth replies``."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from synth.errors import ConfigError
from synth.models import cache_dir
from synth.replies import Replies, store_in

_MIB, _GIB = 2**20, 2**30
_LIMITS = {
    "max_age_d": "days since a reply was last used",
    "max_gib": "GiB that the replies may take",
}


def keep_house(arguments: Sequence[str], console: Console) -> None:
    """Clean the store as the arguments say, and print what is in it.

    Args:
        arguments: as typed: ``max_age_d=30``, ``max_gib=5``, both or none.

    Raises:
        ConfigError: if an argument is neither of them.
        StoreError: if the store can't be read or written.
    """
    limits = read_limits(arguments)
    with Replies(path := store_in(cache_dir())) as replies:
        if limits:
            age_d, gib = limits.get("max_age_d"), limits.get("max_gib")
            n_deleted = replies.clean(
                max_age_s=None if age_d is None else age_d * 86_400,
                max_bytes=None if gib is None else int(gib * _GIB),
            )
            console.print(f"{n_deleted:,} replies deleted")
        table = Table("model", "replies", "MiB", "last used", box=None)
        for held in replies.holdings():
            last = datetime.fromtimestamp(held.last_used_s, UTC).date().isoformat()
            table.add_row(
                escape(held.model), f"{held.n_replies:,}", f"{held.n_bytes / _MIB:,.1f}", last
            )
    console.print(f"Replies in {path}:", soft_wrap=True)
    console.print(table if table.row_count else "none")


def read_limits(arguments: Sequence[str]) -> dict[str, float]:
    """Return the limits by name.

    Raises:
        ConfigError: with all problems.
    """
    limits, problems = {}, []
    for text in arguments:
        name, _, value = text.partition("=")
        try:
            limits[name] = float(value)
            is_good = name in _LIMITS and limits[name] >= 0
        except ValueError:
            is_good = False
        if not is_good:
            known = ", ".join(f"{name}=… ({meaning})" for name, meaning in _LIMITS.items())
            problems.append(f"{text}: expected {known}")
    if problems:
        raise ConfigError(problems)
    return limits
