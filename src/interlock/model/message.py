"""Messages to people: what is queued for a channel, and what becomes of it."""

import enum
from datetime import datetime
from typing import Any

import msgspec

from interlock.model.base import Value


class Event(enum.Enum):
    """What a message speaks of. Channels choose by it."""

    HELD = "held"
    REMINDER = "reminder"
    DECIDED = "decided"
    APPLIED = "applied"
    REVERTED = "reverted"
    EXPIRED = "expired"
    BREAKER = "breaker"
    FREEZE = "freeze"
    HALT = "halt"
    HEALTH = "health"
    BREAK_GLASS = "break_glass"
    TEST = "test"
    DIGEST = "digest"


class MessageState(enum.Enum):
    """Where a message is; the moves between states are a table in `control.outbox`."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    JOINED = "joined"
    """Told as part of a digest."""
    DEAD = "dead"
    """Given up: kept until a person has it tried again or drops it."""


class Message(Value, frozen=True):
    """One message for one channel. `id` is made from what it speaks of and the channel: what is queued twice is there once.

    `channel` is the channel's name, never its address. `text` is what people read, `data` what programs get: both hold names and
    numbers, never an agent's own words, statements or row values. `urgent` ones are never joined with others. `parts` counts
    the messages that a digest stands for. `error` says in our words why the last try failed.
    """

    id: str
    channel: str
    event: Event
    text: str
    queued_at: datetime
    due_at: datetime
    state: MessageState = MessageState.WAITING
    data: dict[str, Any] = msgspec.field(default_factory=dict)
    urgent: bool = False
    parts: int = 1
    attempts: int = 0
    error: str = ""
    settled_at: datetime | None = None


class MessageFilter(Value, frozen=True):
    """Which messages to list, oldest first. `since` is when they were queued."""

    states: tuple[MessageState, ...] = ()
    channel: str = ""
    event: Event | None = None
    since: datetime | None = None
    limit: int = 200
