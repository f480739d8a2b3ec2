"""Queries about agents as a whole: one each, whatever the number of agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, func, or_, select

from interlock.model.budget import AMOUNTS, Amounts, Spending
from interlock.model.change import ChangeState
from interlock.runtime.stores.shape import schema

WAITING = (ChangeState.HELD, ChangeState.APPROVED)
MOST_ASKING = 50


def of_agents(now: int) -> Select[Any]:
    """Of each agent: its name, when it asked last (milliseconds), how many of its changes wait at `now`."""
    agents, changes = schema.agents, schema.changes
    own = changes.c.agent == agents.c.name
    # The newest by id, for which there is an index: ids are in the order of coming.
    last = select(changes.c.requested_at).where(own).order_by(changes.c.id.desc()).limit(1).scalar_subquery()
    unexpired = or_(changes.c.expires_at.is_(None), changes.c.expires_at > now)
    states = changes.c.state.in_([state.value for state in WAITING])
    waiting = select(func.count()).select_from(changes).where(own, states, unexpired).scalar_subquery()
    return select(agents.c.name, last, waiting).order_by(agents.c.name)


def asking(since: int) -> Select[Any]:
    """Who asked since (milliseconds), how often, and when last: the busiest first."""
    table = schema.changes
    number = func.count()
    return (
        select(table.c.agent, number, func.max(table.c.requested_at))
        .where(table.c.requested_at >= since)
        .group_by(table.c.agent)
        .order_by(number.desc(), table.c.agent)
        .limit(MOST_ASKING)
    )


def newest_entries(below: int, kind: str, limit: int, within: int) -> Select[Any]:
    """Number and bytes of ledger entries below a number, the newest first: of one kind if given, and then only among the `within`
    entries just below, so that a rare kind costs no scan of the log."""
    table = schema.ledger_entries
    query = select(table.c.number, table.c.data).where(table.c.number < below)
    if kind:
        # Entries are canonical JSON, so each ends in its kind and version (`ledger.entry`).
        ends = f',"kind":"{kind}","v":1}}'.encode()
        tail = func.substr(table.c.data, func.length(table.c.data) - (len(ends) - 1))
        query = query.where(table.c.number >= below - within, tail == ends)
    return query.order_by(table.c.number.desc()).limit(limit)


MOST_SPENT = 1_000


def spent(since: int, scopes: Sequence[str], limit: int) -> Select[Any]:
    """What the counters show from a slice on (milliseconds): scope, target and the amounts. The table holds no more than two
    windows (`forget_spent`)."""
    table = schema.spent
    sums = {name: func.sum(table.c[name]) for name in AMOUNTS}
    query = select(table.c.scope, table.c.target, *sums.values()).where(table.c.slice >= since)
    if scopes:
        query = query.where(table.c.scope.in_(scopes))
    gravest = [sums[name].desc() for name in ("rows_deleted", "rows_updated", "objects", "rows_created")]
    ordered = query.group_by(table.c.scope, table.c.target).order_by(*gravest, table.c.scope, table.c.target)
    return ordered.limit(min(limit, MOST_SPENT))


def spendings(found: Sequence[Any]) -> Sequence[Spending]:
    """What `spent` found."""
    return [Spending(scope, target, Amounts(*map(int, amounts))) for scope, target, *amounts in found]


def rows(found: Sequence[Any]) -> Sequence[tuple[int, bytes]]:
    """What `newest_entries` found."""
    return [(int(number), bytes(data)) for number, data in found]
