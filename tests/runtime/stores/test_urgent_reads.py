"""What is urgent is read past all other reads."""

import asyncio
import threading

from interlock.runtime.stores import SqlStore
from interlock.runtime.stores.engine import READERS


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
