"""What a session may do that began by the provider's word: look, tighten, comment. Everything else needs a passkey."""

import re
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from starlette.requests import Request
from tests.console.conftest import URL, Api, enrolled, logged_in
from tests.console.oidc.conftest import Browser, code_of, known, linked
from tests.console.oidc.provider import Provider

from interlock.console.access import COOKIE, NEEDS_PASSKEY, Doorkeeper
from interlock.console.callers import BySession
from interlock.console.operations import Access, Operation
from interlock.console.routes import OPERATIONS
from interlock.console.web.pages import PAGES
from interlock.console.web.visit import Who
from interlock.control.deciding import shown
from interlock.model.change import ChangeState, Verdict
from interlock.testing.passkey import SoftPasskey

pytestmark = pytest.mark.anyio

LIGHT = {
    "speak", "takeBackApproval", "addComment", "withdrawChange", "revertChange", "disablePerson", "revokePasskey", "unlinkPerson",
    "disableAgent", "revokeGrant", "moveBreaker", "freeze", "halt", "breakGlass",
}  # fmt: skip
"""Written down here as well: what is added to the table must be thought about."""


def path_of(path: str) -> str:
    return re.sub(r"\{id\}", "CHG-00000000", re.sub(r"\{(name|path)(:path)?\}", "nobody", path))


def changing(access: Access) -> list[Operation]:
    return [op for op in OPERATIONS if op.access is access and op.method != "GET"]


def test_what_is_light() -> None:
    assert {op.id for op in OPERATIONS if op.light} == LIGHT
    assert not [op.id for op in OPERATIONS if op.light and op.access is not Access.PERSON]


async def test_the_api_by_such_a_session(api: Api, browser: Browser) -> None:
    await known(api, browser, "dora", "sre", "admin")
    await browser.login()
    for op in changing(Access.PERSON):
        told = await browser.ask(op.method, path_of(op.path), json={} if op.body else None)
        assert (told.status_code == 403) is (op.id not in LIGHT), (op.id, told.text)
        assert (NEEDS_PASSKEY in told.text) is (op.id not in LIGHT), op.id
    for op in changing(Access.ADMIN):
        told = await browser.ask(op.method, path_of(op.path), json={} if op.body else None)
        assert told.status_code == 403, op.id
    for op in OPERATIONS:
        if op.access is Access.PERSON and op.id == "listChanges":
            assert (await browser.get(op.path)).status_code == 200


async def test_nobody_is_an_admin_in_such_a_session(api: Api, browser: Browser) -> None:
    """The same person is one with a passkey."""
    key = await enrolled(api, "dora", "admin")
    code = code_of(await linked(api, browser, "dora"))
    await api.post("/api/v1/people/dora/confirm", {"code": code})
    await browser.login()
    keeper = Doorkeeper(api.runtime.store, URL, False, api.runtime.entrance, api.runtime.terms.site)
    theirs = (await logged_in(api, key))["cookie"]
    for cookie, passkey in ((f"{COOKIE}={browser.cookies[COOKIE]}", False), (theirs, True)):
        scope = {"type": "http", "method": "GET", "headers": [(b"cookie", cookie.encode())]}
        caller = await keeper.visitor(Request(scope))
        assert isinstance(caller, BySession)
        assert (caller.person, caller.admin, caller.passkey) == ("dora", passkey, passkey)


async def test_a_breaker_is_opened_and_not_reset(api: Api, browser: Browser) -> None:
    await known(api, browser)
    await browser.login()
    scope = "agent/fixer"
    moved = await browser.ask(
        "POST", "/api/v1/breakers", json={"scope": scope, "move": "open", "reason": "odd"}
    )
    assert moved.status_code == 200, moved.text
    told = await browser.ask(
        "POST", "/api/v1/breakers", json={"scope": scope, "move": "reset", "reason": "fine"}
    )
    assert told.status_code == 403
    headers = await logged_in(api, await enrolled(api, "emil", "sre"))
    told = await api.tcp.post(
        "/api/v1/breakers", json={"scope": scope, "move": "reset", "reason": "fine"}, headers=headers
    )
    assert told.status_code == 200, told.text


async def test_a_freeze_is_begun_and_not_ended(api: Api, browser: Browser) -> None:
    await known(api, browser)
    await browser.login()
    for what, status in (("freeze", 200), ("thaw", 403)):
        told = await browser.ask("POST", f"/api/v1/environments/production/{what}", json={"reason": "odd"})
        assert told.status_code == status, told.text


async def test_pages_by_such_a_session(api: Api, browser: Browser) -> None:
    """Whoever is of the group `admin` is none without a passkey."""
    await known(api, browser, "dora", "sre", "admin")
    await browser.login()
    token = re.search(r'name="token" value="([^"]+)"', (await browser.get("/console/")).text)
    assert token
    for page in PAGES:
        if page.who is Who.ANYONE or page.path.endswith("/logout"):
            continue
        sent: dict[str, Any] = {} if page.method == "GET" else {"data": {"token": token[1]}}
        told = await browser.ask(page.method, path_of(page.path), **sent)
        refused = page.who is Who.ADMIN or (page.method != "GET" and not page.light)
        assert (told.status_code == 403) is refused, (page.path, told.status_code)


def test_pages_that_are_light() -> None:
    assert {p.path.removeprefix("/console/") for p in PAGES if p.light} == {
        "logout", "changes/{id}/sign", "changes/{id}/opened", "changes/{id}/take-back", "changes/{id}/comment",
        "changes/{id}/withdraw", "agents/{name}/disable", "grants/{id}/revoke", "people/{name}/disable",
        "people/{name}/passkeys/{id}/revoke", "people/{name}/unlink", "environments/{name}/freeze", "halt", "policy/simulator",
            "targets/{name}/break-glass", "breakers/open",
    }  # fmt: skip
    assert all(p.method == "POST" and p.who is Who.PERSON for p in PAGES if p.light)


async def test_an_approval_is_signed_by_a_passkey_all_the_same(api: Api, browser: Browser) -> None:
    """The session alone approves nothing; with the signature of the person's passkey it counts."""
    key = await enrolled(api, "dora", "sre")
    code = code_of(await linked(api, browser, "dora"))
    await api.post("/api/v1/people/dora/confirm", {"code": code})
    await browser.login()
    change = await api.held()
    await api.runtime.changes.opened(change.id, "dora")
    words = await api.runtime.changes.statement(change.id, "dora", Verdict.APPROVE)
    view = await api.runtime.changes.show(change.id)
    words = msgspec.structs.replace(
        words, shown=shown.digest(shown.text_of(view.change, view.statements, words))
    )
    site = api.runtime.terms.site
    assert site is not None
    for signer, status in ((SoftPasskey(site), 422), (key, 200)):
        assertion, signature = signer.sign(words)
        body = {
            "statement": msgspec.to_builtins(words),
            "signature": signature,
            "assertion": msgspec.to_builtins(assertion),
        }
        told = await browser.ask("POST", f"/api/v1/changes/{change.id}/approvals", json=body)
        assert told.status_code == status, told.text
    told = await browser.ask(
        "POST",
        f"/api/v1/changes/{change.id}/approvals",
        json={"statement": msgspec.to_builtins(words), "signature": ""},
    )
    assert told.status_code in (400, 422)
    assert (await api.runtime.changes.get(change.id)).state is ChangeState.HELD


async def test_sessions_say_how_they_began(api: Api, provider: Provider, browser: Browser) -> None:
    await known(api, browser)
    await browser.login()
    found = await api.runtime.entrance.session(browser.cookies["__Host-interlock"])
    assert found is not None
    assert (found.person, found.how) == ("dora", "oidc")
    headers = await logged_in(api, await enrolled(api, "emil", "sre"))
    found = await api.runtime.entrance.session(headers["cookie"].partition("=")[2])
    assert found is not None
    assert found.how == "passkey"


async def test_it_ends_like_any_other(api: Api, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    await known(api, browser)
    monkeypatch.setattr("interlock.runtime.service.people.entrance.IDLE", timedelta(0))
    await browser.login()
    assert (await browser.get("/console/")).status_code == 303


async def test_forms_need_their_token_and_our_origin(api: Api, browser: Browser) -> None:
    await known(api, browser)
    await browser.login()
    assert (await browser.ask("POST", "/console/logout", data={"token": "x"})).status_code == 403
    evil = {"origin": "http://evil.example"}
    assert (await browser.ask("POST", "/console/logout", headers=evil)).status_code == 403
    told = await browser.ask("POST", "/console/enrol/oidc", json={"secret": "x"}, headers=evil)
    assert told.status_code == 403
