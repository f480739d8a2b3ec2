"""The commonest row: a setting that one call reads, one writes, and perhaps one removes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.undo.data.common import Parameters, filled, some, step, undone, watch
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Plan, Step

Build = Callable[[Any, Parameters], Parameters]
"""The parameters that put a setting back, besides the key: from what was read, and the call's own parameters."""


@dataclass(frozen=True, slots=True)
class Setting:
    """`key` are the members that name the resource (with spaces between them), in the reading and the writing call alike. `get` and `put`
    are operations, `select` is what of the answer is the setting, `member` the parameter that it goes back into (or `build` makes
    the parameters). `delete` removes it when there was none; without it, `empty` is what stands for none."""

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
        old, check = await watch(
            calls, what, self.service, self.get, {**key, **dict(self.get_extra)}, self.select
        )
        inverse = self._inverse(call.parameters, key, old)
        return undone(check, inverse, kind=self.kind, caveats=self.caveats)

    def _inverse(self, parameters: Parameters, key: Parameters, old: Any) -> Step:
        if old in (None, {}, [], "") and self.delete:
            names = some(parameters, self.delete_key or self.key)
            return step(self.service, self.delete, names, absent_ok=True)
        value = self.empty if old in (None, {}, [], "") else old
        rest = self.build(value, parameters) if self.build else {self.member: value}
        return step(self.service, self.put, {**key, **rest})


__all__ = ["Setting", "filled"]
