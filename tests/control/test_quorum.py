"""Quorums of several groups, and more people for wider effects."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.control.test_approval import AGENT, CHANGE, GRANT, NOW, ORIGIN, said

from interlock.control.deciding.quorum import PartTally, Tally, count, places
from interlock.model.change import Change, Measurement
from interlock.model.effect import ChangeKind, Effect, Evidence, Unit
from interlock.model.matching import Place, assign
from interlock.model.operation import Resource
from interlock.model.people import Part, Person, Quorum, Wider
from interlock.testing import signing

TABLE = Resource("table", "public.orders", "public")
SRE_AND_DBA = Quorum("both", 1, "sre", also=(Part(1, "dba"),))
PEOPLE = {
    p.name: p
    for p in (
        signing.person("ann", "sre", at=NOW),
        signing.person("bob", "sre", "dba", at=NOW),
        signing.person("cho", "dba", at=NOW),
        signing.person("dev", "dev", at=NOW),
        signing.person("olga", "dba", at=NOW),
    )
}


def tally(
    quorum: Quorum, *names: str, change: Change = CHANGE, people: Mapping[str, Person] = PEOPLE
) -> Tally:
    approvals = [said(name, about=change) for name in names]
    return count(approvals, people, AGENT, [GRANT], change, quorum, NOW, origin=ORIGIN)


# ---- several groups


def test_one_of_each_group_is_needed() -> None:
    assert not tally(SRE_AND_DBA, "ann").met
    assert not tally(SRE_AND_DBA, "cho").met
    assert tally(SRE_AND_DBA, "ann", "cho").met


def test_one_person_in_both_groups_counts_for_one_part_only() -> None:
    alone = tally(SRE_AND_DBA, "bob")
    assert (alone.given, alone.missing, alone.met) == (("bob",), 1, False)


@pytest.mark.parametrize("names", [("ann", "bob"), ("bob", "ann")])
@pytest.mark.parametrize("quorum", [SRE_AND_DBA, Quorum("turned", 1, "dba", also=(Part(1, "sre"),))])
def test_who_is_in_both_fills_the_part_that_is_open(names: tuple[str, ...], quorum: Quorum) -> None:
    found = tally(quorum, *names)
    assert found.met
    given = {part.groups[0]: part.given for part in found.parts}
    assert given == {"sre": ("ann",), "dba": ("bob",)}


def test_the_tally_says_which_part_is_missing() -> None:
    found = tally(SRE_AND_DBA, "cho")
    assert found.parts == (PartTally(("sre",), 1, ()), PartTally(("dba",), 1, ("cho",)))
    assert [part.missing for part in found.parts] == [1, 0]
    assert (found.needed, found.missing) == (2, 1)


def test_two_of_one_group_are_not_one_of_each() -> None:
    people = {**PEOPLE, "dan": signing.person("dan", "sre", at=NOW)}
    found = tally(SRE_AND_DBA, "ann", "dan", people=people)
    assert (found.given, found.missing) == (("ann", "dan"), 1)


def test_people_with_an_interest_count_for_no_part() -> None:
    assert tally(SRE_AND_DBA, "ann", "olga").excluded == (("olga", "owns the agent"),)


def test_whoever_is_in_none_of_the_groups_is_told_all_of_them() -> None:
    assert tally(SRE_AND_DBA, "dev").excluded == (("dev", "is not in the groups sre, dba"),)


def brute(people: Mapping[str, Sequence[str]], wanted: Sequence[Place]) -> int:
    """The most people that can be placed, by trying everything."""
    seats = [place.groups for place in wanted for _ in range(place.count)]

    def best(names: tuple[str, ...], free: frozenset[int]) -> int:
        if not names:
            return 0
        first, rest = names[0], names[1:]
        fits = (seat for seat in free if set(seats[seat]) & set(people[first]))
        return max([best(rest, free), *(1 + best(rest, free - {seat}) for seat in fits)])

    return best(tuple(people), frozenset(range(len(seats))))


groups = st.lists(st.sampled_from("abcd"), max_size=3, unique=True)
some_places = st.lists(
    st.builds(
        Place,
        st.integers(0, 2),
        st.lists(st.sampled_from("abcd"), min_size=1, max_size=2, unique=True).map(tuple),
    ),
    max_size=3,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from("uvwxyz"), groups, max_size=6), some_places)
def test_it_works_whenever_some_assignment_works(people: dict[str, list[str]], wanted: list[Place]) -> None:
    filled = assign(people, wanted)
    placed = [name for names in filled for name in names]
    assert len(placed) == len(set(placed)) == brute(people, wanted)
    for place, names in zip(wanted, filled, strict=True):
        assert len(names) <= place.count
        assert all(set(place.groups) & set(people[name]) for name in names)


# ---- wider effects

WIDER = Quorum(
    "wide", 2, "sre", wider=(Wider(3, objects=10), Wider(4, rows=100_000), Wider(5, rows=1_000_000))
)


def affecting(objects: int = 0, rows: int = 0, **more: Any) -> Change:
    effects = (
        Effect(TABLE, ChangeKind.DELETED, objects, Unit.OBJECTS, **more),
        Effect(TABLE, ChangeKind.UPDATED, rows, Unit.ROWS, **more),
    )
    return msgspec.structs.replace(CHANGE, measurement=Measurement(effects))


@pytest.mark.parametrize(
    ("objects", "rows", "needed"),
    [
        (0, 0, 2),
        (9, 99_999, 2),
        (10, 0, 3),
        (10, 100_000, 4),
        (0, 999_999, 4),
        (0, 1_000_000, 5),
        (50, 10**9, 5),
    ],
)
def test_wider_effects_need_more_people(objects: int, rows: int, needed: int) -> None:
    change = affecting(objects, rows)
    assert places(WIDER, change) == (Place(needed, ("sre",)),)
    assert tally(WIDER, "ann", "bob", change=change).missing == needed - 2


def test_the_largest_count_holds_in_whatever_order_the_steps_come() -> None:
    turned = msgspec.structs.replace(WIDER, wider=WIDER.wider[::-1])
    assert places(turned, affecting(10, 1_000_000)) == (Place(5, ("sre",)),)


def test_never_fewer_than_usual_even_if_a_step_says_so() -> None:
    fewer = Quorum("wide", 3, "sre", wider=(Wider(1, rows=10),))
    assert places(fewer, affecting(rows=10)) == (Place(3, ("sre",)),)


def test_an_unknown_effect_is_as_wide_as_any() -> None:
    assert places(WIDER, affecting(1, evidence=Evidence.UNKNOWN)) == (Place(5, ("sre",)),)
    blind = msgspec.structs.replace(CHANGE.operations[0], evidence_unknown="dynamic EXECUTE")
    change = msgspec.structs.replace(CHANGE, operations=(blind,))
    assert places(WIDER, change) == (Place(5, ("sre",)),)


def test_the_other_parts_stay_what_they_are() -> None:
    both = msgspec.structs.replace(WIDER, also=(Part(1, "dba"),))
    assert places(both, affecting(10)) == (Place(3, ("sre",)), Place(1, ("dba",)))
