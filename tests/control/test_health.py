"""Which changes a failing check blames."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from interlock.control import health as h
from interlock.model.health import CheckKind, Health, Result, Watched

T0 = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
WATCH = timedelta(seconds=100)
EMPTY = Health("shop", "web", CheckKind.HTTP, "d")


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def after(*results: tuple[bool, float, float]) -> Health:
    """A check after results: good or not, when each began and ended."""
    state = EMPTY
    for ok, began, ended in results:
        result = Result(ok, at(began), at(ended), "" if ok else "it does not answer")
        state = h.concluded(state, result, at(ended))
    return state


def change(intended: float, applied: float | None = None, name: str = "CHG-1") -> Watched:
    when = at(intended if applied is None else applied)
    return Watched(name, "shop", "production", "fixer", at(intended), when)


GOOD, BAD = True, False


@pytest.mark.parametrize(
    ("results", "is_blamed"),
    [
        pytest.param([(GOOD, 0, 1), (BAD, 12, 13), (BAD, 22, 23)], True, id="two in a row after it"),
        pytest.param([(GOOD, 0, 1), (BAD, 12, 13)], False, id="only one"),
        pytest.param([(GOOD, 0, 1), (BAD, 12, 13), (GOOD, 22, 23), (BAD, 32, 33)], False, id="not in a row"),
        pytest.param([(BAD, 0, 1), (BAD, 12, 13), (BAD, 22, 23)], False, id="bad before it"),
        pytest.param(
            [(GOOD, -9, -8), (BAD, 0, 1), (GOOD, 12, 13), (BAD, 22, 23), (BAD, 32, 33)], False, id="flapping"
        ),
        pytest.param([(BAD, 12, 13), (BAD, 22, 23)], False, id="nothing known before it"),
        pytest.param([(GOOD, 0, 1), (BAD, 8, 13), (BAD, 22, 23)], False, id="one began before it"),
        pytest.param([(GOOD, 0, 1), (BAD, 8, 13), (BAD, 22, 23), (BAD, 32, 33)], True, id="two after that"),
        pytest.param([(GOOD, 0, 11), (BAD, 22, 23), (BAD, 32, 33)], False, id="the good one ended after it"),
        pytest.param(
            [(GOOD, 0, 1), (GOOD, 12, 13), (BAD, 22, 23), (BAD, 32, 33)], True, id="good for a while"
        ),
        pytest.param([(GOOD, 0, 1), (BAD, 109, 111), (BAD, 122, 123)], True, id="at the end of the watch"),
        pytest.param([(GOOD, 0, 1), (BAD, 110.001, 111), (BAD, 122, 123)], False, id="after the watch"),
        pytest.param([(GOOD, 0, 10), (BAD, 10, 13), (BAD, 22, 23)], True, id="to the millisecond"),
    ],
)
def test_a_change_at_ten_seconds(results: list[tuple[bool, float, float]], is_blamed: bool) -> None:
    found = h.blamed(after(*results), [change(10)], WATCH)
    assert bool(found) is is_blamed


def test_while_the_outcome_was_not_known_nothing_counts() -> None:
    """Intended at 10, and found out at 50 (a crash in between): what began meanwhile says nothing; what came after does."""
    slow = change(10, 50)
    early = [(GOOD, 0.0, 1.0), (BAD, 20.0, 21.0), (BAD, 30.0, 31.0)]
    assert not h.blamed(after(*early), [slow], WATCH)
    assert not h.blamed(after(*early, (BAD, 51, 52)), [slow], WATCH)
    assert h.blamed(after(*early, (BAD, 51, 52), (BAD, 61, 62)), [slow], WATCH)
    unknown = msgspec.structs.replace(slow, applied_at=None)
    assert not h.blamed(after(*early, (BAD, 51, 52), (BAD, 61, 62)), [unknown], WATCH)


def test_trouble_is_no_result() -> None:
    state = after((GOOD, 0, 1), (BAD, 12, 13))
    troubled = h.concluded(state, "the secret cannot be read", at(20))
    assert (troubled.runs, troubled.trouble) == (state.runs, "the secret cannot be read")
    assert not h.blamed(troubled, [change(10)], WATCH)
    well = h.concluded(troubled, Result(False, at(30), at(31)), at(31))
    assert not well.trouble
    assert h.blamed(well, [change(10)], WATCH)


def test_what_is_remembered_is_bounded_however_it_flaps() -> None:
    state = EMPTY
    for n in range(1000):
        state = h.concluded(state, Result(n % 2 == 0, at(n), at(n + 0.5)), at(n + 1))
    assert len(state.runs) == h.RUNS
    assert state.runs[-1].ended == at(999.5)
    for n in range(1000, 2000):
        state = h.concluded(state, Result(True, at(n), at(n + 0.5)), at(n + 1))
    assert (len(state.runs), state.runs[-1].count) == (h.RUNS, 1000)
    # Before what is remembered nothing is known, and to know nothing is not to know it good.
    assert not h.was_good(state, at(10))


def test_a_claim_keeps_others_away_until_it_ends() -> None:
    assert h.due(EMPTY, at(0))
    taken = h.claimed(EMPTY, "gw-1", at(0), timedelta(seconds=5))
    assert not h.due(taken, at(5) + h.SLACK - timedelta(milliseconds=1))
    assert h.due(taken, at(5) + h.SLACK)
    done = h.concluded(taken, Result(True, at(0), at(1)), at(15))
    assert (h.due(done, at(14)), h.due(done, at(15))) == (False, True)
