"""One large object, there and back: time, and the memory of what is between."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

from bench.aws.effort import Effort
from bench.aws.ways import HOST, Way
from bench.measure import DIRECT, GATEWAY, Goal, Row, Table
from interlock.connectors.aws import sigv4

_PIECE = bytes(1 << 20)
_MIB = 1 << 20
_GROWTH = 64
"""MiB that a process may grow by while a body of any size goes through it."""


def moving(ways: Mapping[str, Way], effort: Effort) -> Table:
    """PutObject and GetObject of one large object. The processes are as they are after the reads."""
    table = Table(f"One object of {effort.large / 2**20:,.0f} MiB")
    for name, go in (("PutObject", _put), ("GetObject", _get)):
        rates, grown = {}, {}
        for way in ways:
            seconds, more = _watched(ways[way], lambda way=way, go=go: go(ways[way], effort.large))  # type: ignore[misc]
            rates[way] = effort.large / _MIB / seconds
            if way != DIRECT:
                grown[way] = more / _MIB
        table.rows.append(Row(name, "MiB/s", rates))
        goal = Goal(f"flat (at most {_GROWTH} MiB)", grown[GATEWAY] <= _GROWTH)
        table.rows.append(Row(f"{name}: memory at most, beyond before", "MiB", grown, False, goal))
    return table


def _watched(way: Way, work: Callable[[], None]) -> tuple[float, int]:
    """How long it takes, and by how much the process grows on the way."""
    with _peak(way) as peak:
        begun = time.perf_counter()
        work()
        took = time.perf_counter() - begun
    return took, peak[-1]


@contextmanager
def _peak(way: Way) -> Iterator[list[int]]:
    found, over = [0], threading.Event()
    if way.process is None:
        yield found
        return
    before = way.process.memory_info().rss

    def look() -> None:
        assert way.process is not None
        while not over.wait(0.02):
            found[-1] = max(found[-1], way.process.memory_info().rss - before)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def _put(way: Way, size: int) -> None:
    with socket.create_connection((HOST, way.port), timeout=300) as connection:
        connection.sendall(_head(way, "PUT", f"/bench/new-{size}", size))
        for _ in range(size // len(_PIECE)):
            connection.sendall(_PIECE)
        assert _answered(connection) == 0


def _get(way: Way, size: int) -> None:
    with socket.create_connection((HOST, way.port), timeout=300) as connection:
        connection.sendall(_head(way, "GET", f"/bench/object-{size}", None))
        assert _answered(connection) == size


def _head(way: Way, method: str, path: str, size: int | None) -> bytes:
    parts = urlsplit(way.url("s3"))
    path = parts.path + path
    length = [("content-length", str(size))] if size is not None else []
    added = sigv4.sign(
        method, parts.netloc, path, "", length, key_id=way.key[0], secret=way.key[1], token="", region="us-east-1",
        service="s3", payload_hash=sigv4.UNSIGNED, now=datetime.now(UTC),
    )  # fmt: skip
    lines = [
        f"{method} {path} HTTP/1.1",
        f"host: {parts.netloc}",
        *(f"{n}: {v}" for n, v in (*length, *added)),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def _answered(connection: socket.socket) -> int:
    """Bytes of the answer's body; it must be one of success."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(1 << 16)
        assert piece, data
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    assert b" 200 " in head[:16], data[:1000]
    told = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
    length, taken = int(told.partition(b":")[2]), len(rest)
    while taken < length:
        taken += len(connection.recv(min(1 << 20, length - taken)))
    return length
