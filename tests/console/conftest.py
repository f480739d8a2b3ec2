"""The API over a real runtime: SQLite store, real policies and pipeline, a toy target; asked through both doors."""

import asyncio
import base64
import json
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from interlock.console import httpsig
from interlock.console.access import COOKIE
from interlock.console.app import Door, create_app, doors
from interlock.control.deciding import approval as approvals
from interlock.control.deciding.passkey import Site, from_base64url
from interlock.model.change import Change, Statement
from interlock.model.operation import Action
from interlock.runtime.config.document import load
from interlock.runtime.opening import open_configured
from interlock.runtime.rules import directory
from interlock.runtime.runtime import Runtime
from interlock.runtime.serve import Server
from interlock.runtime.service.people.enrolment import Enrolment
from interlock.runtime.serving.http import with_uid
from interlock.sdk.connector import Answer, Held, Listener, Permitted
from interlock.testing.passkey import SoftPasskey
from interlock.testing.signing import key_of, public_key_of
from interlock.testing.toy import Statement as ToyStatement
from interlock.testing.toy import ToyConnector, ToyTarget, work_of

URL = "http://127.0.0.1:8470"
CONFIG = f"""\
store: sqlite:///interlock.db
state_dir: var
api: {{public_url: "{URL}"}}
environments: {{production: {{}}, staging: {{protection: relaxed}}}}
targets: {{shop: {{connector: toy, environment: production}}}}
quorums: {{two-sre: {{count: 2, group: sre}}}}
break_glass: {{people: [adm]}}
breakers: "off"
reviews: {{per_hour: 1000, median_s: 0, slowed_s: 0}}
notify: [{{webhook: "http://127.0.0.1:9/", name: hook, secret: {{env: NOT_GIVEN}}, events: [break_glass]}}]
"""
ROWS = {f"row/{n:04d}": "old" for n in range(300)}
MANY: list[ToyStatement] = [["delete_like", "row/01"]]
"""A hundred rows of three hundred: held."""
FEW: list[ToyStatement] = [["put", "row/0000", "new"]]
"""One row: passes."""


class Reachable(ToyConnector):
    """The toy with an address, on which nobody speaks."""

    connection = "toy://AGENT:TOKEN@ADDRESS/TARGET"

    def listener(self, live: Any) -> Listener:
        return Listener("127.0.0.1", 0)


@dataclass
class Api:
    """The API, and what a test needs to make things happen behind it."""

    runtime: Runtime
    toy: ToyTarget
    tcp: httpx.AsyncClient
    admin: httpx.AsyncClient
    tokens: dict[str, str] = field(default_factory=dict)

    async def send(self, statements: list[ToyStatement], agent: str = "fixer") -> Answer:
        """An agent's unit of work, through the gate."""
        await self.runtime.core.directory.refresh()
        gate = self.runtime.targets["shop"].gate
        known = gate.credential(agent)
        assert known is not None
        principal = await gate.enter(known[0], lambda why: None)
        live = self.runtime.core.lives["shop"]
        answer = await gate.admit(work_of(principal, statements, "tidy up"), live.unit(statements))  # type: ignore[attr-defined]
        await gate.leave(principal)
        await self.runtime.core.tasks.drain(10)
        return answer

    async def held(self) -> Change:
        """A held change."""
        answer = await self.send(MANY)
        assert isinstance(answer, Held)
        return answer.change

    async def applied(self) -> Change:
        """An applied change."""
        answer = await self.send(FEW)
        assert isinstance(answer, Permitted)
        assert answer.change is not None
        return answer.change

    async def signed(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        person: str = "ann",
        key: Ed25519PrivateKey | None = None,
        alter: Callable[[dict[str, str]], Mapping[str, str]] = dict,
        sent: bytes | None = None,
        uri: str = "",
        nonce: str = "",
    ) -> httpx.Response:
        """A request signed by a person; `alter` and `sent` change headers and body after the signing."""
        data = b"" if body is None else json.dumps(body).encode()
        headers = httpsig.sign(
            method,
            uri or URL + path,
            data,
            keyid=person,
            key=key or key_of(person),
            now=int(time.time()),
            nonce=nonce or secrets.token_urlsafe(24),
        )
        more = {"content-type": "application/json"} if data else {}
        return await self.tcp.request(
            method, path, content=data if sent is None else sent, headers={**more, **alter(headers)}
        )

    async def get(self, path: str, **query: Any) -> Any:
        """By the admin socket; the JSON of a 200."""
        response = await self.admin.get(path, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    async def post(self, path: str, body: object, status: int = 200) -> Any:
        """By the admin socket; the JSON."""
        response = await self.admin.post(path, json=body)
        assert response.status_code == status, response.text
        return response.json()

    async def say(self, change: str, person: str, **query: str) -> dict[str, Any]:
        """What a person signs, as the API says, with their signature."""
        asked = await self.get(f"/api/v1/changes/{change}/statement", person=person, **query)
        return sign(asked["statement"], key_of(person))


@dataclass
class Served(Api):
    """The API over real connections."""

    host: str = ""
    port: int = 0
    server: Server | None = None

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A bare connection to the TCP door."""
        return await asyncio.open_connection(self.host, self.port)


def sign(words: dict[str, Any], key: Ed25519PrivateKey) -> dict[str, Any]:
    """A signed statement as the API takes it."""
    signature = key.sign(approvals.signed_bytes(msgspec.convert(words, Statement)))
    return {"statement": words, "signature": base64.b64encode(signature).decode()}


def client(app: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=URL)


@pytest.fixture(autouse=True, scope="session")
def patient() -> None:
    """A busy machine is no lost store."""
    directory.STALE = 60.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def api(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    """`ann`, `bob` and `adm` are people (the last an admin), `olga` owns the agents `fixer` and `other`. Given indirectly, it is
    another configuration."""
    async with installed(tmp_path, getattr(request, "param", CONFIG)) as made:
        yield made


@asynccontextmanager
async def installed(folder: Path, text: str) -> AsyncIterator[Api]:
    """What `api` is, with that configuration."""
    (folder / "interlock.yaml").write_text(text)
    config = load(folder / "interlock.yaml")
    store = open_configured(config, create=True)
    toy = ToyTarget(ROWS)
    connector = Reachable({"shop": toy})
    runtime = Runtime(config, store, "gw", find=lambda name: connector)
    await runtime.start()
    admin = client(with_uid(create_app(runtime, Door.SOCKET), 1000))
    tcp = client(create_app(runtime))
    made = Api(runtime, toy, tcp, admin)
    await _furnish(made)
    yield made
    await admin.aclose()
    await tcp.aclose()
    await runtime.stop(timedelta(seconds=5))
    await store.close()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """As `api`, served by the real HTTP server on loopback and on the admin socket."""
    async with serving(tmp_path) as made:
        yield made


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Served]:
    """See `served`."""
    text = CONFIG.replace('public_url: "', 'listen: "127.0.0.1:0", public_url: "')
    (folder / "interlock.yaml").write_text(text)
    config = load(folder / "interlock.yaml")
    await open_configured(config, create=True).close()
    toy = ToyTarget(ROWS)
    connector = Reachable({"shop": toy})
    server = Server(config, doors(), find=lambda name: connector)
    async with server:
        socket, address = server.addresses
        host, _, port = address.rpartition(":")
        admin = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=socket), base_url="http://interlock", timeout=60
        )
        tcp = httpx.AsyncClient(base_url=f"http://{address}", timeout=60)
        made = Served(server.runtime, toy, tcp, admin, host=host, port=int(port), server=server)
        await _furnish(made)
        yield made
        await admin.aclose()
        await tcp.aclose()


class Background:
    """The API, served from a thread with a loop of its own, for tests that share one server. `prepare` runs there first."""

    def __init__(
        self, folder: Path, prepare: Callable[[Served], Coroutine[Any, Any, None]] | None = None
    ) -> None:
        self._folder, self._prepare = folder, prepare
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        self._ready.result(60)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with serving(self._folder) as self.served:
                if self._prepare is not None:
                    await self._prepare(self.served)
                self._ready.set_result(None)
                await self._end.wait()
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.fixture(scope="module")
def background(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background]:
    made = Background(tmp_path_factory.mktemp("served"))
    yield made
    made.stop()


@pytest.fixture
async def shared(background: Background) -> AsyncIterator[Served]:
    """As `served`, quicker, for tests that only send requests: the server is that of the module, in another loop."""
    there = background.served
    async with httpx.AsyncClient(base_url=there.tcp.base_url, timeout=60) as tcp:
        yield replace(there, tcp=tcp)


async def _furnish(api: Api) -> None:
    for name, group in (("ann", "sre"), ("bob", "sre"), ("olga", "sre"), ("adm", "admin")):
        await api.runtime.people.add(name, [group], public_key_of(name), by="uid/0")
    actions = [Action.READ, Action.CREATE, Action.UPDATE, Action.DELETE]
    for name in ("fixer", "other"):
        api.tokens[name] = (await api.runtime.agents.add(name, "olga", by="uid/0")).token
        until = api.runtime.core.directory.now() + timedelta(hours=8)
        await api.runtime.grants.add(name, "shop", actions, until, by="uid/0")


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


ORIGIN = "http://localhost:8470"
"""Where the console is: passkeys belong to a name."""


def site_of(api: Api) -> Site:
    found = api.runtime.terms.site
    assert found is not None
    return found


async def enrol(api: Api, name: str, *groups: str, key: SoftPasskey | None = None) -> Enrolment:
    """Use a link; the passkey waits to be confirmed."""
    service = api.runtime.enrolments
    secret = await service.invite(name, groups, by="uid/0")
    options = await service.options(secret)
    made = (key or SoftPasskey(site_of(api))).registration(options["challenge"])
    return await service.register(secret, made, "laptop")


async def enrolled(api: Api, name: str, *groups: str, counts: bool = True) -> SoftPasskey:
    """Somebody new with a passkey that counts."""
    key = SoftPasskey(site_of(api), counts=counts)
    waits = await enrol(api, name, *groups, key=key)
    await api.runtime.enrolments.confirm(name, waits.code, by="uid/0")
    return key


async def logged_in(api: Api, key: SoftPasskey) -> dict[str, str]:
    """The cookie of somebody logged in, as a header, with the origin that browsers send."""
    options = api.runtime.entrance.login_options()
    assertion, signature = key.assertion(from_base64url(options["challenge"]))
    entered = await api.runtime.entrance.login(assertion, signature)
    return {"cookie": f"{COOKIE}={entered.secret}", "origin": ORIGIN}
