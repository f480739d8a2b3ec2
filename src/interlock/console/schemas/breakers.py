"""What the API says of breakers beyond the switches themselves. The command line imports it, so it imports nothing heavy."""

import enum
from datetime import datetime
from typing import Annotated

import msgspec

from interlock.model.base import Value
from interlock.model.breaker import Breaker
from interlock.model.budget import Use
from interlock.model.signal import Trip


class TripQuery(Value, frozen=True):
    """Which trips, newest first: of one breaker, of work in one environment, since then."""

    scope: str = ""
    environment: str = ""
    since: datetime | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 100


class Trips(Value, frozen=True):
    """Breakers that opened by themselves, newest first."""

    trips: tuple[Trip, ...]


class BreakerQuery(Value, frozen=True):
    """Which breaker."""

    scope: str


class BreakerDetail(Value, frozen=True):
    """One switch. `breaker` is None when it is there no more (its session has ended). `budgets` is what its agent or session spent
    in the last `window` seconds; `closed_by` completes the sentence "it is put back by …", and the `owners` of its agents are not
    among those who may."""

    scope: str
    breaker: Breaker | None
    trips: tuple[Trip, ...]
    budgets: tuple[Use, ...] = ()
    window: int | None = None
    closed_by: str = ""
    owners: tuple[str, ...] = ()


class Breakers(Value, frozen=True):
    """All switches."""

    breakers: tuple[Breaker, ...]


class BreakerMove(enum.Enum):
    """`open` refuses further writes; `reset` goes one step: to probation, then to closed."""

    OPEN = "open"
    RESET = "reset"


class Move(Value, frozen=True):
    """A move of a breaker by a person, who must say why."""

    scope: str
    move: BreakerMove
    reason: str = ""


class Freeze(Value, frozen=True):
    """Why, and how often people are reminded of it (seconds; 0: not at all)."""

    reason: str = ""
    remind_s: int = 0


class TuneQuery(Value, frozen=True):
    """How far back, in seconds."""

    seconds: Annotated[int, msgspec.Meta(ge=1, le=366 * 86400)] = 30 * 86400
