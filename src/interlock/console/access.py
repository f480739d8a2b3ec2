"""Finding out who asks, and whether they may."""

import base64
import hashlib
from datetime import datetime
from typing import Protocol, assert_never

import msgspec
from starlette.requests import Request

from interlock.console import httpsig
from interlock.console.callers import ByKey, BySession, ByToken, Caller, Local, Nobody, weak
from interlock.console.httpsig import BadSignature, Signed
from interlock.console.operations import Access
from interlock.console.problems import Refusal
from interlock.control.deciding.passkey import Site
from interlock.model.base import Value
from interlock.model.errors import Unavailable
from interlock.model.people import Agent, Person
from interlock.runtime.service.people.entrance import PASSKEY, Present
from interlock.sdk.ports import Store, Tx

ADMIN_GROUP = "admin"
NONCES = "http.nonces"
"""Key of the store's meta under which used nonces are kept until their signatures have expired."""
MOST_NONCES = 5000
"""Most signed requests that change something within the life of a signature, over all replicas."""

_SAFE = frozenset({"GET", "HEAD"})
COOKIE = "__Host-interlock"
"""The session's cookie: only ever sent to the host that set it, over TLS or to localhost (RFC 6265bis section 4.1.3.2)."""


class Sessions(Protocol):
    """What is needed of `runtime.service.people.entrance.Entrance`."""

    async def present(self, secret: str) -> Present | None: ...


def own_origin(request: Request, site: Site) -> None:
    """Raise Refusal unless the page that makes this request is the console's own: browsers say so of all but plain reads."""
    if request.headers.getlist("origin") != [site.origin]:
        raise Refusal("forbidden", "the request does not come from a page of this console")
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise Refusal("forbidden", "the request does not come from a page of this console")


class _Used(Value, frozen=True):
    """Nonces (each with its person) and when they can be forgotten, in Unix seconds."""

    until: dict[str, int] = {}  # noqa: RUF012  # msgspec copies mutable defaults


class Doorkeeper:
    """Authenticates the requests of one door.

    A signed request is good once. For what changes something the nonce is kept in the store, so that no other replica takes it
    either; for reads it is kept in this process alone: a replay elsewhere would show what it shows, to someone who had read the
    answer's request on the wire.
    """

    def __init__(
        self,
        store: Store,
        public_url: str,
        socket: bool,
        sessions: Sessions | None = None,
        site: Site | None = None,
    ) -> None:
        self._store, self.socket = store, socket
        self._sessions, self._site = sessions, site
        self._url = public_url.rstrip("/")
        self._read_nonces: dict[str, int] = {}

    async def caller(self, request: Request, body: bytes) -> Caller:
        """Who asks. Raises Refusal or BadSignature for credentials that are no good; none at all is Nobody."""
        if self.socket:
            return Local(request.scope["state"]["uid"])
        authorization = request.headers.get("authorization")
        signed = "signature" in request.headers or "signature-input" in request.headers
        if authorization is not None and signed:
            raise Refusal("unauthenticated", "a token or a signature, not both")
        if authorization is not None:
            return ByToken((await self._agent(authorization)).name)
        if signed:
            return await self._person(request, body)
        return await self.visitor(request)

    async def visitor(self, request: Request) -> BySession | Nobody:
        """Who is logged in at this browser. Raises Refusal for a request that another site may have made."""
        secret = request.cookies.get(COOKIE)
        if secret is None or self._sessions is None or self._site is None:
            return Nobody()
        found = await self._sessions.present(secret)
        if found is None:
            return Nobody()
        if request.method not in _SAFE:
            own_origin(request, self._site)
        person, session = found.person, found.session
        passkey = session.how == PASSKEY
        return BySession(person.name, passkey and ADMIN_GROUP in person.groups, session.token, passkey)

    async def _agent(self, authorization: str) -> Agent:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Refusal("unauthenticated", "agents authenticate with `Authorization: Bearer TOKEN`")
        digest = hashlib.sha256(token.strip().encode()).hexdigest()
        agent = await self._store.read(lambda tx: tx.agent_by_token(digest))
        if agent is None or agent.disabled:
            raise Refusal("unauthenticated", "no enabled agent has this token")
        return agent

    async def _person(self, request: Request, body: bytes) -> Caller:
        signed = httpsig.read(_single(request))
        now, person = await self._store.read(lambda tx: (tx.now(), tx.person(signed.keyid)))
        if person is None or person.disabled:
            raise BadSignature("the signature does not verify")
        key = base64.b64decode(person.public_key)
        httpsig.verify(signed, request.method, self._target(request), body, key, _seconds(now))
        await self._once(signed, person, request.method, now)
        return ByKey(person.name, ADMIN_GROUP in person.groups)

    def _target(self, request: Request) -> str:
        """The address as it is known outside: what Host says is the sender's word."""
        raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
        query: bytes = request.scope["query_string"]
        return f"{self._url}{raw.decode('ascii', 'replace')}{'?' + query.decode('ascii', 'replace') if query else ''}"

    async def _once(self, signed: Signed, person: Person, method: str, now: datetime) -> None:
        nonce, until = f"{person.name} {signed.nonce}", signed.expires + httpsig.SKEW
        if method not in _SAFE:
            await self._store.transact(lambda tx: _use(tx, nonce, until))
            return
        seconds = _seconds(now)
        self._read_nonces = {n: end for n, end in self._read_nonces.items() if end >= seconds}
        if nonce in self._read_nonces:
            raise BadSignature("this signed request was used already")
        if len(self._read_nonces) >= MOST_NONCES:
            raise Unavailable("too many signed requests within a signature's life; try again later")
        self._read_nonces[nonce] = until


def _use(tx: Tx, nonce: str, until: int) -> None:
    """Take a nonce in the store. Raises BadSignature when it was taken before."""
    used = msgspec.json.decode(tx.meta(NONCES) or "{}", type=_Used)
    now = _seconds(tx.now())
    kept = {n: end for n, end in used.until.items() if end >= now}
    if nonce in kept:
        raise BadSignature("this signed request was used already")
    if len(kept) >= MOST_NONCES:
        raise Unavailable("too many signed requests within a signature's life; try again later")
    tx.put_meta(NONCES, msgspec.json.encode(_Used({**kept, nonce: until})).decode())


def admit(caller: Caller, access: Access) -> None:
    """Let the caller pass, or raise the Refusal. An agent learns of nothing but its own changes that it exists."""
    match caller:
        case Local():
            allowed = access is not Access.AGENT
        case ByKey() | BySession():
            if access is Access.ADMIN and not caller.admin:
                raise Refusal("forbidden", f"only people of the group {ADMIN_GROUP!r} may do this from afar")
            allowed = access is not Access.AGENT
        case ByToken():
            allowed = access in (Access.AGENT, Access.PUBLIC)
        case Nobody():
            if access is not Access.PUBLIC:
                raise Refusal("unauthenticated")
            allowed = True
        case _:
            assert_never(caller)
    if not allowed:
        raise Refusal("not_found")


NEEDS_PASSKEY = "this needs a passkey: log in with yours"


def strong_enough(caller: Caller, method: str, *, light: bool) -> None:
    """Raise Refusal when the caller logged in without a passkey, and what they ask for is more than looking and not `light`."""
    if weak(caller) and method not in _SAFE and not light:
        raise Refusal("forbidden", NEEDS_PASSKEY)


def _single(request: Request) -> dict[str, str]:
    """The signature's fields; a field given twice is refused rather than joined."""
    found: dict[str, str] = {}
    for name in ("signature-input", "signature", "content-digest"):
        values = request.headers.getlist(name)
        if len(values) > 1:
            raise BadSignature(f"{name} is given more than once")
        found |= {name: values[0]} if values else {}
    return found


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
