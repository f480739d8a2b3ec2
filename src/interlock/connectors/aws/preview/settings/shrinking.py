"""Capacity: how many of something run.

What shrinks is weakened, and counts as that many of them deleted, so that limits on shares see it: three hundred down to three is a
deletion of 297, whatever the call is named. What served and is scaled to nothing serves nobody: that is hidden, as if it were taken
away."""

from interlock.connectors.aws.preview.found import Effects, items, thing
from interlock.connectors.aws.preview.survey import Survey
from interlock.model.effect import ChangeKind
from interlock.model.operation import Resource


def resized(
    survey: Survey, where: Resource, label: str, before: int, after: int, *, serves: bool = False
) -> Effects:
    """From so many to so many. Where that number is what `serves`, none of it is the end of the thing for whoever uses it: it is
    still there, and hidden."""
    survey.rests_on(f"{label} of {where.name}", before)
    survey.shows(label, before, after)
    said = f"{label} {before:,} → {after:,}"
    if after >= before:
        return [thing(where, ChangeKind.SETTING, said)]
    fewer = items(where, ChangeKind.DELETED, before - after, before, detail=said)
    gone = serves and after <= 0
    return [thing(where, ChangeKind.HIDDEN if gone else ChangeKind.WEAKENED, said), fewer]
