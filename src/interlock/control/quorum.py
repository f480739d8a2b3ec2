"""Who counts towards a quorum (P4): distinct people of the group, and nobody with an interest in the change."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from interlock.control.approval import verify
from interlock.control.passkey import Site
from interlock.model.base import Value
from interlock.model.change import Approval, Change, Verdict
from interlock.model.people import Agent, Grant, Person, Quorum


class Tally(Value, frozen=True):
    """How far a quorum is. `given` are the distinct persons who count, `excluded` those who spoke and do not, with the reason.
    `denied_by` ends the change whatever else was given."""

    quorum: str
    needed: int
    given: tuple[str, ...] = ()
    excluded: tuple[tuple[str, str], ...] = ()
    denied_by: str = ""

    @property
    def missing(self) -> int:
        return max(0, self.needed - len(self.given))

    @property
    def met(self) -> bool:
        return not self.missing and not self.denied_by


def conflict_of_interest(person: str, agent: Agent | None, grants: Sequence[Grant], change: Change) -> str:
    """Why the person can never count for this change (P4); empty when they can."""
    if person == change.owner or (agent is not None and person == agent.owner):
        return "owns the agent"
    if agent is not None and person in agent.past_owners:
        return "owned the agent before"
    if any(g.granted_by == person for g in grants if g.agent == change.agent):
        return "granted the agent a right"
    if person == change.requested_by:
        return "asked for the change"
    return "is the agent" if person == change.agent else ""


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
) -> Tally:
    """Count the approvals of a change towards a quorum. Everything is verified again: nothing is remembered as verified."""
    given: dict[str, str] = {}
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
        if not why and approval.public_key in conflicted:
            why = "uses the key of someone who cannot count"
        if not why and approval.public_key in given.values() and name not in given:
            why = "uses the key of someone who counts already"
        if why:
            excluded[name] = why
        else:
            given[name] = approval.public_key
    left = tuple((name, why) for name, why in excluded.items() if name not in given)
    return Tally(quorum.name, quorum.count, tuple(given), left, denied_by)


def _outside(person: Person | None, quorum: Quorum) -> str:
    return (
        "" if person is not None and quorum.group in person.groups else f"is not in the group {quorum.group}"
    )
