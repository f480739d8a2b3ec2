"""A server process with the toy target, for `test_process`. Its target's rows and commits lie in a file, so that they outlive it.

Lines on standard input: `go` lets the commit that waits happen. Lines on standard output are JSON.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from interlock.model.decision import Target
from interlock.model.operation import Action
from interlock.runtime import log
from interlock.runtime.config.document import load
from interlock.runtime.serve import Server, serve
from interlock.sdk.connector import Listener
from interlock.testing import signing
from interlock.testing.toy import ToyConnector, ToyLive, ToyTarget, ToyUnit, work_of

FOLDER = Path(sys.argv[1])
FACTS = FOLDER / "target.json"


class Lasting(ToyTarget):
    """A target whose commits outlive the gateway."""

    def __init__(self) -> None:
        facts: dict[str, Any] = {"rows": {"a": "1"}, "committed": [], "last": 0}
        if FACTS.exists():
            facts = json.loads(FACTS.read_text())
        super().__init__(facts["rows"])
        self.committed, self._last = facts["committed"], facts["last"]

    def begin(self) -> str:
        xid = super().begin()
        self._keep()
        return xid

    def commit(self, xid: str, rows: dict[str, str] | None) -> None:
        super().commit(xid, rows)
        self._keep()

    def _keep(self) -> None:
        FACTS.write_text(json.dumps({"rows": self.rows, "committed": self.committed, "last": self._last}))


class Connector(ToyConnector):
    def configure(self, name: str, target: Target, raw: Mapping[str, Any], secret: Any) -> ToyLive:
        return ToyLive(Lasting())

    def listener(self, live: Any) -> Listener:
        return Listener("127.0.0.1", 0)


def say(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


async def work(server: Server, how: str) -> None:
    """One change, whose commit waits for a word."""
    runtime = server.runtime
    if await runtime.store.read(lambda tx: tx.agent("fixer")) is None:
        await runtime.people.add("olga", ["sre"], signing.public_key_of("olga"), by="uid/1")
        await runtime.agents.add("fixer", "olga", by="uid/1")
        expires = runtime.core.directory.now() + timedelta(hours=1)
        await runtime.grants.add("fixer", "shop", [Action.UPDATE, Action.CREATE], expires, by="uid/1")
    gate = runtime.targets["shop"].gate
    known = gate.credential("fixer")
    assert known is not None
    agent = await gate.enter(known[0], lambda why: say(ended=why))
    live = runtime.targets["shop"].live
    assert isinstance(live, ToyLive)
    statements = [["put", "a", "2"]]
    unit: ToyUnit = live.unit(statements)
    unit.gates["execute"] = asyncio.Event()
    task = asyncio.create_task(gate.admit(work_of(agent, statements), unit))
    await unit.reached["execute"].wait()
    say(waiting=how)
    await asyncio.to_thread(sys.stdin.readline)
    unit.gates["execute"].set()
    say(answer=type(await task).__name__)


def ready(server: Server) -> None:
    states = asyncio.create_task(
        server.runtime.store.read(lambda tx: [c.state.value for c in tx.changes_in_doubt()])
    )
    states.add_done_callback(lambda done: say(ready=True, unsettled=done.result()))
    if len(sys.argv) > 2:
        server.runtime.core.tasks.spawn(work(server, sys.argv[2]), "work")


if __name__ == "__main__":
    log.set_up(json=True)
    serve(load(FOLDER / "interlock.yaml"), None, ready=ready, find=lambda name: Connector())
    say(ended="in order")
