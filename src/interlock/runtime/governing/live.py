"""The pseudo target `interlock` as the core sees targets: it shows proposals, and tells recovery what became of one."""

from collections.abc import Sequence
from typing import Any, NoReturn

from interlock.model.change import Change
from interlock.model.errors import Rejected
from interlock.runtime.governing import record
from interlock.runtime.governing.office import Office
from interlock.sdk.connector import Finding, Settled


class ProposalLive:
    """`sdk.connector.Live` of proposals. No agent has a session on it, and nothing of it is reverted: one proposes the opposite."""

    def __init__(self, office: Office, origin: str) -> None:
        self._office, self._origin = office, origin

    def session(self, wire: Any) -> NoReturn:
        raise Rejected("there are no sessions on Interlock itself")

    async def start(self, gate: Any) -> None:
        return

    async def stop(self) -> None:
        return

    async def fingerprint(self) -> str:
        return self._origin

    async def settle(self, change: Change, image: Sequence[bytes] = ()) -> Settled:
        """What was begun on a target is done again: doing it twice does no more than doing it once."""
        return await self._office.settle(change)

    def describe(self, payload: bytes) -> Sequence[str]:
        return tuple(record.statements(record.decode(payload)))

    async def again(self, change: Change, payload: bytes, principal: Any) -> NoReturn:
        raise Rejected(f"{change.id} is a proposal: it is done when admins have agreed")

    async def undo(self, change: Change, parts: Sequence[bytes], *, force: bool, principal: Any) -> NoReturn:
        raise Rejected(f"{change.id} is a proposal: propose the opposite")

    async def doctor(self) -> Sequence[Finding]:
        return ()
