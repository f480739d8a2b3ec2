"""What planners of the data services share: reading the present state, and the three kinds of inverse that most rows have."""

from collections.abc import Mapping, Sequence
from typing import Any

from interlock.connectors.aws.call import CallFailed
from interlock.connectors.aws.undo.compare import fingerprint, missing
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.names import search
from interlock.connectors.aws.undo.plan import ANY, Check, Plan, Step, literal

__all__ = ["Parameters", "filled", "final", "literal", "nothing", "read", "some", "step", "undone", "watch"]

Parameters = Mapping[str, Any]


async def read(
    calls: Here, service: str, operation: str, parameters: Parameters, select: str = "@", *, region: str = ""
) -> Any:
    """What a reading call answers; None when there is no such thing. Raises CallFailed."""
    try:
        answer = await calls.ask(service, operation, parameters, region=region)
    except CallFailed as error:
        if missing(error):
            return None
        raise
    return search(select, answer)


async def watch(
    calls: Here,
    what: str,
    service: str,
    operation: str,
    parameters: Parameters,
    select: str = "@",
    *,
    after: Any = ANY,
) -> tuple[Any, Check]:
    """The present state, and the check that a revert compares it by."""
    now = await read(calls, service, operation, parameters, select)
    return now, Check(what, service, operation, parameters, select, before=fingerprint(now), after=after)


def step(service: str, operation: str, parameters: Parameters, **options: Any) -> Step:
    """A step whose parameters are data: nothing in them stands for a name."""
    return Step(service, operation, literal(parameters), **options)


def undone(
    check: Check | Sequence[Check], *inverse: Step, kind: str = "full", caveats: Sequence[str] = ()
) -> Plan:
    """A plan of steps, compared by checks."""
    checks = (check,) if isinstance(check, Check) else tuple(check)
    return Plan(kind, inverse=inverse, checks=checks, caveats=tuple(caveats))


def final(reason: str, gentler: str = "") -> Plan:
    """The plan of what cannot be undone."""
    return Plan("none", reason=reason, gentler=gentler)


def nothing() -> Plan:
    """The plan of a call that changes what isn't there: it will fail; should it not, nothing was kept."""
    return final("there is no such thing now")


def some(parameters: Parameters, names: str) -> dict[str, Any]:
    """The members of that name (with spaces between them) that there are."""
    return {name: parameters[name] for name in names.split() if parameters.get(name) is not None}


def filled(parameters: Parameters) -> dict[str, Any]:
    """Without the members that are nothing."""
    return {name: value for name, value in parameters.items() if value not in (None, "", [], {})}
