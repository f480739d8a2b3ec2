"""Servers that do what real ones cannot be made to do."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from interlock.connectors.postgres.auth.scram import (
    ScramRefused,
    ScramServer,
    Verifier,
    certificate_hash,
    mechanisms,
    mock_verifier,
)
from interlock.connectors.postgres.client.config import SslMode, UpstreamConfig
from interlock.connectors.postgres.codec import (
    Framer,
    Limits,
    StartupFramer,
    build,
    decode_as,
    decode_startup,
    encode,
)
from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.codec.limits import FRONTEND_LOGIN

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def peer(behave: Behaviour, **options: object) -> AsyncIterator[UpstreamConfig]:
    """A server on loopback that treats each connection as ``behave`` does; gives the way to it."""
    tasks: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        try:
            await behave(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the other side left, or the test is over
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings: dict[str, object] = {"sslmode": SslMode.DISABLE, **options}
    try:
        yield UpstreamConfig(host="127.0.0.1", port=port, user="ann", dbname="shop", **settings)  # type: ignore[arg-type]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_startup(reader: asyncio.StreamReader) -> bytes:
    """The next startup packet."""
    framer = StartupFramer()
    while (packet := framer.feed(await reader.readexactly(1))) is None:
        pass
    return packet


async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Let anybody in."""
    await read_startup(reader)
    writer.write(build.AUTHENTICATION_OK + build.ready("I"))
    await writer.drain()


async def read_message(reader: asyncio.StreamReader, limits: Limits = FRONTEND_LOGIN) -> bytes:
    """The next message."""
    framer = Framer(limits)
    while not (frames := framer.feed(await reader.readexactly(1))):
        pass
    return frames[0][1]


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS for a server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


class AgentServer:
    """Lets agents in with SCRAM, as the gateway does; ``log`` holds what the last one did."""

    def __init__(
        self,
        verifiers: dict[str, Verifier],
        certificate: tuple[Path, Path] | None = None,
        newest: int = f.VERSION_3_0,
        key: bytes = b"abcd",
    ) -> None:
        self.verifiers = verifiers
        self.context = server_context(*certificate) if certificate is not None else None
        der = ssl.PEM_cert_to_DER_cert(certificate[0].read_text()) if certificate is not None else None
        self.bound = certificate_hash(der) if der is not None else None
        self.newest = newest
        self.key = key
        self.mechanism = ""
        self.version = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection up to its end."""
        while not isinstance(packet := decode_startup(await read_startup(reader)), f.StartupMessage):
            if isinstance(packet, f.SSLRequest) and self.context is not None:
                writer.write(b"S")
                await writer.start_tls(self.context)
            else:
                writer.write(b"N")
        self.version = packet.version
        writer.write(build.negotiation(packet, newest=self.newest))
        encrypted = writer.get_extra_info("ssl_object") is not None
        try:
            await self.log_in(packet.get("user") or "", self.bound if encrypted else None, reader, writer)
        except ScramRefused as refusal:
            writer.write(build.error_response("FATAL", "28P01", str(refusal)))
            return
        writer.write(build.AUTHENTICATION_OK + encode(b.BackendKeyData(7, self.key)) + build.ready("I"))
        await reader.read()

    async def log_in(
        self, user: str, bound: bytes | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """SCRAM, with channel binding when there is something to bind to."""
        verifier = self.verifiers.get(user)
        server = ScramServer(
            verifier or mock_verifier(b"secret", user), known=verifier is not None, certificate_hash=bound
        )
        writer.write(encode(b.AuthenticationSASL(mechanisms(bound))))
        initial = decode_as(f.SASLInitialResponse, await read_message(reader))
        self.mechanism = initial.mechanism
        writer.write(encode(b.AuthenticationSASLContinue(server.first(initial.mechanism, initial.data))))
        final = decode_as(f.SASLResponse, await read_message(reader))
        writer.write(encode(b.AuthenticationSASLFinal(server.final(final.data))))
