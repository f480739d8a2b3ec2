"""What a unit of work asks of policy, before and after its effects are known."""

from collections.abc import Iterator

import msgspec

from interlock.model.change import Measurement
from interlock.model.decision import Target
from interlock.model.effect import ACTION_OF, Evidence, Totals, totals
from interlock.model.operation import Action, Operation, Resource
from interlock.pipeline.commands import Question
from interlock.sdk.connector import Work


def before(operations: tuple[Operation, ...], target: Target) -> tuple[Question, ...]:
    """One question for each action on each resource. What names no resource is asked of the target as a whole, and so is a unit
    that asks nothing (an empty transaction)."""
    whole = Resource("target", target.name)
    if not operations:
        return (Question(Action.READ, whole),)
    found = (Question(o.action, r) for o in operations for r in o.resources or (whole,))
    return tuple(dict.fromkeys(found))


def after(work: Work, measurement: Measurement, target: Target) -> tuple[Question, ...]:
    """The same, and one for each effect: what a trigger or a cascade reaches needs its right as well."""
    return tuple(dict.fromkeys((*before(work.operations, target), *_effects(measurement))))


def _effects(measurement: Measurement) -> Iterator[Question]:
    for effect in measurement.effects:
        if effect.count or effect.evidence is Evidence.UNKNOWN:
            yield Question(ACTION_OF[effect.change], effect.resource)


def totals_of(work: Work, measurement: Measurement) -> Totals:
    """The effects in numbers; each operation whose effect cannot be known counts as unknown."""
    found = totals(measurement.effects)
    blind = sum(1 for o in work.operations if o.evidence_unknown)
    return msgspec.structs.replace(found, unknown=found.unknown + blind)


def only_reads(work: Work, measurement: Measurement) -> bool:
    """Whether the unit asks for nothing but reading, and was seen at nothing else (effects without a number: values that were taken
    from a sequence)."""
    return not measurement.effects and all(o.action is Action.READ for o in work.operations)


def nothing_happens(work: Work, measurement: Measurement) -> bool:
    """Whether the preview shows, and does not merely fail to show, that the unit changes nothing. What was measured lies in the
    unit's own transaction; what was planned may be otherwise by the time that the call is made."""
    seen = any(e.count or e.evidence is not Evidence.MEASURED for e in measurement.effects)
    return not seen and not any(o.evidence_unknown for o in work.operations)
