"""Units of work that say what they do: any effects, whatever the target. The pipeline can't tell."""

import msgspec

from interlock.model.affected import affected
from interlock.model.base import Value, digest_of
from interlock.model.change import Measurement
from interlock.model.effect import ACTION_OF, ChangeKind, Effect, Evidence, Unit
from interlock.model.operation import Action, Operation, Resource
from interlock.model.signal import Facts
from interlock.sdk.connector import Preview, Principal, Settled, Work
from interlock.testing.toy import ToyTarget


class Script(Value, frozen=True):
    """What a unit says it does. `text` tells it from others that do the same; `ends` is what becomes of it."""

    effects: tuple[Effect, ...]
    text: str = ""
    facts: Facts = Facts()
    ends: Settled = Settled(True)
    verb: str = ""


def touched(
    kind: str,
    name: str,
    change: ChangeKind = ChangeKind.DELETED,
    *,
    group: str = "",
    count: int = 1,
    unit: Unit = Unit.OBJECTS,
    reversible: bool = True,
    before: int | None = None,
) -> Effect:
    """One effect; of rows, `before` is how many there were."""
    resource = Resource(kind, name, group)
    return Effect(
        resource, change, count, unit, Evidence.MEASURED, reversible, "" if reversible else "gone", before
    )


def scripted(principal: Principal, script: Script) -> Work:
    """The work of a script."""
    named = sorted({(e.resource, ACTION_OF[e.change]) for e in script.effects}, key=str)
    operations = tuple(
        Operation(action, script.verb or action.value, (resource,)) for resource, action in named
    ) or (Operation(Action.UPDATE, script.verb or "UPDATE", (Resource("table", "none"),)),)
    text = msgspec.json.encode(
        [script.text, [f"{e.change.value} {e.resource.kind} {e.resource.name}" for e in script.effects]]
    )
    return Work(principal, operations, digest_of({"text": text.decode()}), text)


class ScriptedUnit:
    """`sdk.connector.Unit`: it does on its target nothing but begin and commit a transaction. `calls` are the steps it was taken
    through."""

    def __init__(self, target: ToyTarget, script: Script) -> None:
        self._target, self._script = target, script
        self.calls: list[str] = []
        self._xid = ""

    async def preview(self) -> Preview:
        self._xid = self._target.begin()
        self.calls.append("preview")
        effects = self._script.effects
        keys = (msgspec.json.encode([e.resource.name, e.count]) for e in effects)
        measurement = Measurement(effects, affected(keys) if effects else "", "v1")
        return Preview(measurement, marker={"xid": self._xid}, facts=self._script.facts)

    async def execute(self) -> Settled:
        self.calls.append("execute")
        if self._script.ends.committed:
            self._target.commit(self._xid, self._target.rows)
        elif self._script.ends.committed is False:  # what nobody knows is still running there
            self._target.open.discard(self._xid)
        return self._script.ends

    async def abandon(self) -> None:
        self.calls.append("abandon")
        self._target.open.discard(self._xid)
