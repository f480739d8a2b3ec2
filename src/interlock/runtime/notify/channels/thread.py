"""Blocking work in a thread that nobody has to wait for: not the loop, not other channels, not the end of the process."""

import asyncio
import contextlib
import threading
from collections.abc import Callable

from interlock.runtime.notify.channels.errors import NotTaken


class Worker:
    """At most one piece of work at a time. A service that answers a byte each minute costs one thread, not one for each try."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._busy = False

    async def run(self, work: Callable[[], None], seconds: float) -> None:
        """Do it, within that time. Raises what it raises, and NotTaken when it takes too long or the last one still goes on."""
        if self._busy:
            raise NotTaken("is still busy with an earlier message")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def ended(error: BaseException | None) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        def run() -> None:
            error: BaseException | None = None
            try:
                work()
            except BaseException as met:  # noqa: BLE001  # it comes out where it is waited for
                error = met
            self._busy = False
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(ended, error)

        self._busy = True
        threading.Thread(target=run, name=self._name, daemon=True).start()
        try:
            async with asyncio.timeout(seconds):
                await done
        except TimeoutError:
            raise NotTaken("does not answer in time") from None
