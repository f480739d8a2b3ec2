"""Short reads: what the way adds to them."""

import statistics
from collections.abc import Mapping

from bench.aws import load
from bench.aws.effort import Effort
from bench.aws.load import Ask
from bench.aws.ways import Way
from bench.measure import DIRECT, GATEWAY, PROXY, Goal, Row, Table, interleaved

_READS = (("GetItem", load.GET_ITEM), ("iam GetUser", load.GET_USER))
_OWN = ("GetCallerIdentity (answered by the gateway itself)", load.IDENTITY)
CLIENTS = (1, 16)


def reads(ways: Mapping[str, Way], effort: Effort, upstream: str) -> Table:
    """Time of each answer, by one client and by sixteen; what is added; processor time."""
    table = Table(f"Short reads, {upstream}")
    for clients in CLIENTS:
        for name, ask in _READS:
            table.rows += _compared(ways, effort, name, ask, clients)
    name, ask = _OWN
    table.rows.append(_median(ways, effort, f"{name}, 1 client", ask, 1))
    if PROXY not in ways:
        table.remarks.append("mitmproxy is not installed: left out.")
    return table


def _compared(ways: Mapping[str, Way], effort: Effort, name: str, ask: Ask, clients: int) -> list[Row]:
    title = f"{name}, {clients} client{'s' if clients > 1 else ''}"
    before = {way: ways[way].computed() for way in ways}
    row, counts = _timed(ways, effort, title, ask, clients)
    took = {
        way: (ways[way].computed() - before[way]) / counts[way] * 1000
        for way in ways
        if ways[way].process is not None and counts[way]
    }
    computing = Row(f"{title}: processor time of what is between", "ms", took, more_is_better=False)
    return [_with_goal(row, clients), _added(row, title, clients), computing]


def _with_goal(row: Row, clients: int) -> Row:
    if clients > 1:
        return row
    added = row.medians[GATEWAY] - row.medians[DIRECT]
    return Row(row.name, row.unit, row.medians, False, Goal("at most 1 ms more than direct", added <= 1))


def _added(row: Row, title: str, clients: int) -> Row:
    base = row.medians[DIRECT]
    found = {way: value - base for way, value in row.medians.items() if way != DIRECT}
    goal = None
    if clients == 1:
        reached = found[GATEWAY] <= found[PROXY] / 3 if PROXY in found else None
        goal = Goal("a third of what mitmproxy adds", reached)
    return Row(f"{title}: added", "ms", found, more_is_better=False, goal=goal)


def _median(ways: Mapping[str, Way], effort: Effort, title: str, ask: Ask, clients: int) -> Row:
    return _timed(ways, effort, title, ask, clients)[0]


def _timed(
    ways: Mapping[str, Way], effort: Effort, title: str, ask: Ask, clients: int
) -> tuple[Row, dict[str, int]]:
    counts = dict.fromkeys(ways, 0)

    def run(name: str) -> float:
        way = ways[name]
        request = load.signed(ask, way.url(ask.service), *way.key)
        times = load.run(request, way.port, effort.seconds, clients)
        counts[name] += len(times)
        return statistics.median(times) * 1000

    for name in ways:  # the first ones make connections, clients and caches
        way = ways[name]
        load.run(load.signed(ask, way.url(ask.service), *way.key), way.port, 0.3, clients)
    medians = interleaved({name: name for name in ways}, effort.repeats, run)
    return Row(title, "ms", medians, more_is_better=False), counts
