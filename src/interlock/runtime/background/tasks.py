"""Work that must be seen to its end: background tasks that are tracked, and pipelines that outlive their caller."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from interlock.runtime.drive import Drive

R = TypeVar("R")
_log = structlog.get_logger(__name__)


class Tasks:
    """Tracks tasks. Shutdown waits for them with `drain`."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run it in the background; an error of it is logged, whoever looks at the task."""
        task = asyncio.ensure_future(work)
        task.set_name(name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("task.failed", task=task.get_name(), error=type(error).__name__)

    async def see_through(self, drive: Drive[R], name: str) -> R:
        """Run a pipeline to its end even if the caller is cancelled: it is told that the client is gone, gives up what can still be
        given up, and finishes what is under way. Only then the cancellation goes on."""
        task: asyncio.Task[R] = self.spawn(drive.run(), name)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.done():
                drive.gone()
            while not task.done():
                await _settle(task)
            raise

    async def drain(self, seconds: float) -> int:
        """Wait for everything tracked, `seconds` at most; returns how many tasks are still running."""
        if self._running:
            await asyncio.wait(set(self._running), timeout=seconds)
        return len(self._running)


async def _settle(task: asyncio.Task[Any]) -> None:
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        # A second cancellation changes nothing: the unit must not be left half done.
        return
