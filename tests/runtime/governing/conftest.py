"""Governed installations: a real gateway on a real store, with a toy target; asked through both doors of the API."""

import base64
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from interlock.console import httpsig
from interlock.console.app import Door, create_app
from interlock.model.change import Change, ChangeState, Verdict
from interlock.model.operation import Action
from interlock.model.people import Person
from interlock.model.proposal import Founder
from interlock.runtime.config.document import load
from interlock.runtime.opening import make_state_dir, open_configured
from interlock.runtime.rules.governance import Proposed
from interlock.runtime.runtime import Runtime
from interlock.runtime.serve import Server
from interlock.runtime.serving.http import with_uid
from interlock.sdk.connector import Answer
from interlock.testing import signing
from interlock.testing.peers.pg import PgCluster
from interlock.testing.signing import key_of, public_key_of
from interlock.testing.toy import Statement as ToyStatement
from interlock.testing.toy import ToyConnector, ToyTarget, work_of

URL = "http://127.0.0.1:8470"
CONFIG = """\
store: {store}
state_dir: {folder}
api: {{listen: "127.0.0.1:0", public_url: "http://127.0.0.1:8470"}}
environments: {{production: {{}}, staging: {{protection: relaxed}}}}
targets:
  shop: {{connector: toy, environment: production}}
  box: {{connector: toy, environment: staging}}
quorums: {{two-sre: {{count: 2, group: sre}}}}
policies: policies
"""
RULE = """\
@id("no-drops")
@description("Nothing is dropped.")
forbid (principal, action == Action::"delete", resource)
when { context.effects.objects_deleted > 0 };
"""
ROWS = {f"row/{n:04d}": "old" for n in range(300)}
SOCKET, ANN = "uid/1000", "person/ann"


@dataclass
class House:
    """One replica, its files and its doors. `ann` and `ben` are its founding admins when `govern` was called."""

    folder: Path
    file: Path
    toy: ToyTarget = field(default_factory=lambda: ToyTarget(ROWS))
    server: Server | None = None
    tokens: dict[str, str] = field(default_factory=dict)
    new: bool = True

    @property
    def runtime(self) -> Runtime:
        assert self.server is not None
        return self.server.runtime

    async def start(self) -> "House":
        """Start as `interlock serve` does. Raises Misconfigured."""
        if self.new:
            await open_configured(load(self.file), create=True).close()
            self.new = False
        connector = ToyConnector({"shop": self.toy, "box": ToyTarget(dict(ROWS), "toy/2")})
        server = Server(load(self.file), None, find=lambda name: connector)
        await server.__aenter__()
        self.server = server
        return self

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.__aexit__()
            self.server = None

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def alter(self, before: str, after: str, file: str = "interlock.yaml") -> None:
        """Edit a file behind the gateway's back."""
        path = self.folder / file
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    # -- people and proposals

    async def furnish(self) -> None:
        """In try-out mode: `ann`, `ben` (admin), `sam`, `sue` (sre), `olga` (dev), who owns the agent `fixer`."""
        people = {"ann": "admin", "ben": "admin", "sam": "sre", "sue": "sre", "olga": "dev"}
        for name, group in people.items():
            await self.runtime.people.add(name, [group], public_key_of(name), by="uid/0")
        self.tokens["fixer"] = (await self.runtime.agents.add("fixer", "olga", by="uid/0")).token
        await self.grant("fixer", "shop", by="uid/0")

    async def grant(self, agent: str, target: str, *, by: str) -> Any:
        until = self.runtime.core.directory.now() + timedelta(hours=8)
        actions = [Action.READ, Action.CREATE, Action.UPDATE, Action.DELETE]
        return await self.runtime.grants.add(agent, target, actions, until, by=by, max_rows=1000)

    async def govern(self, *names: str) -> None:
        founders = [Founder(name, public_key_of(name)) for name in names or ("ann", "ben")]
        await self.runtime.governing.govern(founders, by="uid/0")

    async def held(self, work: Any) -> Change:
        """What is held in the place of what was asked for."""
        with pytest.raises(Proposed) as found:
            await work
        return found.value.change

    async def speak(self, change: Change, person: str, verdict: Verdict = Verdict.APPROVE) -> Change:
        """A signed word, of somebody who has looked. Raises Rejected."""
        service = self.runtime.changes
        await service.opened(change.id, person)
        words = await service.statement(change.id, person, verdict)
        signed = signing.signed(words, self.runtime.core.directory.now())
        return (await service.speak(words, signed.signature)).change

    async def agree(self, work: Any, *names: str) -> Change:
        """Have it held and approved, by both founders unless others are named; what became of it."""
        change = await self.held(work)
        for name in names or ("ann", "ben"):
            change = await self.speak(change, name)
        return change

    async def change(self, change: Change) -> Change:
        return await self.runtime.changes.get(change.id)

    async def person(self, name: str) -> Person | None:
        return await self.runtime.store.read(lambda tx: tx.person(name))

    async def entries(self, *kinds: str) -> list[dict[str, Any]]:
        found = [json.loads(entry) for entry in await self.runtime.store.entries(0, 1 << 20)]
        return [entry["body"] for entry in found if entry["kind"] in kinds]

    # -- an agent's work

    async def send(self, *statements: ToyStatement, agent: str = "fixer") -> Answer:
        """A unit of work through the gate."""
        await self.runtime.core.directory.refresh()
        gate = self.runtime.targets["shop"].gate
        known = gate.credential(agent)
        assert known is not None
        principal = await gate.enter(known[0], lambda why: None)
        live = self.runtime.core.lives["shop"]
        answer = await gate.admit(work_of(principal, statements), live.unit(statements))  # type: ignore[attr-defined]
        await gate.leave(principal)
        await self.runtime.core.tasks.drain(10)
        return answer

    # -- the API

    def by_socket(self, uid: int = 1000) -> httpx.AsyncClient:
        return _client(with_uid(create_app(self.runtime, Door.SOCKET), uid))

    def by_network(self) -> httpx.AsyncClient:
        return _client(create_app(self.runtime))

    async def signed(self, method: str, path: str, body: object, person: str) -> httpx.Response:
        """A request signed by a person."""
        data = b"" if body is None else json.dumps(body).encode()
        made = {"key": key_of(person), "now": int(time.time()), "nonce": secrets.token_urlsafe(24)}
        headers = httpsig.sign(method, URL + path, data, keyid=person, **made)  # type: ignore[arg-type]
        media = {"content-type": "application/json"} if data else {}
        async with self.by_network() as client:
            return await client.request(method, path, content=data, headers={**media, **headers})


def _client(app: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=URL)


def is_open(change: Change) -> bool:
    return change.state is ChangeState.HELD


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


Make = Callable[..., House]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes houses, not started; the first one makes the store that all share, with their master key."""
    made: list[House] = []

    def build(*, store: str = "", alter: Callable[[str], str] = str) -> House:
        folder = tmp_path / f"house{len(made)}"
        (folder / "policies").mkdir(parents=True)
        (folder / "policies" / "own.cedar").write_text(RULE)
        url = store or f"sqlite:///{tmp_path}/interlock.db"
        text = CONFIG.format(store=url, folder=folder / "var") + f"master_key: {{file: {tmp_path}/master}}\n"
        file = folder / "interlock.yaml"
        file.write_text(alter(text))
        file.chmod(0o600)
        (tmp_path / "master").write_text(base64.b64encode(bytes(32)).decode())
        make_state_dir(folder / "var")
        made.append(House(folder, file, new=not made))
        return made[-1]

    return build


@pytest.fixture
async def house(make: Make) -> AsyncIterator[House]:
    """In try-out mode, furnished."""
    made = await make().start()
    await made.furnish()
    yield made
    await made.stop()


@pytest.fixture
async def governed(house: House) -> House:
    """The same in governed mode."""
    await house.govern()
    return house


@pytest.fixture
def pg_store(pg18: PgCluster) -> Iterator[str]:
    """The address of an empty database for a store."""
    database = pg18.create_database(f"store_{secrets.token_hex(6)}")
    yield database.dsn()
    database.drop()
