"""What a preview and a plan of undo come to together: effects that say whether they can be taken back, and their storage."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from interlock.connectors.aws import undo
from interlock.connectors.aws.call import Call, Calls, Classified, Described
from interlock.connectors.aws.preview.seen import Seen
from interlock.connectors.aws.undo.plan import ANY
from interlock.connectors.aws.undo.store import mark, pack, unpack
from interlock.model.base import Value
from interlock.model.effect import ChangeKind, Effect, Evidence, Unit
from interlock.model.errors import InterlockError

NOTHING_SEEN = Seen()
_SETTINGS = 6
_LONGEST = 300
_VALUE = 200
_PLAN, _DONE = b"P", b"C"


class Looked(Protocol):
    """A call with what was found out about it."""

    what: Classified
    described: Described
    plan: undo.Plan
    nonce: str
    effects: tuple[Effect, ...]


def effects(what: Classified, described: Described, plan: undo.Plan) -> tuple[Effect, ...]:
    """The effects with what the plan says of each. The first one tells what people must read before they approve: what
    changes from what to what, and what comes back otherwise than it was."""
    found = [with_undo(effect, plan) for effect in described.effects]
    if found and (told := _told(described, plan)):
        detail = "; ".join(part for part in (found[0].detail, told) if part)
        found[0] = msgspec.structs.replace(found[0], detail=_short(detail))
    return tuple(found)


def with_undo(effect: Effect, plan: undo.Plan) -> Effect:
    """An effect with what a plan says of its undo."""
    if effect.evidence is Evidence.UNKNOWN:
        return msgspec.structs.replace(
            effect, reversible=False, reason=effect.reason or "its effect is not known"
        )
    if plan.kind == "none":
        return msgspec.structs.replace(effect, reversible=False, reason=_reason(plan))
    why = _lost(effect.resource.name, plan.lost)
    if why:
        return msgspec.structs.replace(effect, reversible=False, reason=why)
    return msgspec.structs.replace(effect, reversible=True, reason="")


def _reason(plan: undo.Plan) -> str:
    return f"{plan.reason} (gentler: {plan.gentler})" if plan.gentler else plan.reason


def _lost(name: str, lost: Mapping[str, str]) -> str:
    for pattern, why in lost.items():
        if name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1])):
            return why
    return ""


def _told(described: Described, plan: undo.Plan) -> str:
    settings = [
        f"{s.name}: {_short(s.before, _VALUE) or 'unset'} → {_short(s.after, _VALUE) or 'unset'}"
        for s in described.settings[:_SETTINGS]
    ]
    more = (
        [f"{len(described.settings) - _SETTINGS} more settings"]
        if len(described.settings) > _SETTINGS
        else []
    )
    gentler = [f"gentler: {plan.gentler}"] if plan.gentler and plan.kind != "none" else []
    return "; ".join([*settings, *more, *described.notes[:3], *plan.caveats[:3], *gentler])


def _short(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def merged(groups: Sequence[Sequence[Effect]]) -> tuple[Effect, ...]:
    """The effects of several calls as those of one unit."""
    return tuple(effect for group in groups for effect in group)


def with_effects(seen: Seen, found: Iterable[Effect]) -> Seen:
    """What the next call of the same unit finds done."""
    gone = [e.resource.name for e in found if e.unit is Unit.OBJECTS and e.change is ChangeKind.DELETED]
    return seen.with_deleted(gone, "", datetime.now(UTC))


def exact(value: Any) -> Any:
    """JSON builtins that have a canonical form: numbers with a fraction are texts."""
    return _plain(mark(value))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return repr(value) if isinstance(value, float) else value


class Plans(Value, frozen=True):
    """The plans of a unit's calls, in their order, and what names their copies."""

    plans: tuple[undo.Plan, ...]


class Done(Value, frozen=True):
    """What the answers to a unit's calls completed, in their order."""

    completed: tuple[undo.Completed, ...]


def pack_plans(plans: Sequence[undo.Plan]) -> tuple[bytes, ...]:
    """As parts of a before-image."""
    return tuple(_PLAN + part for part in pack(Plans(tuple(plans))))


def pack_completed(completed: Sequence[undo.Completed]) -> tuple[bytes, ...]:
    """As parts that the outcome adds."""
    return tuple(_DONE + part for part in pack(Done(tuple(completed))))


def unpacked(parts: Sequence[bytes]) -> tuple[tuple[undo.Plan, undo.Completed], ...]:
    """The calls' plans, each with what became of it. One whose outcome was never stored has nothing. Raises Rejected."""
    plans = unpack([part[1:] for part in parts if part[:1] == _PLAN], Plans).plans
    later = [part[1:] for part in parts if part[:1] == _DONE]
    done = unpack(later, Done).completed if later else ()
    filled = (*done, *(undo.Completed() for _ in range(len(plans) - len(done))))
    return tuple(zip(plans, filled, strict=False))


def compared_later(plan: undo.Plan) -> undo.Plan:
    """The plan of a call that others follow in the same unit: what it leaves is read when all are made."""
    checks = tuple(msgspec.structs.replace(check, after=ANY) for check in plan.checks)
    return msgspec.structs.replace(plan, checks=checks)


class Nonces:
    """Names for the copies that one unit makes: all begin with `unit`, which its change is marked with."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self._given = 0

    def __call__(self) -> str:
        self._given += 1
        return f"{self.unit}{self._given:04x}"


def marker(region: str, unit: str, plans: Iterable[undo.Plan]) -> dict[str, str]:
    """What recovery needs besides the before-image, and the trash: which unit's copies these are, and whether there are any."""
    kept = {"kept": f"interlock-{unit}"} if any(plan.discard for plan in plans) else {}
    return {"region": region, "xid": unit, **kept}


_THROUGH: Mapping[str, tuple[str, str]] = {
    "cloudformation:DeleteStack": ("stack_delete_complete", "StackName"),
    "cloudformation:CreateStack": ("stack_create_complete", "StackName"),
    "dynamodb:DeleteTable": ("table_not_exists", "TableName"),
    "rds:DeleteDBInstance": ("db_instance_deleted", "DBInstanceIdentifier"),
}
"""Calls that go on after their answer, and botocore's waiter for their end: what follows them in one unit waits for it."""


async def through(piece: Looked, calls: Calls) -> None:
    """Wait until a call is carried out, where more follows it. Raises CallFailed, Unavailable."""
    call: Call = piece.what.call
    waits = getattr(calls, "wait", None)
    if call.name in _THROUGH and waits is not None:
        waiter, name = _THROUGH[call.name]
        await waits(call.service, waiter, {name: call.parameters[name]}, region=call.region)


async def discarded(plan: undo.Plan, completed: undo.Completed, calls: Calls) -> None:
    """Remove copies of a call that was not made. What cannot be removed stays, and costs room only: the outcome is not lost
    over it."""
    with contextlib.suppress(InterlockError):
        await undo.discard(plan, completed, calls)
