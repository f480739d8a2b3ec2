"""A server with a toy target, as a process: `python toy_server.py CONFIG`. Says `ready`, then takes one unit of work a line as JSON
(`{"agent": …, "statements": […]}`) and answers each with a line; `stop` and the end of input end it."""

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from interlock.console.app import doors
from interlock.control import budget, outbox
from interlock.model.breaker import Breaker
from interlock.model.budget import Amounts, Spending
from interlock.model.change import ChangeFilter, ChangeState
from interlock.model.message import Event, Message
from interlock.model.signal import Mark, Signal, Trip
from interlock.pipeline.recorded.trips import open_by_itself
from interlock.runtime import log
from interlock.runtime.config.document import load
from interlock.runtime.opening import open_configured
from interlock.runtime.serve import Server
from interlock.sdk.connector import Answer, Listener, Permitted
from interlock.sdk.ports import Tx
from interlock.testing.stores.signals import behaved_well
from interlock.testing.toy import ToyConnector, ToyTarget, work_of

ROWS = {f"row/{n:04d}": "old" for n in range(300)}


class Reachable(ToyConnector):
    connection = "toy://AGENT:TOKEN@ADDRESS/TARGET"

    def listener(self, live: Any) -> Listener:
        return Listener("127.0.0.1", 0)


async def main(file: Path) -> None:
    config = load(file)
    if not (config.folder / "interlock.db").exists():
        await open_configured(config, create=True).close()
    toy = ToyTarget(ROWS)
    connector = Reachable({"shop": toy})
    async with Server(config, doors(), find=lambda name: connector) as server:
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            asked = json.loads(line)
            if asked == "stop":
                break
            print(json.dumps(await _do(server, toy, asked)), flush=True)


async def _do(server: Server, toy: ToyTarget, asked: Any) -> Any:
    if asked == "rows":
        return toy.rows
    if asked == "sign":
        await server.runtime.sign()
        return None
    runtime = server.runtime
    if "behaved_well" in asked:
        await runtime.store.transact(lambda tx: behaved_well(tx, asked["behaved_well"]))
        return None
    if "trip" in asked:
        await runtime.store.transact(lambda tx: _trip(tx, **asked))
        return None
    if "newest" in asked:
        ((number, _),) = await runtime.store.newest_entries(
            10**9, kind=asked["newest"], limit=1, within=10**9
        )
        return number
    if "put_back" in asked:
        await runtime.store.transact(lambda tx: tx.put_breaker(Breaker(asked["put_back"], epoch=99)))
        return None
    if "spend" in asked:
        spent = Spending(asked["spend"], "shop", Amounts(objects=asked["objects"]))
        hour = timedelta(hours=1)
        await runtime.store.transact(
            lambda tx: tx.spend([spent], budget.slice_of(tx.now(), hour), tx.now() - hour)
        )
        return None
    if asked == "anew":
        toy.rows = dict(ROWS)
        open_ones = ChangeFilter(states=(ChangeState.HELD, ChangeState.APPROVED))
        for left in await runtime.changes.list(open_ones):
            await runtime.changes.withdraw(left.id, "the next test begins", by=f"agent/{left.agent}")
        return None
    if "given_up" in asked:
        await runtime.store.transact(lambda tx: tx.add_message(_given_up(asked["given_up"], tx)))
        return None
    await runtime.core.directory.refresh()
    gate, live = runtime.targets["shop"].gate, runtime.core.lives["shop"]
    known = gate.credential(asked["agent"])
    if known is None:
        return {"answer": "no entry"}
    principal = await gate.enter(known[0], lambda why: None)
    work = work_of(principal, asked["statements"], asked.get("reason", ""))
    answer: Answer = await gate.admit(work, live.unit(asked["statements"]))  # type: ignore[attr-defined]
    await gate.leave(principal)
    await runtime.core.tasks.drain(10)
    change = answer.change
    kind = "permitted" if isinstance(answer, Permitted) else type(answer).__name__.lower()
    return {"answer": kind, "change": change.id if change else ""}


def _trip(tx: Tx, trip: str, agent: str, change: str) -> None:
    steps = (Mark(tx.now(), "delete table main", "S-1", change), Mark(tx.now(), "delete table main", "S-1"))
    words = "4 of them, and 3 may be"
    told = Trip(tx.now(), trip, Signal.DESTRUCTIVE, agent, "S-1", "production", "shop", words, steps)
    assert open_by_itself(tx, told, (agent,), None) is not None


def _given_up(message_id: str, tx: Tx) -> Message:
    fresh = Message(
        message_id, "hook", Event.HELD, "fixer would delete 3 rows", tx.now(), tx.now(), attempts=8
    )
    return outbox.given_up(fresh, "answers HTTP 500", tx.now())


if __name__ == "__main__":
    log.set_up(json=True)
    asyncio.run(main(Path(sys.argv[1])))
