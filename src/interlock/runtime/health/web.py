"""Asking an address over HTTP: one request, one answer, as much of it as is wanted, within a time. Redirects are not followed,
proxies of the environment not used, and no text that the other side sent gets into an error."""

import asyncio
import contextlib
import http.client
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

from interlock.model.base import Value
from interlock.model.errors import InterlockError, Unavailable
from interlock.runtime.health.config import Headers
from interlock.runtime.witnessing.posting import connection, no_longer_than

THREADS, WAITING = 8, 64
"""How many requests run at a time, and how many more may wait: slow addresses must not hold up anything else."""
LONGEST_HEADER = 8_192


class Busy(InterlockError):
    """All threads are taken: nothing was asked."""


class Answer(Value, frozen=True):
    """What came back: `body` are its first bytes, as many as were wanted; `whole` tells that there were no more."""

    status: int
    body: bytes
    whole: bool


class Web:
    """Makes requests in threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="health")
        self._under_way = 0

    async def get(self, url: str, headers: Headers, within: timedelta, most: int) -> Answer:
        """Raises Unavailable, and NotAsked when a header's secret cannot be read or too much is under way already."""
        if self._under_way >= THREADS + WAITING:
            raise Busy("too many checks wait for slow addresses")
        loop = asyncio.get_running_loop()
        self._under_way += 1
        work = loop.run_in_executor(self._threads, _get, url, headers, within.total_seconds(), most)
        work.add_done_callback(self._done)
        try:
            # The thread goes on until its own limits end it, and is counted until then (a name may take long to look up).
            return await asyncio.wait_for(asyncio.shield(work), within.total_seconds())
        except TimeoutError:
            raise Unavailable(f"no answer within {within.total_seconds():g} s") from None

    def _done(self, work: "asyncio.Future[Answer]") -> None:
        self._under_way -= 1
        if not work.cancelled():
            work.exception()  # looked at: whoever waited may have left

    def close(self) -> None:
        """End. Requests under way are left to their own limits."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class NotAsked(InterlockError):
    """A secret of the request cannot be read: that is the gateway's trouble, and says nothing about the other side."""


def _sent(headers: Headers) -> Mapping[str, str]:
    found = {}
    for name, value in headers.items():
        try:
            text = value if isinstance(value, str) else value()
        except Unavailable as error:
            raise NotAsked(str(error)) from None
        if not text.isascii() or not text.isprintable() or len(text) > LONGEST_HEADER:
            raise NotAsked(f"the secret for the header {name} is not printable ASCII")
        found[name] = text
    return {"Accept": "*/*", "User-Agent": "Interlock", **found}


def _get(url: str, headers: Headers, seconds: float, most: int) -> Answer:
    sent, ends = _sent(headers), time.monotonic() + seconds
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        made = connection(parts.scheme, parts.hostname or "", parts.port, seconds)
        with contextlib.closing(made):
            made.connect()
            with no_longer_than(max(0.01, ends - time.monotonic()), made.sock):
                made.request("GET", target, None, dict(sent))
                response = made.getresponse()
                body = response.read(most + 1) if most else b""
    except (OSError, http.client.HTTPException, UnicodeError, ValueError) as error:
        # Not their text, which may repeat what the other side sent.
        raise Unavailable(f"it does not answer as it should ({type(error).__name__})") from None
    return Answer(response.status, body[:most], len(body) <= most)
