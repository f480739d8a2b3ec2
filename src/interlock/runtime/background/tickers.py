"""Work that comes back from time to time. A failure is logged and tried again; it never ends the others."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any

import structlog

from interlock.model.errors import InterlockError
from interlock.pipeline import reminding
from interlock.pipeline.expire import expire_all, overdue, remind_all, to_remind
from interlock.pipeline.recover import Recovered, recover
from interlock.runtime.core import Core, beat
from interlock.runtime.drive import Drive, described
from interlock.runtime.perform import Performer

_log = structlog.get_logger(__name__)


class Tickers:
    """The tasks of a gateway that never end by themselves. One that does, whatever ended it, is begun again: without the one that
    compares rights with the store, everything would be refused until a person came."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self._ending = False

    def start(self, name: str, begin: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Keep it running until `stop`."""

        def ended(task: asyncio.Task[None]) -> None:
            self.tasks.discard(task)
            if self._ending:
                return
            error = None if task.cancelled() else task.exception()
            _log.critical("ticker.ended", ticker=name, error=type(error).__name__)
            self.start(name, begin)

        task = asyncio.create_task(begin(), name=name)
        self.tasks.add(task)
        task.add_done_callback(ended)

    async def stop(self) -> None:
        """End them all."""
        self._ending = True
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def every(
    seconds: float, name: str, work: Callable[[], Awaitable[object]], wake: asyncio.Event | None = None
) -> None:
    """Do `work` each `seconds`, and at once when `wake` is set, until cancelled."""
    woken = wake or asyncio.Event()
    while True:
        # Not `wait_for`, which can lose a cancellation (until Python 3.12).
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await woken.wait()
        woken.clear()
        await once(name, work)
        # Work that waits for nothing and wakes itself must not keep the loop from everything else.
        await asyncio.sleep(0)


async def once(name: str, work: Callable[[], Awaitable[object]]) -> None:
    """Do `work`; what goes wrong is logged."""
    try:
        await work()
    except InterlockError as error:
        _log.error("ticker.failed", ticker=name, error=type(error).__name__, why=str(error))
    except Exception as error:  # noqa: BLE001  # a bug in one ticker must not stop the gateway's others
        _log.error("ticker.broke", ticker=name, **described(error))


class Chores:
    """The chores of one gateway."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def heartbeat(self) -> None:
        """Show the other replicas that this one is alive."""
        gateway = self._core.terms.gateway
        await self._core.store.transact(lambda tx: beat(tx, gateway))

    async def expire(self) -> None:
        """Let open changes expire that nobody used in time."""
        if not await self._core.store.read(overdue):
            return
        for change in await self._core.store.transact(expire_all):
            _log.info("change.expired", change=change.id)
            self._core.watch.moved(change)

    async def remind(self) -> None:
        """Remind people of held changes that will expire soon: once, over all replicas. And of what is frozen."""
        await self.remind_frozen()
        before = self._core.terms.reviews.remind
        if not await self._core.store.read(lambda tx: to_remind(tx, before)):
            return
        for change in await self._core.store.transact(lambda tx: remind_all(tx, before)):
            _log.info("change.expires_soon", change=change.id, target=change.target)
            self._core.notifiers.reminder(change)

    async def remind_frozen(self) -> None:
        """Remind people of what is frozen: each time once, over all replicas."""
        if not await self._core.store.read(reminding.due):
            return
        for row in await self._core.store.transact(reminding.remind):
            _log.info("freeze.goes_on", scope=row.scope)
            self._core.notifiers.still_frozen(row, self._core.directory.now())

    async def recover(self, *, starting: bool = False) -> Recovered:
        """Resolve intents without an outcome."""
        performer = Performer(self._core, starting=starting)
        recovered: Recovered = await self._core.tasks.see_through(Drive(recover(), performer), "recover")
        for change in recovered.resolved:
            _log.warning("change.recovered", change=change.id, state=change.state.value)
        for change in recovered.in_doubt:
            _log.error("change.in_doubt", change=change.id, target=change.target)
        return recovered

    async def look(self) -> None:
        """Notice what other replicas moved, and make waiting refusals durable."""
        await self._core.watch.look()
        await self._core.refusals.flush()


LOOK, HEARTBEAT, RECOVER, EXPIRE, POLICIES, SIGN, WITNESS, RETRY = 0.5, 5.0, 10.0, 5.0, 1.0, 10.0, 1.0, 15.0
REMIND = 30.0
"""Seconds between two runs."""
RETAIN = timedelta(hours=1).total_seconds()
