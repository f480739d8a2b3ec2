"""A real gateway in front of a real database, for tests: policies, store, listener and connector as `interlock serve` runs them.

>>> prepare(database, "CREATE TABLE t (id int PRIMARY KEY)")
>>> with Gateway(database, tmp_path) as gateway:
...     with gateway.connect("bot") as agent:
...         agent.execute("INSERT INTO t VALUES (1)")

`Gateway` serves from a thread with an event loop of its own. The
people are olga, ann, ben and cho, all of the group `sre`; olga owns the agents.
"""

import asyncio
import json
import os
import subprocess
import threading
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlencode

import psycopg
import uvloop
import yaml

from interlock.connectors.postgres.setup.roles import RoleNames, grants_sql
from interlock.model.change import Change, ChangeFilter, ChangeState, Verdict
from interlock.model.operation import Action
from interlock.runtime.config import load
from interlock.runtime.opening import make_state_dir, open_configured
from interlock.runtime.runtime import Runtime
from interlock.runtime.serve import MakeApp, Server
from interlock.sdk.connector import Answer
from interlock.testing import signing
from interlock.testing.pg import PgDatabase

T = TypeVar("T")

ROLES = RoleNames("il_agent", "il_observer", "il_owner")
TARGET = "shop"
OWNER = "olga"
PEOPLE = (OWNER, "ann", "ben", "cho")
EVERYTHING = (Action.READ, Action.CREATE, Action.UPDATE, Action.DELETE, Action.ADMIN)
BY = "uid/0"
PATIENCE_S = 60.0
"""How long (seconds) the harness waits for its own gateway before it calls the test hung."""


def prepare(database: PgDatabase, setup: str = "", *, schemas: Sequence[str] = ("public",)) -> None:
    """Make the three roles as `interlock postgres grants-sql` says, and run `setup` as the role that agents run as, which so owns
    what is made."""
    role = ROLES.upstream
    database.psql(grants_sql("plain", ROLES, schemas))
    database.psql(
        f'GRANT CREATE, TEMP ON DATABASE "{database.name}" TO {role}; GRANT ALL ON SCHEMA public TO {role}'
    )
    if setup:
        # One session, so that the setup's tables belong to the role as if an agent had made them.
        database.psql(f"SET SESSION AUTHORIZATION {role}; {setup}")


class Gateway:
    """See the module. `folder` keeps its state: `stop` and `start` are a restart.

    `store` and `master_key` are shared by replicas; the second one is made with `furnish=False`. `port` is where the database is
    reached (a proxy, say) when not at the cluster's own port. `roles` gives agents a role of their own on the server.
    `target` is the target's name.
    `keys` are merged over the target's keys of the configuration, `top` over the top ones.
    """

    make_app: MakeApp | None = None  # with one, the API and the admin socket are served as well

    def __init__(
        self,
        database: PgDatabase,
        folder: Path,
        *,
        agents: Sequence[str] = ("bot",),
        store: str = "sqlite:///var/interlock.db",
        master_key: Path | None = None,
        port: int | None = None,
        roles: Mapping[str, str] | None = None,
        observer: bool = True,
        furnish: bool = True,
        target: str = TARGET,
        keys: Mapping[str, Any] | None = None,
        top: Mapping[str, Any] | None = None,
    ) -> None:
        self.database, self.folder, self.target = database, folder, target
        self.tokens: dict[str, str] = {}
        self._agents, self._furnish, self._store = agents, furnish, store
        folder.mkdir(parents=True, exist_ok=True)
        server = f"127.0.0.1:{port or database.cluster.port}/{database.name}?sslmode=disable"
        protected: dict[str, Any] = {
            "connector": "postgres",
            "environment": "production",
            "listen": "127.0.0.1:0",
            "upstream": {
                "dsn": f"postgresql://{ROLES.upstream}@{server}",
                "agents": {
                    name: {"dsn": f"postgresql://{role}@{server}"} for name, role in (roles or {}).items()
                },
            },
            "maintainer": {"dsn": f"postgresql://{ROLES.maintainer}@{server}"},
        }
        if observer:
            protected["observer"] = {"dsn": f"postgresql://{ROLES.observer}@{server}"}
        config: dict[str, Any] = {
            "store": store,
            "state_dir": "var",
            "api": {"listen": "127.0.0.1:0"},
            "environments": {"production": {"protection": "strict"}},
            "targets": {target: {**protected, **(keys or {})}},
            "quorums": {"two-sre": {"count": 2, "group": "sre"}},
            **({"master_key": {"file": str(master_key)}} if master_key else {}),
            **(top or {}),
        }
        self.file = folder / "interlock.yaml"
        self.file.write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
        self._made = False
        self._loop: asyncio.AbstractEventLoop
        self._thread: threading.Thread | None = None
        self._ends: asyncio.Event
        self._server: Server

    # -- life

    def start(self) -> Self:
        """Serve. Makes the store, people, agents and grants the first time. Raises Misconfigured, Unavailable."""
        config = load(self.file)
        make_state_dir(config.state_dir)
        if self._furnish and not self._made:
            asyncio.run(open_configured(config, create=True).close())
        ready: Future[None] = Future()
        thread = threading.Thread(target=self._serve, args=(ready,), name="gateway", daemon=True)
        thread.start()
        ready.result(PATIENCE_S)  # a start that failed leaves nothing to stop
        self._thread = thread
        if self._furnish and not self._made:
            self.run(self._people())
        self._made = True
        return self

    def _serve(self, ready: "Future[None]") -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            self._loop, self._ends = runner.get_loop(), asyncio.Event()
            try:
                runner.run(self._until_end(ready))
            except BaseException as error:  # handed to whoever waits for the start
                if ready.done():
                    raise
                ready.set_exception(error)

    async def _until_end(self, ready: "Future[None]") -> None:
        async with Server(load(self.file), self.make_app) as self._server:
            ready.set_result(None)
            await self._ends.wait()

    def stop(self) -> None:
        """Shut down in order, as on SIGTERM."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._loop.call_soon_threadsafe(self._ends.set)
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), "the gateway did not stop"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the gateway's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    @property
    def runtime(self) -> Runtime:
        return self._server.runtime

    # -- agents

    @property
    def port(self) -> int:
        """Where agents connect. AssertionError when the target is not served, with the reason."""
        status = self.runtime.statuses()[0]
        assert status.serving, status.why
        return int(status.address.rpartition(":")[2])

    def dsn(self, agent: str = "bot", *, token: str | None = None, **options: str) -> str:
        """An agent's address; `options` are libpq's parameters."""
        password = self.tokens.get(agent, "") if token is None else token
        return address(self.port, agent, password, self.target, **options)

    def connect(self, agent: str = "bot", **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        """psycopg as an agent, in autocommit unless told otherwise."""
        return psycopg.connect(self.dsn(agent), **{"autocommit": True, **options})

    def psql(
        self, *arguments: str, agent: str = "bot", script: str | None = None, **options: str
    ) -> subprocess.CompletedProcess[str]:
        """psql as an agent, unaligned and without headers; `script` is its input."""
        return subprocess.run(
            [str(self.database.cluster.bin("psql")), "-XAtq", "-d", self.dsn(agent, **options), *arguments],
            input=script,
            stdin=subprocess.DEVNULL if script is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )

    async def _people(self) -> None:
        for name in PEOPLE:
            await self.runtime.people.add(name, ["sre"], signing.public_key_of(name), by=BY)
        for name in self._agents:
            await self._add_agent(name, EVERYTHING, None)

    async def _add_agent(self, name: str, actions: Sequence[Action], max_rows: int | None) -> None:
        self.tokens[name] = (await self.runtime.agents.add(name, OWNER, by=BY)).token
        await self._add_grant(name, actions, max_rows, timedelta(hours=8))

    async def _add_grant(
        self, agent: str, actions: Sequence[Action], max_rows: int | None, lasts: timedelta
    ) -> None:
        expires = self.runtime.core.directory.now() + lasts
        await self.runtime.grants.add(agent, self.target, actions, expires, by=BY, max_rows=max_rows)

    def add_agent(
        self, name: str, actions: Sequence[Action] = EVERYTHING, *, max_rows: int | None = None
    ) -> None:
        """One more agent, with one grant; without actions it has none."""
        if actions:
            self.run(self._add_agent(name, actions, max_rows))
        else:
            self.tokens[name] = self.run(self.runtime.agents.add(name, OWNER, by=BY)).token

    def reread(self) -> None:
        """Have the catalogs read again now: something was changed past the gateway."""
        live = self.runtime.targets[self.target].live
        self.run(live._catalogs.load())  # type: ignore[attr-defined]

    # -- changes

    def changes(self, *states: ChangeState) -> list[Change]:
        """Newest first; outcomes that are under way are waited for."""
        return self.run(self._changes(states))

    async def _changes(self, states: tuple[ChangeState, ...]) -> list[Change]:
        await self.runtime.core.tasks.drain(PATIENCE_S)
        return list(await self.runtime.changes.list(ChangeFilter(states=states, limit=1000)))

    def change(self, change_id: str) -> Change:
        """One change, as it is when outcomes that are under way are recorded."""
        return next(c for c in self.changes() if c.id == change_id)

    def held(self) -> Change:
        """The one change that waits."""
        (change,) = self.changes(ChangeState.HELD)
        return change

    def approve(self, change_id: str, *people: str) -> Change:
        """Signed approvals, of ann and ben when nobody is named. Raises Rejected."""
        for person in people or ("ann", "ben"):
            change = self.run(self._speak(change_id, person, Verdict.APPROVE))
        return change

    def deny(self, change_id: str, person: str = "ann") -> Change:
        return self.run(self._speak(change_id, person, Verdict.DENY))

    async def _speak(self, change_id: str, person: str, verdict: Verdict) -> Change:
        service = self.runtime.changes
        words = await service.statement(change_id, person, verdict)
        signed = signing.signed(words, self.runtime.core.directory.now())
        return (await service.speak(words, signed.signature)).change

    def apply(self, change_id: str) -> Answer:
        """Have the gateway run an approved change by itself. Raises Rejected."""
        return self.run(self.runtime.changes.apply(change_id, by=BY))

    def revert(self, change_id: str, person: str = "ann", *, force: bool = False) -> Answer:
        """Revert an applied change on a person's signed wish. Raises Rejected."""
        return self.run(self._revert(change_id, person, force))

    async def _revert(self, change_id: str, person: str, force: bool) -> Answer:
        await self.runtime.core.tasks.drain(PATIENCE_S)
        service = self.runtime.changes
        words = await service.revert_statement(change_id, person, force=force)
        signed = signing.signed(words, self.runtime.core.directory.now())
        return await service.revert(words, signed.signature, force=force)

    # -- switches and evidence

    def freeze(self, reason: str = "test") -> None:
        self.run(self.runtime.switches.freeze("production", reason, by=BY))

    def thaw(self) -> None:
        self.run(self.runtime.switches.thaw("production", by=BY))

    def entries(self, *kinds: str) -> list[dict[str, Any]]:
        """The ledger's entries in order, of these kinds or all."""
        return self.run(self._entries(kinds))

    async def _entries(self, kinds: tuple[str, ...]) -> list[dict[str, Any]]:
        await self.runtime.core.tasks.drain(PATIENCE_S)
        await self.runtime.core.refusals.flush()
        found = [json.loads(entry) for entry in await self.runtime.store.entries(0, 1 << 20)]
        return [entry for entry in found if not kinds or entry["kind"] in kinds]

    def ledger_ok(self) -> bool:
        """Sign, and verify the whole ledger."""
        return self.run(self._verify())

    async def _verify(self) -> bool:
        await self.runtime.core.tasks.drain(PATIENCE_S)
        await self.runtime.sign()
        report = await self.runtime.store.verify()
        assert report.ok, report.findings
        return True


def address(port: int, agent: str, token: str, target: str = TARGET, **options: str) -> str:
    """What an agent connects with; without TLS unless told otherwise."""
    query = urlencode({"sslmode": "disable", **options}, quote_via=quote)
    return f"postgresql://{agent}:{quote(token, safe='')}@127.0.0.1:{port}/{target}?{query}"
