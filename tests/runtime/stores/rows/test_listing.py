"""Pages of changes: whatever is asked for, in bounded steps, each change once. The same over SQLite, PostgreSQL and the fake."""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pytest
from sqlalchemy import event
from tests.runtime.stores.conftest import Backend
from tests.runtime.stores.store_values import draft, read, transact

from interlock.model import ids
from interlock.model.change import ACTIVITY_SLICE, Activity, Change, ChangeFilter, ChangeState, Measurement
from interlock.model.effect import ChangeKind, Effect, Evidence, Unit
from interlock.model.errors import Rejected
from interlock.model.operation import Action, Operation, Resource
from interlock.runtime.stores import SqlStore
from interlock.runtime.stores.rows import listing
from interlock.sdk.ports import Tx

S = ChangeState
Store = Any
ORDERS, ITEMS = Resource("table", "public.orders", "public"), Resource("table", "sales.items", "sales")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches so short that a few hundred changes take many of them."""
    monkeypatch.setattr(listing, "STRETCHES", (4, 9, 20))


def fill(tx: Tx, places: range = range(240)) -> list[Change]:
    """Changes whose fields come together in every way, some of them rarely."""
    return [tx.new_change(made(place)) for place in places]


def made(place: int) -> Change:
    resource, verb, action, kind = [
        (ORDERS, "UPDATE", Action.UPDATE, ChangeKind.UPDATED),
        (ORDERS, "DELETE", Action.DELETE, ChangeKind.DELETED),
        (ITEMS, "GRANT", Action.ADMIN, ChangeKind.PERMISSION),
    ][place % 3]
    return draft(
        agent="former" if place < 120 else f"a{place % 2}",
        target=f"t{place % 5 // 2}",
        environment="staging" if place % 11 == 0 else "production",
        state=[S.APPLIED, S.APPLIED, S.HELD, S.DENIED][place % 4],
        operations=(Operation(action, verb, (resource,)),),
        measurement=Measurement((Effect(resource, kind, 1, Unit.ROWS),)),
        reason="tidy up" if place % 7 else "Ticket OPS-12",
    )


def fits(change: Change, which: ChangeFilter) -> bool:
    """In plain words, apart from what the stores do."""
    at = ids.time_of(change.id)
    text = f"{change.operations[0].resources[0].name} {change.operations[0].verb} {change.reason}".lower()
    return (
        (not which.states or change.state in which.states)
        and which.agent in ("", change.agent)
        and which.target in ("", change.target)
        and which.environment in ("", change.environment)
        and which.action in (None, change.operations[0].action)
        and (which.since is None or at >= which.since)
        and (which.until is None or at < which.until)
        and all(word in text for word in which.words)
    )


def combinations(early: datetime, late: datetime) -> Iterator[ChangeFilter]:
    """All of them, of a few values each."""
    choices: dict[str, Sequence[Any]] = {
        "states": ((), (S.HELD,), (S.DENIED, S.HELD)),
        "agent": ("", "former"),
        "target": ("", "t2"),
        "environment": ("", "staging"),
        "action": (None, Action.DELETE),
        "times": ((None, None), (early, late)),
        "words": ((), ("tidy", "orders")),
    }
    for values in itertools.product(*choices.values()):
        given = dict(zip(choices, values, strict=True))
        since, until = given.pop("times")
        yield ChangeFilter(**given, since=since, until=until, limit=9)


def walk(tx: Any, which: ChangeFilter) -> list[str]:
    """Every page, one after the other."""
    found: list[str] = []
    while True:
        page = tx.listing(which)
        assert len(page.changes) <= which.limit
        assert page.searched_to is None or len(page.changes) < which.limit
        found += [change.id for change in page.changes]
        if not page.next:
            return found
        assert page.next < (which.before or "D")
        which = msgspec.structs.replace(which, before=page.next)


def test_every_combination_of_filters_finds_what_fits_once_and_in_order(any_store: Store) -> None:
    changes = transact(any_store, partial(fill, places=range(80, 160)))
    early, late = ids.time_of(changes[10].id), ids.time_of(changes[60].id)

    def compare(tx: Any) -> int:
        tried = 0
        for which in combinations(early, late):
            expected = [change.id for change in reversed(changes) if fits(change, which)]
            assert walk(tx, which) == expected, which
            assert [c.id for c in tx.changes(msgspec.structs.replace(which, limit=14))] == expected[:14]
            tried += 1
        return tried

    assert read(any_store, compare) == 3 * 2**6


@pytest.mark.parametrize(
    "which",
    [ChangeFilter(), ChangeFilter(agent="a1"), ChangeFilter(agent="a1", target="t1"), ChangeFilter(words=("orders",))],
    ids=["all", "one", "two", "words"],
)  # fmt: skip
def test_pages_neither_skip_nor_repeat_while_changes_are_added(any_store: Store, which: ChangeFilter) -> None:
    changes = transact(any_store, fill)
    expected = [change.id for change in reversed(changes) if fits(change, which)]
    found: list[str] = []
    which = msgspec.structs.replace(which, limit=5)
    while True:
        page = read(any_store, partial(_page, which=which))
        found += [change.id for change in page.changes]
        if not page.next:
            break
        which = msgspec.structs.replace(which, before=page.next)
        transact(any_store, lambda tx: [tx.new_change(made(place)) for place in range(119, 125)])
        transact(any_store, partial(_noted, change_id=found[-1]))
    assert found == expected


def _page(tx: Any, which: ChangeFilter) -> Any:
    return tx.listing(which)


def _noted(tx: Tx, change_id: str) -> None:
    change = tx.change(change_id)
    assert change is not None
    tx.save_change(msgspec.structs.replace(change, note="moved"))


def test_a_look_ends_after_a_fixed_number_of_changes_and_says_so(store: SqlStore) -> None:
    changes = transact(store, fill)
    needle = transact(
        store, lambda tx: tx.save_change(msgspec.structs.replace(changes[-40], note="a needle"))
    )
    page = read(store, lambda tx: tx.listing(ChangeFilter(words=("needle",))))
    assert page.changes == ()
    assert page.next == changes[-33].id, "4, 9 and 20 were looked at"
    assert page.searched_to == ids.time_of(page.next)
    page = read(store, lambda tx: tx.listing(ChangeFilter(words=("needle",), before=page.next)))
    assert page.changes == (needle,)
    assert page.next
    assert read(store, lambda tx: tx.changes(ChangeFilter(words=("needle",)))) == [needle]


def test_a_rare_condition_leads_so_that_it_is_found_at_once(store: SqlStore) -> None:
    """Twice as many stretches would not reach it by what is common."""
    changes = transact(store, fill)
    oldest = transact(store, lambda tx: tx.save_change(msgspec.structs.replace(changes[0], state=S.IN_DOUBT)))
    which = ChangeFilter(
        agent="former", environment=oldest.environment, states=(S.IN_DOUBT, S.EXECUTING), words=("orders",)
    )
    page = read(store, lambda tx: tx.listing(which))
    assert (page.changes, page.next, page.searched_to) == ((oldest,), "", None)


def test_postgres_walks_no_other_index_than_the_leading_conditions(
    pg18_backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its statistics say that the agent is as common among the newest as everywhere, and they are wrong."""
    monkeypatch.setattr(listing, "STRETCHES", (50, 100))
    store = pg18_backend.open()
    transact(store, lambda tx: tx.new_change(draft()))
    pg18_backend.raw(
        "INSERT INTO changes"
        " SELECT 'CHG-' || lpad(n::text, 8, '0'), 1, (ARRAY['applied', 'applied', 'held', 'denied'])[1 + n % 4],"
        " CASE WHEN n < 10000 THEN 'former' ELSE 'a' || n % 2 END, 't' || n % 3, 'production',"
        " 'c', 0, 0, NULL, CASE WHEN n > 10000 AND n % 50 = 0 THEN 'admin' ELSE 'update' END, repeat('words ', 30), doc"
        " FROM generate_series(1, 20000) n, (SELECT doc FROM changes) one"
    )
    pg18_backend.raw("VACUUM ANALYZE changes")
    asked: list[tuple[str, Any]] = []
    event.listen(
        store._engines.reader, "before_cursor_execute", lambda *given: asked.append((given[2], given[3]))
    )
    for which in (
        ChangeFilter(agent="former"),
        ChangeFilter(agent="former", states=(S.DENIED,)),
        ChangeFilter(agent="former", target="t1", words=("nothing",)),
        ChangeFilter(agent="former", action=Action.ADMIN),
        ChangeFilter(states=(S.HELD, S.APPROVED), environment="production"),
    ):
        read(store, partial(_page, which=which))
    statements = [(text, values) for text, values in asked if "changes" in text]
    assert len(statements) > 8

    def plans(tx: Any) -> list[str]:
        run = tx.runner._connection.exec_driver_sql
        return ["\n".join(row[0] for row in run(f"EXPLAIN {text}", values)) for text, values in statements]

    for plan in read(store, plans):
        assert re.search(r"Backward using changes_by_(agent|state|target|action|environment) ", plan), plan
        assert "Sort" not in plan, plan


FOUND_BY = [
    "public.orders", "orders", "PUBLIC.Orders", "delete", "fixer", "olga", "shop", "production", "Straße", "STRASSE", "é", "ticket",
    "gone_already", "session-9", "table", "deleted", "uid/7",
]  # fmt: skip
NOT_FOUND_BY = [
    "operations",
    "measurement",
    "reversible",
    "fingerprint",
    "requested_at",
    '"',
    "{",
    "unknown",
    "7/shop",
]


def searched() -> Change:
    return draft(
        reason="Straße\0\u2028 caf\u0065\u0301",
        note="ticket: gone_already",
        session="session-9",
        requested_by="uid/7",
    )


@pytest.mark.parametrize("typed", FOUND_BY)
def test_a_change_is_found_by(any_store: Store, typed: str) -> None:
    change = transact(any_store, lambda tx: tx.new_change(searched()))
    assert read(any_store, lambda tx: tx.changes(ChangeFilter(words=(typed,)))) == [change]


@pytest.mark.parametrize("typed", NOT_FOUND_BY)
def test_a_change_is_not_found_by_the_form_of_its_record(any_store: Store, typed: str) -> None:
    transact(any_store, lambda tx: tx.new_change(searched()))
    assert read(any_store, lambda tx: tx.changes(ChangeFilter(words=(typed,)))) == []


def test_a_change_is_found_by_its_id_and_what_came_later(any_store: Store) -> None:
    change = transact(any_store, lambda tx: tx.new_change(searched()))
    change = transact(
        any_store, lambda tx: tx.save_change(msgspec.structs.replace(change, note="reverted since"))
    )
    short = change.id.removeprefix("CHG-").lower()
    for typed in (change.id, change.id.lower(), short, short[:6], short.upper(), "since"):
        assert read(any_store, partial(_with_words, words=(typed,))) == [change], typed
    assert read(any_store, lambda tx: tx.changes(ChangeFilter(words=("gone_already",)))) == []


@pytest.mark.parametrize("odd", ["%", "_", "\\", "'", "a%b", "\0", "\ud800"])
def test_signs_of_patterns_are_only_themselves(any_store: Store, odd: str) -> None:
    transact(any_store, lambda tx: tx.new_change(draft(reason="plain")))
    found = read(any_store, lambda tx: tx.changes(ChangeFilter(words=(f"pl{odd}in",))))
    assert found == []


def test_the_action_of_a_change_is_the_gravest(any_store: Store) -> None:
    update = Operation(Action.UPDATE, "UPDATE", (ORDERS,))
    cascade = Measurement(
        (Effect(ORDERS, ChangeKind.UPDATED, 1, Unit.ROWS), Effect(ITEMS, ChangeKind.DELETED, 3, Unit.ROWS))
    )
    unsure = Measurement((Effect(ORDERS, ChangeKind.CREATED, 1, Unit.ROWS, Evidence.UNKNOWN),))
    plain = Measurement((Effect(ORDERS, ChangeKind.UPDATED, 1, Unit.ROWS),))

    def work(tx: Tx) -> list[Change]:
        return [tx.new_change(draft(operations=(update,), measurement=m)) for m in (cascade, unsure, plain)]

    by_cascade, by_doubt, by_itself = transact(any_store, work)
    assert read(any_store, lambda tx: tx.changes(ChangeFilter(action=Action.DELETE))) == [
        by_doubt,
        by_cascade,
    ]
    assert read(any_store, lambda tx: tx.changes(ChangeFilter(action=Action.UPDATE))) == [by_itself]
    assert draft(operations=(), measurement=Measurement(())).action is Action.UNKNOWN


def test_activity_is_counted_as_changes_come_and_move(any_store: Store) -> None:
    changes = transact(any_store, lambda tx: [tx.new_change(draft(state=S.RECEIVED)) for _ in range(5)])
    for change in changes[:3]:
        transact(any_store, partial(_saved, change=change, state=S.APPLIED))
    transact(any_store, partial(_saved, change=changes[3], state=S.RECEIVED))

    def fail(tx: Tx) -> None:
        tx.new_change(draft())
        raise Rejected("not kept")

    with pytest.raises(Rejected, match="not kept"):
        transact(any_store, fail)
    width = ACTIVITY_SLICE * 6
    at = changes[0].requested_at
    for before, place in ((timedelta(0), 0), (width, 1), (3 * width, 3)):
        found = read(any_store, partial(_activity, since=at - before, width=width))
        assert found == [Activity(place, S.APPLIED, 3), Activity(place, S.RECEIVED, 2)]
    assert read(any_store, partial(_activity, since=at + width, width=width)) == []


def _with_words(tx: Any, words: tuple[str, ...]) -> Sequence[Change]:
    return list(tx.changes(ChangeFilter(words=words)))


def _activity(tx: Any, since: datetime, width: timedelta) -> Sequence[Activity]:
    return list(tx.activity(since, width))


def _saved(tx: Tx, change: Change, state: ChangeState) -> Change:
    return tx.save_change(msgspec.structs.replace(change, state=state))


def test_a_burst_does_not_hide_changes_from_a_window(any_store: Store) -> None:
    """More than one in a millisecond: ids run ahead of the clock, and times are compared with ids."""
    changes = transact(any_store, lambda tx: [tx.new_change(draft()) for _ in range(300)])
    assert len({change.requested_at for change in changes}) == 1
    at = changes[0].requested_at
    middle = ids.time_of(changes[150].id)

    def between(since: datetime | None, until: datetime | None) -> Callable[[Any], Sequence[Change]]:
        return lambda tx: tx.changes(ChangeFilter(since=since, until=until, limit=1000))

    assert len(read(any_store, between(at, None))) == 300
    early, late = read(any_store, between(at, middle)), read(any_store, between(middle, None))
    assert [*reversed(early), *reversed(late)] == changes
    assert read(any_store, between(None, datetime(1999, 1, 1, tzinfo=at.tzinfo))) == []
    assert len(read(any_store, between(None, datetime(2300, 1, 1, tzinfo=at.tzinfo)))) == 300
