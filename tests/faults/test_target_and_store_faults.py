"""What targets and stores do at the worst moment: answers lost around the commit, a store that forgets or persists silently,
a gateway that dies, replicas that race."""

import asyncio
from datetime import timedelta

import msgspec
import pytest

from interlock.control import breaker
from interlock.control.breaker import E as BreakerEvent
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.change import ChangeState
from interlock.model.errors import Unavailable
from interlock.model.people import Agent, AgentCredential, Grant
from interlock.pipeline.commands import Conclude
from interlock.pipeline.recorded.records import conclude
from interlock.runtime.background.tickers import Chores
from interlock.runtime.core import YOUNG, beat
from interlock.sdk.connector import Answer, Held, Permitted, Refused, Settled
from interlock.sdk.ports import Tx
from interlock.testing.installation import FEW, MANY, Installation
from interlock.testing.stores.enforcing import Fault
from interlock.testing.toy import ToyFault, work_of

S = ChangeState


async def approved(made: Installation) -> tuple[object, str]:
    agent = await made.principal()
    held = await made.send(agent, MANY)
    assert isinstance(held, Held)
    await made.approve(held.change)
    return agent, held.change.id


@pytest.mark.parametrize(
    ("fault", "lost", "code", "state"),
    [
        ("before", True, "in_doubt", S.IN_DOUBT),
        ("after", False, "", S.APPLIED),
        ("after", True, "in_doubt", S.IN_DOUBT),
        ("proven", False, "failed", S.APPROVED),
    ],
)
def test_an_answer_lost_around_the_commit(fault: str, lost: bool, code: str, state: ChangeState) -> None:
    async def run() -> None:
        made = await Installation.make()
        agent, change_id = await approved(made)
        unit = made.unit(MANY)
        unit.execute_fails = fault
        made.toy.lost = lost
        answer = await made.send(agent, MANY, unit)  # type: ignore[arg-type]
        assert isinstance(answer, Permitted if not code else Refused)
        assert not isinstance(answer, Refused) or answer.code == code
        assert (await made.change(change_id)).state is state
        # Recovery asks again once the target answers.
        made.toy.lost = False
        made.store.advance(YOUNG + timedelta(seconds=1))
        await Chores(made.core).recover()
        done = made.toy.committed != []
        assert (await made.change(change_id)).state is (S.APPLIED if done else S.APPROVED)

    asyncio.run(run())


def test_an_approval_that_was_given_back_expires_all_the_same() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent, change_id = await approved(made)
        unit = made.unit(MANY)
        unit.execute_fails = "proven"
        await made.send(agent, MANY, unit)  # type: ignore[arg-type]
        made.store.advance(timedelta(hours=2))
        await made.core.directory.refresh()
        await Chores(made.core).expire()
        assert (await made.change(change_id)).state is S.EXPIRED
        answer = await made.send(agent, MANY)  # type: ignore[arg-type]
        assert isinstance(answer, Held)
        assert answer.change.id != change_id

    asyncio.run(run())


@pytest.mark.parametrize("fault", list(Fault))
def test_a_store_that_fails_at_the_intent(fault: Fault) -> None:
    async def run() -> None:
        made = await Installation.make()
        agent, change_id = await approved(made)
        made.store.fail(fault, "intent")
        answer = await made.send(agent, MANY)  # type: ignore[arg-type]
        assert isinstance(answer, Refused)
        assert (answer.code, answer.retry) == ("unavailable", True)
        assert not made.toy.committed
        assert not made.toy.open
        made.store.advance(YOUNG + timedelta(seconds=1))
        await Chores(made.core).recover()
        assert (await made.change(change_id)).state is S.APPROVED
        assert isinstance(await made.send(agent, MANY), Permitted)  # type: ignore[arg-type]

    asyncio.run(run())


@pytest.mark.parametrize("fault", list(Fault))
def test_a_store_that_fails_at_the_outcome_does_not_change_what_happened(fault: Fault) -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        made.store.fail(fault, "outcome")
        answer = await made.send(agent, FEW)
        assert isinstance(answer, Permitted)
        assert answer.change is not None
        made.store.advance(YOUNG + timedelta(seconds=1))
        await Chores(made.core).recover()
        assert (await made.change(answer.change.id)).state is S.APPLIED
        kinds = [e.kind for e in made.store.entries() if e.kind in ("outcome", "recovery")]
        assert kinds == (["recovery"] if fault is Fault.LOST else ["outcome"])

    asyncio.run(run())


def test_a_lost_store_means_no() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        made.store.unavailable = True
        answer = await made.send(agent, FEW)
        assert isinstance(answer, Refused)
        assert answer.code == "unavailable"
        assert not made.toy.committed
        assert not made.toy.open

    asyncio.run(run())


@pytest.mark.parametrize("step", ["preview", "execute"])
def test_a_client_that_goes_away(step: str) -> None:
    """Before the intent the unit is given up at once; from then on it is seen through."""

    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        unit = made.unit(FEW)
        unit.gates[step] = asyncio.Event()
        task: asyncio.Task[Answer] = asyncio.create_task(made.gate.admit(work_of(agent, FEW), unit))
        await unit.reached[step].wait()
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        unit.gates[step].set()
        with pytest.raises(asyncio.CancelledError):
            await task
        await made.core.tasks.drain(10)
        states = await made.states()
        if step == "preview":
            assert unit.calls == ["preview", "abandon"]
            assert states == {}
        else:
            assert states == {S.APPLIED: 1}
        assert not made.toy.open

    asyncio.run(run())


def test_two_replicas_racing_on_one_approval_use_it_once() -> None:
    async def run() -> None:
        one = await Installation.make()
        two = await Installation.make(one.store, one.toy, gateway="gw-2", furnish=False)
        agent, change_id = await approved(one)
        other = await two.principal()
        units = [one.unit(MANY), two.unit(MANY)]
        go = asyncio.Event()
        for unit in units:
            unit.gates["preview"] = go
        tasks = [
            asyncio.create_task(one.gate.admit(work_of(agent, MANY), units[0])),  # type: ignore[arg-type]
            asyncio.create_task(two.gate.admit(work_of(other, MANY), units[1])),
        ]
        for unit in units:
            await unit.reached["preview"].wait()
        go.set()
        answers = await asyncio.gather(*tasks)
        for made in (one, two):
            await made.core.tasks.drain(10)
        assert sorted(type(a).__name__ for a in answers) == ["Permitted", "Refused"]
        assert len(one.toy.committed) == 1
        assert (await one.change(change_id)).state is S.APPLIED
        assert len(one.store.entries("intent")) == 1

    asyncio.run(run())


def test_held_on_one_replica_approved_on_another_resumed_on_the_first() -> None:
    async def run() -> None:
        one = await Installation.make()
        two = await Installation.make(one.store, one.toy, gateway="gw-2", furnish=False)
        agent = await one.principal()
        held = await one.send(agent, MANY)
        assert isinstance(held, Held)
        waiting = asyncio.create_task(one.gate.wait(held.change.id, timedelta(seconds=30)))
        await two.approve(held.change)
        assert (await waiting).state is S.APPROVED
        assert one.gate.lift(agent, (), held.change.content) is not None
        await one.core.watch.look()
        assert one.gate.lift(agent, (), held.change.content) is None
        assert isinstance(await one.send(agent, MANY), Permitted)

    asyncio.run(run())


def _disable(tx: Tx) -> None:
    agent = tx.agent("fixer")
    assert agent is not None
    tx.put_agent(msgspec.structs.replace(agent, disabled=True))


def _rotate(tx: Tx) -> None:
    tx.put_credential(AgentCredential("fixer", "", "1" * 64, epoch=2))


def _revoke(tx: Tx) -> None:
    grant = tx.grant("G1")
    assert grant is not None
    tx.put_grant(msgspec.structs.replace(grant, revoked_at=tx.now()))


def _swap(tx: Tx) -> None:
    """The grant is revoked, and a lesser one given."""
    _revoke(tx)
    grant = tx.grant("G1")
    assert grant is not None
    tx.put_grant(Grant("G2", "fixer", "shop", (), "gus", tx.now(), grant.expires_at))


@pytest.mark.parametrize("change", [_disable, _rotate, _revoke, _swap])
def test_rights_that_end_between_the_decision_and_the_intent(change: object) -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        unit = made.unit(FEW)
        unit.gates["preview"] = asyncio.Event()
        task = asyncio.create_task(made.gate.admit(work_of(agent, FEW), unit))
        await unit.reached["preview"].wait()
        # Another replica does it: this one's directory does not know yet.
        made.store.now(change)
        unit.gates["preview"].set()
        answer = await task
        assert isinstance(answer, Refused)
        assert answer.code == "forbidden"
        assert not made.toy.committed
        assert not made.toy.open
        assert made.store.entries("intent") == []

    asyncio.run(run())


def test_an_unrelated_move_of_the_revision_does_not_refuse() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        unit = made.unit(FEW)
        unit.gates["preview"] = asyncio.Event()
        task = asyncio.create_task(made.gate.admit(work_of(agent, FEW), unit))
        await unit.reached["preview"].wait()
        made.store.now(lambda tx: tx.put_agent(Agent("other", "olga", tx.now())))
        unit.gates["preview"].set()
        assert isinstance(await task, Permitted)
        await made.core.tasks.drain(10)

    asyncio.run(run())


SCOPES = ["global", "environment/production", "target/shop", "agent/fixer", "session/"]


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("how", ["open", "frozen", "missing"])
def test_a_breaker_refuses_and_reads_go_on(scope: str, how: str) -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        name = scope if not scope.endswith("/") else scope + agent.session
        row = Breaker(
            name, state=BreakerState.OPEN if how == "open" else BreakerState.CLOSED, frozen=how == "frozen"
        )
        made.store.now(lambda tx: tx.drop_breaker(name) if how == "missing" else tx.put_breaker(row))
        answer = await made.send(agent, FEW)
        assert isinstance(answer, Refused)
        assert answer.code == "breaker"
        halted = (scope, how) == ("global", "frozen")
        assert ("everything is halted" if halted else name) in answer.why
        assert not made.toy.committed
        assert await made.send(agent, [["read"]]) == Permitted(None)
        await made.core.refusals.flush()
        assert made.store.entries("decision")[-1].body["decision"]["code"] == "breaker"

    asyncio.run(run())


def test_probation_lets_only_small_changes_pass() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()

        def probation(tx: Tx) -> None:
            row = breaker.move(Breaker("target/shop"), BreakerEvent.OPEN, "ann", "odd", tx.now())
            tx.put_breaker(breaker.move(row, BreakerEvent.PROBE, "ann", "try", tx.now()))

        made.store.now(probation)
        for _ in range(2):  # before and after this replica has learned of it
            assert isinstance(await made.send(agent, FEW), Permitted)
            answer = await made.send(agent, [["delete", "row/0299"]])
            assert isinstance(answer, Refused)
            assert "probation" in answer.why
            await made.core.directory.refresh()
            made.toy.rows = {**(made.toy.rows or {}), "row/0000": "old"}

    asyncio.run(run())


def test_recovery_leaves_alone_what_a_living_gateway_is_doing() -> None:
    async def run() -> None:
        one = await Installation.make()
        two = await Installation.make(one.store, one.toy, gateway="gw-2", furnish=False)
        one.store.now(lambda tx: beat(tx, "gw-1"))
        agent = await one.principal()
        unit = one.unit(FEW)
        unit.gates["execute"] = asyncio.Event()
        task = asyncio.create_task(one.gate.admit(work_of(agent, FEW), unit))
        await unit.reached["execute"].wait()
        for made in (one, two):
            done = await Chores(made.core).recover()
            assert (done.resolved, done.in_doubt) == ((), ())
        unit.gates["execute"].set()
        assert isinstance(await task, Permitted)
        await one.core.tasks.drain(10)

    asyncio.run(run())


def test_a_dead_gateways_work_is_recovered_by_another() -> None:
    async def run() -> None:
        one = await Installation.make()
        two = await Installation.make(one.store, one.toy, gateway="gw-2", furnish=False)
        one.store.now(lambda tx: beat(tx, "gw-1"))
        agent = await one.principal()
        one.store.fail(Fault.LOST, "outcome")
        answer = await one.send(agent, FEW)
        assert isinstance(answer, Permitted)
        one.store.advance(timedelta(seconds=31))
        done = await Chores(two.core).recover()
        assert [c.state for c in done.resolved] == [S.APPLIED]

    asyncio.run(run())


def test_contradictory_outcomes_are_seen_and_never_overwritten() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        answer = await made.send(agent, FEW)
        assert isinstance(answer, Permitted)
        assert answer.change is not None
        seen = await made.change(answer.change.id)
        with pytest.raises(Exception, match="says otherwise"):
            made.store.now(lambda tx: conclude(tx, Conclude(seen, Settled(False)), made.core.terms))
        made.store.now(lambda tx: conclude(tx, Conclude(seen, Settled(True)), made.core.terms))
        assert len(made.store.entries("outcome")) == 1

    asyncio.run(run())


def test_an_outcome_of_an_earlier_attempt_says_nothing_about_a_later_one() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent, change_id = await approved(made)
        first = made.unit(MANY)
        first.execute_fails = "proven"
        await made.send(agent, MANY, first)  # type: ignore[arg-type]
        earlier = await made.change(change_id)
        second = made.unit(MANY)
        second.gates["execute"] = asyncio.Event()
        task = asyncio.create_task(made.gate.admit(work_of(agent, MANY), second))  # type: ignore[arg-type]
        await second.reached["execute"].wait()
        made.store.now(lambda tx: conclude(tx, Conclude(earlier, Settled(False)), made.core.terms))
        assert (await made.change(change_id)).state is S.EXECUTING
        second.gates["execute"].set()
        assert isinstance(await task, Permitted)
        await made.core.tasks.drain(10)

    asyncio.run(run())


def test_the_text_of_a_foreign_error_reaches_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        unit = made.unit(FEW)
        unit.preview_fails = ToyFault("secret: row 17 is 'hunter2'")
        unit.abandon_fails = ToyFault("secret: hunter2")
        answer = await made.send(agent, FEW, unit)
        assert isinstance(answer, Refused)
        assert answer.code == "unavailable"
        assert "hunter2" not in answer.why

    asyncio.run(run())
    out = capsys.readouterr()
    assert "ToyFault" in out.out + out.err
    assert "hunter2" not in out.out + out.err


def test_our_own_errors_are_told() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        unit = made.unit(FEW)
        unit.preview_fails = Unavailable("the target does not answer")
        answer = await made.send(agent, FEW, unit)
        assert isinstance(answer, Refused)
        assert "the target does not answer" in answer.why

    asyncio.run(run())


def test_a_hundred_held_units_do_not_touch_the_target_a_hundred_times() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        answers = [await made.send(agent, [*MANY, ["put", "x", str(n)]]) for n in range(100)]
        held = [a for a in answers if isinstance(a, Held)]
        assert len(held) == 5
        previews = sum(unit.calls.count("preview") for unit in made.live.units)
        assert previews < 50
        codes = {a.code for a in answers if isinstance(a, Refused)}
        assert codes == {"forbidden", "unavailable"}
        assert isinstance(await made.send(agent, [["levitate"]]), Refused)
        await made.core.refusals.flush()
        noted = made.store.entries("decision")
        assert sum(e.body["count"] for e in noted) == 96
        assert len(noted) < 10

    asyncio.run(run())
