"""The commonest row: a setting that one call reads, one writes, and perhaps one removes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.undo.data.common import Parameters, literal, some, step, undone, watch
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Check, Plan, Step

Build = Callable[[Any, Parameters], Parameters]
"""The parameters that put a setting back, besides the key: from what was read, and the call's own parameters."""


@dataclass(frozen=True, slots=True)
class Setting:
    """`key` are the members that name the resource (with spaces between them), in the reading and the writing call alike.
    `get` and `put` are operations, `select` is what of the answer is the setting, `member` the parameter that it goes back
    into (or `build` makes the parameters). `delete` removes it
    when there was none; without it, `empty` is what stands for none."""

    service: str
    what: str
    key: str
    get: str
    put: str
    select: str
    member: str = ""
    build: Build | None = None
    delete: str = ""
    empty: Any = None
    caveats: tuple[str, ...] = ()
    kind: str = "full"
    delete_key: str = ""
    get_extra: tuple[tuple[str, Any], ...] = ()

    async def plan(self, call: Call, calls: Here, nonce: str) -> Plan:
        """The plan of any call that writes this setting."""
        key = some(call.parameters, self.key)
        what = self.what.format(*key.values())
        asked = {**key, **dict(self.get_extra)}
        old, check = await watch(calls, what, self.service, self.get, asked, self.select)
        inverse = self._inverse(call.parameters, key, old)
        return undone(check, inverse, kind=self.kind, caveats=self.caveats)

    def _inverse(self, parameters: Parameters, key: Parameters, old: Any) -> Step:
        if old in (None, {}, [], "") and self.delete:
            names = some(parameters, self.delete_key or self.key)
            return step(self.service, self.delete, names, absent_ok=True)
        value = self.empty if old in (None, {}, [], "") else old
        rest = self.build(value, parameters) if self.build else {self.member: value}
        return step(self.service, self.put, {**key, **rest})


@dataclass(frozen=True, slots=True)
class Made:
    """What a call makes, and its deletion. `get` asks whether it is there already by the members `key` of the call (then a
    revert has nothing to delete); `delete` takes members of the call (`names`: its own to the call's) and of the answer
    (`saves`: its own to a path). Without `get` nothing is compared."""

    service: str
    what: str
    delete: str
    names: tuple[tuple[str, str], ...] = ()
    saves: tuple[tuple[str, str], ...] = ()
    get: str = ""
    key: tuple[tuple[str, str], ...] = ()
    select: str = "@"
    fixed: tuple[tuple[str, Any], ...] = ()
    kind: str = "full"
    caveats: tuple[str, ...] = ()

    async def plan(self, call: Call, calls: Here, nonce: str) -> Plan:
        """The plan of the call that makes it."""
        checks: tuple[Check, ...] = ()
        if self.get:
            asked = {name: call.parameters[mine] for name, mine in self.key if mine in call.parameters}
            what = self.what.format(*asked.values())
            old, check = await watch(calls, what, self.service, self.get, asked, self.select)
            if old not in (None, {}, [], "", False):
                return Plan("full", checks=(check,))
            checks = (check,)
        given = {name: call.parameters[mine] for name, mine in self.names if mine in call.parameters}
        answered = {name: f"${{{name}}}" for name, _ in self.saves}
        gone = Step(
            self.service, self.delete, {**literal(given), **dict(self.fixed), **answered}, absent_ok=True
        )
        return Plan(self.kind, inverse=(gone,), checks=checks, saves=dict(self.saves), caveats=self.caveats)


@dataclass(frozen=True, slots=True)
class Final:
    """What cannot be undone."""

    reason: str
    gentler: str = ""

    async def plan(self, call: Call, calls: Here, nonce: str) -> Plan:
        """The plan that says so."""
        return Plan("none", reason=self.reason, gentler=self.gentler)
