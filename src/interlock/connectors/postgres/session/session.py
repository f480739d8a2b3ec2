"""One agent's connection. Bytes come in by `received`; what is known to be a pure read goes straight through, everything else to
the worker.

    login ─→ ready ─┬─ a complete segment of reads, outside a transaction ─→ server (as it is) ─→ client
                    └─ anything else ─→ worker (gated) ─→ server ─→ client
"""

import asyncio
import secrets
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from interlock.connectors.postgres.codec import (
    Framer,
    build,
    frontend_limits,
)
from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.session import farewell
from interlock.connectors.postgres.session.arrival import opening
from interlock.connectors.postgres.session.arrival.login import Login, Wants
from interlock.connectors.postgres.session.channel import Channel, Ended
from interlock.connectors.postgres.session.conversation.exchange import Exchange, Lost
from interlock.connectors.postgres.session.conversation.outbox import Outbox
from interlock.connectors.postgres.session.passing import STATUS, Passing, virtual_status
from interlock.connectors.postgres.session.server import Server
from interlock.connectors.postgres.session.worker import Left, Worker
from interlock.connectors.postgres.upstream import Upstream
from interlock.sdk.connector import Principal, Wire
from interlock.wire import ProtocolViolation

INBOX_BYTES = 1 << 20
"""How much of the client's is taken in while it cannot be worked on; then the client has to wait."""
OUTBOX_BYTES = 4 << 20


class PgSession:
    """See the module. Implements `sdk.connector.Session`."""

    def __init__(self, wire: Wire, server: Server) -> None:
        self._wire = wire
        self._out = Outbox(wire.write)
        self._server = server
        self._login: Login | None = Login(
            wire.write,
            server.known,
            server.target.name,
            server.mock_secret,
            tls=server.tls is not None,
            certificate_hash=server.certificate_hash,
        )
        self._frames = Framer(frontend_limits(server.longest_message))
        self._channel: Channel | None = None
        self._worker: Worker | None = None
        self._upstream: Upstream | None = None
        self._task: asyncio.Task[None] | None = None
        self._early = b""
        self._inbox_size = 0
        self._paused = False
        self._passing: Passing
        # Whether nothing is under way; whether the client has sent nothing since a segment was passed at once.
        self._at_rest = self._alone = False
        self._principal: Principal | None = None
        self._closed = False
        self._why_over = ""
        self.key = b.BackendKeyData(secrets.randbelow(1 << 30) + 1, secrets.token_bytes(4))

    # From the client

    def received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._at_rest and self._passing.at_once(data):
            self._at_rest, self._alone = False, True
            return
        self._alone = False
        if self._closed:
            return
        try:
            if self._channel is None:
                self._received_early(data)
                return
            frames = self._frames.feed(data)
        except ProtocolViolation as error:
            self._fatal("08P01", str(error))
            return
        channel = self._channel
        for frame in frames:
            self._inbox_size += len(frame[1])
            channel.inbox.append(frame)
        self._pump()
        self._look()

    def _look(self) -> None:
        """Whether nothing is under way: then what the client sends next may be looked at as it comes."""
        channel = self._channel
        self._at_rest = (
            channel is not None
            and not channel.inbox
            and not len(self._frames)
            and not self._passing.active
            and self._task is None
            and not self._closed
            and channel.exchange.at_boundary
        )

    def _received_early(self, data: bytes) -> None:
        if self._task is not None:
            # TLS or the server's login is under way; nothing may come before its answer, but a Terminate is harmless.
            self._early += data
            if len(self._early) > INBOX_BYTES:
                raise ProtocolViolation("too much sent before the session was ready")
            return
        assert self._login is not None
        wants = self._login.feed(data)
        if wants is Wants.TLS:
            self._spawn(self._start_tls())
        elif wants is Wants.CANCEL:
            assert self._login.cancel is not None
            # The client goes on when this connection ends: what it sends then is not to be cancelled.
            self._server.cancel(self._login.cancel).add_done_callback(lambda _: self._close())
        elif wants is Wants.ENTER:
            self._spawn(self._enter())
        elif wants is Wants.END:
            if self._login.refused:
                self._server.gate.log(
                    "postgres.login_refused", peer=self._wire.peer, sqlstate=self._login.refused
                )
            self._close()

    def _pump(self) -> None:
        """Do what can be done with the messages that wait."""
        channel = self._channel
        assert channel is not None
        while channel.inbox:
            if self._task is not None:
                channel.arrived.set()
                break
            if self._passing.active:
                break
            kind = channel.inbox[0][0]
            if kind == 88:  # X
                self._close()
                return
            if not self._passing.try_pass():
                if not self._complete(channel):
                    break
                self._spawn(self._work())
                return
        if not self._paused and self._inbox_size > INBOX_BYTES:
            self._paused = True
            self._wire.pause()

    def _complete(self, channel: Channel) -> bool:
        """Whether the worker has something to begin with. An unfinished segment waits here: it may turn out to be a read."""
        return any(kind in b"QSHF" for kind, _ in channel.inbox) or self._inbox_size > INBOX_BYTES

    # From the server

    def _from_server(self, data: bytes) -> None:
        channel = self._channel
        if channel is None:
            return
        try:
            passing = self._passing
            if not passing.active:  # also when the client is gone: what is being committed needs its answers
                channel.exchange.received(data)
            elif self._closed:
                return
            elif not passing.answered(data):
                self._pass_back(channel, data)
            elif self._alone:
                self._at_rest = True
                return
            else:
                self._pump()
        except ProtocolViolation as error:
            channel.exchange.lost(error)
            self._fatal("08006", f"the server's connection cannot be understood: {error}")
        self._look()
        if not self._closed and self._wire.buffered() > OUTBOX_BYTES and self._upstream is not None:
            self._upstream.pause_reading()

    def _pass_back(self, channel: Channel, data: bytes) -> None:
        behind = self._passing.received(data)
        if behind is None:
            return
        if behind:
            channel.exchange.received(behind)
        if self._passing.again():
            self._again_gated(self._passing.frames)
        else:
            self._pump()

    def _again_gated(self, frames: list[tuple[int, bytes]]) -> None:
        channel, worker = self._channel, self._worker
        assert channel is not None
        assert worker is not None
        channel.gate.log("postgres.read_that_writes", session=channel.principal.session)
        channel.inbox.extendleft(reversed(frames))
        self._inbox_size += sum(len(raw) for _, raw in frames)
        worker.suspicious = True
        self._spawn(self._work())

    def _aside(self, kind: int, raw: bytes) -> None:
        """What the server says unasked: notices, notifications, parameter changes, and its farewell."""
        if kind == STATUS:
            assert self._channel is not None
            raw = self._channel.status(virtual_status(raw, 0, len(raw)), later=self._task is not None)
        self._out.write(raw)
        if kind == 69:
            self._close()

    def _server_lost(self, error: Exception | None) -> None:
        if self._channel is not None:
            self._channel.exchange.lost(error)
        if self._worker is None or not self._worker.committing:
            self._without_server()

    def _without_server(self) -> None:
        channel = self._channel
        if channel is not None and (channel.exchange.farewell or self._passing.farewell):
            self._close()  # the client has the server's own word
        else:
            self._fatal("08006", "the connection to the server was lost; an open transaction is rolled back")

    # The stages

    async def _start_tls(self) -> None:
        assert self._login is not None
        assert self._server.tls is not None
        if self._early:
            raise ProtocolViolation("bytes follow a request for encryption (CVE-2021-23214)")
        await self._wire.start_tls(self._server.tls)
        self._login.secure = True
        self._task = None
        early, self._early = self._early, b""
        if early:  # by now they came through TLS
            self.received(early)

    async def _enter(self) -> None:
        """The agent is known: record the session, connect to the server, and say so."""
        login, self._login = self._login, None
        assert login is not None
        assert login.principal is not None
        self._principal = await self._server.gate.enter(login.principal, self._ended)
        wishes = opening.wishes(login.options)
        upstream = await self._server.connect(self._principal.agent, wishes)
        self._upstream = upstream
        if self._closed:
            upstream.abort()
            return
        channel = Channel(self._server, self._server.gate, self._principal, upstream, self._out.write)
        worker = Worker(channel)
        channel.exchange = Exchange(upstream.write, worker.sink, self._aside)
        channel.exchange.on_copy_end = channel.arrived.set
        channel.taken = self._took
        await opening.settle_settings(channel, wishes)
        if not opening.keep_virtual(worker, login.options):
            self._close()
            return
        if upstream.key is not None:
            # Notifications and pg_stat_activity name the server's process, and clients compare. Who may cancel, the secret says.
            self.key = b.BackendKeyData(upstream.key.pid, self.key.key)
        upstream.set_receiver(self._from_server, self._server_lost, self._server_writable)
        self._server.joined(self)
        self._wire.write(opening.greeting(channel, self.key))
        self._passing = Passing(channel, self._out.write_now)
        self._worker, self._channel, self._task = worker, channel, None
        early, self._early = self._early, b""
        self._look()
        if early:
            self.received(early)

    async def _work(self) -> None:
        assert self._worker is not None
        self._passing.known.forget()
        await self._worker.run()
        self._task = None
        if self._why_over:
            self._ended(self._why_over)
            return
        self._pump()
        self._look()

    def _spawn(self, stage: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.get_running_loop().create_task(self._guarded(stage))

    async def _guarded(self, stage: Coroutine[Any, Any, None]) -> None:
        """Run a stage; whatever goes wrong ends this session with a clear word, and only this one."""
        try:
            await stage
        except Left:
            self._close()
        except Lost:
            self._without_server()
        except Ended as over:
            self._over(str(over))
        except farewell.KNOWN as error:
            self._fatal(*farewell.of(error, self._server.gate))
        except asyncio.CancelledError:
            raise
        except Exception as error:  # the session ends, the gateway goes on for others
            self._server.gate.log("postgres.session_failed", error=type(error).__name__)
            self._fatal("XX000", "an internal error ended this session; an open transaction is rolled back")
            raise

    # Bookkeeping

    def _took(self, size: int) -> None:
        self._inbox_size -= size
        if self._paused and self._inbox_size < INBOX_BYTES // 2:
            self._paused = False
            self._wire.resume()

    def _server_writable(self, yes: bool) -> None:
        """The server's write buffer crossed its limits."""
        if yes and not self._paused:
            self._wire.resume()
        elif not yes:
            self._wire.pause()

    def writable(self, yes: bool) -> None:
        """The client's write buffer crossed its limits."""
        if self._upstream is None:
            return
        if yes:
            self._upstream.resume_reading()
        else:
            self._upstream.pause_reading()

    def cancel(self) -> "asyncio.Task[None] | None":
        """The client asks to cancel what runs. What is being committed is past that."""
        free = self._worker is not None and not self._worker.committing
        return self._channel.cancel() if self._channel is not None and free else None

    def _ended(self, why: str) -> None:
        """The core ends the session (agent disabled, token rotated, everything halted)."""
        if self._worker is not None and self._worker.committing:
            self._why_over = why  # once it is carried through
            if self._channel is not None:
                self._channel.ended = why  # and nothing more of what the client has sent
            return
        self._over(why)

    def _over(self, why: str) -> None:
        if self._closed:
            return
        if self._task is not None or (self._channel is not None and self._passing.active):
            self.cancel()  # the server would go on with a statement whose client is gone
        self._fatal("57P01", f"terminating connection: {why}")
        asyncio.get_running_loop().call_later(farewell.SECONDS, self._wire.abort)

    def _fatal(self, sqlstate: str, text: str) -> None:
        if not self._closed:
            self._out.write(build.error_response("FATAL", sqlstate, text))
            self._close()

    def _close(self) -> None:
        if not self._closed:
            self._out.flush()
            self._wire.close()
            self._end()

    def lost(self, error: Exception | None) -> None:
        """The client is gone."""
        self._end()

    def _end(self) -> None:
        if self._closed:
            return
        self._closed, self._at_rest = True, False
        self.writable(True)  # a client that did not read may have had the server wait
        asyncio.get_running_loop().create_task(self._leave())

    async def _leave(self) -> None:
        """Let what is committing finish; the server rolls everything else back when its connection ends."""
        task = self._task
        if task is not None and task is not asyncio.current_task():
            while self._worker is not None and self._worker.committing and not task.done():
                await asyncio.wait([task], timeout=0.1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if self._upstream is not None:
            self._upstream.abort()
        self._server.left(self)
        if self._principal is not None:
            principal, self._principal = self._principal, None
            await self._server.gate.leave(principal)

    async def stop(self, grace: timedelta) -> None:
        """Shut down: what is committing finishes within `grace`, everything else is rolled back."""
        try:
            async with asyncio.timeout(grace.total_seconds()):
                while self._worker is not None and self._worker.committing and self._task is not None:
                    await asyncio.wait([self._task], timeout=0.1)
        except TimeoutError:
            self._server.gate.log("postgres.shutdown_while_committing")
        self._fatal("57P01", "terminating connection due to administrator command")
