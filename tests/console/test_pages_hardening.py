"""What browsers are told, what is kept of a session, and everything of a request that lies."""

import re
from collections.abc import Callable
from datetime import timedelta
from http.cookies import SimpleCookie

import msgspec
import pytest
from tests.console.conftest import ORIGIN, Api, enrolled, logged_in
from tests.console.visitors import HOST, URLENCODED, Visitor, visitor

from interlock.console.access import COOKIE
from interlock.console.web.entering import own_path
from interlock.console.web.frame import MAX_FORM
from interlock.console.web.pages import PAGES
from interlock.control.deciding.passkey import from_base64url
from interlock.model.people import Ticket, TicketKind
from interlock.runtime.service.people.entrance import IDLE, LASTS, Session, digest_of
from interlock.sdk.ports import Tx

pytestmark = pytest.mark.anyio

POLICY = {
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'", "form-action 'self'",
    "base-uri 'none'", "frame-ancestors 'none'",
}  # fmt: skip


# ---- Headers


async def test_every_page_and_error_tells_browsers_what_it_may_do(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    nobody = Visitor(api, {})
    # Without a provider there is nothing behind the ways to it.
    read = [page.path for page in PAGES if page.method == "GET"]
    paths = [path for path in read if "{" not in path and "oidc" not in path and not path.endswith("/one")]
    answers = [await who.get(path) for who in (dora, nobody) for path in paths]
    answers += [
        await who.get(path)
        for who in (dora, nobody)
        for path in ("/console/agents/none", "/console/ledger/x")
    ]
    answers += [
        await dora.post("/console/agents/none/disable"),
        await dora.post("/console/logout", token="x"),
        await dora.get("/console/", host="evil.example"),
        await dora.send("/console/invitations", {"a": "b"}),
        await api.tcp.delete("/console/agents", headers=dora.headers),
    ]
    assert {answer.status_code for answer in answers} >= {200, 303, 403, 404, 405}
    for answer in answers:
        told = answer.headers
        assert set(told["content-security-policy"].split("; ")) == POLICY, answer.url
        assert told["x-frame-options"] == "DENY"
        assert told["x-content-type-options"] == "nosniff"
        assert told["referrer-policy"] == "same-origin"
        assert told["cross-origin-opener-policy"] == "same-origin"
        assert told["cross-origin-resource-policy"] == "same-origin"
        assert told["cache-control"] == "no-store"
        assert "camera=()" in told["permissions-policy"]


async def test_pages_have_no_script_or_style_of_their_own(api: Api) -> None:
    """The policy forbids them, so they would be dead; and what is dead today is a hole after one careless header."""
    dora = await visitor(api, "root", "admin")
    held = await api.held()
    # Without a provider there is nothing behind the ways to it.
    read = [page.path for page in PAGES if page.method == "GET"]
    paths = [path for path in read if "{" not in path and "oidc" not in path and not path.endswith("/one")]
    for path in (
        *paths,
        f"/console/changes/{held.id}",
        "/console/agents/fixer",
        "/console/people/root",
        "/console/ledger/3",
        "/console/breakers/one?scope=agent%2Ffixer",
    ):
        page = await dora.read(path)
        assert not re.findall(r"<style|\sstyle=|\son\w+=|javascript:", page), path
        for script in re.findall(r"<script[^>]*>", page):
            assert re.search(r'type="module" src="/console/static/\w+\.js\?v=[0-9a-f]{12}"', script), (
                path,
                script,
            )


async def test_static_files_are_kept_only_under_the_name_of_their_content(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    (named,) = re.findall(r'href="(/console/static/console\.css\?v=\w+)"', await dora.read("/console/"))
    assert "immutable" in (await dora.get(named)).headers["cache-control"]
    for path in ("/console/static/console.css", "/console/static/console.css?v=000000000000", named + "&x"):
        assert (await dora.get(path)).headers["cache-control"] == "no-cache"
    for path in ("pages.py", "../templates/base.html", "..%2ftemplates%2fbase.html", "%2e%2e/app.py", ""):
        assert (await dora.get(f"/console/static/{path}")).status_code == 404


# ---- Where a request goes


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost", "localhost:8471", "localhost:8470.evil.example", "evil.example#localhost:8470", "",
     "LOCALHOST:8470"]
)  # fmt: skip
async def test_another_hosts_name_gets_nothing(api: Api, host: str) -> None:
    dora = await visitor(api, "dora", "sre")
    for path in ("/console/", "/console/login", "/console/people"):
        answer = await dora.get(path, host=host)
        assert answer.status_code == 404
        assert "evil" not in answer.text
    assert (await dora.post("/console/logout", {"host": host})).status_code == 404
    assert (await dora.get("/console/")).status_code == 200


@pytest.mark.parametrize(
    "name", ["x-forwarded-host", "x-forwarded-server", "x-original-url", "x-rewrite-url", "forwarded"]
)
async def test_headers_of_proxies_are_not_believed(api: Api, name: str) -> None:
    root = await visitor(api, "root", "admin")
    answer = await root.post("/console/invitations", {name: "host=evil.example"}, person="new", groups="sre")
    assert "http://localhost:8470/console/enrol#" in answer.text
    assert "evil.example" not in answer.text


async def test_the_loopback_address_is_sent_to_the_name(api: Api) -> None:
    """Passkeys and cookies belong to the name; nothing else is sent anywhere."""
    answer = await api.tcp.get("/console/people?x=1", headers={"host": "127.0.0.1:8470"})
    assert (answer.status_code, answer.headers["location"]) == (307, ORIGIN + "/console/people")


ELSEWHERE = [
    "https://evil.example/", "//evil.example/", "/\\evil.example", "/console//evil.example", "/console/\\evil.example",
    "javascript:alert(1)",
    "/console/../evil", "/console/%0d%0aLocation:%20http://evil.example", "/console/\r\nX: y", "/consoleevil",
    "/console@evil.example",
    "/api/v1/people", "\t/console/", "/console/\x00", "http:/console/", "/console/..%2f..%2f", "",
]  # fmt: skip


@pytest.mark.parametrize("to", ELSEWHERE)
async def test_after_the_login_one_stays_in_the_console(api: Api, to: str) -> None:
    answer = await api.tcp.get("/console/login", params={"to": to}, headers={"host": HOST})
    (after,) = re.findall(r'data-to="([^"]*)"', answer.text)
    assert after.startswith("/console/")
    assert re.fullmatch(r"/console/[\w%.:/-]*", after)
    assert "//" not in after
    assert "\\" not in after
    assert ".." not in after


def test_own_paths_are_kept() -> None:
    for path in ("/console/", "/console/changes/CHG-1R6A136Z", "/console/agents/fixer"):
        assert own_path(path) == path


async def test_a_path_that_needs_a_login_is_remembered_as_a_path_alone(api: Api) -> None:
    for path in ("/console/people", "/console/people?to=//evil.example"):
        answer = await api.tcp.get(path, headers={"host": HOST})
        assert answer.headers["location"] == "/console/login?to=/console/people"
    answer = await api.tcp.get("/console/agents/a%26x=1%0d%0ab", headers={"host": HOST})
    assert answer.headers["location"] == "/console/login?to=/console/agents/a%26x%3D1b"


# ---- Forms


async def test_forms_have_a_size(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    token = await dora.token()
    for size, status in ((MAX_FORM - 200, 422), (MAX_FORM + 1, 413)):
        data = f"token={token}&change=x&file=edited.cedar&text=".encode().ljust(size, b"a")
        answer = await api.tcp.post(
            "/console/policy/simulator", content=data, headers={**dora.headers, "content-type": URLENCODED}
        )
        assert answer.status_code == status


async def test_a_field_twice_or_too_many_of_them_is_refused(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    token = await dora.token()
    for fields in (
        f"token={token}&token=x",
        f"token={token}&reason=a&reason=b",
        f"token={token}&" + "&".join(f"f{n}=" for n in range(200)),
    ):
        answer = await api.tcp.post(
            "/console/environments/staging/freeze",
            content=fields,
            headers={**dora.headers, "content-type": URLENCODED},
        )
        assert answer.status_code == 400, fields[:60]
    assert (await dora.get("/console/changes?agent=a&agent=b")).status_code == 400


@pytest.mark.parametrize("media", ["text/plain", "application/json", "multipart/form-data; boundary=x", ""])
async def test_forms_are_forms(api: Api, media: str) -> None:
    """What other sites can send without asking (Fetch, CORS-safelisted) but forms of ours do not."""
    dora = await visitor(api, "dora", "sre")
    data = f"token={await dora.token()}&reason=x"
    answer = await api.tcp.post(
        "/console/environments/staging/freeze", content=data, headers={**dora.headers, "content-type": media}
    )
    assert answer.status_code == 415


async def test_what_is_no_text_is_no_fault_of_the_server(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    token = await dora.token()
    for value in ("%ff%fe", "%00", "%ed%a0%80", "%e2%80%ae"):
        data = f"token={token}&person={value}&groups=sre&reason={value}&change={value}&file=edited.cedar&text={value}"
        for path in (
            "/console/environments/staging/freeze",
            "/console/policy/simulator",
            "/console/people/zoe/disable",
        ):
            answer = await api.tcp.post(
                path, content=data, headers={**dora.headers, "content-type": URLENCODED}
            )
            assert answer.status_code < 500, (path, value)
    for path in (
        "/console/agents/%00",
        "/console/people/%ff",
        "/console/ledger/%d9%a3",
        "/console/changes?q=%00",
        "/console/changes?since=9999999",
    ):
        assert (await dora.get(path)).status_code in (200, 400, 404, 422), path


# ---- Sessions


async def entered(api: Api, cookie: str = "") -> tuple[str, SimpleCookie]:
    """Log dora in as a browser does, which has a cookie already; the secret it gets, and the header it came in."""
    key = await enrolled(api, "dora", "sre")
    headers = {"host": HOST, "origin": ORIGIN, **({"cookie": f"{COOKIE}={cookie}"} if cookie else {})}
    options = (await api.tcp.post("/console/login/options", json={}, headers=headers)).json()
    assertion, signature = key.assertion(from_base64url(options["challenge"]))
    body = {"assertion": msgspec.to_builtins(assertion), "signature": signature}
    answer = await api.tcp.post("/console/login/answer", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    found = SimpleCookie(answer.headers["set-cookie"])
    return found[COOKIE].value, found


async def is_in(api: Api, secret: str) -> bool:
    answer = await api.tcp.get("/console/", headers={"host": HOST, "cookie": f"{COOKIE}={secret}"})
    return answer.status_code == 200


async def test_a_cookie_from_before_the_login_is_worth_nothing(api: Api) -> None:
    planted = "A" * 43
    secret, _ = await entered(api, planted)
    assert secret != planted
    assert await is_in(api, secret)
    assert not await is_in(api, planted)


async def test_the_cookie_is_for_this_host_and_no_script(api: Api) -> None:
    secret, found = await entered(api)
    morsel = found[COOKIE]
    assert COOKIE.startswith("__Host-")
    assert (morsel["path"], morsel["domain"], morsel["samesite"].lower()) == ("/", "", "strict")
    assert morsel["secure"] is True
    assert morsel["httponly"] is True
    assert (morsel["max-age"], morsel["expires"]) == ("", "")  # it ends with the browser
    stored = await api.runtime.store.read(lambda tx: tx.tickets(TicketKind.SESSION, "dora"))
    assert secret not in repr(stored)


async def test_logging_out_ends_every_session_and_the_cookie(api: Api) -> None:
    key = await enrolled(api, "dora", "sre")
    one, two = Visitor(api, await logged_in(api, key)), Visitor(api, await logged_in(api, key))
    answer = await one.post("/console/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/login")
    assert re.search(rf'{COOKIE}="";.*Max-Age=0', answer.headers["set-cookie"])
    for who in (one, two):
        assert (await who.get("/console/")).status_code == 303
    assert (await api.tcp.get("/api/v1/people", headers=one.headers)).status_code == 401


def moved(change: Callable[[Ticket], Ticket]) -> Callable[[Tx], None]:
    """Alter the one session there is, as time would."""

    def work(tx: Tx) -> None:
        (ticket,) = tx.tickets(TicketKind.SESSION, "dora")
        tx.put_ticket(change(ticket))

    return work


def idle_for(time: timedelta) -> Callable[[Ticket], Ticket]:
    def change(ticket: Ticket) -> Ticket:
        session = msgspec.json.decode(ticket.data, type=Session)
        older = msgspec.structs.replace(session, seen_at=session.seen_at - time)
        return msgspec.structs.replace(ticket, data=msgspec.json.encode(older).decode())

    return change


def begun_before(time: timedelta) -> Callable[[Ticket], Ticket]:
    def change(ticket: Ticket) -> Ticket:
        return msgspec.structs.replace(
            ticket, created_at=ticket.created_at - time, expires_at=ticket.expires_at - time
        )

    return change


MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("change", "still"),
    [
        (idle_for(IDLE - MINUTE), True),
        (idle_for(IDLE + MINUTE), False),
        (begun_before(LASTS - MINUTE), True),
        (begun_before(LASTS + MINUTE), False),
    ],
    ids=["a while idle", "too long idle", "a long session", "too long a session"],
)
async def test_sessions_end(api: Api, change: Callable[[Ticket], Ticket], still: bool) -> None:
    dora = await visitor(api, "dora", "sre")
    await api.runtime.store.transact(moved(change))
    assert ((await dora.get("/console/")).status_code == 200) is still
    assert ((await api.tcp.get("/api/v1/people", headers=dora.headers)).status_code == 200) is still


async def test_doing_something_keeps_a_session_but_not_beyond_its_end(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    secret = dora.headers["cookie"].partition("=")[2]
    await api.runtime.store.transact(moved(idle_for(IDLE - MINUTE)))
    await dora.read("/console/")
    ticket = await api.runtime.store.read(lambda tx: tx.ticket(TicketKind.SESSION, digest_of(secret)))
    assert ticket is not None
    session = msgspec.json.decode(ticket.data, type=Session)
    assert session.seen_at - ticket.created_at < IDLE / 2  # noted as of now
    assert ticket.expires_at == ticket.created_at + LASTS
