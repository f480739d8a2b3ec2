"""Agents: what each is granted, what it really used of that, and how to stop it at once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import quote

from interlock.console.web.visit import Answer, GoTo, Html, Visit
from interlock.control import breaker, usage
from interlock.model.base import Value
from interlock.model.breaker import Breaker
from interlock.model.change import Change, ChangeFilter, ChangeState
from interlock.model.errors import NotFound
from interlock.model.people import Agent, Grant
from interlock.model.usage import AgentUse
from interlock.runtime.stores.rows.reading import MAX_LISTED
from interlock.sdk.ports import ReadTx

LOOKED_AT = timedelta(days=30)
"""How far back "what it really used" looks."""
SHOWN_USES = 200
_WAITING = (ChangeState.HELD, ChangeState.APPROVED)


class Row(Value, frozen=True):
    """An agent in the list: `live` are its grants in force, `ends` when the last of them does."""

    agent: Agent
    live: int
    ends: datetime | None
    last_at: datetime | None
    waiting: int


async def listed(visit: Visit) -> Answer:
    """All agents."""

    def read(tx: ReadTx) -> tuple[Sequence[Agent], Sequence[AgentUse], Sequence[Grant], datetime]:
        return tx.agents(), tx.agent_uses(), tx.grants(), tx.now()

    agents, uses, grants, now = await visit.runtime.store.read(read)
    of = {use.agent: use for use in uses}
    rows = [_row(agent, of[agent.name], grants, now) for agent in agents]
    return Html("agents/list.html", {"rows": sorted(rows, key=_order), "connected": connected(visit)})


def _order(row: Row) -> tuple[bool, int, str]:
    return row.agent.disabled, -row.waiting, row.agent.name


def _row(agent: Agent, use: AgentUse, grants: Sequence[Grant], now: datetime) -> Row:
    live = [g for g in grants if g.agent == agent.name and in_force(g, now)]
    ends = max((g.expires_at for g in live), default=None)
    return Row(agent, len(live), ends, use.last_at, use.waiting)


def in_force(grant: Grant, now: datetime) -> bool:
    """Whether a grant grants anything."""
    return grant.revoked_at is None and now < grant.expires_at


def connected(visit: Visit) -> dict[str, int]:
    """How many sessions each agent has at this gateway."""
    found: dict[str, int] = {}
    for server in visit.runtime.targets.values():
        for principal in server.gate.sessions:
            found[principal.agent] = found.get(principal.agent, 0) + 1
    return found


def _sessions(visit: Visit, agent: str) -> list[str]:
    """Its sessions at this gateway by id, 20 at most."""
    here = (p for server in visit.runtime.targets.values() for p in server.gate.sessions)
    return sorted(p.session for p in here if p.agent == agent and p.session)[:20]


class _Read(Value, frozen=True):
    agent: Agent
    grants: tuple[Grant, ...]
    changes: tuple[Change, ...]
    waiting: tuple[Change, ...]
    breaker: Breaker | None
    now: datetime


async def shown(visit: Visit) -> Answer:
    """One agent."""
    name = visit.path["name"]

    def read(tx: ReadTx) -> _Read:
        agent = tx.agent(name)
        if agent is None:
            raise NotFound(f"there is no agent {name}")
        since = tx.now() - LOOKED_AT
        changes = tx.changes(ChangeFilter(agent=name, since=since, limit=MAX_LISTED))
        waiting = tx.changes(ChangeFilter(agent=name, states=_WAITING, limit=20))
        grants = tuple(g for g in tx.grants() if g.agent == name)
        switch = tx.breaker(breaker.agent(name))
        return _Read(agent, grants, tuple(changes), tuple(waiting), switch, tx.now())

    found = await visit.runtime.store.read(read)
    live = [g for g in found.grants if in_force(g, found.now) and not found.agent.disabled]
    ended = [g for g in found.grants if g not in live]
    uses = usage.uses(found.changes)
    return Html(
        "agents/one.html",
        {
            "agent": found.agent,
            "breaker": found.breaker,
            "grants": [
                usage.beside(grant, found.changes) for grant in sorted(live, key=lambda g: g.expires_at)
            ],
            "ended": sorted(ended, key=lambda g: g.expires_at, reverse=True)[:20],
            "uses": uses[:SHOWN_USES],
            "more_uses": len(uses) - SHOWN_USES,
            "looked_at": len(found.changes),
            "cut": len(found.changes) == MAX_LISTED,
            "days": LOOKED_AT.days,
            "waiting": found.waiting,
            "sessions": connected(visit).get(name, 0),
            "here": _sessions(visit, name),
        },
    )


async def disabled(visit: Visit) -> Answer:
    """It can do nothing from now on."""
    agent = await visit.runtime.agents.disable(visit.path["name"], by=visit.by)
    return GoTo(f"/console/agents/{quote(agent.name, safe='')}")


async def revoked(visit: Visit) -> Answer:
    """A grant ends at once."""
    grant = await visit.runtime.grants.revoke(visit.path["id"], by=visit.by)
    return GoTo(f"/console/agents/{quote(grant.agent, safe='')}")
