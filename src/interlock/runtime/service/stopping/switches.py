"""Breakers and freezes. Opening and freezing work at once; only a person moves a breaker back, one step at a time."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import msgspec

from interlock.control import breaker, budget
from interlock.control.breaker import E
from interlock.model.base import Value
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.budget import Use
from interlock.model.errors import NotFound, Rejected
from interlock.model.proposal import ResetBreaker, Thaw
from interlock.model.signal import Trip, TripFilter
from interlock.runtime.background import announce
from interlock.runtime.core import Core
from interlock.runtime.governing import acts
from interlock.runtime.rules.governance import Governance
from interlock.runtime.service.people.names import sentence
from interlock.runtime.service.stopping.halts import Halts
from interlock.sdk.ports import ReadTx, Tx

TRIPS = 20
"""Trips of one scope that are looked at."""
MOST_USES = 200
"""Counters that are looked at: those that lost most."""


SOMEBODY = "person/"
"""Any person, for what does not depend on which one asks."""


class Spent(Value, frozen=True):
    """What was spent in the window of the limits, the fullest first. `window` is None when there are no budgets."""

    uses: tuple[Use, ...] = ()
    window: timedelta | None = None


class Board(Value, frozen=True):
    """All switches at one moment, with what was spent, and what opened by itself lately, newest first. `limited` says that there
    are more counters than were looked at."""

    rows: tuple[Breaker, ...]
    spent: Spent
    trips: tuple[Trip, ...]
    limited: bool = False


class About(Value, frozen=True):
    """One switch. `row` is None when it is there no more (its session has ended); `owners` are people who answer for the agents
    whose work it is about, and may not put it back. `admins` tells that one person does not suffice for that."""

    scope: str
    row: Breaker | None
    trips: tuple[Trip, ...]
    spent: Spent
    owners: tuple[str, ...] = ()
    admins: bool = False


SHORTEST_REMINDER, LONGEST_REMINDER = 60, 30 * 86_400
"""Seconds between two reminders of a freeze."""


class Switches:
    """The service. `halts` is the kill switch."""

    def __init__(self, core: Core, mode: Governance) -> None:
        self._core, self._mode = core, mode
        self.halts = Halts(core, mode)

    async def list(self) -> Sequence[Breaker]:
        return await self._core.store.read(lambda tx: tx.breakers())

    async def board(self) -> Board:
        """One view of the store."""

        def read(tx: ReadTx) -> Board:
            rows = tuple(tx.breakers())
            spent = self._spent(tx, (), rows)
            return Board(rows, spent, tuple(tx.trips(TripFilter(limit=TRIPS))), len(spent.uses) >= MOST_USES)

        return await self._core.store.read(read)

    async def about(self, scope: str) -> About:
        """One switch, with its trips and what its agent or session spent. Raises NotFound."""

        def read(tx: ReadTx) -> About:
            row = tx.breaker(scope)
            trips = tuple(tx.trips(TripFilter(scope=scope, limit=TRIPS)))
            if row is None and not trips:
                raise NotFound(f"there is no breaker {scope} (see `interlock breaker list`)")
            kind, _, name = scope.partition("/")
            agent = tx.agent(name) if kind == "agent" else None
            counted = (scope, *([f"owner/{agent.owner}"] if agent is not None else []))
            rows = (row,) if row is not None else ()
            spent = self._spent(tx, counted, rows) if kind in ("agent", "session") else Spent()
            owners = acts.owners_of(tx, row) if row is not None else ()
            admins = self._mode.needs_admins(tx, ResetBreaker(scope), SOMEBODY)
            return About(scope, row, trips, spent, owners, admins)

        return await self._core.store.read(read)

    def _spent(self, tx: ReadTx, scopes: Sequence[str], rows: Sequence[Breaker]) -> Spent:
        budgets = self._core.terms.budgets
        if budgets is None:
            return Spent()
        found = tx.spending(budget.window_begin(tx.now(), budgets.window), scopes, MOST_USES)
        slow = [row.scope for row in rows if row.state is BreakerState.PROBATION]
        return Spent(budget.uses(found, budgets, slow), budgets.window)

    async def trips(self, which: TripFilter) -> Sequence[Trip]:
        """What opened by itself, newest first; at most 1,000."""
        return await self._core.store.read(lambda tx: tx.trips(which))

    async def freeze(self, environment: str, reason: str, *, by: str, remind_s: int = 0) -> Breaker:
        """Stop all changes in an environment; reads go on. People are reminded of it each `remind_s` seconds until it is thawed, 0
        for not at all."""
        why = sentence(reason, "a freeze")
        if remind_s and not SHORTEST_REMINDER <= remind_s <= LONGEST_REMINDER:
            raise Rejected("reminders of a freeze come each minute at most, each 30 days at least")

        def work(tx: Tx) -> Breaker:
            row = acts.environment(tx, environment)
            frozen = breaker.freeze(row, True, by, why, tx.now())
            return acts.put_switch(tx, msgspec.structs.replace(frozen, remind_s=remind_s), "freeze", by)

        return await self._changed(work, by, self._core.notifiers.freeze)

    async def thaw(self, environment: str, reason: str = "", *, by: str) -> Breaker:
        """Lift the freeze. What tripped meanwhile stays open."""
        return await self._want(Thaw(environment, reason.strip()[:500]), by)

    async def open(self, scope: str, reason: str, *, by: str) -> Breaker:
        """Refuse all further changes in a scope."""
        why = sentence(reason, "opening a breaker")

        def work(tx: Tx) -> Breaker:
            row = tx.breaker(scope) or (Breaker(scope) if _may_be_made(tx, scope) else acts.switch(tx, scope))
            moved = breaker.move(row, E.OPEN, by, why, tx.now())
            return acts.put_switch(tx, moved, "breaker", by)

        return await self._changed(work, by)

    async def reset(self, scope: str, reason: str, *, by: str) -> Breaker:
        """One step back: from open to probation, from probation to closed. Never by the owner of the agent whose breaker it is, nor
        without a reason: somebody has looked at what led there."""
        return await self._want(ResetBreaker(scope, sentence(reason, "a reset")), by)

    async def _want(self, wanted: Thaw | ResetBreaker, by: str) -> Breaker:
        """Do what loosens, or have it held for admins (`Proposed`)."""
        moved = await self._mode.want(self._core, wanted, by)
        assert isinstance(moved, Breaker)
        announce.breaker(moved, by)
        tell = self._core.notifiers.freeze if isinstance(wanted, Thaw) else self._core.notifiers.breaker
        tell(moved, by)
        return moved

    async def _changed(
        self, work: Callable[[Tx], Breaker], by: str, tell: Callable[[Breaker, str], None] | None = None
    ) -> Breaker:
        moved = await self._core.store.transact(work)
        await self._core.directory.refresh()
        announce.breaker(moved, by)
        (tell or self._core.notifiers.breaker)(moved, by)
        return moved


def _may_be_made(tx: ReadTx, scope: str) -> bool:
    """Whether it is one that is made on demand, of an agent and an environment that there are."""
    environment = breaker.environment(breaker.environment_of(scope))
    known = tx.breaker(environment) is not None and tx.agent(breaker.agent_of(scope)) is not None
    return breaker.made_on_demand(scope) and known
