"""One running Postgres target: implements `sdk.connector.Live`, and `session.server.Server` for its sessions."""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from interlock.connectors.postgres import preview
from interlock.connectors.postgres.classify import StatementInfo
from interlock.connectors.postgres.client.config import UpstreamConfig
from interlock.connectors.postgres.client.errors import UpstreamError
from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.config import Roles, TargetConfig, Timers
from interlock.connectors.postgres.preview.rows.layout import Layout
from interlock.connectors.postgres.queries import OBSERVER_SETTINGS, QueryFailed, Rows, Statement
from interlock.connectors.postgres.samples import samples
from interlock.connectors.postgres.session import overstay
from interlock.connectors.postgres.session.channel import Channel
from interlock.connectors.postgres.session.ending import record
from interlock.connectors.postgres.session.session import PgSession
from interlock.connectors.postgres.session.wishes import timeouts
from interlock.connectors.postgres.target import protection, settle
from interlock.connectors.postgres.target.catalogs import Catalogs
from interlock.connectors.postgres.target.examination import examine
from interlock.connectors.postgres.target.keeper import Keeper
from interlock.connectors.postgres.target.pool import Pool
from interlock.connectors.postgres.target.probe import probe
from interlock.connectors.postgres.target.rerun import apply_unit, revert_unit
from interlock.connectors.postgres.target.run import run
from interlock.connectors.postgres.upstream import Upstream, open_upstream
from interlock.model.change import Change
from interlock.model.decision import Target
from interlock.model.errors import Misconfigured, Unavailable
from interlock.model.sample import Sample
from interlock.sdk.connector import (
    Finding,
    Gate,
    Principal,
    Settled,
    TlsContext,
    TrashItem,
    Unit,
    Wire,
    Work,
)

FORCED = {
    "default_transaction_read_only": "on",
    "standard_conforming_strings": "on",
    "client_encoding": "UTF8",
    "synchronous_commit": "on",
}
"""In the startup packet of every agent's connection, so that RESET and DISCARD come back to them (DESIGN section 9)."""

OLDEST_MAJOR = 15


class PgLive:
    """See the module. Built without I/O; `start` connects."""

    def __init__(
        self,
        target: Target,
        config: TargetConfig,
        roles: Roles,
        tls: TlsContext | None,
        certificate_hash: bytes | None,
    ) -> None:
        self._target = target
        self.name = target.name
        self.forced = FORCED
        self.config = config
        self.roles = roles
        self.tls = tls
        self.certificate_hash = certificate_hash
        self.longest_message = config.limits.message_bytes
        self.lock_timeout_ms = config.limits.lock_timeout_ms
        self.statement_timeout_s = float(config.limits.statement_timeout_s)
        self.limits = preview.Limits(
            scan_rows=config.limits.scan_rows,
            scan_bytes=config.limits.scan_bytes,
            predicate_rows=config.limits.predicate_rows,
            image_bytes=config.limits.image_bytes,
            trash_bytes=config.limits.trash_bytes,
        )
        self.layouts: dict[tuple[int, str], Layout] = {}
        self.identity: preview.Identity
        self.gate: Gate
        self.mock_secret = b""
        self._pool = Pool(roles.observer or roles.upstream, OBSERVER_SETTINGS)
        self._catalogs = Catalogs(self._pool.ask)
        self.trash = Keeper(roles.maintainer)
        self._sessions: dict[tuple[int, bytes], PgSession] = {}
        self.given_timers: dict[str, Timers] = {}
        self._watch = overstay.Watch(self._pool.ask, self._look_failed)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def target(self) -> Target:
        return self.gate.target

    @property
    def about(self) -> Target:
        """The target as configured; known before anything is connected."""
        return self._target

    @property
    def has_observer(self) -> bool:
        return self.roles.observer is not None

    @property
    def catalog_epoch(self) -> object:
        return self._catalogs.epoch

    @property
    def proven(self) -> dict[str, bool]:
        return self._catalogs.proven

    # Life

    async def start(self, gate: Gate) -> None:
        """Read what the target is and its catalogs. Raises Misconfigured or Unavailable."""
        self.gate = gate
        await self.fingerprint()
        # The same for all replicas, and known to nobody who does not know the target's innards.
        self.mock_secret = hashlib.sha256(
            f"interlock mock verifier {self.identity.fingerprint}".encode()
        ).digest()
        try:
            await self._catalogs.load()
        except QueryFailed as error:
            raise Unavailable(
                f"target {self._target.name}: the catalogs cannot be read ({error.sqlstate})"
            ) from None
        self._spawn(self._catalogs.watch(self._watch_failed))
        self._spawn(self._watch.run())
        if self.roles.maintainer is not None:
            self._spawn(protection.sweep(self.roles, self._sweep_failed))

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._pool.close()
        await self.trash.close()

    async def fingerprint(self) -> str:
        """`system identifier/database`, read from the server."""
        try:
            rows = await self._pool.ask(preview.identity().statements)
        except QueryFailed as error:
            raise Unavailable(
                f"target {self._target.name} cannot be reached: {error.message} ({error.sqlstate})"
            ) from None
        self.identity = preview.read_identity(rows)
        name = self._target.name
        if self.identity.version // 10_000 < OLDEST_MAJOR:
            raise Misconfigured(
                f"target {name} is older than PostgreSQL {OLDEST_MAJOR}, which is the oldest supported"
            )
        if self.identity.unknown:
            raise Misconfigured(
                f"target {name} has system catalogs this version cannot measure: {self.identity.unknown}"
            )
        return self.identity.fingerprint

    def _watch_failed(self, error: Exception) -> None:
        self.gate.log("postgres.catalogs_unread", error=type(error).__name__)

    def _look_failed(self, error: Exception) -> None:
        self.gate.log("postgres.locks_unread", error=type(error).__name__)

    def _sweep_failed(self, error: Exception) -> None:
        self.gate.log("postgres.history_unswept", error=type(error).__name__)

    def _spawn(self, work: "asyncio._CoroutineLike[None]") -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # For the core

    def session(self, wire: Wire) -> PgSession:
        return PgSession(wire, self)

    async def settle(self, change: Change | dict[str, str], image: Sequence[bytes] = ()) -> Settled:
        """Ask the server what became of a transaction (`pg_xact_status`)."""
        marker = change.marker if isinstance(change, Change) else change
        steps = settle.settle(marker)
        return await run(steps, lambda ask: self._pool.ask(ask.statements))

    def describe(self, payload: bytes) -> Sequence[str]:
        return record.describe(payload)

    def disclosed(self, payload: bytes) -> bytes:
        """The recorded statements without the passwords in them."""
        return record.disclosed(payload)

    async def again(self, change: Change, payload: bytes, principal: Principal) -> tuple[Work, Unit]:
        """A unit that runs a recorded change on the server's side."""
        return await apply_unit(self, change, record.decode(payload), principal)

    async def undo(
        self, change: Change, parts: Sequence[bytes], *, force: bool, principal: Principal
    ) -> tuple[Work, Unit]:
        """A unit that reverts an applied change."""
        return await revert_unit(self, change, parts, force=force, principal=principal)

    async def doctor(self) -> Sequence[Finding]:
        return await examine(self)

    async def protect(self, tables: Sequence[str], *, on: bool) -> Sequence[str]:
        """Implements `sdk.connector.Protects`."""
        done = await protection.change(self.name, self.roles, self.config.schemas, tables, on=on)
        self.schema_changed()
        return done

    async def probe(self, statement: str, within: timedelta) -> str | None:
        """Implements `sdk.probes.Probes`."""
        return await probe(self.roles.observer or self.roles.upstream, statement, within)

    def reverting_role(self) -> UpstreamConfig:
        return self.roles.maintainer or self.roles.upstream

    # For the sessions

    def timers(self, agent: str) -> Timers:
        found = self.given_timers.get(agent)
        if found is None:
            found = self.given_timers[agent] = self.config.limits.timers(agent)
        return found

    def watch(self, channel: Channel) -> None:
        self._watch.add(channel)

    def known(self, agent: str) -> tuple[Principal, str] | None:
        found = self.gate.credential(agent)
        return None if found is None else (found[0], found[1].scram)

    def classify(
        self,
        sql: str,
        *,
        agent: str,
        temp: bool,
        search_path: str | None,
        prepared: Callable[[], Mapping[str, StatementInfo]],
    ) -> tuple[StatementInfo, ...]:
        return self._catalogs.classify(
            sql, user=self._role(agent).user, temp=temp, search_path=search_path, prepared=prepared
        )

    async def settled(self) -> None:
        await self._catalogs.settled()

    async def look(self) -> bool:
        return await self._catalogs.look()

    def impure(self, types: Sequence[int]) -> bool:
        return self._catalogs.impure(types)

    def hazards(self, tables: Collection[int]) -> Sequence[str]:
        """Implements `target.rerun.Reverts`."""
        return self._catalogs.hazards(tables)

    def schema_changed(self) -> None:
        self._catalogs.changed()

    def _role(self, agent: str) -> UpstreamConfig:
        return self.roles.agents.get(agent, self.roles.upstream)

    async def connect(self, agent: str, settings: dict[str, str]) -> Upstream:
        """A connection of the agent's role. The forced settings go over whatever it asks for."""
        limited = timeouts.at_start(settings, self.timers(agent))
        upstream = await open_upstream(self._role(agent), {**settings, **limited, **FORCED})
        seen = upstream.parameters
        if (
            seen.get("default_transaction_read_only") != "on"
            or seen.get("standard_conforming_strings") != "on"
        ):
            # A pooler in between has dropped the startup parameters.
            upstream.abort()
            raise Misconfigured(
                "something between the gateway and the server drops startup settings (a pooler?): connect it directly"
            )
        return upstream

    async def observe(self, statements: Sequence[Statement]) -> list[Rows]:
        return await self._pool.ask(statements)

    async def trash_items(self) -> Sequence[TrashItem]:
        """Implements `sdk.connector.KeepsTrash`."""
        return [
            TrashItem(
                copy.name, copy.label, copy.rows, copy.size, datetime.fromtimestamp(copy.at, UTC), copy.xid
            )
            for copy in await self.trash.copies()
        ]

    async def empty_trash(self, names: Sequence[str]) -> None:
        await self.trash.remove(names)

    def samples(self, parts: Sequence[bytes]) -> Sample:
        """Implements `sdk.connector.Samples`."""
        return samples(parts)

    async def trash_key(self) -> bytes | None:
        return await self.trash.key()

    def cancel(self, request: f.CancelRequest) -> "asyncio.Task[None]":
        session = self._sessions.get((request.pid, request.key))
        sent = session.cancel() if session is not None else None
        return sent or self._spawn(asyncio.sleep(0))

    def cancelling(self, upstream: Upstream) -> "asyncio.Task[None]":
        """Send a cancel request for what runs on a connection."""
        return self._spawn(_cancel(upstream))

    def joined(self, session: PgSession) -> None:
        self._sessions[session.key.pid, session.key.key] = session

    def left(self, session: PgSession) -> None:
        self._sessions.pop((session.key.pid, session.key.key), None)


async def _cancel(upstream: Upstream) -> None:
    # As with a real server: a request that comes too late, or not at all, is nobody's error.
    with contextlib.suppress(UpstreamError):
        await upstream.cancel()
