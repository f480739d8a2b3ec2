"""The part of the store in memory that is about messages to people."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from interlock.model.message import Message, MessageFilter, MessageState


@dataclass
class Queued:
    """The tables. Values are frozen, so a copy of the containers is a snapshot."""

    messages: dict[str, Message] = field(default_factory=dict)
    claims: dict[str, tuple[str, datetime]] = field(default_factory=dict)


class QueueReads:
    """Reads over `Queued`."""

    _t: Any
    _now: datetime

    def message(self, message_id: str) -> Message | None:
        found: Message | None = self._t.messages.get(message_id)
        return found

    def messages(self, which: MessageFilter) -> Sequence[Message]:
        return [m for m in self._t.messages.values() if _wanted(m, which)][: which.limit]

    def messages_due(self, channel: str) -> bool:
        return bool(self._due(channel))

    def _due(self, channel: str) -> list[Message]:
        waiting = self.messages(MessageFilter((MessageState.WAITING,), channel, limit=len(self._t.messages)))
        return [m for m in waiting if m.due_at <= self._now and not self._holder(m.id)]

    def _holder(self, message_id: str) -> str:
        holder, until = self._t.claims.get(message_id, ("", self._now))
        return holder if until > self._now else ""


class QueueWrites(QueueReads):
    """Writes."""

    def add_message(self, message: Message) -> bool:
        if message.id in self._t.messages:
            return False
        self._t.messages[message.id] = _through_json(message)
        return True

    def claim_messages(self, channel: str, holder: str, until: datetime, limit: int) -> Sequence[Message]:
        found = self._due(channel)[:limit]
        self._t.claims |= {m.id: (holder, until) for m in found}
        return found

    def settle_message(self, message: Message, holder: str) -> bool:
        claimed = self._holder(message.id) if not holder else self._t.claims.get(message.id, ("",))[0]
        if message.id not in self._t.messages or claimed != holder:
            return False
        self._t.messages[message.id] = _through_json(message)
        self._t.claims.pop(message.id, None)
        return True

    def hasten_messages(self, channel: str) -> None:
        for m in self.messages(MessageFilter((MessageState.WAITING,), channel, limit=len(self._t.messages))):
            if m.attempts and m.due_at > self._now:
                self._t.messages[m.id] = msgspec.structs.replace(m, due_at=self._now)

    def drop_message(self, message_id: str) -> None:
        self._t.messages.pop(message_id, None)

    def forget_messages(self, before: datetime) -> None:
        told = (MessageState.DELIVERED, MessageState.JOINED)
        old = [
            m.id
            for m in self._t.messages.values()
            if m.state in told and m.settled_at and m.settled_at < before
        ]
        for message_id in old:
            del self._t.messages[message_id]


def _wanted(message: Message, which: MessageFilter) -> bool:
    return (
        (not which.states or message.state in which.states)
        and which.channel in ("", message.channel)
        and which.event in (None, message.event)
        and (which.since is None or message.queued_at >= which.since)
    )


def _through_json(message: Message) -> Message:
    return msgspec.json.decode(msgspec.json.encode(message), type=Message)
