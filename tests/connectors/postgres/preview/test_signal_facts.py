"""What breakers are told of a measured transaction."""

from collections.abc import Sequence

import pytest

from interlock.connectors.postgres.preview import facts
from interlock.connectors.postgres.preview.ddl.effects import REMADE
from interlock.connectors.postgres.queries import Ask, QueryFailed, Reply, array
from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.model.operation import Action, Operation, Resource
from interlock.model.signal import Facts
from interlock.testing.peers.pg import PgDatabase


def effect(kind: str, name: str, change: ChangeKind = ChangeKind.DELETED, *, detail: str = "") -> Effect:
    return Effect(Resource(kind, f"app.{name}", "app"), change, 1, Unit.OBJECTS, detail=detail)


def told(
    effects: Sequence[Effect], *replies: Reply, verb: str = "DROP TABLE", on: str = "app"
) -> tuple[Facts, list[Ask]]:
    """The facts, and what was asked for them."""
    operation = Operation(Action.DELETE, verb, (Resource("table", f"{on}.t", on),))
    steps, asked, left = facts(effects, [operation]), list[Ask](), list(replies)
    try:
        step = next(steps)
        while True:
            asked += step
            step = steps.send(tuple(left.pop(0) for _ in step))
    except StopIteration as done:
        assert not left
        return done.value, asked


def test_nothing_is_asked_when_nothing_is_gone() -> None:
    found, asked = told([effect("table", "t", ChangeKind.CREATED), effect("column", "t.a")])
    assert asked == []
    assert found == Facts(stateful=("table",))


def test_members_are_what_is_lost() -> None:
    found, (asked,) = told([effect("table", "t"), effect("function", "f()")], [[("app", "12")]])
    assert found.sizes == {"app": 12}
    assert "table" in found.members
    assert "function" not in found.members
    assert asked.on == "observer"
    found, _ = told([effect("function", "f()")], [[("app", "7")]])
    assert found.sizes == {"app": 7}
    assert "function" in found.members


def test_without_the_observer_the_transaction_is_asked() -> None:
    """It has lost two by now, and made one."""
    effects = [effect("table", "t"), effect("view", "v"), effect("table", "u", ChangeKind.CREATED)]
    found, asked = told(effects, QueryFailed("57P01"), [[("app", "9")]])
    assert found.sizes == {"app": 10}
    assert [each.on for each in asked] == ["observer", "agent"]
    found, _ = told([effect("table", "t")], QueryFailed("57P01"), [[]])
    assert found.sizes == {"app": 1}
    with pytest.raises(QueryFailed):
        told(effects, QueryFailed("57P01"), QueryFailed("57P01"))


def test_what_was_dropped_and_made_again_is_another_thing() -> None:
    again = effect("view", "v", ChangeKind.REPLACED, detail=REMADE)
    found, _ = told(
        [again, effect("view", "w", ChangeKind.REPLACED, detail="definition replaced")], [[("app", "3")]]
    )
    assert found.amended == ("view app.w",)


@pytest.mark.parametrize("verb", ["DROP OWNED", "REASSIGN OWNED", "ALTER TABLE ALL IN TABLESPACE"])
def test_all_of_something_is_a_sweep(verb: str) -> None:
    assert told([], verb=verb)[0].sweeping
    assert not told([], verb="DROP SCHEMA")[0].sweeping


def test_interlocks_own_schema_is_a_guard() -> None:
    assert told([], on="interlock_trash")[0].guard
    assert told([], on="interlock")[0].guard
    assert not told([], on="interlocked")[0].guard


def test_what_an_extension_brought_is_no_member(fresh_db: PgDatabase) -> None:
    fresh_db.psql(
        "CREATE SCHEMA app; CREATE TABLE app.t (a int PRIMARY KEY); CREATE VIEW app.v AS SELECT 1; CREATE SEQUENCE app.s;"
        "CREATE MATERIALIZED VIEW app.m AS SELECT 1; CREATE TABLE app.p (a int) PARTITION BY LIST (a);"
        "CREATE FUNCTION app.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; "
        "CREATE TABLE app.e (a int); CREATE FUNCTION app.g() RETURNS int LANGUAGE sql AS 'SELECT 1';"
        "ALTER EXTENSION plpgsql ADD TABLE app.e; ALTER EXTENSION plpgsql ADD FUNCTION app.g()"
    )
    sizes = []
    for kind in ("table", "function"):
        _, (asked,) = told([effect(kind, "x")], [[]])
        ((query, parameters),) = asked.statements
        assert parameters == (array(["app"]),)
        with fresh_db.connect() as connection:
            sizes.append(connection.execute(query.replace("$1", "%s").encode(), parameters).fetchall())
    assert sizes == [[("app", 4)], [("app", 1)]]
