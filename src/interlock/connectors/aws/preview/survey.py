"""What a describer works with: the call, questions to the account, and a notebook for what it learns beside the effects."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import reduce
from typing import Any

from interlock.connectors.aws.call import Call, CallFailed, Calls, Classified, Setting
from interlock.connectors.aws.preview.seen import Seen
from interlock.model.base import canonical
from interlock.model.errors import InterlockError
from interlock.model.operation import Resource

LIMIT = 10_000
"""How far things are counted. More than that is "at least so many"."""


class Unsure(InterlockError):
    """What the call does can't be found out; the message is one phrase for people."""


class Survey:
    """One call that is being looked at. `own` are the accounts that count as ours."""

    def __init__(self, what: Classified, calls: Calls, seen: Seen, own: Sequence[str] = ()) -> None:
        self.what, self.calls, self.seen = what, calls, seen
        self.own = frozenset({calls.account, *own} - {""})
        self.notes: list[str] = []
        self.settings: list[Setting] = []
        self.state: dict[str, Any] = {}

    @property
    def call(self) -> Call:
        return self.what.call

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self.call.parameters

    def text(self, *names: str) -> str:
        """The first of these members that the call has."""
        for name in names:
            value = self.parameters.get(name)
            if isinstance(value, str) and value:
                return value
        raise Unsure(f"the call names no {names[0]}")

    async def ask(
        self, service: str, operation: str, parameters: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        return await self.calls.ask(service, operation, parameters, region=self.call.region)

    async def find(
        self, service: str, operation: str, parameters: Mapping[str, Any] | None = None
    ) -> dict[str, Any] | None:
        """As `ask`; None when the service says that there is no such thing."""
        try:
            return await self.ask(service, operation, parameters)
        except CallFailed as failed:
            if failed.missing:
                return None
            raise

    async def pages(
        self,
        service: str,
        operation: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        key: str,
        limit: int = LIMIT,
    ) -> tuple[list[Any], bool]:
        return await self.calls.pages(
            service, operation, parameters, key=key, limit=limit, region=self.call.region
        )

    def arn(self, service: str, rest: str, *, region: bool = True, account: bool = True) -> str:
        """`service` is the IAM prefix."""
        where = (self.call.region or self.calls.region) if region else ""
        return f"arn:{self.calls.partition}:{service}:{where}:{self.calls.account if account else ''}:{rest}"

    def resource(self, kind: str, name: str, group: str = "") -> Resource:
        """The resource that the classification has by that name, or else one of our own making (with its group)."""
        known = next((r for r in self.what.operation.resources if r.name == name), None)
        return known or Resource(kind_of(kind, name), name, group or self.group)

    def about(self, kind: str, rest: str, *, region: bool = True, account: bool = True) -> Resource:
        """The resource that the call is about: the one of that kind that the classification has, or else by an ARN that ends in
        `rest`, with members of the call in braces."""
        listed = self.what.operation.resources
        known = [resource for resource in listed if resource.kind.split("/")[0] == kind]
        if len(known) == 1:
            return known[0]
        wanted = fields(rest)
        given = {name: self.text(*name.split("|")) for name in wanted}
        whole = next((value for value in given.values() if value.startswith("arn:")), "")
        filled = reduce(lambda text, name: text.replace(f"{{{name}}}", given[name]), wanted, rest)
        arn = self.arn(kind.partition(":")[0], filled, region=region, account=account)
        return self.resource(kind, whole or arn)

    @property
    def group(self) -> str:
        """What goes with the call's own resource belongs to its group."""
        main = self.what.resource
        return main.group if main is not None else ""

    @property
    def main(self) -> Resource:
        """The resource that the call is about."""
        service = self.call.service
        return self.what.resource or Resource("aws:service", self.arn(service, "*"))

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def rests_on(self, name: str, value: Any) -> None:
        """Keep a part of the present state (no secret, no count that moves by itself)."""
        self.state[name] = plain(value)

    def shows(self, name: str, before: Any, after: Any) -> None:
        """Keep a setting for people: present value beside the new one."""
        self.settings.append(Setting(name, shown(before), shown(after)))


_VARIANT = re.compile(r":elasticloadbalancing:.*:(?:loadbalancer|listener|listener-rule)/(app|net|gwy)/")


def kind_of(kind: str, name: str) -> str:
    """The reference tells load balancers (and what they have) apart by their sort, and rules by their bus."""
    if sort := _VARIANT.search(name):
        return f"{kind}/{sort[1]}"
    if kind.startswith("events:rule") and name.count("/") > 1:
        return "events:rule-on-custom-event-bus"
    return kind


def fields(template: str) -> list[str]:
    """The names in braces; `{a|b}` is the first of several members that is there."""
    return re.findall(r"\{([^}]+)\}", template)


def plain(value: Any) -> Any:
    """As canonical JSON builtins: times as text, numbers with a fraction as text, bytes as their digest."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in sorted(value.items(), key=lambda pair: str(pair[0]))}
    if isinstance(value, list | tuple | set | frozenset):
        items = [plain(item) for item in value]
        return sorted(items, key=repr) if isinstance(value, set | frozenset) else items
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return f"sha256:{hashlib.sha256(value).hexdigest()}"
    if value is None or isinstance(value, bool | str):
        return value
    return value if isinstance(value, int) and abs(value) < 2**53 else str(value)


def digest(value: Any) -> str:
    """What stands for a value that must not be kept itself."""
    return hashlib.sha256(canonical(plain(value))).hexdigest()


_MOST_KEPT = 8_000


def shown(value: Any) -> str:
    """A value as people are shown it; effects show less of a long one."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    text = value if isinstance(value, str) else canonical(plain(value)).decode()
    return text if len(text) <= _MOST_KEPT else f"{text[:_MOST_KEPT]}…"
