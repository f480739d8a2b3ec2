"""Refusals that wait to be recorded: whoever flushes finds them durable afterwards, and none is lost on the way."""

import asyncio
from typing import Any

from interlock.model.decision import Target
from interlock.model.operation import Action, Operation
from interlock.pipeline.commands import NoteRefusal
from interlock.pipeline.recorded.terms import Terms
from interlock.runtime.background.refusals import Refusals
from interlock.sdk.connector import Principal
from interlock.testing.stores.enforcing import FakeStore

ASK = NoteRefusal(
    Principal("bot", "olga", "s1", 1),
    Target("shop", "toy", "production", True, False),
    (Operation(Action.DELETE, "DELETE", ()),),
    "forbidden",
    "no",
)


class Slow(FakeStore):
    """A store whose transactions begin when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def transact(self, work: Any, *, later: bool = False) -> Any:
        self.asked.set()
        await self.go.wait()
        return await super().transact(work, later=later)


def refusals_of(store: FakeStore) -> Refusals:
    def watched(work: Any) -> Any:
        return store.transact(lambda tx: work(tx, []))

    return Refusals(watched, Terms({}, store.origin), lambda: store.time)


def counts(store: FakeStore) -> list[Any]:
    return [entry.body["count"] for entry in store.entries("decision")]


def test_a_flush_waits_for_the_one_that_is_at_it() -> None:
    """A chore flushes now and then: whoever asks in that moment must not take what is on its way for done."""

    async def run() -> None:
        store = Slow()
        refusals = refusals_of(store)
        refusals.note(ASK)
        chore = asyncio.create_task(refusals.flush())
        await store.asked.wait()
        own = asyncio.create_task(refusals.flush())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not own.done()
        store.go.set()
        await own
        assert counts(store) == [1]
        await chore

    asyncio.run(run())


def test_what_is_cut_off_is_recorded_by_the_next() -> None:
    async def run() -> None:
        store = Slow()
        refusals = refusals_of(store)
        refusals.note(ASK)
        chore = asyncio.create_task(refusals.flush())
        await store.asked.wait()
        refusals.note(ASK)
        chore.cancel()
        await asyncio.gather(chore, return_exceptions=True)
        store.go.set()
        await refusals.flush()
        assert counts(store) == [2]

    asyncio.run(run())
