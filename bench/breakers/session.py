"""What a session is made of: steps, and how whoever takes them behaves."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.model.signal import Facts
from interlock.sdk.connector import Cause, Settled
from interlock.testing.scripted import Script, touched

K = ChangeKind


class Manner(enum.Enum):
    """What an agent does when it is told that people are asked."""

    STOPS = "stops"
    """A migration tool or a job: it ends with an error, and is run again when people have answered."""
    WAITS = "waits"
    """It asks again now and then until they have."""
    GOES_ON = "goes on"
    """It takes the next steps meanwhile, and comes back."""
    VARIES = "varies"
    """It says the same in other words once or twice, and waits then."""
    NEVER_WAITS = "never waits"
    """It comes back in a new session when its session is stopped, and goes on with what is next."""


MANNERS = {Manner.STOPS: 50, Manner.WAITS: 38, Manner.GOES_ON: 9, Manner.VARIES: 3}
"""Of a hundred careful ones."""


@dataclass(frozen=True)
class Step:
    """One unit of work, `pause` seconds after the one before. `retries` is how often the very same is tried again when it fails;
    `approved` that it is only done when people approve it (a plan), `lies` what it does in truth when it was approved."""

    script: Script
    pause: float = 1.0
    retries: int = 0
    approved: bool = False
    lies: Script | None = None


@dataclass(frozen=True)
class Session:
    """Steps of one agent. `familiar` are kinds of destruction that it is used to (None: all that there is); `relaxed` that it
    works in an environment that is not strict."""

    steps: Sequence[Step]
    manner: Manner = Manner.NEVER_WAITS
    familiar: tuple[str, ...] | None = ()
    relaxed: bool = False
    between: Sequence[float] = field(default_factory=tuple)


def manner(rng: Random) -> Manner:
    return rng.choices(list(MANNERS), list(MANNERS.values()))[0]


def think(rng: Random, who: Manner) -> float:
    """Seconds between two statements: a program's, or a model's that reads each answer."""
    if who is Manner.STOPS:
        return rng.lognormvariate(-1.2, 1.0)
    return min(120.0, rng.lognormvariate(2.0, 0.7))


def rows(
    rng: Random, table: str, group: str, kind: K, most: int, *, least: int = 1, before: int | None = None
) -> Effect:
    """Some rows of a table that is large enough for them."""
    count = rng.randint(least, most)
    size = before if before is not None else rng.randint(max(count * 12, 50), max(count * 12, 50) * 40)
    return touched("table", table, kind, group=group, count=count, unit=Unit.ROWS, before=size)


def made(kind: str, name: str, group: str) -> Effect:
    return touched(kind, name, K.CREATED, group=group)


def failing(script: Script, cause: Cause) -> Script:
    return Script(
        script.effects, script.text, script.facts, Settled(False, "it did not work", cause=cause), script.verb
    )


def again(script: Script, text: str) -> Script:
    """The same in other words."""
    return Script(script.effects, text, script.facts, script.ends, script.verb)


def facts(sizes: dict[str, int], *stateful: str) -> Facts:
    return Facts(sizes=sizes, stateful=stateful)
