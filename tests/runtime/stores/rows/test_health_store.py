"""Results of checks and changes under watch, in every store."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from tests.runtime.stores.store_values import AT, read, transact

from interlock.control import health as h
from interlock.model.health import CheckKind, Health, Result, Watched
from interlock.runtime.stores import SqlStore

S = timedelta(seconds=1)


@pytest.fixture
def place(any_store: Any) -> Any:
    return any_store


def health(target: str = "shop", check: str = "web", **more: Any) -> Health:
    return Health(target, check, CheckKind.HTTP, "d", **more)


def watched(change: str, agent: str = "fixer", at: int = 0, target: str = "shop", **more: Any) -> Watched:
    times = {"intended_at": AT + at * S, "applied_at": AT + at * S, **more}
    return Watched(change, target, "production", agent, **times)


def put(place: SqlStore, *some: Watched) -> None:
    def work(tx: Any) -> None:
        for one in some:
            tx.put_watched(one)

    transact(place, work)


def _put_health(tx: Any, state: Health) -> None:
    tx.put_health(state)


def names(
    place: SqlStore, since: int = 0, until: int = 1000, before: int = 1000, target: str = "shop"
) -> list[str]:
    found = read(place, lambda tx: tx.watched(target, AT + since * S, AT + until * S, AT + before * S))
    return [one.change for one in found]


def test_a_check_is_read_back_as_it_was_put(place: SqlStore) -> None:
    full = h.concluded(health(due_at=AT), Result(False, AT, AT + S, "no answer"), AT + 15 * S)
    full = h.claimed(full, "gw-1", AT, 5 * S)
    for state in (health(), full, health("lab", "a")):
        transact(place, partial(_put_health, state=state))
    assert read(place, lambda tx: tx.health("shop", "web")) == full
    assert read(place, lambda tx: tx.healths()) == [health("lab", "a"), full]
    assert read(place, lambda tx: tx.health("shop", "other")) is None
    transact(place, lambda tx: tx.drop_health("shop", "web"))
    assert read(place, lambda tx: [s.target for s in tx.healths()]) == ["lab"]


def test_what_is_watched_is_found_by_its_times(place: SqlStore) -> None:
    put(
        place,
        *(watched(f"CHG-{n}", at=n) for n in range(5)),
        watched("CHG-7", at=7, target="lab"),
        watched("CHG-8", at=2, applied_at=AT + 50 * S),
        watched("CHG-9", at=3, applied_at=None),
    )
    assert names(place) == ["CHG-8", "CHG-4", "CHG-3", "CHG-2", "CHG-1", "CHG-0"]
    assert names(place, since=1, until=3) == ["CHG-3", "CHG-2", "CHG-1"]
    assert names(place, before=3) == ["CHG-8", "CHG-2", "CHG-1", "CHG-0"]
    assert names(place, target="lab") == ["CHG-7"]
    found = read(place, lambda tx: tx.watched_change("CHG-9"))
    assert found is not None
    assert found.applied_at is None


def test_a_busy_agent_hides_no_other(place: SqlStore) -> None:
    busy = [watched(f"CHG-B{n:03d}", "busy", 100 + n) for n in range(60)]
    put(place, watched("CHG-A", "calm", 1), *busy)
    found = names(place)
    assert found == [f"CHG-B{n:03d}" for n in range(59, 39, -1)] + ["CHG-A"]


def test_what_is_blamed_is_kept_until_it_is_dropped(place: SqlStore) -> None:
    blamed = watched("CHG-1", at=1, blamed_by="web", blamed_at=AT + 9 * S)
    put(place, watched("CHG-1", at=1), watched("CHG-2", at=2), watched("CHG-3", at=3, target="lab"), blamed)
    assert names(place) == ["CHG-2"]
    assert read(place, lambda tx: tx.blamed()) == [blamed]
    transact(place, lambda tx: tx.forget_watched(AT + 1000 * S, "shop"))
    assert names(place) == []
    assert names(place, target="lab") == ["CHG-3"]
    assert read(place, lambda tx: tx.blamed()) == [blamed]
    transact(place, lambda tx: tx.forget_watched(AT + 3 * S))
    assert names(place, target="lab") == ["CHG-3"], "intended at that time, not before it"
    transact(place, lambda tx: tx.forget_watched(AT + 4 * S))
    transact(place, lambda tx: tx.drop_watched("CHG-1"))
    assert names(place, target="lab") == []
    assert read(place, lambda tx: tx.blamed()) == []
