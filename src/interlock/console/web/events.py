"""Server-sent events (HTML, "Server-sent events"): a page hears that something moved, and loads itself again.

However many pages are open, one task looks at the store for all of them.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from interlock.console.access import COOKIE, Doorkeeper
from interlock.console.callers import BySession
from interlock.console.problems import respond
from interlock.model.errors import InterlockError
from interlock.runtime.runtime import Runtime
from interlock.runtime.service.people.entrance import digest_of, lasting

LOOK = 1.0
"""Seconds between two looks at the store: other replicas move changes as well."""
SESSIONS = 10.0
"""Seconds between two looks whether sessions last; one that is ended in this process ends its pages at once."""
QUIET = 15.0
"""Seconds after which something is sent although nothing moved, so that a lost connection is noticed."""
MOST, EACH = 200, 8
"""Most streams at a time, of all and of one person."""


@dataclass(eq=False, slots=True)
class _Stream:
    """One open page."""

    person: str
    session: str
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False
    """Its session has ended."""


class Events:
    """The ASGI endpoint. The length of the log tells that anything happened: whatever moves, is recorded."""

    def __init__(self, runtime: Runtime, keeper: Doorkeeper) -> None:
        self._runtime, self._keeper = runtime, keeper
        self._streams: set[_Stream] = set()
        self._size: int | None = None
        """Of the log, as of the last look; None when nobody looks."""
        self._looking: asyncio.Task[None] | None = None
        self._asked = asyncio.Event()
        runtime.entrance.on_ended.append(self._asked.set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            caller = await self._keeper.visitor(request)
        except InterlockError:
            caller = None
        response: Response
        if not isinstance(caller, BySession) or request.method != "GET":
            response = respond("unauthenticated")
        elif len(self._streams) >= MOST or sum(s.person == caller.person for s in self._streams) >= EACH:
            response = respond("unavailable", "too many pages are open")
        else:
            await self._serve(
                _Stream(caller.person, digest_of(request.cookies[COOKIE])), scope, receive, send
            )
            return
        await response(scope, receive, send)

    async def _serve(self, stream: _Stream, scope: Scope, receive: Receive, send: Send) -> None:
        self._streams.add(stream)
        try:
            if self._looking is None:
                self._looking = asyncio.create_task(self._look(), name="console-events")
            headers = {"X-Accel-Buffering": "no"}
            await StreamingResponse(self._lines(stream), media_type="text/event-stream", headers=headers)(
                scope, receive, send
            )
        finally:
            self._streams.discard(stream)
            if not self._streams:
                self._stop()

    def _stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        self._looking, self._size = None, None

    async def _lines(self, stream: _Stream) -> AsyncIterator[str]:
        told: int | None = None
        yield "retry: 3000\n\n"
        while self._looking is not None and not stream.over:
            if self._size != told:
                told = self._size
                yield f"event: moved\ndata: {told}\n\n"
            if not await _woken(stream.woken, QUIET):
                yield ": still here\n\n"
        if stream.over:
            yield "event: over\ndata: session\n\n"

    async def _look(self) -> None:
        """Until the store is lost: then every stream ends, and the browsers come again."""
        try:
            due, clock = 0.0, asyncio.get_running_loop().time
            while True:
                size = await self._runtime.store.read(lambda tx: tx.ledger_size())
                if size != self._size:
                    self._size = size
                    self._wake()
                if self._asked.is_set() or clock() >= due:
                    self._asked.clear()
                    await self._end_those_over()
                    due = clock() + SESSIONS
                await _woken(self._asked, LOOK, keep=True)
        except InterlockError:
            pass
        finally:
            if self._looking is asyncio.current_task():
                self._looking, self._size = None, None
                self._wake()

    async def _end_those_over(self) -> None:
        streams = tuple(self._streams)
        sessions = {stream.session for stream in streams}
        still = await self._runtime.store.read(lambda tx: lasting(tx, sessions))
        for stream in streams:
            stream.over = stream.session not in still
            if stream.over:
                stream.woken.set()

    def _wake(self) -> None:
        for stream in self._streams:
            stream.woken.set()


async def _woken(event: asyncio.Event, seconds: float, *, keep: bool = False) -> bool:
    """Wait for an event, so long at most; whether it came. It is cleared, unless it is kept for someone to see."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    if not keep:
        event.clear()
    return True
