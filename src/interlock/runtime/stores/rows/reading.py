"""What a transaction may read (the port's ``ReadTx``)."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Row, Select, Table, func, or_, select

from interlock.model import ids
from interlock.model.break_glass import BreakGlass
from interlock.model.breaker import Breaker
from interlock.model.budget import Spending
from interlock.model.change import (
    ACTIVITY_SLICE,
    Activity,
    Approval,
    Change,
    ChangeFilter,
    ChangeState,
    Listing,
    Review,
    TakenBack,
)
from interlock.model.errors import NotFound, Unavailable
from interlock.model.health import Health, Watched
from interlock.model.message import Message, MessageFilter
from interlock.model.people import Agent, AgentCredential, Grant, Person, Ticket, TicketKind
from interlock.model.signal import Track, Trip, TripFilter
from interlock.model.usage import AgentUse, Asking
from interlock.runtime import crypto
from interlock.runtime.crypto import CannotOpen, MasterKey
from interlock.runtime.stores.commits import built
from interlock.runtime.stores.log.rows import Runner
from interlock.runtime.stores.rows import health, listing, messages, tracks, usage
from interlock.runtime.stores.shape import schema
from interlock.runtime.stores.shape.listed import SLICE_MS
from interlock.runtime.stores.times import from_milliseconds, milliseconds

V = TypeVar("V")
WAITING = (ChangeState.HELD, ChangeState.APPROVED)
UNRESOLVED = (ChangeState.EXECUTING, ChangeState.IN_DOUBT)
MAX_LISTED = 1000


def clock(connection: Connection) -> datetime:
    """The store's clock: the server's on PostgreSQL, so that replicas agree; the machine's on SQLite."""
    if connection.dialect.name == "postgresql":
        now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return from_milliseconds(milliseconds(now) or 0)
    return from_milliseconds(time.time_ns() // 1_000_000)


def key_label(change_id: str) -> str:
    """What a change's data key is sealed as."""
    return f"payload-key/{change_id}"


def signing_label(agent: str) -> str:
    """What an agent's signing key is sealed as."""
    return f"signing-key/{agent}"


def payload_label(change_id: str, name: str) -> str:
    """What a payload is sealed as."""
    return f"payload/{change_id}/{name}"


class SqlReadTx:
    """Reads of one transaction. Not to be used after the closure that got it has returned."""

    def __init__(self, runner: Runner, clock: Callable[[], datetime], master: MasterKey) -> None:
        self.runner, self._clock, self._master = runner, clock, master
        self._now: datetime | None = None

    def now(self) -> datetime:
        if self._now is None:  # asking costs a reader a round trip that most do not need
            self._now = self._clock()
        return self._now

    # -- changes

    def change(self, change_id: str) -> Change | None:
        return self._one(Change, built.column_by(schema.changes, "doc", "id"), id=change_id)

    def changes(self, which: ChangeFilter) -> Sequence[Change]:
        limit = max(1, min(which.limit, MAX_LISTED))
        found: list[Change] = []
        while True:
            page = self.listing(msgspec.structs.replace(which, limit=limit - len(found)))
            found += page.changes
            if not page.next or len(found) == limit:
                return found
            which = msgspec.structs.replace(which, before=page.next)

    def listing(self, which: ChangeFilter) -> Listing:
        limit = max(1, min(which.limit, MAX_LISTED))
        looked = listing.look(self._rows, which, limit)
        return Listing(
            tuple(decode(Change, doc) for doc in looked.docs),
            looked.next,
            ids.time_of(looked.next) if looked.over else None,
        )

    def open_changes(self, agent: str) -> int:
        table = schema.changes
        unexpired = or_(table.c.expires_at.is_(None), table.c.expires_at > milliseconds(self.now()))
        waiting = table.c.state.in_([s.value for s in WAITING])
        count = select(func.count()).select_from(table).where(table.c.agent == agent, waiting, unexpired)
        return int(self._scalar(count))

    def change_by_content(self, agent: str, target: str, content: str) -> Change | None:
        query = built.by_content(*WAITING, *UNRESOLVED)
        return self._one(Change, query, agent=agent, target=target, content=content)

    def denied_change(self, agent: str, target: str, content: str) -> Change | None:
        query = built.by_content(ChangeState.DENIED)
        return self._one(Change, query, agent=agent, target=target, content=content)

    def changes_in_doubt(self) -> Sequence[Change]:
        table = schema.changes
        states = [s.value for s in UNRESOLVED]
        # Sorted here: to have them in order, PostgreSQL would go through all changes there are.
        return sorted(
            self._all(Change, select(table.c.doc).where(table.c.state.in_(states))), key=lambda c: c.id
        )

    def activity(self, since: datetime, width: timedelta) -> Sequence[Activity]:
        table, first = schema.activity, (milliseconds(since) or 0) // SLICE_MS
        place = (table.c.slice - first) // (width // ACTIVITY_SLICE)
        query = (
            select(place.label("part"), table.c.state, func.sum(table.c.changes))
            .where(table.c.slice >= first)
            .group_by("part", table.c.state)
            .having(func.sum(table.c.changes) > 0)
            .order_by("part", table.c.state)
        )
        rows: Sequence[Any] = self._rows(query)
        return [Activity(int(s), ChangeState(state), int(n)) for s, state, n in rows]

    def approvals(self, change_id: str) -> Sequence[Approval]:
        return self._of_change(Approval, schema.approvals, change_id)

    def taken_back(self, change_id: str) -> Sequence[TakenBack]:
        return self._of_change(TakenBack, schema.taken_back, change_id)

    def review(self, change_id: str, person: str) -> Review | None:
        query = built.column_by(schema.reviews, "doc", "change_id", "person")
        return self._one(Review, query, change_id=change_id, person=person)

    def reviews(self, person: str, since: datetime) -> Sequence[Review]:
        table = schema.reviews
        lately = table.c.approved_at >= milliseconds(since)
        newest = (
            select(table.c.doc).where(table.c.person == person, lately).order_by(table.c.approved_at.desc())
        )
        return self._all(Review, newest.limit(MAX_LISTED))

    def break_glass(self, glass_id: str) -> BreakGlass | None:
        table = schema.break_glass
        return self._one(BreakGlass, select(table.c.doc).where(table.c.id == glass_id))

    def break_glasses(self) -> Sequence[BreakGlass]:
        table = schema.break_glass
        order = select(table.c.doc).order_by(table.c.reviewed, table.c.begun_at.desc(), table.c.id)
        return self._all(BreakGlass, order.limit(MAX_LISTED))

    def break_glasses_in_force(self) -> Sequence[BreakGlass]:
        table = schema.break_glass
        in_force = table.c.ends_at > milliseconds(self.now())
        return self._all(BreakGlass, select(table.c.doc).where(in_force).order_by(table.c.id))

    # -- payloads

    def payload(self, change_id: str, name: str) -> bytes:
        table = schema.payloads
        sealed = self._scalar(
            select(table.c.sealed).where(table.c.change_id == change_id, table.c.name == name)
        )
        key = self._data_key(change_id)
        if sealed is None or key is None:
            raise NotFound(f"no payload {name} of {change_id}, or not any more")
        return _unseal(key, payload_label(change_id, name), sealed)

    def payload_parts(self, change_id: str, prefix: str) -> Sequence[str]:
        table = schema.payloads
        begins = table.c.name.startswith(prefix, autoescape=True)
        rows = self._rows(select(table.c.name).where(table.c.change_id == change_id, begins))
        # Sorted and compared here: LIKE ignores case on SQLite, and collations differ.
        return sorted(name for (name,) in rows if name.startswith(prefix))

    def _data_key(self, change_id: str) -> bytes | None:
        query = built.column_by(schema.payload_keys, "sealed", "change_id")
        sealed = self._scalar(query, change_id=change_id)
        if sealed is None:
            return None
        try:
            return self._master.unseal(key_label(change_id), bytes(sealed))
        except CannotOpen as error:
            raise Unavailable(f"the payload key of {change_id} cannot be opened: {error}") from None

    # -- principals

    def agent(self, name: str) -> Agent | None:
        return self._one(Agent, select(schema.agents.c.doc).where(schema.agents.c.name == name))

    def agents(self) -> Sequence[Agent]:
        return self._all(Agent, _listed(schema.agents))

    def agent_uses(self) -> Sequence[AgentUse]:
        rows: Sequence[Any] = self._rows(usage.of_agents(milliseconds(self.now()) or 0))
        return [AgentUse(name, None if at is None else from_milliseconds(at), int(n)) for name, at, n in rows]

    def asking(self, since: datetime) -> Sequence[Asking]:
        rows: Sequence[Any] = self._rows(usage.asking(milliseconds(since) or 0))
        return [Asking(agent, int(n), from_milliseconds(at)) for agent, n, at in rows]

    def credential(self, agent: str) -> AgentCredential | None:
        table = schema.credentials
        kept = self._one(AgentCredential, select(table.c.doc).where(table.c.agent == agent))
        return None if kept is None else self._unsealed(kept)

    def credentials(self) -> Sequence[AgentCredential]:
        return [self._unsealed(kept) for kept in self._all(AgentCredential, _listed(schema.credentials))]

    def _unsealed(self, kept: AgentCredential) -> AgentCredential:
        if not kept.signing:
            return kept
        try:
            key = self._master.unseal(signing_label(kept.agent), base64.b64decode(kept.signing))
        except CannotOpen as error:
            raise Unavailable(f"the signing key of {kept.agent} cannot be opened: {error}") from None
        return msgspec.structs.replace(kept, signing=key.decode())

    def agent_by_token(self, token_sha256: str) -> Agent | None:
        agents, credentials = schema.agents, schema.credentials
        joined = agents.join(credentials, agents.c.name == credentials.c.agent)
        query = select(agents.c.doc).select_from(joined).where(credentials.c.token_sha256 == token_sha256)
        return self._one(Agent, query)

    def person(self, name: str) -> Person | None:
        return self._one(Person, select(schema.people.c.doc).where(schema.people.c.name == name))

    def people(self) -> Sequence[Person]:
        return self._all(Person, _listed(schema.people))

    def ticket(self, kind: TicketKind, digest: str) -> Ticket | None:
        table = schema.tickets
        query = select(table.c.doc).where(table.c.digest == digest, table.c.kind == kind.value)
        found = self._one(Ticket, query)
        return found if found is not None and found.expires_at > self.now() else None

    def tickets(self, kind: TicketKind, person: str = "") -> Sequence[Ticket]:
        table = schema.tickets
        query = select(table.c.doc).where(
            table.c.kind == kind.value, table.c.expires_at > milliseconds(self.now())
        )
        if person:
            query = query.where(table.c.person == person)
        return self._all(Ticket, query.order_by(table.c.expires_at, table.c.digest))

    def grant(self, grant_id: str) -> Grant | None:
        return self._one(Grant, select(schema.grants.c.doc).where(schema.grants.c.id == grant_id))

    def grants(self) -> Sequence[Grant]:
        return self._all(Grant, _listed(schema.grants))

    def revision(self) -> int:
        return int(self._scalar(built.value_of(schema.revision, "value")))

    def healths(self) -> Sequence[Health]:
        return self._all(Health, health.all_of())

    def health(self, target: str, check: str) -> Health | None:
        return self._one(Health, health.one(target, check))

    def watched(
        self, target: str, since: datetime, until: datetime, intended_before: datetime
    ) -> Sequence[Watched]:
        times = (milliseconds(since) or 0, milliseconds(until) or 0, milliseconds(intended_before) or 0)
        return self._all(Watched, health.watched(target, *times))

    def watched_change(self, change_id: str) -> Watched | None:
        return self._one(Watched, health.watched_change(change_id))

    def blamed(self) -> Sequence[Watched]:
        return self._all(Watched, health.blamed())

    def breakers(self) -> Sequence[Breaker]:
        return self._all(Breaker, _listed(schema.breakers))

    def breaker(self, scope: str) -> Breaker | None:
        return self._one(Breaker, select(schema.breakers.c.doc).where(schema.breakers.c.scope == scope))

    def track(self, agent: str) -> Track | None:
        return tracks.track(self.runner, agent)

    def trips(self, which: TripFilter) -> Sequence[Trip]:
        return tracks.trips(self.runner, which)

    def spending(self, since: datetime, scopes: Sequence[str] = (), limit: int = 200) -> Sequence[Spending]:
        return usage.spendings(self._rows(usage.spent(milliseconds(since) or 0, scopes, limit)))

    def meta(self, key: str) -> str | None:
        value: str | None = self._scalar(select(schema.meta.c.value).where(schema.meta.c.key == key))
        return value

    # -- messages to people

    def message(self, message_id: str) -> Message | None:
        return messages.one(self.runner, message_id)

    def messages(self, which: MessageFilter) -> Sequence[Message]:
        return messages.listed(self.runner, which)

    def messages_due(self, channel: str) -> bool:
        return messages.any_due(self.runner, channel, self.now())

    def in_force(self) -> Mapping[str, str]:
        table = schema.in_force
        return dict(self._rows(select(table.c.name, table.c.digest).order_by(table.c.name)))  # type: ignore[arg-type]

    def in_force_content(self, name: str) -> bytes | None:
        doc = self._scalar(select(schema.in_force.c.doc).where(schema.in_force.c.name == name))
        return None if doc is None else bytes(doc)

    # -- ledger

    def ledger_size(self) -> int:
        return int(self._scalar(select(schema.ledger_head.c.size)))

    def entries_of(self, change_id: str, limit: int = MAX_LISTED) -> Sequence[tuple[int, bytes]]:
        of, entries = schema.ledger_changes, schema.ledger_entries
        query = (
            select(entries.c.number, entries.c.data)
            .join(of, of.c.number == entries.c.number)
            .where(of.c.change_id == change_id)
            .order_by(of.c.number.desc())
            .limit(max(1, min(limit, MAX_LISTED)))
        )
        rows: Sequence[Any] = self._rows(query)
        return [(int(number), bytes(data)) for number, data in reversed(rows)]

    # -- how

    def _rows(self, query: Select[Any], **values: Any) -> Sequence[Row[Any]]:
        rows: Sequence[Row[Any]] = self.runner.execute(query, values)
        return rows

    def _scalar(self, query: Select[Any], **values: Any) -> Any:
        rows = self._rows(query, **values)
        return rows[0][0] if rows else None

    def _one(self, kind: type[V], query: Select[Any], **values: Any) -> V | None:
        doc = self._scalar(query, **values)
        return None if doc is None else decode(kind, doc)

    def _of_change(self, kind: type[V], table: Table, change_id: str) -> Sequence[V]:
        """In the order of their numbers, into which they are brought here: PostgreSQL would go through the whole table for it."""
        rows: Sequence[Any] = self._rows(
            select(table.c.number, table.c.doc).where(table.c.change_id == change_id)
        )
        return [decode(kind, doc) for _, doc in sorted(map(tuple, rows))]

    def _all(self, kind: type[V], query: Select[Any], **values: Any) -> Sequence[V]:
        return [decode(kind, doc) for (doc,) in self._rows(query, **values)]


def _listed(table: Table) -> Select[Any]:
    (key,) = table.primary_key.columns
    return select(table.c.doc).order_by(key)


def decode(kind: type[V], doc: str) -> V:
    """A record from what is stored of it. Raises Unavailable."""
    try:
        return msgspec.json.decode(doc, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise Unavailable(
            f"a stored {kind.__name__} cannot be read: damaged, or of a newer version"
        ) from None


def _unseal(key: bytes, label: str, sealed: bytes) -> bytes:
    try:
        return crypto.unseal(key, label, bytes(sealed))
    except CannotOpen as error:
        raise Unavailable(f"a stored payload cannot be opened: {error}") from None
