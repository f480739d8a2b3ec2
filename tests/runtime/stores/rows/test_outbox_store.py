"""Messages to people in the store: queued once, claimed by one, settled by who holds the claim. The same on the fake."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.runtime.stores.conftest import Backend
from tests.runtime.stores.store_values import AT, HOUR, read, transact

from interlock.control import outbox
from interlock.model.message import Event, Message, MessageFilter, MessageState
from interlock.runtime.stores import SqlStore
from interlock.testing.stores.enforcing import FakeStore

LEASE = timedelta(minutes=2)


@pytest.fixture(params=["real", "fake"])
def place(request: pytest.FixtureRequest, store: SqlStore) -> SqlStore:
    fake: Any = FakeStore(AT + 2 * HOUR)
    return store if request.param == "real" else fake


def message(number: int, at: datetime = AT, channel: str = "ops", **values: Any) -> Message:
    made = Message(f"msg_{number}", channel, Event.HELD, f"text {number}", at, at, data={"change": "CHG-1"})
    return msgspec.structs.replace(made, **values)


def add(place: SqlStore, *messages: Message) -> list[bool]:
    return transact(place, lambda tx: [tx.add_message(m) for m in messages])


def claim(place: SqlStore, holder: str = "gw-1", limit: int = 10) -> list[str]:
    def work(tx: Any) -> list[str]:
        return [m.id for m in tx.claim_messages("ops", holder, tx.now() + LEASE, limit)]

    return transact(place, work)


def test_what_is_queued_is_read_back_in_order_and_queued_once(place: SqlStore) -> None:
    two = [message(2), message(1)]
    assert add(place, *two) == [True, True]
    assert add(place, message(2, text="another")) == [False]
    assert read(place, lambda tx: tx.messages(MessageFilter())) == two
    assert read(place, lambda tx: tx.message("msg_1")) == two[1]
    assert read(place, lambda tx: tx.message("msg_3")) is None


def test_lists_are_filtered(place: SqlStore) -> None:
    late = message(3, AT + HOUR)
    add(
        place,
        message(1),
        message(2, event=Event.BREAKER, channel="other"),
        late,
        message(4, state=MessageState.DEAD),
    )

    def listed(**which: Any) -> list[str]:
        return [m.id[4:] for m in read(place, lambda tx: tx.messages(MessageFilter(**which)))]

    assert listed() == ["1", "2", "3", "4"]
    assert listed(channel="other") == listed(event=Event.BREAKER) == ["2"]
    assert listed(since=AT + HOUR) == ["3"]
    assert listed(states=(MessageState.DEAD,)) == ["4"]
    assert listed(limit=2) == ["1", "2"]


def test_a_claim_is_one_holders_until_it_is_settled(place: SqlStore) -> None:
    add(place, message(1), message(2), message(3, channel="other"), message(4, AT.replace(year=2999)))
    assert read(place, lambda tx: tx.messages_due("ops"))
    assert claim(place, limit=1) == ["msg_1"]
    assert claim(place, "gw-2") == ["msg_2"], "what is not due, or another channel's, is not claimed"
    assert claim(place, "gw-3") == []
    assert not read(place, lambda tx: tx.messages_due("ops"))
    done = outbox.delivered(message(1), AT)
    assert not transact(place, lambda tx: tx.settle_message(done, "gw-2"))
    assert not transact(place, lambda tx: tx.settle_message(done, ""))
    assert read(place, lambda tx: tx.message("msg_1")) == message(1)
    assert transact(place, lambda tx: tx.settle_message(done, "gw-1"))
    assert read(place, lambda tx: tx.message("msg_1")) == done
    assert not transact(place, lambda tx: tx.settle_message(done, "gw-1")), "it was let go"
    assert transact(place, lambda tx: tx.settle_message(done, "")), "and is nobody's"
    back = message(2)
    assert transact(place, lambda tx: tx.settle_message(back, "gw-2"))
    assert claim(place, "gw-3") == ["msg_2"], "what is let go is there for others"
    assert not transact(place, lambda tx: tx.settle_message(message(9), ""))


def test_a_lease_ends(place: SqlStore) -> None:
    add(place, message(1))

    def past(tx: Any) -> list[str]:
        return [m.id for m in tx.claim_messages("ops", "gone", tx.now() - timedelta(seconds=1), 10)]

    assert transact(place, past) == ["msg_1"]
    assert claim(place, "gw-2") == ["msg_1"]
    assert not transact(place, lambda tx: tx.settle_message(message(1), "gone")), "too late"


def test_what_was_tried_in_vain_is_hastened(place: SqlStore) -> None:
    far = AT.replace(year=2999)
    add(
        place,
        message(1, due_at=far, attempts=2),
        message(2, due_at=far),
        message(3, due_at=far, attempts=1, channel="other"),
    )
    transact(place, lambda tx: tx.hasten_messages("ops"))
    assert claim(place) == ["msg_1"], "not what is being collected, and not other channels'"


def test_dropping_and_forgetting(place: SqlStore) -> None:
    told = [message(n, state=s, settled_at=AT) for n, s in enumerate(MessageState, 1)]
    add(place, *told, message(9, state=MessageState.DELIVERED, settled_at=AT + HOUR))
    transact(place, lambda tx: tx.forget_messages(AT + HOUR))
    left = {m.state for m in read(place, lambda tx: tx.messages(MessageFilter())) if m.id != "msg_9"}
    assert left == {MessageState.WAITING, MessageState.DEAD}
    transact(place, lambda tx: tx.drop_message("msg_9"))
    assert read(place, lambda tx: tx.message("msg_9")) is None


def test_many_replicas_claim_each_message_once(backend: Backend) -> None:
    stores = [backend.open() for _ in range(1 if backend.is_sqlite else 3)]
    add(stores[0], *(message(n) for n in range(60)))
    with ThreadPoolExecutor(6) as pool:
        tries = [pool.submit(claim, stores[n % len(stores)], f"gw-{n}", 4) for n in range(30)]
        claimed = [found for one in tries for found in one.result(60)]
    assert len(claimed) == len(set(claimed)) == 60


def test_a_claim_and_what_it_makes_are_kept_together_or_not_at_all(store: SqlStore) -> None:
    add(store, message(1))

    def work(tx: Any) -> None:
        tx.claim_messages("ops", "gw-1", tx.now() + LEASE, 10)
        tx.add_message(message(2))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        transact(store, work)
    assert claim(store) == ["msg_1"]
    assert read(store, lambda tx: tx.message("msg_2")) is None
