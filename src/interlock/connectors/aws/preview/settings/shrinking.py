"""Capacity: how many of something run. What shrinks is weakened, and counts as that many of them deleted, so that limits on
shares see it: three hundred down to three is a deletion of 297, whatever the call is named."""

from interlock.connectors.aws.preview.found import Effects, items, thing
from interlock.connectors.aws.preview.survey import Survey
from interlock.model.effect import ChangeKind
from interlock.model.operation import Resource


def resized(survey: Survey, where: Resource, label: str, before: int, after: int) -> Effects:
    """From so many to so many."""
    survey.rests_on(f"{label} of {where.name}", before)
    survey.shows(label, before, after)
    said = f"{label} {before:,} → {after:,}"
    if after >= before:
        return [thing(where, ChangeKind.SETTING, said)]
    fewer = items(where, ChangeKind.DELETED, before - after, before, detail=said)
    return [thing(where, ChangeKind.WEAKENED, said), fewer]
