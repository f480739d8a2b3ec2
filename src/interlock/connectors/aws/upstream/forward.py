"""Sending an agent's call on, with the gateway's own signature, and taking the answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiohttp
from yarl import URL

from interlock.model.errors import InterlockError

HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade")
)  # fmt: skip
"""Headers that belong to one connection (RFC 9110, section 7.6.1)."""
PIECE = 256 * 1024
"""Bytes that are taken from an answer at a time."""


class Lost(InterlockError):
    """No answer, or not all of it. `sent` tells whether the call may have reached the service, `stale` that the connection ended
    before anything of an answer came, as one does that was kept for too long."""

    def __init__(self, why: str, *, sent: bool, stale: bool = False) -> None:
        super().__init__(why)
        self.sent, self.stale = sent, stale


class Reply:
    """An answer whose head has come. Its body is taken by `pieces` or `whole`; `close` ends it in any case."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: tuple[tuple[str, str], ...] = tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in response.raw_headers
            if name.decode("latin-1").lower() not in HOP_BY_HOP
        )

    def header(self, name: str) -> str:
        """The first of that name (in lower case), or empty."""
        return next((value for known, value in self.headers if known == name), "")

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, as it comes. Raises Lost."""
        try:
            async for piece in self._response.content.iter_chunked(PIECE):
                yield piece
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Lost(f"the answer broke off ({type(error).__name__})", sent=True) from None

    async def whole(self, limit: int) -> bytes:
        """The body, of `limit` bytes at most. Raises Lost."""
        body = bytearray()
        async for piece in self.pieces():
            body += piece
            if len(body) > limit:
                raise Lost("the answer is larger than the gateway keeps", sent=True)
        return bytes(body)

    def close(self) -> None:
        """Give it up, or back when all of it was taken."""
        self._response.release()


class _Body:
    """A body that is sent as it comes, and remembers whether it broke off: then the service has not got all of it, and does
    nothing."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self.broke = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._pieces:
                yield piece
        except Exception:
            self.broke = True
            raise


class Forwarder:
    """A pool of connections to AWS."""

    def __init__(self, *, connect_s: float, answer_s: float, connections: int = 256) -> None:
        self._timeout = aiohttp.ClientTimeout(total=None, connect=connect_s, sock_read=answer_s)
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections),
                timeout=self._timeout,
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
            # aiohttp itself would send PUT and DELETE a second time when a kept connection turns out to be closed.
            self._session._retry_connection = False
        return self._session

    async def send(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]],
        body: bytes | AsyncIterator[bytes] | None,
    ) -> Reply:
        """Send a request once, following nothing. `url` is taken as it is, percent-encoding and all. Raises Lost."""
        data: Any = body if body is None or isinstance(body, bytes) else _Body(body)
        try:
            response = await self._open().request(
                method,
                URL(url, encoded=True),
                headers=headers,
                data=data,
                allow_redirects=False,
                expect100=False,
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Lost(f"AWS cannot be reached ({type(error).__name__})", sent=False) from None
        except (aiohttp.ClientError, TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            if isinstance(data, _Body) and data.broke:
                raise Lost("the body broke off, and nothing was done", sent=False) from None
            stale = isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
            raise Lost(f"no answer from AWS ({type(error).__name__})", sent=True, stale=stale) from None
        return Reply(response)

    async def close(self) -> None:
        """End all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
