"""What a transaction may write (the port's ``Tx``)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Table, delete, exists, insert, select, update

from interlock.control.breaker import agent as breaker_of
from interlock.control.breaker import first_stop
from interlock.control.change import OPEN, UNSETTLED
from interlock.ledger import entry
from interlock.ledger.entry import Entry, EntryError
from interlock.ledger.merkle import Frontier
from interlock.model import ids
from interlock.model.base import Json, Value
from interlock.model.break_glass import BreakGlass
from interlock.model.breaker import Breaker, Reserved
from interlock.model.budget import AMOUNTS, Amounts, Spending
from interlock.model.change import Approval, Change, Review, TakenBack
from interlock.model.errors import Conflict, NotFound, Rejected
from interlock.model.health import Health, Watched
from interlock.model.message import Message
from interlock.model.people import Agent, AgentCredential, Grant, Person, Ticket
from interlock.model.search import words_of
from interlock.model.signal import Track, Trip
from interlock.runtime import crypto
from interlock.runtime.crypto import MasterKey
from interlock.runtime.stores.commits import built
from interlock.runtime.stores.log import mention
from interlock.runtime.stores.log.rows import Runner
from interlock.runtime.stores.rows import health, messages, tracks
from interlock.runtime.stores.rows.reading import SqlReadTx, decode, key_label, payload_label, signing_label
from interlock.runtime.stores.shape import schema
from interlock.runtime.stores.times import milliseconds

_ID_WINDOW = 256
"""How many ids are looked at in one query."""

_FIXED = frozenset({"id", "agent", "target", "environment", "content", "requested_at"})
"""What a change is, and never moves. SQLite writes the index of every column anew that an UPDATE names, equal or not."""

_SCOPES = 64
"""How many breakers one statement reserves. Few units are in the way of more: those of a schema for each tenant are."""

_COUNTERS = 16
"""How many counters one statement adds to."""


class SqlTx(SqlReadTx):
    """One transaction of a group. Its ledger entries are kept aside and appended when the group commits."""

    def __init__(
        self,
        runner: Runner,
        clock: Callable[[], datetime],
        master: MasterKey,
        dialect: str,
        first: int,
        durable: Frontier,
    ) -> None:
        super().__init__(runner, clock, master)
        self._dialect = dialect
        self._revision: int | None = None
        self._tracks: dict[str, Track | None] = {}
        # Of changes whose key has been looked for; None when there was none.
        self._data_keys: dict[str, bytes | None] = {}
        self._first = first
        self.durable = durable
        """The log's edge when the group began: everything up to it is durable already."""
        self.entries: list[bytes] = []
        self.mentions: list[dict[str, Any]] = []
        """Rows of `ledger_changes` for the entries."""

    # -- ledger

    def append(self, kind: str, body: Mapping[str, Json]) -> int:
        try:
            data = entry.encode(Entry(kind, self.now(), body))
        except EntryError as error:
            raise Rejected(f"the ledger cannot hold this: {error}") from None
        number = self._first + len(self.entries)
        self.entries.append(data)
        self.mentions += [{"change_id": each, "number": number} for each in mention.of_body(body)]
        return number

    def ledger_size(self) -> int:
        return self._first + len(self.entries)

    # -- changes

    def new_change(self, draft: Change) -> Change:
        at = self.now()
        change = msgspec.structs.replace(
            draft, id=self._free_id(at), version=1, requested_at=at, updated_at=at
        )
        self.runner.write(built.new_row(schema.changes), [change_row(change)])
        self._data_keys[change.id] = None
        return change

    def _free_id(self, at: datetime) -> str:
        """The first id behind all that the clock's time has; so ids keep the order in which changes came."""
        number = ids.change_number(at)
        while True:
            end = number + _ID_WINDOW
            window = {"first": ids.change_id(number), "last": ids.change_id(end - 1)}
            ((last,),) = self._rows(built.last_id_between(), **window)
            free = number if last is None else ids.number_of(last) + 1
            if free < end:
                return ids.change_id(free)
            number = end

    def save_change(self, change: Change) -> Change:
        saved = msgspec.structs.replace(change, version=change.version + 1, updated_at=self.now())
        row = {name: value for name, value in change_row(saved).items() if name not in _FIXED}
        row |= built.fenced(change.id, change.version)
        if self.runner.write(built.fenced_change(), [row]) != 1:
            if self.change(change.id) is None:
                raise NotFound(f"no change {change.id}")
            raise Conflict(f"{change.id} was moved by someone else: read it again")
        return saved

    def add_approval(self, change_id: str, approval: Approval) -> None:
        table, statement = schema.approvals, approval.statement
        row = {"change_id": change_id, "person": statement.person, "nonce": statement.nonce}
        same = select(table.c.number).where(*(table.c[name] == value for name, value in row.items()))
        if self._scalar(same) is not None:
            raise Conflict(f"{statement.person} has spoken about {change_id} already")
        self.runner.write(insert(table).values(**row, doc=_encode(approval)))

    def take_back_approval(self, change_id: str, person: str, nonce: str) -> Approval:
        table = schema.approvals
        row = {"change_id": change_id, "person": person, "nonce": nonce}
        same = [table.c[name] == value for name, value in row.items()]
        approval = self._one(Approval, select(table.c.doc).where(*same))
        if approval is None:
            raise NotFound(f"{person} has not spoken about {change_id}")
        self.runner.write(delete(table).where(*same))
        kept = _encode(TakenBack(approval, self.now()))
        self.runner.write(insert(schema.taken_back).values(change_id=change_id, doc=kept))
        return approval

    def put_review(self, review: Review) -> None:
        row = {"change_id": review.change, "person": review.person}
        approved = milliseconds(review.approved_at)
        self._put(schema.reviews, **row, approved_at=approved, doc=_encode(review))

    def forget_reviews(self, before: datetime) -> None:
        changes, reviews = schema.changes, schema.reviews
        ended = exists().where(
            changes.c.id == reviews.c.change_id,
            changes.c.state.not_in([s.value for s in (*OPEN, *UNSETTLED)]),
            changes.c.updated_at < milliseconds(before),
        )
        self.runner.write(delete(reviews).where(ended))

    def put_break_glass(self, glass: BreakGlass) -> None:
        times = {"begun_at": milliseconds(glass.at), "ends_at": milliseconds(glass.until)}
        reviewed = int(bool(glass.reviewed_by))
        self._put(schema.break_glass, id=glass.id, **times, reviewed=reviewed, doc=_encode(glass))
        self._revise()

    # -- payloads

    def put_payload(self, change_id: str, name: str, data: bytes) -> str:
        if change_id not in self._data_keys:
            self._data_keys[change_id] = self._data_key(change_id)
        key = self._data_keys[change_id] or self._new_data_key(change_id)
        self._data_keys[change_id] = key
        sealed = crypto.seal(key, payload_label(change_id, name), data)
        self._put(schema.payloads, change_id=change_id, name=name, sealed=sealed)
        return hashlib.sha256(sealed).hexdigest()

    def _new_data_key(self, change_id: str) -> bytes:
        key = crypto.new_key()
        sealed = self._master.seal(key_label(change_id), key)
        self.runner.write(built.new_row(schema.payload_keys), [{"change_id": change_id, "sealed": sealed}])
        return key

    def destroy_payloads(self, change_id: str) -> None:
        self._data_keys.pop(change_id, None)
        for table in (schema.payload_keys, schema.payloads):
            self.runner.write(delete(table).where(table.c.change_id == change_id))

    # -- principals and breakers

    def put_agent(self, agent: Agent) -> None:
        self._put(schema.agents, name=agent.name, doc=_encode(agent))
        self._revise()

    def put_credential(self, credential: AgentCredential) -> None:
        row = {"agent": credential.agent, "token_sha256": credential.token_sha256}
        kept = credential
        if credential.signing:
            sealed = self._master.seal(signing_label(credential.agent), credential.signing.encode())
            kept = msgspec.structs.replace(credential, signing=base64.b64encode(sealed).decode())
        self._put(schema.credentials, **row, doc=_encode(kept))
        self._revise()

    def put_person(self, person: Person) -> None:
        self._put(schema.people, name=person.name, doc=_encode(person))
        self._revise()

    def put_ticket(self, ticket: Ticket) -> None:
        row = {"digest": ticket.digest, "kind": ticket.kind.value, "person": ticket.person}
        self._put(schema.tickets, **row, expires_at=milliseconds(ticket.expires_at), doc=_encode(ticket))

    def drop_ticket(self, digest: str) -> bool:
        table = schema.tickets
        return self.runner.write(delete(table).where(table.c.digest == digest)) == 1

    def forget_tickets(self) -> None:
        table = schema.tickets
        self.runner.write(delete(table).where(table.c.expires_at <= milliseconds(self.now())))

    def put_grant(self, grant: Grant) -> None:
        self._put(schema.grants, id=grant.id, doc=_encode(grant))
        self._revise()

    def put_breaker(self, breaker: Breaker) -> None:
        self._put(schema.breakers, scope=breaker.scope, doc=_encode(breaker))
        self._revise()

    def note_breaker(self, breaker: Breaker) -> None:
        self._put(schema.breakers, scope=breaker.scope, doc=_encode(breaker))

    def drop_breaker(self, scope: str) -> None:
        self.runner.write(delete(schema.breakers).where(schema.breakers.c.scope == scope))
        self._revise()

    def put_meta(self, key: str, value: str) -> None:
        self._put(schema.meta, key=key, value=value)

    def put_in_force(self, name: str, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self._put(schema.in_force, name=name, digest=digest, doc=content)
        self._revise()
        return digest

    def drop_in_force(self) -> None:
        self.runner.write(delete(schema.in_force))
        self._revise()

    def reserve(self, scopes: Sequence[str], *, through_freeze: bool = False) -> Reserved:
        wanted = sorted(set(scopes)) or [""]  # asking for nothing admits nothing
        # FOR SHARE reads what is committed once a concurrent move has ended, and keeps the next one waiting until this
        # transaction ends (P8). On SQLite the write lock that is held already does the same.
        rows: list[Breaker] = []
        for first in range(0, len(wanted), _SCOPES):
            some = wanted[first : first + _SCOPES]
            given = {f"scope_{place}": scope for place, scope in enumerate(some)}
            for doc, scope, track, revision in self.runner.execute(built.locked_breakers(len(some)), given):
                rows.append(decode(Breaker, doc))
                self._tracks[scope], self._revision = tracks.decoded(track), int(revision)
        return Reserved(tuple(rows), first_stop(wanted, rows, through_freeze=through_freeze))

    def track(self, agent: str) -> Track | None:
        scope = breaker_of(agent)
        return self._tracks[scope] if scope in self._tracks else super().track(agent)

    def put_track(self, agent: str, track: Track) -> None:
        scope = breaker_of(agent)
        self._put(schema.tracks, scope=scope, doc=_encode(track))
        self._tracks[scope] = track

    def add_trip(self, trip: Trip) -> None:
        tracks.add(self.runner, trip)

    def forget_trips(self, before: datetime) -> None:
        tracks.forget(self.runner, before)

    def spend(self, spendings: Sequence[Spending], at: datetime, since: datetime) -> Sequence[Amounts]:
        found: dict[str, Amounts] = {}
        times = {"slice": milliseconds(at), "since": milliseconds(since)}
        for first in range(0, len(spendings), _COUNTERS):
            some = spendings[first : first + _COUNTERS]
            values: dict[str, Any] = dict(times)
            for n, one in enumerate(some):
                values |= {f"scope_{n}": one.scope, f"target_{n}": one.target}
                values |= {f"{name}_{n}": getattr(one.amounts, name) for name in AMOUNTS}
            rows = self.runner.execute(built.spend(len(some)), values, writes=True)
            for scope, before, *now in rows:
                found[scope] = Amounts(*map(int, before.split())) + Amounts(*now)
        return [found[one.scope] for one in spendings]

    def forget_spent(self, before: datetime) -> None:
        self.runner.write(delete(schema.spent).where(schema.spent.c.slice < milliseconds(before)))

    # -- health

    def put_health(self, state: Health) -> None:
        self._put(schema.health, target=state.target, name=state.check, doc=_encode(state))

    def drop_health(self, target: str, check: str) -> None:
        self.runner.write(health.drop(target, check))

    def put_watched(self, watched: Watched) -> None:
        self._put(schema.watched, **health.watched_row(watched), doc=_encode(watched))

    def drop_watched(self, change_id: str) -> None:
        self.runner.write(health.drop_watched(change_id))

    def forget_watched(self, before: datetime, target: str = "") -> None:
        self.runner.write(health.forget_watched(milliseconds(before) or 0, target))

    # -- messages to people

    def add_message(self, message: Message) -> bool:
        return messages.add(self.runner, message)

    def claim_messages(self, channel: str, holder: str, until: datetime, limit: int) -> Sequence[Message]:
        return messages.claim(self.runner, channel, holder, self.now(), until, limit)

    def settle_message(self, message: Message, holder: str) -> bool:
        return messages.settle(self.runner, message, holder, self.now())

    def hasten_messages(self, channel: str) -> None:
        messages.hasten(self.runner, channel, self.now())

    def drop_message(self, message_id: str) -> None:
        messages.drop(self.runner, message_id)

    def forget_messages(self, before: datetime) -> None:
        messages.forget(self.runner, before)

    # -- how

    def _put(self, table: Table, **values: Any) -> None:
        self.runner.write(built.upsert(self._dialect, table, tuple(values)), [values])

    def revision(self) -> int:
        # Nobody else can move it while this transaction's group holds the append lock.
        if self._revision is None:
            self._revision = super().revision()
        return self._revision

    def _revise(self) -> None:
        self._revision = None
        self.runner.write(update(schema.revision).values(value=schema.revision.c.value + 1))


def change_row(change: Change) -> dict[str, Any]:
    """A change as it is stored."""
    return {
        "id": change.id,
        "version": change.version,
        "state": change.state.value,
        "agent": change.agent,
        "target": change.target,
        "environment": change.environment,
        "content": change.content,
        "requested_at": milliseconds(change.requested_at),
        "updated_at": milliseconds(change.updated_at),
        "expires_at": milliseconds(change.expires_at),
        "action": change.action.value,
        "words": words_of(change),
        "doc": _encode(change),
    }


def _encode(value: Value) -> str:
    return msgspec.json.encode(value).decode()
