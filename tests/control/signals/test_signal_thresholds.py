"""Each row of the table of signals: at its threshold nothing, beyond it a trip, and what left the window counts no more."""

import pytest
from tests.control.signals.units import AGENT, OFF, SESSION, bad, end, first, only, start, unit

from interlock.control.signals import judge
from interlock.control.signals.seen import Seen
from interlock.control.signals.thresholds import SHIPPED, Signals, Thresholds
from interlock.model.errors import Misconfigured
from interlock.model.signal import Signal, Track

DAY = 86_400


# ---- more and more -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "most", "window", "scope"),
    [
        ("destructive_minute", 3, 60, SESSION),
        ("destructive_ten_minutes", 5, 600, AGENT),
        ("destructive_day", 20, DAY, AGENT),
    ],
)
def test_destructive_ones_are_counted_in_their_window(field: str, most: int, window: int, scope: str) -> None:
    assert getattr(SHIPPED, field) == most
    limits = only(**{field: most})
    within = [bad(n) for n in range(most)]
    assert first(start(within, limits)) is None
    place, opening = first(start([*within, bad(window - 1)], limits)) or (0, None)
    assert place == most + 1
    assert opening is not None
    assert (opening.signal, opening.scope) == (Signal.DESTRUCTIVE, scope)
    assert len(opening.steps) == most + 1, "the operations that led there, and the one that was too many"
    # The first has left the window at its end to the second.
    assert first(start([*within, bad(window)], limits)) is None
    assert first(start([*within, bad(window - 0.001)], limits)) is not None


def test_zero_trips_on_the_first_and_off_never() -> None:
    assert first(start([bad()], only(destructive_minute=0))) is not None
    assert first(start([bad(n / 10) for n in range(100)], OFF)) is None


def test_what_destroys_nothing_is_not_counted() -> None:
    limits = only(destructive_minute=0, destructive_ten_minutes=0, destructive_day=0, novel=1)
    assert first(start([unit(n, subjects=(f"updated {n}",)) for n in range(50)], limits)) is None


def test_the_minute_of_work_without_a_session_is_its_agents() -> None:
    """Nobody could put back a session that does not exist."""
    place, opening = first(start([bad(n, session="") for n in range(4)], only(destructive_minute=3))) or (
        0,
        None,
    )
    assert (place, opening and opening.scope) == (4, AGENT)


def test_attempts_count_as_what_is_done() -> None:
    limits, track = only(destructive_minute=3), Track()
    for n in range(3):
        judged = judge.attempted(track, bad(n), limits)
        assert not judged.openings
        track = judged.track
    assert judge.attempted(track, bad(3), limits).openings
    assert judge.starting(track, bad(3), limits, asks=False).openings
    assert not judge.starting(track, unit(3), limits).openings


# ---- groups --------------------------------------------------------------------------------------------------------------


def groups(count: int, field: str) -> list[Seen]:
    return [unit(n, **{field: (f"shop/g{n}",)}) for n in range(count)]


@pytest.mark.parametrize(
    ("limit", "field", "most", "window", "signal"),
    [
        ("groups_deleted_hour", "deleted_in", 3, 3600, Signal.GROUPS_DELETED),
        ("groups_written_ten_minutes", "written_in", 5, 600, Signal.GROUPS_WRITTEN),
    ],
)
def test_groups_are_counted_in_their_window(
    limit: str, field: str, most: int, window: int, signal: Signal
) -> None:
    assert getattr(SHIPPED, limit) == most
    limits = only(**{limit: most})
    within = groups(most, field)
    assert first(start(within, limits)) is None
    same = [unit(most + n, **{field: ("shop/g0",)}) for n in range(20)]
    assert first(start([*within, *same], limits)) is None, "the same group again is one"
    late = {field: ("shop/other",)}
    place, opening = first(start([*within, unit(window - 1, **late)], limits)) or (0, None)
    assert place == most + 1
    assert opening is not None
    assert (opening.signal, opening.scope) == (signal, AGENT)
    assert first(start([*within, unit(window, **late)], limits)) is None


def test_many_groups_in_one_unit_are_as_many() -> None:
    all_at_once = unit(written_in=tuple(f"shop/g{n}" for n in range(6)))
    assert first(start([all_at_once], only(groups_written_ten_minutes=5))) is not None


def test_a_group_written_all_the_time_stays_counted() -> None:
    """It is noted again only after half a minute: the window may forget it that much early, and not more."""
    limits = only(groups_written_ten_minutes=5)
    often = [unit(n * 20, written_in=("shop/g0",)) for n in range(40)]
    more = [unit(800 + n, written_in=(f"shop/h{n}",)) for n in range(5)]
    found = first(start([*often, *more], limits))
    assert found is not None
    assert found[0] == 45


def losing(seconds: float, count: int, size: int, **about: object) -> Seen:
    return unit(seconds, removed=(("shop/web", count, size),), **about)


def test_the_share_of_a_group_adds_up_over_a_day() -> None:
    assert (SHIPPED.group_share, SHIPPED.group_floor) == (30, 10)
    limits = only(group_share=30)
    assert first(start([losing(0, 3, 10)], limits)) is None
    place, opening = first(start([losing(0, 4, 10)], limits)) or (0, None)
    assert place == 1
    assert opening is not None
    assert (opening.signal, opening.scope) == (Signal.GROUP_SHARE, AGENT)
    # One by one: of as many as there were when the first went, not of what is left.
    one_by_one = [losing(n, 1, 10 - n) for n in range(4)]
    assert (first(start(one_by_one, limits)) or (0,))[0] == 4
    assert first(start([*one_by_one[:3], losing(DAY, 1, 7)], limits)) is None, (
        "a day later it is another three"
    )


def test_approved_ones_take_their_part_of_the_share_and_are_stopped_by_it() -> None:
    """Three approved deletions of a member each leave room for none of the next, whatever was said of it."""
    limits, track = only(group_share=30), Track()
    for n in range(3):
        step = losing(n * 60, 1, 10 - n, change=f"CHG-{n}")
        assert judge.too_large(track, step, limits) == judge.Judged(track)
        track = judge.approved(track, step)
    beyond = losing(300, 1, 7, change="CHG-9", destructive=True)
    judged = judge.too_large(track, beyond, limits)
    assert [(o.signal, o.scope, o.limit, o.number) for o in judged.openings] == [
        (Signal.GROUP_SHARE, AGENT, "group_share", 40)
    ]
    assert judged.track == track, "nothing of it is done, and it was tried before"
    assert judge.starting(track, beyond, limits, asks=False).openings
    assert not judge.too_large(track, losing(DAY + 300, 1, 7), limits).openings
    assert not judge.too_large(track, beyond, only()).openings, "off is off"


def test_what_is_too_large_before_anybody_is_asked_was_an_attempt() -> None:
    judged = judge.too_large(Track(), losing(0, 4, 10, destructive=True), only(group_share=30))
    assert judged.openings
    assert len(judged.track.destructive) == 1
    assert judged.track.removed == {}


def test_the_share_of_a_small_group_says_nothing() -> None:
    assert first(start([losing(0, 8, 9)], only(group_share=30))) is None
    assert first(start([losing(0, 8, 9)], only(group_share=30, group_floor=9))) is not None


def test_the_last_member_is_refused_and_opens_nothing() -> None:
    limits = only(last_member=True)
    assert start([losing(0, 1, 2)], limits)[0].refuses == ""
    refused = start([losing(0, 1, 2), losing(5, 1, 1)], limits)[1]
    assert "last member of shop/web" in refused.refuses
    assert refused.openings == ()
    assert start([losing(0, 1, 1)], OFF)[0].refuses == ""
    assert start([losing(0, 0, 0)], limits)[0].refuses == "", "an empty group has no last member"


def test_a_selector_of_everything_is_refused() -> None:
    sweeping = unit(sweeping="the filter is empty")
    refused = start([sweeping], only(sweeping=True))[0]
    assert "the filter is empty" in refused.refuses
    assert refused.track.outcomes == (), "it did not execute"
    assert start([sweeping], OFF)[0].refuses == ""


# ---- the first of its kind -----------------------------------------------------------------------------------------------


def new(seconds: float, *kinds: str) -> Seen:
    return bad(seconds, subjects=kinds)


def test_a_first_is_asked_for_and_then_familiar() -> None:
    limits = only(novel=3)
    judged = judge.starting(Track(), new(0, "deleted table", "group shop/a"), limits)
    assert judged.novel == ("deleted table", "group shop/a")
    assert "deleted table" not in judged.track.familiar, "asking does not make it familiar"
    known = judge.approved(judged.track, new(1, "deleted table", "group shop/a"))
    again = judge.starting(known, new(2, "deleted table", "group shop/a"), limits)
    assert again.novel == ()
    assert again.openings == ()
    other = judge.starting(known, new(2, "deleted table", "group shop/b"), limits)
    assert other.novel == ("group shop/b",)


def test_nobody_is_asked_where_nobody_can_be_or_the_signal_is_off() -> None:
    assert judge.starting(Track(), new(0, "x"), only(novel=3), asks=False).novel == ()
    assert judge.starting(Track(), new(0, "x"), OFF, asks=True).novel == ()
    assert judge.starting(Track(), unit(0, subjects=("x",)), only(novel=3)).novel == ()


def test_three_new_kinds_in_ten_minutes_open_the_agent() -> None:
    assert SHIPPED.novel == 3
    limits = only(novel=3)
    assert first(start([new(0, "a"), new(1, "b"), new(2, "a"), new(3, "b")], limits)) is None
    place, opening = first(start([new(0, "a"), new(1, "b"), new(599, "c")], limits)) or (0, None)
    assert place == 3
    assert opening is not None
    assert (opening.signal, opening.scope) == (Signal.NOVEL, AGENT)
    assert first(start([new(0, "a"), new(1, "b"), new(600, "c")], limits)) is None


def test_a_unit_that_is_new_in_many_ways_is_one_novelty() -> None:
    """The first migration of an agent drops a table with its index, in a schema: one thing, which people are asked about."""
    wide = new(0, "deleted table", "deleted index", "deleted column", "group shop/public")
    assert first(start([wide, new(1, "deleted table"), new(2, "deleted index")], only(novel=3))) is None


def test_what_people_approve_is_new_no_longer_and_was_no_attempt() -> None:
    """Ten steps of a migration, each asked for and approved within a minute, are no runaway agent."""
    limits, track = SHIPPED, Track()
    for n in range(30):
        step = bad(n * 20, subjects=(f"kind {n}",), change=f"CHG-{n}")
        judged = judge.attempted(track, step, limits)
        assert judged.openings == (), n
        track = judge.approved(judged.track, step)
    assert track.destructive == ()
    assert track.novel == ()
    # What was not approved stays.
    left = judge.attempted(track, bad(700, change="CHG-x", subjects=("other",)), limits).track
    assert len(judge.approved(left, bad(701, change="CHG-y", subjects=("kind 1",))).destructive) == 1
    assert len(judge.approved(left, bad(701, change="CHG-y", subjects=("kind 1",))).novel) == 1


# ---- failures ------------------------------------------------------------------------------------------------------------


def test_the_same_failing_four_times_in_a_row_opens_the_session() -> None:
    assert SHIPPED.failures == 4
    limits = only(failures=4)
    assert first(end("fff", limits)) is None
    place, opening = first(end("ffff", limits)) or (0, None)
    assert place == 4
    assert opening is not None
    assert (opening.signal, opening.scope) == (Signal.SAME_FAILURE, SESSION)
    assert len(opening.steps) == 4
    assert first(end("fff.fff", limits)) is None, "one that ended well begins anew"
    assert first(end("eeee", limits)) is not None, "there is no such thing, again and again"


def test_another_key_or_session_is_another_row_of_failures() -> None:
    limits = only(failures=4)
    assert first(end("ffffff", limits, keys="ababab")) is None
    assert first(end("fffffff", limits, keys="abababa")) == first(end("fffffff", limits, keys="abababa"))
    assert (first(end("fffffff", limits, keys="abababa")) or (0,))[0] == 7, "others in between do not matter"
    assert first(end("ffffff", limits, sessions="121212")) is None


@pytest.mark.parametrize(
    ("results", "trips"),
    [
        ("....ffffff", 10),
        (".....fffff", None),
        ("fffff....f", 10),
        ("fffffffff", None),
        ("eeeeeeeeee....fffff", None),
        ("....eeefffeeefff", 16),
        ("....ffffffe", 10),
    ],
)
def test_six_of_the_last_ten_that_fail_open_the_session(results: str, trips: int | None) -> None:
    assert (SHIPPED.errors, SHIPPED.errors_of) == (60, 10)
    keys = "abcdefghijklmnopqrstuvwxyz"[: len(results)]
    found = first(end(results, only(errors=60), keys=keys))
    assert (found and found[0]) == trips
    if found is not None:
        assert (found[1].signal, found[1].scope) == (Signal.ERRORS, SESSION)


def test_a_unit_counts_as_well_from_its_begin_and_is_corrected_by_its_end() -> None:
    limits = only(errors=60, failures=4)
    track = judge.named(judge.starting(Track(), unit(0), limits).track, "CHG-1")
    assert [o.result.value for o in track.outcomes] == ["ok"]
    failed = end("f", limits)[0].track.outcomes[0]
    failed = type(failed)(failed.at, "s1", "k", failed.result, "w", "CHG-1")
    after = judge.ended(track, failed, limits).track
    assert [(o.change, o.result.value) for o in after.outcomes] == [("CHG-1", "failed")]


# ---- churn, guard --------------------------------------------------------------------------------------------------------


def churn(seconds: float, *, made: bool, stateful: bool = False) -> Seen:
    name = "shop/server web-1"
    what = {"created": (name,)} if made else {"deleted": (name,)}
    return unit(seconds, **what, stateful=(name,) if stateful else ())


def test_made_again_twice_within_ten_minutes_opens_the_session() -> None:
    assert (SHIPPED.recreated, SHIPPED.recreated_stateful) == (2, 1)
    limits = only(recreated=2, recreated_stateful=1)
    once = [churn(0, made=False), churn(1, made=True)]
    assert first(start(once, limits)) is None
    place, opening = first(start([*once, churn(2, made=False), churn(3, made=True)], limits)) or (0, None)
    assert place == 4
    assert opening is not None
    assert (opening.signal, opening.scope) == (Signal.RECREATED, SESSION)
    assert first(start([*once, churn(2, made=False), churn(602, made=True)], limits)) is None, "too late"
    replaced = unit(0, created=("shop/db x",), deleted=("shop/db x",))
    assert first(start([replaced], limits)) is None
    assert first(start([replaced, msg(replaced, 5)], limits)) is not None, "replacing is both at once"


def msg(seen: Seen, seconds: float) -> Seen:
    return unit(seconds, created=seen.created, deleted=seen.deleted)


def test_what_holds_data_is_not_made_again_even_once() -> None:
    limits = only(recreated=2, recreated_stateful=1)
    units = [churn(0, made=False, stateful=True), churn(599, made=True, stateful=True)]
    assert (first(start(units, limits)) or (0,))[0] == 2
    late = [churn(0, made=False, stateful=True), churn(600, made=True, stateful=True)]
    assert first(start(late, limits)) is None
    assert first(start([churn(0, made=True, stateful=True)], limits)) is None, "made, and not made again"


def test_what_guards_is_not_touched_without_approval() -> None:
    limits = only(guard=True)
    touching = unit(guard="replication of publication p")
    place, opening = first(start([touching], limits)) or (0, None)
    assert place == 1
    assert opening is not None
    assert (opening.signal, opening.scope) == (Signal.GUARD, AGENT)
    assert judge.approved(Track(), touching).destructive == ()
    assert judge.attempted(Track(), touching, limits).openings == (), "people are asked"
    assert judge.attempted(Track(), touching, limits, forbidden=True).openings, "nobody may ever do it"
    assert first(start([touching], OFF)) is None


# ---- whose thresholds ----------------------------------------------------------------------------------------------------


def test_an_agents_own_come_before_its_environments() -> None:
    own, lax = Thresholds(destructive_day=1), Thresholds(destructive_day=99)
    signals = Signals(
        "q", {"production": lax, "sandbox": None}, {"production/x": own, "production/off": None}
    )
    assert signals.of("production", "x") is own
    assert signals.of("production", "y") is lax
    assert signals.of("production", "off") is None
    assert signals.of("sandbox", "x") is None
    assert signals.of("unheard of", "y") == SHIPPED, "doubt means the usual ones"


@pytest.mark.parametrize(
    "wrong",
    [
        {"destructive_day": -1},
        {"errors_of": 1},
        {"errors_of": 33},
        {"failures": 1},
        {"failures": 33},
        {"novel": "many"},
        {"group_share": 2.5},
    ],
)
def test_numbers_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(Misconfigured):
        Thresholds(**wrong)  # type: ignore[arg-type]
