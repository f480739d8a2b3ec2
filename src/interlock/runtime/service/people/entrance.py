"""How people come in: login by passkey, and what their browser keeps afterwards.

A login's challenge is sealed by the installation, so that anonymous visitors write nothing; it is used up when it is answered. The
cookie's secret is kept as its digest only.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from interlock.control.deciding import passkey
from interlock.control.deciding.passkey import NotAccepted, Site, from_base64url, to_base64url
from interlock.model.base import Value
from interlock.model.change import Assertion
from interlock.model.errors import Rejected
from interlock.model.people import Passkey, Person, Ticket, TicketKind
from interlock.runtime.core import Core
from interlock.runtime.crypto import CannotOpen
from interlock.runtime.stores import SqlStore
from interlock.sdk.ports import ReadTx, Tx

LASTS = timedelta(hours=12)
"""How long a session lasts, whatever is done in it."""
IDLE = timedelta(hours=1)
"""How long it lasts when nothing is done in it."""
ANSWERED_WITHIN = timedelta(minutes=5)
"""How long a challenge can be answered."""
_NOTED = timedelta(minutes=1)
"""How often it is written down that a session is used."""
_LABEL = "login-challenge"
PASSKEY, OIDC = "passkey", "oidc"
"""What a session begins with."""
NO_SITE = "passkeys need the console at a name with TLS, or at localhost: set api.public_url (browsers allow them nowhere else)"


class Session(Value, frozen=True):
    """A person at a browser. `token` is what forms carry against forgery, `seen_at` when they were last there, `how` what it began
    with: a passkey, or the login provider's word (`OIDC`)."""

    person: str
    token: str
    began_at: datetime
    seen_at: datetime
    how: str = PASSKEY


class Present(Value, frozen=True):
    """Who is at a browser, as a person and by which session."""

    session: Session
    person: Person


class Entered(Value, frozen=True):
    """A login: `secret` is for the cookie, and nowhere else."""

    session: Session
    secret: str


def digest_of(secret: str) -> str:
    """What a secret is kept as."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Entrance:
    """The service."""

    def __init__(self, core: Core, store: SqlStore) -> None:
        self._core, self._store = core, store
        self.on_ended: list[Callable[[], None]] = []
        """Called when sessions were ended here."""

    @property
    def site(self) -> Site:
        """Where passkeys belong to. Raises Rejected when there is none."""
        if self._core.terms.site is None:
            raise Rejected(NO_SITE)
        return self._core.terms.site

    # -- logging in

    def login_options(self) -> dict[str, Any]:
        """What `navigator.credentials.get` takes (PublicKeyCredentialRequestOptionsJSON): any passkey of this site."""
        now = int(self._core.directory.now().timestamp())
        challenge = self._store.seal(_LABEL, now.to_bytes(8, "big"))
        return {
            "challenge": to_base64url(challenge),
            "rpId": self.site.rp_id,
            "userVerification": "required",
            "timeout": int(ANSWERED_WITHIN.total_seconds() * 1000),
        }

    async def login(self, assertion: Assertion, signature: str) -> Entered:
        """Let a person in. Raises Rejected with the reason; refusals of known passkeys are recorded."""
        site, challenge = self.site, self._challenge(assertion)
        secret, token = secrets.token_urlsafe(32), secrets.token_urlsafe(24)

        def work(tx: Tx) -> Session | str:
            person, key = holder(tx, assertion.credential)
            why = _login_refused(tx, person, key, challenge)
            if not why:
                try:
                    count = passkey.signed(
                        assertion, signature, key.public_key, challenge, site, key.sign_count
                    )
                except NotAccepted as error:
                    why = str(error)
            if why:
                tx.append("login", {"person": person.name, "how": PASSKEY, "done": False, "why": why})
                return why
            used(tx, person, key, count)
            session = Session(person.name, token, tx.now(), tx.now())
            put_session(tx, secret, session)
            tx.append("login", {"person": person.name, "how": PASSKEY, "done": True, "why": ""})
            return session

        found = await self._store.transact(work)
        if isinstance(found, str):
            raise Rejected(found)
        return Entered(found, secret)

    def _challenge(self, assertion: Assertion) -> bytes:
        """The challenge that was answered. Raises Rejected when it is none of this installation's, or too old."""
        try:
            said = json.loads(from_base64url(assertion.client_data))
            challenge = from_base64url(said["challenge"])
            at = int.from_bytes(self._store.unseal(_LABEL, challenge), "big")
        except (ValueError, KeyError, TypeError, CannotOpen, RecursionError):
            raise Rejected("this login was not begun here") from None
        if not 0 <= self._core.directory.now().timestamp() - at + 5 <= ANSWERED_WITHIN.total_seconds() + 5:
            raise Rejected("this login was begun too long ago: try again")
        return challenge

    # -- being in

    async def session(self, secret: str, *, there: bool = True) -> Session | None:
        """Who holds a cookie; None when nobody does (any more). `there` tells that the person does something, which keeps the
        session from ending."""
        found = await self.present(secret, there=there)
        return None if found is None else found.session

    async def present(self, secret: str, *, there: bool = True) -> Present | None:
        """As `session`, with the person: of one read."""
        digest = digest_of(secret)

        def read(tx: ReadTx) -> tuple[Present | None, datetime]:
            return _present(tx, digest), tx.now()

        found, now = await self._store.read(read)
        if found is None:
            return None
        if there and now - found.session.seen_at >= _NOTED:
            seen = msgspec.structs.replace(found.session, seen_at=now)
            await self._store.transact(lambda tx: _note(tx, digest, seen))
        return found

    async def leave(self, secret: str) -> None:
        """End a session."""
        await self._store.transact(lambda tx: tx.drop_ticket(digest_of(secret)))
        self._tell_ended()

    async def end_all(self, person: str) -> int:
        """End every session of a person; returns how many there were."""

        def work(tx: Tx) -> int:
            return sum(tx.drop_ticket(t.digest) for t in tx.tickets(TicketKind.SESSION, person))

        number = await self._store.transact(work)
        self._tell_ended()
        return number

    def _tell_ended(self) -> None:
        for tell in self.on_ended:
            tell()

    async def forget(self) -> None:
        """Forget what has ended."""
        await self._store.transact(lambda tx: tx.forget_tickets())


def holder(tx: ReadTx, credential: str) -> tuple[Person, Passkey]:
    """Whose passkey it is. Raises Rejected when nobody's."""
    for person in tx.people():
        if (key := person.passkey(credential)) is not None:
            return person, key
    raise Rejected("no enrolled person has this passkey")


def used(tx: Tx, person: Person, key: Passkey, count: int) -> None:
    """Note that a passkey was used."""
    now_used = msgspec.structs.replace(key, sign_count=count, last_used_at=tx.now())
    keys = tuple(now_used if each.id == key.id else each for each in person.passkeys)
    tx.put_person(msgspec.structs.replace(person, passkeys=keys))


def put_session(tx: Tx, secret: str, session: Session) -> None:
    """Begin a session."""
    data = msgspec.json.encode(session).decode()
    until = session.began_at + LASTS
    tx.put_ticket(Ticket(TicketKind.SESSION, digest_of(secret), session.person, tx.now(), until, data))


def _login_refused(tx: Tx, person: Person, key: Passkey, challenge: bytes) -> str:
    """Why a known passkey lets nobody in. The challenge is used up by asking."""
    digest = hashlib.sha256(challenge).hexdigest()
    if tx.ticket(TicketKind.LOGIN, digest) is not None:
        return "this login was used already"
    tx.put_ticket(Ticket(TicketKind.LOGIN, digest, person.name, tx.now(), tx.now() + 2 * ANSWERED_WITHIN))
    return "the person is disabled" if person.disabled else ""


def _present(tx: ReadTx, digest: str) -> Present | None:
    ticket = tx.ticket(TicketKind.SESSION, digest)
    if ticket is None:
        return None
    session = msgspec.json.decode(ticket.data, type=Session)
    person = tx.person(session.person)
    if person is None or person.disabled or tx.now() - session.seen_at >= IDLE:
        return None
    return Present(session, person)


def lasting(tx: ReadTx, digests: Iterable[str]) -> frozenset[str]:
    """Which of these sessions have not ended."""
    return frozenset(digest for digest in digests if _present(tx, digest) is not None)


def _note(tx: Tx, digest: str, seen: Session) -> None:
    ticket = tx.ticket(TicketKind.SESSION, digest)
    if ticket is not None:
        tx.put_ticket(msgspec.structs.replace(ticket, data=msgspec.json.encode(seen).decode()))
