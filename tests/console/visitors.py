"""Browsers without a browser: sessions, forms with their token, and what comes back."""

import re
from typing import Any

import httpx
from tests.console.conftest import Api, enrolled, logged_in

HOST = "localhost:8470"
URLENCODED = "application/x-www-form-urlencoded"


class Visitor:
    """Somebody at a browser. `headers` are what it sends by itself."""

    def __init__(self, api: Api, headers: dict[str, str]) -> None:
        self.api, self.headers = api, {"host": HOST, **headers}

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.api.tcp.get(path, headers={**self.headers, **headers})

    async def read(self, path: str) -> str:
        """A page that is there."""
        answer = await self.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.text

    async def token(self) -> str:
        """What a form of this session carries."""
        found = re.search(r'name="token" value="([^"]*)"', await self.read("/console/"))
        assert found is not None
        return found[1]

    async def post(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> httpx.Response:
        """A form, with its token unless one is given."""
        data = {"token": await self.token(), **fields} if "token" not in fields else fields
        return await self.send(path, data, headers)

    async def send(self, path: str, data: Any, headers: dict[str, str] | None = None) -> httpx.Response:
        return await self.api.tcp.post(path, data=data, headers={**self.headers, **(headers or {})})


async def visitor(api: Api, name: str, *groups: str) -> Visitor:
    """Somebody enrolled and logged in."""
    return Visitor(api, await logged_in(api, await enrolled(api, name, *groups)))


def main_of(page: str) -> str:
    """What stands between the frame's parts, without markup."""
    main = page.partition("<main")[2].partition("</main>")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", main).split())
