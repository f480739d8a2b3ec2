"""The way of a unit on the real stores: SQLite and PostgreSQL, with two replicas where the store allows it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from interlock.model.change import ChangeState, Verdict
from interlock.runtime.background.tickers import Chores
from interlock.runtime.crypto import MasterKey
from interlock.runtime.rules.governance import TryOut
from interlock.runtime.service.deciding.changes import Changes
from interlock.runtime.service.people.principals import Agents
from interlock.runtime.service.stopping.switches import Switches
from interlock.runtime.stores import SqlStore, open_store
from interlock.sdk.connector import Answer, Held, Permitted, Refused
from interlock.testing import signing
from interlock.testing.installation import FEW, MANY, ROWS, Installation
from interlock.testing.peers.pg import PgDatabase
from interlock.testing.toy import ToyTarget, work_of

MASTER = MasterKey(bytes(range(32)))
S = ChangeState
Replicas = Callable[[Callable[[Installation, Installation], Awaitable[None]]], None]


@pytest.fixture(params=["sqlite", "postgres"])
def replicas(request: pytest.FixtureRequest, tmp_path: Path) -> Replicas:
    """Runs a test with two gateways on one store: one process's two on SQLite, two connections' on PostgreSQL."""
    if request.param == "sqlite":
        url, several = f"sqlite:///{tmp_path}/store.db", False
    else:
        database: PgDatabase = request.getfixturevalue("fresh_db18")
        url, several = database.dsn(), True

    @asynccontextmanager
    async def stores() -> AsyncIterator[Sequence[SqlStore]]:
        first = open_store(url, MASTER, create=True, origin="test.example/log")
        found = [first, open_store(url, MASTER) if several else first]
        try:
            yield found
        finally:
            for store in dict.fromkeys(found):
                await store.close()

    def run(body: Callable[[Installation, Installation], Awaitable[None]]) -> None:
        async def go() -> None:
            async with stores() as (a, b):
                toy = ToyTarget(ROWS)
                one = await Installation.make(a, toy)
                two = await Installation.make(b, toy, gateway="gw-2", furnish=False)
                await body(one, two)
                for made in (one, two):
                    await made.core.tasks.drain(10)
                report = await a.verify()
                assert report.ok, report.findings

        asyncio.run(go())

    return run


async def entries(made: Installation) -> list[dict[str, Any]]:
    store: SqlStore = made.store
    return [json.loads(data) for data in await store.entries(0, 10_000)]


async def held(made: Installation) -> Held:
    answer = await made.send(await made.principal(), MANY)
    assert isinstance(answer, Held)
    return answer


def test_hold_on_one_approve_on_the_other_resume_on_the_first(replicas: Replicas) -> None:
    async def body(one: Installation, two: Installation) -> None:
        change = (await held(one)).change
        agent = one.gate.sessions[0]
        assert await one.send(agent, MANY) == Held(change, again=True)
        service = Changes(two.core, {"shop": two.gate})
        for name in ("ann", "bob"):
            words = await service.statement(change.id, name)
            await service.opened(change.id, name)
            await service.speak(words, signing.signed(words, change.requested_at).signature)
        answer = await one.send(agent, MANY)
        assert isinstance(answer, Permitted)
        assert (await two.change(change.id)).state is S.APPLIED
        words = await service.revert_statement(change.id, "cho")
        done = await service.revert(words, signing.signed(words, change.requested_at).signature)
        assert isinstance(done, Permitted)
        assert one.toy.rows == ROWS
        assert (await one.change(change.id)).state is S.REVERTED

    replicas(body)


def test_many_racing_on_one_approval_use_it_once(replicas: Replicas) -> None:
    async def body(one: Installation, two: Installation) -> None:
        change = (await held(one)).change
        await one.approve(change)
        agents = [one.gate.sessions[0], await two.principal()]
        tasks: list[asyncio.Task[Answer]] = []
        go = asyncio.Event()
        for number in range(10):
            made, agent = ((one, agents[0]), (two, agents[1]))[number % 2]
            unit = made.unit(MANY)
            unit.gates["preview"] = go
            tasks.append(asyncio.create_task(made.gate.admit(work_of(agent, MANY), unit)))
            await unit.reached["preview"].wait()
        go.set()
        answers = await asyncio.gather(*tasks)
        assert sum(isinstance(a, Permitted) for a in answers) == 1
        assert len(one.toy.committed) == 1
        assert not one.toy.open
        for made in (one, two):
            await made.core.tasks.drain(10)
        assert (await one.change(change.id)).state is S.APPLIED
        assert [e["kind"] for e in await entries(one)].count("intent") == 1

    replicas(body)


def test_two_voices_at_once_are_counted_one_after_the_other(replicas: Replicas) -> None:
    async def body(one: Installation, two: Installation) -> None:
        change = (await held(one)).change
        await asyncio.gather(one.speak(change, "ann"), two.speak(change, "bob"))
        assert (await one.change(change.id)).state is S.APPROVED
        moved = [e for e in await entries(one) if e["kind"] == "change.moved"]
        assert len(moved) == 1

    replicas(body)


def test_a_denial_and_the_commit_at_once(replicas: Replicas) -> None:
    """Whoever is first wins; both never happen."""

    async def body(one: Installation, two: Installation) -> None:
        change = (await held(one)).change
        await one.approve(change)
        agent = one.gate.sessions[0]
        answer, denial = await asyncio.gather(
            one.send(agent, MANY), two.speak(change, "cho", Verdict.DENY), return_exceptions=True
        )
        state = (await one.change(change.id)).state
        if one.toy.committed:
            assert isinstance(answer, Permitted)
            assert isinstance(denial, BaseException)
            assert state is S.APPLIED
        else:
            assert isinstance(answer, Refused | Held)
            assert state is S.DENIED

    replicas(body)


def test_after_a_trip_commits_nothing_is_admitted(replicas: Replicas) -> None:
    """P8, with both replicas busy: no intent follows the breaker's move in the ledger."""

    async def body(one: Installation, two: Installation) -> None:
        agents = [await one.principal(), await two.principal()]
        stop, under_load = asyncio.Event(), asyncio.Event()
        refused = [0, 0]

        async def busy(made: Installation, place: int, key: str) -> None:
            number = 0
            while not (stop.is_set() and refused[place]):
                number += 1
                answer = await made.send(agents[place], [["put", key, str(number)]])
                refused[place] += isinstance(answer, Refused)
                if len(one.toy.committed) >= 30:
                    under_load.set()

        workers = [
            asyncio.create_task(busy(made, place, f"row/000{place}{n}"))
            for place, made in enumerate((one, two))
            for n in range(3)
        ]
        await under_load.wait()
        await Switches(two.core, TryOut()).open("target/shop", "too much", by="person/ann")
        stop.set()
        await asyncio.gather(*workers)
        kinds = [e["kind"] for e in await entries(one)]
        assert "intent" in kinds
        assert "intent" not in kinds[kinds.index("breaker") :]
        intents = kinds.count("intent")
        assert len(one.toy.committed) == intents

    replicas(body)


def test_an_agent_disabled_on_one_replica_is_refused_on_the_other_at_once(replicas: Replicas) -> None:
    async def body(one: Installation, two: Installation) -> None:
        agent = await one.principal()
        await Agents(two.core, TryOut()).disable("fixer", by="person/ann")
        answer = await one.send(agent, FEW)
        assert isinstance(answer, Refused)
        assert not one.toy.committed

    replicas(body)


def test_a_gateway_that_died_between_intent_and_commit_or_between_commit_and_outcome(
    replicas: Replicas,
) -> None:
    async def body(one: Installation, two: Installation) -> None:
        change = (await held(one)).change
        await one.approve(change)
        agent = one.gate.sessions[0]
        before, after = one.unit(FEW), one.unit(MANY)
        before.gates["execute"] = asyncio.Event()
        after.execute_fails = "after"
        one.toy.lost = True
        stuck = asyncio.create_task(one.gate.admit(work_of(agent, FEW), before))
        await before.reached["execute"].wait()
        assert isinstance(await one.gate.admit(work_of(agent, MANY), after), Refused)
        # Killed: the target rolls back what was open, another process begins.
        one.toy.lost = False
        one.toy.open.clear()
        again = await Installation.make(one.store, one.toy, furnish=False)
        await Chores(again.core).recover(starting=True)
        assert (await two.change(change.id)).state is S.APPLIED
        assert await two.states() == {S.APPLIED: 1, S.FAILED: 1}
        kinds = [e["kind"] for e in await entries(one)]
        assert kinds.count("recovery") == 2
        stuck.cancel()
        before.execute_fails = "before"
        before.gates["execute"].set()
        with pytest.raises(asyncio.CancelledError):
            await stuck

    replicas(body)
