"""One agent's connection. Bytes come in by `received`; what is known to be a pure read goes straight through, everything else to
the worker.

    login ─→ ready ─┬─ a complete segment of reads, outside a transaction ─→ server (as it is) ─→ client
                    └─ anything else ─→ worker (gated) ─→ server ─→ client
"""

import asyncio
import secrets
from datetime import timedelta

from interlock.connectors.postgres.client.errors import UpstreamError
from interlock.connectors.postgres.codec import Framer, build, frontend_limits
from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.session.channel import Channel, Ended
from interlock.connectors.postgres.session.conversation.exchange import Lost
from interlock.connectors.postgres.session.conversation.outbox import Outbox
from interlock.connectors.postgres.session.farewell import KNOWN, farewell
from interlock.connectors.postgres.session.login import Login
from interlock.connectors.postgres.session.passing import Passing
from interlock.connectors.postgres.session.server import Server
from interlock.connectors.postgres.session.worker import Left, Worker
from interlock.connectors.postgres.upstream import Upstream
from interlock.sdk.connector import Principal, Wire

INBOX_BYTES = 1 << 20
"""How much of the client's is taken in while it cannot be worked on; then the client has to wait."""
OUTBOX_BYTES = 4 << 20
FAREWELL_S = 0.5
"""Seconds that a client has for taking the word that its session is over."""


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
        except Left:
            self._close()
        except Lost:
            self._without_server()
        except Ended as over:
            self._over(str(over))
        except KNOWN as error:
            if isinstance(error, UpstreamError):
                about = {"stage": error.stage.value, "sqlstate": error.sqlstate}
                self._server.gate.log("postgres.upstream_failed", **about)
            self._fatal(*farewell(error))
        except asyncio.CancelledError:
            raise
        except Exception as error:  # the session ends, the gateway goes on for others
            self._server.gate.log("postgres.session_failed", error=type(error).__name__)
            self._fatal(*farewell(error))
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
        asyncio.get_running_loop().call_later(FAREWELL_S, self._wire.abort)

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
