"""One replica as a process: `serve` on a shared store, with a toy target whose commits all replicas write into one file.

Commands come as lines of JSON on standard input, and each is answered by one line. The agents are tasks that send small changes as
fast as they can; they never end because of an answer.
"""

import asyncio
import contextlib
import itertools
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import msgspec

from interlock.model.change import Change
from interlock.model.decision import Target
from interlock.model.errors import Unavailable
from interlock.model.operation import Action
from interlock.runtime import core, doctor, log
from interlock.runtime.background import tickers
from interlock.runtime.config.document import load
from interlock.runtime.notify import office
from interlock.runtime.rules import directory
from interlock.runtime.serve import Server, serve
from interlock.runtime.stores import store
from interlock.sdk.connector import Answer, Listener, Permitted, Principal, Refused, Settled
from interlock.sdk.ports import Tx
from interlock.testing import signing
from interlock.testing.stores.signals import behaved_well
from interlock.testing.toy import Statement, ToyConnector, ToyLive, ToyTarget, ToyUnit, work_of

FOLDER, NAME = Path(sys.argv[1]), sys.argv[2]
OPTIONS: dict[str, float] = json.loads(sys.argv[3])
TRUTH = FOLDER / "committed"
_REAL = time.time
_skew = 0.0


def skew(seconds: float) -> None:
    """Let this process's clock be wrong from now on, wherever it is asked."""
    global _skew
    _skew = seconds


class Wrong(datetime):
    """`datetime`, as a process with a wrong clock has it."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(seconds=_skew)


def configure() -> None:
    """Shorter times than in production, so that tests need not last."""
    directory.STALE = OPTIONS.get("stale", 60.0)
    store.LOCK_TIMEOUT = OPTIONS.get("lock_timeout", 5.0)
    store.PATIENCE = OPTIONS.get("patience", 20.0)
    # Not before the pipeline itself must have heard what became of its intent.
    tickers.RECOVER, core.YOUNG = 0.5, timedelta(seconds=store.PATIENCE + 1)
    for module in (directory, doctor, office):
        module.datetime = Wrong  # type: ignore[attr-defined]
    time.time = lambda: _REAL() + _skew
    time.time_ns = lambda: int(time.time() * 1e9)
    skew(OPTIONS.get("skew", 0.0))


class Shared(ToyTarget):
    """Its transaction ids are its own, and what committed is known to all."""

    def begin(self) -> str:
        xid = super().begin()
        self.open.discard(xid)
        self.open.add(f"{NAME}/{xid}")
        return f"{NAME}/{xid}"

    def commit(self, xid: str, rows: dict[str, str] | None) -> None:
        handle = os.open(TRUTH, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(handle, f"{xid}\n".encode())
        os.close(handle)
        super().commit(xid, rows)


class Live(ToyLive):
    """Answers for what other replicas committed, too."""

    async def settle(self, change: Change, image: object = ()) -> Settled:
        found = TRUTH.read_text().split() if TRUTH.exists() else []
        return Settled(change.marker["xid"] in found, "asked the target")


class Connector(ToyConnector):
    def configure(self, name: str, target: Target, raw: Mapping[str, Any], secret: Any) -> ToyLive:
        return Live(Shared(raw.get("rows")))

    def listener(self, live: Any) -> Listener:
        return Listener("127.0.0.1", 0)


class Agents:
    """The agents of this replica."""

    def __init__(self, server: Server) -> None:
        self.runtime = server.runtime
        self.answers: Counter[str] = Counter()
        self.applied: list[str] = []
        """Transactions whose agent was told that they took effect."""
        self.done: list[int] = []
        """How many operations each of the flood has had an answer to."""
        self._moved, self.heard = asyncio.Event(), asyncio.Event()
        """An agent of the flood had an answer; something may be different for those that were refused."""
        self._goals: list[int] = []
        server.runtime.core.directory.on_tick.append(self.heard.set)
        self._flood: list[asyncio.Task[None]] = []
        self._ends = False
        self._numbers = itertools.count()

    async def enter(self, agent: str) -> Principal:
        """As a client that comes again when the store has too much to do."""
        while True:
            with contextlib.suppress(Unavailable):
                return await self._enter(agent)

    async def _enter(self, agent: str) -> Principal:
        gate = self.runtime.targets["shop"].gate
        if gate.credential(agent) is None:  # not heard of yet
            await self.runtime.core.directory.refresh()
        known = gate.credential(agent)
        assert known is not None, agent
        return await gate.enter(known[0], lambda why: None)

    async def send(self, principal: Principal, *statements: Statement) -> Answer:
        live = self.runtime.targets["shop"].live
        assert isinstance(live, ToyLive)
        unit: ToyUnit = live.unit(statements)
        answer = await self.runtime.targets["shop"].gate.admit(work_of(principal, statements), unit)
        live.units.clear()
        self.answers[kind_of(answer)] += 1
        if isinstance(answer, Permitted):
            self.applied.append(unit._xid)
        return answer

    async def flood(self, agents: list[str], each: int) -> list[str]:
        """Begin; the sessions that write."""
        principals = [await self.enter(agent) for agent in agents for _ in range(each)]
        self._ends, self.done, self._goals, self._flood = False, [], [], []
        for principal in principals:
            self.done.append(0)
            self._goals.append(0)
            self._flood.append(asyncio.create_task(self._write(principal, len(self.done) - 1)))
        return [p.session for p in principals]

    async def _write(self, principal: Principal, place: int) -> None:
        while not self._ends:
            statement = ("put", f"row/{NAME}/{place}", str(next(self._numbers)))
            answer = await self.send(principal, statement)
            self.done[place] += 1
            self._moved.set()
            await asyncio.sleep(0)
            if not isinstance(answer, Permitted):
                await self._refused(place)

    async def _refused(self, place: int) -> None:
        """Until the gateway has looked at the store again, or the test tells this replica to do something or to show what becomes
        of the next ones: to ask again at once is refused at once, and keeps the processor from who could mend it."""
        if not self._ends and self.done[place] >= self._goals[place]:
            self.heard.clear()
            await self.heard.wait()

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._moved.clear()
            await self._moved.wait()

    async def more(self, kind: str, number: int) -> None:
        """Until so many more answers are of that kind."""
        goal = self.answers[kind] + number
        await self.until(lambda: self.answers[kind] >= goal)

    async def round(self) -> None:
        """Until each of the flood has ended what it was at, and one more operation that began after this was asked for."""
        self._goals = goals = [number + 2 for number in self.done]
        self.heard.set()
        await self.until(lambda: all(n >= goal for n, goal in zip(self.done, goals, strict=True)))

    async def burst(self, agents: list[str], number: int) -> None:
        """So many changes at once, of one new row each."""
        principals = [await self.enter(agent) for agent in agents]
        sent = (
            self.send(principals[n % len(principals)], ("put", f"new/{NAME}/{n}", "x")) for n in range(number)
        )
        await asyncio.gather(*sent)

    async def once(self, agent: str) -> str:
        """The answer to one change."""
        place = sum(self.answers.values())
        return kind_of(await self.send(await self.enter(agent), ("put", f"once/{NAME}", str(place))))

    async def end(self) -> None:
        self._ends = True
        self.heard.set()
        await asyncio.gather(*self._flood)
        await self.runtime.core.tasks.drain(60)


def kind_of(answer: Answer) -> str:
    return answer.code if isinstance(answer, Refused) else type(answer).__name__.lower()


async def furnish(agents: Agents, names: list[str]) -> None:
    runtime = agents.runtime
    for person in ("olga", "ann", "ben"):
        await runtime.people.add(person, ["sre"], signing.public_key_of(person), by="uid/0")
    expires = runtime.core.directory.now() + timedelta(hours=8)
    for name in names:
        await runtime.agents.add(name, "olga", by="uid/0")
        actions = [Action.READ, Action.CREATE, Action.UPDATE, Action.DELETE]
        await runtime.grants.add(name, "shop", actions, expires, by="uid/0")


def end_rights(tx: Tx, agent: str, seconds: float) -> None:
    until = tx.now() + timedelta(seconds=seconds)
    for grant in tx.grants():
        if grant.agent == agent:
            tx.put_grant(msgspec.structs.replace(grant, expires_at=until))


async def tickers_of(agents: Agents, name: str, *, alive: bool) -> None:
    """Kill a task of the gateway so that nothing begins it again, or begin it again."""
    kept = agents.runtime._tickers
    kept._ending = not alive
    if alive:
        look = agents.runtime.core.directory.tick
        kept.start(name, lambda: tickers.every(directory.EVERY, name, look))
        return
    for task in list(kept.tasks):
        if task.get_name() == name:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def perform(here: Agents, do: str, **given: Any) -> object:
    switches = here.runtime.switches
    here.heard.set()
    match do:
        case "furnish":
            await furnish(here, **given)
        case "flood":
            return await here.flood(**given)
        case "burst":
            await here.burst(**given)
        case "more":
            await here.more(**given)
        case "round":
            await here.round()
        case "once":
            return await here.once(**given)
        case "open":
            await switches.open(given["scope"], "too much", by="person/ann")
        case "reset":
            moved = await switches.reset(given["scope"], "looked at", by="person/ben")
            return moved.state.value
        case "behaved":  # as if twenty had ended well on probation
            await here.runtime.store.transact(lambda tx: behaved_well(tx, given["scope"]))
        case "kill":
            await tickers_of(here, given["ticker"], alive=False)
        case "revive":
            await tickers_of(here, given["ticker"], alive=True)
        case "cancel":
            for task in list(here.runtime._tickers.tasks):
                if task.get_name() == given["ticker"]:
                    task.cancel()
        case "grant":  # let all rights of an agent end so many seconds from now, by the store's clock
            await here.runtime.store.transact(lambda tx: end_rights(tx, **given))
            await here.runtime.core.directory.refresh()
        case "compare":
            await here.runtime.core.directory.refresh()
        case "known":
            return here.runtime.targets["shop"].gate.credential(given["agent"]) is not None
        case "skew":
            skew(**given)
        case "fresh":
            await here.until(lambda: here.runtime.core.directory.fresh is given["fresh"])
        case "end":
            await here.end()
        case "count":
            return {"answers": here.answers, "applied": here.applied}
        case _:
            raise AssertionError(do)
    return None


async def converse(server: Server) -> None:
    agents = Agents(server)
    while line := await asyncio.to_thread(sys.stdin.readline):
        asked = json.loads(line)
        try:
            answer, error = await perform(agents, **asked), ""
        except Exception as failed:  # noqa: BLE001  # told to the test, which is waiting for the answer
            answer, error = None, f"{type(failed).__name__}: {failed}"
        print(json.dumps({"answer": answer, "error": error}), flush=True)


if __name__ == "__main__":
    log.set_up(json=True)
    configure()
    talks: list[asyncio.Task[None]] = []
    serve(
        load(FOLDER / NAME / "interlock.yaml"),
        None,
        ready=lambda server: talks.append(asyncio.create_task(converse(server))),
        find=lambda name: Connector(),
    )
