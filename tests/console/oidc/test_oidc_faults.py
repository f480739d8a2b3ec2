"""A provider that is away, slow, huge or talks nonsense; and nothing secret anywhere but where it belongs."""

import asyncio
import io
import json
import re
import socket
import sqlite3
import ssl
from pathlib import Path
from typing import Any

import pytest
from tests.console.conftest import Api
from tests.console.oidc.conftest import Browser, known
from tests.console.oidc.provider import SECRET, Provider, Reply

from interlock.model.errors import Unavailable
from interlock.runtime import log
from interlock.runtime.oidc import calling
from interlock.runtime.oidc.kept import Kept
from interlock.runtime.oidc.provider import Provider as OurProvider

pytestmark = pytest.mark.anyio

DISCOVERY, TOKEN, KEYS = "/.well-known/openid-configuration", "/token", "/keys"
JSON = {"Content-Type": "application/json"}


def reply(value: Any, status: int = 200) -> Reply:
    return status, JSON, json.dumps(value).encode()


def raw(body: bytes, status: int = 200, **headers: str) -> Reply:
    return status, {**JSON, **headers}, body


FAULTS: dict[str, tuple[str, Reply, str]] = {
    "an error": (DISCOVERY, reply({}, 500), "answers HTTP 500"),
    "not found": (DISCOVERY, reply({}, 404), "answers HTTP 404"),
    "a redirect": (DISCOVERY, raw(b"", 302, Location=f"{DISCOVERY}?again"), "answers HTTP 302"),
    "garbage": (DISCOVERY, raw(b"\xff\xfe<html>"), "cannot be read"),
    "nothing": (DISCOVERY, raw(b""), "cannot be read"),
    "a list": (DISCOVERY, reply([]), "cannot be read"),
    "too deep": (DISCOVERY, raw(b"[" * 100_000), "cannot be read"),
    "too little": (DISCOVERY, reply({"issuer": "x"}), "cannot be read"),
    "huge": (DISCOVERY, raw(b" " * (calling.MOST + 1)), "too large"),
    "tokens with an error": (TOKEN, reply({}, 503), "answers HTTP 503"),
    "tokens elsewhere": (TOKEN, raw(b"", 307, Location="/elsewhere"), "answers HTTP 307"),
    "tokens as garbage": (TOKEN, raw(b"{"), "cannot be read"),
    "no tokens": (TOKEN, reply({"access_token": "x", "token_type": "Bearer"}), "cannot be read"),
    "tokens of another kind": (
        TOKEN, reply({"access_token": "x", "token_type": "mac", "id_token": "a.b.c"}), "not as OpenID Connect has it",
    ),
    "huge tokens": (TOKEN, raw(b" " * (calling.MOST + 1)), "too large"),
    "refused": (TOKEN, reply({"error": "invalid_client", "error_description": SECRET}, 401), "refuses this installation"),
    "refused without a word": (TOKEN, raw(b"\xff", 400), "refuses this installation"),
    "keys with an error": (KEYS, reply({}, 500), "answers HTTP 500"),
    "keys as garbage": (KEYS, raw(b"{"), "cannot be read"),
    "keys that are none": (KEYS, reply({"keys": "x"}), "cannot be read"),
    "keys as a list": (KEYS, reply([]), "cannot be read"),
    "huge keys": (KEYS, raw(b" " * (calling.MOST + 1)), "too large"),
    "no keys": (KEYS, reply({"keys": []}), "does not publish"),
}  # fmt: skip


def anew(api: Api) -> None:
    """Forget what is known of the provider."""
    service = api.runtime.oidc
    assert service is not None
    service.provider.close()
    service.provider = OurProvider(service.settings)


async def attempt(browser: Browser) -> tuple[int, str]:
    """As far as one comes."""
    begun = await browser.get("/console/login/oidc")
    if begun.status_code != 303:
        return begun.status_code, begun.text
    told = await browser.get(await browser.at_the_provider(begun.headers["location"]))
    return told.status_code, told.text


async def test_what_a_broken_provider_comes_to(api: Api, provider: Provider, browser: Browser) -> None:
    """A page that says so, and nobody is in; afterwards all is well again."""
    await known(api, browser)
    for what, (path, answer, why) in FAULTS.items():
        anew(api)
        provider.replies = {path: answer}
        status, text = await attempt(browser)
        assert status == (422 if what == "no keys" else 503), (what, text)
        assert why in text, (what, text)
        assert SECRET not in text
        assert not browser.is_in
        assert provider.asked["/elsewhere"] == 0
    anew(api)
    provider.replies = {}
    await browser.login()
    assert browser.is_in


METADATA: dict[str, tuple[dict[str, Any], str]] = {
    "another name": ({"issuer": "http://127.0.0.1:1"}, "another name"),
    "a slash more": ({"issuer": "+/"}, "another name"),
    "plain http elsewhere": ({"token_endpoint": "http://provider.example/token"}, "not https"),
    "a file": ({"jwks_uri": "file:///etc/passwd"}, "not https"),
    "a script": ({"authorization_endpoint": "javascript:alert(1)"}, "not https"),
    "a user": ({"authorization_endpoint": "https://a:b@provider.example/"}, "not https"),
    "a fragment": ({"authorization_endpoint": "https://provider.example/#x"}, "not https"),
    "two lines": ({"authorization_endpoint": "https://provider.example/\r\nSet-Cookie: a=b"}, "not https"),
    "no port": ({"token_endpoint": "https://provider.example:0/"}, "not https"),
    "no PKCE": ({"code_challenge_methods_supported": ["plain"]}, "no PKCE"),
    "no kind of client": ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, "no client secret"),
}


async def test_what_the_provider_says_of_itself_is_checked(
    api: Api, provider: Provider, browser: Browser
) -> None:
    for what, (said, why) in METADATA.items():
        anew(api)
        provider.metadata = {k: provider.issuer + "/" if v == "+/" else v for k, v in said.items()}
        status, text = await attempt(browser)
        assert (status, why in text) == (503, True), (what, text)


async def test_an_endpoint_may_have_a_query(api: Api, provider: Provider, browser: Browser) -> None:
    provider.metadata = {"authorization_endpoint": f"{provider.issuer}/authorize?realm=x"}
    begun = await browser.get("/console/login/oidc")
    assert begun.headers["location"].startswith(f"{provider.issuer}/authorize?realm=x&response_type=code")


async def test_a_provider_that_is_not_there(
    api: Api, provider: Provider, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not asked again at once; passkeys work as ever."""
    provider.shutdown()
    provider.server_close()
    told = await browser.get("/console/login/oidc")
    assert (told.status_code, "does not answer (ConnectionRefusedError)" in told.text) == (503, True)
    monkeypatch.setattr(calling, "_ask", None)  # would fail otherwise
    assert (await browser.get("/console/login/oidc")).status_code == 503
    page = await browser.get("/console/login")
    assert page.status_code == 200
    assert "Use a passkey" in page.text


@pytest.mark.parametrize("path", [DISCOVERY, TOKEN, KEYS])
async def test_a_slow_provider(
    api: Api, provider: Provider, browser: Browser, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Byte by byte, and never to the end: each step is quick enough, all of them are not."""
    monkeypatch.setattr(calling, "WHOLE", 0.3)
    provider.slow = {path}
    status, text = await attempt(browser)
    assert status == 503
    # Not the patience of whoever waits has ended it: the thread is free again.
    assert re.search(r"cannot be read|does not answer \(", text), text
    assert not browser.is_in


async def test_a_provider_that_says_nothing(
    api: Api, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the connection, and that is all."""
    monkeypatch.setattr(calling, "STEP", 0.3)
    service = api.runtime.oidc
    assert service is not None
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        caller = calling.Caller()
        with pytest.raises(Unavailable, match="does not answer"):
            await caller.get(f"http://127.0.0.1:{mute.getsockname()[1]}/")
        caller.close()


async def test_a_crowd_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many requests at a time, and no more wait; who waits too long is told so. Then there is room again."""
    monkeypatch.setattr(calling, "WAITING", 0)
    monkeypatch.setattr(calling, "PATIENCE", 0.2)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/"
        monkeypatch.setattr(calling, "STEP", 1.0)
        caller = calling.Caller()
        work = [asyncio.ensure_future(caller.get(url)) for _ in range(calling.THREADS)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="too many"):
            await caller.get(url)
        for each in work:
            with pytest.raises(Unavailable, match="does not answer"):
                await each
        with pytest.raises(Unavailable, match="too many"):  # the threads are still at it
            await caller.get(url)
        await asyncio.to_thread(caller._threads.shutdown)
        await asyncio.sleep(0)
        assert caller._under_way == 0


async def test_a_certificate_that_nobody_vouches_for(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    caller = calling.Caller()
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(Unavailable, match="SSLCertVerificationError"):
            await caller.get(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert (await caller.get(url)).body == b"{}"
    caller.close()


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_what_is_kept_is_read_once_for_all_who_wait() -> None:
    clock, reads = Clock(), 0

    async def read() -> list[int]:
        nonlocal reads
        reads += 1
        await asyncio.sleep(0)
        return [reads]

    kept = Kept(clock, read, 60, 5)
    assert await asyncio.gather(*(kept.get() for _ in range(5))) == [[1]] * 5
    clock.now += 61
    assert await kept.get() == [2]
    seen = await kept.get()
    assert await kept.newer_than(seen, 30) is None
    clock.now += 31
    found = await asyncio.gather(*(kept.newer_than(seen, 30) for _ in range(5)))
    assert found == [[3]] * 5


async def test_after_a_failure_it_is_left_alone_for_a_while() -> None:
    clock, reads = Clock(), 0

    async def read() -> int:
        nonlocal reads
        reads += 1
        raise Unavailable("away")

    kept = Kept(clock, read, 60, 5)
    for _ in range(3):
        with pytest.raises(Unavailable, match="away"):
            await kept.get()
    assert reads == 1
    clock.now += 6
    with pytest.raises(Unavailable):
        await kept.get()
    assert reads == 2


async def test_a_changed_secret_is_read_again(
    api: Api, provider: Provider, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await known(api, browser)
    monkeypatch.setenv("OIDC_SECRET", "renewed")
    monkeypatch.setattr("tests.console.oidc.provider.SECRET", "renewed")
    assert "refuses this installation" in (await browser.login()).text
    await browser.login()
    assert browser.is_in


async def test_a_secret_that_is_not_there(
    api: Api, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OIDC_SECRET")
    told = await browser.login()
    assert (told.status_code, "OIDC_SECRET is not set" in told.text) == (503, True)


async def test_nothing_secret_is_anywhere(
    api: Api, provider: Provider, browser: Browser, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Codes, verifiers, nonces, tokens and the client's secret: not in the store, the ledger, the log or a page. (The code comes
    back in an address: that is the protocol.)"""
    out = io.StringIO()
    log.set_up(json=True, level="debug", stream=out)
    pages = []
    await known(api, browser)
    pages.append((await browser.login()).text)
    pages.append((await browser.get("/console/")).text)
    provider.claims["nonce"] = "x"
    pages.append((await browser.login()).text)
    provider.replies = {TOKEN: reply({"error": "invalid_client", "error_description": SECRET}, 401)}
    pages.append((await browser.login()).text)
    provider.replies = {DISCOVERY: reply({}, 500)}
    anew(api)
    pages.append((await browser.get("/console/login/oidc")).text)
    secrets = [*provider.seen, SECRET, browser.cookies["__Host-interlock"]]
    assert len(secrets) > 12
    entries = b"".join(await api.runtime.store.entries(0, 10_000)).decode()
    stored = "\n".join(sqlite3.connect(tmp_path / "interlock.db").iterdump())
    printed = "".join(capfd.readouterr())
    for place in (entries, stored, out.getvalue(), printed, *pages):
        assert place is printed or place
        for secret in secrets:
            assert secret not in place
    assert "dora" in stored
    for value in (service := api.runtime.oidc, service and service.settings, service and service.provider):
        assert SECRET not in repr(value)
