"""A request in Cedar's words: the resource and what it lies in, and the context."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import msgspec

from interlock.model.base import Value
from interlock.model.decision import EvidenceHeld, Request, Target
from interlock.model.effect import Totals
from interlock.model.operation import Resource
from interlock.policy.tree import Facet

NOTHING = Totals()


class Subject(Value, frozen=True):
    """Who acts on what: the part of a request that comes again and again."""

    agent: str
    owner: str
    target: Target
    resource: Resource


def subject(request: Request) -> Subject:
    return Subject(request.agent, request.owner, request.target, request.resource)


def resource_id(target: Target, resource: Resource) -> str:
    """`TARGET/KIND/NAME`: neither a target's name nor a kind has a slash."""
    return f"{target.name}/{resource.kind}/{resource.name}"


def group_id(target: Target, group: str) -> str:
    return f"{target.name}/{group}"


def facets(who: Subject) -> tuple[Facet, ...]:
    """Everything about the resource that a policy can be indexed by."""
    target, resource = who.target, who.resource
    return (
        ("Resource", resource_id(target, resource)),
        ("Group", group_id(target, resource.group)),
        ("Target", target.name),
        ("Environment", target.environment),
        (".name", resource.name),
        (".group", resource.group),
        (".target", target.name),
        (".environment", target.environment),
        (".kind", resource.kind),
    )


def entities(who: Subject) -> list[dict[str, Any]]:
    """The agent, the resource and all it lies in, in Cedar's JSON form."""
    target, resource = who.target, who.resource
    group = _uid("Group", group_id(target, resource.group))
    parents = [_uid("Target", target.name)] + ([group] if resource.group else [])
    attributes = {
        "kind": resource.kind,
        "name": resource.name,
        "group": resource.group,
        "target": target.name,
        "environment": target.environment,
        "strict": target.strict,
    }
    found = [
        _entity(_uid("Agent", who.agent), {"owner": who.owner}, []),
        _entity(_uid("Resource", resource_id(target, resource)), attributes, parents),
        _entity(_uid("Target", target.name), {}, [_uid("Environment", target.environment)]),
        _entity(_uid("Environment", target.environment), {}, []),
    ]
    return [*found, _entity(group, {}, [_uid("Target", target.name)])] if resource.group else found


def context(totals: Totals | None, evidence: EvidenceHeld, now: datetime) -> bytes:
    """The context of a question, as JSON. ValueError when `now` has no time zone: it would be taken for local time."""
    if now.tzinfo is None:
        raise ValueError("the time of a request needs a time zone")
    effects = totals or NOTHING
    return msgspec.json.encode(
        {
            "known": totals is not None,
            "effects": {**msgspec.structs.asdict(effects), "rows": effects.rows},
            "evidence": evidence,
            "now": int(now.astimezone(UTC).timestamp()),
        }
    )


def given(evidence: EvidenceHeld) -> frozenset[str]:
    """Evidence as remedies."""
    flags = {"rehearsal": evidence.rehearsal, "plan": evidence.plan}
    return frozenset(f"quorum:{name}" for name in evidence.quorums) | {r for r, yes in flags.items() if yes}


def with_remedies(evidence: EvidenceHeld, remedies: Collection[str]) -> EvidenceHeld:
    """The evidence as it would be with those remedies."""
    quorums = (r.removeprefix("quorum:") for r in remedies if r.startswith("quorum:"))
    return EvidenceHeld(
        quorums=tuple(sorted({*evidence.quorums, *quorums})),
        rehearsal=evidence.rehearsal or "rehearsal" in remedies,
        plan=evidence.plan or "plan" in remedies,
    )


def _uid(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": name}


def _entity(uid: dict[str, str], attrs: dict[str, Any], parents: list[dict[str, str]]) -> dict[str, Any]:
    return {"uid": uid, "attrs": attrs, "parents": parents}
