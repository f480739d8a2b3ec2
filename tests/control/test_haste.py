"""Against the rubber stamp: when an approval is a hasty one, how long it waits, and that it asks one more person."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from tests.control.test_approval import AGENT, CHANGE, GRANT, NOW, ORIGIN, PEOPLE, QUORUM, said

from interlock.control.change import shape
from interlock.control.deciding.haste import Reviews, hasty, left
from interlock.control.deciding.quorum import Tally, count
from interlock.model.change import Change, Review
from interlock.model.operation import Resource
from interlock.model.people import Part, Quorum
from interlock.testing import signing

AT = datetime(2026, 3, 4, 12, tzinfo=UTC)
USUAL = Reviews()


def given(ago: timedelta, took: float = 30) -> Review:
    """An approval so long ago, so many seconds after its review was opened."""
    approved = AT - ago
    return Review("CHG-1", "ann", approved - timedelta(seconds=took), approved)


def of_an_hour(number: int) -> list[Review]:
    return [given(timedelta(minutes=1 + n)) for n in range(number)]


def test_the_defaults_are_those_of_the_documents() -> None:
    assert (USUAL.per_hour, USUAL.median_s, USUAL.slowed_s, USUAL.remind) == (10, 5, 60, timedelta(hours=1))


def test_ten_an_hour_are_not_hasty_and_the_eleventh_is() -> None:
    assert hasty(of_an_hour(9), AT, USUAL) == ""
    assert "approves the 11th change within an hour" in hasty(of_an_hour(10), AT, USUAL)


def test_what_is_an_hour_old_does_not_count() -> None:
    just = [given(timedelta(hours=1) - timedelta(milliseconds=1)) for _ in range(10)]
    over = [given(timedelta(hours=1)) for _ in range(10)]
    assert hasty(just, AT, USUAL)
    assert not hasty(over, AT, USUAL)


@pytest.mark.parametrize(
    ("took", "found"),
    [
        ([4, 4, 4, 4], False),
        ([4, 4, 4, 4, 4], True),
        ([5, 5, 5, 5, 5], False),
        ([1, 1, 4.9, 600, 600], True),
        ([1, 1, 5, 600, 600], False),
        ([1, 1, 1, 60, 60, 60], False),
        ([0] * 8, True),
    ],
)
def test_a_median_under_five_seconds_over_five_or_more_is_hasty(took: Sequence[float], found: bool) -> None:
    last = [given(timedelta(hours=2, minutes=n), seconds) for n, seconds in enumerate(took)]
    assert bool(hasty(last, AT, USUAL)) is found


def test_reviews_without_an_approval_say_nothing() -> None:
    looked = [Review(f"CHG-{n}", "ann", AT) for n in range(20)]
    assert hasty(looked, AT, USUAL) == ""


def test_the_numbers_can_be_set() -> None:
    assert hasty(of_an_hour(2), AT, Reviews(per_hour=2))
    assert not hasty(of_an_hour(20), AT, Reviews(per_hour=21))
    quick = [given(timedelta(hours=2), 2) for _ in range(5)]
    assert not hasty(quick, AT, Reviews(median_s=0))


def test_a_hasty_approval_waits_until_the_review_was_open_long_enough() -> None:
    assert left(AT, AT + timedelta(seconds=20), USUAL) == timedelta(seconds=40)
    assert left(AT, AT + timedelta(seconds=60), USUAL) <= timedelta(0)


# ---- the quorum asks one more


def tally(*names: str, rushed: Sequence[str] = (), quorum: Quorum = QUORUM) -> Tally:
    approvals = [msgspec.structs.replace(said(name), hasty=name in rushed) for name in names]
    people = {**PEOPLE, "dan": signing.person("dan", "dba", at=NOW)}
    return count(approvals, people, AGENT, [GRANT], CHANGE, quorum, NOW, origin=ORIGIN)


def test_each_hasty_approval_counts_and_asks_one_more_person() -> None:
    one = tally("ann", "bob", rushed=("ann",))
    assert (one.given, one.hasty, one.needed, one.missing, one.met) == (("ann", "bob"), ("ann",), 3, 1, False)
    assert tally("ann", "bob", "cho", rushed=("ann",)).met
    assert tally("ann", "bob", "cho", rushed=("ann", "bob")).missing == 1
    assert tally("ann", "bob", "cho", "rex", rushed=("ann", "bob")).met


def test_a_hasty_approval_that_does_not_count_asks_nobody() -> None:
    found = tally("ann", "bob", "olga", "dev", rushed=("olga", "dev"))
    assert (found.hasty, found.met) == ((), True)


def test_the_one_more_may_be_of_any_of_the_groups() -> None:
    both = Quorum("both", 1, "sre", also=(Part(1, "dba"),))
    assert not tally("ann", "dan", rushed=("dan",), quorum=both).met
    assert tally("ann", "dan", "bob", rushed=("dan",), quorum=both).met


# ---- what looks alike


def test_changes_look_alike_whatever_their_content() -> None:
    other = msgspec.structs.replace(CHANGE, id="CHG-2", content="d" * 64, nonce="e" * 32)
    assert shape(other) == shape(CHANGE)


@pytest.mark.parametrize("field", ["agent", "target", "verb", "resource"])
def test_another_agent_target_verb_or_resource_looks_different(field: str) -> None:
    operation = CHANGE.operations[0]
    change: Change = CHANGE
    if field in ("agent", "target"):
        change = msgspec.structs.replace(CHANGE, **{field: "other"})
    elif field == "verb":
        change = msgspec.structs.replace(
            CHANGE, operations=(msgspec.structs.replace(operation, verb="TRUNCATE"),)
        )
    else:
        moved = msgspec.structs.replace(operation, resources=(Resource("table", "public.other"),))
        change = msgspec.structs.replace(CHANGE, operations=(moved,))
    assert shape(change) != shape(CHANGE)
