"""People are reminded of a freeze again and again while it lasts: each time once, over all replicas and restarts."""

import asyncio
from datetime import datetime, timedelta

import pytest

from interlock.model.breaker import Breaker
from interlock.model.errors import Rejected
from interlock.runtime.background.tickers import Chores
from interlock.runtime.core import Notifiers
from interlock.runtime.rules.governance import TryOut
from interlock.runtime.service.stopping.switches import Switches
from interlock.testing.installation import Installation


class Told:
    """What people were reminded of, by which replica."""

    def __init__(self) -> None:
        self.reminded: list[str] = []
        self.moved: list[tuple[str, bool]] = []

    def __getattr__(self, name: str) -> object:
        return lambda *_: None

    def freeze(self, row: Breaker, by: str) -> None:
        self.moved.append((row.scope, row.frozen))

    def still_frozen(self, row: Breaker, now: datetime) -> None:
        self.reminded.append(row.scope)


class Scene:
    """Two replicas and their people."""

    def __init__(self, *replicas: Installation) -> None:
        self.replicas, self.told = replicas, Told()
        for each in replicas:
            each.core.notifiers = Notifiers((self.told,))  # type: ignore[arg-type]  # says the rest by `__getattr__`
        self.switches = Switches(replicas[0].core, TryOut())

    @classmethod
    async def make(cls) -> "Scene":
        one = await Installation.make()
        return cls(one, await Installation.make(one.store, one.toy, gateway="gw-2", furnish=False))

    async def later(self, by: timedelta) -> int:
        """How many reminders there were, when so much time has passed and all replicas look, twice."""
        self.replicas[0].store.advance(by)
        before = len(self.told.reminded)
        for each in (*self.replicas, *self.replicas):
            await Chores(each.core).remind()
        return len(self.told.reminded) - before


HOUR = timedelta(hours=1)


def test_each_time_once_until_it_is_thawed() -> None:
    async def story() -> None:
        s = await Scene.make()
        await s.switches.freeze("production", "release", by="person/ann", remind_s=3600)
        assert [await s.later(timedelta(minutes=m)) for m in (59, 1, 1, 58, 1)] == [0, 1, 0, 0, 1]
        assert await s.later(3 * HOUR) == 1, "what was missed is not made up for"
        await s.switches.thaw("production", "done", by="person/ann")
        assert await s.later(3 * HOUR) == 0
        assert s.told.moved == [("environment/production", True), ("environment/production", False)]
        assert s.told.reminded == ["environment/production"] * 3

    asyncio.run(story())


def test_a_restart_forgets_nothing_and_a_new_freeze_begins_anew() -> None:
    async def story() -> None:
        s = await Scene.make()
        await s.switches.freeze("production", "release", by="person/ann", remind_s=3600)
        assert await s.later(HOUR) == 1
        first = s.replicas[0]
        fresh = await Installation.make(first.store, first.toy, gateway="gw-3", furnish=False)
        again = Scene(fresh)
        assert await again.later(timedelta(minutes=30)) == 0
        await again.switches.freeze("production", "another", by="person/ann", remind_s=3600)
        assert await again.later(timedelta(minutes=59)) == 0
        assert await again.later(timedelta(minutes=1)) == 1

    asyncio.run(story())


def test_nobody_is_reminded_who_did_not_ask_for_it() -> None:
    async def story() -> None:
        s = await Scene.make()
        await s.switches.freeze("production", "release", by="person/ann")
        assert await s.later(1000 * HOUR) == 0
        await s.switches.freeze("production", "release", by="person/ann", remind_s=3600)
        assert await s.later(HOUR) == 1
        await s.switches.freeze("production", "and no more", by="person/ann")
        assert await s.later(HOUR) == 0

    asyncio.run(story())


def test_a_trip_meanwhile_does_not_end_the_reminders() -> None:
    async def story() -> None:
        s = await Scene.make()
        await s.switches.freeze("production", "release", by="person/ann", remind_s=3600)
        await s.switches.open("environment/production", "odd", by="person/ann")
        assert await s.later(HOUR) == 1

    asyncio.run(story())


@pytest.mark.parametrize("seconds", [-1, 1, 59, 30 * 86_400 + 1])
def test_neither_too_often_nor_never(seconds: int) -> None:
    async def story() -> None:
        s = await Scene.make()
        with pytest.raises(Rejected, match="reminders"):
            await s.switches.freeze("production", "release", by="person/ann", remind_s=seconds)

    asyncio.run(story())
