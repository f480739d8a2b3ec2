"""Signals over what really happened: which past changes would have opened a breaker, and from where on none that people were
content with would have.

What a connector knew of a change beside its effects (`model.signal.Facts`) is not stored with it, nor whose fault a failure was:
the signals of `NOT_REPLAYED` are left out, and each failure counts as the agent's. Whatever opens is taken to be put back at
once, as a person does it: what led there counts no more, and the next is another.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

import msgspec

from interlock.control import budget
from interlock.control.signals import judge
from interlock.control.signals.judge import Judged, Opening
from interlock.control.signals.seen import Seen, Who, seen
from interlock.control.signals.thresholds import MOST_OUTCOMES, Thresholds
from interlock.control.usage import TOOK_EFFECT
from interlock.model.base import Value
from interlock.model.change import Change, ChangeState
from interlock.model.decision import Forbid, Hold, Rehearse
from interlock.model.signal import Facts, Outcome, Result, Signal, Track

NOT_REPLAYED: Final = (
    Signal.GROUP_SHARE, Signal.LAST_MEMBER, Signal.SWEEPING, Signal.BEYOND_APPROVED, Signal.AGENTS_TRIPPED, Signal.HEALTH,
    Signal.PROBATION,
)  # fmt: skip
"""Signals that past changes do not tell of."""

ENOUGH = 50
"""From fewer changes of an environment nothing is learnt."""

EXCEEDED = (
    "destructive_minute", "destructive_ten_minutes", "destructive_day", "groups_deleted_hour", "groups_written_ten_minutes"
)  # fmt: skip
REACHED = ("novel", "failures", "errors", "recreated")
"""Thresholds that can be proposed: those that trip when they are exceeded, and when they are reached."""

_OFF = {"last_member": False, "sweeping": False, "guard": False, "group_share": None, "recreated_stateful": None,
        "sessions_tripped": None, "agents_tripped": None}  # fmt: skip
_SILENT = Thresholds(**_OFF, **dict.fromkeys((*EXCEEDED, *REACHED)))  # type: ignore[arg-type]
_LOUD = Thresholds(
    **_OFF, **dict.fromkeys(EXCEEDED, 0), novel=1, failures=2, errors=0, recreated=1  # type: ignore[arg-type]
)  # fmt: skip
"""Nothing opens; and all that can be counted is told."""

Limits = Callable[[str, str], Thresholds | None]
"""What holds for an agent in an environment."""


class WouldTrip(Value, frozen=True):
    """A past change at which a breaker would have opened. `objected` tells that people denied it, or had it reverted."""

    at: datetime
    change: str
    agent: str
    environment: str
    target: str
    scope: str
    signal: Signal
    words: str
    limit: str = ""
    number: int = 0
    objected: bool = False


class Proposal(Value, frozen=True, omit_defaults=False):
    """A threshold of an environment, as it is (None: off) and as it could be: none of the work that people were content with goes
    beyond. `caught` are the changes that people objected to and at which it would have opened a breaker."""

    environment: str
    name: str
    now: int | None
    proposed: int
    caught: int


class _Event(Value, frozen=True):
    at: datetime
    what: str
    unit: Seen
    change: Change


def objected(change: Change) -> bool:
    """Whether people denied it or had it undone."""
    return change.state in _OBJECTED


_OBJECTED = frozenset({ChangeState.DENIED, ChangeState.REVERTED, ChangeState.PARTLY_REVERTED})


def replay(changes: Iterable[Change], limits: Limits, familiar: Mapping[str, Track]) -> tuple[WouldTrip, ...]:
    """What would have opened under these thresholds, oldest first. `familiar` are the tracks that agents begin with."""
    tracks, found = dict(familiar), []
    for event in _events(changes):
        unit, mine = event.unit, limits(event.unit.environment, event.unit.agent)
        if mine is None:
            continue
        track = tracks.get(unit.agent, Track())
        judged = _step(track, event, mine)
        judged = judge.escalate(judged.track, judged.openings, unit.session, event.at, mine, unit.agent)
        found += [_would(event, opening) for opening in judged.openings]
        track = judged.track
        if judged.openings:
            track = _put_back(track, judged.openings, unit)
        tracks[unit.agent] = track
    return tuple(found)


def _put_back(track: Track, openings: Iterable[Opening], unit: Seen) -> Track:
    """A person looked at it, and it was done nevertheless."""
    wide = any(not o.scope.startswith("session/") for o in openings)
    return judge.approved(judge.forgiven(track, "" if wide else unit.session), unit)


def _would(event: _Event, opening: Opening) -> WouldTrip:
    c = event.change
    return WouldTrip(
        event.at, c.id, c.agent, c.environment, c.target, opening.scope, opening.signal, opening.words, opening.limit,
        opening.number, objected(c),
    )  # fmt: skip


def _step(track: Track, event: _Event, limits: Thresholds) -> Judged:
    match event.what:
        case "asked" | "never":
            return judge.attempted(track, event.unit, limits, forbidden=event.what == "never")
        case "started":
            return judge.starting(track, event.unit, limits, asks=False)
        case "approved":
            return Judged(judge.approved(track, event.unit))
        case _:
            return judge.ended(track, _outcome(event), limits)


def _outcome(event: _Event) -> Outcome:
    unit = event.unit
    return Outcome(event.at, unit.session, unit.key, Result.FAILED, unit.what, unit.change)


def _events(changes: Iterable[Change]) -> list[_Event]:
    found = [event for change in changes if not change.reverts for event in _of(change)]
    return sorted(found, key=lambda event: (event.at, event.change.id))


def _of(change: Change) -> Iterator[_Event]:
    """What happened to a change, as far as signals hear of it."""
    decision = change.decision
    forbidden = isinstance(decision, Forbid)
    waited = isinstance(decision, Hold | Rehearse) and not change.marker.get("observed")
    held = forbidden or (waited and not budget.is_of_budget(decision))
    who = Who(change.requested_at, change.agent, change.session, change.environment, change.target)
    unit = seen(who, change.operations, change.measurement.effects, Facts(), held=held, change=change.id)
    ended = change.updated_at
    if held:
        yield _Event(unit.at, "never" if forbidden and "never" in decision.reasons else "asked", unit, change)
    if change.state in TOOK_EFFECT or change.state is ChangeState.FAILED:
        later = msgspec.structs.replace(unit, at=ended) if waited else unit
        yield _Event(later.at, "approved" if waited else "started", later, change)
    if change.state is ChangeState.FAILED and change.session:
        yield _Event(ended, "failed", msgspec.structs.replace(unit, at=ended), change)


# ---- proposals -------------------------------------------------------------------------------------------------------


def peaks(changes: Iterable[Change], familiar: Mapping[str, Track]) -> dict[str, dict[str, int]]:
    """By environment, the most that each threshold would have been compared with."""
    tracks, found = dict(familiar), dict[str, dict[str, int]]()
    for event in _events(changes):
        unit = event.unit
        track = tracks.get(unit.agent, Track())
        mine = found.setdefault(unit.environment, {})
        for opening in _step(track, event, _LOUD).openings:
            mine[opening.limit] = max(mine.get(opening.limit, 0), opening.number)
        tracks[unit.agent] = _step(track, event, _SILENT).track
    return found


def proposals(
    changes: Iterable[Change], limits: Limits, familiar: Mapping[str, Track]
) -> tuple[tuple[Proposal, ...], Mapping[str, Thresholds]]:
    """Thresholds that differ from what holds, and all that would hold then, by environment. Only for environments where signals
    hold and enough happened."""
    everything = tuple(changes)
    content = [c for c in everything if not objected(c)]
    numbers = {name: sum(c.environment == name for c in content) for name in {c.environment for c in content}}
    most = peaks(content, familiar)
    tuned: dict[str, Thresholds] = {}
    for name, number in sorted(numbers.items()):
        now = limits(name, "")
        if now is not None and number >= ENOUGH:
            tuned[name] = msgspec.structs.replace(now, **_proposed(most.get(name, {}), now))

    def then(environment: str, agent: str) -> Thresholds | None:
        return tuned.get(environment)

    caught = [t for t in replay(everything, then, familiar) if t.objected]
    made = [
        Proposal(
            name, field, getattr(limits(name, ""), field), getattr(own, field),
            len({t.change for t in caught if (t.environment, t.limit) == (name, field)}),
        )
        for name, own in tuned.items()
        for field in (*EXCEEDED, *REACHED)
        if getattr(own, field) != getattr(limits(name, ""), field)
    ]  # fmt: skip
    return tuple(made), tuned


def _proposed(most: Mapping[str, int], now: Thresholds) -> dict[str, int]:
    """One at least: at none, the first destruction of all would stop its agent."""
    found = {name: max(1, most.get(name, 0)) for name in EXCEEDED}
    found |= {name: most.get(name, 0) + 1 for name in REACHED}
    found["failures"] = min(max(2, found["failures"]), MOST_OUTCOMES)
    found["errors"] = min(max(10, found["errors"]), 100)
    return {name: value for name, value in found.items() if getattr(now, name) is not None}
