"""Interleaved repetitions, and what they give."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

R = TypeVar("R")
DIRECT, POOLER, PROXY, GATEWAY = "direct", "pgbouncer", "mitmproxy", "Interlock"


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done: ``seconds`` for each timed run, ``repeats`` of each, rows to COPY, idle connections, the scale factor
    of pgbench (100,000 accounts each), rows of the largest table, and statements of the soak (28,800 are eight hours of one a
    second)."""

    seconds: float = 4
    repeats: int = 5
    copy_rows: int = 100_000
    idle: int = 200
    scale: int = 10
    table_rows: int = 10_000_000
    soak_statements: int = 28_800


QUICK = Effort(
    seconds=1, repeats=3, copy_rows=10_000, idle=50, scale=1, table_rows=100_000, soak_statements=2_880
)


@dataclass(frozen=True, slots=True)
class Goal:
    """What a ratio or number should be: ``reached`` is None when it could not be measured."""

    text: str
    reached: bool | None


@dataclass(frozen=True, slots=True)
class Row:
    """One benchmark: the median of each way (absent when it was left out), in ``unit``."""

    name: str
    unit: str
    medians: Mapping[str, float]
    more_is_better: bool = True
    goal: Goal | None = None
    note: str = ""

    def ratio(self, way: str, base: str) -> float | None:
        """How fast ``way`` is, as a share of ``base``: above 1 is faster, whatever the unit."""
        one, other = self.medians.get(way), self.medians.get(base)
        if not one or not other:
            return None
        return one / other if self.more_is_better else other / one


@dataclass(slots=True)
class Table:
    """Benchmarks that belong together, and remarks about them."""

    title: str
    rows: list[Row] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def interleaved(ways: Mapping[str, R], repeats: int, run: Callable[[R], float]) -> dict[str, float]:
    """The median of each way, run in turn; which comes first moves on, so that none always follows the same."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for turn in range(repeats):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            found[name].append(run(ways[name]))
    return {name: statistics.median(values) for name, values in found.items()}


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


Verdict = Literal["met", "not met", "not measured"]


def verdict(goal: Goal) -> Verdict:
    if goal.reached is None:
        return "not measured"
    return "met" if goal.reached else "not met"
