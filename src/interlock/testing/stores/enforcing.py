"""A store in memory that enforces what `sdk.ports.Store` promises, and can be made to fail.

It runs each `work` twice and keeps the second run (a store may run work again), refuses entries that the ledger would refuse,
fences versions, and seals nothing (payload digests are of the plain bytes). Its clock is set by the test.
"""

import asyncio
import copy
import enum
import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from interlock.ledger import entry
from interlock.model import ids
from interlock.model.base import Json
from interlock.model.breaker import Breaker
from interlock.model.budget import Amounts, Spending
from interlock.model.change import (
    Approval,
    Change,
    ChangeFilter,
    ChangeState,
    Listing,
)
from interlock.model.errors import Conflict, NotFound, Rejected, Unavailable
from interlock.model.people import Agent, AgentCredential, Grant, Person, Ticket, TicketKind
from interlock.model.search import found_by
from interlock.model.signal import Track, Trip
from interlock.testing.stores.deciding import Decided, DecidingReads, DecidingWrites
from interlock.testing.stores.health import HealthReads, HealthWrites, Watching
from interlock.testing.stores.messages import Queued, QueueReads, QueueWrites
from interlock.testing.stores.signals import SignalReads, SignalWrites
from interlock.testing.stores.usage import UsageReads

T = TypeVar("T")
_OPEN = (ChangeState.HELD, ChangeState.APPROVED)
_UNSETTLED = (ChangeState.EXECUTING, ChangeState.IN_DOUBT)


@dataclass
class Tables(Decided, Queued, Watching):
    """Everything durable. Values are frozen, so a copy of the containers is a snapshot."""

    changes: dict[str, Change] = field(default_factory=dict)
    approvals: dict[str, list[Approval]] = field(default_factory=dict)
    payloads: dict[tuple[str, str], bytes] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    credentials: dict[str, AgentCredential] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    breakers: dict[str, Breaker] = field(default_factory=dict)
    tickets: dict[str, Ticket] = field(default_factory=dict)
    metas: dict[str, str] = field(default_factory=dict)
    spent: dict[tuple[str, str, datetime], Amounts] = field(default_factory=dict)
    entries: list[bytes] = field(default_factory=list)
    in_force: dict[str, bytes] = field(default_factory=dict)
    tracks: dict[str, Track] = field(default_factory=dict)
    trips: list[Trip] = field(default_factory=list)
    revision: int = 0

    def snapshot(self) -> "Tables":
        made = copy.copy(self)
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if isinstance(value, dict | list):
                setattr(made, name, copy.copy(value))
        made.approvals = {k: list(v) for k, v in self.approvals.items()}
        return made


class FakeReadTx(DecidingReads, HealthReads, QueueReads, UsageReads, SignalReads):
    """`sdk.ports.ReadTx` over a snapshot."""

    _t: Tables

    def __init__(self, tables: Tables, now: datetime) -> None:
        self._t, self._now = tables, now
        self._durable = len(tables.entries)

    def now(self) -> datetime:
        return self._now

    def change(self, change_id: str) -> Change | None:
        return self._t.changes.get(change_id)

    def changes(self, which: ChangeFilter) -> Sequence[Change]:
        return list(self.listing(which).changes)

    def listing(self, which: ChangeFilter) -> Listing:
        newest = sorted(self._t.changes.values(), key=lambda c: c.id, reverse=True)
        found = [c for c in newest if _matches(c, which)]
        page = tuple(found[: which.limit])
        return Listing(page, page[-1].id if len(found) > len(page) else "")

    def open_changes(self, agent: str) -> int:
        waiting = (c for c in self._t.changes.values() if c.agent == agent and c.state in _OPEN)
        return sum(1 for c in waiting if c.expires_at is None or c.expires_at > self._now)

    def change_by_content(self, agent: str, target: str, content: str) -> Change | None:
        return self._newest((agent, target, content), (*_OPEN, *_UNSETTLED))

    def denied_change(self, agent: str, target: str, content: str) -> Change | None:
        return self._newest((agent, target, content), (ChangeState.DENIED,))

    def _newest(self, key: tuple[str, str, str], states: tuple[ChangeState, ...]) -> Change | None:
        found = (
            c for c in self._t.changes.values() if (c.agent, c.target, c.content) == key and c.state in states
        )
        return max(found, key=lambda c: c.id, default=None)

    def changes_in_doubt(self) -> Sequence[Change]:
        return sorted((c for c in self._t.changes.values() if c.state in _UNSETTLED), key=lambda c: c.id)

    def approvals(self, change_id: str) -> Sequence[Approval]:
        return tuple(self._t.approvals.get(change_id, ()))

    def payload(self, change_id: str, name: str) -> bytes:
        try:
            return self._t.payloads[change_id, name]
        except KeyError:
            raise NotFound(f"no payload {name} of {change_id}, or not any more") from None

    def payload_parts(self, change_id: str, prefix: str) -> Sequence[str]:
        return sorted(
            name for owner, name in self._t.payloads if owner == change_id and name.startswith(prefix)
        )

    def agent(self, name: str) -> Agent | None:
        return self._t.agents.get(name)

    def agents(self) -> Sequence[Agent]:
        return [self._t.agents[name] for name in sorted(self._t.agents)]

    def credential(self, agent: str) -> AgentCredential | None:
        return self._t.credentials.get(agent)

    def credentials(self) -> Sequence[AgentCredential]:
        return [self._t.credentials[name] for name in sorted(self._t.credentials)]

    def agent_by_token(self, token_sha256: str) -> Agent | None:
        found = (c.agent for c in self._t.credentials.values() if c.token_sha256 == token_sha256)
        return self._t.agents.get(next(found, ""))

    def person(self, name: str) -> Person | None:
        return self._t.people.get(name)

    def people(self) -> Sequence[Person]:
        return [self._t.people[name] for name in sorted(self._t.people)]

    def ticket(self, kind: TicketKind, digest: str) -> Ticket | None:
        found = self._t.tickets.get(digest)
        return found if found is not None and found.kind is kind and found.expires_at > self._now else None

    def tickets(self, kind: TicketKind, person: str = "") -> Sequence[Ticket]:
        found = (t for t in self._t.tickets.values() if t.kind is kind and person in ("", t.person))
        live = (t for t in found if t.expires_at > self._now)
        return sorted(live, key=lambda t: (t.expires_at, t.digest))

    def grant(self, grant_id: str) -> Grant | None:
        return self._t.grants.get(grant_id)

    def grants(self) -> Sequence[Grant]:
        return [self._t.grants[key] for key in sorted(self._t.grants)]

    def revision(self) -> int:
        return self._t.revision

    def breakers(self) -> Sequence[Breaker]:
        return [self._t.breakers[scope] for scope in sorted(self._t.breakers)]

    def breaker(self, scope: str) -> Breaker | None:
        return self._t.breakers.get(scope)

    def meta(self, key: str) -> str | None:
        return self._t.metas.get(key)

    def in_force(self) -> Mapping[str, str]:
        found = self._t.in_force
        return {name: hashlib.sha256(found[name]).hexdigest() for name in sorted(found)}

    def in_force_content(self, name: str) -> bytes | None:
        return self._t.in_force.get(name)

    def ledger_size(self) -> int:
        return len(self._t.entries)

    def entries_of(self, change_id: str, limit: int = 1000) -> Sequence[tuple[int, bytes]]:
        bodies = [entry.decode(data).body for data in self._t.entries[: self._durable]]
        numbers = [n for n, body in enumerate(bodies) if change_id in _named(body)]
        return [(n, self._t.entries[n]) for n in numbers[-limit:]]


class FakeTx(DecidingWrites, HealthWrites, QueueWrites, SignalWrites, FakeReadTx):
    """`sdk.ports.Tx`."""

    def append(self, kind: str, body: Mapping[str, Json]) -> int:
        try:
            self._t.entries.append(entry.encode(entry.Entry(kind, self._now, body)))
        except entry.EntryError as error:
            raise Rejected(f"the ledger cannot hold this: {error}") from None
        return len(self._t.entries) - 1

    def new_change(self, draft: Change) -> Change:
        number = ids.change_number(self._now)
        while ids.change_id(number) in self._t.changes:
            number += 1
        made = msgspec.structs.replace(
            draft, id=ids.change_id(number), version=1, requested_at=self._now, updated_at=self._now
        )
        return self._keep(made)

    def save_change(self, change: Change) -> Change:
        stored = self._t.changes.get(change.id)
        if stored is None:
            raise NotFound(f"no change {change.id}")
        if stored.version != change.version:
            raise Conflict(f"{change.id} was moved by someone else: read it again")
        return self._keep(msgspec.structs.replace(change, version=change.version + 1, updated_at=self._now))

    def _keep(self, change: Change) -> Change:
        # Through JSON, as a real store does: what cannot be stored must not pass a test.
        kept = msgspec.json.decode(msgspec.json.encode(change), type=Change)
        self._t.changes[change.id] = kept
        return kept

    def add_approval(self, change_id: str, approval: Approval) -> None:
        given = self._t.approvals.setdefault(change_id, [])
        key = (approval.statement.person, approval.statement.nonce)
        if any((a.statement.person, a.statement.nonce) == key for a in given):
            raise Conflict(f"{key[0]} has spoken about {change_id} already")
        given.append(approval)

    def put_payload(self, change_id: str, name: str, data: bytes) -> str:
        self._t.payloads[change_id, name] = bytes(data)
        return hashlib.sha256(data).hexdigest()

    def destroy_payloads(self, change_id: str) -> None:
        for key in [key for key in self._t.payloads if key[0] == change_id]:
            del self._t.payloads[key]

    def put_agent(self, agent: Agent) -> None:
        self._t.agents[agent.name] = agent
        self._t.revision += 1

    def put_credential(self, credential: AgentCredential) -> None:
        self._t.credentials[credential.agent] = credential
        self._t.revision += 1

    def put_person(self, person: Person) -> None:
        self._t.people[person.name] = person
        self._t.revision += 1

    def put_ticket(self, ticket: Ticket) -> None:
        self._t.tickets[ticket.digest] = ticket

    def drop_ticket(self, digest: str) -> bool:
        return self._t.tickets.pop(digest, None) is not None

    def forget_tickets(self) -> None:
        self._t.tickets = {d: t for d, t in self._t.tickets.items() if t.expires_at > self._now}

    def put_grant(self, grant: Grant) -> None:
        self._t.grants[grant.id] = grant
        self._t.revision += 1

    def put_breaker(self, breaker: Breaker) -> None:
        self._t.breakers[breaker.scope] = breaker
        self._t.revision += 1

    def drop_breaker(self, scope: str) -> None:
        self._t.breakers.pop(scope, None)
        self._t.revision += 1

    def put_meta(self, key: str, value: str) -> None:
        self._t.metas[key] = value

    def put_in_force(self, name: str, content: bytes) -> str:
        self._t.in_force[name] = bytes(content)
        self._t.revision += 1
        return hashlib.sha256(content).hexdigest()

    def drop_in_force(self) -> None:
        self._t.in_force.clear()
        self._t.revision += 1

    def spend(self, spendings: Sequence[Spending], at: datetime, since: datetime) -> Sequence[Amounts]:
        spent = self._t.spent
        for one in spendings:
            key = (one.scope, one.target, at)
            spent[key] = spent.get(key, Amounts()) + one.amounts
        return [
            sum(
                (
                    a
                    for (s, t, begin), a in spent.items()
                    if (s, t) == (one.scope, one.target) and begin >= since
                ),
                Amounts(),
            )
            for one in spendings
        ]

    def forget_spent(self, before: datetime) -> None:
        self._t.spent = {key: amounts for key, amounts in self._t.spent.items() if key[2] >= before}


def _named(body: Mapping[str, Json]) -> list[Json]:
    """What an entry says it is about."""
    several = body.get("changes")
    return [body.get("change"), body.get("by_change"), *(several if isinstance(several, list) else [])]


def _matches(change: Change, which: ChangeFilter) -> bool:
    wanted = [
        not which.states or change.state in which.states,
        which.agent in ("", change.agent),
        which.target in ("", change.target),
        which.environment in ("", change.environment),
        which.since is None or ids.time_of(change.id) >= which.since,
        which.until is None or ids.time_of(change.id) < which.until,
        which.action in (None, change.action),
        found_by(change, which.words),
        not which.before or change.id < which.before,
    ]
    return all(wanted)


class Fault(enum.Enum):
    """How a transaction fails."""

    LOST = "lost"
    """Nothing of it is kept."""
    PERSISTED = "persisted"
    """It is durable, but the answer is lost."""


class FakeStore:
    """`sdk.ports.Store` in memory. `fail(fault, when)` makes the next transaction fail that appends an entry of a kind (or
    any)."""

    origin = "test.example/log"

    def __init__(self, now: datetime = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)) -> None:
        self.tables = Tables()
        self.time = now
        self._lock = threading.Lock()
        self._fault: tuple[Fault, str] | None = None
        self.unavailable = False

    def advance(self, by: timedelta) -> None:
        self.time += by

    def fail(self, fault: Fault, kind: str = "") -> None:
        """Let the next transaction fail; with `kind`, the next that appends an entry of it."""
        self._fault = (fault, kind)

    def entries(self, kind: str = "") -> list[entry.Entry]:
        """The ledger, decoded; of one kind only, if given."""
        return [e for e in map(entry.decode, self.tables.entries) if kind in ("", e.kind)]

    def now(self, work: Callable[[FakeTx], T]) -> T:
        """Run a transaction at once, for the set-up of tests."""
        with self._lock:
            work(FakeTx(self.tables.snapshot(), self.time))
            tables = self.tables.snapshot()
            result = work(FakeTx(tables, self.time))
            self._commit(tables)
            return result

    def _commit(self, tables: Tables) -> None:
        kinds = {entry.decode(e).kind for e in tables.entries[len(self.tables.entries) :]}
        fault, kind = self._fault or (None, "")
        hit = fault is not None and (not kind or kind in kinds)
        if hit:
            self._fault = None
        if not (hit and fault is Fault.LOST):
            self.tables = tables
        if hit:
            raise Unavailable("the store did not answer")

    async def transact(self, work: Callable[[FakeTx], T], *, later: bool = False) -> T:
        if self.unavailable:
            raise Unavailable("the store is lost")
        return await asyncio.to_thread(self.now, work)

    async def read(self, work: Callable[[FakeReadTx], T], *, urgent: bool = False) -> T:
        if self.unavailable:
            raise Unavailable("the store is lost")
        with self._lock:
            tx = FakeReadTx(self.tables.snapshot(), self.time)
        return await asyncio.to_thread(work, tx)

    async def close(self) -> None:
        self.unavailable = True
