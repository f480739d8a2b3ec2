"""What open pages cost while nothing happens, and how soon they hear."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import psutil

from bench.console.served import PEOPLE, Site, scope_of
from bench.measure import Row, Table, percentile
from interlock.console.web.events import EACH, MOST


class Page:
    """One open page, as the server sees it."""

    def __init__(self, site: Site, cookie: str) -> None:
        self.moved = asyncio.Event()
        self._site, self._cookie = site, cookie
        self.heard_at = 0.0

    async def open(self) -> None:
        """Until it is cancelled."""
        asked = False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if asked:
                await asyncio.Event().wait()
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            assert message.get("status", 200) == 200
            if b"event: moved" in message.get("body", b""):
                self.heard_at = time.perf_counter()
                self.moved.set()

        await self._site.app(scope_of("/console/events", self._cookie), receive, send)


async def streams(site: Site, seconds: float) -> Table:
    """As many as there may be."""
    process = psutil.Process()
    idle = await _spent(process, site, seconds)
    pages = [Page(site, site.cookies[number // EACH]) for number in range(min(MOST, PEOPLE * EACH))]
    before = process.memory_info().rss
    tasks = [asyncio.create_task(page.open()) for page in pages]
    await _all_heard(pages)
    busy = await _spent(process, site, seconds)
    grown = (process.memory_info().rss - before) / 1024 / len(pages)
    late = [await _told(site, pages) for _ in range(5)]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    table = Table(f"Open pages: {len(pages)}")
    table.rows += [
        Row("reads of the store that they cause", "a second", {"median": busy[1] - idle[1]}),
        Row("processor time that they cause", "ms/s", {"median": (busy[0] - idle[0]) * 1000}),
        Row("memory of each", "KiB", {"median": grown}),
        Row(
            "something moves: the last page hears",
            "ms",
            {"median": percentile([max(each) for each in late], 0.5)},
            note="they look once a second, all at once",
        ),
    ]
    return table


async def _spent(process: psutil.Process, site: Site, seconds: float) -> tuple[float, float]:
    """Processor seconds and reads of the store, for each second."""
    used, reads = sum(process.cpu_times()[:2]), len(site.reads)
    await asyncio.sleep(seconds)
    return (sum(process.cpu_times()[:2]) - used) / seconds, (len(site.reads) - reads) / seconds


async def _all_heard(pages: Sequence[Page]) -> None:
    async with asyncio.timeout(60):
        await asyncio.gather(*(page.moved.wait() for page in pages))


async def _told(site: Site, pages: Sequence[Page]) -> list[float]:
    for page in pages:
        page.moved.clear()
    begun = time.perf_counter()
    await site.runtime.store.transact(lambda tx: tx.append("login", {"person": "bench", "done": True}))
    await _all_heard(pages)
    return [(page.heard_at - begun) * 1000 for page in pages]
