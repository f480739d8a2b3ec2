"""What checks of a target's health do to the store: one function each, run inside one transaction of the store's port."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

import msgspec

from interlock.control import breaker, health
from interlock.control.signals.thresholds import SHIPPED
from interlock.model.base import Json, Value
from interlock.model.change import Change, ChangeState
from interlock.model.health import Blame, CheckKind, Health, Result, Run, Watched
from interlock.model.signal import Mark, Signal, Trip
from interlock.pipeline.recorded import bodies, trips
from interlock.pipeline.recorded.terms import Terms
from interlock.sdk.ports import ReadTx, Tx

BY = "health"
"""Who proposes the reverts of what a check blames."""

LONGEST_WATCH = timedelta(days=1)
"""The configuration allows no longer one; what nobody decided about by then is forgotten."""


class Check(Value, frozen=True):
    """A configured check, as records need to know it. `definition` is the digest of what it asks; `keep` is how long changes
    of its target are remembered, for all of its checks; `observe` tells that the target only observes."""

    target: str
    environment: str
    name: str
    kind: CheckKind
    definition: str
    every: timedelta
    timeout: timedelta
    watch: timedelta
    keep: timedelta
    observe: bool = False


class Outcome(Value, frozen=True):
    """What a run of a check found. `why` says what is wrong when it is not well; with `trouble` nothing could be asked at all."""

    ok: bool
    why: str = ""
    trouble: str = ""


class Found(Value, frozen=True):
    """What a result led to: how the check stands now, whether its target has just become unwell (True) or well again (False), and
    the agents whose changes are blamed."""

    health: Health
    turned: bool | None = None
    blames: tuple[Blame, ...] = ()


def state_of(tx: ReadTx, check: Check) -> Health:
    """How a check stands. One that asks something else by now begins anew."""
    found = tx.health(check.target, check.name)
    if found is None or found.definition != check.definition:
        return Health(check.target, check.name, check.kind, check.definition)
    return found


def due(tx: ReadTx, checks: Iterable[Check]) -> list[Check]:
    """The checks that somebody should run now."""
    now = tx.now()
    return [check for check in checks if health.due(state_of(tx, check), now)]


def claim(tx: Tx, check: Check, holder: str) -> Health | None:
    """Take a check to run it; None when another replica was faster. A crash after it: the claim ends by itself."""
    now, state = tx.now(), state_of(tx, check)
    if not health.due(state, now):
        return None
    taken = health.claimed(state, holder, now, check.timeout)
    # Counted from when it is taken, by the store's clock: that is also when the result begins, at the earliest.
    taken = msgspec.structs.replace(taken, due_at=now + check.every)
    tx.put_health(taken)
    return taken


def conclude(
    tx: Tx, check: Check, taken: Health, outcome: Outcome, terms: Terms, opened: trips.Found | None = None
) -> Found | None:
    """Record what a run found, and open breakers for the agents whose changes it blames. None when the claim has ended: another
    replica has it, and what this one found is not counted."""
    now, state = tx.now(), state_of(tx, check)
    if state.holder != taken.holder or state.held_until != taken.held_until or taken.due_at is None:
        return None
    began = taken.due_at - check.every
    found = outcome.trouble or Result(outcome.ok, began, now, bodies.cut(outcome.why))
    before, after = state, health.concluded(state, found, taken.due_at)
    tx.put_health(after)
    turned = _turned(tx, check, before, after)
    tx.forget_watched(now - check.keep, check.target)
    run = health.failing(after)
    blamed = _blamed(tx, check, after, run) if run is not None and not outcome.trouble else ()
    if not blamed:
        return Found(after, turned)
    return Found(after, turned, _blame(tx, check, blamed, terms, opened))


def _turned(tx: Tx, check: Check, before: Health, after: Health) -> bool | None:
    """Record that the target became unwell, or well again: not each result."""
    was, is_ = health.failing(before) is not None, health.failing(after) is not None
    if was == is_:
        return None
    body = {**_subject(check), "event": "unwell" if is_ else "well"}
    tx.append("health", {**body, "why": after.last.why if is_ and after.last else ""})
    return is_


def _blamed(tx: Tx, check: Check, state: Health, run: Run) -> tuple[Watched, ...]:
    since = run.began - check.watch
    candidates = tx.watched(check.target, since, run.last_but_one_began, run.ended)
    return health.blamed(state, candidates, check.watch)


def _blame(
    tx: Tx, check: Check, blamed: Sequence[Watched], terms: Terms, opened: trips.Found | None
) -> tuple[Blame, ...]:
    blames: list[Blame] = []
    last: Trip | None = None
    for agent in sorted({watched.agent for watched in blamed}):
        theirs = [watched for watched in blamed if watched.agent == agent]
        trip = None if check.observe else _open(tx, check, agent, theirs, opened)
        last = trip or last
        changes = tuple(watched.change for watched in theirs)
        scopes = (trip.scope,) if trip is not None else ()
        about = (check.target, check.environment, check.name, agent, changes, tx.now(), scopes)
        blames.append(Blame(*about, observed=check.observe))
        tx.append("health", {**_subject(check), **_blamed_body(blames[-1])})
    if last is not None:
        trips.widen(tx, last, _limit(terms, check.environment), opened)
    for watched in blamed:
        _mark(tx, check, watched)
    return tuple(blames)


def _open(
    tx: Tx, check: Check, agent: str, blamed: Sequence[Watched], opened: trips.Found | None
) -> Trip | None:
    why = f"{check.target} is unwell (the check {check.name}) since {', '.join(w.change for w in blamed)}"
    steps = tuple(
        Mark(w.applied_at, f"changed {check.target}", "", w.change)
        for w in reversed(blamed)
        if w.applied_at is not None
    )
    scope = breaker.agent_in(check.environment, agent)
    about = (tx.now(), scope, Signal.HEALTH, agent, "", check.environment, check.target)
    trip = Trip(*about, bodies.cut(why, 300), steps)
    trips.again(tx, trip, opened)
    return trips.open_by_itself(tx, trip, (agent,), opened)


def _limit(terms: Terms, environment: str) -> int | None:
    """How many stopped agents stop an environment: as for signals, and as shipped where those are off."""
    limits = terms.signals.of(environment, "") if terms.signals is not None else None
    return (limits or SHIPPED).agents_tripped


def _mark(tx: Tx, check: Check, watched: Watched) -> None:
    """Blamed once and for all: whoever closes the breaker meanwhile is not overruled. A target that only observes is left alone."""
    if check.observe:
        tx.drop_watched(watched.change)
    else:
        tx.put_watched(msgspec.structs.replace(watched, blamed_by=check.name, blamed_at=tx.now()))


def _subject(check: Check) -> dict[str, Json]:
    return {
        "target": check.target,
        "environment": check.environment,
        "check": check.name,
        "kind": check.kind.value,
    }


def _blamed_body(blame: Blame) -> dict[str, Json]:
    body: dict[str, Json] = {"event": "blamed", "agent": blame.agent, "changes": list(blame.changes)}
    return {**body, "opened": list(blame.opened), **({"observed": True} if blame.observed else {})}


# ---- changes under watch


def watch(tx: Tx, before: Change, after: Change) -> None:
    """Put a change under watch whose outcome is found out. `before` is as it was: its last move was the intent, or the doubt that
    is over now. Reverts are people's, and not watched."""
    if after.reverts:
        return
    known = tx.watched_change(after.id) if before.state is ChangeState.IN_DOUBT else None
    intended = known.intended_at if known is not None else before.updated_at
    made = Watched(after.id, after.target, after.environment, after.agent, intended)
    match after.state:
        case ChangeState.APPLIED:
            tx.put_watched(msgspec.structs.replace(made, applied_at=tx.now()))
        case ChangeState.IN_DOUBT:
            tx.put_watched(made)
        case _ if known is not None:
            tx.drop_watched(after.id)
        case _:
            pass


# ---- the reverts


def proposed(tx: Tx, watched: Watched, revert: Change | None, why: str = "") -> None:
    """That the revert of a blamed change was proposed, as a held change, or never will be: `why` says the reason. Once: another
    replica may have been at it as well."""
    if tx.watched_change(watched.change) is None:
        return
    body: dict[str, Json] = {"event": "proposed" if revert is not None else "not_proposed"}
    body |= {"target": watched.target, "environment": watched.environment, "check": watched.blamed_by}
    body |= {"agent": watched.agent, "change": watched.change, "why": bodies.cut(why)}
    tx.append("health", {**body, "revert": revert.id if revert is not None else ""})
    tx.drop_watched(watched.change)
