"""Breakers and freezes. Opening and freezing work at once; only a person moves a breaker back, one step at a time."""

from collections.abc import Callable, Sequence

from interlock.control import breaker
from interlock.control.breaker import E
from interlock.model.base import Json
from interlock.model.breaker import Breaker
from interlock.model.errors import NotFound, Rejected
from interlock.runtime import announce, governance
from interlock.runtime.core import Core
from interlock.runtime.governance import Governance, Proposal
from interlock.runtime.service.names import person_of, sentence
from interlock.sdk.ports import Tx


class Switches:
    """The service."""

    def __init__(self, core: Core, mode: Governance) -> None:
        self._core, self._mode = core, mode

    async def list(self) -> Sequence[Breaker]:
        return await self._core.store.read(lambda tx: tx.breakers())

    async def freeze(self, environment: str, reason: str, *, by: str) -> Breaker:
        """Stop all changes in an environment; reads go on."""
        why = sentence(reason, "a freeze")
        return await self._frozen(environment, True, why, by)

    async def thaw(self, environment: str, reason: str = "", *, by: str) -> Breaker:
        """Lift the freeze. What tripped meanwhile stays open."""
        self._may("thaw", environment, by)
        return await self._frozen(environment, False, reason.strip()[:500] or "thawed", by)

    async def _frozen(self, environment: str, frozen: bool, reason: str, by: str) -> Breaker:
        scope = breaker.environment(environment)

        def work(tx: Tx) -> Breaker:
            moved = breaker.freeze(_row(tx, scope), frozen, by, reason, tx.now())
            tx.put_breaker(moved)
            tx.append("freeze", _body(moved, by))
            return moved

        return await self._changed(work, by)

    async def open(self, scope: str, reason: str, *, by: str) -> Breaker:
        """Refuse all further changes in a scope."""
        why = sentence(reason, "opening a breaker")
        return await self._moved(scope, E.OPEN, why, by)

    async def reset(self, scope: str, reason: str = "", *, by: str) -> Breaker:
        """One step back: from open to probation, from probation to closed. Never by the owner of the agent whose breaker it is."""
        self._may("reset breaker", scope, by)
        return await self._moved(scope, None, reason.strip()[:500] or "reset", by)

    async def _moved(self, scope: str, event: E | None, reason: str, by: str) -> Breaker:
        def work(tx: Tx) -> Breaker:
            row = _row(tx, scope)
            if event is None:
                _not_by_owner(tx, scope, by)
            moved = breaker.move(row, event or breaker.next_reset(row), by, reason, tx.now())
            tx.put_breaker(moved)
            tx.append("breaker", _body(moved, by))
            return moved

        return await self._changed(work, by)

    async def _changed(self, work: Callable[[Tx], Breaker], by: str) -> Breaker:
        moved = await self._core.store.transact(work)
        await self._core.directory.refresh()
        announce.breaker(moved, by)
        self._core.notifiers.breaker(moved, by)
        return moved

    def _may(self, what: str, subject: str, by: str) -> None:
        governance.require(self._mode, Proposal(what, subject, by))


def _row(tx: Tx, scope: str) -> Breaker:
    row = tx.breaker(scope)
    if row is None:
        raise NotFound(f"there is no breaker {scope} (see `interlock breaker list`)")
    return row


def _not_by_owner(tx: Tx, scope: str, by: str) -> None:
    kind, _, name = scope.partition("/")
    agent = tx.agent(name) if kind == "agent" else None
    if agent is not None and person_of(by) in (agent.owner, agent.name, *agent.past_owners):
        raise Rejected(f"{person_of(by)} owns {agent.name}: someone else must reset its breaker")


def _body(row: Breaker, by: str) -> dict[str, Json]:
    return {
        "scope": row.scope,
        "state": row.state.value,
        "frozen": row.frozen,
        "reason": row.reason,
        "epoch": row.epoch,
        "by": by,
    }
