"""What a unit means to signals."""

import pytest
from tests.control.signals.units import BEGIN

from interlock.control.signals import seen as module
from interlock.control.signals.seen import Seen, Who, destroys, groups, key_of, seen
from interlock.model.effect import ChangeKind, Effect, Evidence, Unit
from interlock.model.operation import Action, Operation, Resource
from interlock.model.signal import Facts
from interlock.testing.scripted import touched

K = ChangeKind
WHO = Who(BEGIN, "fixer", "s1", "production", "shop")


def of(*effects: Effect, facts: Facts | None = None, held: bool = False) -> Seen:
    operations = [Operation(Action.UPDATE, "do", (e.resource,)) for e in effects]
    return seen(WHO, operations, effects, facts or Facts(), held=held)


@pytest.mark.parametrize(
    ("effect", "passing", "held"),
    [
        (touched("table", "a"), True, True),
        (touched("table", "a", K.REPLACED), True, True),
        (touched("table", "a", K.HIDDEN), True, True),
        (touched("table", "a", K.WEAKENED), True, True),
        (touched("column", "a.b", K.NARROWED), True, True),
        (touched("sequence", "s", K.REWOUND), True, True),
        (touched("table", "a", K.CREATED), False, False),
        (touched("table", "a", K.UPDATED), False, False),
        (touched("table", "a", K.MOVED), False, False),
        (touched("table", "a", K.UPDATED, reversible=False), True, True),
        # Rows that can be given back are the budgets' matter, unless policy found them too many.
        (touched("table", "a", unit=Unit.ROWS, count=5), False, True),
        (touched("bucket", "b", unit=Unit.ITEMS, count=5), False, True),
        (touched("table", "a", unit=Unit.ROWS, count=5, reversible=False), True, True),
        (touched("table", "a", K.UPDATED, unit=Unit.ROWS, count=5), False, False),
        (touched("table", "a", count=0), False, False),
        # Messages are handed on: what is too much of that, budgets and policy say.
        (touched("queue", "q", K.CREATED, unit=Unit.MESSAGES, count=9, reversible=False), False, False),
        (touched("queue", "q", unit=Unit.MESSAGES, count=9, reversible=False), False, True),
        (touched("queue", "q", K.UPDATED, unit=Unit.MESSAGES, count=9, reversible=False), True, True),
    ],
)  # fmt: skip
def test_what_is_destructive(effect: Effect, passing: bool, held: bool) -> None:
    assert destroys(effect, held=False) is passing
    assert destroys(effect, held=True) is held
    assert of(effect).destructive is passing


def test_what_nobody_knows_is_destructive() -> None:
    unknown = Effect(Resource("t", "x"), K.CREATED, 0, Unit.ROWS, Evidence.UNKNOWN, reversible=True)
    assert of(unknown).destructive
    blind = Operation(Action.UPDATE, "DO", (), "", "dynamic EXECUTE")
    found = seen(WHO, [blind], (), Facts())
    assert found.destructive
    assert found.subjects == ("unknown DO",)


def test_the_subjects_tell_rows_from_what_holds_them() -> None:
    """Whoever may delete rows of a table is not used to dropping tables."""
    rows = of(touched("table", "s.a", unit=Unit.ROWS, count=9, group="s"), held=True)
    table = of(touched("table", "s.a", group="s"), held=True)
    assert rows.subjects == ("deleted rows of table", "group shop/s")
    assert table.subjects == ("deleted table", "group shop/s")


def test_groups_and_objects_are_named_with_their_target() -> None:
    found = of(
        touched("table", "s.a", group="s"),
        touched("table", "r.b", K.UPDATED, group="r", unit=Unit.ROWS, count=1),
        touched("table", "r.c", K.CREATED, group="r"),
        touched("table", "d", K.REPLACED),
        facts=Facts(sizes={"s": 12, "r": 4}, stateful=("table",)),
    )
    assert found.deleted_in == ("shop/s",)
    assert found.written_in == ("shop/r", "shop/s")
    assert found.removed == (("shop/s", 1, 12),)
    assert found.deleted == ("shop/table d", "shop/table s.a")
    assert found.created == ("shop/table d", "shop/table r.c")
    assert set(found.stateful) == {"shop/table d", "shop/table s.a", "shop/table r.b", "shop/table r.c"}


def test_a_group_whose_size_nobody_knows_loses_no_share() -> None:
    assert of(touched("table", "s.a", group="s")).removed == ()


def test_what_has_no_effect_counts_nowhere() -> None:
    found = of(touched("table", "s.a", count=0, group="s"), facts=Facts(sizes={"s": 3}))
    assert (found.deleted_in, found.written_in, found.removed, found.deleted) == ((), (), (), ())


def test_rights_and_replication_are_guards() -> None:
    assert "permission of role r" in of(touched("role", "r", K.PERMISSION)).guard
    assert "replication of table a" in of(touched("table", "a", K.REPLICATION)).guard
    assert of(touched("table", "a"), facts=Facts(guard="the backups")).guard == "the backups"
    admin = Operation(Action.ADMIN, "StopLogging", (Resource("trail", "t"),))
    assert seen(WHO, [admin], (), Facts()).guard == "StopLogging trail t"
    assert of(touched("table", "a")).guard == ""


def test_keys_are_alike_for_the_same_question() -> None:
    a, b = (Operation(Action.DELETE, "DROP", (Resource("table", n),)) for n in "ab")
    assert key_of([a, b]) == key_of([b, a, a])
    assert key_of([a]) != key_of([b])
    assert key_of([]) == key_of(())
    native = Operation(Action.DELETE, "DROP", (Resource("table", "a"),), "DROP TABLE a -- secret")
    assert key_of([native]) == key_of([a])


def test_words_are_short_and_name_no_values() -> None:
    found = of(touched("table", "x" * 500), touched("table", "b"))
    assert len(found.what) < 150
    assert found.what.endswith("and 1 more")
    assert module.words([Operation(Action.CREATE, "RunInstances")], ()) == "RunInstances"


def test_reads_have_no_groups_of_their_own() -> None:
    read = Operation(Action.READ, "SELECT", (Resource("table", "a", "x"),))
    write = Operation(Action.UPDATE, "UPDATE", (Resource("table", "b", "y"),))
    assert groups("shop", [read, write], [touched("table", "c", group="z")]) == ("shop/y", "shop/z")
