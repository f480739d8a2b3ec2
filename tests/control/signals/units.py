"""Units of work for tests of signals, and a walk of them through `judge`."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from interlock.control import breaker
from interlock.control.signals import judge
from interlock.control.signals.judge import Judged, Opening
from interlock.control.signals.seen import Seen
from interlock.control.signals.thresholds import Thresholds
from interlock.model.signal import Outcome, Result, Track

BEGIN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SESSION, AGENT = breaker.session("s1"), breaker.agent("fixer")
OFF = Thresholds(
    destructive_minute=None,
    destructive_ten_minutes=None,
    destructive_day=None,
    group_share=None,
    last_member=False,
    sweeping=False,
    groups_deleted_hour=None,
    groups_written_ten_minutes=None,
    novel=None,
    failures=None,
    errors=None,
    recreated=None,
    recreated_stateful=None,
    guard=False,
    sessions_tripped=None,
    agents_tripped=None,
)
"""Nothing trips: tests switch on what they are about."""


def only(**limits: Any) -> Thresholds:
    return msgspec.structs.replace(OFF, **limits)


def unit(seconds: float = 0, **about: Any) -> Seen:
    """One unit of `fixer`, so many seconds after the beginning."""
    usual: dict[str, Any] = {
        "agent": "fixer",
        "session": "s1",
        "environment": "production",
        "target": "shop",
        "what": "updated rows",
        "key": "k",
    }
    return Seen(at=BEGIN + timedelta(seconds=seconds), **{**usual, **about})


def bad(seconds: float = 0, **about: Any) -> Seen:
    """A destructive one, of a kind of its own if none is given."""
    return unit(seconds, **{"destructive": True, "what": "deleted table", **about})


def start(units: Iterable[Seen], limits: Thresholds, track: Track | None = None) -> list[Judged]:
    """Each goes on with the track that the one before left."""
    found, track = [], track or Track()
    for one in units:
        found.append(judge.starting(track, one, limits, asks=False))
        track = found[-1].track
    return found


def first(judged: list[Judged]) -> tuple[int, Opening] | None:
    """Which was the first that opened something, counted from 1."""
    for place, one in enumerate(judged, 1):
        if one.openings:
            return place, one.openings[0]
    return None


def end(results: str, limits: Thresholds, *, keys: str = "", sessions: str = "") -> list[Judged]:
    """Units that end: `.` well, `f` failed, `e` excused; each with the key at its place, or all alike."""
    how = {".": Result.OK, "f": Result.FAILED, "e": Result.EXCUSED}
    found, track = [], Track()
    for place, letter in enumerate(results):
        outcome = Outcome(
            BEGIN + timedelta(seconds=place),
            sessions[place] if sessions else "s1",
            keys[place] if keys else "k",
            how[letter],
            "deploy",
            f"CHG-{place}",
        )
        found.append(judge.ended(track, outcome, limits))
        track = found[-1].track
    return found
