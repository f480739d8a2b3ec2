"""Breakers: admission switches. Opening is anyone's; only a person moves one back, over probation. No timer closes a breaker."""

import enum
from collections.abc import Iterable
from datetime import datetime

import msgspec

from interlock.control.limits import HELD_FOR
from interlock.control.machine import Machine
from interlock.model.breaker import HALT, Breaker, BreakerState, stops
from interlock.model.effect import Totals
from interlock.model.errors import Rejected
from interlock.model.visible import visible
from interlock.sdk.connector import Principal

S = BreakerState

GLOBAL = HALT
DRILL = "drill"
"""The scope on which the kill switch is tried: nothing of an agent's is in it."""


class BreakerEvent(enum.Enum):
    """What can happen to a breaker; the values complete the sentence "it cannot be …"."""

    OPEN = "opened"
    PROBE = "put_on_probation"
    CLOSE = "closed"


E = BreakerEvent

MACHINE = Machine(
    "breaker",
    S.CLOSED,
    {
        S.CLOSED: {E.OPEN: S.OPEN},
        S.OPEN: {E.OPEN: S.OPEN, E.PROBE: S.PROBATION},
        S.PROBATION: {E.OPEN: S.OPEN, E.CLOSE: S.CLOSED},
    },
)

PROBATION_ROWS = 100
"""Most rows that one unit may touch while a breaker on its way is on probation."""


def environment(name: str) -> str:
    return f"environment/{name}"


def target(name: str) -> str:
    return f"target/{name}"


def agent(name: str) -> str:
    return f"agent/{name}"


def session(name: str) -> str:
    return f"session/{name}"


def group(name: str) -> str:
    """The switch of a resource group, `TARGET/GROUP`."""
    return f"group/{name}"


def of_change(change_id: str) -> str:
    return f"change/{change_id}"


def agent_in(environment_name: str, agent_name: str) -> str:
    """What one agent changes in one environment."""
    return f"{environment(environment_name)}/{agent(agent_name)}"


def agent_of(scope: str) -> str:
    """Whose switch it is: the agent's name, or empty when it is not one agent's alone (or a session's)."""
    match scope.split("/"):
        case ["agent", name] | ["environment", _, "agent", name]:
            return name
        case _:
            return ""


def environment_of(scope: str) -> str:
    """The environment that a scope names; empty when it names none."""
    kind, _, name = scope.partition("/")
    return name.partition("/")[0] if kind == "environment" else ""


def alone(scope: str) -> bool:
    """Whether it stops one agent, one session or one approved change and nobody else: one person puts it back, in every mode."""
    return bool(agent_of(scope)) or scope.startswith((session(""), of_change("")))


ON_DEMAND = ("group/", "change/")


def made_on_demand(scope: str) -> bool:
    """Whether nobody makes a switch beforehand: admission makes those of groups, of changes and of one agent in one environment,
    closed, when it asks for them the first time. All others refuse while they are missing."""
    return scope.startswith(ON_DEMAND) or bool(environment_of(scope) and agent_of(scope))


def scopes_of(
    principal: Principal,
    target_name: str,
    environment_name: str,
    touched: Iterable[str] = (),
    uses: str = "",
) -> tuple[str, ...]:
    """All switches on the way of a unit, sorted: the fixed order in which the store locks them. A principal without a session
    (work that the server runs itself) has no session switch. `touched` are those of `signals.seen.groups`, `uses` the id of the
    approved change that it is."""
    found = {GLOBAL, environment(environment_name), target(target_name), agent(principal.agent)}
    found |= {group(name) for name in touched}
    found.add(agent_in(environment_name, principal.agent))
    if principal.session:
        found.add(session(principal.session))
    if uses:
        found.add(of_change(uses))
    return tuple(sorted(found))


CLEAN = 20
"""How many units must have ended well on probation before a person may close a breaker."""

PROBATION_SHARE = 10
"""On probation budgets are a so-manieth part."""


def trip(
    breaker: Breaker, signal: str, agents: Iterable[str], by: str, reason: str, now: datetime
) -> Breaker:
    """The breaker after it opened by itself: by the work of these agents."""
    opened = move(breaker, E.OPEN, by, reason, now)
    return msgspec.structs.replace(
        opened, signal=signal, agents=tuple(dict.fromkeys((*breaker.agents, *agents)))
    )


def begun(breaker: Breaker, change_id: str) -> Breaker:
    """On probation: the one unit that is under way."""
    return msgspec.structs.replace(breaker, trial=change_id)


def ended(breaker: Breaker, change_id: str, well: bool) -> Breaker:
    """On probation: a unit has ended."""
    if breaker.trial != change_id:
        return breaker
    return msgspec.structs.replace(breaker, trial="", clean=breaker.clean + well)


def first_stop(scopes: Iterable[str], rows: Iterable[Breaker], *, through_freeze: bool) -> Breaker | None:
    """The first of these scopes that refuses: open, frozen, or without a row."""
    found = {row.scope: row for row in rows}
    for scope in scopes:
        row = found.get(scope) or Breaker(scope, state=S.OPEN, reason="missing")
        if stops(row, through_freeze) or row.state is S.OPEN:
            return row
    return None


def is_over(breaker: Breaker, now: datetime) -> bool:
    """Whether a switch can be forgotten: that of a change, long after it can have been used, and any other that is made on demand,
    when it has been closed for as long. It is made anew when it is asked for; one that refuses, or is on probation, stays."""
    long = breaker.moved_at is not None and now - breaker.moved_at > 2 * HELD_FOR
    closed = breaker.state is S.CLOSED and not breaker.frozen
    return long and (breaker.scope.startswith(of_change("")) or (closed and made_on_demand(breaker.scope)))


def move(breaker: Breaker, event: BreakerEvent, by: str, reason: str, now: datetime) -> Breaker:
    """The breaker after an event; IllegalMove when its state has no such move."""
    state = MACHINE.after(breaker.state, event)
    kept = {} if state is S.OPEN else {"clean": 0, "trial": ""}
    if state is S.CLOSED:
        kept |= {"signal": "", "agents": ()}
    # A freeze has a reason of its own, which it keeps.
    why = {"kept": "" if state is S.CLOSED else reason} if breaker.frozen else {"reason": reason}
    return msgspec.structs.replace(
        breaker, state=state, epoch=breaker.epoch + 1, moved_at=now, moved_by=by, **kept, **why
    )


def freeze(breaker: Breaker, frozen: bool, by: str, reason: str, now: datetime) -> Breaker:
    """Set or lift the freeze; the state stays what it is, with its reason."""
    stopped = breaker.state is not S.CLOSED
    if frozen:
        kept = breaker.kept if breaker.frozen else breaker.reason
        why = {"reason": reason, "kept": kept if stopped else ""}
    else:
        why = {"reason": breaker.why_stopped if stopped else reason, "kept": ""}
    return msgspec.structs.replace(
        breaker, frozen=frozen, epoch=breaker.epoch + 1, moved_at=now, moved_by=by, **why
    )


def halted(reason: str) -> str:
    """What everybody is told while everything is halted. A person wrote the reason: what hides or reorders in it is spelled out."""
    return f"everything is halted: {visible(reason) or 'no reason given'}"


def next_reset(breaker: Breaker) -> BreakerEvent:
    """The next step of a reset by a person: open → probation → closed. IllegalMove when it is
    closed, Rejected while too little ended well on probation."""
    event = E.PROBE if breaker.state is S.OPEN else E.CLOSE
    MACHINE.after(breaker.state, event)
    # The breaker of one change has nothing to prove itself with.
    if event is E.CLOSE and breaker.clean < CLEAN and not breaker.scope.startswith(of_change("")):
        raise Rejected(
            f"{breaker.scope} is on probation: {breaker.clean} of {CLEAN} operations have ended well so far"
        )
    return event


def passes_probation(totals: Totals) -> bool:
    """Whether a unit is small enough for probation: few rows, all of it revertible, nothing deleted, no object touched."""
    final = totals.irreversible or totals.messages_sent or totals.messages_taken
    return not (totals.objects or totals.rows_deleted or final or totals.unknown) and (
        totals.rows <= PROBATION_ROWS
    )
