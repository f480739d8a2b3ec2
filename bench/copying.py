"""COPY of many rows into a table and out of it, by psycopg."""

import time
from collections.abc import Callable

import psycopg

from bench.measure import Effort, Row, Table, interleaved
from bench.ways import ROLE, Place, Way

_BLOCK = 64 * 1024


def copying(place: Place, effort: Effort) -> Table:
    """Rows per second. The table is emptied before each COPY in, past everything."""
    place.sql(
        f"CREATE TABLE copied (id int PRIMARY KEY, name text, amount int); ALTER TABLE copied OWNER TO {ROLE}"
    )
    rows = effort.copy_rows
    data = b"".join(b"%d\tcustomer number %d\t%d\n" % (n, n, n % 1000) for n in range(rows))

    def copy_in(way: Way) -> float:
        place.sql("TRUNCATE copied; CHECKPOINT")
        with way.connect() as connection, connection.cursor() as cursor:
            return rows / _timed(lambda: _send(cursor, data))

    def copy_out(way: Way) -> float:
        with way.connect() as connection, connection.cursor() as cursor:
            return rows / _timed(lambda: _receive(cursor, len(data)))

    table = Table(f"COPY of {rows:,} rows ({len(data) / 1e6:.1f} MB)")
    for name, run in (("in", copy_in), ("out", copy_out)):
        table.rows.append(Row(f"COPY {name}", "rows/s", interleaved(place.ways, effort.repeats, run)))
    return table


def _send(cursor: psycopg.Cursor, data: bytes) -> None:
    with cursor.copy("COPY copied FROM STDIN") as copy:
        for start in range(0, len(data), _BLOCK):
            copy.write(data[start : start + _BLOCK])


def _receive(cursor: psycopg.Cursor, expected: int) -> None:
    with cursor.copy("COPY copied TO STDOUT") as copy:
        size = sum(len(part) for part in copy)
    if size != expected:
        raise RuntimeError(f"{size} bytes came out, not {expected}")


def _timed(run: Callable[[], None]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun
