"""What a drill ends on a replica in the place of agents: a session, and a unit of work that holds something open.

They are registered where agents' are, and end by the same code, for the scope `drill` instead of `global`. What it does not try
is what connectors do once they are told: their tests do.
"""

import asyncio
import time
from datetime import datetime, timedelta

import structlog

from interlock.control import breaker
from interlock.model.breaker import Breaker
from interlock.model.errors import InterlockError
from interlock.pipeline import commands as c
from interlock.pipeline.commands import Steps, ask
from interlock.pipeline.doubt import doubt
from interlock.pipeline.finish import abandon
from interlock.runtime.background.tickers import Tickers
from interlock.runtime.core import Core
from interlock.runtime.drive import Drive
from interlock.runtime.halting import replicas
from interlock.runtime.perform import Performer
from interlock.sdk.connector import Answer, Preview, Refused, Settled
from interlock.sdk.ports import Tx

LONGEST_S = 10.0
"""Seconds after which a drill that did not end anything here is not reported."""

_log = structlog.get_logger(__name__)


class StandIn:
    """`sdk.connector.Unit` that holds something open until it is given up."""

    def __init__(self) -> None:
        self.open = True

    async def preview(self) -> Preview:
        """Never ends by itself."""
        await asyncio.Event().wait()
        raise AssertionError

    async def execute(self) -> Settled:
        raise AssertionError("a stand-in is never executed")

    async def abandon(self) -> None:
        self.open = False


def holds_open() -> Steps[Answer]:
    """A pipeline as far as the unit is open on its target."""
    try:
        yield from ask(c.RunPreview())
    except Exception as error:  # noqa: BLE001  # as in `admit`: any error gives the unit up
        answer = yield from doubt("drill", error)
        yield from abandon()
        return answer
    raise AssertionError


class Drill:
    """The replica's side of drills."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._unit = StandIn()
        self._work: asyncio.Task[Answer] | None = None
        self._ended: asyncio.Event | None = None
        self._reported = -1
        core.halt.cutters[breaker.DRILL].append(self._session_ends)

    def begin(self, row: Breaker | None) -> None:
        """Take the place of agents; a drill that was there before is not this replica's."""
        if self._work is None:
            self._reported = -1 if row is None else row.epoch
        if not self._core.halt.why:
            self._arm()

    def _arm(self) -> None:
        """Begin the session and the unit, if there are none."""
        if self._work is None or self._work.done():
            self._unit, self._ended = StandIn(), asyncio.Event()
            self._work = asyncio.create_task(self._drive(self._unit), name="drill")

    async def _drive(self, unit: StandIn) -> Answer:
        drive = Drive(holds_open(), Performer(self._core, unit))
        with self._core.halt.driving(drive, breaker.DRILL):
            return await drive.run()

    def _session_ends(self, why: str) -> None:
        if self._ended is not None:
            self._ended.set()

    def seen(self, row: Breaker, now: datetime, asked: float) -> None:
        """The row of drills, as it was read at the store's time `now` by a question asked at `asked` (`time.monotonic`): when it is
        halted, report how long after that all had ended here. Looking goes on meanwhile."""
        if row.frozen and row.epoch > self._reported and row.moved_at is not None and self._work is not None:
            self._reported = row.epoch
            self._core.tasks.spawn(self._report(row.epoch, now - row.moved_at, asked), "drill")

    async def _report(self, epoch: int, before: timedelta, asked: float) -> None:
        assert self._work is not None
        assert self._ended is not None
        async with asyncio.timeout(LONGEST_S):
            await self._ended.wait()
            answer = await asyncio.shield(self._work)
        # At most this: the halt's own time is from before its commit, and the question took a while as well.
        ms = max(1, round((before.total_seconds() + time.monotonic() - asked) * 1000))
        clean = isinstance(answer, Refused) and answer.code == "breaker" and not self._unit.open
        self._arm()
        gateway = self._core.terms.gateway

        def work(tx: Tx) -> None:
            replicas.report(tx, gateway, epoch, ms, clean and tx.reserve((breaker.DRILL,)).stop is not None)

        await self._core.store.transact(work)
        _log.info("halt.drilled", ms=ms)

    async def stop(self) -> None:
        """End what stands in for agents."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)
            self._work = None


class Watching:
    """Learns of a halt: from the store four times a second, from the file ten times."""

    EVERY, FILE_EVERY = 0.25, 0.1
    """Seconds between two looks."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.drill = Drill(core)
        self._failing = False

    def begin(self, tickers: Tickers) -> None:
        """Keep looking until they stop."""
        tickers.start("halt", self.watch_store)
        tickers.start("halt.file", self.watch_file)

    async def leave(self) -> None:
        """End in order: no drill waits for this replica any more."""
        await self.drill.stop()
        await self._core.store.transact(lambda tx: replicas.leave(tx, self._core.terms.gateway))

    async def look(self) -> None:
        """Ask the store now, past all other reads. Raises Unavailable."""
        asked = time.monotonic()
        now, rows = await self._core.store.read(
            lambda tx: (tx.now(), [tx.breaker(scope) for scope in (breaker.GLOBAL, breaker.DRILL)]),
            urgent=True,
        )
        for row in rows:
            if row is not None:
                self._core.halt.seen(row)
        self.drill.begin(rows[1])
        if rows[1] is not None:
            self.drill.seen(rows[1], now, asked)

    async def watch_store(self) -> None:
        """Keep looking, until cancelled. While the store does not answer nothing is admitted anyhow."""
        while True:
            try:
                await self.look()
                self._failing = False
            except InterlockError as error:
                if not self._failing:
                    _log.error("halt.store_not_seen", error=type(error).__name__, why=str(error))
                self._failing = True
            await asyncio.sleep(self.EVERY)

    async def watch_file(self) -> None:
        """Keep looking for the file, until cancelled."""
        while True:
            self._core.halt.look()
            await asyncio.sleep(self.FILE_EVERY)
