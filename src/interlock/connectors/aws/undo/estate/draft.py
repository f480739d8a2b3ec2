"""A plan while it is being made: questions to the account, what is compared before a revert, and the steps back."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import jmespath
import msgspec

from interlock.connectors.aws.call import Call, CallFailed
from interlock.connectors.aws.undo.compare import builtins, fingerprint, missing
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import ANY, Check, Plan, Step, literal
from interlock.connectors.aws.undo.registry import Planner
from interlock.model.errors import InterlockError

Answer: TypeAlias = Mapping[str, Any]

LIMIT = 10_000
"""Items of one listing that a plan takes in. Of more, nothing is promised."""


class Slot(str):
    """A parameter with `${NAME}` in it, to be filled in. All other strings are taken as they are."""


def slot(name: str) -> Slot:
    """What an earlier answer called `name`."""
    return Slot("${" + name + "}")


class Gone(InterlockError):
    """What the call is about isn't there, or isn't as an inverse needs it; the message says so."""


def quoted(value: Any) -> str:
    """A value as a JMESPath literal."""
    return "`" + json.dumps(value).replace("`", "\\`") + "`"


def select(expression: str, answer: Any) -> Any:
    """What a JMESPath expression takes from an answer."""
    return jmespath.search(expression, answer)


def kept(source: Answer, *names: str) -> dict[str, Any]:
    """The named members, those that are there and not empty."""
    return {name: source[name] for name in names if source.get(name) not in (None, "", [], {})}


def kept_all(source: Answer, *names: str) -> dict[str, Any]:
    """The named members, those that are there, empty ones included."""
    return {name: source[name] for name in names if source.get(name) is not None}


def own_tags(tags: list[dict[str, str]] | None) -> list[dict[str, str]]:
    """Tags that one may set: not those of AWS itself."""
    return [dict(tag) for tag in tags or () if not tag.get("Key", tag.get("key", "")).startswith("aws:")]


class Draft:
    """A plan of one call in the making. Steps and checks are of the call's own service unless another is named."""

    def __init__(self, call: Call, calls: Here, nonce: str) -> None:
        self.call, self.calls, self.nonce = call, calls, nonce
        self.prepare: list[Step] = []
        self.inverse: list[Step] = []
        self.checks: list[Check] = []
        self.discard: list[Step] = []
        self.caveats: list[str] = []
        self.saves: dict[str, str] = {}
        self.lost: dict[str, str] = {}
        self.replaces: dict[str, Any] = {}
        self.gentler = ""

    def get(self, name: str, default: Any = None) -> Any:
        """A parameter of the call."""
        return self.call.parameters.get(name, default)

    def given(self, *names: str) -> dict[str, Any]:
        """Those of the call's parameters that it has."""
        return {name: self.call.parameters[name] for name in names if name in self.call.parameters}

    async def ask(
        self, operation: str, parameters: Answer | None = None, *, service: str = ""
    ) -> dict[str, Any] | None:
        """The answer to a question, None when there is no such thing."""
        try:
            return await self.calls.ask(service or self.call.service, operation, parameters)
        except CallFailed as failed:
            if missing(failed):
                return None
            raise

    async def must(
        self,
        expression: str,
        operation: str,
        parameters: Answer | None = None,
        *,
        what: str,
        service: str = "",
    ) -> Any:
        """What an expression takes from the answer; Gone when that is nothing."""
        found = select(expression, await self.ask(operation, parameters, service=service))
        if found in (None, [], {}):
            raise Gone(f"there is no {what}")
        return found

    async def all(
        self, operation: str, parameters: Answer | None, key: str, *, service: str = ""
    ) -> list[Any]:
        """All items of a paginated question; Gone when they are too many."""
        try:
            items, more = await self.calls.pages(
                service or self.call.service, operation, parameters, key=key, limit=LIMIT
            )
        except CallFailed as failed:
            if missing(failed):
                return []
            raise
        if more:
            raise Gone(f"more than {LIMIT} items depend on it")
        return items

    async def watch(
        self,
        what: str,
        operation: str,
        parameters: Answer | None = None,
        expression: str = "@",
        *,
        service: str = "",
        after: Any = ANY,
    ) -> Any:
        """Read what is compared before a revert; returns it as it is now."""
        answer = await self.ask(operation, parameters, service=service)
        before = None if answer is None else select(expression, answer)
        check = self.check(what, operation, parameters, expression, before, service=service)
        self.checks.append(msgspec.structs.replace(check, after=after))
        return builtins(before)

    def check(
        self,
        what: str,
        operation: str,
        parameters: Answer | None,
        expression: str,
        before: Any,
        *,
        service: str = "",
    ) -> Check:
        """A comparison with what was before."""
        return Check(
            what,
            service or self.call.service,
            operation,
            filled(parameters or {}),
            expression,
            before=fingerprint(before),
        )

    def back(self, operation: str, parameters: Answer | None = None, **more: Any) -> None:
        """Add a step to the inverse."""
        self.inverse.append(self.step(operation, parameters, **more))

    def first(self, operation: str, parameters: Answer | None = None, **more: Any) -> None:
        """Add a step that runs before the call."""
        self.prepare.append(self.step(operation, parameters, **more))

    def later(self, operation: str, parameters: Answer | None = None, **more: Any) -> None:
        """Add a step that removes what was made for the plan."""
        self.discard.append(self.step(operation, parameters, absent_ok=True, **more))

    def step(
        self, operation: str, parameters: Answer | None = None, *, service: str = "", **more: Any
    ) -> Step:
        """A step of the call's service."""
        if "wait_for" in more:
            more["wait_for"] = filled(more["wait_for"])
        return Step(service or self.call.service, operation, filled(parameters or {}), **more)

    async def again(
        self,
        name: str,
        operation: str,
        parameters: Answer,
        *,
        find: tuple[str, Answer, str, str],
        present_ok: bool = False,
        **more: Any,
    ) -> Slot:
        """Make something again under a new id, once. `find` are the question that lists things like it, its parameters, the
        expression for the list, and the member that is the id. Returns the slot of the new id."""
        asks, asked, items, member = find
        answer = await self.ask(asks, asked)
        known = [item[member] for item in select(items, answer) or ()]
        unless = self.check(f"{name} of that kind", asks, asked, f"length({items})", len(known))
        self.back(operation, parameters, unless=unless, present_ok=present_ok, **more)
        new = f"{items} | [?!contains({quoted(known)}, {member})] | [0].{member}"
        self.back(asks, asked, saves={name: new})
        return slot(name)

    def done(self, kind: str = "full", *caveats: str) -> Plan:
        """The plan, with what was gathered."""
        return Plan(
            kind,
            prepare=tuple(self.prepare),
            inverse=tuple(self.inverse),
            checks=tuple(self.checks),
            saves=self.saves,
            lost=self.lost,
            caveats=(*self.caveats, *caveats),
            gentler=self.gentler,
            replaces_call=self.replaces,
            discard=tuple(self.discard),
        )

    def lossy(self, *caveats: str) -> Plan:
        """A plan that brings back all but what the caveats name; full when there are none."""
        return self.done("new_id" if self.caveats or caveats else "full", *caveats)


def filled(value: Any) -> Any:
    """Parameters as a step has them: what isn't a slot is literal."""
    if isinstance(value, Mapping):
        return {key: filled(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [filled(item) for item in value]
    return str(value) if isinstance(value, Slot) else literal(value)


def none(reason: str, gentler: str = "") -> Plan:
    """The plan of what can't be undone."""
    return Plan("none", reason=reason, gentler=gentler)


Maker: TypeAlias = Callable[[Draft], Awaitable[Plan]]


def planner(make: Maker) -> Planner:
    """A planner from a function that fills a draft. What isn't there can't be brought back."""

    async def plan(call: Call, calls: Here, nonce: str) -> Plan:
        try:
            return await make(Draft(call, calls, nonce))
        except Gone as gone:
            return none(str(gone))

    return plan


def never(reason: str, gentler: str = "") -> Maker:
    """A row for what has no inverse, with the reason and what could be done in its place."""

    async def make(_draft: Draft) -> Plan:
        return none(reason, gentler)

    return make
