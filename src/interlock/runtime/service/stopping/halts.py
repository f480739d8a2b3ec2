"""The kill switch: halting everything works at once, going on is people's. And the drill that proves it."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from interlock.control import breaker
from interlock.model.base import Json, Value
from interlock.model.breaker import Breaker
from interlock.model.errors import Rejected
from interlock.model.proposal import Resume
from interlock.runtime.background import announce
from interlock.runtime.core import Core
from interlock.runtime.governing import acts
from interlock.runtime.halting import replicas
from interlock.runtime.halting.replicas import Replica
from interlock.runtime.rules.governance import Governance
from interlock.runtime.service.people.names import sentence
from interlock.sdk.ports import ReadTx, Tx

PATIENCE_S = 5.0
"""Seconds that a drill waits for replicas."""
SOON_MS = 1000
"""Milliseconds within which all must have ended on a replica."""
_UNDER_WAY = timedelta(seconds=30)
_EVERY_S = 0.05
DRILLED = "halt.drilled"
"""Key of the store's meta: when the last drill succeeded, in seconds since 1970."""


class ReplicaDrilled(Value, frozen=True, omit_defaults=False):
    """What a drill found out about a replica: after how many milliseconds all had ended there (None when it did not answer),
    whether it refused new work, and whether that is well."""

    replica: str
    ms: int | None
    refused: bool
    ok: bool


class Drilled(Value, frozen=True, omit_defaults=False):
    """A drill. `ok` when each replica ended everything within a second."""

    ok: bool
    at: datetime
    replicas: tuple[ReplicaDrilled, ...]


class HaltState(Value, frozen=True, omit_defaults=False):
    """Whether everything is halted, in the store (`row`) and by a file on this replica; when a drill succeeded last."""

    halted: bool
    by_file: bool
    row: Breaker
    drilled_at: datetime | None = None


class Halts:
    """The service."""

    def __init__(self, core: Core, mode: Governance) -> None:
        self._core, self._mode = core, mode

    async def state(self) -> HaltState:
        """How it stands now. Raises Unavailable."""

        def read(tx: ReadTx) -> tuple[Breaker, datetime | None]:
            return acts.switch(tx, breaker.GLOBAL), drilled_at(tx)

        row, at = await self._core.store.read(read, urgent=True)
        self._core.halt.seen(row)
        return HaltState(row.frozen or self._core.halted, self._core.halt.by_file, row, at)

    async def halt(self, reason: str, *, by: str) -> Breaker:
        """Stop everything now, on every replica: nothing is admitted once this has returned. Raises Rejected, Unavailable."""
        why = sentence(reason, "a halt")

        def work(tx: Tx) -> Breaker:
            row = acts.switch(tx, breaker.GLOBAL)
            return acts.put_switch(tx, breaker.freeze(row, True, by, why, tx.now()), "halt", by)

        moved = await self._core.store.transact(work)
        self._core.halt.seen(moved)
        announce.breaker(moved, by)
        self._core.notifiers.halt(moved, by)
        await self._core.directory.refresh()
        return moved

    async def resume(self, reason: str = "", *, by: str) -> Breaker:
        """Go on. In governed mode admins must agree (Proposed). Raises Rejected when nothing is halted."""
        moved = await self._mode.want(self._core, Resume(reason.strip()[:500]), by)
        assert isinstance(moved, Breaker)
        self._core.halt.seen(moved)
        announce.breaker(moved, by)
        self._core.notifiers.halt(moved, by)
        return moved

    # -- the drill

    async def drill(self, *, by: str) -> Drilled:
        """Halt the scope of drills, which is nobody's, and see that each living replica ends there what stands in for agents. What
        comes of it is recorded. Raises Rejected, Unavailable."""
        row, expected = await self._core.store.transact(lambda tx: _begun(tx, by))
        try:
            found = await self._answers(row.epoch, expected)
        finally:
            await self._core.store.transact(lambda tx: _ended(tx, by))
        drilled = await self._core.store.transact(lambda tx: _recorded(tx, by, row, found))
        if not drilled.ok:
            self._core.notifiers.drill_failed(row, tuple(r.replica for r in drilled.replicas if not r.ok))
        return drilled

    async def _answers(self, epoch: int, expected: tuple[str, ...]) -> Mapping[str, Replica | None]:
        """What those who are expected report, as soon as all have, or when it has been long enough."""
        end = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            known = await self._core.store.read(replicas.known)
            found = {name: _of(known.get(name), epoch) for name in expected}
            if None not in found.values() or asyncio.get_running_loop().time() > end:
                return found
            await asyncio.sleep(_EVERY_S)


def drilled_at(tx: ReadTx) -> datetime | None:
    """When a drill succeeded last."""
    at = tx.meta(DRILLED)
    return None if at is None else datetime.fromtimestamp(int(at), UTC)


def _of(replica: Replica | None, epoch: int) -> Replica | None:
    return replica if replica is not None and replica.drill == epoch else None


def _begun(tx: Tx, by: str) -> tuple[Breaker, tuple[str, ...]]:
    if acts.switch(tx, breaker.GLOBAL).frozen:
        raise Rejected("everything is halted: nothing is left to try")
    row = tx.breaker(breaker.DRILL) or Breaker(breaker.DRILL)
    if row.frozen and row.moved_at is not None and tx.now() - row.moved_at < _UNDER_WAY:
        raise Rejected("a drill is under way")
    row = breaker.freeze(row, True, by, "a drill", tx.now())
    tx.put_breaker(row)
    return row, replicas.living(tx)


def _ended(tx: Tx, by: str) -> None:
    row = tx.breaker(breaker.DRILL)
    if row is not None:
        tx.put_breaker(breaker.freeze(row, False, by, "no drill", tx.now()))


def _recorded(tx: Tx, by: str, row: Breaker, found: Mapping[str, Replica | None]) -> Drilled:
    each = tuple(_judged(name, replica) for name, replica in sorted(found.items()))
    ok = bool(each) and all(one.ok for one in each)
    told: list[Json] = [
        {"replica": one.replica, "ms": one.ms, "refused": one.refused, "ok": one.ok} for one in each[:100]
    ]
    tx.append("halt.drill", {"by": by, "epoch": row.epoch, "ok": ok, "replicas": told})
    if ok:
        tx.put_meta(DRILLED, str(int(tx.now().timestamp())))
    return Drilled(ok, tx.now(), each)


def _judged(name: str, replica: Replica | None) -> ReplicaDrilled:
    if replica is None:
        return ReplicaDrilled(name, None, False, False)
    return ReplicaDrilled(name, replica.ms, replica.refused, replica.refused and replica.ms <= SOON_MS)
