"""Protecting tables: what a connector installs on its target so that changes of large tables can be undone."""

from collections.abc import Mapping, Sequence

import structlog

from interlock.model.base import Json
from interlock.model.errors import NotFound, Rejected, Unavailable
from interlock.model.proposal import Unprotect
from interlock.pipeline.recorded.bodies import cut
from interlock.runtime.core import Core
from interlock.runtime.rules.governance import Governance
from interlock.runtime.targets.reaching import TargetServer
from interlock.sdk.connector import Protects

_log = structlog.get_logger(__name__)

MOST_TABLES = 100
"""In one request."""


class Protection:
    """The service. Protecting tightens, so one person does it at once; to end it makes changes harder to undo."""

    def __init__(self, core: Core, targets: Mapping[str, TargetServer], mode: Governance) -> None:
        self._core, self._targets, self._mode = core, targets, mode

    async def protect(self, target: str, tables: Sequence[str], *, on: bool, by: str) -> Sequence[str]:
        """Protect tables of a target, or end it; returns which. Raises NotFound, Rejected, Unavailable."""
        self._live(target, tables)
        if not on:
            await self._mode.clear(self._core, Unprotect(target, tuple(tables)), by)
        return await self._do(target, tables, on=on, by=by)

    async def carry_out(self, wanted: Unprotect, by: str) -> None:
        """End the protection that admins have agreed to end."""
        await self._do(wanted.target, wanted.tables, on=False, by=by)

    def _live(self, target: str, tables: Sequence[str]) -> Protects:
        server = self._targets.get(target)
        if server is None:
            raise NotFound(f"there is no target {target}")
        if not isinstance(server.live, Protects):
            raise Rejected(f"{target} has no tables that could be protected")
        if not 1 <= len(tables) <= MOST_TABLES:
            raise Rejected(f"name 1 to {MOST_TABLES} tables")
        if not server.reached:
            raise Unavailable(f"the target {target} cannot be reached: {server.why}")
        return server.live

    async def _do(self, target: str, tables: Sequence[str], *, on: bool, by: str) -> Sequence[str]:
        self._core.halt.check()
        live = self._live(target, tables)
        # Recorded first (P1): a crash in between leaves the entry that says it was wanted, without one that says it was done.
        await self._record(target, tables, on, by, "begun")
        try:
            done = await live.protect(tables, on=on)
        except Exception:
            await self._record(target, tables, on, by, "failed")
            raise
        await self._record(target, done, on, by, "done")
        _log.info("tables.protected" if on else "tables.unprotected", target=target, tables=len(done), by=by)
        return done

    async def _record(self, target: str, tables: Sequence[str], on: bool, by: str, state: str) -> None:
        body: dict[str, Json] = {
            "target": target,
            "tables": [cut(name) for name in tables[:MOST_TABLES]],
            "tables_in_all": len(tables),
            "protected": on,
            "state": state,
            "by": by,
        }
        await self._core.store.transact(lambda tx: tx.append("protection", body))
