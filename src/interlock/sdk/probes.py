"""What a connector may offer so that checks of a target's health can ask it in its own language."""

from datetime import timedelta
from typing import Protocol, runtime_checkable


@runtime_checkable
class Probes(Protocol):
    """What a `Live` may offer besides: statements in its own language that tell whether the target is well."""

    async def probe(self, statement: str, within: timedelta) -> str | None:
        """Run one statement that can change nothing, on a connection of its own, within that time (the target ends it then, too).
        Returns the first value of the first row, as the target writes it; None is the null of the target. Works whether or not it
        is started. Raises Rejected (no row, or the target refuses the statement), Unavailable (not reached, or not in time);
        their texts have nothing of the statement, or of what the target said but codes."""
