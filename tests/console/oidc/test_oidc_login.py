"""Login with an OpenID provider: the whole way over HTTP, what comes back, and whose login it is."""

import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
import pytest
from tests.console.conftest import CONFIG, ORIGIN, Api, enrolled, installed, logged_in
from tests.console.oidc.conftest import Browser, code_of, entries, follow, known, linked, person
from tests.console.oidc.provider import Key, Provider

from interlock.console.access import COOKIE
from interlock.console.web.frame import BEGUN
from interlock.model.errors import Rejected
from interlock.model.people import Subject, TicketKind

pytestmark = pytest.mark.anyio


# ---- The way in


async def test_the_whole_way(api: Api, provider: Provider, browser: Browser) -> None:
    page = await browser.get("/console/login?to=/console/changes")
    assert 'href="/console/login/oidc?to=/console/changes"' in page.text
    first = await browser.login("?to=/console/changes")
    assert not browser.is_in
    assert "not enrolled yet" in first.text
    assert await api.runtime.store.read(lambda tx: tx.person("dora")) is None
    made = await api.post("/api/v1/people/dora/confirm", {"code": code_of(first), "groups": ["sre"]})
    assert [s["sub"] for s in made["subjects"]] == ["0815"]
    second = await browser.login("?to=/console/changes")
    assert second.status_code == 200
    assert 'content="0; url=/console/changes"' in second.text
    assert browser.is_in
    assert BEGUN not in browser.cookies
    overview = await browser.get("/console/")
    assert overview.status_code == 200
    assert "dora" in overview.text
    logins = await entries(api, "login")
    assert [(e["person"], e["how"], e["done"]) for e in logins] == [
        ("", "oidc", False),
        ("dora", "oidc", True),
    ]
    token = re.search(r'name="token" value="([^"]+)"', overview.text)
    assert token
    left = await browser.ask("POST", "/console/logout", data={"token": token[1]})
    assert left.status_code == 303
    assert not browser.is_in


async def test_the_provider_is_asked_as_it_must_be(api: Api, provider: Provider, browser: Browser) -> None:
    """PKCE, state and nonce are new each time, and the browser keeps them sealed (its cookie tells nothing)."""
    addresses = [(await browser.get("/console/login/oidc")).headers["location"] for _ in range(2)]
    asked = [parse_qs(urlsplit(address).query) for address in addresses]
    assert all(address.startswith(f"{provider.issuer}/authorize?") for address in addresses)
    for name in ("state", "nonce", "code_challenge"):
        one, two = asked[0][name], asked[1][name]
        assert one != two
        assert len(one[0]) == 43
        assert one[0] not in browser.cookies[BEGUN]
    assert asked[0]["code_challenge_method"] == ["S256"]
    assert asked[0]["redirect_uri"] == [f"{ORIGIN}/console/login/oidc/answer"]
    assert asked[0]["scope"] == ["openid profile"]
    assert provider.asked["/.well-known/openid-configuration"] == 1


async def test_cookies_are_for_this_host_alone_and_end(api: Api, browser: Browser) -> None:
    told = await browser.get("/console/login/oidc")
    (line,) = told.headers.get_list("set-cookie")
    attributes = {part.strip().lower() for part in line.split(";")[1:]}
    assert line.startswith("__Host-")
    assert attributes == {"path=/", "max-age=600", "secure", "httponly", "samesite=lax"}


async def test_visitors_write_nothing(api: Api, browser: Browser) -> None:
    size = await api.runtime.store.read(lambda tx: tx.ledger_size())
    for _ in range(20):
        await browser.get("/console/login/oidc")
    assert await api.runtime.store.read(lambda tx: tx.ledger_size()) == size
    assert not await api.runtime.store.read(lambda tx: tx.tickets(TicketKind.LOGIN))


async def test_without_a_provider_there_is_none(tmp_path: Path) -> None:
    async with installed(tmp_path, CONFIG) as api:
        browser = Browser(api)
        assert "oidc" not in (await browser.get("/console/login")).text
        for path in ("/console/login/oidc", "/console/login/oidc/answer?state=x&code=y"):
            assert (await browser.get(path)).status_code == 404
        told = await browser.ask("POST", "/console/enrol/oidc", json={"secret": "x"})
        assert told.status_code == 404


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
async def test_every_accepted_algorithm(api: Api, provider: Provider, browser: Browser, alg: str) -> None:
    provider.keys = [Key("ES256"), Key("RS256"), Key(alg)]
    await known(api, browser)
    await browser.login()
    assert browser.is_in


async def test_a_secret_in_the_form_where_the_provider_wants_it_there(
    api: Api, provider: Provider, browser: Browser
) -> None:
    provider.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"]}
    await known(api, browser)
    await browser.login()
    assert browser.is_in


async def test_a_provider_that_names_no_issuer_in_its_answers(
    api: Api, provider: Provider, browser: Browser
) -> None:
    """RFC 9207 is not everywhere; where it is said to be, `test_what_comes_back` asks for it."""
    provider.metadata, provider.answer_iss = {"authorization_response_iss_parameter_supported": False}, None
    await known(api, browser)
    await browser.login()
    assert browser.is_in


# ---- What comes back to us


def changed(path: str, **new: str | None) -> str:
    """The path with other parameters; None takes one away."""
    parts = urlsplit(path)
    query = {name: value for name, (value,) in parse_qs(parts.query).items()}
    kept = {name: value for name, value in {**query, **new}.items() if value is not None}
    return f"{parts.path}?{urlencode(kept)}"


BACK: list[tuple[dict[str, str | None], str]] = [
    ({"state": "A" * 43}, "not begun in this browser"),
    ({"state": None}, "not begun in this browser"),
    ({"state": "\u00e9"}, "not begun in this browser"),
    ({"iss": "http://evil.example"}, "another login provider"),
    ({"iss": None}, "another login provider"),
    ({"code": None}, "not as OpenID Connect has it"),
    ({"code": "x" * 5000}, "not as OpenID Connect has it"),
    ({"code": "made-up"}, "used or over"),
    ({"error": "access_denied", "error_description": "<b>ask mallory</b>"}, "cancelled there"),
    ({"error": "<script>alert(1)</script>"}, "does not say why"),
]


async def test_what_comes_back(api: Api, provider: Provider, browser: Browser) -> None:
    await known(api, browser)
    for new, why in BACK:
        told = await browser.get(changed(await browser.go(), **new))
        assert (told.status_code, why in told.text) == (422, True), (new, told.text)
        assert "mallory" not in told.text
        assert "alert(1)" not in told.text
        assert not browser.is_in


async def test_a_parameter_given_twice_is_none(api: Api, browser: Browser) -> None:
    await known(api, browser)
    path = await browser.go()
    assert (await browser.get(f"{path}&code=other")).status_code == 400
    assert not browser.is_in


async def test_a_login_comes_back_once(api: Api, provider: Provider, browser: Browser) -> None:
    """Even for who kept the cookie, with the same code or another."""
    await known(api, browser)
    path = await browser.go()
    kept = browser.cookies[BEGUN]
    assert (await browser.get(path)).status_code == 200
    tokens = provider.asked["/token"]
    for again in (path, changed(path, code="another")):
        other = Browser(api)
        other.cookies[BEGUN] = kept
        told = await other.get(again)
        assert (told.status_code, other.is_in) == (422, False)
    assert provider.asked["/token"] == tokens


async def test_a_code_is_good_once(api: Api, provider: Provider, browser: Browser) -> None:
    """That of one login, put into another: the provider knows, and the verifier would not fit either."""
    await known(api, browser)
    first = await browser.go()
    (code,) = parse_qs(urlsplit(first).query)["code"]
    second = await browser.go()
    told = await browser.get(changed(second, code=code))
    assert (told.status_code, browser.is_in) == (422, False)


async def test_another_browser_gets_nobody_in(api: Api, provider: Provider, browser: Browser) -> None:
    """Login CSRF: an attacker's answer, opened by somebody who began none, or one of their own."""
    await known(api, browser)
    path = await browser.go()
    victim = Browser(api)
    told = await victim.get(path)
    assert (told.status_code, victim.is_in) == (422, False)
    await victim.go()
    told = await victim.get(path)
    assert (told.status_code, victim.is_in) == (422, False)


async def test_a_cookie_of_somebody_elses_making(api: Api, browser: Browser) -> None:
    await known(api, browser)
    for kept in ("", "x", "!!", "A" * 400):
        told = await browser.get(await browser.go(), cookie=f"{BEGUN}={kept}")
        assert (told.status_code, browser.is_in) == (422, False)


async def test_the_seal_is_of_this_purpose(api: Api, browser: Browser) -> None:
    """What the installation sealed for something else is not taken."""
    path = await browser.go()
    challenge = api.runtime.entrance.login_options()["challenge"]
    assert (await browser.get(path, cookie=f"{BEGUN}={challenge}")).status_code == 422


async def test_a_login_ends(api: Api, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    await known(api, browser)
    path = await browser.go()
    monkeypatch.setattr("interlock.runtime.oidc.login.WITHIN", -1)
    told = await browser.get(path)
    assert "too long ago" in told.text
    assert not browser.is_in


ELSEWHERE = (
    "https://evil.example/", "//evil.example", "/\\evil.example", "/console/../../x", "javascript:alert(1)",
    "/console//evil.example", "/elsewhere", "/console/x\r\nSet-Cookie: a=b", '/console/"><script>',
)  # fmt: skip


async def test_nobody_is_sent_elsewhere(api: Api, browser: Browser) -> None:
    await known(api, browser)
    for to in ELSEWHERE:
        browser.cookies.clear()
        page = await browser.login(f"?{urlencode({'to': to})}")
        assert browser.is_in
        found = re.search(r'content="0; url=([^"]*)"', page.text)
        assert found
        assert found[1].startswith("/console/")
        assert "evil" not in page.text
        assert "<script>" not in page.text


# ---- Whose login it is


async def test_a_first_login_enrols_nobody_and_waits_for_its_code(
    api: Api, provider: Provider, browser: Browser
) -> None:
    first, again = code_of(await browser.login()), code_of(await browser.login())
    assert first == again
    (waits,) = (await api.get("/api/v1/enrolments"))["enrolments"]
    assert (waits["person"], waits["label"], len(waits["login"])) == ("", "dora", 64)
    assert first not in json.dumps(waits)
    assert len(await entries(api, "login")) == 1
    for body in ({"code": "AAAA-AAAA", "groups": ["sre"]}, {"code": "é", "groups": ["sre"]}, {"code": first}):
        await api.post("/api/v1/people/dora/confirm", body, 422)
    await api.post("/api/v1/people/dora/confirm", {"code": first, "groups": ["sre"]})
    await api.post("/api/v1/people/emil/confirm", {"code": first, "groups": ["sre"]}, 422)
    assert not (await api.get("/api/v1/enrolments")).get("enrolments")
    (said,) = [e for e in await entries(api, "person") if e["person"] == "dora"]
    assert (said["what"], said["groups"], said["logins"]) == ("added", ["sre"], [waits["login"]])
    assert "0815" not in str(await api.runtime.store.entries(0, 10_000))


async def test_nobody_confirms_themself(api: Api, browser: Browser) -> None:
    code = code_of(await browser.login())
    with pytest.raises(Rejected, match="somebody else"):
        await api.runtime.enrolments.confirm("dora", code, ["sre"], by="person/dora")


async def test_a_name_that_is_taken_is_not_taken_over(api: Api, provider: Provider, browser: Browser) -> None:
    """What the provider calls somebody proves nothing: "ann" here is not the ann there."""
    provider.claims["preferred_username"] = "ann"
    code = code_of(await browser.login())
    told = await api.post("/api/v1/people/ann/confirm", {"code": code}, 422)
    assert "invitation" in told["detail"]
    assert not (await person(api, "ann")).subjects
    assert not browser.is_in


async def test_who_is_enrolled_links_theirs_by_an_invitation(
    api: Api, provider: Provider, browser: Browser
) -> None:
    assert "Company login" in (await browser.get("/console/enrol")).text
    secret = await api.runtime.enrolments.invite("ann", (), by="uid/0")
    page = await follow(browser, secret)
    assert not browser.is_in
    assert "ann" in page.text
    assert (await follow(browser, secret)).status_code == 422
    await api.post("/api/v1/people/bob/confirm", {"code": code_of(page)}, 422)
    made = await api.post("/api/v1/people/ann/confirm", {"code": code_of(page)})
    assert (made["groups"], [s["sub"] for s in made["subjects"]]) == (["sre"], ["0815"])
    await browser.login()
    assert "ann" in (await browser.get("/console/")).text


async def test_an_admin_confirms_and_removes_a_login_on_the_pages(
    api: Api, provider: Provider, browser: Browser
) -> None:
    provider.claims["preferred_username"] = "<b>dora</b>"
    code = code_of(await browser.login())
    admin = Browser(api)
    cookie = (await logged_in(api, await enrolled(api, "root", "admin")))["cookie"]
    admin.cookies[COOKIE] = cookie.partition("=")[2]
    page = await admin.get("/console/people")
    assert "Somebody nobody invited logged in" in page.text
    assert "<b>dora" not in page.text
    token = re.search(r'name="token" value="([^"]+)"', page.text)
    assert token
    form = {"token": token[1], "person": "dora", "groups": "sre, dba", "code": code}
    told = await admin.ask("POST", "/console/confirmations", data=form)
    assert (told.status_code, told.headers.get("location")) == (303, "/console/people/dora")
    assert (await person(api, "dora")).groups == ("sre", "dba")
    await browser.login()
    assert browser.is_in
    assert "0815" in (await admin.get("/console/people/dora")).text
    told = await admin.ask("POST", "/console/people/dora/unlink", data={"token": token[1], "sub": "0815"})
    assert told.status_code == 303
    assert (await browser.get("/console/")).status_code == 303


async def test_an_invitation_of_somebody_new(api: Api, browser: Browser) -> None:
    """With the groups that whoever invites said, and no others."""
    code = code_of(await linked(api, browser, "zoe", "dba"))
    await api.post("/api/v1/people/zoe/confirm", {"code": code, "groups": ["admin"]}, 422)
    assert (await api.post("/api/v1/people/zoe/confirm", {"code": code}))["groups"] == ["dba"]


async def test_a_used_invitation_links_nothing(api: Api, browser: Browser) -> None:
    """Two browsers with one link: the second to come back finds it used."""
    secret = await api.runtime.enrolments.invite("ann", (), by="uid/0")
    other = Browser(api)
    paths = []
    for each in (browser, other):
        told = await each.ask("POST", "/console/enrol/oidc", json={"secret": secret})
        paths.append(await each.at_the_provider(told.json()["address"]))
    code_of(await browser.get(paths[0]))
    assert (await other.get(paths[1])).status_code == 422


async def test_one_login_belongs_to_one_person(api: Api, provider: Provider, browser: Browser) -> None:
    """Not by an invitation of somebody else, nor after it was removed."""
    await known(api, browser)
    secret = await api.runtime.enrolments.invite("ann", (), by="uid/0")
    page = await follow(browser, secret)
    assert (page.status_code, "enrolled already" in page.text) == (422, True)
    await api.post("/api/v1/people/dora/unlink", {"sub": "0815"})
    page = await follow(browser, secret)
    assert (page.status_code, "enrolled already" in page.text) == (422, True)
    assert not (await person(api, "ann")).subjects


async def test_two_links_for_one_login(api: Api, provider: Provider, browser: Browser) -> None:
    """The same login waits for two people: whoever is confirmed first has it."""
    codes = {}
    for name in ("ann", "bob"):
        codes[name] = code_of(await linked(api, browser, name))
    await api.post("/api/v1/people/ann/confirm", {"code": codes["ann"]}, 422)  # the newer one took its place
    await api.post("/api/v1/people/bob/confirm", {"code": codes["bob"]})
    assert not (await person(api, "ann")).subjects


async def test_a_login_that_somebody_got_meanwhile(api: Api, browser: Browser) -> None:
    """It is looked at again when it is confirmed."""
    code = code_of(await linked(api, browser, "ann"))
    bob = await person(api, "bob")
    theirs = msgspec.structs.replace(bob, subjects=(Subject(provider_of(api), "0815", bob.created_at),))
    await api.runtime.store.transact(lambda tx: tx.put_person(theirs))
    told = await api.post("/api/v1/people/ann/confirm", {"code": code}, 422)
    assert "enrolled already" in told["detail"]
    assert not (await person(api, "ann")).subjects


async def test_a_person_has_so_many_logins(
    api: Api, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interlock.runtime.service.people.keys.MOST_LOGINS", 0)
    code = code_of(await linked(api, browser, "ann"))
    assert "unlink one first" in (await api.post("/api/v1/people/ann/confirm", {"code": code}, 422))["detail"]


def provider_of(api: Api) -> str:
    assert api.runtime.oidc is not None
    return api.runtime.oidc.settings.issuer


async def test_another_spelling_is_another_login(api: Api, provider: Provider, browser: Browser) -> None:
    provider.claims["sub"] = "ab"
    await known(api, browser)
    for sub in ("Ab", "AB", "ab ", " ab", "ab\u0301"):
        provider.claims["sub"] = sub
        await browser.login()
        assert not browser.is_in, sub
    provider.claims["sub"] = "ab"
    await browser.login()
    assert browser.is_in


async def test_the_same_sub_of_another_issuer_is_another_login(
    api: Api, provider: Provider, browser: Browser
) -> None:
    await known(api, browser)
    dora = await person(api, "dora")
    (subject,) = dora.subjects
    moved = msgspec.structs.replace(subject, issuer="https://other.example")
    await api.runtime.store.transact(
        lambda tx: tx.put_person(msgspec.structs.replace(dora, subjects=(moved,)))
    )
    await browser.login()
    assert not browser.is_in


async def test_who_is_disabled_stays_outside(api: Api, browser: Browser) -> None:
    await known(api, browser)
    await browser.login()
    assert (await browser.get("/console/")).status_code == 200
    await api.post("/api/v1/people/dora/disable", {})
    assert (await browser.get("/console/")).status_code == 303
    browser.cookies.clear()
    told = await browser.login()
    assert "is disabled" in told.text
    assert not browser.is_in
    assert (await entries(api, "login"))[-1] == {
        "person": "dora", "how": "oidc", "done": False, "why": "the person is disabled",
    }  # fmt: skip


async def test_a_removed_login_ends_at_once_and_can_be_given_back(api: Api, browser: Browser) -> None:
    await known(api, browser)
    await browser.login()
    await api.post("/api/v1/people/dora/unlink", {"sub": "0815"})
    assert (await browser.get("/console/")).status_code == 303
    await api.post("/api/v1/people/dora/unlink", {"sub": "0815"}, 404)
    browser.cookies.clear()
    assert "was removed" in (await browser.login()).text
    assert not browser.is_in
    code = code_of(await linked(api, browser, "dora"))
    await api.post("/api/v1/people/dora/confirm", {"code": code})
    await browser.login()
    assert browser.is_in


async def test_only_so_many_wait(
    api: Api, provider: Provider, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interlock.runtime.oidc.links.MOST_WAITING", 2)
    for number in range(2):
        provider.claims["sub"] = f"user {number}"
        code_of(await browser.login())
    provider.claims["sub"] = "user 2"
    assert (await browser.login()).status_code == 422
    provider.claims["sub"] = "user 1"
    code_of(await browser.login())


async def test_a_session_is_new_each_time(api: Api, browser: Browser) -> None:
    """Fixation: whatever cookie was there before is not what one is in with afterwards."""
    await known(api, browser)
    browser.cookies[COOKIE] = "chosen-by-somebody"
    await browser.login()
    first = browser.cookies[COOKIE]
    await browser.login()
    assert "chosen-by-somebody" != first != browser.cookies[COOKIE]
    assert await api.runtime.entrance.session("chosen-by-somebody") is None
