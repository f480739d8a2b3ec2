"""Bodies of ledger entries. They hold digests, names and numbers: never statement texts, parameters or row values, and never more
than an entry may hold (64 KiB), however much a unit of work touches."""

from collections import Counter
from collections.abc import Iterable, Mapping

from interlock.control.deciding import approval as approvals
from interlock.model.base import Json, digest_of, to_json
from interlock.model.break_glass import BreakGlass
from interlock.model.breaker import Breaker
from interlock.model.change import Approval, Change, Measurement, Review
from interlock.model.decision import Decision, Forbid, Hold, Permit, Rehearse
from interlock.model.effect import Effect, totals
from interlock.model.operation import Operation
from interlock.model.signal import Trip

SHOWN = 60
"""Most effects, verbs or reasons that are written out; the digest covers all of them."""

TEXT = 200
"""Most characters of a name or sentence that came from outside."""


def cut(text: str, longest: int = TEXT) -> str:
    """Text that has a canonical form and a bounded length."""
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def subject(change: Change) -> dict[str, Json]:
    """Who and what: the members that every entry about a change begins with."""
    return {
        "change": change.id,
        "agent": change.agent,
        "target": change.target,
        "environment": change.environment,
    }


def asked(change: Change) -> dict[str, Json]:
    """All that was asked, with the digests that approvals are bound to."""
    return {
        **subject(change),
        "owner": change.owner,
        "session": change.session,
        "fingerprint": cut(change.fingerprint),
        "content": change.content,
        "verbs": verbs(change.operations),
        "reason": cut(change.reason),
        "requested_by": change.requested_by,
        "reverts": change.reverts,
        "replaces": change.replaces,
        **({"break_glass": change.break_glass} if change.break_glass else {}),
    }


def held(change: Change, payloads: Mapping[str, str]) -> dict[str, Json]:
    """An entry `change.held`: `bound` is the preimage of `binding`, which people sign."""
    return {
        **asked(change),
        **effects(change.measurement),
        "decision": decision(change.decision),
        "bound": approvals.bound(change),
        "binding": approvals.binding(change),
        "nonce": change.nonce,
        "expires": approvals.rfc3339(change.expires_at) if change.expires_at else "",
        "payloads": dict(payloads),
    }


def intent(
    change: Change, measured: Measurement, final: Decision, payloads: Mapping[str, str], people: Iterable[str]
) -> dict[str, Json]:
    """An entry `intent`: what is about to take effect, as it was measured just now."""
    return {
        **asked(change),
        **effects(measured),
        "decision": decision(final),
        "marker": {cut(k): cut(v) for k, v in change.marker.items()},
        "payloads": dict(payloads),
        "quorums": list(people),
    }


def outcome(
    change: Change, committed: bool | None, payloads: Mapping[str, str] | None = None
) -> dict[str, Json]:
    """An entry `outcome` or `recovery`; `payloads` are the digests of what the outcome adds to the before-image."""
    body = {**subject(change), "state": change.state.value, "committed": committed, "note": cut(change.note)}
    return {**body, "payloads": payloads} if payloads else body


def moved(change: Change, before: Change, by: str, why: str) -> dict[str, Json]:
    """An entry `change.moved`."""
    return {
        **subject(change),
        "from": before.state.value,
        "to": change.state.value,
        "by": by,
        "why": cut(why),
    }


def spoken(approval: Approval, review: Review | None = None) -> dict[str, Json]:
    """An entry `approval` or `denial`: all that an offline check of the signature needs. Of an approval also since when its review
    was open, and whether it was a hasty one."""
    more: dict[str, Json] = {}
    if approval.assertion is not None:
        more["assertion"] = to_json(approval.assertion)
    if review is not None:
        more |= {"opened": approvals.rfc3339(review.opened_at), "hasty": approval.hasty}
    return {
        **more,
        "change": approval.statement.change,
        "person": approval.statement.person,
        "statement": to_json(approval.statement),
        "signature": approval.signature,
        "public_key": approval.public_key,
    }


def passed(change: Change, over: BreakGlass) -> dict[str, Json]:
    """An entry `break_glass` about a change that passed because the glass is broken for its target."""
    return {"event": "passed", **broken(over), "change": change.id}


def broken(glass: BreakGlass) -> dict[str, Json]:
    """Who broke the glass, and for what."""
    return {
        "break_glass": glass.id,
        "person": glass.person,
        "change": glass.change,
        "target": glass.target,
        "environment": glass.environment,
    }


def taken_back(approval: Approval, by: str, why: str) -> dict[str, Json]:
    """An entry `approval.withdrawn`: which approval does not count any more."""
    words = approval.statement
    return {
        "change": words.change,
        "person": words.person,
        "statement_digest": digest_of(words),
        "by": by,
        "why": cut(why),
    }


def decision(made: Decision) -> dict[str, Json]:
    """A decision, with the policies that made it."""
    body: dict[str, Json] = {"kind": kind_of(made), "reasons": [cut(r) for r in made.reasons[:SHOWN]]}
    match made:
        case Hold(remedies) | Rehearse(remedies):
            body["remedies"] = [cut(r) for r in remedies[:SHOWN]]
        case Forbid(why):
            body["why"] = cut(why)
        case Permit():
            pass
    return body


def kind_of(made: Decision) -> str:
    return type(made).__name__.lower()


def effects(measurement: Measurement) -> dict[str, Json]:
    """A measurement in digests and numbers; the first effects are written out."""
    numbers = {k: v for k, v in _members(totals(measurement.effects)).items() if v}
    return {
        "totals": numbers,
        "effects": [_effect(e) for e in measurement.effects[:SHOWN]],
        "effects_in_all": len(measurement.effects),
        "effects_digest": digest_of(measurement.effects),
        "undo_how": measurement.undo_how,
    }


def _effect(effect: Effect) -> dict[str, Json]:
    return {
        "kind": effect.resource.kind,
        "name": cut(effect.resource.name),
        "change": effect.change.value,
        "count": effect.count,
        "unit": effect.unit.value,
        "evidence": effect.evidence.value,
        "reversible": effect.reversible,
    }


def verbs(operations: Iterable[Operation]) -> dict[str, Json]:
    """How often each verb was asked."""
    found = Counter(cut(o.verb, 60) for o in operations)
    return dict(found.most_common(SHOWN))


def _members(value: object) -> dict[str, int]:
    found = to_json(value)
    return found if isinstance(found, dict) else {}


def switch(row: Breaker, by: str) -> dict[str, Json]:
    """An entry `breaker` or `freeze`."""
    return {
        "scope": row.scope,
        "state": row.state.value,
        "frozen": row.frozen,
        "reason": row.reason,
        "epoch": row.epoch,
        "by": by,
    }


def tripped(row: Breaker, trip: Trip) -> dict[str, Json]:
    """An entry `breaker` of one that opened by itself, with the changes that led there."""
    steps = [step.change for step in trip.steps if step.change]
    return {
        **switch(row, row.moved_by),
        "signal": trip.signal.value,
        "agent": trip.agent,
        "session": trip.session,
        "environment": trip.environment,
        "target": trip.target,
        "changes": list(dict.fromkeys(steps))[-SHOWN:],
        "operations": len(trip.steps),
    }
