"""Decisions: what policy says of an operation and its effects."""

from collections.abc import Iterable
from datetime import datetime
from typing import TypeAlias

from interlock.model.base import Value
from interlock.model.effect import Totals
from interlock.model.operation import Action, Resource

UNDECIDED = "undecided"
"""The reason of a Forbid that is no policy's word: nothing can be decided now, and trying again later helps."""
HALTED = "halted"
"""The same for one that is a person's: everything is halted."""


class Permit(Value, frozen=True, tag=True):
    """Allowed. `reasons` are the ids of the policies that allowed it."""

    reasons: tuple[str, ...] = ()


class Hold(Value, frozen=True, tag=True):
    """Not before each of `remedies` (`quorum:two-sre`, `plan`) is given; no other would do."""

    remedies: tuple[str, ...]
    reasons: tuple[str, ...] = ()


class Rehearse(Value, frozen=True, tag=True):
    """Not before a rehearsal elsewhere (and the other `remedies`)."""

    remedies: tuple[str, ...]
    reasons: tuple[str, ...] = ()


class Forbid(Value, frozen=True, tag=True):
    """Not at all. `why` is one sentence for the agent, without policy text or paths."""

    why: str
    reasons: tuple[str, ...] = ()


Decision: TypeAlias = Permit | Hold | Rehearse | Forbid


class Target(Value, frozen=True):
    """A protected system as policy sees it. `fingerprint` names what the configuration resolved to (for a database:
    system identifier and database name), so that an approval cannot be carried to another."""

    name: str
    connector: str
    environment: str
    strict: bool = True
    observe: bool = False
    fingerprint: str = ""


class EvidenceHeld(Value, frozen=True, omit_defaults=False):
    """What has been given already, from verified ledger records only (`context.evidence`)."""

    quorums: tuple[str, ...] = ()
    rehearsal: bool = False
    plan: bool = False


class Request(Value, frozen=True):
    """One question to policy. `totals` is None before the effects are known: then only rules that do not look at
    effects count. They are the totals of the whole unit of work, not of `resource` alone."""

    agent: str
    owner: str
    action: Action
    resource: Resource
    target: Target
    now: datetime
    totals: Totals | None = None
    evidence: EvidenceHeld = EvidenceHeld()


def worst(decisions: Iterable[Decision]) -> Decision:
    """Forbid beats Rehearse beats Hold beats Permit; remedies and reasons of the winning kind are joined. No decision at all
    is a Forbid."""
    given = list(decisions)
    for kind in (Forbid, Rehearse, Hold, Permit):
        found = [d for d in given if isinstance(d, kind)]
        if not found:
            continue
        reasons = _joined(d.reasons for d in found)
        if kind is Permit:
            return Permit(reasons)
        if kind is Forbid:
            return Forbid(next(d.why for d in found if isinstance(d, Forbid)), reasons)
        remedies = _joined(d.remedies for d in given if isinstance(d, Hold | Rehearse))
        return Rehearse(remedies, reasons) if kind is Rehearse else Hold(remedies, reasons)
    return Forbid("no policy answered")


def _joined(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for group in groups for item in group))
