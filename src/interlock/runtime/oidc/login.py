"""The service: a login begins here, goes to the provider and comes back (OpenID Connect Core 1.0, section 3.1; PKCE: RFC 7636).

What it was begun with is sealed by the installation and kept by the browser alone, so that anonymous visitors write nothing. It is
used up when it comes back. A session that begins so may look and tighten; approvals need a passkey of the same person.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta
from urllib.parse import urlencode

import msgspec

from interlock.control.deciding.passkey import from_base64url, to_base64url
from interlock.model.base import Value
from interlock.model.errors import Rejected
from interlock.model.people import Person, Subject, Ticket, TicketKind
from interlock.runtime.background import announce
from interlock.runtime.core import Core
from interlock.runtime.crypto import CannotOpen
from interlock.runtime.governing import acts
from interlock.runtime.oidc import groups, links
from interlock.runtime.oidc.idtoken import Claims, Expected
from interlock.runtime.oidc.links import Link
from interlock.runtime.oidc.provider import Code, Metadata, Provider
from interlock.runtime.oidc.settings import Oidc
from interlock.runtime.service.people.enrolment import Invitation
from interlock.runtime.service.people.entrance import OIDC, Entered, Entrance, Session, digest_of, put_session
from interlock.runtime.service.people.keys import holder
from interlock.runtime.stores import SqlStore
from interlock.sdk.ports import ReadTx, Tx

WITHIN = 600
"""Seconds within which a login must come back."""
ANSWER = "/console/login/oidc/answer"
"""Where it comes back to: what is registered at the provider, below the console's origin."""
_LABEL = "oidc-login"
_LONGEST_CODE = 4096
_AGAIN = "this login was not begun in this browser, or was used: begin again"
_SAID = {
    "access_denied": "it was cancelled there, or is not allowed",
    "login_required": "nobody is logged in there",
    "interaction_required": "nobody is logged in there",
    "temporarily_unavailable": "it cannot answer now",
    "server_error": "it has a fault of its own",
}
"""What we say for the provider's words (RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6); others are not shown."""


class Begun(Value, frozen=True):
    """Where the browser goes, and what it keeps until it comes back."""

    address: str
    kept: str


class Arrived(Value, frozen=True):
    """Somebody logged in, and goes on to a page that they had asked for."""

    entered: Entered
    to: str


class _Begun(Value, frozen=True):
    """What is sealed: `invitation` is the digest of an invitation's secret, if one is used."""

    state: str
    nonce: str
    verifier: str
    at: int
    to: str
    invitation: str

    def __repr__(self) -> str:
        return "_Begun(…)"


class _In(Value, frozen=True):
    """A session, and its person if they are in other groups than before."""

    session: Session
    regrouped: Person | None


class OidcLogin:
    """See the module."""

    def __init__(self, core: Core, store: SqlStore, entrance: Entrance, settings: Oidc) -> None:
        self._core, self._store, self._entrance = core, store, entrance
        self.settings, self.provider = settings, Provider(settings)
        self.superseded: Callable[[], bool] = lambda: False
        """Whether admins have approved another provider than this one: then it lets nobody in, until the server starts again."""

    @property
    def name(self) -> str:
        """What the button says."""
        return self.settings.name

    # -- going there

    async def begin(self, to: str = "", invitation: str = "") -> Begun:
        """Send a browser to the provider; `to` is where it wants to go afterwards, whatever that is. With the secret of an
        invitation, the login is to become the invited person's. Raises Rejected, Unavailable."""
        self._in_force()
        digest = digest_of(invitation) if invitation else ""
        if digest:
            await self._store.read(lambda tx: _invitation(tx, digest))
        about = await self.provider.metadata()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        begun = _Begun(state, nonce, verifier, self._now(), to, digest)
        kept = self._store.seal(_LABEL, msgspec.json.encode(begun))
        return Begun(self._address(about, begun), to_base64url(kept))

    def _address(self, about: Metadata, begun: _Begun) -> str:
        """Sections 3.1.2.1, and RFC 7636 section 4.3."""
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": " ".join(self.settings.scopes),
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": _challenge(begun.verifier),
            "code_challenge_method": "S256",
        }
        place = about.authorization_endpoint
        return f"{place}{'&' if '?' in place else '?'}{urlencode(asked)}"

    @property
    def _redirect_uri(self) -> str:
        return self._entrance.site.origin + ANSWER

    def _now(self) -> int:
        return int(self._core.directory.now().timestamp())

    # -- coming back

    async def answer(self, kept: str, said: Mapping[str, str]) -> Arrived | Link:
        """Let in who came back, or say that they wait to be confirmed. `said` is what the address says, each once. Raises
        Rejected, Unavailable."""
        self._in_force()
        begun = self._opened(kept)
        if not hmac.compare_digest(said.get("state", "").encode(), begun.state.encode()):
            raise Rejected(_AGAIN)
        await self._store.transact(lambda tx: _use(tx, begun))
        await self._from_there(said)
        if "error" in said:
            raise Rejected(
                f"the login provider lets nobody in: {_SAID.get(said['error'], 'it does not say why')}"
            )
        if not 0 < len(said.get("code", "")) <= _LONGEST_CODE:
            raise Rejected("the login provider's answer is not as OpenID Connect has it")
        expected = Expected(self.settings.issuer, self.settings.client_id, begun.nonce, begun.at, self._now())
        code = Code(said["code"], begun.verifier, self._redirect_uri)
        return await self._let_in(await self.provider.claims(code, expected), begun)

    def _in_force(self) -> None:
        if self.superseded():
            raise Rejected("admins have approved another login provider: this server has to be started again")

    def _opened(self, kept: str) -> _Begun:
        try:
            sealed = self._store.unseal(_LABEL, from_base64url(kept))
            begun = msgspec.json.decode(sealed, type=_Begun)
        except (ValueError, CannotOpen, msgspec.MsgspecError):
            raise Rejected(_AGAIN) from None
        if not -5 <= self._now() - begun.at <= WITHIN:
            raise Rejected("this login was begun too long ago: begin again")
        return begun

    async def _from_there(self, said: Mapping[str, str]) -> None:
        """Raise Rejected when another provider answers (RFC 9207)."""
        about = await self.provider.metadata()
        absent = "iss" not in said and not about.authorization_response_iss_parameter_supported
        if not absent and said.get("iss") != self.settings.issuer:
            raise Rejected("another login provider has answered")

    async def _let_in(self, claims: Claims, begun: _Begun) -> Arrived | Link:
        named = groups.claimed(claims, self.settings)
        secret, token, code = secrets.token_urlsafe(32), secrets.token_urlsafe(24), links.new_code()

        def work(tx: Tx) -> "_In | Link | str":
            found = holder(tx, self.settings.issuer, claims.sub)
            if found is None or begun.invitation:
                subject = Subject(self.settings.issuer, claims.sub, tx.now())
                link = self._link(
                    tx, Link(subject, code, named=tuple(sorted(named)), calls=_calls(claims)), begun
                )
                return links.wait(tx, link)
            person, subject = found
            if why := _refused(person, subject):
                tx.append("login", {"person": person.name, "how": OIDC, "done": False, "why": why})
                return why
            after = _regroup(tx, person, groups.regrouped(person, named, self.settings, _kept(tx, person)))
            session = Session(person.name, token, tx.now(), tx.now(), OIDC)
            put_session(tx, secret, session)
            tx.append("login", {"person": person.name, "how": OIDC, "done": True, "why": ""})
            return _In(session, after if after.groups != person.groups else None)

        made = await self._store.transact(work)
        if isinstance(made, str):
            raise Rejected(made)
        if isinstance(made, Link):
            return made
        if made.regrouped is not None:
            await self._core.directory.refresh()
            announce.principal("regrouped", made.regrouped, f"oidc/{self.settings.issuer}")
        return Arrived(Entered(made.session, secret), begun.to)

    def _link(self, tx: Tx, link: Link, begun: _Begun) -> Link:
        """What a login that nobody has waits for. An invitation is used up by it. Raises Rejected."""
        if not begun.invitation:
            given = link.named if self.settings.trust_groups else ()
            return msgspec.structs.replace(link, groups=given)
        invitation = _invitation(tx, begun.invitation)
        found = holder(tx, link.subject.issuer, link.subject.sub)
        if found is not None and (found[0].name != invitation.person or found[1].revoked_at is None):
            raise Rejected("this login is enrolled already")
        tx.drop_ticket(begun.invitation)
        return msgspec.structs.replace(
            link, person=invitation.person, groups=invitation.groups, by=invitation.by
        )


def login_of(
    core: Core, store: SqlStore, entrance: Entrance, settings: Oidc | None, waits: Callable[[str], bool]
) -> OidcLogin | None:
    """The service, if a provider is configured. `waits` tells of a section of the configuration whether admins have approved
    another."""
    if settings is None:
        return None
    made = OidcLogin(core, store, entrance, settings)
    made.superseded = lambda: waits("oidc")
    return made


def _challenge(verifier: str) -> str:
    """RFC 7636 section 4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _use(tx: Tx, begun: _Begun) -> None:
    """A login comes back once. Raises Rejected."""
    digest = digest_of(f"oidc/{begun.state}")
    if tx.ticket(TicketKind.LOGIN, digest) is not None:
        raise Rejected(_AGAIN)
    until = tx.now() + 2 * timedelta(seconds=WITHIN)
    tx.put_ticket(Ticket(TicketKind.LOGIN, digest, "", tx.now(), until))


def _invitation(tx: ReadTx, digest: str) -> Invitation:
    ticket = tx.ticket(TicketKind.INVITATION, digest)
    if ticket is None:
        raise Rejected("this link was used, or is older than a quarter of an hour: ask for another")
    return msgspec.json.decode(ticket.data, type=Invitation)


def _refused(person: Person, subject: Subject) -> str:
    if subject.revoked_at is not None:
        return "this login was removed"
    return "the person is disabled" if person.disabled else ""


def _regroup(tx: Tx, before: Person, after: Person) -> Person:
    if after != before:
        acts.put_person(tx, after, "groups", OIDC, before=list(before.groups))
    return after


def _kept(tx: Tx, person: Person) -> frozenset[str]:
    """The last admin stays one, as when they are to be disabled, so that someone can recover the others."""
    others = any(acts.is_admin(other) and other.name != person.name for other in tx.people())
    return frozenset() if others or not acts.governed(tx) else frozenset({acts.ADMIN})


def _calls(claims: Claims) -> str:
    """What the provider calls them: shown to whoever confirms, and never taken for who they are."""
    name = claims.text("preferred_username") or claims.text("email")
    return "".join(char for char in name if char.isprintable())[:60]
