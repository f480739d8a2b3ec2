"""How many connections can be opened in a second: each logs in, asks one thing and leaves."""

import threading
import time

from bench.measure import GATEWAY, Effort, Goal, Row, Table, interleaved
from bench.ways import Place, Way

_AT_LEAST = 100
_AT_ONCE = 4


def connecting(place: Place, effort: Effort) -> Table:
    """Connections a second, by some clients at the same time. Through Interlock each is a login by SCRAM-SHA-256 and a recorded
    session; the others ask no password here."""
    table = Table(f"Connections opened, {_AT_ONCE} at a time")
    seconds = effort.seconds * 2
    medians = interleaved(place.ways, effort.repeats, lambda way: _rate(way, seconds))
    goal = Goal(f"at least {_AT_LEAST} a second", medians[GATEWAY] >= _AT_LEAST)
    table.rows.append(Row("connect, SELECT 1, leave", "a second", medians, goal=goal))
    return table


def _rate(way: Way, seconds: float) -> float:
    counts = [0] * _AT_ONCE
    failures: list[Exception] = []
    begun = time.perf_counter()

    def open_again_and_again(place: int) -> None:
        try:
            while time.perf_counter() < begun + seconds:
                with way.connect() as connection:
                    connection.execute("SELECT 1")
                counts[place] += 1
        except Exception as error:  # noqa: BLE001  # raised below, in the thread that waits
            failures.append(error)

    threads = [threading.Thread(target=open_again_and_again, args=(n,)) for n in range(_AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return sum(counts) / (time.perf_counter() - begun)
