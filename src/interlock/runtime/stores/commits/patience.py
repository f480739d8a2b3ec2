"""A connection to PostgreSQL that waits for an answer no longer than agreed.

The server's own timeouts end a statement only while the network carries the word of it: a server that stands still, or a network
that drops everything, would hold the one thread that writes for as long as the kernel hopes.
"""

from __future__ import annotations

import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

T = TypeVar("T")


def bounded(seconds: float) -> type[psycopg.Connection[Any]]:
    """A class of connections that break, with OperationalError, when something they asked is not answered after that long."""

    class Bounded(psycopg.Connection[Any]):
        def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
            patience = seconds if timeout is None else min(seconds, timeout)
            end = time.monotonic() + patience
            try:
                return super().wait(gen, interval, patience)
            except psycopg.OperationalError:
                if time.monotonic() >= end:
                    # An answer that came now would be taken for that of the next question.
                    self.pgconn.finish()
                raise

    return Bounded
