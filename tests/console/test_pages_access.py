"""Who may see what of the console: every page of the table × everyone who may come (P9)."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from tests.console.conftest import Api, bearer, enrol, enrolled, logged_in, site_of
from tests.console.visitors import Visitor, main_of, visitor

from interlock.console.web.pages import PAGES
from interlock.console.web.visit import Page, Who
from interlock.model.message import Event, Message, MessageState
from interlock.model.people import Person, Subject
from interlock.runtime.oidc import links
from interlock.sdk.ports import Tx

pytestmark = pytest.mark.anyio

Key = tuple[str, str]
OK, GO = 200, 303


@dataclass(frozen=True)
class Row:
    """A page as it is asked for: what answers a person and an admin, with `fields` of a form or what a script sends (`data`)."""

    person: int
    admin: int
    path: str = ""
    fields: dict[str, str] | None = None
    data: Any = None
    anyone: int = 0
    """What answers nobody: 0 for a page that is not for them."""


C = "/console"
ROWS: dict[Key, Row] = {
    ("GET", f"{C}/"): Row(OK, OK),
    ("GET", f"{C}/login"): Row(OK, OK, anyone=OK),
    ("POST", f"{C}/login/options"): Row(OK, OK, data={}, anyone=OK),
    ("POST", f"{C}/login/answer"): Row(400, 400, data={}, anyone=400),
    ("GET", f"{C}/login/oidc"): Row(404, 404, anyone=404),
    ("GET", f"{C}/login/oidc/answer"): Row(404, 404, anyone=404),
    ("POST", f"{C}/logout"): Row(GO, GO, fields={}),
    ("GET", f"{C}/enrol"): Row(OK, OK, anyone=OK),
    ("POST", f"{C}/enrol/options"): Row(422, 422, data={"secret": "x"}, anyone=422),
    ("POST", f"{C}/enrol/answer"): Row(
        422, 422, data={"secret": "x", "label": "", "credential": {}}, anyone=422
    ),
    ("POST", f"{C}/enrol/oidc"): Row(404, 404, data={"secret": "x"}, anyone=404),
    ("GET", f"{C}/changes"): Row(OK, OK),
    ("GET", f"{C}/changes/{{id}}"): Row(OK, OK, f"{C}/changes/CHANGE"),
    ("POST", f"{C}/changes/{{id}}/sign"): Row(
        OK, OK, f"{C}/changes/CHANGE/sign", fields={"what": "deny", "reason": "no"}
    ),
    ("POST", f"{C}/changes/{{id}}/opened"): Row(OK, OK, f"{C}/changes/CHANGE/opened", data={}),
    ("POST", f"{C}/changes/{{id}}/take-back"): Row(422, 422, f"{C}/changes/CHANGE/take-back", fields={}),
    ("POST", f"{C}/changes/{{id}}/comment"): Row(
        GO, GO, f"{C}/changes/CHANGE/comment", fields={"text": "why now?"}
    ),
    ("POST", f"{C}/changes/{{id}}/apply"): Row(422, 422, f"{C}/changes/CHANGE/apply", fields={}),
    ("POST", f"{C}/changes/{{id}}/withdraw"): Row(GO, GO, f"{C}/changes/CHANGE/withdraw", fields={}),
    # By default the configuration names nobody who may see values.
    ("GET", f"{C}/changes/{{id}}/sample"): Row(GO, GO, f"{C}/changes/CHANGE/sample"),
    ("POST", f"{C}/changes/{{id}}/sample"): Row(403, 403, f"{C}/changes/CHANGE/sample", fields={}),
    ("POST", f"{C}/break-glass/{{id}}/review"): Row(
        404, 404, f"{C}/break-glass/BRK-000000000000/review", fields={"sentence": "it was right"}
    ),
    ("GET", f"{C}/proposals"): Row(OK, OK),
    ("GET", f"{C}/proposals/{{id}}"): Row(GO, GO, f"{C}/proposals/CHANGE"),  # none of those: to its page
    ("GET", f"{C}/agents"): Row(OK, OK),
    ("GET", f"{C}/agents/{{name}}"): Row(OK, OK, f"{C}/agents/fixer"),
    ("POST", f"{C}/agents/{{name}}/disable"): Row(GO, GO, f"{C}/agents/other/disable", fields={}),
    ("POST", f"{C}/grants/{{id}}/revoke"): Row(GO, GO, f"{C}/grants/GRANT/revoke", fields={}),
    ("GET", f"{C}/people"): Row(OK, OK),
    ("GET", f"{C}/people/{{name}}"): Row(OK, OK, f"{C}/people/ann"),
    ("POST", f"{C}/people/{{name}}/disable"): Row(GO, GO, f"{C}/people/bob/disable", fields={}),
    ("POST", f"{C}/people/{{name}}/passkeys/{{id}}/revoke"): Row(
        GO, GO, f"{C}/people/emil/passkeys/PASSKEY/revoke", fields={}
    ),
    ("POST", f"{C}/people/{{name}}/confirm"): Row(
        403, GO, f"{C}/people/zoe/confirm", fields={"code": "CODE"}
    ),
    ("POST", f"{C}/people/{{name}}/unlink"): Row(GO, GO, f"{C}/people/emil/unlink", fields={"sub": "7"}),
    ("POST", f"{C}/confirmations"): Row(
        403, GO, fields={"person": "fay", "groups": "sre", "code": "LOGINCODE"}
    ),
    ("POST", f"{C}/invitations"): Row(403, OK, fields={"person": "new", "groups": "sre"}),
    ("GET", f"{C}/targets"): Row(OK, OK),
    # By the configuration of these tests, neither of them may break the glass.
    ("POST", f"{C}/targets/{{name}}/break-glass"): Row(
        422, 422, f"{C}/targets/shop/break-glass", fields={"reason": "the shop is down"}
    ),
    ("GET", f"{C}/doctor"): Row(OK, OK),
    ("POST", f"{C}/environments/{{name}}/freeze"): Row(
        GO, GO, f"{C}/environments/staging/freeze", fields={"reason": "look"}
    ),
    ("POST", f"{C}/environments/{{name}}/thaw"): Row(
        GO, GO, f"{C}/environments/staging/thaw", fields={"reason": "looked"}
    ),
    ("POST", f"{C}/halt"): Row(GO, GO, fields={"reason": "look", "confirm": "halt"}),
    # Nothing is halted.
    ("POST", f"{C}/resume"): Row(422, 422, fields={"reason": "looked"}),
    ("GET", f"{C}/breakers"): Row(OK, OK),
    ("GET", f"{C}/breakers/one"): Row(OK, OK, f"{C}/breakers/one?scope=agent%2Ffixer"),
    ("POST", f"{C}/breakers/open"): Row(GO, GO, fields={"scope": "target/shop", "reason": "look"}),
    ("POST", f"{C}/breakers/reset"): Row(GO, GO, fields={"scope": "agent/other", "reason": "looked"}),
    ("GET", f"{C}/messages"): Row(OK, OK),
    ("POST", f"{C}/messages/{{id}}/retry"): Row(GO, GO, f"{C}/messages/DEAD/retry", fields={}),
    ("POST", f"{C}/messages/{{id}}/drop"): Row(403, GO, f"{C}/messages/DEAD/drop", fields={}),
    ("POST", f"{C}/channels/{{name}}/test"): Row(OK, OK, f"{C}/channels/hook/test", fields={}),
    ("GET", f"{C}/policy"): Row(OK, OK),
    ("GET", f"{C}/policy/simulator"): Row(OK, OK),
    ("POST", f"{C}/policy/simulator"): Row(
        OK, OK, fields={"change": "CHANGE", "file": "edited.cedar", "text": "// nothing"}
    ),
    ("GET", f"{C}/ledger"): Row(OK, OK),
    ("GET", f"{C}/ledger/{{number}}"): Row(OK, OK, f"{C}/ledger/3"),
}
"""A row for each page. There is no login provider here: `tests/console/oidc` is about that."""

FOR_ADMINS = {
    f"{C}/people/{{name}}/confirm",
    f"{C}/confirmations",
    f"{C}/invitations",
    f"{C}/messages/{{id}}/drop",
}
KEYS = sorted(ROWS)


def page_of(key: Key) -> Page:
    return next(page for page in PAGES if (page.method, page.path) == key)


def test_each_page_has_a_row() -> None:
    assert {(page.method, page.path) for page in PAGES} == set(ROWS)


def test_only_what_gives_something_up_is_for_admins_and_only_the_way_in_is_for_anyone() -> None:
    assert {page.path for page in PAGES if page.who is Who.ADMIN} == FOR_ADMINS
    way_in = {page.path for page in PAGES if page.who is Who.ANYONE}
    assert way_in == {path for _, path in ROWS if path.startswith((f"{C}/login", f"{C}/enrol"))}


def test_the_guide_names_each_page_that_is_read() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "console.md").read_text("utf-8")
    named = set(re.findall(r"`(/console/[\w/{}]*)`", guide))
    assert named == {page.path for page in PAGES if page.method == "GET"}


class Scene:
    """Something to do on every page, and a way to ask for it."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.names: dict[str, str] = {}

    async def set(self) -> None:
        self.names["CHANGE"] = (await self.api.held()).id
        self.names["GRANT"] = (await self.api.runtime.grants.list())[0].id
        await enrolled(self.api, "emil", "sre")
        emil = await self.api.runtime.store.read(lambda tx: tx.person("emil"))
        assert emil is not None
        self.names["PASSKEY"] = emil.passkeys[0].id
        await self.api.runtime.switches.open("agent/other", "look", by="uid/0")
        self.names["DEAD"] = await self.given_up()
        self.names["LOGINCODE"] = await self.login_that_waits(emil)
        self.names["CODE"] = (await enrol(self.api, "zoe", "sre")).code
        await self.api.runtime.switches.open("agent/other", "odd", by="uid/0")

    async def given_up(self) -> str:
        """A message that nobody could deliver."""
        at = self.api.runtime.core.directory.now()
        message = Message("msg_dead", "hook", Event.HELD, "a text", at, at, MessageState.DEAD, attempts=8)
        await self.api.runtime.store.transact(lambda tx: tx.add_message(message))
        return message.id

    async def login_that_waits(self, emil: Person) -> str:
        """The code of one; another is `emil`'s."""
        at = self.api.runtime.core.directory.now()
        his, new = (Subject("https://login.example", sub, at) for sub in ("7", "8"))
        link = links.Link(new, links.new_code())

        def work(tx: Tx) -> None:
            tx.put_person(msgspec.structs.replace(emil, subjects=(his,)))
            links.wait(tx, link)

        await self.api.runtime.store.transact(work)
        return link.code

    def named(self, text: str) -> str:
        for name, value in self.names.items():
            text = text.replace(name, value)
        return text

    async def ask(self, key: Key, who: Visitor, token: str | None = None, **headers: str) -> httpx.Response:
        row, method = ROWS[key], key[0]
        path, given = self.named(row.path or key[1]), {**who.headers, **headers}
        if method == "GET":
            return await self.api.tcp.get(path, headers=given)
        if row.data is not None:
            return await self.api.tcp.post(path, json=row.data, headers=given)
        fields = {"": ""} | {name: self.named(value) for name, value in (row.fields or {}).items()}
        if token is not None:
            fields["token"] = token
        return await self.api.tcp.post(path, data=fields, headers=given)

    async def state(self) -> tuple[int, int]:
        """What would be other if anything had been done."""

        def read(tx: Any) -> tuple[int, int]:
            return tx.ledger_size(), tx.revision()

        return await self.api.runtime.store.read(read)


@pytest.fixture
async def scene(api: Api) -> Scene:
    made = Scene(api)
    await made.set()
    return made


def turned_away(key: Key, answer: httpx.Response) -> bool:
    """Nobody in particular is asked to log in, or refused, and is shown nothing."""
    if key[0] == "GET":
        return answer.status_code == GO and answer.headers["location"].startswith("/console/login?to=")
    return answer.status_code == 401


@pytest.mark.parametrize("key", KEYS, ids=" ".join)
async def test_a_person(scene: Scene, key: Key) -> None:
    who = await visitor(scene.api, "dora", "sre")
    answer = await scene.ask(key, who, await who.token())
    assert answer.status_code == ROWS[key].person, main_of(answer.text)


@pytest.mark.parametrize("key", KEYS, ids=" ".join)
async def test_an_admin(scene: Scene, key: Key) -> None:
    who = await visitor(scene.api, "root", "admin")
    answer = await scene.ask(key, who, await who.token())
    assert answer.status_code == ROWS[key].admin, main_of(answer.text)


Nobodies = Callable[[Scene], Awaitable[dict[str, str]]]


async def nobody(scene: Scene) -> dict[str, str]:
    return {"origin": site_of(scene.api).origin}


async def an_agent(scene: Scene) -> dict[str, str]:
    return {"origin": site_of(scene.api).origin, **bearer(scene.api.tokens["fixer"])}


async def somebody_disabled(scene: Scene) -> dict[str, str]:
    headers = await logged_in(scene.api, await enrolled(scene.api, "gone", "admin"))
    await scene.api.runtime.people.disable("gone", by="uid/0")
    return headers


async def somebody_logged_out(scene: Scene) -> dict[str, str]:
    headers = await logged_in(scene.api, await enrolled(scene.api, "gone", "admin"))
    await scene.api.runtime.entrance.end_all("gone")
    return headers


async def a_made_up_cookie(scene: Scene) -> dict[str, str]:
    return {"origin": site_of(scene.api).origin, "cookie": "__Host-interlock=" + "A" * 43}


NOBODIES: list[Nobodies] = [nobody, an_agent, somebody_disabled, somebody_logged_out, a_made_up_cookie]


# Nothing that follows may do anything, so one installation serves for all pages.


@pytest.mark.parametrize("who", NOBODIES, ids=lambda who: who.__name__)
async def test_who_is_not_logged_in(scene: Scene, who: Nobodies) -> None:
    headers = await who(scene)
    before = await scene.state()
    for key in KEYS:
        answer = await scene.ask(key, Visitor(scene.api, headers), "x")
        expected = ROWS[key].anyone
        assert answer.status_code == expected if expected else turned_away(key, answer), (key, answer.text)
        assert scene.names["CHANGE"] not in answer.text, key
        assert await scene.state() == before, key


POSTS = [key for key in KEYS if key[0] == "POST"]


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:8471", "https://localhost:8470", ""]
)
async def test_from_another_site(scene: Scene, origin: str) -> None:
    who = await visitor(scene.api, "root", "admin")
    token, before = await who.token(), await scene.state()
    headers = {name: value for name, value in who.headers.items() if name != "origin"}
    other = Visitor(scene.api, {**headers, **({"origin": origin} if origin else {})})
    for key in POSTS:
        answer = await scene.ask(key, other, token)
        assert answer.status_code == 403, key
        assert await scene.state() == before, key


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
async def test_what_the_browser_says_of_the_page_counts(scene: Scene, site: str) -> None:
    who = await visitor(scene.api, "root", "admin")
    token, before = await who.token(), await scene.state()
    for key in POSTS:
        answer = await scene.ask(key, who, token, **{"sec-fetch-site": site})
        assert answer.status_code == 403, key
        assert await scene.state() == before, key


FORMS = [key for key in POSTS if not page_of(key).json]


@pytest.mark.parametrize("token", [None, "", "x", "OTHER"])
async def test_a_form_without_its_token(scene: Scene, token: str | None) -> None:
    who, other = await visitor(scene.api, "root", "admin"), await visitor(scene.api, "emma", "admin")
    given = await other.token() if token == "OTHER" else token
    before = await scene.state()
    for key in FORMS:
        answer = await scene.ask(key, who, given)
        assert answer.status_code == 403, key
        assert await scene.state() == before, key


async def test_each_form_on_a_page_carries_the_token(scene: Scene) -> None:
    who = await visitor(scene.api, "root", "admin")
    token, seen = await who.token(), set()
    for key in KEYS:
        page = (await scene.ask(key, who)).text if key[0] == "GET" else ""
        for action, form in re.findall(
            r'<form[^>]*method="post" action="([^"]*)"(.*?)</form>', page, re.DOTALL
        ):
            assert f'name="token" value="{token}"' in form, (key, action)
            seen.add(action.rpartition("/")[2])
    assert seen >= {
        "sign",
        "withdraw",
        "disable",
        "revoke",
        "confirm",
        "invitations",
        "freeze",
        "simulator",
        "logout",
    }


async def test_no_method_but_those_of_the_table(scene: Scene) -> None:
    who = await visitor(scene.api, "root", "admin")
    before = await scene.state()
    for key in KEYS:
        path = scene.named(ROWS[key].path or key[1])
        known = {method for method, other in ROWS if other == key[1]}
        for method in {"PUT", "PATCH", "DELETE", "OPTIONS", "GET", "POST"} - known:
            answer = await scene.api.tcp.request(method, path, headers=who.headers)
            assert answer.status_code == 405, (method, key)
            assert set(answer.headers["allow"].split(", ")) == known
    assert await scene.state() == before
