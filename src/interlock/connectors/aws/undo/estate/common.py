"""The few kinds of inverse that most rows are made of, as functions from data to a `Maker`.

Parameters are taken from something (the call's parameters, the state as it was, an answer) by a `Take`: names of members, or a
JMESPath expression for each parameter. In expressions on answers, `$Name` stands for the call's parameter of that name.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from interlock.connectors.aws.undo.estate.draft import (
    Answer,
    Draft,
    Gone,
    Maker,
    Slot,
    kept_all,
    planner,
    quoted,
    select,
    slot,
)
from interlock.connectors.aws.undo.plan import Plan
from interlock.connectors.aws.undo.registry import Row

Take: TypeAlias = Mapping[str, str] | tuple[str, ...]
Waits: TypeAlias = tuple[str, Take]
"""A waiter and its parameters, taken from the call's."""

_NAME = re.compile(r"\$([A-Za-z]\w*)")


def rows(service: str, table: Mapping[str, tuple[Maker, str, str]]) -> tuple[Row, ...]:
    """The rows of one service."""
    return tuple(
        Row(service, operation, planner(make), kind, line) for operation, (make, kind, line) in table.items()
    )


def take(spec: Take, source: Any) -> dict[str, Any]:
    """Parameters from a source; what it doesn't have is left out."""
    pairs = spec.items() if isinstance(spec, Mapping) else ((name, name) for name in spec)
    found = {name: select(expression, source) for name, expression in pairs}
    return {name: value for name, value in found.items() if value is not None}


def about(expression: str, parameters: Answer) -> str:
    """An expression with the call's parameters filled in."""
    return _NAME.sub(lambda found: quoted(parameters.get(found[1])), expression)


def nothing(draft: Draft) -> Plan:
    """The plan of a call that changes nothing."""
    draft.inverse.clear()
    return draft.done()


class Read(NamedTuple):
    """A question about the present state: its operation, parameters from the call, and what of the answer is meant."""

    operation: str
    asks: Take = ()
    at: str = "@"
    service: str = ""


async def state(draft: Draft, read: Read, what: str) -> Any:
    """The present state, which is compared before a revert as well."""
    parameters = draft.call.parameters
    return await draft.watch(
        what.format_map(_Names(parameters)),
        read.operation,
        take(read.asks, parameters),
        about(read.at, parameters),
        service=read.service,
    )


class _Names(dict[str, Any]):
    def __init__(self, parameters: Answer) -> None:
        super().__init__(parameters)

    def __missing__(self, key: str) -> str:
        return "?"


def made(
    deleter: str,
    answer: Take = (),
    given: Take = (),
    *,
    unless: Read | None = None,
    wait: Waits | None = None,
    caveats: tuple[str, ...] = (),
    gone: tuple[str, Answer, str] | None = None,
    present_ok: bool = False,
    watch: Read | None = None,
) -> Maker:
    """What was made is deleted: `answer` are the deleter's parameters from the call's answer, `given` from its parameters.

    `unless` asks whether it was there before: then a revert has nothing to delete. `gone` is a question whose expression gives
    nothing when it is deleted already, for services that don't say so clearly. `watch` is compared before a revert."""
    names = answer if isinstance(answer, Mapping) else {name: name for name in answer}

    async def make(draft: Draft) -> Plan:
        if unless is not None and await state(draft, unless, "what was made"):
            return nothing(draft)
        if watch is not None:
            await state(draft, watch, "what it is a part of")
        draft.saves.update(names)
        more = waiting(draft, wait)
        if gone is not None:
            more["unless"] = draft.check("what was made", *gone, None)
        parameters = take(given, draft.call.parameters) | {name: slot(name) for name in names}
        draft.back(deleter, parameters, absent_ok=True, present_ok=present_ok, **more)
        return draft.lossy(*caveats)

    return make


def waiting(draft: Draft, wait: Waits | None) -> dict[str, Any]:
    """The members of a step that waits."""
    if wait is None:
        return {}
    name, spec = wait
    if isinstance(spec, Mapping):
        pairs = {
            key: Slot(value) if "${" in value else select(value, draft.call.parameters)
            for key, value in spec.items()
        }
        return {"wait": name, "wait_for": pairs}
    return {"wait": name, "wait_for": take(spec, draft.call.parameters)}


def put_back(
    operation: str,
    keys: Take,
    members: Take,
    *,
    read: Read,
    what: str,
    absent: tuple[str, Take] | None = None,
    only_given: bool = False,
    must: bool = True,
    caveats: tuple[str, ...] = (),
    wait: Waits | None = None,
) -> Maker:
    """Settings are put back: `operation` with `keys` from the call and `members` from the state as it was (with `only_given` those
    alone that the call sets). `absent` is the deleter for what was not there before."""

    async def make(draft: Draft) -> Plan:
        parameters = draft.call.parameters
        old = await state(draft, _narrow(read, members, parameters) if only_given else read, what)
        if old in (None, [], {}, ""):
            if absent is None:
                raise Gone("what it changes is not there" if must else "it has no setting before")
            draft.back(absent[0], take(absent[1], parameters), absent_ok=True)
            return draft.lossy(*caveats)
        values = kept_all(old, *old) if only_given else take(members, old)
        draft.back(operation, take(keys, parameters) | values, **waiting(draft, wait))
        return draft.lossy(*caveats)

    return make


def _narrow(read: Read, members: Take, parameters: Answer) -> Read:
    """The question, for no more than what the call sets."""
    pairs = members.items() if isinstance(members, Mapping) else ((name, name) for name in members)
    shape = ", ".join(f'"{name}": {expression}' for name, expression in pairs if name in parameters)
    return read._replace(at=f"{read.at} | {{{shape}}}") if shape else read


def switched(
    opposite: str,
    keys: Take,
    *,
    read: Read,
    what: str,
    when: Any = True,
    absent_ok: bool = False,
    present_ok: bool = False,
    caveats: tuple[str, ...] = (),
    wait: Waits | None = None,
) -> Maker:
    """One of a pair (attach and detach, enable and disable): the opposite call brings it back, if before it was as `when` says."""

    async def make(draft: Draft) -> Plan:
        before = await state(draft, read, what)
        if before is None:
            raise Gone("what it changes is not there")
        if before != when:
            return nothing(draft)
        draft.back(
            opposite,
            take(keys, draft.call.parameters),
            absent_ok=absent_ok,
            present_ok=present_ok,
            **waiting(draft, wait),
        )
        return draft.lossy(*caveats)

    return make
