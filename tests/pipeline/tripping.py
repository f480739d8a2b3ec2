"""Scenes of breakers that open by themselves: an installation with the store in memory, and units that say what they do."""

from datetime import timedelta
from typing import Any

import msgspec

from interlock.control.signals.thresholds import Signals
from interlock.model.breaker import BreakerState
from interlock.model.change import Change
from interlock.model.effect import ChangeKind, Unit
from interlock.model.proposal import ResetBreaker
from interlock.model.signal import Track, Trip, TripFilter
from interlock.runtime.governing import acts
from interlock.sdk.connector import Answer, Cause, Held, Permitted, Principal, Refused, Settled
from interlock.testing.installation import Installation
from interlock.testing.scripted import Script, touched

K = ChangeKind
QUORUM = "two-sre"
SESSION = "session/"
NEVER_DONE_BEFORE = Signals(quorum=QUORUM)
WITHOUT_QUORUM = Signals()
FAILS = Settled(False, "it did not work")


async def made(
    signals: Signals | None = WITHOUT_QUORUM, guardrails: str = "none", **more: Any
) -> Installation:
    return await Installation.make(signals=signals, guardrails=guardrails, **more)


def drop(n: int = 0, *, group: str = "", kind: str = "table") -> Script:
    return Script((touched(kind, f"x.t{n}", group=group),))


def row(n: int = 0, *, group: str = "", rows: int = 1) -> Script:
    effect = touched("table", f"x.t{n}", K.UPDATED, group=group, unit=Unit.ROWS, count=rows, before=10_000)
    return Script((effect,), text=str(n))


def failing(n: int = 0, cause: Cause = Cause.WORK) -> Script:
    return msgspec.structs.replace(row(n), ends=Settled(False, "it did not work", cause=cause))


async def trips_of(made: Installation) -> list[Trip]:
    found: list[Trip] = list(await made.store.read(lambda tx: tx.trips(TripFilter())))
    return found[::-1]


async def state(made: Installation, scope: str) -> BreakerState:
    row = await made.store.read(lambda tx: tx.breaker(scope))
    assert row is not None, scope
    result: BreakerState = row.state
    return result


async def track(made: Installation, agent: str = "fixer") -> Track:
    found: Track | None = await made.store.read(lambda tx: tx.track(agent))
    return found or Track()


def refused(answer: Answer) -> str:
    assert isinstance(answer, Refused), answer
    assert answer.code == "breaker", answer
    return answer.why


def change_of(answer: Answer) -> Change:
    assert isinstance(answer, Permitted | Held), answer
    assert answer.change is not None
    return answer.change


async def spend_marks(one: Installation, who: Principal, count: int, apart: float = 1) -> list[Answer]:
    answers = []
    for n in range(count):
        answers.append(await one.run(who, drop(n)))
        await one.advance(timedelta(seconds=apart))
    return answers


async def reset(one: Installation, scope: str, person: str) -> Any:
    wanted = ResetBreaker(scope, "looked at")
    moved = await one.store.transact(lambda tx: acts.enact(tx, wanted, f"person/{person}", acts.Terms()))
    await one.core.directory.refresh()
    return moved


async def tripped(one: Installation, who: Principal) -> str:
    """The agent's breaker, opened by many groups."""
    for n in range(6):
        await one.run(who, row(n, group=f"g{n}"))
    assert await state(one, "agent/fixer") is BreakerState.OPEN
    return "agent/fixer"
