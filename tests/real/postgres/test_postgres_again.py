"""What is asked again and again goes by shorter ways: it must come to the same."""

import contextlib
from collections.abc import Callable

import pytest
from tests.real.conftest import Shop

from interlock.model.change import ChangeState
from interlock.sdk.connector import Permitted

UPDATES: dict[str, Callable[[int], tuple[bytes, tuple[int, ...]]]] = {
    "numbers in the text": lambda n: (f"UPDATE moving SET b = {n} WHERE a = {n % 3 + 1}".encode(), ()),
    "several numbers": lambda n: (
        f"UPDATE moving SET b = {n} WHERE a = {n % 3 + 1} AND a IN (1, 2, 3) AND a BETWEEN -{n} AND a + {n}".encode(),
        (),
    ),
    "parameters": lambda n: (b"UPDATE moving SET b = %s WHERE a = %s", (n, n % 3 + 1)),
}


@pytest.mark.parametrize("form", UPDATES)
@pytest.mark.parametrize("together", [False, True], ids=["alone", "in a transaction"])
def test_each_is_measured_and_undone_by_itself(shop: Shop, form: str, together: bool) -> None:
    shop.make(
        "CREATE TABLE moving (a int PRIMARY KEY, b int);"
        "INSERT INTO moving SELECT i, 0 FROM generate_series(1, 3) i"
    )
    alters = {4: "ALTER TABLE moving ADD c text DEFAULT 'c'", 8: "ALTER TABLE moving ALTER b TYPE bigint"}
    before: list[tuple[object, ...]] = []
    try:
        with shop.connect() as agent:
            for n in range(1, 12):
                if n in alters:
                    # Under statements that both connections have prepared by now.
                    shop.database.psql(alters[n])
                    before = rows(shop)
                with agent.transaction() if together else contextlib.nullcontext():
                    sql, values = UPDATES[form](n)
                    assert agent.execute(sql, values or None).rowcount == 1
            done = shop.changes(ChangeState.APPLIED)
        assert [c.measurement.undo_how for c in done] == ["predicate"] * 11
        assert all(effect.reversible for c in done for effect in c.measurement.effects)
        for change in done[:4]:
            answer = shop.gateway.revert(change.id)
            assert isinstance(answer, Permitted), answer
        assert rows(shop) == before
    finally:
        shop.make("DROP TABLE moving")


def rows(shop: Shop) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = shop.database.psql("SELECT * FROM moving ORDER BY a")
    return found
