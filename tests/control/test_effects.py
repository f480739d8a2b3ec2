"""P5: no more than was approved."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from interlock.control.effects import exceeds
from interlock.model.affected import LISTED, affected, part_of
from interlock.model.change import Measurement
from interlock.model.effect import ChangeKind, Effect, Evidence, Unit
from interlock.model.operation import Resource

ORDERS = Resource("table", "public.orders", "public")
ITEMS = Resource("table", "public.items", "public")


def rows(*names: str) -> str:
    return affected(name.encode() for name in names)


def deleted(count: int, table: Resource = ORDERS, **more: object) -> Effect:
    return Effect(table, ChangeKind.DELETED, count, Unit.ROWS, reversible=True, **more)  # type: ignore[arg-type]


def measured(*effects: Effect, affected: str = "", definitions: str = "d1") -> Measurement:
    return Measurement(effects, affected, definitions)


def test_the_same_effect_passes() -> None:
    same = measured(deleted(2), affected=rows("a", "b"))
    assert exceeds(same, same) == ()


def test_more_of_the_same_does_not() -> None:
    assert "3 rows deleted, approved were 2" in exceeds(measured(deleted(2)), measured(deleted(3)))[0]


def test_another_object_kind_or_column_does_not() -> None:
    approved = measured(deleted(5), Effect(ITEMS, ChangeKind.UPDATED, 5, Unit.ROWS, columns=("price",)))
    assert exceeds(approved, measured(deleted(1), deleted(1, ITEMS)))
    assert exceeds(approved, measured(Effect(ORDERS, ChangeKind.UPDATED, 1, Unit.ROWS)))
    wider = Effect(ITEMS, ChangeKind.UPDATED, 5, Unit.ROWS, columns=("price", "name"))
    assert "also changes name" in exceeds(approved, measured(deleted(5), wider))[0]


def test_equal_counts_need_the_same_rows() -> None:
    approved = measured(deleted(2), affected=rows("a", "b"))
    found = exceeds(approved, measured(deleted(2), affected=rows("a", "c")))
    assert found == ("as many rows as approved, but not the same rows or values",)


def test_fewer_rows_pass_only_out_of_the_approved_ones() -> None:
    approved = measured(deleted(3), affected=rows("a", "b", "c"))
    assert exceeds(approved, measured(deleted(2), affected=rows("a", "c"))) == ()
    assert exceeds(approved, measured(deleted(2), affected=rows("a", "x")))
    assert exceeds(approved, measured(deleted(2)))


def test_nothing_left_to_do_passes() -> None:
    assert exceeds(measured(deleted(3), affected=rows("a", "b", "c")), measured()) == ()


def test_without_known_rows_counts_are_all_there_is() -> None:
    assert exceeds(measured(deleted(3)), measured(deleted(2), affected=rows("a", "b"))) == ()


def test_beyond_the_list_fewer_rows_cannot_be_compared() -> None:
    many = [str(n) for n in range(LISTED + 1)]
    approved = measured(deleted(len(many)), affected=rows(*many))
    assert exceeds(approved, measured(deleted(1), affected=rows("1")))
    assert exceeds(approved, approved) == ()


def test_definitions_must_be_the_same_even_for_less() -> None:
    assert exceeds(measured(deleted(3)), measured(deleted(1), definitions="d2"))
    assert exceeds(measured(deleted(3)), measured(deleted(1), definitions=""))


def test_worse_evidence_lost_undo_and_an_emptied_table_do_not_pass() -> None:
    approved = measured(deleted(5, before=100))
    assert exceeds(approved, measured(deleted(5, before=100, evidence=Evidence.PREDICTED)))
    assert exceeds(approved, measured(msgspec.structs.replace(deleted(5, before=100), reversible=False)))
    assert "emptied" in exceeds(approved, measured(deleted(5, before=5)))[0]
    assert exceeds(approved, measured(deleted(5, before=5, before_at_least=True))) == ()


def test_several_effects_of_one_kind_are_added_up() -> None:
    approved = measured(deleted(5))
    assert exceeds(approved, measured(deleted(3), deleted(3)))
    assert exceeds(measured(deleted(3), deleted(3)), approved) == ()


KINDS = st.sampled_from([ChangeKind.CREATED, ChangeKind.UPDATED, ChangeKind.DELETED])
EFFECTS = st.lists(
    st.builds(
        Effect,
        st.sampled_from([ORDERS, ITEMS]),
        KINDS,
        st.integers(0, 5),
        st.just(Unit.ROWS),
        reversible=st.booleans(),
    ),
    max_size=4,
).map(tuple)


@given(EFFECTS)
def test_any_effect_covers_itself(effects: tuple[Effect, ...]) -> None:
    assert exceeds(Measurement(effects, "x", "d"), Measurement(effects, "x", "d")) == ()


@given(EFFECTS, EFFECTS)
def test_what_passes_is_nowhere_larger(approved: tuple[Effect, ...], now: tuple[Effect, ...]) -> None:
    def sums(effects: tuple[Effect, ...]) -> dict[object, int]:
        found: dict[object, int] = {}
        for e in effects:
            found[e.resource, e.change] = found.get((e.resource, e.change), 0) + e.count
        return found

    if exceeds(Measurement(approved), Measurement(now)) == ():
        allowed = sums(approved)
        assert all(count <= allowed.get(key, 0) for key, count in sums(now).items())


@given(st.lists(st.binary(max_size=4), max_size=20), st.randoms())
def test_rows_in_any_order_are_the_same_and_parts_are_found(names: list[bytes], random: object) -> None:
    shuffled = list(names)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert affected(names) == affected(shuffled)
    assert part_of(affected(names[: len(names) // 2]), affected(names))
    assert not part_of(affected([*names, b"other"]), affected(names))


def test_malformed_lists_are_part_of_nothing() -> None:
    good = rows("a")
    for bad in ("", "rows:%%%", "rows:AAAA", "sha256:00", "other"):
        assert not part_of(bad, good)
        assert not part_of(good, bad)
