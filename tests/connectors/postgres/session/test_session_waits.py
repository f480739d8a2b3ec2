"""`interlock.wait`: the client waits for people, and gives up when it wants to; it is told what became of its change."""

import contextlib
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from interlock.testing.gateway import Gateway, prepare

ALL = "DELETE FROM t"

_MOMENT = threading.Event()
"""Never set."""


@pytest.fixture
def gateway(pg18: Any, tmp_path: Path) -> Iterator[Gateway]:
    database = pg18.create_database(f"t_{secrets.token_hex(6)}")
    prepare(database, "CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 10)")
    with Gateway(database, tmp_path) as made:
        yield made
    database.drop()


class Waiting:
    """A client that waits for people; `outcome` is how many rows it was told, or its error."""

    def __init__(self, gateway: Gateway, *statements: str) -> None:
        self.connection = gateway.connect(options="-c interlock.wait=1h")
        pool = ThreadPoolExecutor(1)
        self._future: Future[int] = pool.submit(self._run, statements)
        pool.shutdown(wait=False)
        watch = gateway.runtime.core.watch
        while not watch._events and not self._future.done():
            _MOMENT.wait(0.01)

    def _run(self, statements: tuple[str, ...]) -> int:
        for statement in statements:
            count = self.connection.execute(statement.encode()).rowcount
        return count

    def outcome(self) -> int | psycopg.Error:
        try:
            return self._future.result()
        except psycopg.Error as error:
            return error
        finally:
            self.connection.close()

    def error(self) -> psycopg.Error:
        found = self.outcome()
        assert isinstance(found, psycopg.Error)
        return found


def held_before(gateway: Gateway, *statements: str) -> str:
    """Ask once without waiting; the id of the change."""
    with gateway.connect() as agent, contextlib.suppress(psycopg.Error):
        for statement in statements:
            agent.execute(statement.encode())
    return gateway.held().id


def left(gateway: Gateway) -> int:
    found: int = gateway.database.psql("SELECT count(*) FROM t")[0][0]
    return found


@pytest.mark.parametrize(
    "statements", [(ALL,), ("BEGIN", ALL, "COMMIT"), ("BEGIN", "SAVEPOINT a", ALL, "COMMIT")]
)
def test_what_is_held_already_is_waited_for_too(gateway: Gateway, statements: tuple[str, ...]) -> None:
    change = held_before(gateway, *statements)
    client = Waiting(gateway, *statements)
    assert [c.id for c in gateway.changes()] == [change]
    gateway.approve(change)
    assert not isinstance(client.outcome(), psycopg.Error)
    assert left(gateway) == 0


def test_a_cancel_request_ends_the_wait(gateway: Gateway) -> None:
    client = Waiting(gateway, ALL)
    change = gateway.held().id
    client.connection.cancel_safe()  # `cancel` would keep the interpreter from the gateway
    error = client.error()
    assert error.sqlstate == "IL001"
    assert change in str(error)
    assert gateway.held().id == change, "it still waits for people"


def test_a_cancel_request_ends_the_wait_for_what_was_held_before(gateway: Gateway) -> None:
    held_before(gateway, ALL)
    client = Waiting(gateway, ALL)
    client.connection.cancel_safe()  # `cancel` would keep the interpreter from the gateway
    assert client.error().sqlstate == "IL001"


def test_a_waiting_client_is_told_of_a_denial(gateway: Gateway) -> None:
    client = Waiting(gateway, ALL)
    change = gateway.held().id
    gateway.deny(change)
    error = client.error()
    assert error.sqlstate == "IL002"
    assert error.diag.message_primary == f"denied: people said no to {change}; nothing was changed"
    assert left(gateway) == 10
