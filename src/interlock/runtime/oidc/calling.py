"""Speaking to a provider over HTTP: one request, one answer of bounded size within a bounded time. Redirects are not followed,
proxies of the environment not used."""

import asyncio
import contextlib
import http.client
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode, urlsplit

from interlock.model.base import Value
from interlock.model.errors import Unavailable
from interlock.runtime.witnessing.posting import connection, no_longer_than

STEP, WHOLE, PATIENCE = 5.0, 10.0, 15.0
"""Seconds that each step of a request may take, all of them, and all with the look-up of the name and the wait for a thread."""
MOST = 512 * 1024
"""Longest answer in bytes."""
THREADS, WAITING = 4, 16
"""How many requests run at a time, and how many more may wait: a slow provider must not hold up anything else."""


class Answer(Value, frozen=True):
    """What came back. `media` is the content type without parameters, in small letters."""

    status: int
    media: str
    body: bytes


class Caller:
    """Makes requests in threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="oidc")
        self._under_way = 0

    async def get(self, url: str) -> Answer:
        """Raises Unavailable; its text holds nothing that the other side sent."""
        return await self._ask("GET", url, None, {})

    async def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """Send a form. Raises Unavailable."""
        sent = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return await self._ask("POST", url, urlencode(form).encode("ascii"), sent)

    async def _ask(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        if self._under_way >= THREADS + WAITING:
            raise Unavailable("too many logins wait for the login provider: try again")
        loop = asyncio.get_running_loop()
        self._under_way += 1
        work = loop.run_in_executor(self._threads, _ask, method, url, body, headers)
        work.add_done_callback(self._done)
        try:
            # The thread goes on until its own limits end it, and is counted until then.
            return await asyncio.wait_for(asyncio.shield(work), PATIENCE)
        except TimeoutError:
            raise Unavailable("the login provider does not answer") from None

    def _done(self, work: "asyncio.Future[Answer]") -> None:
        self._under_way -= 1
        if not work.cancelled():
            work.exception()  # looked at: whoever waited may have left

    def close(self) -> None:
        """End. Requests under way are left to their own limits."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _ask(method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        made = connection(parts.scheme, parts.hostname or "", parts.port, STEP)
        with contextlib.closing(made):
            made.connect()
            with no_longer_than(WHOLE, made.sock):
                made.request(method, target, body, {"Accept": "application/json", **headers})
                response = made.getresponse()
                data = response.read(MOST + 1)
    except (OSError, http.client.HTTPException, UnicodeError, ValueError) as error:
        # Not their text, which may repeat what the other side sent.
        raise Unavailable(f"the login provider does not answer ({type(error).__name__})") from None
    if len(data) > MOST:
        raise Unavailable("the login provider's answer is too large")
    media = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
    return Answer(response.status, media, data)
