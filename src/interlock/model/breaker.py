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
    """One switch. `scope` is `global`, `environment/NAME`, `environment/NAME/agent/NAME`, `target/NAME`, `group/TARGET/NAME`,
    `agent/NAME`, `session/ID` or `change/ID`. `frozen` is the freeze of an environment, and of `global` the halt: independent of
    the state, so that a thaw does not close what tripped meanwhile. People are reminded of a freeze each `remind_s` seconds, 0 for
    not at all. While it is frozen, `reason` is the freeze's, and `kept` that of the state if it is not closed. `epoch` grows with
    each move. `signal` is what opened it by itself, `agents` whose work that was. On probation `clean` counts the
    units that ended well, and `trial` is the change that is under way: there is one at a time."""

    scope: str
    state: BreakerState = BreakerState.CLOSED
    frozen: bool = False
    reason: str = ""
    epoch: int = 0
    moved_at: datetime | None = None
    moved_by: str = ""
    remind_s: int = 0
    signal: str = ""
    agents: tuple[str, ...] = ()
    clean: int = 0
    trial: str = ""
    kept: str = ""

    @property
    def why_stopped(self) -> str:
        """The reason of the state: of the freeze when it is frozen and nothing else."""
        return self.kept or self.reason


KINDS = ("global", "environment", "target", "group", "agent", "session", "change")
"""Kinds of scopes, the widest first."""


def kind_of(scope: str) -> str:
    """`agent` of `agent/fixer`, and of `environment/production/agent/fixer`, which stops that agent alone."""
    kind, _, rest = scope.partition("/")
    return "agent" if kind == "environment" and "/agent/" in rest else kind


class Reserved(Value, frozen=True):
    """What admission found: the rows of all scopes, locked, and the first that refuses."""

    rows: tuple[Breaker, ...] = ()
    stop: Breaker | None = None

    @property
    def epoch(self) -> int:
        """Grows when any of them moves."""
        return sum(row.epoch for row in self.rows)


HALT = "global"
"""The scope whose freeze is the halt of everything."""


def stops(row: Breaker, through_freeze: bool) -> bool:
    """Whether a freeze refuses. With `through_freeze` (break-glass) only the halt does."""
    return row.frozen and (row.scope == HALT or not through_freeze)
