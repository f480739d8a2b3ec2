"""Messages to people, in the store: what the ports' transactions read and write of them.

A claim is a lease: `holder` has the message until `held_until`. All writing transactions are serial (they take the log's append
lock first), so two replicas cannot claim the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, delete, insert, or_, select, update

from interlock.model.errors import Unavailable
from interlock.model.message import Message, MessageFilter, MessageState
from interlock.runtime.stores.log.rows import Runner
from interlock.runtime.stores.shape import schema
from interlock.runtime.stores.times import milliseconds

_TABLE = schema.outbox
_SETTLED = (MessageState.DELIVERED, MessageState.JOINED)
MAX_LISTED = 1000


def one(runner: Runner, message_id: str) -> Message | None:
    """The message of that id."""
    rows = runner.execute(select(_TABLE.c.doc).where(_TABLE.c.id == message_id))
    return _decoded(rows[0][0]) if rows else None


def listed(runner: Runner, which: MessageFilter) -> Sequence[Message]:
    """See `sdk.ports.ReadTx.messages`."""
    query = select(_TABLE.c.doc)
    if which.states:
        query = query.where(_TABLE.c.state.in_([s.value for s in which.states]))
    if which.channel:
        query = query.where(_TABLE.c.channel == which.channel)
    if which.event is not None:
        query = query.where(_TABLE.c.event == which.event.value)
    if which.since is not None:
        query = query.where(_TABLE.c.queued_at >= milliseconds(which.since))
    limit = max(1, min(which.limit, MAX_LISTED))
    return _all(runner, query.order_by(_TABLE.c.number).limit(limit))


def any_due(runner: Runner, channel: str, now: datetime) -> bool:
    """Whether anything can be claimed."""
    return bool(runner.execute(select(_TABLE.c.id).where(_claimable(channel, now)).limit(1)))


def add(runner: Runner, message: Message) -> bool:
    """See `sdk.ports.Tx.add_message`."""
    if runner.execute(select(_TABLE.c.id).where(_TABLE.c.id == message.id)):
        return False
    runner.write(insert(_TABLE).values(**_row(message), holder="", held_until=0))
    return True


def claim(
    runner: Runner, channel: str, holder: str, now: datetime, until: datetime, limit: int
) -> Sequence[Message]:
    """See `sdk.ports.Tx.claim_messages`."""
    query = select(_TABLE.c.doc).where(_claimable(channel, now))
    found = _all(runner, query.order_by(_TABLE.c.number).limit(limit))
    if found:
        mine = _TABLE.c.id.in_([m.id for m in found])
        runner.write(update(_TABLE).where(mine).values(holder=holder, held_until=milliseconds(until)))
    return found


def settle(runner: Runner, message: Message, holder: str, now: datetime) -> bool:
    """See `sdk.ports.Tx.settle_message`."""
    free = or_(_TABLE.c.holder == "", _TABLE.c.held_until <= milliseconds(now))
    held = free if not holder else _TABLE.c.holder == holder
    change = update(_TABLE).where(_TABLE.c.id == message.id, held)
    return runner.write(change.values(**_row(message), holder="", held_until=0)) == 1


def hasten(runner: Runner, channel: str, now: datetime) -> None:
    """See `sdk.ports.Tx.hasten_messages`."""
    late = and_(_TABLE.c.channel == channel, _TABLE.c.due_at > milliseconds(now), _TABLE.c.attempts > 0)
    query = select(_TABLE.c.doc).where(_TABLE.c.state == MessageState.WAITING.value, late)
    for message in _all(runner, query):
        sooner = msgspec.structs.replace(message, due_at=now)
        runner.write(update(_TABLE).where(_TABLE.c.id == message.id).values(**_row(sooner)))


def drop(runner: Runner, message_id: str) -> None:
    """Forget one."""
    runner.write(delete(_TABLE).where(_TABLE.c.id == message_id))


def forget(runner: Runner, before: datetime) -> None:
    """See `sdk.ports.Tx.forget_messages`."""
    settled = _TABLE.c.state.in_([s.value for s in _SETTLED])
    runner.write(delete(_TABLE).where(settled, _TABLE.c.settled_at < milliseconds(before)))


def _claimable(channel: str, now: datetime) -> ColumnElement[bool]:
    at = milliseconds(now)
    waiting = and_(_TABLE.c.state == MessageState.WAITING.value, _TABLE.c.channel == channel)
    return and_(waiting, _TABLE.c.due_at <= at, _TABLE.c.held_until <= at)


def _all(runner: Runner, query: Select[Any]) -> list[Message]:
    return [_decoded(doc) for (doc,) in runner.execute(query)]


def _row(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "channel": message.channel,
        "event": message.event.value,
        "state": message.state.value,
        "attempts": message.attempts,
        "queued_at": milliseconds(message.queued_at),
        "due_at": milliseconds(message.due_at),
        "settled_at": milliseconds(message.settled_at),
        "doc": msgspec.json.encode(message).decode(),
    }


def _decoded(doc: str) -> Message:
    try:
        return msgspec.json.decode(doc, type=Message)
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise Unavailable("a stored message cannot be read: damaged, or of a newer version") from None
