"""What a halt needs of the store: to be heard of past all other reads, and to know which replicas there are."""

import asyncio
import threading
from typing import Any

from interlock.runtime.halting import replicas
from interlock.runtime.stores import SqlStore
from interlock.runtime.stores.commits.engine import READERS


def test_an_urgent_read_waits_for_no_other(store: SqlStore) -> None:
    async def story() -> None:
        go, reading = threading.Event(), threading.Semaphore(0)

        def slow(tx: object) -> None:
            reading.release()
            go.wait(60)

        others = [asyncio.create_task(store.read(slow)) for _ in range(READERS * 3)]
        for _ in range(READERS):
            await asyncio.to_thread(reading.acquire)
        try:
            assert await store.read(lambda tx: tx.meta("nothing"), urgent=True) is None
        finally:
            go.set()
            await asyncio.gather(*others)

    asyncio.run(story())


def test_replicas_are_known_while_they_live_and_their_reports_are_kept(any_store: Any) -> None:
    async def story() -> None:
        async def do(work: Any) -> None:
            await any_store.transact(work)

        await asyncio.gather(*(do(lambda tx, n=n: replicas.beat(tx, f"gw-{n}")) for n in range(5)))
        assert await any_store.read(replicas.living) == tuple(f"gw-{n}" for n in range(5)), "none was lost"
        await do(lambda tx: replicas.report(tx, "gw-1", 7, 120, True))
        await do(lambda tx: replicas.beat(tx, "gw-1"))
        known = await any_store.read(replicas.known)
        assert (known["gw-1"].drill, known["gw-1"].ms, known["gw-1"].refused) == (7, 120, True)
        await do(lambda tx: replicas.leave(tx, "gw-0"))
        await do(lambda tx: replicas.leave(tx, "nobody"))
        old = {"gw-2": replicas.Replica(0), "gw-3": known["gw-3"]}
        await do(lambda tx: replicas._put(tx, old))
        assert await any_store.read(replicas.living) == ("gw-3",)
        assert list(await any_store.read(replicas.known)) == ["gw-3"], "what is long gone is forgotten"

    asyncio.run(story())
