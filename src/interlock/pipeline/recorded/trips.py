"""Breakers that open by themselves: signals judged in the transactions that record what an agent does.

All of these run inside the transaction of an intent, a hold, a refusal or an outcome, so that what opens there is open for whatever
comes after it, on every replica (P8). `Found` collects what opened, for those who tell people.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from interlock.control import breaker
from interlock.control.signals import judge, said
from interlock.control.signals.judge import Judged, Opening
from interlock.control.signals.seen import Seen, Who, seen
from interlock.control.signals.thresholds import HOUR, Thresholds
from interlock.control.usage import TOOK_EFFECT
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.change import Change, ChangeFilter, Measurement
from interlock.model.decision import Target
from interlock.model.errors import InterlockError
from interlock.model.operation import Operation
from interlock.model.signal import Facts, Outcome, Result, Signal, Track, Trip, TripFilter
from interlock.pipeline import trials
from interlock.pipeline.deciding import glass
from interlock.pipeline.recorded import bodies
from interlock.pipeline.recorded.terms import Terms
from interlock.sdk.connector import Cause, Preview, Principal, Refused, Settled, Work
from interlock.sdk.ports import ReadTx, Tx

Found = list[Trip]
"""What opened, for those who tell people; None: nobody is told."""

MODE, OBSERVES = "mode", "observe"
"""The member of a change's marker that tells that its target only observed when it began."""

PAST = 1000
"""How many of an agent's changes are read to learn what it is used to, when nothing is known of it yet."""


class Novel(InterlockError):
    """Raised in the transaction of an intent, so that nothing of it is kept: people are asked about what is the first of its
    kind."""

    def __init__(self, subjects: Sequence[str], quorum: str) -> None:
        super().__init__("the first of its kind")
        self.subjects, self.quorum = tuple(subjects), quorum


def limits_of(terms: Terms, target: Target, agent: str) -> Thresholds | None:
    """The thresholds that hold for an agent on a target; None where nothing trips (a target that only observes)."""
    if terms.signals is None or target.observe:
        return None
    return terms.signals.of(target.environment, agent)


def starting(
    tx: Tx,
    work: Work,
    target: Target,
    measurement: Measurement,
    facts: Facts,
    terms: Terms,
    found: Found | None,
) -> tuple[Refused | None, Track | None]:
    """A unit is about to execute without approval: why it may not, or the track to keep when it does (`begun`). Raises Novel."""
    limits = limits_of(terms, target, work.principal.agent)
    if limits is None:
        return None, None
    unit = _seen(tx, work.principal, target, work.operations, measurement, facts)
    track = track_of(tx, unit.agent)
    asks = terms.signals.quorum if terms.signals is not None else ""
    judged = judge.starting(track, unit, limits, asks=bool(asks))
    if judged.novel:
        raise Novel(judged.novel, asks)
    if not judged.openings and not judged.refuses:
        return None, judged.track if judged.track != track else None
    opened = _keep(tx, track, judged, unit, limits, found)
    if judged.refuses and not opened:
        return Refused("forbidden", judged.refuses), None
    return _stop(tx, opened, judged, target, terms), None


def refused(
    tx: ReadTx, scope: str, why: str, target: Target, terms: Terms, *, frozen: bool = False
) -> Refused:
    """What a breaker or a freeze refuses on the way to a target: what is open, why, and who can end it where and how."""
    what = "frozen" if frozen else "stopped"
    see = said.page(terms.console, scope)
    sentence = f"changes are {what} for {bodies.cut(scope)}: {bodies.cut(why)}"
    # In governed mode (`runtime.governing.office`): what stops others beside the one agent, where something is strict.
    wide = not breaker.alone(scope) and (target.strict or scope == breaker.GLOBAL)
    admins = wide and bool(tx.in_force())
    told = said.advice(scope, frozen=frozen, admins=admins)
    return Refused(
        "breaker", sentence, next=told, see=see, people=said.way_out(scope, frozen=frozen, admins=admins)
    )


def too_large(
    tx: Tx,
    work: Work,
    target: Target,
    measurement: Measurement,
    facts: Facts,
    terms: Terms,
    found: Found | None,
    *,
    change: str = "",
) -> Refused | None:
    """Why a unit may not be done whatever people say: it takes too large a part of a group. `change` is what they approved."""
    limits = limits_of(terms, target, work.principal.agent)
    if limits is None or not facts.sizes or work.reverts:
        return None
    unit = _seen(tx, work.principal, target, work.operations, measurement, facts, change=change)
    track = track_of(tx, unit.agent)
    judged = judge.too_large(track, unit, limits)
    if not judged.openings:
        return None
    opened = _keep(tx, track, judged, unit, limits, found)
    return _stop(tx, opened, judged, target, terms)


def approved(
    tx: Tx, change: Change, work: Work, target: Target, preview: Preview, terms: Terms, found: Found | None
) -> Refused | None:
    """People approved what is about to execute, or broke the glass for it: it is familiar from now on, and counts for nothing
    but its groups' share. That may refuse it: only broken glass lifts it."""
    if limits_of(terms, target, work.principal.agent) is None:
        return None
    if glass.standing(tx, change, terms.break_glass, terms.origin) is None:
        stop = too_large(tx, work, target, preview.measurement, preview.facts, terms, found, change=change.id)
        if stop is not None:
            return stop
    unit = _seen(
        tx, work.principal, target, work.operations, preview.measurement, preview.facts, change=change.id
    )
    track = track_of(tx, unit.agent)
    after = judge.approved(track, unit)
    if after != track:
        tx.put_track(unit.agent, after)
    return None


def begun(tx: Tx, track: Track | None, change: Change) -> None:
    """Keep the track of a unit that executes, now that its change has an id."""
    if track is not None:
        tx.put_track(change.agent, judge.named(track, change.id))


def attempted(
    tx: Tx,
    change: Change,
    target: Target,
    facts: Facts,
    terms: Terms,
    found: Found | None,
    *,
    forbidden: bool = False,
) -> None:
    """People are asked about a change, or policy forbade it."""
    limits = limits_of(terms, target, change.agent)
    if limits is None or change.reverts:
        return
    who = Who(tx.now(), change.agent, change.session, change.environment, change.target)
    effects = change.measurement.effects
    unit = seen(who, change.operations, effects, facts, held=True, change=change.id)
    track = track_of(tx, unit.agent)
    _keep(tx, track, judge.attempted(track, unit, limits, forbidden=forbidden), unit, limits, found)


def beyond(
    tx: Tx, before: Change, change: Change, grown: Sequence[str], terms: Terms, found: Found | None
) -> None:
    """What ran as an approved change would have done more than was approved: nobody can use that approval any more."""
    if terms.signals is None or terms.signals.of(change.environment, change.agent) is None:
        return
    words = f"{before.id} went beyond what was approved: {'; '.join(grown)}"
    trip = Trip(
        tx.now(), breaker.of_change(before.id), Signal.BEYOND_APPROVED, change.agent, change.session,
        change.environment, change.target, bodies.cut(words, 300),
    )  # fmt: skip
    open_by_itself(tx, trip, (change.agent,), found)
    again(tx, trip, found)


def on_probation(
    tx: Tx, work: Work, target: Target, preview: Preview, terms: Terms, found: Found | None
) -> None:
    """A unit is refused because a breaker on its way is on probation. It was tried all the same, and what it is a signal of opens
    again, and is told."""
    limits = limits_of(terms, target, work.principal.agent)
    if limits is None:
        return
    unit = _seen(tx, work.principal, target, work.operations, preview.measurement, preview.facts)
    track = track_of(tx, unit.agent)
    judged = judge.starting(track, unit, limits, asks=False)
    if not judged.openings and not judged.refuses:
        judged = judge.attempted(track, unit, limits)
    _keep(tx, track, judged, unit, limits, found)


def ended(tx: Tx, change: Change, settled: Settled, terms: Terms, found: Found | None) -> None:
    """A change has an outcome: units that fail are counted, and those that end well on probation."""
    failed = settled.committed is False
    trials.end(tx, change, well=settled.committed is True)
    target = Target(change.target, "", change.environment, observe=change.marker.get(MODE) == OBSERVES)
    limits = None if terms.signals is None or change.reverts else limits_of(terms, target, change.agent)
    if not failed or limits is None or settled.cause is Cause.TRANSIENT or not change.session:
        return
    unit = seen(
        Who(tx.now(), change.agent, change.session, change.environment, change.target),
        change.operations, change.measurement.effects, Facts(), change=change.id,
    )  # fmt: skip
    _failed(tx, unit, _RESULT[settled.cause], limits, found)


def failed(
    tx: Tx,
    principal: Principal,
    target: Target,
    operations: Iterable[Operation],
    cause: Cause,
    terms: Terms,
    found: Found | None,
    *,
    at: datetime,
) -> None:
    """Something failed at that time that no change came of. It may be heard of later than of what came after it."""
    limits = limits_of(terms, target, principal.agent)
    if limits is None or cause is Cause.TRANSIENT or not principal.session:
        return
    unit = _seen(tx, principal, target, tuple(operations), Measurement(()), Facts())
    _failed(tx, msgspec.structs.replace(unit, at=min(at, unit.at)), _RESULT[cause], limits, found)


def guarded(
    tx: Tx,
    principal: Principal,
    target: Target,
    operations: Iterable[Operation],
    guard: str,
    terms: Terms,
    found: Found | None,
) -> None:
    """What nobody may ever do was refused before anything was measured."""
    limits = limits_of(terms, target, principal.agent)
    if limits is None:
        return
    unit = _seen(tx, principal, target, tuple(operations), Measurement(()), Facts(guard=guard))
    track = track_of(tx, unit.agent)
    _keep(tx, track, judge.attempted(track, unit, limits, forbidden=True), unit, limits, found)


_RESULT = {Cause.WORK: Result.FAILED, Cause.EXPECTED: Result.EXCUSED}


def _failed(tx: Tx, unit: Seen, result: Result, limits: Thresholds, found: Found | None) -> None:
    outcome = Outcome(unit.at, unit.session, unit.key, result, unit.what, unit.change)
    track = track_of(tx, unit.agent)
    _keep(tx, track, judge.ended(track, outcome, limits, unit.agent), unit, limits, found)


# ---- how -------------------------------------------------------------------------------------------------------------


def track_of(tx: ReadTx, agent: str) -> Track:
    """What the agent left behind; at first, what its past changes make familiar."""
    track = tx.track(agent)
    return track if track is not None else learnt(tx, agent)


def learnt(tx: ReadTx, agent: str, *, until: datetime | None = None) -> Track:
    """The track of an agent that nothing is known of yet, from its changes that took effect (those before `until`)."""
    track, states = Track(), tuple(sorted(TOOK_EFFECT, key=lambda s: s.value))
    past = tx.changes(ChangeFilter(states=states, agent=agent, until=until, limit=PAST))
    for change in reversed(past):
        who = Who(change.requested_at, agent, change.session, change.environment, change.target)
        unit = seen(who, change.operations, change.measurement.effects, Facts(), change=change.id)
        track = judge.approved(track, unit)
    return judge.forgiven(track)


def _seen(
    tx: ReadTx,
    principal: Principal,
    target: Target,
    operations: Iterable[Operation],
    measurement: Measurement,
    facts: Facts,
    *,
    change: str = "",
) -> Seen:
    who = Who(tx.now(), principal.agent, principal.session, target.environment, target.name)
    return seen(who, operations, measurement.effects, facts, change=change)


def _keep(
    tx: Tx, before: Track, judged: Judged, unit: Seen, limits: Thresholds, found: Found | None
) -> tuple[Trip, ...]:
    """Store the track, and open what is to be opened; returns what was not open before."""
    wider = judge.escalate(judged.track, judged.openings, unit.session, unit.at, limits, unit.agent)
    if wider.track != before:
        tx.put_track(unit.agent, wider.track)
    causes = [_trip(opening, unit) for opening in wider.openings]
    opened = [t for cause in causes if (t := open_by_itself(tx, cause, (unit.agent,), found)) is not None]
    if judged.refuses:
        # It opens nothing that is closed: to be refused is enough.
        signal = Signal.SWEEPING if unit.sweeping and limits.sweeping else Signal.LAST_MEMBER
        causes.append(_trip(Opening(signal, "", judged.refuses), unit))
    if causes:
        again(tx, causes[0], found)
    stopped = [trip for trip in opened if trip.scope == breaker.agent(unit.agent)]
    wide = widen(tx, stopped[0], limits.agents_tripped, found) if stopped else None
    return (*opened, *([wide] if wide is not None else []))


def again(tx: Tx, cause: Trip, found: Found | None) -> None:
    """On probation any signal opens a breaker again, whatever it opens otherwise: those on the way of the cause's agent."""
    principal = Principal(cause.agent, "", cause.session)
    for scope in breaker.scopes_of(principal, cause.target, cause.environment):
        row = tx.breaker(scope)
        if row is not None and row.state is BreakerState.PROBATION and scope != cause.scope:
            words = bodies.cut(f"on probation: {cause.words}", 300)
            more = msgspec.structs.replace(cause, scope=scope, signal=Signal.PROBATION, words=words)
            open_by_itself(tx, more, (cause.agent,), found)


def widen(tx: Tx, cause: Trip, limit: int | None, found: Found | None) -> Trip | None:
    """An agent was stopped, everywhere or in one environment: when as many as the limit were stopped there within an hour, the
    environment is stopped for all."""
    if limit is None:
        return None
    lately = tx.trips(TripFilter(environment=cause.environment, since=tx.now() - HOUR))
    agents = sorted({t.agent for t in lately if t.agent and breaker.agent_of(t.scope) == t.agent})
    if len(agents) < limit:
        return None
    words = (
        f"{len(agents)} agents were stopped in {cause.environment} within an hour: {', '.join(agents[:10])}"
    )
    wide = msgspec.structs.replace(
        cause, scope=breaker.environment(cause.environment), signal=Signal.AGENTS_TRIPPED, words=bodies.cut(words, 300), steps=(),
    )  # fmt: skip
    return open_by_itself(tx, wide, agents, found)


def _trip(opening: Opening, unit: Seen) -> Trip:
    return Trip(
        unit.at, opening.scope, opening.signal, unit.agent, unit.session, unit.environment, unit.target,
        bodies.cut(opening.words, 300), opening.steps,
    )  # fmt: skip


def open_by_itself(tx: Tx, trip: Trip, agents: Sequence[str], found: Found | None) -> Trip | None:
    """Open a breaker because of a signal, and record it; None when it is open already, or its session is over."""
    row = tx.breaker(trip.scope)
    if row is None and not breaker.made_on_demand(trip.scope):
        return None
    row = row or Breaker(trip.scope)
    if row.state is BreakerState.OPEN:
        return None
    moved = breaker.trip(row, trip.signal.value, agents, "interlock", trip.words, tx.now())
    trip = msgspec.structs.replace(trip, epoch=moved.epoch)
    tx.put_breaker(moved)
    tx.add_trip(trip)
    tx.append("breaker", bodies.tripped(moved, trip))
    if found is not None:
        found.append(trip)
    return trip


def _stop(tx: ReadTx, opened: Sequence[Trip], judged: Judged, target: Target, terms: Terms) -> Refused:
    """What refuses a unit that was judged so: what opened now, or was open already."""
    first = opened[0] if opened else judged.openings[0]
    return refused(tx, first.scope, first.words, target, terms)
