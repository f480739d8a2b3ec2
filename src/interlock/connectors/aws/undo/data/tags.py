"""Tags of any service that lists, sets and removes them by one name of the resource."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.undo.data.common import some, step, undone, watch
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Plan, Step


@dataclass(frozen=True, slots=True)
class Tags:
    """How a service's tags are read and written. `key` are the members that name the resource in all three calls; `listed` the
    member of the answer, `tags` of the call that sets, `keys` of the call that removes. `name` and `value` are members of a
    tag; tags are a map when `name` is empty. `removal` is `keys` (names) or `tags` (whole tags)."""

    service: str
    key: str
    get: str
    listed: str
    put: str
    tags: str
    delete: str
    keys: str
    name: str = "Key"
    value: str = "Value"
    removal: str = "keys"

    async def plan(self, call: Call, calls: Here, nonce: str) -> Plan:
        """The plan of the call that sets or removes tags: only these are put back."""
        key = some(call.parameters, self.key)
        touched = self._touched(call.parameters)
        select = self.listed if not self.name else f"sort_by({self.listed} || `[]`, &{self.name})"
        what = f"the tags of {' '.join(str(value) for value in key.values())}"
        listed, check = await watch(calls, what, self.service, self.get, key, select)
        old = {name: value for name, value in self._map(listed or []).items() if name in touched}
        return undone(check, *self._back(key, old, [name for name in touched if name not in old]))

    def _touched(self, parameters: Mapping[str, Any]) -> list[str]:
        given = parameters.get(self.tags) or parameters.get(self.keys) or []
        if isinstance(given, Mapping):
            return list(given)
        return [item if isinstance(item, str) else item[self.name] for item in given]

    def _map(self, listed: Any) -> dict[str, str]:
        if isinstance(listed, Mapping):
            return dict(listed)
        return {item[self.name]: item.get(self.value, "") for item in listed}

    def _back(self, key: Mapping[str, Any], old: Mapping[str, str], new: Sequence[str]) -> list[Step]:
        steps: list[Step] = []
        if old:
            steps.append(step(self.service, self.put, {**key, self.tags: self._form(old)}))
        if new:
            whole = self._form(dict.fromkeys(new, "")) if self.removal == "tags" else list(new)
            steps.append(step(self.service, self.delete, {**key, self.keys: whole}))
        return steps

    def _form(self, tags: Mapping[str, str]) -> Any:
        if not self.name:
            return dict(tags)
        return [{self.name: name, self.value: value} for name, value in tags.items()]
