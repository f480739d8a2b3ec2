"""Signals, as far as what connectors tell decides them: members of groups, what is replaced, failures in many sessions."""

from datetime import UTC, datetime, timedelta

from interlock.control import breaker
from interlock.control.signals import judge
from interlock.control.signals.seen import Seen, Who, seen
from interlock.control.signals.thresholds import SHIPPED, Thresholds
from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.model.operation import Action, Operation, Resource
from interlock.model.signal import Facts, Outcome, Result, Signal, Track

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
QUIET = Thresholds(novel=None, destructive_minute=None, recreated_stateful=None, recreated=None)


def gone(*names: str, kind: str = "table", change: ChangeKind = ChangeKind.DELETED) -> list[Effect]:
    return [Effect(Resource(kind, f"app.{name}", "app"), change, 1, Unit.OBJECTS) for name in names]


def unit(effects: list[Effect], facts: Facts, after: int = 0) -> Seen:
    at = NOW + timedelta(minutes=after)
    operation = Operation(Action.DELETE, "DROP TABLE", tuple(e.resource for e in effects))
    return seen(Who(at, "fixer", "s1", "production", "shop"), [operation], effects, facts)


# ---- groups ----------------------------------------------------------------------------------------------------------


def test_only_members_count_among_members() -> None:
    effects = [*gone("a", "b"), *gone("a.x", "a.y", "b.x", kind="column")]
    assert unit(effects, Facts(sizes={"app": 10}, members=("table",))).removed == (("shop/app", 2, 10),)
    assert unit(effects, Facts(sizes={"app": 10})).removed == (("shop/app", 5, 10),)


def test_another_definition_takes_nothing_away() -> None:
    effects = gone("v", kind="view", change=ChangeKind.REPLACED)
    facts = Facts(sizes={"app": 10}, amended=("view app.v",), stateful=("view",))
    found = unit(effects, facts)
    assert (found.removed, found.deleted, found.created, found.deleted_in) == ((), (), (), ())
    made_again = unit(effects, Facts(sizes={"app": 10}))
    assert made_again.deleted == made_again.created == ("shop/view app.v",)


def test_the_last_member_is_the_last_that_is_there() -> None:
    """What went before may have come back meanwhile."""
    track = Track()
    for after in range(3):
        judged = judge.starting(track, unit(gone("t"), Facts(sizes={"app": 2}), after), QUIET)
        assert judged.refuses == ""
        track = judged.track
    assert "last member" in judge.starting(track, unit(gone("t"), Facts(sizes={"app": 1}), 4), QUIET).refuses


def test_a_group_is_not_larger_than_what_is_left_of_it_and_what_went() -> None:
    """Functions that were counted first do not make the tables fewer than they are."""
    judged = judge.starting(Track(), unit(gone("f", kind="function"), Facts(sizes={"app": 60})), QUIET)
    judged = judge.starting(judged.track, unit(gone("a", "b", "c"), Facts(sizes={"app": 12}), 1), QUIET)
    assert [o.signal for o in judged.openings] == [Signal.GROUP_SHARE]


def test_what_is_refused_is_not_put_before_people() -> None:
    sweeping = unit(gone("t"), Facts(sweeping="everything"))
    judged = judge.starting(Track(), sweeping, SHIPPED)
    assert judged.refuses
    assert judged.novel == ()
    assert judge.starting(Track(), unit(gone("t"), Facts()), SHIPPED).novel
    assert judge.starting(Track(), unit(gone("t"), Facts()), Thresholds(novel=None)).novel == ()


# ---- failures --------------------------------------------------------------------------------------------------------


def end(after: int, result: Result = Result.FAILED, *, key: str = "k", session: str = "s1") -> Outcome:
    return Outcome(NOW + timedelta(seconds=after), session, key, result, key)


def judged(*ends: Outcome, agent: str = "fixer", limits: Thresholds = SHIPPED) -> list[tuple[Signal, str]]:
    """What opened by these ends, told one after the other."""
    track, opened = Track(), []
    for one in ends:
        told = judge.ended(track, one, limits, agent)
        told = judge.escalate(told.track, told.openings, one.session, one.at, limits, agent)
        track = told.track
        opened += [(o.signal, o.scope) for o in told.openings]
    return opened


SESSION, AGENT = breaker.session("s1"), breaker.agent("fixer")


def test_four_in_a_row_of_one_session() -> None:
    assert judged(*(end(n) for n in range(3))) == []
    assert judged(*(end(n) for n in range(4))) == [(Signal.SAME_FAILURE, SESSION)]
    assert judged(end(0), end(1), end(2, Result.OK), end(3), end(4)) == []


def test_excused_ones_only_without_success_in_between() -> None:
    dup = [end(2 * n, Result.EXCUSED) for n in range(4)]
    assert judged(*dup) == [(Signal.SAME_FAILURE, SESSION)]
    updates = [end(2 * n + 1, Result.OK, key="update") for n in range(4)]
    assert judged(*(one for pair in zip(dup, updates, strict=True) for one in pair)) == []
    failed = [end(2 * n) for n in range(4)]
    assert judged(*(one for pair in zip(failed, updates, strict=True) for one in pair)) == [
        (Signal.SAME_FAILURE, SESSION)
    ]


def test_what_is_heard_of_late_has_its_place() -> None:
    """Successes are recorded at once, failures without a change a moment later: in between, something went well."""
    late = [end(n, Result.EXCUSED) for n in (0, 2, 4, 6)]
    assert judged(*(end(n, Result.OK, key="update") for n in (1, 3, 5, 7)), *late) == []


def test_a_session_for_each_statement() -> None:
    assert judged(*(end(n, session=f"s{n}") for n in range(4))) == [(Signal.SAME_FAILURE, AGENT)]
    assert judged(*(end(n, session=f"s{n}") for n in range(4)), agent="") == []
    many = [end(n, Result.OK, key=f"ok{n}", session=f"s{n}") for n in range(4)]
    many += [end(4 + n, key=f"bad{n}", session=f"s{4 + n}") for n in range(6)]
    assert judged(*many) == [(Signal.ERRORS, AGENT)]


def test_one_failing_session_beside_a_good_one_is_stopped_alone() -> None:
    good = [end(n, Result.OK, key=f"ok{n}", session="good") for n in range(6)]
    bad = [end(6 + n, key=f"bad{n}") for n in range(10)]
    assert judged(*good, *bad) == [(Signal.ERRORS, SESSION)]


def test_what_stopped_a_session_does_not_stop_the_agent_at_the_next_failure() -> None:
    ends = [*(end(n) for n in range(4)), end(5, session="s2")]
    assert judged(*ends) == [(Signal.SAME_FAILURE, SESSION)]
