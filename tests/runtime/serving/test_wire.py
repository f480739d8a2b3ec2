"""Client connections on a real loopback socket: bytes both ways, TLS upgrade, backpressure, and a session that breaks."""

import asyncio
import datetime as dt
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from interlock.runtime.serving.wire import HIGH_WATER, Connection


class Echo:
    """A session that echoes, upgrades to TLS on `T`, and breaks on `B`."""

    def __init__(self, wire: Connection, context: ssl.SSLContext | None = None) -> None:
        self.wire, self.context = wire, context
        self.ended: list[Exception | None] = []
        self.marks: list[bool] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.got = b""
        self.over = asyncio.Event()

    def received(self, data: bytes) -> None:
        self.got += data
        if data == b"T":
            self.wire.write(b"S")
            self.tasks.append(asyncio.create_task(self._upgrade()))
        elif data == b"B":
            raise RuntimeError("a bug")
        else:
            self.wire.write(data.upper())

    async def _upgrade(self) -> None:
        assert self.context is not None
        await self.wire.start_tls(self.context)
        self.wire.write(b"secure " + str(self.wire.secure).encode())

    def lost(self, error: Exception | None) -> None:
        self.ended.append(error)
        self.over.set()

    def writable(self, yes: bool) -> None:
        self.marks.append(yes)

    async def stop(self, grace: dt.timedelta) -> None:
        self.wire.close()


Body = Callable[[str, int, list[Echo], set[Connection]], Awaitable[None]]


def on_loop(body: Body, context: ssl.SSLContext | None = None) -> None:
    """Run a test on the loop that the server uses."""

    async def run() -> None:
        sessions: list[Echo] = []
        alive: set[Connection] = set()

        def make(wire: Connection) -> Any:
            sessions.append(Echo(wire, context))
            return sessions[-1]

        def connected() -> Connection:
            made = Connection(make, alive.discard, "test")
            alive.add(made)
            return made

        server = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        try:
            await body(host, port, sessions, alive)
        finally:
            for connection in list(alive):
                connection.abort()
            server.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def test_bytes_go_both_ways_and_the_end_is_told() -> None:
    async def body(host: str, port: int, sessions: list[Echo], alive: set[Connection]) -> None:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"HELLO"
        assert sessions[0].wire.peer.startswith("127.0.0.1:")
        assert not sessions[0].wire.secure
        writer.close()
        await sessions[0].over.wait()
        assert sessions[0].ended == [None]
        sessions[0].wire.write(b"late")  # after the end: nothing happens
        with pytest.raises(ConnectionError):
            await sessions[0].wire.drain()

    on_loop(body)


def test_upgrade_to_tls(certificate: Path) -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    client_side = ssl.create_default_context(cafile=str(certificate))

    async def body(host: str, port: int, sessions: list[Echo], alive: set[Connection]) -> None:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"T")
        assert await reader.readexactly(1) == b"S"
        await writer.start_tls(client_side, server_hostname="127.0.0.1")
        assert await reader.readexactly(11) == b"secure True"
        writer.write(b"inside")
        assert await reader.readexactly(6) == b"INSIDE"
        assert sessions[0].got == b"Tinside"

    on_loop(body, server_side)


def test_what_is_no_handshake_ends_the_connection(certificate: Path) -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)

    async def body(host: str, port: int, sessions: list[Echo], alive: set[Connection]) -> None:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"T")
        assert await reader.readexactly(1) == b"S"
        writer.write(b"this is no TLS handshake at all, and never was")
        assert b"this is" not in await reader.read()
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await sessions[0].tasks[0]
        assert sessions[0].got == b"T"

    on_loop(body, server_side)


def test_a_slow_client_pauses_its_source() -> None:
    async def body(host: str, port: int, sessions: list[Echo], alive: set[Connection]) -> None:
        reader, writer = await asyncio.open_connection(host, port, limit=1024)
        writer.write(b"x")
        await reader.readexactly(1)
        session = sessions[0]
        while True not in [not mark for mark in session.marks]:
            session.wire.write(b"y" * HIGH_WATER)
            await asyncio.sleep(0)
        assert session.wire.buffered() > HIGH_WATER
        draining = asyncio.create_task(session.wire.drain())
        await asyncio.sleep(0)
        assert not draining.done()
        while not draining.done():
            await reader.read(1 << 20)
        assert session.marks[-1] is True

    on_loop(body)


def test_a_session_that_breaks_ends_alone(capsys: pytest.CaptureFixture[str]) -> None:
    async def body(host: str, port: int, sessions: list[Echo], alive: set[Connection]) -> None:
        broken = await asyncio.open_connection(host, port)
        other = await asyncio.open_connection(host, port)
        broken[1].write(b"B")
        assert await broken[0].read() == b""
        other[1].write(b"ok")
        assert await other[0].readexactly(2) == b"OK"

    on_loop(body)
    assert "session.broke" in capsys.readouterr().err


def test_pause_and_resume_reading() -> None:
    async def body(host: str, port: int, sessions: list[Echo], alive: set[Connection]) -> None:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"a")
        await reader.readexactly(1)
        sessions[0].wire.pause()
        writer.write(b"b")
        await writer.drain()
        for _ in range(20):
            await asyncio.sleep(0)
        assert sessions[0].got == b"a"
        sessions[0].wire.resume()
        assert await reader.readexactly(1) == b"B"

    on_loop(body)
