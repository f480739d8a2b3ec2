"""The trash of targets: what connectors keep there of what changes took away, until it is emptied or its time is over.

What is removed can be given back no longer. So the promise is withdrawn first, in one transaction with the ledger's entry, and only
then the copies are removed: a crash in between leaves copies that nobody relies on, and the next run takes them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
import structlog

from interlock.model.base import Json, Value
from interlock.model.change import Change, ChangeFilter, ChangeState
from interlock.model.errors import NotFound, Rejected, Unavailable
from interlock.model.proposal import EmptyTrash
from interlock.pipeline.recorded.bodies import SHOWN
from interlock.runtime.core import Core
from interlock.runtime.rules.governance import Governance, TryOut
from interlock.runtime.targets.reaching import TargetServer
from interlock.sdk.connector import KeepsTrash, TrashItem
from interlock.sdk.ports import ReadTx, Tx

_log = structlog.get_logger(__name__)

MARK, EMPTIED = "trash", "emptied"
"""In the marker of a change whose copies were removed: it can be reverted no longer."""
NEEDS = "kept"
"""In the marker of a change: the copies that its revert needs, with blanks between."""
_PAGE = 500
_UNSETTLED = (ChangeState.RECEIVED, ChangeState.EXECUTING, ChangeState.IN_DOUBT)
"""What is still going on keeps its copies."""


class Trashed(Value, frozen=True):
    """One copy, and the change that made it (None when none is known: it was rolled back by a restored store, say)."""

    item: TrashItem
    change: Change | None


class Trash:
    """The service."""

    def __init__(
        self, core: Core, targets: Mapping[str, TargetServer], mode: Governance | None = None
    ) -> None:
        self._core, self._targets, self._mode = core, targets, mode or TryOut()

    async def list(
        self, target: str, *, change: str = "", older_than: timedelta | None = None
    ) -> Sequence[Trashed]:
        """What is in the trash, oldest first; of one change, or what is older. Raises NotFound, Rejected, Unavailable."""
        items = await self._keeper(target).trash_items()
        found = await self._core.store.read(lambda tx: _with_changes(tx, target, items))
        before = self._core.directory.now() - (older_than or timedelta())
        return [
            each
            for each in found
            if (not change or (each.change is not None and each.change.id == change))
            and (older_than is None or each.item.kept_at <= before)
        ]

    async def empty(
        self, target: str, *, change: str = "", older_than: timedelta | None = None, by: str
    ) -> Sequence[Trashed]:
        """Remove copies for good; returns which. Changes that are under way keep theirs. Raises as `list`."""
        found = _settled(await self.list(target, change=change, older_than=older_than))
        if found:
            await self._mode.clear(self._core, _wanted(target, found), by)
        return await self._empty(target, found, by)

    async def carry_out(self, wanted: EmptyTrash, by: str) -> None:
        """Remove the copies that admins have agreed to remove, and no other."""
        found = [each for each in await self.list(wanted.target) if each.item.name in wanted.copies]
        await self._empty(wanted.target, _settled(found), by)

    async def _empty(self, target: str, found: Sequence[Trashed], by: str) -> Sequence[Trashed]:
        if not found:
            return []
        self._core.halt.check()
        changes = {
            each.change.id: each.change
            for each in found
            if each.change is not None and each.item.name in each.change.marker.get(NEEDS, "").split()
        }
        await self._core.store.transact(lambda tx: self._withdraw(tx, target, found, changes, by))
        await self._keeper(target).empty_trash([each.item.name for each in found])
        await self._core.store.transact(
            lambda tx: tx.append("trash", _body(target, found, changes, by, "done"))
        )
        _log.info("trash.emptied", target=target, copies=len(found), changes=len(changes), by=by)
        return found

    def _withdraw(
        self, tx: Tx, target: str, found: Sequence[Trashed], changes: Mapping[str, Change], by: str
    ) -> None:
        tx.append("trash", _body(target, found, changes, by, "begun"))
        for change_id in changes:
            now = tx.change(change_id)
            if now is not None and now.marker.get(MARK) != EMPTIED:
                tx.save_change(msgspec.structs.replace(now, marker={**now.marker, MARK: EMPTIED}))

    async def expire(self, older_than: timedelta) -> None:
        """Empty what is older in every target that keeps trash. One target's failure is logged and does not keep the others."""
        for name, server in self._targets.items():
            if not (server.reached and isinstance(server.live, KeepsTrash)):
                continue
            try:
                # The retention is part of the configuration, which admins approve.
                await self._empty(name, _settled(await self.list(name, older_than=older_than)), "interlock")
            except Rejected:
                continue  # this target has no trash
            except Unavailable as error:
                _log.warning("trash.not_emptied", target=name, why=str(error))

    def _keeper(self, target: str) -> KeepsTrash:
        server = self._targets.get(target)
        if server is None:
            raise NotFound(f"there is no target {target}")
        if not isinstance(server.live, KeepsTrash):
            raise Rejected(f"{target} has no trash")
        if not server.reached:
            raise Unavailable(f"the target {target} cannot be reached: {server.why}")
        return server.live


def _settled(found: Sequence[Trashed]) -> list[Trashed]:
    """What is not of a change that is still going on."""
    return [each for each in found if each.change is None or each.change.state not in _UNSETTLED]


def _wanted(target: str, found: Sequence[Trashed]) -> EmptyTrash:
    copies = tuple(each.item.name for each in found)
    return EmptyTrash(target, copies, sum(each.item.rows for each in found))


def _with_changes(tx: ReadTx, target: str, items: Sequence[TrashItem]) -> Sequence[Trashed]:
    by_marker = _changes_of(tx, target, {item.transaction for item in items})
    return [Trashed(item, by_marker.get(item.transaction)) for item in items]


def _changes_of(tx: ReadTx, target: str, wanted: set[str]) -> dict[str, Change]:
    """The changes with these transactions, newest first until all are found."""
    found: dict[str, Change] = {}
    before = ""
    while wanted - found.keys():
        page = tx.changes(ChangeFilter(target=target, before=before, limit=_PAGE))
        for change in page:
            xid = change.marker.get("xid", "")
            if xid in wanted:
                found.setdefault(xid, change)
        if len(page) < _PAGE:
            break
        before = page[-1].id
    return found


def _body(
    target: str, found: Sequence[Trashed], changes: Iterable[str], by: str, state: str
) -> dict[str, Json]:
    ids = sorted(changes)
    return {
        "target": target,
        "changes": list(ids[:SHOWN]),
        "changes_in_all": len(ids),
        "copies": len(found),
        "rows": sum(each.item.rows for each in found),
        "by": by,
        "state": state,
    }


def refuse_emptied(change: Change) -> None:
    """Raises Rejected when what a revert would give back was removed."""
    if change.marker.get(MARK) == EMPTIED:
        raise Rejected(
            f"{change.id} cannot be reverted any more: what was kept of it in the trash was removed"
        )


def kept_until(item: TrashItem, retention: timedelta) -> datetime:
    """When a copy is removed by itself."""
    return item.kept_at + retention
