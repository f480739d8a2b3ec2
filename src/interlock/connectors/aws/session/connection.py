"""One connection of a client: requests one after the other, each answered before the next is looked at."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Protocol

from interlock.connectors.aws import answer as answers
from interlock.connectors.aws.http import Data, End, Event, Head, Malformed, Parser
from interlock.connectors.aws.session.exchange import Exchange, Server
from interlock.connectors.aws.session.incoming import Gone, Incoming
from interlock.connectors.aws.session.outgoing import Outgoing
from interlock.sdk.connector import TlsContext, Wire

_LEFT_OVER = 1 << 20
"""Bytes of a body nobody wanted that are read all the same, so that the connection can go on."""
HEAD_S = 60.0
"""Seconds that a client may take for the head of a request, and between two requests."""
PIECE_S = 60.0
"""Seconds that a client may take for a piece of a body, or for taking a piece of an answer."""
PIECE = 1024
"""Bytes that make a piece of a body: who sends one byte a minute is not going on."""
_NEVER = float("inf")


class Listening(Server, Protocol):
    """What a connection needs of its target."""

    tls: TlsContext | None

    def joined(self, session: "AwsSession") -> None: ...
    def left(self, session: "AwsSession") -> None: ...


class AwsSession:
    """Implements `sdk.connector.Session`."""

    def __init__(self, wire: Wire, server: Listening) -> None:
        self._wire, self._server = wire, server
        self._parser = Parser()
        self._heads: asyncio.Queue[Head | Malformed | None] = asyncio.Queue()
        self._incoming = Incoming(wire)
        self._stopping = self._busy = self._lost = False
        self._timer: asyncio.TimerHandle | None = None
        self._until = _NEVER
        self._stuck: asyncio.TimerHandle | None = None
        self._piece = 0
        server.joined(self)
        self._task = asyncio.get_running_loop().create_task(self._run())

    # -- sdk.connector.Session

    def received(self, data: bytes) -> None:
        idle = self._parser.idle
        try:
            self._take(self._parser.feed(data))
        except Malformed as error:
            self._malformed(error)
        self._piece += len(data)
        # The time for a head begins with its first byte, and not again with each.
        if idle or (self._busy and (self._incoming.ended or self._piece >= PIECE)):
            self._watch()

    def lost(self, error: Exception | None) -> None:
        self._lost = True
        self._incoming.fail(Gone())
        self._heads.put_nowait(None)
        self._unwatch()
        self.writable(True)

    def writable(self, yes: bool) -> None:
        """Answers wait by `Wire.drain`, but not for ever."""
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
        if not yes:
            self._stuck = asyncio.get_running_loop().call_later(PIECE_S, self._wire.abort)

    async def stop(self, grace: timedelta) -> None:
        """A call under way is answered, within `grace`; nothing more is taken."""
        self._stopping = True
        if not self._busy:
            self._heads.put_nowait(None)
        done, _ = await asyncio.wait({self._task}, timeout=grace.total_seconds())
        if not done:
            self._task.cancel()
            await asyncio.wait({self._task})

    # -- events

    def _take(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case Head():
                    self._incoming = Incoming(self._wire)
                    self._heads.put_nowait(event)
                case Data(data):
                    self._incoming.put(data)
                case End(trailers):
                    self._incoming.end(trailers)

    def _malformed(self, error: Malformed) -> None:
        self._incoming.fail(error)
        self._heads.put_nowait(error)

    def _watch(self) -> None:
        """A client that does not go on within its time is gone. A timer that is set already is left to find out itself that there
        is more time by now: most are set for nothing."""
        self._piece = 0
        if not self._waits_for_client():
            self._until = _NEVER
            return
        loop = asyncio.get_running_loop()
        self._until = loop.time() + (PIECE_S if self._busy else HEAD_S)
        if self._timer is None or self._timer.when() > self._until:
            self._unwatch()
            self._timer = loop.call_at(self._until, self._look)

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        if self._until <= loop.time():
            self._too_slow()
        elif self._until < _NEVER:
            self._timer = loop.call_at(self._until, self._look)

    def _waits_for_client(self) -> bool:
        return not self._lost and (not self._busy or not self._incoming.ended)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        if self._incoming.paused:  # it is the service that is slow, or whoever decides
            self._watch()
            return
        self._incoming.fail(Malformed(408, "the request did not go on in time"))
        self._heads.put_nowait(
            Malformed(408, "the request did not come in time") if not self._parser.idle else None
        )

    # -- requests

    async def _run(self) -> None:
        try:
            if self._server.tls is not None:
                await self._wire.start_tls(self._server.tls)
                self._wire.resume()
            self._watch()
            while await self._one():
                pass
        except (Gone, ConnectionError):
            self._wire.abort()
        except Exception as error:  # noqa: BLE001  # a bug of ours ends this connection, and no other
            self._server.gate.log("aws.session_broke", error=type(error).__name__, where=_place(error))
            self._wire.abort()
        finally:
            self._unwatch()
            if self._wire.buffered():  # it has its time for taking the rest
                asyncio.get_running_loop().call_later(PIECE_S, self._wire.abort)
            self._server.left(self)
            with contextlib.suppress(Exception):
                self._wire.close()

    async def _one(self) -> bool:
        """Answer one request; whether there may be another."""
        head = await self._heads.get()
        if head is None:
            return False
        if isinstance(head, Malformed):
            self._tell(head)
            return False
        self._busy = True
        self._watch()
        out = Outgoing(self._wire, head)
        incoming = self._incoming
        await Exchange(self._server, head, incoming, out).serve()
        await self._wire.drain()
        self._busy = False
        if not out.keep_alive or self._stopping or not await incoming.drain(_LEFT_OVER):
            return False
        try:
            self._take(self._parser.next())
        except Malformed as error:
            self._malformed(error)
        self._watch()
        return True

    def _tell(self, error: Malformed) -> None:
        head = Head("GET", "/", "/", "", (), "1.1", False, None, False, False)
        out = Outgoing(self._wire, head)
        out.answer(answers.error("rest-xml", "s3", "MalformedRequest", error.sentence, error.status, "-"))


def _place(error: Exception) -> str:
    """Where in the code, without values."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace is not None else ""
