"""A real gateway for tests, whatever its target: policies, store, listener and connector as `interlock serve` runs them.

`ServedGateway` serves from a thread with an event loop of its own. The people are olga, ann, ben and cho, all of the group `sre`;
olga owns the agents.
"""

import asyncio
import json
import threading
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import uvloop
import yaml

from interlock.model.change import Change, ChangeFilter, ChangeState, Verdict
from interlock.model.operation import Action
from interlock.runtime.config.document import load
from interlock.runtime.opening import make_state_dir, open_configured
from interlock.runtime.runtime import Runtime
from interlock.runtime.serve import MakeApp, Server
from interlock.sdk.connector import Answer
from interlock.testing import signing

T = TypeVar("T")

OWNER = "olga"
PEOPLE = (OWNER, "ann", "ben", "cho")
EVERYTHING = (Action.READ, Action.CREATE, Action.UPDATE, Action.DELETE, Action.ADMIN)
BY = "uid/0"
PATIENCE_S = 60.0
"""How long (seconds) the harness waits for its own gateway before it calls the test hung."""


class ServedGateway:
    """See the module. `folder` keeps its state: `stop` and `start` are a restart. `protected` are the keys of its one
    target, named `target`.

    `store` and `master_key` are shared by replicas; the second one is made with `furnish=False`. `top` are merged over the
    top keys of the configuration."""

    make_app: MakeApp | None = None  # with one, the API and the admin socket are served as well

    def __init__(
        self,
        folder: Path,
        target: str,
        protected: Mapping[str, Any],
        *,
        agents: Sequence[str] = ("bot",),
        store: str = "sqlite:///var/interlock.db",
        master_key: Path | None = None,
        furnish: bool = True,
        top: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder, self.target = folder, target
        self.tokens: dict[str, str] = {}
        self._agents, self._furnish = agents, furnish
        folder.mkdir(parents=True, exist_ok=True)
        config: dict[str, Any] = {
            "store": store,
            "state_dir": "var",
            "api": {"listen": "127.0.0.1:0"},
            "environments": {"production": {"protection": "strict"}},
            "targets": {target: dict(protected)},
            # An agent of tests does in a minute what a real one does in a month.
            "breakers": "off",
            "quorums": {"two-sre": {"count": 2, "group": "sre"}},
            # Tests approve more quickly than people read.
            "reviews": {"per_hour": 1000, "median_s": 0, "slowed_s": 0},
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

    # -- changes

    def changes(self, *states: ChangeState, agent: str = "") -> list[Change]:
        """Newest first, of one agent or all; outcomes that are under way are waited for."""
        return self.run(self._changes(ChangeFilter(states=states, agent=agent, limit=1000)))

    async def _changes(self, wanted: ChangeFilter) -> list[Change]:
        await self.runtime.core.tasks.drain(PATIENCE_S)
        return list(await self.runtime.changes.list(wanted))

    def change(self, change_id: str) -> Change:
        """One change, as it is when outcomes that are under way are recorded."""
        return self.run(self._change(change_id))

    async def _change(self, change_id: str) -> Change:
        await self.runtime.core.tasks.drain(PATIENCE_S)
        return await self.runtime.changes.get(change_id)

    def held(self) -> Change:
        """The one change that waits."""
        (change,) = self.changes(ChangeState.HELD)
        return change

    def approve(self, change_id: str, *people: str) -> Change:
        """Signed approvals, of ann and ben when nobody is named. Raises Rejected."""
        for person in people or ("ann", "ben"):
            change = self.run(self._speak(change_id, person, Verdict.APPROVE))
        return change

    def withdraw(self, change_id: str) -> Change:
        """Give an open change up. The same content may be asked for again at once: a denial would answer it."""
        return self.run(self.runtime.changes.withdraw(change_id, "given up", by=BY))

    def deny(self, change_id: str, person: str = "ann", *, reason: str = "") -> Change:
        return self.run(self._speak(change_id, person, Verdict.DENY, reason))

    async def _speak(self, change_id: str, person: str, verdict: Verdict, reason: str = "") -> Change:
        service = self.runtime.changes
        words = await service.statement(change_id, person, verdict, reason)
        await service.opened(change_id, person)
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
