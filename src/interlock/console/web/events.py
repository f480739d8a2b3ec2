"""Server-sent events (HTML, "Server-sent events"): a page hears that something moved, and loads itself again."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from interlock.console.access import COOKIE, Doorkeeper
from interlock.console.callers import BySession
from interlock.console.problems import respond
from interlock.model.errors import InterlockError
from interlock.runtime.runtime import Runtime

LOOK = 1.0
"""Seconds between two looks at the store: other replicas move changes as well."""
QUIET = 15
"""Looks after which something is sent although nothing moved, so that a lost connection is noticed."""
MOST, EACH = 200, 8
"""Most streams at a time, of all and of one person."""


class Events:
    """The ASGI endpoint. The length of the log tells that anything happened: whatever moves, is recorded."""

    def __init__(self, runtime: Runtime, keeper: Doorkeeper) -> None:
        self._runtime, self._keeper = runtime, keeper
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            caller = await self._keeper.visitor(request)
        except InterlockError:
            caller = None
        response: Response
        if not isinstance(caller, BySession) or request.method != "GET":
            response = respond("unauthenticated")
        elif self._open.total() >= MOST or self._open[caller.person] >= EACH:
            response = respond("unavailable", "too many pages are open")
        else:
            lines = self._lines(caller.person, request.cookies[COOKIE])
            response = StreamingResponse(
                lines, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
            )
        await response(scope, receive, send)

    async def _lines(self, person: str, secret: str) -> AsyncIterator[str]:
        self._open[person] += 1
        try:
            seen, quiet = -1, 0
            yield "retry: 3000\n\n"
            while await self._runtime.entrance.session(secret, there=False) is not None:
                size = await self._runtime.store.read(lambda tx: tx.ledger_size())
                quiet = 0 if size != seen else quiet + 1
                if size != seen:
                    seen = size
                    yield f"event: moved\ndata: {size}\n\n"
                elif quiet % QUIET == 0:
                    yield ": still here\n\n"
                await asyncio.sleep(LOOK)
            yield "event: over\ndata: session\n\n"
        except InterlockError:
            return  # the store is lost: the browser comes again
        finally:
            self._open[person] -= 1
