"""Sending an agent's call on, with the gateway's own signature, and taking the answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from interlock.connectors.aws.upstream.link import Garbled, Link, Silent
from interlock.connectors.aws.upstream.pool import Origin, Pool
from interlock.model.errors import InterlockError

HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade")
)  # fmt: skip
"""Headers that belong to one connection (RFC 9110, section 7.6.1)."""


class Lost(InterlockError):
    """No answer, or not all of it. `sent` tells whether the call may have reached the service, `stale` that the connection ended
    before anything of an answer came, as one does that was kept for too long."""

    def __init__(self, why: str, *, sent: bool, stale: bool = False) -> None:
        super().__init__(why)
        self.sent, self.stale = sent, stale


class Reply:
    """An answer whose head has come. Its body is taken by `pieces` or `whole`; `close` ends it in any case."""

    def __init__(self, link: Link, pool: Pool, origin: Origin, sending: "asyncio.Task[None] | None") -> None:
        self._link, self._pool, self._origin, self._sending = link, pool, origin, sending
        self._closed = False
        self.status = link.status
        found = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in link.headers]
        self.headers: tuple[tuple[str, str], ...] = tuple(each for each in found if each[0] not in HOP_BY_HOP)

    def header(self, name: str) -> str:
        """The first of that name (in lower case), or empty."""
        return next((value for known, value in self.headers if known == name), "")

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, as it comes. Raises Lost."""
        while piece := await self._piece():
            yield piece

    async def _piece(self) -> bytes:
        try:
            return await self._link.take()
        except OSError as error:
            raise Lost(f"the answer broke off ({type(error).__name__})", sent=True) from None

    async def whole(self, limit: int) -> bytes:
        """The body, of `limit` bytes at most. Raises Lost."""
        body = bytearray()
        while piece := await self._piece():
            body += piece
            if len(body) > limit:
                raise Lost("the answer is larger than the gateway keeps", sent=True)
        return bytes(body)

    def close(self) -> None:
        """Give it up, or back when all of it was taken."""
        if self._closed:
            return
        self._closed = True
        if self._sending is not None:
            self._sending.cancel()
        self._pool.give_back(self._origin, self._link)


class _Upload:
    """A body that is sent as it comes, and remembers whether it `broke` off: then the service has not got all of it, and does
    nothing."""

    def __init__(self, link: Link, pieces: AsyncIterator[bytes], *, chunked: bool) -> None:
        self._link, self._pieces, self._chunked = link, pieces, chunked
        self.broke = False

    async def run(self) -> None:
        """Send it. Whatever goes wrong ends the connection: who waits for the answer hears of it."""
        self._link.sending = True
        with contextlib.suppress(OSError):
            async for piece in self._own():
                await self._link.send(b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece)
            if self.broke:
                return
            if self._chunked:
                await self._link.send(b"0\r\n\r\n")
            self._link.sending = False

    async def _own(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._pieces:
                if piece:
                    yield piece
        except Exception:  # noqa: BLE001  # whoever makes the pieces remembers it
            self.broke = True
            self._link.abort()


class Forwarder:
    """Sends calls to AWS, over connections that are kept."""

    def __init__(self, *, connect_s: float, answer_s: float, connections: int = 256) -> None:
        self._connect_s = connect_s
        self._pool = Pool(silence_s=answer_s, most=connections)

    async def send(
        self,
        method: str,
        origin: Origin,
        target: str,
        headers: Sequence[tuple[str, str]],
        body: bytes | AsyncIterator[bytes] | None,
    ) -> Reply:
        """Send a request once, following nothing. `target` (path and query) and `headers` are taken as they are; a body whose
        length is not among these goes in chunks. Raises Lost, and ValueError for a header that is none."""
        streams = not (body is None or isinstance(body, bytes))
        chunked = streams and all(name != "content-length" for name, _ in headers)
        head = _head(method, target, headers, chunked=chunked)
        try:
            link = await self._pool.take(origin, self._connect_s)
        except OSError as error:
            raise Lost(f"AWS cannot be reached ({type(error).__name__})", sent=False) from None
        upload = sending = None
        try:
            link.ask(head + body if isinstance(body, bytes) else head, bodyless=method == "HEAD")
            if not (body is None or isinstance(body, bytes)):
                upload = _Upload(link, body, chunked=chunked)
                sending = asyncio.get_running_loop().create_task(upload.run())
            await link.answered()
        except BaseException as error:
            if sending is not None:
                sending.cancel()
            link.abort()
            self._pool.give_back(origin, link)
            if isinstance(error, OSError):
                raise _lost(error, broke=upload is not None and upload.broke) from None
            raise
        return Reply(link, self._pool, origin, sending)

    async def close(self) -> None:
        """End all connections."""
        self._pool.close()


def _lost(error: OSError, *, broke: bool) -> Lost:
    if broke:
        return Lost("the body broke off, and nothing was done", sent=False)
    stale = not isinstance(error, Silent | Garbled)
    return Lost(f"no answer from AWS ({type(error).__name__})", sent=True, stale=stale)


def _head(method: str, target: str, headers: Sequence[tuple[str, str]], *, chunked: bool) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *[f"{name}: {value}" for name, value in headers]]
    if chunked:
        lines.append("transfer-encoding: chunked")
    text = "\r\n".join(lines)
    if not text.count("\r") == text.count("\n") == len(lines) - 1:
        raise ValueError("not a header")  # none may be taken for another
    return f"{text}\r\n\r\n".encode("latin-1")
