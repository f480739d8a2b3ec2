"""The life of a message (docs/states.md shows the table as a diagram): when it is tried again, given up, or joined with others.

A message is delivered at least once: a gateway that dies after a delivery and before its record leaves it to the next try.
"""

import enum
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from interlock.control.machine import Machine
from interlock.model.base import Value
from interlock.model.message import Event, Message, MessageState

S = MessageState


class MessageEvent(enum.Enum):
    """What can happen to a message; the values complete the sentence "it cannot be …"."""

    DELIVER = "delivered"
    FAIL = "tried_again"
    JOIN = "joined"
    GIVE_UP = "given_up"
    RETRY = "retried_by_a_person"


E = MessageEvent

MACHINE = Machine(
    "message",
    S.WAITING,
    {
        S.WAITING: {E.DELIVER: S.DELIVERED, E.FAIL: S.WAITING, E.JOIN: S.JOINED, E.GIVE_UP: S.DEAD},
        S.DEAD: {E.RETRY: S.WAITING},
    },
)

TRIES = 8
"""How often a message is tried before it is given up."""
FIRST_PAUSE, MOST_PAUSE = timedelta(seconds=30), timedelta(hours=12)
"""Until the second try, and at most between two: four times as long each time, so that the eighth comes after about a day."""
JITTER = 0.2
"""Pauses are longer or shorter by up to this part: many messages that failed together do not come back together."""

FLOOD, FLOOD_IN = 5, timedelta(minutes=1)
"""More messages of one kind to one channel within that time are joined."""
LISTED = 3
"""Messages that a digest quotes."""


def pause(attempts: int, chance: float) -> timedelta:
    """How long to wait after that many failed tries. `chance` is a random number from 0 to 1."""
    usual = min(FIRST_PAUSE * (1 << 2 * (attempts - 1)), MOST_PAUSE)
    return usual * (1 + JITTER * (2 * chance - 1))


def delivered(message: Message, now: datetime) -> Message:
    """After its channel took it."""
    return _moved(message, E.DELIVER, attempts=message.attempts + 1, error="", settled_at=now)


def failed(message: Message, why: str, now: datetime, chance: float) -> Message:
    """After its channel did not take it: due again later, or given up."""
    tries = message.attempts + 1
    if tries >= TRIES:
        return _moved(message, E.GIVE_UP, attempts=tries, error=why, settled_at=now)
    return _moved(message, E.FAIL, attempts=tries, error=why, due_at=now + pause(tries, chance))


def given_up(message: Message, why: str, now: datetime) -> Message:
    """When nobody can deliver it."""
    return _moved(message, E.GIVE_UP, error=why, settled_at=now)


def retried(message: Message, now: datetime) -> Message:
    """A person wants it tried again: as if it were new."""
    return _moved(message, E.RETRY, attempts=0, due_at=now, settled_at=None)


def joined(message: Message, now: datetime) -> Message:
    """It is told as part of a digest."""
    return _moved(message, E.JOIN, settled_at=now)


def _moved(message: Message, event: MessageEvent, **fields: object) -> Message:
    state = MACHINE.after(message.state, event)
    return msgspec.structs.replace(message, state=state, **fields)


def timed(message: Message, before: Sequence[Message], digest: timedelta | None) -> Message:
    """A new message with the time at which it is due. `before` are those of its channel (with a digest) or of its channel and kind
    (without) that were queued within the time of the digest or `FLOOD_IN`."""
    now = message.queued_at
    if message.urgent or (digest is None and len(before) < FLOOD):
        return message
    # The first few went at once; from then on they are collected, and come as one.
    due = min((m.due_at for m in before if _collecting(m, now)), default=now + (digest or FLOOD_IN))
    return msgspec.structs.replace(message, due_at=due)


def _collecting(message: Message, now: datetime) -> bool:
    return message.state is S.WAITING and not message.urgent and not message.attempts and message.due_at > now


class Batch(Value, frozen=True):
    """What is delivered as one: a message, or several that are to be joined."""

    messages: tuple[Message, ...]

    @property
    def one(self) -> Message | None:
        return self.messages[0] if len(self.messages) == 1 else None


def batches(due_now: Sequence[Message], *, digest: bool) -> Iterator[Batch]:
    """Group what is due for one channel, in order. Digests that exist already and urgent messages stay by themselves."""
    alone = [m for m in due_now if m.urgent or m.event in (Event.DIGEST, Event.TEST)]
    yield from (Batch((m,)) for m in alone)
    rest = [m for m in due_now if m not in alone]
    for group in [rest] if digest else _by_kind(rest):
        collected = any(not m.attempts and m.due_at > m.queued_at for m in group)
        if len(group) > 1 and (digest or collected or len(group) > FLOOD):
            yield Batch(tuple(group))
        else:
            yield from (Batch((m,)) for m in group)


def _by_kind(messages: Iterable[Message]) -> list[list[Message]]:
    found: dict[Event, list[Message]] = {}
    for message in messages:
        found.setdefault(message.event, []).append(message)
    return list(found.values())
