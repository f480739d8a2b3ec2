"""How principals use what they were given, in numbers."""

from datetime import datetime

from interlock.model.base import Value


class AgentUse(Value, frozen=True):
    """When an agent asked for a change last (None: never, or it is forgotten), and how many of its changes wait for people."""

    agent: str
    last_at: datetime | None
    waiting: int


class Asking(Value, frozen=True):
    """How many changes an agent asked for in some time, and when it did so last."""

    agent: str
    changes: int
    last_at: datetime
