"""Breakers and freezes. Opening and freezing work at once; only a person moves a breaker back, one step at a time."""

from collections.abc import Callable, Sequence

import msgspec

from interlock.control import breaker
from interlock.control.breaker import E
from interlock.model.breaker import Breaker
from interlock.model.errors import Rejected
from interlock.model.proposal import ResetBreaker, Thaw
from interlock.runtime import announce
from interlock.runtime.core import Core
from interlock.runtime.governance import Governance
from interlock.runtime.governing import acts
from interlock.runtime.service.halts import Halts
from interlock.runtime.service.names import sentence
from interlock.sdk.ports import Tx

SHORTEST_REMINDER, LONGEST_REMINDER = 60, 30 * 86_400
"""Seconds between two reminders of a freeze."""


class Switches:
    """The service. `halts` is the kill switch."""

    def __init__(self, core: Core, mode: Governance) -> None:
        self._core, self._mode = core, mode
        self.halts = Halts(core, mode)

    async def list(self) -> Sequence[Breaker]:
        return await self._core.store.read(lambda tx: tx.breakers())

    async def freeze(self, environment: str, reason: str, *, by: str, remind_s: int = 0) -> Breaker:
        """Stop all changes in an environment; reads go on. People are reminded of it each `remind_s` seconds until it is thawed, 0
        for not at all."""
        why = sentence(reason, "a freeze")
        if remind_s and not SHORTEST_REMINDER <= remind_s <= LONGEST_REMINDER:
            raise Rejected("reminders of a freeze come each minute at most, each 30 days at least")

        def work(tx: Tx) -> Breaker:
            row = acts.switch(tx, breaker.environment(environment))
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
            moved = breaker.move(acts.switch(tx, scope), E.OPEN, by, why, tx.now())
            return acts.put_switch(tx, moved, "breaker", by)

        return await self._changed(work, by)

    async def reset(self, scope: str, reason: str = "", *, by: str) -> Breaker:
        """One step back: from open to probation, from probation to closed. Never by the owner of the agent whose breaker it is."""
        return await self._want(ResetBreaker(scope, reason.strip()[:500]), by)

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
