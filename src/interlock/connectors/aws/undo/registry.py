"""Which operations have a before-image, and how it is planned."""

import functools
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from interlock.connectors.aws.call import Call, CallFailed, Calls
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import NOTHING, Check, Plan, Step

Planner: TypeAlias = Callable[[Call, Here, str], Awaitable[Plan]]
"""From a call, the gateway's own calls in its region, and the nonce that names copies."""


@dataclass(frozen=True, slots=True)
class Row:
    """An operation that is covered. `kind` is the best that its plans can be, `line` what people read in docs/undo-aws.md:
    what is kept, and how it comes back."""

    service: str
    operation: str
    planner: Planner
    kind: str
    line: str


def rows_of(
    service: str, operations: str | Iterable[str], planner: Planner, kind: str, line: str
) -> tuple[Row, ...]:
    """Rows of operations (names with spaces between them) that are planned alike."""
    names = operations.split() if isinstance(operations, str) else operations
    return tuple(Row(service, name, planner, kind, line) for name in names)


@functools.cache
def table() -> dict[tuple[str, str], Row]:
    """All rows, by service and operation."""
    # Planners plan parts of other calls through `plan_for`, so their modules import this one.
    from interlock.connectors.aws.undo import data, estate

    found: dict[tuple[str, str], Row] = {}
    for row in (*data.ROWS, *estate.ROWS):
        if (row.service, row.operation) in found:
            raise ValueError(f"two rows for {row.service}:{row.operation}")
        found[row.service, row.operation] = row
    return found


def covers(service: str, operation: str) -> bool:
    """Whether a row brings something back."""
    row = table().get((service, operation))
    return row is not None and row.kind != "none"


async def plan_for(call: Call, calls: Calls, nonce: str) -> Plan:
    """Plan a call by its row. `kind` is `none` when there is no row, or the present state cannot be read. Raises Unavailable."""
    row = table().get((call.service, call.operation))
    if row is None:
        return NOTHING
    inner = calls.calls if isinstance(calls, Here) else calls
    here = Here(inner, call.region)
    try:
        planned = await row.planner(call, here, nonce)
    except CallFailed as error:
        return Plan("none", reason=f"its present state cannot be read ({error.code})")
    return placed(planned, here.region)


def placed(plan: Plan, region: str) -> Plan:
    """The plan with the region written into each of its calls that names none."""
    return msgspec.structs.replace(
        plan,
        prepare=tuple(_step(step, region) for step in plan.prepare),
        inverse=tuple(_step(step, region) for step in plan.inverse),
        discard=tuple(_step(step, region) for step in plan.discard),
        checks=tuple(_check(check, region) for check in plan.checks),
    )


def _step(step: Step, region: str) -> Step:
    unless = step.unless and _check(step.unless, region)
    return msgspec.structs.replace(step, region=step.region or region, unless=unless)


def _check(check: Check, region: str) -> Check:
    return msgspec.structs.replace(check, region=check.region or region)
