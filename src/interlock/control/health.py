"""Whether a target became unwell after an agent's change: what is remembered of a check, and which changes it blames.

A change is blamed when all of this holds: the last result before it was good, the two newest results are failing and both began
after it, and the first of these failures began while it was under watch. What began before the change and ended after it tells
nothing about it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from interlock.model.health import Health, Result, Run, Watched

IN_A_ROW = 2
"""So many failing results make a target unwell."""

RUNS = 100
"""So many runs of like results are remembered of a check."""

SLACK = timedelta(seconds=10)
"""How much longer than its timeout a check is kept from other replicas."""


def due(health: Health, now: datetime) -> bool:
    """Whether somebody should run it now, and nobody does."""
    held = bool(health.holder) and health.held_until is not None and now < health.held_until
    return not held and (health.due_at is None or health.due_at <= now)


def claimed(health: Health, holder: str, now: datetime, timeout: timedelta) -> Health:
    """As `holder` runs it."""
    return msgspec.structs.replace(health, holder=holder, held_until=now + timeout + SLACK)


def concluded(health: Health, found: Result | str, due_at: datetime) -> Health:
    """After a result, or the trouble because of which there is none: that says nothing about the target, good or bad."""
    trouble = found if isinstance(found, str) else ""
    runs = health.runs if isinstance(found, str) else added(health.runs, found)
    return msgspec.structs.replace(
        health, runs=runs, trouble=trouble, due_at=due_at, holder="", held_until=None
    )


def added(runs: Sequence[Run], result: Result) -> tuple[Run, ...]:
    """The runs with one more result; the oldest are forgotten."""
    last = runs[-1] if runs else None
    if last is None or last.ok != result.ok:
        new = Run(
            result.ok, 1, result.began, result.ended, result.began, result.began, result.ended, result.why
        )
        return (*runs, new)[-RUNS:]
    longer = msgspec.structs.replace(
        last,
        count=last.count + 1,
        last_but_one_began=last.last_began,
        last_began=result.began,
        last_ended=result.ended,
        why=result.why,
    )
    return (*runs[:-1], longer)


def failing(health: Health) -> Run | None:
    """The failing results, when they are enough in a row."""
    last = health.last
    return last if last is not None and not last.ok and last.count >= IN_A_ROW else None


def was_good(health: Health, at: datetime) -> bool:
    """Whether the last result that had ended by then was good. Not to know is no."""
    before = [run for run in health.runs if run.ended <= at]
    return bool(before) and before[-1].ok


def blamed(health: Health, changes: Iterable[Watched], watch: timedelta) -> tuple[Watched, ...]:
    """Those of the changes after which the check began to fail. `watch` is how long a change is under watch."""
    run = failing(health)
    if run is None:
        return ()
    return tuple(
        change
        for change in changes
        if change.applied_at is not None
        and change.applied_at <= run.last_but_one_began
        and run.began <= change.applied_at + watch
        and was_good(health, change.intended_at)
    )
