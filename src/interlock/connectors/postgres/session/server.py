"""What a session needs of its target; `live` implements it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from interlock.connectors.postgres.classify import StatementInfo
from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.config import Timers
from interlock.connectors.postgres.preview import Identity, Limits
from interlock.connectors.postgres.preview.rows.layout import Layout
from interlock.connectors.postgres.upstream import Upstream
from interlock.model.decision import Target
from interlock.sdk.connector import Gate, Principal, Settled, TlsContext

if TYPE_CHECKING:
    from interlock.connectors.postgres.session.channel import Channel
    from interlock.connectors.postgres.session.session import PgSession

Rows = list[tuple[str | None, ...]]


class Server(Protocol):
    """One Postgres target as its sessions see it."""

    gate: Gate
    tls: TlsContext | None
    certificate_hash: bytes | None
    mock_secret: bytes
    longest_message: int
    lock_timeout_ms: int
    statement_timeout_s: float
    identity: Identity
    limits: Limits
    layouts: dict[tuple[int, str], Layout]

    @property
    def catalog_epoch(self) -> object:
        """As long as this is the same object, `classify` answers the same question alike."""

    @property
    def proven(self) -> dict[str, bool]:
        """Whether way 1's query works, by the shape of the statement. Forgotten when the catalogs change."""

    @property
    def has_observer(self) -> bool: ...
    @property
    def target(self) -> Target: ...

    def timers(self, agent: str) -> Timers:
        """How long an agent's locks, statements and transactions may take."""

    def watch(self, channel: "Channel") -> None:
        """End the session's transaction when it is in others' way for too long."""

    def known(self, agent: str) -> tuple[Principal, str] | None:
        """An agent's principal and SCRAM verifier, when it may use this target."""

    def classify(
        self,
        sql: str,
        *,
        agent: str,
        temp: bool,
        search_path: str | None,
        prepared: Callable[[], Mapping[str, StatementInfo]],
    ) -> tuple[StatementInfo, ...]:
        """Classify by the catalogs as they are known now. Raises Rejected (SqlSyntax, SqlTooLarge, SqlTooComplex)."""

    async def settled(self) -> None:
        """Wait until the catalogs are known: what runs while they are not could not be looked through. Raises Unavailable."""

    async def look(self) -> bool:
        """Whether the catalogs have changed behind our back; they are known again then. Raises Unavailable."""

    def impure(self, types: Sequence[int]) -> bool:
        """Whether parameters of these types may run somebody's code."""

    def schema_changed(self) -> None:
        """Something changed the catalogs: nothing passes as a read before they are read again."""

    async def connect(self, agent: str, settings: dict[str, str]) -> Upstream:
        """A connection of the role that this agent runs as, with the forced settings. Raises UpstreamError."""

    async def observe(self, statements: Sequence[tuple[str, tuple[str | None, ...]]]) -> list[Rows]:
        """Ask the observer. Raises QueryFailed."""

    async def trash_key(self) -> bytes | None:
        """The key of the trash; None when there is no trash, or nobody who may read the key."""

    async def settle(self, marker: dict[str, str]) -> Settled:
        """Ask, on another connection, what became of a transaction."""

    def cancel(self, request: f.CancelRequest) -> asyncio.Task[None]:
        """Cancel what the session with that key does, if there is one. Done when the server has taken it."""

    def cancelling(self, upstream: Upstream) -> asyncio.Task[None]:
        """Send a cancel request for what runs on a connection. Done when the server has taken it."""

    def joined(self, session: "PgSession") -> None: ...
    def left(self, session: "PgSession") -> None: ...
