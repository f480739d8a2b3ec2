"""The provider: what it says of itself, the keys that it signs with, and codes turned into tokens."""

import asyncio
import base64
import time
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import quote_plus, urlsplit

import msgspec
import structlog

from interlock.model.base import Value
from interlock.model.errors import Rejected, Unavailable
from interlock.runtime.oidc import idtoken
from interlock.runtime.oidc.calling import Answer, Caller
from interlock.runtime.oidc.idtoken import Claims, Expected, Jwk, NotAccepted, UnknownKey
from interlock.runtime.oidc.kept import Kept
from interlock.runtime.oidc.settings import Oidc, is_endpoint

T = TypeVar("T", bound=msgspec.Struct)
KEPT = 3600.0
"""Seconds for which what it says of itself and its keys are used without asking again."""
PAUSE = 5.0
"""Seconds before it is asked again after it has not answered."""
AGAIN = 60.0
"""Seconds between two looks for a key that is not known: tokens that nobody signed must not make us ask all the time."""

_log = structlog.get_logger(__name__)


class Metadata(msgspec.Struct, frozen=True):
    """What it says of itself (OpenID Connect Discovery 1.0, section 3; RFC 8414; RFC 9207), as far as it is needed."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    code_challenge_methods_supported: list[str] | None = None
    token_endpoint_auth_methods_supported: list[str] | None = None
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str
    access_token: str
    token_type: str

    def __repr__(self) -> str:
        return "_Tokens(…)"


class _Error(msgspec.Struct, frozen=True):
    error: str


class Code(Value, frozen=True):
    """What came back from a login, and with what it was begun (RFC 7636: the verifier shows that it was us)."""

    code: str
    verifier: str
    redirect_uri: str

    def __repr__(self) -> str:
        return "Code(…)"


class Provider:
    """See the module. All methods raise Unavailable when it does not answer, or not as it should."""

    def __init__(self, settings: Oidc, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._secret = settings, ""
        self._caller = Caller()
        self._metadata = Kept(clock, self._discover, KEPT, PAUSE)
        self._keys = Kept(clock, self._read_keys, KEPT, PAUSE)

    async def metadata(self) -> Metadata:
        return await self._metadata.get()

    async def claims(self, code: Code, expected: Expected) -> Claims:
        """Use a code up. Raises Rejected when the provider refuses it, or what it answers does not hold."""
        tokens = await self._exchange(await self.metadata(), code)
        try:
            return await self._verified(tokens, expected)
        except NotAccepted as error:
            _log.warning("oidc.token_refused", why=str(error))
            raise Rejected(f"the login provider's answer is not accepted: {error}") from None

    async def _verified(self, tokens: _Tokens, expected: Expected) -> Claims:
        keys = await self._keys.get()
        try:
            return idtoken.verified(tokens.id_token, keys, expected, tokens.access_token)
        except UnknownKey:
            newer = await self._keys.newer_than(keys, AGAIN)
            if newer is None:
                raise
            return idtoken.verified(tokens.id_token, newer, expected, tokens.access_token)

    def close(self) -> None:
        self._caller.close()

    # -- what it says of itself

    async def _discover(self) -> Metadata:
        base = self._settings.issuer.removesuffix("/")
        found = _read(await self._caller.get(f"{base}/.well-known/openid-configuration"), Metadata)
        if found.issuer != self._settings.issuer:
            raise Unavailable("the login provider calls itself by another name than `oidc.issuer` does")
        plain = urlsplit(self._settings.issuer).scheme == "http"
        endpoints = (found.token_endpoint, found.jwks_uri)
        if not is_endpoint(found.authorization_endpoint, plain=plain, query=True) or not all(
            is_endpoint(url, plain=plain, query=True) for url in endpoints
        ):
            raise Unavailable("the login provider names addresses that are not https://…")
        methods = found.code_challenge_methods_supported
        if methods is not None and "S256" not in methods:
            raise Unavailable("the login provider has no PKCE with S256 (RFC 7636)")
        return found

    async def _read_keys(self) -> tuple[Jwk, ...]:
        answer = _good(await self._caller.get((await self.metadata()).jwks_uri))
        try:
            return idtoken.keys_of(answer.body)
        except (ValueError, RecursionError, msgspec.MsgspecError):
            raise Unavailable("the login provider's keys cannot be read") from None

    # -- codes

    async def _exchange(self, about: Metadata, code: Code) -> _Tokens:
        """Section 3.1.3.1 of OpenID Connect Core. The code is used up, whatever comes of it."""
        secret = self._secret = self._secret or await asyncio.to_thread(self._settings.client_secret)
        form = {
            "grant_type": "authorization_code",
            "code": code.code,
            "redirect_uri": code.redirect_uri,
            "code_verifier": code.verifier,
        }
        headers: dict[str, str] = {}
        # Unless something else is said, it takes the first (Discovery, section 3).
        methods = about.token_endpoint_auth_methods_supported or ["client_secret_basic"]
        if "client_secret_basic" in methods:
            headers["Authorization"] = basic(self._settings.client_id, secret)
        elif "client_secret_post" in methods:
            form |= {"client_id": self._settings.client_id, "client_secret": secret}
        else:
            raise Unavailable("the login provider takes no client secret")
        answer = await self._caller.post(about.token_endpoint, form, headers)
        if answer.status in (400, 401):
            self._secret = ""  # read again next time: it may have been changed
            raise _refused(answer)
        found = _read(answer, _Tokens)
        if found.token_type.lower() != "bearer":
            raise Unavailable("the login provider's answer is not as OpenID Connect has it")
        return found


def basic(client_id: str, secret: str) -> str:
    """HTTP Basic as OAuth has it: both parts are form-encoded first (RFC 6749 section 2.3.1)."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _good(answer: Answer) -> Answer:
    if answer.status != 200:
        raise Unavailable(f"the login provider answers HTTP {answer.status}")
    return answer


def _read(answer: Answer, kind: type[T]) -> T:
    """Its members as JSON; what we have no use for is left out."""
    try:
        return msgspec.json.decode(_good(answer).body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Unavailable("the login provider's answer cannot be read") from None


_OURS = (
    "invalid_client",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_request",
)


def _refused(answer: Answer) -> Exception:
    """Its word for why (RFC 6749 section 5.2), if it is one that we know: nothing else of it is shown."""
    try:
        said = msgspec.json.decode(answer.body, type=_Error).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        said = ""
    if said == "invalid_grant":
        return Rejected("the login provider takes this login for used or over: begin again")
    _log.error("oidc.refused", status=answer.status, said=said if said in _OURS else "")
    return Unavailable("the login provider refuses this installation: see `oidc` of the configuration")
