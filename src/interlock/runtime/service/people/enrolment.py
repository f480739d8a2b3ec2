"""How people get passkeys: a link that is good once and for a quarter of an hour, and somebody who confirms who used it.

The link's secret stands behind `#`, so that no server or proxy on the way logs it. Whoever uses it sees a code that the person
tells to who confirms: an intercepted link enrols nobody.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from interlock.control.deciding import passkey
from interlock.control.deciding.passkey import NotAccepted, Registered, from_base64url, to_base64url
from interlock.model.base import Value
from interlock.model.errors import NotFound, Rejected
from interlock.model.ids import ALPHABET
from interlock.model.people import Passkey, Person, Ticket, TicketKind
from interlock.model.proposal import AddPasskey, LinkLogin
from interlock.runtime.background import announce
from interlock.runtime.core import Core
from interlock.runtime.governing import acts
from interlock.runtime.oidc import links
from interlock.runtime.rules.governance import Governance, Proposed
from interlock.runtime.service.people import keys
from interlock.runtime.service.people.entrance import Entrance, digest_of
from interlock.runtime.service.people.names import name
from interlock.sdk.ports import ReadTx, Tx

INVITED_FOR = timedelta(minutes=15)
"""How long a link can be used."""
CONFIRMED_WITHIN = timedelta(hours=24)
"""How long an enrolment waits to be confirmed."""
MOST_LABEL = 60


class Invitation(Value, frozen=True):
    """Who is invited: `groups` for somebody new, none for another passkey of somebody enrolled."""

    person: str
    groups: tuple[str, ...]
    by: str


class Enrolment(Value, frozen=True):
    """A passkey that waits to be confirmed. `code` is what its owner sees, and whoever confirms must be told."""

    invitation: Invitation
    key: Passkey
    code: str


class Enrolments:
    """The service."""

    def __init__(self, core: Core, mode: Governance, entrance: Entrance) -> None:
        self._core, self._mode, self._entrance = core, mode, entrance

    async def invite(self, person: str, groups: Sequence[str], *, by: str) -> str:
        """The secret of a link for somebody new (with groups), or for another passkey of somebody enrolled (without)."""
        name(person, "a person")
        wanted = tuple(dict.fromkeys(name(group, "a group") for group in groups))
        secret, _ = secrets.token_urlsafe(32), self._entrance.site

        def work(tx: Tx) -> None:
            known = tx.person(person)
            if known is not None and (wanted or known.disabled):
                raise Rejected(
                    f"{person} is {'disabled' if known.disabled else 'enrolled already: invite without groups'}"
                )
            if known is None and not wanted:
                raise Rejected(f"{person} is not enrolled: say which groups they shall be in")
            until, invitation = tx.now() + INVITED_FOR, Invitation(person, wanted, by)
            tx.put_ticket(
                _ticket(tx, TicketKind.INVITATION, digest_of(secret), person, until - tx.now(), invitation)
            )
            tx.append(
                "person",
                {"person": person, "groups": list(wanted), "public_key": "", "what": "invited", "by": by},
            )

        await self._core.store.transact(work)
        return secret

    async def options(self, secret: str) -> dict[str, Any]:
        """What `navigator.credentials.create` takes (PublicKeyCredentialCreationOptionsJSON) for the holder of a link. Raises
        Rejected."""
        challenge, site = secrets.token_bytes(32), self._entrance.site

        def work(tx: Tx) -> tuple[Invitation, Person | None]:
            invitation = _invitation(tx, secret)
            digest = digest_of(secret + "/challenge")
            data = Registered(to_base64url(challenge), "", 0)
            tx.put_ticket(_ticket(tx, TicketKind.REGISTRATION, digest, invitation.person, INVITED_FOR, data))
            return invitation, tx.person(invitation.person)

        invitation, known = await self._core.store.transact(work)
        user = hashlib.sha256(f"{self._core.terms.origin}/{invitation.person}".encode()).digest()
        return {
            "challenge": to_base64url(challenge),
            "rp": {"id": site.rp_id, "name": "Interlock"},
            "user": {"id": to_base64url(user), "name": invitation.person, "displayName": invitation.person},
            "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in (-8, -7, -257)],
            "authenticatorSelection": {"residentKey": "required", "userVerification": "required"},
            "attestation": "none",
            "timeout": int(INVITED_FOR.total_seconds() * 1000),
            "excludeCredentials": [
                {"type": "public-key", "id": key.id} for key in (known.passkeys if known else ())
            ],
        }

    async def register(self, secret: str, credential: Mapping[str, Any], label: str) -> Enrolment:
        """Use a link up: the passkey waits to be confirmed. Raises Rejected."""
        site = self._entrance.site
        code = "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(2))

        def work(tx: Tx) -> Enrolment:
            invitation = _invitation(tx, secret)
            begun = tx.ticket(TicketKind.REGISTRATION, digest_of(secret + "/challenge"))
            if begun is None:
                raise Rejected("begin at the link again")
            challenge = from_base64url(msgspec.json.decode(begun.data, type=Registered).id)
            try:
                found = passkey.registered(dict(credential), challenge, site)
            except NotAccepted as error:
                raise Rejected(f"the passkey is not accepted: {error}") from None
            keys.require_free_passkey(tx, invitation.person, found.id, found.public_key)
            tx.drop_ticket(digest_of(secret))
            tx.drop_ticket(begun.digest)
            key = Passkey(found.id, found.public_key, _label(label), tx.now(), found.sign_count)
            waits = Enrolment(invitation, key, code)
            digest = digest_of(f"enrolment/{invitation.person}/{found.id}")
            tx.put_ticket(
                _ticket(tx, TicketKind.ENROLMENT, digest, invitation.person, CONFIRMED_WITHIN, waits)
            )
            return waits

        return await self._core.store.transact(work)

    async def waiting(self) -> Sequence[Enrolment]:
        """Enrolments that nobody has confirmed yet."""
        found = await self._core.store.read(lambda tx: tx.tickets(TicketKind.ENROLMENT))
        return [msgspec.json.decode(ticket.data, type=Enrolment) for ticket in found]

    async def confirm(self, person: str, code: str, groups: Sequence[str] = (), *, by: str) -> Person:
        """Make an enrolment count: of a passkey, or of a login at the provider (`runtime.oidc.links`), which gets `groups` when it
        makes somebody new. Never by the person themself. Raises Rejected, NotFound; Proposed when admins must agree."""
        ticket, wanted = await self._core.store.read(lambda tx: _confirmed(tx, person, code, tuple(groups)))

        def once(tx: Tx) -> None:
            if not tx.drop_ticket(ticket.digest):
                raise Rejected(f"the enrolment of {person} was confirmed already")

        try:
            made = await self._mode.want(self._core, wanted, by, once)
        except Proposed:
            await self._core.store.transact(lambda tx: tx.drop_ticket(ticket.digest))
            raise
        assert isinstance(made, Person)
        announce.principal("confirmed", made, by)
        return made

    async def unlink(self, person: str, sub: str, *, by: str) -> Person:
        """A login at the provider lets nobody in any more; sessions of its person end. Works at once, in every mode."""
        made = await self._core.store.transact(lambda tx: links.unlink(tx, person, sub, by=by))
        await self._core.directory.refresh()
        announce.principal("login_removed", made, by)
        return made

    async def logins(self) -> Sequence[links.Link]:
        """Logins at the provider that nobody has confirmed yet."""
        return await self._core.store.read(links.waiting)

    async def revoke(self, person: str, credential: str, *, by: str) -> Person:
        """A passkey counts no more, nor does what it signed; sessions of its person end. Works at once, in every mode."""

        def work(tx: Tx) -> Person:
            known = tx.person(person)
            key = known.passkey(credential) if known else None
            if known is None or key is None:
                raise NotFound(f"{person} has no such passkey")
            over = msgspec.structs.replace(key, revoked_at=tx.now())
            passkeys = tuple(over if each.id == credential else each for each in known.passkeys)
            made = msgspec.structs.replace(known, passkeys=passkeys)
            acts.put_person(tx, made, "passkey revoked", by, passkey=credential)
            for ticket in tx.tickets(TicketKind.SESSION, person):
                tx.drop_ticket(ticket.digest)
            return made

        made = await self._core.store.transact(work)
        await self._core.directory.refresh()
        announce.principal("passkey_revoked", made, by)
        return made


def _ticket(tx: ReadTx, kind: TicketKind, digest: str, person: str, lasts: timedelta, data: Value) -> Ticket:
    return Ticket(kind, digest, person, tx.now(), tx.now() + lasts, msgspec.json.encode(data).decode())


def _invitation(tx: ReadTx, secret: str) -> Invitation:
    ticket = tx.ticket(TicketKind.INVITATION, digest_of(secret))
    if ticket is None:
        raise Rejected("this link was used, or is older than a quarter of an hour: ask for another")
    return msgspec.json.decode(ticket.data, type=Invitation)


def _confirmed(
    tx: ReadTx, person: str, code: str, groups: tuple[str, ...]
) -> tuple[Ticket, AddPasskey | LinkLogin]:
    """What is confirmed, and what that means."""
    if (linked := links.confirmed(tx, person, code, groups)) is not None:
        return linked
    ticket, waits = _enrolment(tx, person, code)
    if groups:
        raise Rejected("the invitation says which groups they are in")
    key, given = waits.key, waits.invitation.groups
    return ticket, AddPasskey(person, given, key.id, key.public_key, key.label, key.sign_count)


def _enrolment(tx: ReadTx, person: str, code: str) -> tuple[Ticket, Enrolment]:
    for ticket in tx.tickets(TicketKind.ENROLMENT, person):
        waits = msgspec.json.decode(ticket.data, type=Enrolment)
        if secrets.compare_digest(waits.code, code.strip().upper()):
            return ticket, waits
    raise Rejected(f"no enrolment of {person} has this code")


def _label(text: str) -> str:
    clean = "".join(char for char in text.strip() if char.isprintable())
    return clean[:MOST_LABEL] or "passkey"
