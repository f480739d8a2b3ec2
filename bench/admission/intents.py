"""The transaction of an intent: the everyday code (`pipeline.recorded.intents`) in a real store, and the same without admission."""

import asyncio
import itertools
import random
import sqlite3
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import event

from interlock.control import breaker, budget
from interlock.control.signals.thresholds import Signals
from interlock.model.breaker import Breaker, Reserved
from interlock.model.budget import Amounts
from interlock.model.change import Measurement
from interlock.model.decision import Permit, Target
from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.model.operation import Action, Operation, Resource
from interlock.model.people import Agent, AgentCredential, Grant
from interlock.pipeline import commands as c
from interlock.pipeline.recorded.intents import intend
from interlock.pipeline.recorded.terms import Terms
from interlock.runtime.crypto import MasterKey
from interlock.runtime.stores import SqlStore, open_store
from interlock.sdk.connector import Preview, Principal, Refused, Work
from interlock.sdk.ports import Tx

AGENTS, TABLES, SESSIONS = 64, 40, 1_000
TARGET = Target("target-0", "postgres", "production", fingerprint="7/shop")
_PLENTY = Amounts(*(1 << 50,) * 4)
BUDGETS = budget.Budgets("two-sre", _PLENTY, _PLENTY, _PLENTY, _PLENTY)
_SCOPES = (breaker.GLOBAL, breaker.environment("production"), breaker.target("target-0"))


class Open:
    """A transaction in which nothing is reserved and nothing is spent: what is left is the price of recording."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    def reserve(self, scopes: Sequence[str], *, through_freeze: bool = False) -> Reserved:
        """Admits everything."""
        return Reserved()


def _put_breakers(scopes: Sequence[str], tx: Tx) -> None:
    for scope in scopes:
        tx.put_breaker(Breaker(scope))


def _put_agents(tx: Tx) -> int:
    now = tx.now()
    for n in range(AGENTS):
        tx.put_agent(Agent(f"agent-{n}", f"owner-{n % 7}", now))
        tx.put_credential(AgentCredential(f"agent-{n}", "SCRAM-SHA-256$4096:n$n:n", f"{n:064x}"))
        until = now + timedelta(days=30)
        tx.put_grant(Grant(f"G{n}", f"agent-{n}", TARGET.name, (Action.UPDATE,), "gus", now, until))
    return tx.revision()


class Bench:
    """A store with agents, open sessions and their breakers. It records intents with what a small UPDATE brings along."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.store: SqlStore = open_store(url, MasterKey(bytes(32)), create=True, origin="bench/admission")
        self.statements: list[str] | None = None
        """Every statement of the writing connection, while it is a list."""
        self._listen()
        self._number = itertools.count(1)
        self._chance = random.Random(6)
        self._revision = 0
        self.guarded = Terms({}, "bench/admission", "gw", BUDGETS, signals=Signals())
        self.bare = Terms({}, "bench/admission", "gw", None)

    def _listen(self) -> None:
        engine = self.store._engines.writer
        if self.store._engines.is_sqlite:

            def connected(raw: sqlite3.Connection, _: object) -> None:
                raw.set_trace_callback(self._heard)

            event.listen(engine, "connect", connected)
        else:
            event.listen(engine, "before_cursor_execute", lambda *given: self._heard(given[2]))

    def _heard(self, sql: str) -> None:
        if self.statements is not None and "TRIGGER" not in sql and not sql.startswith("--"):
            self.statements.append(" ".join(sql.split()))

    async def furnish(self) -> None:
        """Agents with rights and sessions."""

        scopes = [*_SCOPES, *(f"agent/agent-{n}" for n in range(AGENTS))]
        scopes += [breaker.session(f"S{n}") for n in range(SESSIONS)]
        for first in range(0, len(scopes), 100):
            await self.store.transact(partial(_put_breakers, scopes[first : first + 100]))
        self._revision = await self.store.transact(_put_agents)

    def ask(self) -> c.Intend:
        """The next intent: one row of one table updated, by one of the agents."""
        number, agent = next(self._number), self._chance.randrange(AGENTS)
        table = Resource("table", f"public.orders_{number % TABLES}", "public")
        operations = (
            Operation(Action.UPDATE, "UPDATE", (table,), "UPDATE orders SET note = $1 WHERE id = $2"),
        )
        principal = Principal(f"agent-{agent}", f"owner-{agent % 7}", f"S{agent}", 1)
        effect = Effect(
            table, ChangeKind.UPDATED, 1, Unit.ROWS, reversible=True, before=10_000, columns=("note",)
        )
        measured = Measurement((effect,), f"{number:064x}", "d" * 64, "predicate")
        preview = Preview(
            measured, undo=(b"x" * 200,), marker={"xid": str(number), "system": "73", "timeline": "1"}
        )
        work = Work(
            principal, operations, f"{self._chance.getrandbits(256):064x}", b"y" * 200, "backfill", ""
        )
        return c.Intend(work, TARGET, Permit(("G1",)), preview, c.Basis(self._revision, ("G1",)))

    async def record(self, *, guarded: bool) -> float:
        """Milliseconds of one."""
        ask = self.ask()
        begun = time.perf_counter()
        if guarded:
            reply = await self.store.transact(lambda tx: intend(tx, ask, self.guarded))
        else:
            reply = await self.store.transact(lambda tx: intend(Open(tx), ask, self.bare))
        took = (time.perf_counter() - begun) * 1000
        assert not isinstance(reply, Refused), reply
        return took

    async def times(self, concurrent: int, number: int, *, guarded: bool) -> list[float]:
        """Milliseconds of so many, so many at a time."""
        left = iter(range(number))

        async def some() -> list[float]:
            return [await self.record(guarded=guarded) for _ in left]

        return [took for each in await asyncio.gather(*(some() for _ in range(concurrent))) for took in each]

    async def counted(self, *, guarded: bool) -> list[str]:
        """The statements of one, those of its group commit among them."""
        await self.record(guarded=guarded)
        self.statements = []
        await self.record(guarded=guarded)
        found, self.statements = self.statements, None
        return found

    async def close(self) -> None:
        await self.store.close()
