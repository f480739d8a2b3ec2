"""What gating one row costs as its table grows: it should not matter."""

import functools
import itertools
import statistics
import time

from bench.measure import DIRECT, GATEWAY, Effort, Goal, Row, Table, interleaved
from bench.ways import ROLE, Place, Way

_WARM, _EACH = 5, 40
_MOST_TIMES = 1.5
_UPDATE = "UPDATE {table} SET b = b + 1 WHERE a = %s"
_NUMBERS = itertools.count(1)


def growing(place: Place, effort: Effort) -> Table:
    """The latency of an UPDATE by primary key, for tables of 1,000 rows up to `effort.table_rows`."""
    table = Table("A growing table: UPDATE of one row by key")
    ways = {name: way for name, way in place.ways.items() if name in (DIRECT, GATEWAY)}
    found: list[tuple[int, dict[str, float]]] = []
    rows = 1_000
    while rows <= effort.table_rows:
        _make(place, rows)
        found.append((rows, interleaved(ways, effort.repeats, functools.partial(_latency, rows))))
        place.sql(f"DROP TABLE {_name(rows)}")
        rows *= 10
    smallest, largest = (medians[GATEWAY] - medians[DIRECT] for _, medians in (found[0], found[-1]))
    for rows, medians in found:
        goal = None
        if rows == found[-1][0]:
            text = f"gating costs at most {_MOST_TIMES:g} times what it does at 1,000 rows"
            goal = Goal(text, largest <= _MOST_TIMES * smallest)
        table.rows.append(Row(f"{rows:,} rows", "ms", medians, more_is_better=False, goal=goal))
    table.remarks.append(
        f"Gating (Interlock less direct) costs {largest / smallest:.2f} times in the largest what it does in the smallest."
    )
    return table


def _name(rows: int) -> str:
    return f"growing_{rows}"


def _make(place: Place, rows: int) -> None:
    name = _name(rows)
    place.sql(
        f"CREATE TABLE {name} (a int PRIMARY KEY, b int, c text);"
        f"INSERT INTO {name} SELECT i, 0, 'filler ' || i FROM generate_series(1, {rows}) AS i;"
        f"ALTER TABLE {name} OWNER TO {ROLE}"
    )
    place.sql(f"VACUUM ANALYZE {name}")
    place.sql("CHECKPOINT")


def _latency(rows: int, way: Way) -> float:
    """Milliseconds, the median of a number of updates."""
    sql = _UPDATE.format(table=_name(rows))
    took: list[float] = []
    with way.connect() as connection:
        for number in range(_WARM + _EACH):
            # Spread over the table, and a value that is not the same in the next turn: held in memory it would be no table.
            key = (next(_NUMBERS) * 7919) % rows + 1
            begun = time.perf_counter()
            connection.execute(sql, (key,), prepare=True)
            if number >= _WARM:
                took.append(1000 * (time.perf_counter() - begun))
    return statistics.median(took)
