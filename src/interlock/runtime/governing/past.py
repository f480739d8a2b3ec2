"""Which decisions of the last days would have been other ones: so that admins see what a proposed rule does before they agree to
it.

What was decided is not taken from the record: both the rules in force and the proposed ones are asked about what was done then, and
both with every right given, so that nothing but the rules makes a difference.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from interlock.model.change import Change, ChangeFilter
from interlock.model.decision import Decision, EvidenceHeld, Forbid, Permit, Request, Target, worst
from interlock.model.effect import ACTION_OF, Totals, totals
from interlock.model.operation import Action, Resource
from interlock.model.people import Agent, Grant
from interlock.model.proposal import INTERLOCK
from interlock.policy.engine import Engine
from interlock.sdk.ports import ReadTx

WINDOW = timedelta(days=14)
MOST = 2000
"""Most changes that are looked at, newest first."""
SHOWN = 20
PAGE = 500

_ALL = (Action.READ, Action.CREATE, Action.UPDATE, Action.DELETE, Action.ADMIN)


def changes(tx: ReadTx) -> Sequence[Change]:
    """The changes that are asked about again."""
    found: list[Change] = []
    before, since = "", tx.now() - WINDOW
    while len(found) < MOST:
        page = tx.changes(ChangeFilter(since=since, before=before, limit=PAGE))
        found += (c for c in page if c.target != INTERLOCK and not c.reverts)
        if len(page) < PAGE:
            break
        before = page[-1].id
    return found[:MOST]


def altered(
    done: Sequence[Change], before: Engine, after: Engine, targets: Mapping[str, Target], now: datetime
) -> tuple[str, ...]:
    """One line for each decision that would have been another one, the newest first, and how many more there are."""
    pairs = {(c.agent, c.target): c.owner for c in done}
    agents = [Agent(agent, owner, now) for (agent, _), owner in pairs.items()]
    rights = [
        Grant(f"P{n}", agent, target, _ALL, "interlock", now, now + timedelta(days=1))
        for n, (agent, target) in enumerate(pairs)
    ]
    old, new = before.with_grants(rights, agents), after.with_grants(rights, agents)
    found = [line for change in done if (line := _altered(change, old, new, targets, now))]
    more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    looked = f"looked at: {len(done)} changes of the last {WINDOW.days} days"
    return (*found[:SHOWN], *more, looked)


def _altered(change: Change, old: Engine, new: Engine, targets: Mapping[str, Target], now: datetime) -> str:
    target = targets.get(change.target)
    if target is None:
        return ""
    was, would = (worst(_decisions(change, engine, target, now)) for engine in (old, new))
    if _words(was) == _words(would):
        return ""
    return f"{change.id} of {change.agent} on {change.target}: {_words(was)} → {_words(would)}"


def _decisions(change: Change, engine: Engine, target: Target, now: datetime) -> Iterator[Decision]:
    effects = change.measurement.effects
    numbers = totals(effects)
    blind = sum(1 for o in change.operations if o.evidence_unknown)
    asked = {
        (o.action, r) for o in change.operations for r in o.resources or (Resource("target", target.name),)
    }
    asked |= {(ACTION_OF[e.change], e.resource) for e in effects if e.count}
    for action, resource in sorted(asked, key=str):
        yield engine.decide(_request(change, action, resource, target, numbers, blind, now))


def _request(
    change: Change,
    action: Action,
    resource: Resource,
    target: Target,
    numbers: Totals,
    blind: int,
    now: datetime,
) -> Request:
    known = replace(numbers, unknown=numbers.unknown + blind)
    return Request(change.agent, change.owner, action, resource, target, now, known, EvidenceHeld())


def _words(decision: Decision) -> str:
    match decision:
        case Permit():
            return "passes"
        case Forbid():
            return "refused"
        case _:
            return f"waits for {', '.join(sorted(decision.remedies)) or 'people'}"
