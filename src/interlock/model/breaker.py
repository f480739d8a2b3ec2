"""Breakers: admission switches."""

import enum
from datetime import datetime

from interlock.model.base import Value


class BreakerState(enum.Enum):
    """Closed admits, open refuses, probation admits little. Only a person closes."""

    CLOSED = "closed"
    OPEN = "open"
    PROBATION = "probation"


class Breaker(Value, frozen=True):
    """One switch. `scope` is `global`, `environment/NAME`, `target/NAME`, `agent/NAME` or `session/ID`. `frozen` is the freeze of
    an environment: independent of the state, so that a thaw does not close what tripped meanwhile. `epoch` grows with each move."""

    scope: str
    state: BreakerState = BreakerState.CLOSED
    frozen: bool = False
    reason: str = ""
    epoch: int = 0
    moved_at: datetime | None = None
    moved_by: str = ""
