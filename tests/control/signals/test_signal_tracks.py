"""What an agent leaves behind: bounded, indifferent to what does not matter, and forgiven by people alone."""

from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.control.signals.units import AGENT, BEGIN, OFF, SESSION, bad, end, first, only, start, unit

from interlock.control import breaker
from interlock.control.signals import judge
from interlock.control.signals.judge import FRESH_ENOUGH, MOST_MARKS, MOST_NAMES, Opening
from interlock.control.signals.seen import Seen
from interlock.control.signals.thresholds import MOST_OUTCOMES, SHIPPED
from interlock.model.signal import Mark, Outcome, Result, Signal, Track

NAMES = st.sampled_from([f"shop/n{n}" for n in range(600)])
FEW_NAMES = st.lists(NAMES, max_size=8).map(tuple)


@st.composite
def seen_units(draw: Any) -> Seen:
    """Any unit, at any time: also before the one that came before it (the transactions of replicas end in any order)."""
    names = draw(FEW_NAMES)
    return unit(
        draw(st.floats(-100, 200_000)),
        session=draw(st.sampled_from(["s1", "s2", ""])),
        key=draw(st.sampled_from("abc")),
        destructive=draw(st.booleans()),
        subjects=tuple(f"kind {n}" for n in names),
        deleted_in=names,
        written_in=draw(FEW_NAMES),
        removed=tuple((n, draw(st.integers(0, 9)), draw(st.integers(0, 30))) for n in names),
        deleted=names,
        created=draw(FEW_NAMES),
        stateful=draw(FEW_NAMES),
        guard=draw(st.sampled_from(["", "audit"])),
        sweeping=draw(st.sampled_from(["", "empty"])),
        change=draw(st.sampled_from(["", "CHG-1", "CHG-2"])),
        once=draw(st.sampled_from(["", "a", "b"])),
    )


OUTCOMES = st.builds(
    Outcome,
    at=st.floats(0, 200_000).map(lambda s: BEGIN + timedelta(seconds=s)),
    session=st.sampled_from(["s1", "s2"]),
    key=st.sampled_from("abc"),
    result=st.sampled_from(list(Result)),
    what=st.just("x"),
    change=st.sampled_from(["", "CHG-1", "CHG-2", "CHG-3"]),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["start", "ask", "attempt", "forbid", "approve", "too large"]), seen_units()
        ),
        st.tuples(st.just("end"), OUTCOMES),
        st.tuples(st.just("forgive"), st.sampled_from(["", "s1"])),
    ),
    max_size=60,
)


def walk(steps: list[Any], limits: Any) -> tuple[Track, list[Opening]]:
    """What is left behind, and all that opened."""
    track, opened = Track(), list[Opening]()
    for what, given_one in steps:
        match what:
            case "start" | "ask":
                judged = judge.starting(track, given_one, limits, asks=what == "ask")
            case "attempt" | "forbid":
                judged = judge.attempted(track, given_one, limits, forbidden=what == "forbid")
            case "too large":
                judged = judge.too_large(track, given_one, limits)
            case "approve":
                judged = judge.Judged(judge.approved(track, given_one))
            case "end":
                judged = judge.ended(track, given_one, limits, "fixer")
            case _:
                judged = judge.Judged(judge.forgiven(track, given_one))
        if what not in ("approve", "forgive"):
            session = given_one.session
            judged = judge.escalate(judged.track, judged.openings, session, given_one.at, limits, "fixer")
        track = judged.track
        opened += judged.openings
    return track, opened


def bounded(track: Track) -> None:
    assert len(track.destructive) <= MOST_MARKS
    assert len(track.novel) <= MOST_MARKS
    assert len(track.outcomes) <= MOST_OUTCOMES
    for names in (track.deleted_in, track.written_in, track.removed, track.gone, track.familiar):
        assert len(names) <= MOST_NAMES
    assert all(len(times) <= MOST_OUTCOMES for times in track.back.values())


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_a_track_is_bounded_and_survives_the_store(steps: list[Any]) -> None:
    """Whatever comes, in whatever order of time; and what was stored is what is read."""
    track, opened = walk(steps, SHIPPED)
    bounded(track)
    assert {o.scope.partition("/")[0] for o in opened} <= {"session", "agent"}, (
        "wider needs more than one agent"
    )
    assert msgspec.json.decode(msgspec.json.encode(track), type=Track) == track


def test_a_flood_does_not_grow_a_track() -> None:
    units = [
        bad(n / 100, deleted=(f"shop/t{n}",), created=(f"shop/t{n}",), written_in=(f"shop/g{n}",),
            deleted_in=(f"shop/g{n}",), subjects=(f"kind {n}",), removed=((f"shop/g{n}", 1, 50),))
        for n in range(1000)
    ]  # fmt: skip
    track = start(units, OFF)[-1].track
    bounded(track)
    assert len(msgspec.json.encode(track)) < 256 * 1024
    assert first(start(units, SHIPPED)) is not None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 3000), min_size=1, max_size=12).map(sorted),
    st.lists(st.floats(0, 3000), max_size=30),
    st.lists(st.sampled_from(["rows", "failed"]), max_size=30),
)
def test_what_does_not_matter_changes_nothing(
    bads: list[float], others: list[float], kinds: list[str]
) -> None:
    """Destructive units trip at the same place, whatever harmless work and failures are between them."""
    alone = first(start([bad(s) for s in bads], SHIPPED))
    noise = [(s, k) for s, k in zip(others, kinds, strict=False)]
    track, place = Track(), None
    count = 0
    for seconds, kind in sorted([*((s, "bad") for s in bads), *noise]):
        if kind == "bad":
            count += 1
            judged = judge.starting(track, bad(seconds), SHIPPED, asks=False)
            if judged.openings and place is None:
                place = count
            track = judged.track
        elif kind == "rows":
            track = judge.starting(track, unit(seconds, written_in=("shop/a",)), SHIPPED).track
        else:
            outcome = Outcome(BEGIN + timedelta(seconds=seconds), "s2", "z", Result.FAILED)
            track = judge.ended(track, outcome, SHIPPED).track
    assert place == (alone and alone[0])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 4000), min_size=1, max_size=40).map(sorted), st.integers(0, 8))
def test_it_trips_exactly_when_a_count_by_hand_says_so(bads: list[float], most: int) -> None:
    found = first(start([bad(s) for s in bads], only(destructive_ten_minutes=most)))
    at = [BEGIN + timedelta(seconds=s) for s in bads]
    windows = [sum(b - a < timedelta(minutes=10) for a in at[: n + 1]) for n, b in enumerate(at)]
    over = [n + 1 for n, count in enumerate(windows) if count > most]
    # What is refused leaves its mark as well, so that the first is where the count says.
    assert (found and found[0]) == (over[0] if over else None)


def test_honest_work_of_one_kind_writes_no_track() -> None:
    """The hot path: a track that did not change is not stored."""
    track = start([unit(n, written_in=("shop/a",)) for n in range(20)], SHIPPED)[-1].track
    within = unit(19, written_in=("shop/a",))
    assert judge.starting(track, within, SHIPPED).track == track
    later = unit(20 + FRESH_ENOUGH.total_seconds(), written_in=("shop/a",))
    assert judge.starting(track, later, SHIPPED).track != track


def test_what_is_refused_leaves_the_marks_of_an_attempt_only() -> None:
    judged = judge.starting(
        Track(), bad(0, guard="audit", deleted=("shop/t",), deleted_in=("shop/g",), subjects=("k",)), SHIPPED
    )
    assert judged.openings
    track = judged.track
    assert len(track.destructive) == 1
    assert (track.deleted_in, track.gone, track.outcomes, track.familiar) == ({}, {}, (), ())


def test_a_clock_that_goes_back_forgets_nothing() -> None:
    """An earlier time than the last is one of the same windows: doubt counts."""
    limits = only(destructive_minute=3)
    assert (first(start([bad(10), bad(11), bad(12), bad(5)], limits)) or (0,))[0] == 4


# ---- sessions that trip, and what people forgive -------------------------------------------------------------------------

TRIPPED = (Opening(Signal.ERRORS, SESSION, "x"),)


def tripping(seconds: float, session: str, track: Track) -> judge.Judged:
    opening = Opening(Signal.ERRORS, breaker.session(session), "too many failed")
    at = BEGIN + timedelta(seconds=seconds)
    return judge.escalate(track, (opening,), session, at, SHIPPED, "fixer")


def test_three_sessions_stopped_within_an_hour_open_the_agent() -> None:
    assert SHIPPED.sessions_tripped == 3
    one = tripping(0, "s1", Track())
    two = tripping(10, "s2", one.track)
    assert [o.scope for o in two.openings] == [breaker.session("s2")]
    again = tripping(20, "s2", two.track)
    assert len(again.openings) == 1, "the same session again is one"
    three = tripping(3599, "s3", two.track)
    assert [(o.scope, o.signal) for o in three.openings][1:] == [(AGENT, Signal.SESSIONS_TRIPPED)]
    assert len(tripping(3600, "s3", two.track).openings) == 1, "the first is an hour ago"


def test_what_opens_no_session_is_not_counted_as_one() -> None:
    track, at = Track(), BEGIN
    wide = (Opening(Signal.NOVEL, AGENT, "x"),)
    assert judge.escalate(track, wide, "s1", at, SHIPPED, "fixer").track == track
    assert judge.escalate(track, TRIPPED, "", at, SHIPPED, "fixer").track == track
    many = Track(tripped={"a": at, "b": at})
    both = judge.escalate(many, (*TRIPPED, *wide), "s1", at, SHIPPED, "fixer")
    assert len(both.openings) == 2, "the agent is opened already"


def test_people_who_close_an_agent_forgive_all_but_what_it_is_used_to() -> None:
    track = judge.approved(Track(), bad(0, subjects=("deleted table",)))
    track = start([bad(n, deleted=("shop/x",), written_in=("shop/g",)) for n in range(3)], OFF, track)[
        -1
    ].track
    assert judge.forgiven(track) == Track(familiar=track.familiar)
    assert judge.forgiven(track).familiar == ("deleted table",)


def test_people_who_close_a_session_forgive_that_session() -> None:
    mine, other = bad(0, session="s1"), bad(1, session="s2")
    track = start([mine, other], OFF)[-1].track
    track = judge.ended(track, end("f", OFF)[0].track.outcomes[0], OFF).track
    track = msgspec.structs.replace(track, tripped={"s1": BEGIN, "s2": BEGIN})
    after = judge.forgiven(track, "s1")
    assert [m.session for m in after.destructive] == ["s2"]
    assert {o.session for o in after.outcomes} == {"s2"}
    assert set(after.tripped) == {"s2"}
    assert isinstance(after.destructive[0], Mark)
