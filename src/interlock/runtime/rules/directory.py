"""Who there is and what they may, in memory: a copy of the store's principals, grants, breakers and the glass that is broken.

It is compared with the store's revision twice a second, and at once when this process changed something. It answers what must be
answered without waiting (credentials, decisions before the effects); whatever takes effect is checked again in the
transaction of its intent. While the store can't confirm it, it answers nothing (P2).
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import structlog

from interlock.model.base import Value
from interlock.model.break_glass import BreakGlass
from interlock.model.breaker import Breaker
from interlock.model.errors import InterlockError, Unavailable
from interlock.model.people import Agent, AgentCredential, Grant, Person
from interlock.sdk.ports import ReadTx, Store

EVERY = 0.5
"""Seconds between two comparisons with the store."""

STALE = 5.0
"""Seconds without a confirmation after which nothing is answered. Well above `EVERY`: a busy machine is no lost store."""

_log = structlog.get_logger(__name__)


class Snapshot(Value, frozen=True):
    """All of it at one revision."""

    revision: int = -1
    agents: Mapping[str, Agent] = {}  # msgspec copies mutable defaults
    credentials: Mapping[str, AgentCredential] = {}
    people: Mapping[str, Person] = {}
    grants: tuple[Grant, ...] = ()
    breakers: Mapping[str, Breaker] = {}
    glasses: tuple[BreakGlass, ...] = ()
    in_force: Mapping[str, str] = {}
    grants_of: Mapping[tuple[str, str], Sequence[Grant]] = {}
    """The grants that are not revoked, by agent and target: each decision asks for them."""

    def __post_init__(self) -> None:
        found: defaultdict[tuple[str, str], list[Grant]] = defaultdict(list)
        for grant in self.grants:
            if grant.revoked_at is None:
                found[grant.agent, grant.target].append(grant)
        msgspec.structs.force_setattr(self, "grants_of", dict(found))

    def live_grants(self, agent: str, target: str, now: datetime) -> tuple[Grant, ...]:
        """The agent's grants on the target that are neither revoked nor over."""
        return tuple(g for g in self.grants_of.get((agent, target), ()) if now < g.expires_at)


def load(tx: ReadTx) -> Snapshot:
    """Read everything."""
    agents = {a.name: a for a in tx.agents()}
    return Snapshot(
        revision=tx.revision(),
        agents=agents,
        credentials={c.agent: c for c in tx.credentials() if c.agent in agents},
        people={p.name: p for p in tx.people()},
        grants=tuple(tx.grants()),
        breakers={b.scope: b for b in tx.breakers()},
        glasses=tuple(tx.break_glasses_in_force()),
        in_force=tx.in_force(),
    )


class Directory:
    """The copy, and who is told when it changes. `on_change` callbacks get the new snapshot, on the event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._told: tuple[datetime, float] | None = None
        """What the store's clock said last, and when that was (`time.monotonic`)."""
        self._confirmed = float("-inf")
        self._lock = asyncio.Lock()
        self.snapshot = Snapshot()
        self.on_change: list[Callable[[Snapshot], None]] = []
        self.on_tick: list[Callable[[], None]] = []

    def now(self) -> datetime:
        """The store's clock: what it said last and the time that has passed since, however our own clock is set meanwhile."""
        if self._told is None:
            return datetime.now(UTC)
        said, when = self._told
        return said + timedelta(seconds=time.monotonic() - when)

    @property
    def skew(self) -> timedelta:
        """How far the store's clock is ahead of this machine's."""
        return self.now() - datetime.now(UTC)

    @property
    def fresh(self) -> bool:
        """Whether the store has confirmed the copy lately."""
        return time.monotonic() < self.fresh_until

    @property
    def fresh_until(self) -> float:
        """Until when (`time.monotonic`) the last confirmation counts."""
        return self._confirmed + STALE

    def broken(self, target: str) -> bool:
        """Whether the glass is broken for a whole target, as far as this copy knows."""
        now = self.now()
        return any(g.target == target and not g.change and now < g.until for g in self.snapshot.glasses)

    def confirmed(self) -> Snapshot:
        """The snapshot; Unavailable when the store has not confirmed it lately."""
        if not self.fresh:
            raise Unavailable("the store does not answer")
        return self.snapshot

    async def refresh(self) -> Snapshot:
        """Compare with the store now. Raises Unavailable when it does not answer."""
        async with self._lock:
            asked = time.monotonic()
            known = self.snapshot.revision

            def compare(tx: ReadTx) -> tuple[datetime, Snapshot | None]:
                return tx.now(), load(tx) if tx.revision() != known else None

            now, found = await self._store.read(compare)
            self._told = (now, time.monotonic())
            self._confirmed = asked
            if found is not None:
                self.snapshot = found
                for tell in self.on_change:
                    tell(found)
        return self.snapshot

    async def tick(self) -> None:
        """Compare, and let time pass for whoever looks at it. A store that does not answer is logged."""
        try:
            await self.refresh()
        except InterlockError as error:
            _log.error("directory.refresh_failed", error=type(error).__name__, why=str(error))
        for tick in self.on_tick:
            tick()
