"""What the benchmarks make of their numbers. (The numbers themselves are nobody's test.)"""

import pytest
from bench.measure import DIRECT, GATEWAY, POOLER, Goal, Row, Table, interleaved, percentile, verdict

from bench import show


def test_ways_are_run_in_turn_and_the_first_moves_on() -> None:
    ran: list[str] = []

    def run(way: str) -> float:
        ran.append(way)
        return float(len(ran))

    medians = interleaved({"a": "A", "b": "B", "c": "C"}, 3, run)
    assert "".join(ran) == "ABCBCACAB"
    assert medians == {"a": 6.0, "b": 4.0, "c": 5.0}


@pytest.mark.parametrize(("more", "expected"), [(True, 0.5), (False, 2.0)])
def test_above_one_is_better_whatever_the_unit(more: bool, expected: float) -> None:
    row = Row("x", "tps", {GATEWAY: 10.0, POOLER: 20.0}, more_is_better=more)
    assert row.ratio(GATEWAY, POOLER) == expected
    assert row.ratio(GATEWAY, DIRECT) is None


def test_a_goal_that_could_not_be_measured_is_not_met() -> None:
    assert [verdict(Goal("g", reached)) for reached in (True, False, None)] == [
        "met",
        "not met",
        "not measured",
    ]


def test_percentiles() -> None:
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile(list(range(100)), 0.95) == 95
    assert percentile([1], 1.0) == 1


def test_ratios_come_first_and_empty_columns_are_left_out() -> None:
    goal = Goal("at least 0.9 of pgbouncer", True)
    full = Row("one", "tps", {DIRECT: 1000.0, POOLER: 500.0, GATEWAY: 475.0}, goal=goal)
    table = Table("Reads", [full], ["A remark."])
    text = show.markdown({"CPU": "2 cores"}, [table])
    assert "| CPU | 2 cores |" in text
    assert (
        "| | Interlock / pgbouncer | Interlock / direct | direct | pgbouncer | Interlock | unit | goal |"
        in text
    )
    assert "| one | 0.95 | 0.47 | 1,000 | 500 | 475 | tps | at least 0.9 of pgbouncer: met |" in text
    assert "A remark." in text
    without = Table("Reads", [Row("one", "tps", {DIRECT: 1000.0, GATEWAY: 475.0})])
    assert show.headings_of(without) == ["Interlock / direct", "direct", "Interlock", "unit"]
    alone = Table("Policy", [Row("10 policies", "µs", {"median": 90.0})])
    assert show.headings_of(alone) == ["median", "unit", "note", "goal"]


@pytest.mark.parametrize(
    ("value", "text"), [(1234.5, "1,234"), (99.94, "99.9"), (9.876, "9.88"), (0.5, "0.50")]
)
def test_numbers_have_as_many_digits_as_mean_something(value: float, text: str) -> None:
    assert show.number(value) == text
