"""What is said is queued and delivered: by one replica, at least once, late if need be, and given up where people can see it."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.runtime.notify.kit import START, Kit, change, numbered, webhook
from tests.runtime.notify.receiver import Receiver

from interlock.control import outbox
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.change import ChangeState
from interlock.model.decision import Hold, Permit
from interlock.model.errors import Unavailable
from interlock.model.message import Event, Message, MessageState
from interlock.model.signal import Mark, Signal, Trip
from interlock.pipeline.recorded import trips
from interlock.runtime.core import Notifiers
from interlock.runtime.notify import deliver
from interlock.runtime.notify.post import KEPT, ORPHANED
from interlock.sdk.ports import Tx
from interlock.testing.stores.enforcing import Fault

MINUTE = timedelta(minutes=1)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    return tmp_path / "secret"


# -- who is told what


def test_each_event_is_told_once_however_often_it_is_said(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret))
            held = change()
            for _ in range(2):
                kit.post.held(held)
                kit.post.reminder(held)
                for state in ("approved", "denied", "withdrawn", "expired", "applied", "failed", "in_doubt"):
                    kit.post.moved(change(state=ChangeState(state)))
                kit.post.moved(change(state=ChangeState.APPLIED, reverts="CHG-00000001", requested_by="ann"))
                kit.post.break_glass("ann", held, "shop", START + MINUTE)
                kit.post.break_glass("ann", None, "shop", START + MINUTE)
                kit.post.breaker(Breaker("agent/fixer", BreakerState.OPEN, epoch=3), "person/ann")
                await kit.deliver()
            await kit.later(MINUTE)
            kinds = [c["type"].removeprefix("interlock.") for c in receiver.contents]
            assert len(receiver.ids) == len(set(receiver.ids))
            assert sorted(kinds) == [
                "applied",
                "applied",
                "applied",
                "break_glass",
                "break_glass",
                "breaker",
                "decided",
                "decided",
                "decided",
                "expired",
                "held",
                "reminder",
            ]

    run(work())


def test_the_states_that_are_no_news_are_not_told(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret))
            for state in ("received", "held", "executing", "refused", "reverted", "partly_reverted"):
                kit.post.moved(change(state=ChangeState(state)))
            for state in ("applied", "failed"):
                kit.post.moved(change(state=ChangeState(state), decision=Permit(("small",))))
            await kit.deliver()
            assert receiver.taken == []
            kit.post.moved(change(state=ChangeState.IN_DOUBT, decision=Permit(("small",))))
            await kit.deliver()
            assert len(receiver.taken) == 1, "but that nobody knows what happened is"

    run(work())


def test_groups_environments_and_events_choose_the_channel(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            url = receiver.url
            kit = Kit(
                webhook(url, secret, "all"),
                webhook(url, secret, "dba", groups=("dba",)),
                webhook(url, secret, "sre", groups=("sre",)),
                webhook(url, secret, "staging", environments=("staging",)),
                webhook(url, secret, "ends", events=(Event.DECIDED, Event.EXPIRED)),
            )

            async def told() -> set[str]:
                before = {m.id for m in await kit.messages()}
                await kit.deliver()
                return {m.channel for m in await kit.messages() if m.id not in before}

            kit.post.held(change())
            assert await told() == {"all", "sre"}
            kit.post.held(
                change(decision=Hold(("quorum:two-sre", "quorum:one-dba")), nonce="2", environment="staging")
            )
            assert await told() == {"all", "sre", "dba", "staging"}
            kit.post.held(change(decision=Hold(("plan",)), nonce="3"))
            assert await told() == {"all"}
            kit.post.moved(change(state=ChangeState.DENIED))
            assert await told() == {"all", "sre", "ends"}
            kit.post.breaker(Breaker("global", BreakerState.OPEN, epoch=1), "uid/0")
            assert await told() == {"all", "sre", "dba", "staging"}, "an open breaker concerns every group"
            kit.post.break_glass("ann", None, "shop", START)
            assert await told() == {"all", "sre", "dba", "staging", "ends"}, "break-glass goes everywhere"

    run(work())


def test_the_core_hands_everything_on(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret))
            all_of_them = Notifiers((kit.post,))
            all_of_them.held(change())
            all_of_them.moved(change(state=ChangeState.DENIED))
            all_of_them.reminder(change())
            all_of_them.break_glass("ann", change(), "shop", START + MINUTE)
            all_of_them.breaker(Breaker("global", BreakerState.OPEN, epoch=1), "uid/0")
            await kit.deliver()
            kinds = {c["type"].removeprefix("interlock.") for c in receiver.contents}
            assert kinds == {"held", "decided", "reminder", "break_glass", "breaker"}

    run(work())


def test_a_breaker_is_told_where_it_is(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret, environments=("staging",)))
            kit.post._environment_of = lambda scope: scope.partition("/")[2]
            kit.post.breaker(Breaker("environment/production", frozen=True, epoch=1), "uid/0")
            kit.post.breaker(Breaker("environment/staging", frozen=True, epoch=1), "person/ann")
            await kit.deliver()
            (content,) = receiver.contents
            assert content["data"]["text"] == (
                "The breaker environment/staging is closed and frozen now, by person/ann - no agent changes anything "
                "there: https://interlock.example/console"
            )

    run(work())


# -- an unreachable channel loses nothing


def test_eight_tries_within_about_a_day_then_it_is_given_up_and_shown(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret))
            receiver.status = 500
            kit.post.held(change())
            await kit.deliver()
            tried = [kit.store.time]
            while (message := (await kit.messages())[0]).state is MessageState.WAITING:
                assert message.due_at > kit.store.time
                await kit.later(message.due_at - kit.store.time - timedelta(milliseconds=1))
                assert len(receiver.taken) == len(tried), "not too early"
                await kit.later(timedelta(milliseconds=1))
                tried.append(kit.store.time)
            assert (message.state, message.attempts) == (MessageState.DEAD, outbox.TRIES)
            assert message.error == "answers HTTP 500"
            assert len(receiver.taken) == len(tried) == 8
            assert len(set(receiver.ids)) == 1
            assert timedelta(hours=20) < tried[-1] - tried[0] < timedelta(hours=26)
            pauses = [after - before for before, after in pairwise(tried)]
            assert pauses == sorted(pauses)
            assert pauses[0] == timedelta(seconds=30)
            await kit.later(timedelta(days=30))
            assert len(receiver.taken) == 8
            assert kit.deliveries["hook"].counts == {"failed": 8, "dead": 1}
            # What was given up is kept, and a person has it tried again.
            receiver.status = 200

            def again(tx: Tx) -> bool:
                return tx.settle_message(outbox.retried(message, tx.now()), "")

            await kit.store.transact(again)
            await kit.deliver()
            assert len(receiver.taken) == 9
            assert (await kit.messages())[0].state is MessageState.DELIVERED

    with capture_logs() as logs:
        run(work())
    assert [entry["event"] for entry in logs] == ["notify.not_taken", "notify.given_up", "notify.reached"]


@pytest.mark.parametrize(("chance", "part"), [(0.0, 0.8), (0.5, 1.0), (1.0, 1.2)])
def test_pauses_are_spread(chance: float, part: float) -> None:
    for attempts in range(1, outbox.TRIES):
        usual = outbox.pause(attempts, 0.5)
        assert abs(outbox.pause(attempts, chance) / usual - part) < 1e-9


def test_when_it_is_back_what_waits_comes_at_once(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret))
            receiver.status = 503
            for number in range(3):
                kit.post.held(numbered(number))
                await kit.later(MINUTE)
            receiver.status = 200
            kit.post.held(numbered(9))
            before = len(receiver.taken)
            await kit.deliver()
            assert len(receiver.taken) - before == 4
            assert {m.state for m in await kit.messages()} == {MessageState.DELIVERED}

    run(work())


def test_after_a_long_failure_there_is_one_message_and_no_flood(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret))
            receiver.status = 503
            for number in range(40):
                kit.post.held(numbered(number))
                await kit.later(MINUTE)
            receiver.status = 200
            before = len(receiver.taken)
            for _ in range(30):
                await kit.later(timedelta(minutes=30))
            contents = receiver.contents[before:]
            assert len(contents) <= 3
            said = sum(c["data"].get("count", 1) for c in contents)
            assert said == 40, "none is missing"
            assert all(m.state in (MessageState.DELIVERED, MessageState.JOINED) for m in await kit.messages())

    run(work())


def test_one_channel_keeps_no_other_waiting(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as slow, Receiver() as quick:
            slow.go.clear()
            kit = Kit(webhook(slow.url, secret, "slow"), webhook(quick.url, secret, "quick"))
            kit.post.held(change())
            await kit.post.flush()
            waiting = asyncio.create_task(kit.deliveries["slow"].run())
            await kit.deliveries["quick"].run()
            assert len(quick.taken) == 1
            assert not waiting.done()
            slow.go.set()
            await waiting
            assert len(slow.taken) == 1

    run(work())


def test_saying_waits_for_nothing_and_never_fails(secret: Path) -> None:
    """As the decision path calls it: with the store lost and the receiver hanging."""

    async def work() -> None:
        with Receiver() as receiver:
            receiver.go.clear()
            kit = Kit(webhook(receiver.url, secret))
            kit.store.unavailable = True
            kit.post.held(change())
            with pytest.raises(Unavailable):
                await kit.deliver()
            kit.post.held(numbered(1))
            kit.store.unavailable = False
            receiver.go.set()
            await kit.deliver()
            assert len(receiver.taken) == 2, "kept until the store could take it"

    run(work())


def test_without_a_channel_nothing_is_kept() -> None:
    async def work() -> None:
        kit = Kit()
        kit.post.held(change())
        await kit.deliver()
        await kit.post.catch_up()
        assert await kit.messages() == []

    run(work())


def test_one_message_that_cannot_be_worded_keeps_no_other_back(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret))
            kit.post.held(None)  # type: ignore[arg-type]
            kit.post.held(change())
            await kit.deliver()
            assert len(receiver.taken) == 1

    with capture_logs() as logs:
        run(work())
    assert logs[0]["event"] == "notify.unsaid"


# -- crashes, replicas


def test_what_was_queued_outlives_the_process(secret: Path) -> None:
    async def queue(kit: Kit) -> None:
        kit.post.held(change())
        await kit.post.flush()

    with Receiver() as receiver:
        kit = Kit(webhook(receiver.url, secret))
        run(queue(kit))  # and the process is gone
        run(kit.again().deliver())
        assert len(receiver.taken) == 1


def test_what_was_recorded_and_not_queued_is_found(secret: Path) -> None:
    """The process dies between the record and the queue."""

    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret))

            def record(tx: Tx) -> None:
                for state in ("held", "approved", "in_doubt", "denied", "applied"):
                    tx.new_change(change(state=ChangeState(state)))
                tx.new_change(change(expires_at=tx.now()))
                tx.put_breaker(Breaker("global"))
                tx.put_breaker(Breaker("agent/fixer", BreakerState.OPEN, epoch=2, moved_by="uid/0"))
                tx.put_breaker(Breaker("environment/production", frozen=True, epoch=1, moved_by="person/ann"))

            await kit.store.transact(record)
            await kit.post.catch_up()
            await kit.deliver()
            kinds = [c["type"] for c in receiver.contents]
            assert kinds == [
                *("interlock.held", "interlock.decided", "interlock.applied"),
                *("interlock.breaker", "interlock.freeze"),
            ]
            await kit.again().post.catch_up()
            await kit.deliver()
            assert len(receiver.taken) == 5, "once"

    run(work())


@pytest.mark.parametrize("told_before", [True, False])
def test_a_trip_is_told_once_to_everyone_also_after_a_restart(secret: Path, told_before: bool) -> None:
    """Said in the process in which it happened, or found by the next one: the same message."""

    async def work() -> None:
        with Receiver() as receiver:
            channel = webhook(receiver.url, secret, environments=("staging",), events=(Event.HELD,))
            kit = Kit(channel)
            told: list[Trip] = []

            def record(tx: Tx) -> None:
                tx.put_breaker(Breaker("agent/fixer"))
                steps = (
                    Mark(tx.now(), "drop table t", "S-1", "CHG-7K3F9Q2M"),
                    Mark(tx.now(), "drop table u"),
                )
                trip = Trip(
                    tx.now(), "agent/fixer", Signal.NOVEL, "fixer", "S-1", "production", "shop", "why", steps
                )
                trips.open_by_itself(tx, trip, ("fixer",), told)

            await kit.store.transact(record)
            if told_before:
                kit.post.tripped(told[0])
                await kit.post.flush()
                await kit.deliver()
            after = kit.again()
            await after.post.catch_up()
            await after.deliver()
            await after.post.catch_up()
            await after.deliver()
            (content,) = receiver.contents
            assert content["type"] == "interlock.breaker"
            assert content["data"]["changes"] == ["CHG-7K3F9Q2M"]
            assert content["data"]["operations"] == 2
            assert (
                "several kinds of destruction that are new, after 2 operations (CHG-7K3F9Q2M)"
                in content["data"]["text"]
            )

    run(work())


def test_one_that_dies_while_delivering_leaves_it_to_the_next(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit, other = (first := Kit(webhook(receiver.url, secret))), first.again()
            kit.post.held(change())
            await kit.post.flush()
            receiver.go.clear()
            dying = asyncio.create_task(kit.deliveries["hook"].run())
            await claimed(kit)
            await kit.deliveries["hook"].finish(0)  # cut off
            await asyncio.gather(dying, return_exceptions=True)
            receiver.go.set()
            await other.deliver()
            assert not any(m.state is MessageState.DELIVERED for m in await kit.messages()), (
                "the lease still holds"
            )
            await other.later(deliver.LEASE)
            assert [m.state for m in await kit.messages()] == [MessageState.DELIVERED]
            assert len(set(receiver.ids)) == 1
            assert len(receiver.ids) in (1, 2), "twice, perhaps, with one id; never not at all"

    run(work())


async def claimed(kit: Kit) -> None:
    """Until nobody else can have the message."""
    while await kit.store.read(lambda tx: tx.messages_due("hook")):
        pass


def test_a_delivery_whose_record_is_lost_is_repeated(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret))
            kit.post.held(change())
            await kit.post.flush()
            receiver.go.clear()
            task = asyncio.create_task(kit.deliveries["hook"].run())
            await claimed(kit)
            kit.store.fail(Fault.LOST)
            receiver.go.set()
            with pytest.raises(Unavailable):
                await task
            await kit.later(deliver.LEASE)
            assert len(receiver.ids) == 2
            assert len(set(receiver.ids)) == 1, "the receiver can tell"

    run(work())


def test_two_replicas_deliver_each_message_once(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret))
            replicas = [kit, *(kit.again(f"gw-{n}") for n in range(2, 5))]
            for number in range(5):
                kit.post.held(numbered(number))
            await kit.post.flush()
            await asyncio.gather(*(r.deliveries["hook"].run() for r in replicas))
            assert len(receiver.ids) == len(set(receiver.ids)) == 5

    run(work())


def test_both_replicas_saying_the_same_queue_it_once(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret))
            other = kit.again()
            for replica in (kit, other):
                replica.post.held(change())
            await asyncio.gather(kit.post.flush(), other.post.flush())
            await kit.deliver()
            await other.deliver()
            assert len(receiver.taken) == 1

    run(work())


def test_a_message_that_cannot_be_sent_by_a_bug_is_not_tried_without_end(
    secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret))

            def broken(message: Message, now: float) -> None:
                raise ZeroDivisionError("hunter2")

            monkeypatch.setattr(kit.deliveries["hook"].channel, "send", broken)
            kit.post.held(change())
            await kit.deliver()
            (message,) = await kit.messages()
            assert (message.attempts, message.error) == (1, "could not be sent (ZeroDivisionError)")

    with capture_logs() as logs:
        run(work())
    assert "hunter2" not in repr(logs)


def test_a_claim_that_takes_long_lets_the_rest_go(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret))
            times = iter([0.0, 1.0, deliver.ENOUGH + 1])
            kit.deliveries["hook"]._ticks = lambda: next(times)
            for number in range(3):
                kit.post.held(numbered(number))
            await kit.post.flush()
            await kit.deliveries["hook"].run()
            assert len(receiver.taken) == 1
            assert kit.deliveries["hook"].wake.is_set(), "the next round begins at once"
            kit.deliveries["hook"]._ticks = lambda: 0.0
            await kit.deliver()
            assert len(receiver.taken) == 3

    run(work())


# -- tidying


def test_what_was_delivered_is_forgotten_and_what_nobody_delivers_is_given_up(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret))
            gone = Kit(webhook(receiver.url, secret, "gone"), store=kit.store)
            for each in (kit, gone):
                each.post.held(change())
                await each.post.flush()
            await kit.deliver()
            await kit.post.tidy()
            assert {m.state for m in await kit.messages()} == {MessageState.DELIVERED, MessageState.WAITING}
            kit.store.advance(ORPHANED)
            await kit.post.tidy()
            assert not [m for m in await kit.messages() if m.state is MessageState.DEAD]
            kit.store.advance(MINUTE)
            await kit.post.tidy()
            (dead,) = [m for m in await kit.messages() if m.state is MessageState.DEAD]
            assert (dead.channel, dead.error) == ("gone", "no server delivers to this channel any more")
            kit.store.advance(KEPT)
            await kit.post.tidy()
            assert [m.channel for m in await kit.messages()] == ["gone"], "given up is not forgotten"
            again = outbox.retried(dead, kit.store.time)
            await kit.store.transact(lambda tx: tx.settle_message(again, ""))
            await kit.post.tidy()
            assert [m.state for m in await kit.messages()] == [MessageState.WAITING], (
                "a retried one has its time anew"
            )

    run(work())
