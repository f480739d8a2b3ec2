"""What follows from a unit, and from what its agent left behind lately.

Three occasions: a unit is about to execute (`starting`), people are asked or policy forbids it (`attempted`), or it has ended
(`ended`). Each returns the agent's track as it is from then on, and what opens. Opening by itself goes up to the agent; the scope
of an environment opens only when several agents tripped in it (`escalate`) or the target's health says so.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import takewhile
from typing import TypeVar

import msgspec

from interlock.control import breaker
from interlock.control.signals.seen import GROUP, Seen
from interlock.control.signals.thresholds import (
    DAY,
    HOUR,
    MINUTE,
    MOST_OUTCOMES,
    TEN_MINUTES,
    Most,
    Thresholds,
)
from interlock.model.base import Value
from interlock.model.signal import Mark, Novelty, Outcome, Removed, Result, Signal, Track

T = TypeVar("T")
MOST_MARKS = 64
MOST_NAMES = 256
"""Most marks and names that a track keeps of each kind; the oldest are forgotten first."""

FRESH_ENOUGH = timedelta(seconds=30)
"""A group that was written so lately is not noted again: honest work of one kind writes no track at all."""


class Opening(Value, frozen=True):
    """A breaker that opens, why, and the operations that led there. `limit` names the threshold, `number` what was compared with
    it."""

    signal: Signal
    scope: str
    words: str
    steps: tuple[Mark, ...] = ()
    limit: str = ""
    number: int = 0


class Judged(Value, frozen=True):
    """`refuses` is why the unit alone is refused, `novel` what it would be the first of its kind by: people are asked then."""

    track: Track
    openings: tuple[Opening, ...] = ()
    refuses: str = ""
    novel: tuple[str, ...] = ()


def starting(track: Track, unit: Seen, limits: Thresholds, *, asks: bool = True) -> Judged:
    """A unit is about to execute without anybody's approval. `asks` says that people can be asked about what is the first of its
    kind."""
    mark = Mark(unit.at, unit.what, unit.session, unit.change)
    after = _noted(track, unit, mark)
    openings = [*_groups(after, unit, limits), *_share(after, unit, limits), *_recreated(after, unit, limits)]
    if unit.destructive:
        openings += [*_destructive(after, unit, limits), *_novel(track, after, unit, limits)]
    if unit.guard and limits.guard:
        openings.append(_guard(unit, mark))
    refuses = _refused(unit, limits)
    new = tuple(s for s in unit.subjects if s not in track.familiar) if unit.destructive else ()
    # What is stopped, or refused whatever people say, is not put before people.
    ask = new if asks and limits.novel is not None and not openings and not refuses else ()
    if openings or refuses or ask:
        # It does not execute: it leaves the marks of an attempt, and nothing that it did.
        return Judged(_attempt(track, unit, mark), tuple(openings), refuses, ask)
    return Judged(_begun(after, unit))


def too_large(track: Track, unit: Seen, limits: Thresholds) -> Judged:
    """Whether a unit would take more of a group, with what went before it, than anybody's approval lifts. It is asked before people
    are, and again when they approved it: others may have gone meanwhile."""
    mark = Mark(unit.at, unit.what, unit.session, unit.change, unit.once)
    lost = msgspec.structs.replace(track, removed=_lost(track, unit))
    openings = tuple(_share(lost, unit, limits))
    tried = openings and not unit.change
    return Judged(_attempt(track, unit, mark) if tried else track, openings)


def approved(track: Track, unit: Seen) -> Track:
    """A unit that people approved is about to execute: it makes its kind familiar, and takes its part of its groups. It counts for
    nothing else. That it was asked for counts no more either, nor that its kind was new."""
    after = _begun(track, unit)
    return msgspec.structs.replace(
        after,
        removed=_lost(track, unit) if unit.removed else track.removed,
        destructive=tuple(m for m in after.destructive if not m.change or m.change != unit.change),
        novel=tuple(n for n in after.novel if not set(n.subjects) <= set(after.familiar)),
    )


def attempted(track: Track, unit: Seen, limits: Thresholds, *, forbidden: bool = False) -> Judged:
    """People are asked about a unit, or policy forbids it. To ask for the same deletion in other words is one attempt."""
    mark = Mark(unit.at, unit.what, unit.session, unit.change, unit.once)
    after = _attempt(_asked_anew(track, unit), unit, mark)
    openings = []
    if unit.destructive:
        openings += [*_destructive(after, unit, limits), *_novel(track, after, unit, limits)]
    if forbidden and unit.guard and limits.guard:
        openings.append(_guard(unit, mark))
    return Judged(after, tuple(openings))


def named(track: Track, change: str) -> Track:
    """The track of a unit that has begun, with the id that its change was given."""
    if not track.outcomes or track.outcomes[-1].change:
        return track
    last = msgspec.structs.replace(track.outcomes[-1], change=change)
    return msgspec.structs.replace(track, outcomes=(*track.outcomes[:-1], last))


def ended(track: Track, outcome: Outcome, limits: Thresholds, agent: str = "") -> Judged:
    """A unit ended. One that began well is corrected, by its change. With the name of the `agent`, what fails in one short session
    after the other is seen as well."""
    kept = tuple(o for o in track.outcomes if not o.change or o.change != outcome.change)
    # In the order in which they came about: what failed without a change is heard of late.
    ends = sorted((*kept, outcome), key=lambda o: o.at)
    after = msgspec.structs.replace(track, outcomes=tuple(ends[-MOST_OUTCOMES:]))
    mine = [o for o in ends if o.session == outcome.session]
    scope = breaker.session(outcome.session)
    found = [*_loop(mine, outcome, limits, scope), *_errors(mine, outcome, limits, scope)]
    if agent and not found:
        # Who opens a session for each statement fails in as many: there is no session to stop.
        wide = breaker.agent(agent)
        others = [o for o in ends if o.session not in track.tripped]
        found = [*_loop(others, outcome, limits, wide), *_errors(others, outcome, limits, wide, sessions=3)]
    return Judged(after, tuple(found))


def escalate(
    track: Track, openings: Iterable[Opening], session: str, at: datetime, limits: Thresholds, agent: str
) -> Judged:
    """Sessions that tripped are counted, and open the agent when they are many."""
    found = tuple(openings)
    if not session or all(o.scope != breaker.session(session) for o in found):
        return Judged(track, found)
    tripped = _lately({**track.tripped, session: at}, at, HOUR)
    track = msgspec.structs.replace(track, tripped=tripped)
    wide = breaker.agent(agent)
    if _reached(len(tripped), limits.sessions_tripped) and all(o.scope != wide for o in found):
        why = f"{len(tripped)} sessions of {agent} were stopped within an hour"
        found += (Opening(Signal.SESSIONS_TRIPPED, wide, why, _steps(track, HOUR, at)),)
    return Judged(track, found)


def forgiven(track: Track, session: str = "") -> Track:
    """What stays when a person puts the breaker of an agent, or of one of its sessions, back: what it is used to."""
    if not session:
        return Track(familiar=track.familiar)
    return msgspec.structs.replace(
        track,
        destructive=tuple(m for m in track.destructive if m.session != session),
        outcomes=tuple(o for o in track.outcomes if o.session != session),
        tripped={s: at for s, at in track.tripped.items() if s != session},
        deleted_in={}, written_in={}, removed={}, gone={}, back={}, novel=(),
    )  # fmt: skip


# ---- signals ---------------------------------------------------------------------------------------------------------


def _destructive(track: Track, unit: Seen, limits: Thresholds) -> Iterator[Opening]:
    """More and more: the session in a minute, the agent in ten minutes or a day."""
    ways = (
        (MINUTE, "destructive_minute", breaker.session(unit.session), "a minute"),
        (TEN_MINUTES, "destructive_ten_minutes", breaker.agent(unit.agent), "ten minutes"),
        (DAY, "destructive_day", breaker.agent(unit.agent), "a day"),
    )
    for window, name, scope, length in ways:
        steps, most = _steps(track, window, unit.at), getattr(limits, name)
        if _exceeded(len(steps), most):
            words = f"{len(steps)} destructive operations in {length}, and {most} may be"
            # Work that the server runs itself has no session.
            wide = scope if unit.session or window > MINUTE else breaker.agent(unit.agent)
            yield Opening(Signal.DESTRUCTIVE, wide, words, steps, name, len(steps))


def _novel(before: Track, track: Track, unit: Seen, limits: Thresholds) -> Iterator[Opening]:
    new = _new_lately(track, unit.at)
    if _reached(len(new), limits.novel) and new != _new_lately(before, unit.at):
        words = f"{len(new)} kinds of destruction in ten minutes that {unit.agent} never did before"
        steps = _steps(track, TEN_MINUTES, unit.at)
        yield Opening(Signal.NOVEL, breaker.agent(unit.agent), words, steps, "novel", len(new))


def _groups(track: Track, unit: Seen, limits: Thresholds) -> Iterator[Opening]:
    steps = (Mark(unit.at, unit.what, unit.session, unit.change),)
    deleted = _lately(track.deleted_in, unit.at, HOUR)
    if unit.deleted_in and _exceeded(len(deleted), limits.groups_deleted_hour):
        words = f"deletions in {len(deleted)} groups within an hour, and {limits.groups_deleted_hour} may be"
        wide = breaker.agent(unit.agent)
        yield Opening(Signal.GROUPS_DELETED, wide, words, steps, "groups_deleted_hour", len(deleted))
    written = _lately(track.written_in, unit.at, TEN_MINUTES)
    if unit.written_in and _exceeded(len(written), limits.groups_written_ten_minutes):
        words = (
            f"writes in {len(written)} groups within ten minutes,"
            f" and {limits.groups_written_ten_minutes} may be"
        )
        wide = breaker.agent(unit.agent)
        yield Opening(Signal.GROUPS_WRITTEN, wide, words, steps, "groups_written_ten_minutes", len(written))


def _share(track: Track, unit: Seen, limits: Thresholds) -> Iterator[Opening]:
    for name, _, _ in unit.removed:
        lost = track.removed[name]
        if limits.group_share is None or lost.size < limits.group_floor:
            continue
        if lost.count * 100 > limits.group_share * lost.size:
            words = f"{lost.count} of {lost.size} members of {name} would be gone within a day, and no approval lifts that"
            steps = _steps(track, DAY, unit.at) or (Mark(unit.at, unit.what, unit.session, unit.change),)
            share = lost.count * 100 // lost.size
            yield Opening(Signal.GROUP_SHARE, breaker.agent(unit.agent), words, steps, "group_share", share)


def _recreated(track: Track, unit: Seen, limits: Thresholds) -> Iterator[Opening]:
    for name in unit.created:
        times = len(track.back.get(name, ()))
        limit = "recreated_stateful" if name in unit.stateful else "recreated"
        if times and _reached(times, getattr(limits, limit)):
            words = (
                f"{name.partition('/')[2]} is made again {_times(times)} within ten minutes of its deletion"
            )
            scope = breaker.session(unit.session) if unit.session else breaker.agent(unit.agent)
            steps = (Mark(unit.at, unit.what, unit.session),)
            yield Opening(Signal.RECREATED, scope, words, steps, limit, times)


def _guard(unit: Seen, mark: Mark) -> Opening:
    words = f"it touches what guards the target, without anybody's approval: {unit.guard}"
    return Opening(Signal.GUARD, breaker.agent(unit.agent), words, (mark,), "guard", 1)


def _refused(unit: Seen, limits: Thresholds) -> str:
    if unit.sweeping and limits.sweeping:
        return f"it reaches more than it names: {unit.sweeping}"
    for name, count, size in unit.removed:
        # Of those that are there now: what went before may have come back.
        if limits.last_member and 0 < size <= count:
            return f"it would take the last member of {name}"
    return ""


def _loop(ends: list[Outcome], outcome: Outcome, limits: Thresholds, scope: str) -> Iterator[Opening]:
    if outcome.result is Result.OK or limits.failures is None or outcome not in ends:
        return
    same = [o for o in ends if o.key == outcome.key]
    row = list(takewhile(lambda o: o.result is not Result.OK, reversed(same)))[::-1]
    if len(row) < limits.failures:
        return
    since = ends[ends.index(row[0]) :]
    if any(o.result is Result.EXCUSED for o in row) and any(o.result is Result.OK for o in since):
        return  # what is there already is updated instead, and so on with the next: nobody is stuck
    words = f"the same failed {len(row)} times in a row: {outcome.what}"
    yield Opening(Signal.SAME_FAILURE, scope, words, _of(row), "failures", len(row))


def _errors(
    ends: list[Outcome], outcome: Outcome, limits: Thresholds, scope: str, *, sessions: int = 1
) -> Iterator[Opening]:
    """`sessions` is in how many of them, at least, something failed."""
    if outcome.result is not Result.FAILED or limits.errors is None:
        return
    last = [o for o in ends if o.result is not Result.EXCUSED][-limits.errors_of :]
    failed = [o for o in last if o.result is Result.FAILED]
    many = len(failed) * 100 >= limits.errors * len(last)
    if len(last) == limits.errors_of and many and len({o.session for o in failed}) >= sessions:
        words, share = f"{len(failed)} of the last {len(last)} changes failed", len(failed) * 100 // len(last)
        yield Opening(Signal.ERRORS, scope, words, _of(last), "errors", share)


# ---- the track -------------------------------------------------------------------------------------------------------


def _noted(track: Track, unit: Seen, mark: Mark) -> Track:
    """With all that the unit would do."""
    at = unit.at
    gone, back = _lately(track.gone, at, TEN_MINUTES), _back(track, at)
    for name in unit.created:
        if name in gone or name in unit.deleted:
            back[name] = (*back.get(name, ()), at)[-MOST_OUTCOMES:]
    return msgspec.structs.replace(
        _attempt(track, unit, mark),
        deleted_in=_with(_lately(track.deleted_in, at, HOUR), unit.deleted_in, at),
        written_in=_with(_lately(track.written_in, at, TEN_MINUTES), unit.written_in, at),
        removed=_lost(track, unit),
        gone=_with(gone, unit.deleted, at),
        back=back,
    )


def _lost(track: Track, unit: Seen) -> dict[str, Removed]:
    """What groups lost within a day, with the unit."""
    removed = {name: lost for name, lost in track.removed.items() if unit.at - lost.since < DAY}
    for name, count, size in unit.removed:
        before = removed.get(name)
        base = Removed(0, size, unit.at) if before is None else before
        # Of how many: as many as there were when the first of them went, or what is left of it with those that went.
        of = min(base.size, size + base.count)
        removed[name] = msgspec.structs.replace(base, count=base.count + count, size=of)
    return _newest(removed, lambda lost: lost.since)


def _attempt(track: Track, unit: Seen, mark: Mark) -> Track:
    """With the marks of having tried."""
    if not unit.destructive:
        return track
    at = unit.at
    lately = tuple(m for m in track.destructive if at - m.at < DAY)
    novel = _new_lately(track, at)
    known = {*track.familiar, *(s for n in novel for s in n.subjects)}
    new = tuple(s for s in unit.subjects if s not in known)
    if _same_elsewhere(track, unit, new):
        new = ()
    return msgspec.structs.replace(
        track,
        destructive=(*lately, mark)[-MOST_MARKS:],
        novel=(*novel, Novelty(at, new))[-MOST_MARKS:] if new else novel,
    )


def _asked_anew(track: Track, unit: Seen) -> Track:
    """Without the mark of what waits for people already, and can go only once. What nobody is asked about counts each time."""
    if not unit.once or not unit.change:
        return track
    others = tuple(m for m in track.destructive if not m.change or m.once != unit.once)
    return msgspec.structs.replace(track, destructive=others)


def _same_elsewhere(track: Track, unit: Seen, new: Iterable[str]) -> bool:
    """Whether only the place is new, and people are being asked about the kind already: it is no different one. Of how many places
    there may be tells another signal."""
    waiting = {s for n in track.novel for s in n.subjects} - {*track.familiar}
    kinds = {s for s in unit.subjects if not s.startswith(GROUP)}
    return all(s.startswith(GROUP) for s in new) and bool(kinds & waiting)


def _begun(track: Track, unit: Seen) -> Track:
    """It executes: it is taken to end well until it does not, and its kind is familiar from now on."""
    mine = [o for o in track.outcomes if o.session == unit.session][-MOST_OUTCOMES // 2 :]
    if len(mine) < MOST_OUTCOMES // 2 or any(o.result is not Result.OK for o in mine):
        begun = Outcome(unit.at, unit.session, unit.key, Result.OK, unit.what, unit.change)
        track = msgspec.structs.replace(track, outcomes=(*track.outcomes, begun)[-MOST_OUTCOMES:])
    if unit.destructive and not set(unit.subjects) <= set(track.familiar):
        known = tuple(s for s in track.familiar if s not in unit.subjects)
        track = msgspec.structs.replace(track, familiar=(*known, *unit.subjects)[-MOST_NAMES:])
    return track


def _back(track: Track, at: datetime) -> dict[str, tuple[datetime, ...]]:
    kept = {name: tuple(t for t in times if at - t < TEN_MINUTES) for name, times in track.back.items()}
    return {name: times for name, times in kept.items() if times}


def _with(known: dict[str, datetime], names: Iterable[str], at: datetime) -> dict[str, datetime]:
    fresh = {n: at for n in names if n not in known or at - known[n] >= FRESH_ENOUGH}
    return _newest({**known, **fresh}, lambda when: when) if fresh else known


def _newest(found: Mapping[str, T], when: Callable[[T], datetime]) -> dict[str, T]:
    if len(found) <= MOST_NAMES:
        return dict(found)
    return dict(sorted(found.items(), key=lambda item: when(item[1]))[-MOST_NAMES:])


def _lately(found: Mapping[str, datetime], at: datetime, window: timedelta) -> dict[str, datetime]:
    return {name: when for name, when in found.items() if at - when < window}


def _new_lately(track: Track, at: datetime) -> tuple[Novelty, ...]:
    return tuple(n for n in track.novel if at - n.at < TEN_MINUTES)


def _steps(track: Track, window: timedelta, at: datetime) -> tuple[Mark, ...]:
    return tuple(m for m in track.destructive if at - m.at < window)


def _of(outcomes: Iterable[Outcome]) -> tuple[Mark, ...]:
    return tuple(Mark(o.at, f"{o.what} ({o.result.value})", o.session, o.change) for o in outcomes)


def _exceeded(number: int, most: Most) -> bool:
    return most is not None and number > most


def _reached(number: int, enough: Most) -> bool:
    return enough is not None and number >= enough > 0


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
