"""Connections to a real PostgreSQL server: the only I/O of this connector.

:func:`open_upstream` dials, negotiates TLS, logs in and returns an :class:`Upstream`, which then moves bytes and knows nothing
of their meaning. Sources: PostgreSQL manual, sections 34.19 "SSL Support" and 55.2.1, 55.2.10, 55.2.11.
"""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any, cast

from interlock.connectors.postgres.auth.scram import certificate_hash
from interlock.connectors.postgres.client.config import (
    PasswordSource,
    SslMode,
    UpstreamConfig,
    stays_inside,
)
from interlock.connectors.postgres.client.errors import Stage, UpstreamError
from interlock.connectors.postgres.client.login import Channel, Login, refused
from interlock.connectors.postgres.codec import build, encode
from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.codec.backend import BackendKeyData

Receiver = Callable[[bytes], None]
OnLost = Callable[[Exception | None], None]
OnWritable = Callable[[bool], None]
_Address = tuple[socket.AddressFamily, Any]

_INBOX_BYTES = 1024 * 1024
_CLOSE_SECONDS = 5.0


class Upstream(asyncio.Protocol):
    """One connection to a server. Make it with :func:`open_upstream`.

    Bytes from the server go to the receiver (:meth:`set_receiver`); until there is one they wait for :meth:`receive`,
    and reading pauses when much of it waits. After the connection is lost, writing does nothing: ``on_lost`` has been
    called or is about to be. :attr:`key`, :attr:`parameters` (the settings that the server reported) and
    :attr:`server_version` (major, minor) are those of the log-in.
    """

    def __init__(self, config: UpstreamConfig, address: _Address) -> None:
        self._config = config
        self._address = address
        self._stage = Stage.AUTHENTICATE
        self._transport: asyncio.Transport | None = None
        self._inbox: list[bytes] = []
        self._inbox_size = 0
        self._arrival: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._receiver: Receiver | None = None
        self._on_lost: OnLost | None = None
        self._on_writable: OnWritable | None = None
        self._lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.key: BackendKeyData | None = None
        self.parameters: dict[str, str] = {}
        self.server_version = (0, 0)

    # -- what is known about it

    @property
    def is_lost(self) -> bool:
        """Whether the connection has ended."""
        return self._lost.done()

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS session, or None."""
        return self._transport.get_extra_info("ssl_object") if self._transport is not None else None

    # -- from the server

    def set_receiver(
        self, callback: Receiver, on_lost: OnLost, on_writable: OnWritable | None = None
    ) -> None:
        """From now on, hand every chunk to ``callback``; what has arrived already goes there at once.

        ``on_lost`` is called once, after the last chunk, with the error if there was one. ``on_writable`` is called with
        False when more is waiting to be sent than is good, and with True when that has passed.
        """
        self._receiver, self._on_lost, self._on_writable = callback, on_lost, on_writable
        waiting = self.take()
        if waiting:
            callback(waiting)
        if self.is_lost:
            asyncio.get_running_loop().call_soon(on_lost, self._lost.result())

    async def receive(self) -> bytes:
        """The next bytes, where there is no receiver. Raises :class:`UpstreamError` when the connection is lost."""
        while not self._inbox_size:
            if self.is_lost:
                raise self._gone()
            self._arrival = asyncio.get_running_loop().create_future()
            try:
                await self._arrival
            finally:
                self._arrival = None
        return self.take()

    def pause_reading(self) -> None:
        """Read nothing more until :meth:`resume_reading`; the server waits when the buffers are full."""
        if self._transport is not None and not self.is_lost:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Undo :meth:`pause_reading`; may be called at any time."""
        if self._transport is not None and not self.is_lost:
            self._transport.resume_reading()

    def put_back(self, data: bytes) -> None:
        """Let the next :meth:`receive` begin with ``data``, which came from it."""
        self._inbox.insert(0, data)
        self._inbox_size += len(data)

    def take(self) -> bytes:
        """What has arrived and waits for :meth:`receive`; may be empty."""
        data = self._inbox[0] if len(self._inbox) == 1 else b"".join(self._inbox)
        if self._inbox_size > _INBOX_BYTES:
            self.resume_reading()
        self._inbox.clear()
        self._inbox_size = 0
        return data

    def _gone(self) -> UpstreamError:
        reason = self._lost.result()
        text = "the server closed the connection" if reason is None else _said(reason)
        return UpstreamError(self._stage, text)

    # -- to the server

    def write(self, data: bytes) -> None:
        """Send ``data``. Never blocks; see :meth:`drain`."""
        if self._transport is not None and data and not self._transport.is_closing():
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until little enough is waiting to be sent. Raises :class:`UpstreamError` when the connection is lost."""
        if self._writable is not None:
            if self._inbox_size > _INBOX_BYTES:
                # The server may be waiting for us to read before it reads on.
                self.resume_reading()
            await asyncio.shield(self._writable)
        if self.is_lost:
            raise self._gone()

    async def close(self) -> None:
        """Say goodbye, and wait until the connection has ended (at most 5 s, then as :meth:`abort`)."""
        if self._transport is None:
            return
        self.write(build.TERMINATE)
        self.resume_reading()  # a paused transport would not notice the end
        self._transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await asyncio.shield(self._lost)
        self.abort()

    def abort(self) -> None:
        """End the connection at once, without goodbye; the server rolls back."""
        if self._transport is not None:
            self._transport.abort()

    async def cancel(self, key: BackendKeyData | None = None) -> None:
        """Ask the server to cancel what the session with ``key`` (by default this one) does.

        Goes over a connection of its own to the same address, with TLS if this one has it, and returns when the server
        has taken it: what was running may have been finished before. Raises :class:`UpstreamError`.
        """
        key = key or self.key
        if key is None:
            raise UpstreamError(Stage.SESSION, "the server gave no key to cancel with", "0A000")
        async with _limit(self._config.connect_timeout):
            errand = await _open_channel(self._config, self._address, must_encrypt=self.tls is not None)
            try:
                errand.write(encode(f.CancelRequest(key.pid, key.key)))
                await asyncio.shield(errand._lost)
            finally:
                errand.abort()

    # -- asyncio.Protocol: called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._receiver is not None:
            self._receiver(data)
            return
        self._inbox.append(data)
        self._inbox_size += len(data)
        if self._inbox_size > _INBOX_BYTES and self._writable is None:
            self.pause_reading()
        _wake(self._arrival)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set_result(exc)
        _wake(self._arrival)
        self.resume_writing()
        if self._on_lost is not None:
            self._on_lost(exc)

    def pause_writing(self) -> None:
        self._writable = asyncio.get_running_loop().create_future()
        if self._on_writable is not None:
            self._on_writable(False)

    def resume_writing(self) -> None:
        if self._writable is None:
            return
        _wake(self._writable)
        self._writable = None
        if self._on_writable is not None:
            self._on_writable(True)


async def open_upstream(
    config: UpstreamConfig,
    startup_params: dict[str, str] | None = None,
    *,
    timeout: float | None = None,  # noqa: ASYNC109  (its end is an UpstreamError like any other failure)
) -> Upstream:
    """Connect, log in, and return when the server is ready for the first statement.

    ``startup_params`` go into the startup packet over what ``config`` says (``client_encoding`` is UTF8 unless given);
    ``timeout`` is in seconds, for everything together. Raises :class:`UpstreamError`; what the password source raises
    comes through.
    """
    parameters = {"client_encoding": "UTF8", **config.startup_parameters(), **(startup_params or {})}
    async with _limit(config.connect_timeout if timeout is None else timeout):
        password = await _ask(config.password)
        try:
            return await _log_in(config, parameters, password)
        except UpstreamError as error:
            if not refused(error) or config.password is None:
                raise
            other = await _ask(config.password_again or config.password)
            if other == password:
                raise
            return await _log_in(config, parameters, other)


async def _ask(source: PasswordSource | None) -> str | None:
    return None if source is None else await asyncio.to_thread(source)


async def _log_in(config: UpstreamConfig, parameters: dict[str, str], password: str | None) -> Upstream:
    upstream = await _dial(config)
    try:
        login = Login(parameters, password, _channel(config, upstream))
        upstream.write(login.start())
        while login.welcome is None:
            data = await upstream.receive()
            upstream.write(await asyncio.to_thread(login.feed, data) if login.computes else login.feed(data))
    except BaseException:
        upstream.abort()
        raise
    upstream.put_back(login.leftover())
    welcome = login.welcome
    upstream.key, upstream.parameters = welcome.key, welcome.parameters
    upstream.server_version = welcome.server_version
    upstream._stage = Stage.SESSION
    return upstream


def _channel(config: UpstreamConfig, upstream: Upstream) -> Channel:
    certificate = upstream.tls.getpeercert(binary_form=True) if upstream.tls is not None else None
    private = upstream.tls is not None or stays_inside(upstream._address[1])
    return Channel(private, certificate_hash(certificate) if certificate else None, config.channel_binding)


async def _dial(config: UpstreamConfig) -> Upstream:
    """Connect to the first address of the host that answers."""
    failures: list[UpstreamError] = []
    for address in await _addresses(config):
        try:
            return await _open_channel(config, address)
        except UpstreamError as error:
            if error.stage is not Stage.CONNECT:
                raise
            failures.append(error)
    raise failures[0]


async def _addresses(config: UpstreamConfig) -> list[_Address]:
    if config.is_unix:
        return [(socket.AF_UNIX, f"{config.host}/.s.PGSQL.{config.port}")]
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UpstreamError(Stage.CONNECT, f"cannot resolve {config.host}: {_said(error)}", "08001") from None
    return [(family, where) for family, _, _, _, where in found]


async def _open_channel(config: UpstreamConfig, address: _Address, *, must_encrypt: bool = False) -> Upstream:
    """A connection that is ready for the startup packet: with TLS, if it is wanted and to be had."""
    loop = asyncio.get_running_loop()
    family, where = address
    # With its protocol named, asyncio too sends without waiting for more (TCP_NODELAY), as uvloop does anyhow.
    plug = socket.socket(family, socket.SOCK_STREAM, 0 if family == socket.AF_UNIX else socket.IPPROTO_TCP)
    upstream = Upstream(config, address)
    try:
        plug.setblocking(False)
        await loop.sock_connect(plug, where)
        if family == socket.AF_UNIX:
            await loop.create_unix_connection(lambda: upstream, sock=plug)
            return upstream
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        context = await _agree_on_tls(config, plug, must_encrypt=must_encrypt)
        name = config.host if context is not None else None
        await loop.create_connection(lambda: upstream, sock=plug, ssl=context, server_hostname=name)
    except BaseException as error:
        plug.close()
        if isinstance(error, ssl.SSLError):
            raise UpstreamError(Stage.TLS, _said(error), "08001") from None
        if isinstance(error, OSError):
            text = f"cannot reach {config.host} port {config.port}: {_said(error)}"
            raise UpstreamError(Stage.CONNECT, text, "08001") from None
        raise
    return upstream


async def _agree_on_tls(
    config: UpstreamConfig, plug: socket.socket, *, must_encrypt: bool
) -> ssl.SSLContext | None:
    """Ask the server for TLS, and return how to do it; None means without."""
    if config.sslmode is SslMode.DISABLE:
        return None
    loop = asyncio.get_running_loop()
    context = _tls_context(config)
    await loop.sock_sendall(plug, encode(f.SSLRequest()))
    # One byte and no more: whatever an attacker puts after it is then TLS's to refuse (CVE-2021-23222).
    answer = await loop.sock_recv(plug, 1)
    if answer == b"S":
        return context
    if answer != b"N":
        raise UpstreamError(Stage.TLS, "the server did not answer the request for TLS", "08001")
    if config.sslmode is not SslMode.PREFER or must_encrypt:
        raise UpstreamError(Stage.TLS, "the server does not offer TLS, which is required", "08001")
    return None


def _tls_context(config: UpstreamConfig) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["postgresql"])
    context.check_hostname = config.sslmode is SslMode.VERIFY_FULL
    context.verify_mode = ssl.CERT_REQUIRED if config.verifies else ssl.CERT_NONE
    try:
        if config.verifies and config.sslrootcert in (None, "system"):
            context.load_default_certs()
        elif config.verifies:
            context.load_verify_locations(config.sslrootcert)
        if config.sslcert is not None:
            context.load_cert_chain(config.sslcert, config.sslkey)
    except OSError as error:
        text = f"a certificate file cannot be used: {_said(error)}"
        raise UpstreamError(Stage.TLS, text, "08001") from None
    return context


@contextlib.asynccontextmanager
async def _limit(seconds: float) -> Any:
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline:
            yield
    except TimeoutError:
        if not deadline.expired():
            raise
        raise UpstreamError(Stage.CONNECT, f"no answer within {seconds:g} s", "08001") from None


def _said(error: Exception) -> str:
    """An error of the operating system or of TLS in a few words, without addresses of memory or lines of code."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'the connection was closed'}"
    if isinstance(error, socket.gaierror):
        return str(error.strerror)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return type(error).__name__


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
