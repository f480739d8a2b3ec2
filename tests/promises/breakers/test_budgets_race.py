"""A budget of ten is ten, however many replicas take from it at once, and whatever their clocks say."""

import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.promises.breakers.kit import AGENTS, AMPLE, PLENTY, Fleet, all_ask, fleet_of

from interlock.testing.peers.pg import PgCluster

TEN = {**PLENTY, "rows_created": 10}
DAY = 86_400.0
# Who shares the budget: the agents that send, and the scope that is counted.
SHARED: dict[str, tuple[list[str], str]] = {
    "agent": (AGENTS[:1], "agent/bot-0"),
    "owner": (AGENTS, "owner/olga"),
    "table": (AGENTS, "table/table toy.rows"),
}
_SPENT = text("SELECT sum(rows_created) FROM spent WHERE scope = :scope")
CASES = [
    ("postgres", "agent"),
    ("postgres with wrong clocks", "owner"),
    ("postgres with wrong clocks", "table"),
    ("sqlite", "agent"),
    ("sqlite", "owner"),
]


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/store.db"
        return
    cluster: PgCluster = request.getfixturevalue("pg18")
    database = cluster.create_database(f"store_{secrets.token_hex(6)}")
    yield database.dsn()
    database.drop()


@pytest.mark.parametrize(("place", "where", "shared"), [(w, w, s) for w, s in CASES], indirect=["place"])
def test_of_many_at_once_exactly_ten_run(place: str, where: str, shared: str, tmp_path: Path) -> None:
    """On SQLite two processes race on one file, on PostgreSQL three. What goes beyond is held, or refused where too much waits
    already; and it stays so."""
    agents, scope = SHARED[shared]
    skews: list[float] = [0, DAY, -DAY] if "wrong" in where else [0, 0] if where == "sqlite" else [0, 0, 0]
    with fleet_of(tmp_path / "fleet", place, budgets={**AMPLE, shared: TEN}) as fleet:
        for number, seconds in enumerate(skews):
            fleet.start(f"r{number}", options={"skew": seconds})
        all_ask(fleet.replicas, "count")  # all are there before any begins
        all_ask(fleet.replicas, "burst", agents=agents, number=20)
        answers = sum((Counter(r.ask("count")["answers"]) for r in fleet.replicas), Counter[str]())
        assert answers.pop("permitted") == 10
        assert sum(answers.values()) == 20 * len(skews) - 10
        assert answers["held"]
        assert len(fleet.committed()) == 10
        assert spent(fleet, scope) == 10
        # Later ones do not fit either.
        assert fleet.replicas[-1].ask("once", agent=agents[0]) != "permitted"
        entries = fleet.end()
        assert [e["kind"] for e in entries].count("intent") == 10


def spent(fleet: Fleet, scope: str) -> int:
    """What the counters say, over all time."""

    def look(tx: Any) -> int:
        rows = tx.runner.execute(_SPENT, {"scope": scope})
        return int(rows[0][0])

    return int(fleet._with_store(lambda s: s.read(look)))
