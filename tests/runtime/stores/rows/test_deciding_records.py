"""What people do about held changes, as stores keep it: on SQLite, on each PostgreSQL, and in the enforcing fake."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import pytest
from tests.runtime.stores.conftest import Backend
from tests.runtime.stores.store_values import AT, approval, draft, wait

from interlock.model.break_glass import BreakGlass
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.change import ChangeFilter, Review, TakenBack
from interlock.model.change import ChangeState as S
from interlock.model.errors import NotFound
from interlock.testing.stores.enforcing import FakeStore

T = TypeVar("T")


class Place:
    """A store, and how a test calls it."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def transact(self, work: Callable[[Any], T]) -> T:
        result: T = wait(self._store.transact(work))
        return result

    def read(self, work: Callable[[Any], T]) -> T:
        result: T = wait(self._store.read(work))
        return result


@pytest.fixture(params=["fake", "sqlite", "pg18", "pg15"])
def place(request: pytest.FixtureRequest) -> Place:
    """Each store there is."""
    if request.param == "fake":
        return Place(FakeStore())
    backend: Backend = request.getfixturevalue(f"{request.param}_place")
    return Place(backend.open())


def test_an_approval_taken_back_is_remembered_and_may_be_given_again(place: Place) -> None:
    def fill(tx: Any) -> datetime:
        tx.add_approval("CHG-1", approval("zoe"))
        tx.add_approval("CHG-1", approval("adam"))
        assert tx.take_back_approval("CHG-1", "zoe", "n1") == approval("zoe")
        at: datetime = tx.now()
        return at

    at = place.transact(fill)
    assert list(place.read(lambda tx: tx.approvals("CHG-1"))) == [approval("adam")]
    assert list(place.read(lambda tx: tx.taken_back("CHG-1"))) == [TakenBack(approval("zoe"), at)]
    assert list(place.read(lambda tx: tx.taken_back("CHG-2"))) == []
    for person, nonce in (("zoe", "n1"), ("adam", "n2"), ("bob", "n1")):
        with pytest.raises(NotFound, match=person):
            place.transact(partial(_take_back, person, nonce))
    place.transact(lambda tx: tx.add_approval("CHG-1", approval("zoe")))
    assert len(place.read(lambda tx: tx.approvals("CHG-1"))) == 2


def _take_back(person: str, nonce: str, tx: Any) -> None:
    tx.take_back_approval("CHG-1", person, nonce)


def test_reviews_are_kept_for_each_change_and_person(place: Place) -> None:
    def fill(tx: Any) -> datetime:
        at: datetime = tx.now()
        for n in range(4):
            approved = at - timedelta(hours=n) if n else None
            tx.put_review(Review(f"CHG-{n}", "ann", at - timedelta(days=1), approved))
        tx.put_review(Review("CHG-1", "bob", at, at))
        return at

    at = place.transact(fill)
    assert place.read(lambda tx: tx.review("CHG-0", "ann")) == Review("CHG-0", "ann", at - timedelta(days=1))
    assert place.read(lambda tx: tx.review("CHG-0", "bob")) is None

    def since(ago: timedelta) -> list[str]:
        return [review.change for review in place.read(lambda tx: tx.reviews("ann", at - ago))]

    assert since(timedelta(days=2)) == ["CHG-1", "CHG-2", "CHG-3"]
    assert since(timedelta(hours=2)) == ["CHG-1", "CHG-2"]
    place.transact(lambda tx: tx.put_review(Review("CHG-0", "ann", at, at)))
    assert since(timedelta(0)) == ["CHG-0"]


def reviewed(tx: Any) -> tuple[dict[S, str], datetime]:
    """A change in each state, which two people have looked at."""
    made = {state: tx.new_change(draft(state=state, content=state.value)).id for state in S}
    for change_id in made.values():
        tx.put_review(Review(change_id, "ann", AT, AT))
        tx.put_review(Review(change_id, "bob", AT))
    return made, tx.now()


def test_who_looked_is_forgotten_with_what_ended(place: Place) -> None:
    """What still waits keeps its reviews, however old, and so does what ended lately."""
    made, now = place.transact(reviewed)

    def kept(name: str) -> set[S]:
        def looked(tx: Any) -> set[S]:
            return {state for state, change_id in made.items() if tx.review(change_id, name) is not None}

        return place.read(looked)

    place.transact(lambda tx: tx.forget_reviews(now))
    assert kept("ann") == kept("bob") == set(S)
    place.transact(lambda tx: tx.forget_reviews(now + timedelta(seconds=1)))
    assert kept("ann") == kept("bob") == {S.HELD, S.APPROVED, S.EXECUTING, S.IN_DOUBT}
    assert len(place.read(lambda tx: tx.changes(ChangeFilter()))) == len(S), "the records stay"


def glass(number: int, at: datetime, minutes: int, by: str = "") -> BreakGlass:
    return BreakGlass(f"BRK-{number}", approval("ana"), "production", at, at + timedelta(minutes=minutes), by)


def test_uses_of_break_glass_are_listed_unreviewed_first(place: Place) -> None:
    def fill(tx: Any) -> datetime:
        at: datetime = tx.now()
        for made in (
            glass(1, at - timedelta(hours=3), 15),
            glass(2, at - timedelta(hours=2), 15, "bob"),
            glass(3, at - timedelta(hours=1), 15),
            glass(4, at, 15, "bob"),
            glass(5, at - timedelta(minutes=15), 15),
        ):
            tx.put_break_glass(made)
        return at

    before = place.read(lambda tx: tx.revision())
    at = place.transact(fill)
    assert place.read(lambda tx: tx.revision()) > before
    assert [g.id for g in place.read(lambda tx: tx.break_glasses())] == [
        "BRK-5",
        "BRK-3",
        "BRK-1",
        "BRK-4",
        "BRK-2",
    ]
    assert [g.id for g in place.read(lambda tx: tx.break_glasses_in_force())] == ["BRK-4"]
    assert place.read(lambda tx: tx.break_glass("BRK-3")) == glass(3, at - timedelta(hours=1), 15)
    assert place.read(lambda tx: tx.break_glass("BRK-9")) is None
    place.transact(lambda tx: tx.put_break_glass(glass(3, at - timedelta(hours=1), 15, "bob")))
    assert [g.id for g in place.read(lambda tx: tx.break_glasses())][:2] == ["BRK-5", "BRK-1"]


def test_a_reservation_passes_a_freeze_only_where_it_may_and_never_an_open_breaker(place: Place) -> None:
    rows = (
        Breaker("closed"),
        Breaker("frozen", frozen=True),
        Breaker("open", BreakerState.OPEN),
        Breaker("both", BreakerState.OPEN, frozen=True),
        Breaker("global", frozen=True),
    )

    def fill(tx: Any) -> None:
        for row in rows:
            tx.put_breaker(row)

    place.transact(fill)

    def refusing(*scopes: str, through: bool) -> str:
        row = place.transact(lambda tx: tx.reserve(scopes, through_freeze=through).stop)
        return row.scope if row is not None else ""

    assert refusing("closed", "frozen", through=True) == ""
    assert refusing("closed", "frozen", through=False) == "frozen"
    for scope in ("open", "both", "missing", "global"):  # the last is the halt
        for through in (False, True):
            assert refusing("closed", scope, through=through) == scope
