"""What the parts of a session share: both connections, who speaks, and what the session has prepared and set."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from interlock.connectors.postgres import settings as reviewed
from interlock.connectors.postgres.classify import StatementInfo
from interlock.connectors.postgres.config import Timers
from interlock.connectors.postgres.session.asked.items import Names
from interlock.connectors.postgres.session.conversation.exchange import Exchange
from interlock.connectors.postgres.session.ending.record import meaning
from interlock.connectors.postgres.session.server import Server
from interlock.connectors.postgres.upstream import Upstream
from interlock.model.change import Change, ChangeState
from interlock.model.decision import Forbid, Target
from interlock.sdk.connector import Gate, Principal

if TYPE_CHECKING:
    from interlock.connectors.postgres.session.worker import Worker


class IdleTooLong(Exception):
    """The client left its transaction idle for too long."""


class Overstayed(Exception):
    """The transaction was in others' way for too long; the text says of what."""


class Ended(Exception):
    """The core has ended the session; the text says why."""


class Waited(NamedTuple):
    """A change for which a client has waited, as it is now; `at_once` when it had moved before anybody waited."""

    change: Change
    at_once: bool


class Channel:
    """The shared state of one session."""

    def __init__(
        self,
        server: Server,
        gate: Gate,
        principal: Principal,
        upstream: Upstream,
        write: Callable[[bytes], None],
    ) -> None:
        self.server = server
        self.gate = gate
        self.principal = principal
        self.upstream = upstream
        self.write = write
        self.names = Names()
        self.settings: dict[str, str] = {}
        # What the client was told of a setting last, and what it is to be told, as ParameterStatus by name.
        self._told: dict[bytes, bytes] = {}
        self._untold: dict[bytes, bytes] = {}
        self.startup_settings: dict[str, str] = {}
        self.reason = ""
        self.wait_s = 0.0
        self.gives_up: asyncio.Event | None = None
        self.has_temp = False
        self.in_transaction = False
        self.inbox: deque[tuple[int, bytes]] = deque()
        self.arrived = asyncio.Event()
        self.taken: Callable[[int], None] = lambda size: None
        self.exchange: Exchange
        self.worker: Worker | None = None
        self.over: Overstayed | None = None
        self.ended = ""
        server.watch(self)

    @property
    def timers(self) -> Timers:
        """The gateway's own, for this agent."""
        return self.server.timers(self.principal.agent)

    @property
    def target(self) -> Target:
        return self.gate.target

    def classify(self, sql: str) -> tuple[StatementInfo, ...]:
        """Raises Rejected (SqlSyntax, SqlTooLarge, SqlTooComplex)."""
        return self.server.classify(
            sql,
            agent=self.principal.agent,
            temp=self.has_temp,
            search_path=self.settings.get("search_path"),
            prepared=self.names.infos,
        )

    def basis(self) -> object:
        """What `classify` rests on: as long as it is equal, the same text is the same statement."""
        return (self.server.catalog_epoch, self.has_temp, self.settings.get("search_path"))

    def may(self, infos: Sequence[StatementInfo]) -> bool:
        """Whether the agent may do this, as far as is known before any effect."""
        return all(not isinstance(self.gate.check(self.principal, info.operations), Forbid) for info in infos)

    def meaning(self, settings: Mapping[str, str] | None = None) -> dict[str, str]:
        """The settings that change what statements mean: of `settings`, or as they are now."""
        return meaning(self.settings if settings is None else settings, reviewed.MEANING)

    async def wait_for_people(self, change: Change) -> Waited:
        """Wait until people have decided about a held change, as long as the client wishes; a cancel request ends it. Nothing may
        be open on the target (P10)."""
        self.gives_up = asyncio.Event()
        decided = asyncio.ensure_future(self._decided(change))
        given_up = asyncio.ensure_future(self.gives_up.wait())
        try:
            await asyncio.wait((decided, given_up), return_when=asyncio.FIRST_COMPLETED)
            return decided.result() if decided.done() else Waited(change, False)
        finally:
            self.gives_up = None
            decided.cancel()
            given_up.cancel()

    async def _decided(self, change: Change) -> Waited:
        now = await self.gate.wait(change.id, timedelta(0))
        if now.state is not ChangeState.HELD:
            return Waited(now, True)
        return Waited(await self.gate.wait(change.id, timedelta(seconds=self.wait_s)), False)

    def cancel(self) -> asyncio.Task[None] | None:
        """End a wait for people, or else what runs on the server."""
        if self.gives_up is not None:
            self.gives_up.set()
            return None
        return self.server.cancelling(self.upstream)

    def status(self, raw: bytes, *, later: bool = False) -> bytes:
        """A ParameterStatus: what the client is sent now. Servers say it before a ReadyForQuery; `later` keeps it until ours, by
        when what the gateway has set for a moment is as it was."""
        (self._untold if later else self._told)[raw[5 : raw.index(0, 5)]] = raw
        return b"" if later else raw

    def changed(self) -> list[bytes]:
        """What was kept, and is not as the client knows it."""
        found = [raw for name, raw in self._untold.items() if self._told.get(name) != raw]
        self._told.update(self._untold)
        self._untold.clear()
        return found

    def waiting(self) -> bool:
        return bool(self.inbox)

    async def next_frame(
        self, *, in_transaction: bool, while_copying: Exchange | None = None
    ) -> tuple[int, bytes] | None:
        """The client's next message; None when none waits and nothing is open, or when the server ended a COPY meanwhile."""
        if self.ended:
            raise Ended(self.ended)
        if not in_transaction:
            self.over = None
        while not self.inbox:
            if self.over is not None:
                raise self.over
            if while_copying is not None and not while_copying.copying_in:
                return None
            self.arrived.clear()
            try:
                async with asyncio.timeout(self.timers.idle_timeout_s if in_transaction else None):
                    await self.arrived.wait()
            except TimeoutError:
                raise IdleTooLong from None
        if self.over is not None:
            raise self.over
        frame = self.inbox.popleft()
        self.taken(len(frame[1]))
        return frame
