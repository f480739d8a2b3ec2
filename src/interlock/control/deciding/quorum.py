"""Who counts towards a quorum (P4): distinct people of its groups, each for one part of it, and nobody with an interest in the
change. Wider effects need more people, never fewer."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from interlock.control.deciding.approval import rfc3339, verify
from interlock.control.deciding.passkey import Site
from interlock.model.base import Value
from interlock.model.change import Approval, Change, Verdict
from interlock.model.effect import totals
from interlock.model.matching import Place, assign
from interlock.model.people import Agent, Grant, Person, Quorum
from interlock.model.proposal import INTERLOCK

EVERYONE = "any group"
"""Stands for the group of all people, in `ANYBODY` alone."""

ANYBODY = Quorum("one person", 1, EVERYONE)
"""What a revert waits for that nobody has asked for: the one person whom a revert needs in any case. No quorum of the configuration
can have this name."""


class PartTally(Value, frozen=True):
    """How far one part of a quorum is: `given` fill it, each of one of `groups`."""

    groups: tuple[str, ...]
    needed: int
    given: tuple[str, ...] = ()

    @property
    def missing(self) -> int:
        return self.needed - len(self.given)


class Tally(Value, frozen=True):
    """How far a quorum is. `given` are the distinct persons who count, `excluded` those who spoke and do not, with the reason.
    `parts` tell who fills which part: somebody may count and yet not be the one who is missing. For each of the `hasty` one more
    person is needed. `denied_by` ends the change
    whatever else was given."""

    quorum: str
    parts: tuple[PartTally, ...]
    given: tuple[str, ...] = ()
    hasty: tuple[str, ...] = ()
    excluded: tuple[tuple[str, str], ...] = ()
    denied_by: str = ""

    @property
    def needed(self) -> int:
        return sum(part.needed for part in self.parts)

    @property
    def missing(self) -> int:
        return sum(part.missing for part in self.parts)

    @property
    def met(self) -> bool:
        return not self.missing and not self.denied_by


def places(quorum: Quorum, change: Change) -> tuple[Place, ...]:
    """What the quorum needs for this change. An effect that is not known is as wide as any (P2)."""
    found = totals(change.measurement.effects)
    blind = bool(found.unknown) or any(o.evidence_unknown for o in change.operations)
    reached = (
        step.count
        for step in quorum.wider
        if blind or 0 < step.objects <= found.objects or 0 < step.rows <= found.rows
    )
    first = Place(max((quorum.count, *reached)), (quorum.group,))
    return (first, *(Place(part.count, (part.group,)) for part in quorum.also))


OF = ","
"""Between the names of those whom a proposal is about: the `owner` of its change, which holds one name for all other changes."""


def conflict_of_interest(person: str, agent: Agent | None, grants: Sequence[Grant], change: Change) -> str:
    """Why the person can never count for this change (P4); empty when they can."""
    if change.target == INTERLOCK and person in change.owner.split(OF):
        return "is whom it is about, or owns the agent"
    if person == change.owner or (agent is not None and person == agent.owner):
        return "owns the agent"
    if agent is not None and person in agent.past_owners:
        return "owned the agent before"
    if any(g.granted_by == person for g in grants if g.agent == change.agent):
        return "granted the agent a right"
    if person == change.requested_by:
        return "asked for the change"
    return "is the agent" if person == change.agent else ""


def barred(
    person: str, people: Mapping[str, Person], agent: Agent | None, grants: Sequence[Grant], change: Change
) -> str:
    """As `conflict_of_interest`, for whoever has the same key as well: an alias enrolled with the owner's key is the owner."""
    known = people.get(person)
    same = [person, *(p.name for p in people.values() if known is not None and p.is_like(known))]
    return next((why for p in same if (why := conflict_of_interest(p, agent, grants, change))), "")


def count(
    approvals: Sequence[Approval],
    people: Mapping[str, Person],
    agent: Agent | None,
    grants: Sequence[Grant],
    change: Change,
    quorum: Quorum,
    now: datetime,
    *,
    origin: str,
    site: Site | None = None,
    strict: bool = True,
) -> Tally:
    """Count the approvals of a change towards a quorum. Everything is verified again: nothing is remembered as verified. `strict`
    tells that the change is in a strict environment, where people who are new do not count yet."""
    given: dict[str, str] = {}
    hasty: dict[str, None] = {}
    excluded: dict[str, str] = {}
    denied_by = ""
    # An alias enrolled with the owner's key is the owner.
    conflicted = {
        key for p in people.values() if conflict_of_interest(p.name, agent, grants, change) for key in p.keys
    }
    for approval in approvals:
        name = approval.statement.person
        person = people.get(name)
        if why := verify(approval, change, person, now, origin=origin, site=site):
            excluded[name] = why
            continue
        if approval.statement.verdict is Verdict.DENY:
            denied_by = denied_by or name
            continue
        why = conflict_of_interest(name, agent, grants, change) or _outside(person, quorum)
        why = why or (too_new(person, now) if strict else "")
        if not why and approval.public_key in conflicted:
            why = "uses the key of someone who cannot count"
        if not why and approval.public_key in given.values() and name not in given:
            why = "uses the key of someone who counts already"
        if why:
            excluded[name] = why
        else:
            given[name] = approval.public_key
            if approval.hasty:
                hasty[name] = None
    left = tuple((name, why) for name, why in excluded.items() if name not in given)
    more = (Place(len(hasty), quorum.groups),) if hasty else ()
    everyone = (EVERYONE,) if quorum.name == ANYBODY.name else ()
    groups = {name: (*people[name].groups, *everyone) for name in given}
    parts = _parts(groups, (*places(quorum, change), *more))
    return Tally(quorum.name, parts, tuple(given), tuple(hasty), left, denied_by)


def _parts(given: Mapping[str, Sequence[str]], needed: Sequence[Place]) -> tuple[PartTally, ...]:
    filled = assign(given, needed)
    return tuple(
        PartTally(place.groups, place.count, names) for place, names in zip(needed, filled, strict=True)
    )


def too_new(person: Person | None, now: datetime) -> str:
    """Why nothing that the person approves counts in a strict environment yet; empty when it does."""
    if person is None or person.counts_from is None or person.counts_from <= now:
        return ""
    return f"is new: their approvals count from {rfc3339(person.counts_from)} on"


def fits(person: Person, quorum: Quorum) -> bool:
    """Whether the person is of a group whose people can count."""
    return quorum.name == ANYBODY.name or not set(quorum.groups).isdisjoint(person.groups)


def _outside(person: Person | None, quorum: Quorum) -> str:
    if person is not None and fits(person, quorum):
        return ""
    groups = quorum.groups
    return f"is not in the group{'s' if len(groups) > 1 else ''} {', '.join(groups)}"
