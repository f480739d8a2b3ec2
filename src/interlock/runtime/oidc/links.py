"""Whose login it is. A login that nobody knows enrols nobody: it waits until somebody says who it belongs to, by the code that its
owner saw. It becomes somebody new; who is enrolled already links theirs by an invitation."""

import hmac
import secrets
from collections.abc import Sequence
from datetime import timedelta

import msgspec

from interlock.model.base import Value
from interlock.model.errors import NotFound, Rejected
from interlock.model.ids import ALPHABET
from interlock.model.people import Person, Subject, Ticket, TicketKind
from interlock.model.proposal import LinkLogin
from interlock.runtime.governing import acts
from interlock.runtime.service.people.entrance import OIDC, digest_of
from interlock.sdk.ports import ReadTx, Tx

CONFIRMED_WITHIN = timedelta(hours=24)
"""How long it waits to be confirmed."""
MOST_WAITING = 500
"""Most of them at a time: everybody whom the provider knows can make one."""


class Link(Value, frozen=True):
    """A login that waits. `person` is who was invited, `groups` what they were given by that (or by the provider, where it is
    trusted); `calls` and `named` are the provider's words, for whoever confirms; `code` is what its owner sees."""

    subject: Subject
    code: str
    person: str = ""
    groups: tuple[str, ...] = ()
    by: str = ""
    calls: str = ""
    named: tuple[str, ...] = ()


def new_code() -> str:
    """What somebody tells to who confirms them: 40 random bits."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(2))


def wait(tx: Tx, link: Link) -> Link:
    """Let it wait to be confirmed; who comes again while it waits sees the same code. Raises Rejected."""
    digest = digest_of(f"link/{link.subject.digest}")
    known = tx.ticket(TicketKind.LINK, digest)
    if known is not None and not link.person:
        return _read(known)
    if len(tx.tickets(TicketKind.LINK)) >= MOST_WAITING:
        raise Rejected("too many logins wait to be confirmed: ask an administrator")
    data, until = msgspec.json.encode(link).decode(), tx.now() + CONFIRMED_WITHIN
    tx.put_ticket(Ticket(TicketKind.LINK, digest, link.person, tx.now(), until, data))
    why, login = "it waits to be confirmed", link.subject.digest
    tx.append("login", {"person": link.person, "how": OIDC, "done": False, "why": why, "login": login})
    return link


def waiting(tx: ReadTx) -> Sequence[Link]:
    """Those that nobody has confirmed yet."""
    return [_read(ticket) for ticket in tx.tickets(TicketKind.LINK)]


def confirmed(tx: ReadTx, person: str, code: str, groups: tuple[str, ...]) -> tuple[Ticket, LinkLogin] | None:
    """The login that waits with this code, and what it is to become; None when none has this code. Raises Rejected."""
    for ticket in tx.tickets(TicketKind.LINK):
        link = _read(ticket)
        same = hmac.compare_digest(link.code.encode(), code.strip().upper().encode())
        if same and link.person in ("", person):
            given = _groups_of(tx, person, link, groups)
            return ticket, LinkLogin(person, given, link.subject.issuer, link.subject.sub)
    return None


def _groups_of(tx: ReadTx, person: str, link: Link, groups: tuple[str, ...]) -> tuple[str, ...]:
    """Those of somebody new; none for somebody enrolled, who keeps theirs."""
    known = tx.person(person) is not None
    if known and not link.person:
        # A name that somebody tells on the telephone must not take over who has it.
        raise Rejected(
            f"{person} is enrolled already: they link a login by an invitation (`interlock people invite`)"
        )
    if link.person:
        if groups:
            raise Rejected("the invitation says which groups they are in")
        return link.groups
    found = tuple(dict.fromkeys((*link.groups, *groups)))
    if not found:
        hint = f" (the provider says: {', '.join(link.named)})" if link.named else ""
        raise Rejected(f"say which groups they shall be in: --group{hint}")
    return found


def unlink(tx: Tx, person: str, sub: str, *, by: str) -> Person:
    """It lets them in no more, and nobody else ever; their sessions end. Raises NotFound."""
    known = tx.person(person)
    live = [s for s in known.subjects if s.sub == sub and s.revoked_at is None] if known else []
    if known is None or not live:
        raise NotFound(f"{person} has no such login")
    over = tuple(msgspec.structs.replace(s, revoked_at=tx.now()) if s in live else s for s in known.subjects)
    made = msgspec.structs.replace(known, subjects=over)
    acts.put_person(tx, made, "login removed", by, login=live[0].digest)
    for ticket in tx.tickets(TicketKind.SESSION, person):
        tx.drop_ticket(ticket.digest)
    return made


def _read(ticket: Ticket) -> Link:
    return msgspec.json.decode(ticket.data, type=Link)
