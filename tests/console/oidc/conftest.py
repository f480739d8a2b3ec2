"""The console with an OpenID provider, and browsers that go between the two."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.console.conftest import CONFIG, ORIGIN, Api, installed
from tests.console.oidc.provider import CLIENT, SECRET, Provider, running

from interlock.console.access import COOKIE
from interlock.model.people import Person


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running() as found:
        yield found


@pytest.fixture
async def api(
    provider: Provider, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Api]:
    """The console with the provider. Given indirectly, there are more keys."""
    monkeypatch.setenv("OIDC_SECRET", SECRET)
    more = getattr(request, "param", "")
    keys = f'issuer: "{provider.issuer}", client_id: "{CLIENT}", client_secret: {{env: OIDC_SECRET}}{more}'
    async with installed(tmp_path, f"{CONFIG}oidc: {{{keys}}}\n") as made:
        yield made


class Browser:
    """A browser as far as it matters: it keeps cookies of the console, and goes where it is sent."""

    def __init__(self, api: Api) -> None:
        self.api, self.cookies = api, dict[str, str]()

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.ask("GET", path, headers=headers)

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"cookie": cookies, "origin": ORIGIN, **more.pop("headers", {})}
        told = await self.api.tcp.request(method, ORIGIN + path, headers=headers, **more)
        for line in told.headers.get_list("set-cookie"):
            name, _, rest = line.partition("=")
            value, _, attributes = rest.partition(";")
            assert {"secure", "httponly", "path=/"} <= {a.strip().lower() for a in attributes.split(";")}
            if value.strip('"'):
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return told

    async def go(self, to: str = "") -> str:
        """To the provider and away from it; the path with which one comes back."""
        told = await self.get(f"/console/login/oidc{to}")
        assert told.status_code == 303, told.text
        return await self.at_the_provider(told.headers["location"])

    async def at_the_provider(self, address: str) -> str:
        async with httpx.AsyncClient(verify=False, trust_env=False) as there:  # loopback, plain http
            back = await there.get(address)
        assert back.status_code == 302, back.text
        assert back.headers["location"].startswith(f"{ORIGIN}/console/login/oidc/answer?")
        return str(back.headers["location"].removeprefix(ORIGIN))

    async def login(self, to: str = "") -> httpx.Response:
        return await self.get(await self.go(to))

    @property
    def is_in(self) -> bool:
        return COOKIE in self.cookies


@pytest.fixture
async def browser(api: Api) -> Browser:
    return Browser(api)


def code_of(page: httpx.Response) -> str:
    found = re.search(r'id="code">([^<]+)<', page.text)
    assert found, page.text
    return found[1]


async def entries(api: Api, kind: str) -> list[dict[str, Any]]:
    found = [json.loads(entry) for entry in await api.runtime.store.entries(0, 10_000)]
    return [entry["body"] for entry in found if entry["kind"] == kind]


async def person(api: Api, name: str) -> Person:
    found = await api.runtime.store.read(lambda tx: tx.person(name))
    assert found is not None
    return found


async def linked(api: Api, browser: Browser, invited: str, *groups: str) -> httpx.Response:
    """The page after a login by an invitation."""
    secret = await api.runtime.enrolments.invite(invited, groups, by="uid/0")
    return await follow(browser, secret)


async def follow(browser: Browser, secret: str) -> httpx.Response:
    """Use the link of an invitation for a login."""
    told = await browser.ask("POST", "/console/enrol/oidc", json={"secret": secret})
    if told.status_code != 200:
        return told
    return await browser.get(await browser.at_the_provider(told.json()["address"]))


async def known(api: Api, browser: Browser, name: str = "dora", *groups: str) -> None:
    """Have the provider's current user confirmed under a name."""
    code = code_of(await browser.login())
    await api.post(f"/api/v1/people/{name}/confirm", {"code": code, "groups": list(groups or ("sre",))})
