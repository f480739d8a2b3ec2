"""ID tokens that must not hold, and the keys that they are signed with."""

import hashlib
import hmac
import json
import re
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.console.conftest import Api
from tests.console.oidc.conftest import Browser, known
from tests.console.oidc.provider import CLIENT, Key, Provider, Reply, b64

from interlock.runtime.oidc.provider import Provider as OurProvider

pytestmark = pytest.mark.anyio


# ---- What the token says


def forged(change: Callable[[Provider, dict[str, Any], dict[str, Any]], str]) -> Callable[[Provider], None]:
    def apply(provider: Provider) -> None:
        provider.forge = lambda claims, headers: change(provider, claims, headers)

    return apply


def saying(**claims: Any) -> Callable[[Provider], None]:
    """Properly signed, but it says something else; None takes a claim away."""

    def apply(provider: Provider) -> None:
        provider.claims = {**provider.claims, **claims}

    return apply


def headed(**more: Any) -> Callable[[Provider], None]:
    return forged(lambda p, claims, headers: p.keys[-1].sign(claims, {**headers, **more}))


def _none(provider: Provider, claims: dict[str, Any], headers: dict[str, Any]) -> str:
    return jwt.encode(claims, "", "none", headers)


def _hmac_with_the_public_key(provider: Provider, claims: dict[str, Any], headers: dict[str, Any]) -> str:
    """The confusion of algorithms: what everybody knows as a secret."""
    public = json.dumps(provider.keys[-1].jwk).encode()
    said = f"{b64(json.dumps({**headers, 'alg': 'HS256', 'typ': 'JWT'}).encode())}.{b64(json.dumps(claims).encode())}"
    return f"{said}.{b64(hmac.digest(public, said.encode(), hashlib.sha256))}"


def _other_key(provider: Provider, claims: dict[str, Any], headers: dict[str, Any]) -> str:
    return Key("ES256", kid=provider.keys[-1].kid).sign(claims)


def _own_key(provider: Provider, claims: dict[str, Any], headers: dict[str, Any]) -> str:
    """It brings the key that it is signed with (RFC 7515 section 4.1.3): nobody asked for it."""
    mine = Key("ES256", kid=provider.keys[-1].kid)
    return mine.sign(
        claims, {"jwk": mine.jwk, "jku": f"{provider.issuer}/evil", "x5u": f"{provider.issuer}/evil"}
    )


def _altered(provider: Provider, claims: dict[str, Any], headers: dict[str, Any]) -> str:
    head, _, signature = provider.keys[-1].sign(claims).split(".")
    return f"{head}.{b64(json.dumps({**claims, 'sub': 'root'}).encode())}.{signature}"


def _cut(provider: Provider, claims: dict[str, Any], headers: dict[str, Any]) -> str:
    return provider.keys[-1].sign(claims).rpartition(".")[0] + "."


def _relabelled(provider: Provider, claims: dict[str, Any], headers: dict[str, Any]) -> str:
    """It names another algorithm than the key is for."""
    _, payload, signature = provider.keys[-1].sign(claims).split(".")
    return f"{b64(json.dumps({**headers, 'alg': 'RS256'}).encode())}.{payload}.{signature}"


def at(**offsets: int) -> Callable[[Provider], None]:
    return forged(
        lambda p, claims, headers: p.keys[-1].sign(
            {**claims, **{name: claims["iat"] + seconds for name, seconds in offsets.items()}}
        )
    )


LIES: dict[str, tuple[Callable[[Provider], None], str]] = {
    "another nonce": (saying(nonce="x" * 43), "another login"),
    "no nonce": (saying(nonce=None), "another login"),
    "a nonce that is no text": (saying(nonce=["x"]), "another login"),
    "half a character as nonce": (saying(nonce="\ud800"), "another login"),
    "another issuer": (saying(iss="http://127.0.0.1:1"), "another issuer"),
    "the issuer with a slash": (
        forged(lambda p, c, h: p.keys[-1].sign({**c, "iss": p.issuer + "/"})),
        "another issuer",
    ),
    "another audience": (saying(aud="somebody else"), "another audience"),
    "no audience": (saying(aud=None), "another audience"),
    "an audience within a text": (saying(aud=f"not {CLIENT}"), "another audience"),
    "several audiences without azp": (saying(aud=[CLIENT, "other"]), "another party"),
    "azp of another": (saying(azp="other"), "another party"),
    "expired": (at(exp=-61, iat=-30), "has expired"),
    "no end": (saying(exp=None), "when it was made"),
    "no beginning": (saying(iat=None), "when it was made"),
    "made in the future": (at(iat=3600, exp=7200), "of the future"),
    "valid in the future": (at(nbf=3600), "of the future"),
    "made before the login": (at(iat=-3600), "before this login"),
    "a time that is a text": (saying(exp="9999999999"), "cannot be read"),
    "a time that is true": (saying(iat=True), "cannot be read"),
    "an endless time": (saying(exp=float("inf")), "cannot be read"),
    "no time at all": (saying(exp=float("nan")), "cannot be read"),
    "another access token": (saying(at_hash="x" * 22), "another access token"),
    "at_hash that is no text": (saying(at_hash=7), "another access token"),
    "nobody": (saying(sub=None), "who logged in"),
    "nobody by name": (saying(sub=""), "who logged in"),
    "somebody with a number": (saying(sub=815), "who logged in"),
    "somebody endless": (saying(sub="x" * 256), "who logged in"),
    "somebody in two lines": (saying(sub="08\n15"), "who logged in"),
    "alg none": (forged(_none), "not a signed token"),
    "alg none with a signature": (
        forged(lambda p, c, h: _none(p, c, h) + "eA"),
        "not signed with an algorithm",
    ),
    "HS256 with the public key": (forged(_hmac_with_the_public_key), "not signed with an algorithm"),
    "signed with another key": (forged(_other_key), "signature is not valid"),
    "with a key that it brings": (forged(_own_key), "signature is not valid"),
    "altered": (forged(_altered), "signature is not valid"),
    "cut": (forged(_cut), "not a signed token"),
    "no token": (forged(lambda p, c, h: "x.y"), "not a signed token"),
    "a long one": (saying(more="x" * 100_000), "too long"),
    "an access token": (headed(typ="at+jwt"), "another kind"),
    "a logout token": (headed(typ="logout+jwt"), "another kind"),
    "with crit": (headed(crit=["exp"]), "what is not understood"),
    "ES256 where the key is for RSA": (forged(_relabelled), "does not publish"),
}


async def test_tokens_that_must_not_hold(api: Api, provider: Provider, browser: Browser) -> None:
    await known(api, browser)
    honest = dict(provider.claims)
    for lie, (apply, why) in LIES.items():
        provider.claims, provider.forge = dict(honest), None
        apply(provider)
        told = await browser.login()
        assert (told.status_code, browser.is_in) == (422, False), (lie, told.text)
        assert re.search(why, told.text), (lie, told.text)
    provider.claims, provider.forge = honest, None
    await browser.login()
    assert browser.is_in


async def test_a_clock_that_is_a_little_off_is_none_of_it(
    api: Api, provider: Provider, browser: Browser
) -> None:
    await known(api, browser)
    for offsets in ({"iat": 30}, {"exp": -30, "iat": -40}, {"nbf": 30}):
        at(**offsets)(provider)
        assert (await browser.login()).status_code == 200, offsets


@pytest.mark.parametrize("audience", [[CLIENT], [CLIENT, "other"]], ids=str)
async def test_audiences_as_a_list(
    api: Api, provider: Provider, browser: Browser, audience: list[str]
) -> None:
    await known(api, browser)
    provider.claims |= {"aud": audience, "azp": CLIENT}
    await browser.login()
    assert browser.is_in


# ---- Keys


async def test_rotated_keys_are_read_again_once(
    api: Api, provider: Provider, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await known(api, browser)
    assert provider.asked["/keys"] == 1
    provider.keys = [provider.keys[0], Key()]
    monkeypatch.setattr("interlock.runtime.oidc.provider.AGAIN", 0)
    await browser.login()
    assert browser.is_in
    assert provider.asked["/keys"] == 2
    await browser.login()
    assert provider.asked["/keys"] == 2


async def test_a_flood_of_unknown_keys_asks_once(api: Api, provider: Provider, browser: Browser) -> None:
    """Within a minute of the last look the keys are not read again, whatever tokens say."""
    await known(api, browser)
    headed(kid="never published")(provider)
    for _ in range(5):
        told = await browser.login()
        assert "does not publish" in told.text
    assert provider.asked["/keys"] == 1
    assert not browser.is_in


@pytest.mark.parametrize("kid", [None, ["x"]], ids=str)
async def test_without_a_key_id_there_must_be_one_key(
    api: Api, provider: Provider, browser: Browser, kid: object
) -> None:
    """OpenID Connect Core, section 10.1."""
    await known(api, browser)

    def without(claims: dict[str, Any], headers: dict[str, Any]) -> str:
        token = jwt.encode(claims, provider.keys[0].private, "ES256")
        if kid is None:
            return token
        _, payload, _ = token.split(".")
        return f"{b64(json.dumps({'alg': 'ES256', 'kid': kid}).encode())}.{payload}.eA"

    provider.forge = without
    told = await browser.login()
    assert browser.is_in is (kid is None), told.text


KEYS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "for encryption": lambda jwk: {**jwk, "use": "enc"},
    "for something else": lambda jwk: {**jwk, "key_ops": ["encrypt"]},
    "for another algorithm": lambda jwk: {**jwk, "alg": "ES384"},
    "of another kind": lambda jwk: {"kty": "oct", "k": b64(b"secret" * 8), "kid": jwk["kid"], "alg": "ES256"},
    "of another curve": lambda jwk: {**jwk, "crv": "P-384"},
    "without its half": lambda jwk: {name: value for name, value in jwk.items() if name != "y"},
    "with another point": lambda jwk: {**jwk, "x": b64(bytes(32))},
}


async def test_keys_that_are_none(api: Api, provider: Provider, browser: Browser) -> None:
    service = api.runtime.oidc
    assert service is not None
    for what, change in KEYS.items():
        provider.replies["/keys"] = json_reply({"keys": [7, change(provider.keys[0].jwk)]})
        service.provider = OurProvider(service.settings)  # nothing is remembered
        told = await browser.login()
        assert (told.status_code, "not accepted" in told.text) == (422, True), (what, told.text)
        service.provider.close()


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_a_key_that_is_too_short(api: Api, provider: Provider, browser: Browser) -> None:
    key = Key("RS256")
    key.private = rsa.generate_private_key(65537, 1024)
    provider.keys = [key]
    told = await browser.login()
    assert "key cannot be used" in told.text


def json_reply(value: Any, status: int = 200) -> Reply:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()
