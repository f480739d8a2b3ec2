"""Proposing the reverts of blamed changes: each is measured on the target, rolled back and held for people. None is executed here.

What is still to be proposed stands in the store. A crash, or a target that cannot be reached just then, only delays it: the
next look, of any replica, goes on. Two that do the same find that it is held already.
"""

import asyncio
from datetime import timedelta

import structlog

from interlock.model.change import Change
from interlock.model.errors import InterlockError, Unavailable
from interlock.model.health import Blame, Watched
from interlock.pipeline.recorded import health
from interlock.pipeline.recorded.health import BY
from interlock.runtime.core import Core
from interlock.runtime.service.deciding.changes import Changes
from interlock.sdk.connector import Held, Refused
from interlock.sdk.ports import ReadTx

AGAIN = 15.0
"""Seconds between two looks at what is still to be proposed."""
GIVEN_UP = timedelta(hours=24)
"""For so long a revert that cannot be proposed is tried again."""
YOUNG = timedelta(seconds=30)
"""For so long it is left to the replica that found the blame."""

_log = structlog.get_logger(__name__)


class Proposals:
    """See the module."""

    def __init__(self, core: Core, changes: Changes) -> None:
        self._core, self._changes = core, changes
        self._one_at_a_time = asyncio.Lock()

    async def after(self, blames: tuple[Blame, ...]) -> None:
        """Propose the reverts of what was just blamed, and tell people."""
        mine = {change for blame in blames for change in blame.changes}
        held = await self._propose(mine)
        for blame in blames:
            ours = [held[change] for change in blame.changes if change in held]
            self._core.notifiers.health(blame, ours)

    async def look(self) -> None:
        """Propose what is left: of replicas that are gone, and of targets that are back."""

        def read(tx: ReadTx) -> set[str]:
            now = tx.now()
            return {w.change for w in tx.blamed() if w.blamed_at is None or now - w.blamed_at >= YOUNG}

        if found := await self._core.store.read(read):
            await self._propose(found)

    async def _propose(self, wanted: set[str]) -> dict[str, Change]:
        """The held reverts, by the changes that they undo. Newest first: what was built on an older change goes before it."""
        held: dict[str, Change] = {}
        unreached: set[str] = set()
        async with self._one_at_a_time:
            for watched in await self._core.store.read(lambda tx: tx.blamed()):
                if watched.change in wanted and watched.target not in unreached:
                    revert = await self._one(watched, unreached)
                    held |= {watched.change: revert} if revert is not None else {}
        return held

    async def _one(self, watched: Watched, unreached: set[str]) -> Change | None:
        """The held revert; None when there is none. A target that does not answer is added to `unreached`."""
        note = f"proposed because the check {watched.blamed_by} of {watched.target} fails since"
        try:
            answer = await self._changes.propose_revert(watched.change, BY, note)
        except Unavailable as error:
            unreached.add(watched.target)
            await self._later(watched, str(error))
            return None
        except InterlockError as error:
            await self._not_proposed(watched, str(error))
            return None
        match answer:
            case Held(change):
                await self._core.store.transact(lambda tx: health.proposed(tx, watched, change))
                _log.info("health.revert_proposed", change=watched.change, revert=change.id)
                return change
            case Refused("unavailable", why):
                unreached.add(watched.target)
                await self._later(watched, why)
            case Refused(_, why):
                await self._not_proposed(watched, why)
            case _:
                await self._not_proposed(watched, "it was answered in a way that a proposal cannot be")
        return None

    async def _later(self, watched: Watched, why: str) -> None:
        now = self._core.directory.now()
        if watched.blamed_at is not None and now - watched.blamed_at > GIVEN_UP:
            await self._not_proposed(watched, why)
        else:
            _log.warning("health.revert_delayed", change=watched.change, why=why)

    async def _not_proposed(self, watched: Watched, why: str) -> None:
        _log.warning("health.revert_not_proposed", change=watched.change, why=why)
        await self._core.store.transact(lambda tx: health.proposed(tx, watched, None, why))
