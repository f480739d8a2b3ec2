"""How many admins must sign a proposal, and who of them cannot.

A proposal takes as many admins as the quorum `two-admins` says, two at least. Who proposes is one of them if they are an admin
whose word counts and whom the server knows by their own key: then one fewer signs. So two founding admins are enough, and neither
can do anything alone. What came by the admin socket, or of anyone else, needs all of them. ADR 0022 has the reasons."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from interlock.control.deciding.quorum import OF, too_new
from interlock.model.base import Value
from interlock.model.errors import Rejected
from interlock.model.people import Quorum
from interlock.model.proposal import (
    AddAgent,
    AddGrant,
    AddPasskey,
    AddPerson,
    GiveAgent,
    LinkLogin,
    Recover,
    ResetBreaker,
    SetGroups,
    Wanted,
)
from interlock.runtime.governing.acts import ADMIN, is_admin, owners_of
from interlock.sdk.ports import ReadTx

QUORUM = "two-admins"
FEWEST = 2
QUIET = timedelta(days=7)
"""How long ago an admin must have been disabled not to be missed when fewer than a quorum are left to recover another."""


def base(quorums: Mapping[str, Quorum]) -> Quorum:
    """The quorum of admins: the configured one, of two at least."""
    found = quorums.get(QUORUM) or Quorum(QUORUM, FEWEST, ADMIN)
    return msgspec.structs.replace(found, count=max(FEWEST, found.count))


def quorums(configured: Mapping[str, Quorum]) -> dict[str, Quorum]:
    """What proposals wait for, by name: the quorum itself, and the same with fewer people (`two-admins/1`). No configuration can
    name those."""
    whole = base(configured)
    fewer = {f"{QUORUM}/{n}": n for n in range(1, whole.count)}
    made = {name: msgspec.structs.replace(whole, name=name, count=n) for name, n in fewer.items()}
    return {QUORUM: whole, **made}


class Needed(Value, frozen=True):
    """The quorum that a proposal waits for. `person` is who proposed and so never counts, `about` who cannot count besides
    (names joined by `quorum.OF`)."""

    quorum: str
    person: str
    about: str


def needed(tx: ReadTx, wanted: Wanted, by: str, configured: Mapping[str, Quorum]) -> Needed:
    """Who must sign. Raises Rejected when a recovery cannot be had (yet)."""
    whole, person, now = base(configured), by.removeprefix("person/"), tx.now()
    count = _remaining(tx, wanted, whole, now) if isinstance(wanted, Recover) else whole.count
    known = tx.person(person) if by.startswith("person/") else None
    one_of_them = known is not None and is_admin(known) and not too_new(known, now)
    about = _about(tx, wanted)
    if one_of_them and count == 1:
        # The last admin asks for another's recovery: their signature on exactly that is wanted all the same.
        return Needed(_name(1, whole), "", about)
    return Needed(_name(count - one_of_them, whole), person, about)


def _name(count: int, whole: Quorum) -> str:
    return QUORUM if count == whole.count else f"{QUORUM}/{count}"


def _about(tx: ReadTx, wanted: Wanted) -> str:
    match wanted:
        case AddPerson(name) | AddPasskey(name) | LinkLogin(name) | SetGroups(name) | Recover(name):
            return name
        case AddAgent(_, owner) | GiveAgent(_, owner):
            return owner
        case AddGrant():
            agent = tx.agent(wanted.agent)
            return agent.owner if agent else ""
        case ResetBreaker(scope):
            # Whoever answers for the agents that opened it lets nothing go on, alone or with others.
            row = tx.breaker(scope)
            return OF.join(owners_of(tx, row)) if row is not None else ""
        case _:
            return ""


def _remaining(tx: ReadTx, wanted: Recover, whole: Quorum, now: datetime) -> int:
    """How many sign a recovery: the quorum, or all admins that are left. One who was disabled lately is missed, so that nobody can
    disable the others and then recover one of them to be two."""
    others = [p for p in tx.people() if p.name != wanted.name and ADMIN in p.groups]
    left = [p for p in others if is_admin(p) and not too_new(p, now)]
    if len(left) >= whole.count:
        return whole.count
    missed = [p for p in others if p.disabled and p.disabled_at is not None and now - p.disabled_at < QUIET]
    if missed:
        names = ", ".join(sorted(p.name for p in missed))
        raise Rejected(
            f"only {len(left)} admins are left to recover {wanted.name}, and {names} was disabled within the last {QUIET.days} days"
        )
    if not left:
        raise Rejected(f"no admin is left whose word counts to recover {wanted.name}")
    return len(left)


def waits(wanted: Wanted, counts_after: timedelta) -> timedelta:
    """How long the person concerned waits until they count: after a recovery a day at least, in which everyone can object by
    disabling them."""
    return max(counts_after, timedelta(hours=24)) if isinstance(wanted, Recover) else counts_after
