"""What a revert would do, found out without doing it."""

from interlock.model.base import Value
from interlock.model.change import Measurement
from interlock.model.conflict import Conflicting, RowConflict
from interlock.model.errors import Rejected
from interlock.sdk.connector import Preview, Settled, Unit


class RevertPlan(Value, frozen=True):
    """What a revert would do now. `possible` is False when it would be refused, and `why` says why; `conflicts` are rows that
    others touched since: because of them it is refused, or (by force) these it sets back or leaves. `complete` tells that nothing
    of the change would be left."""

    possible: bool
    measurement: Measurement
    complete: bool = False
    why: str = ""
    conflicts: tuple[RowConflict, ...] = ()


class Noting:
    """A unit that notes the conflicts of its preview, for the answer (they are recorded nowhere)."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self.conflicts: tuple[RowConflict, ...] = ()

    async def preview(self) -> Preview:
        found = await self._unit.preview()
        self.conflicts = found.conflicts
        return found

    async def execute(self) -> Settled:
        return await self._unit.execute()

    async def abandon(self) -> None:
        await self._unit.abandon()


async def rehearsed(unit: Unit) -> RevertPlan:
    """Run a revert up to the decision and roll it back. Raises Unavailable."""
    try:
        found = await unit.preview()
    except Conflicting as error:
        return RevertPlan(False, Measurement(()), why=str(error), conflicts=error.conflicts)
    except Rejected as error:
        return RevertPlan(False, Measurement(()), why=str(error))
    finally:
        await unit.abandon()
    return RevertPlan(True, found.measurement, "partly" not in found.marker, conflicts=found.conflicts)
