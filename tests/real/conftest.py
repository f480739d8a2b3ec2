"""A shop behind a gateway with the default guardrails, shared by a module; each test has an agent of its own."""

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from interlock.model.change import Change, ChangeState
from interlock.model.operation import Action
from interlock.runtime.rules import directory
from interlock.testing.gateway import EVERYTHING, ROLES, Gateway, prepare
from interlock.testing.peers.pg import PgCluster, PgDatabase

SETUP = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, email text);
CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE, total numeric NOT NULL);
CREATE TABLE payments (id int PRIMARY KEY, "order" int REFERENCES orders ON DELETE CASCADE, paid bool NOT NULL DEFAULT false);
CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text);
CREATE TABLE ten (a int PRIMARY KEY, b text) WITH (autovacuum_enabled = off);  -- so that rows stay in their order
CREATE TABLE tempting (a int);
CREATE SEQUENCE tickets;
CREATE FUNCTION cleanup() RETURNS bigint LANGUAGE sql AS 'DELETE FROM customers; SELECT count(*) FROM customers';
"""
FILL = """
DELETE FROM customers; DELETE FROM notes; DELETE FROM ten; DELETE FROM tempting;
INSERT INTO customers SELECT i, 'customer ' || i, i || '@example.org' FROM generate_series(1, 100) i;
INSERT INTO orders SELECT i, (i - 1) / 3 + 1, i * 1.5 FROM generate_series(1, 300) i;
INSERT INTO payments SELECT i, i FROM generate_series(1, 300) i;
INSERT INTO ten SELECT i, 'row ' || i FROM generate_series(1, 10) i;
INSERT INTO tempting SELECT generate_series(1, 10);
SELECT setval('tickets', 1, false);
"""
"""No definitions in it: the gateway would have to read the catalogs again."""
TABLES = ("customers", "orders", "payments", "notes", "ten", "tempting")
_NUMBERS = itertools.count(1)


class Shop:
    """The database and its gateway. `agent` is the name of an agent that nothing was recorded of yet."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.agent = ""

    @property
    def database(self) -> PgDatabase:
        return self.gateway.database

    def fill(self) -> None:
        """Back to the first content, with a new agent."""
        self.database.psql(FILL)
        self.agent = self.new_agent()

    def new_agent(self, actions: Sequence[Action] = EVERYTHING, *, max_rows: int | None = None) -> str:
        name = f"agent-{next(_NUMBERS)}"
        self.gateway.add_agent(name, actions, max_rows=max_rows)
        return name

    def connect(self, agent: str = "", **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        return self.gateway.connect(agent or self.agent, **options)

    def psql(self, *arguments: str, **options: Any) -> Any:
        return self.gateway.psql(*arguments, agent=self.agent, **options)

    def make(self, sql: str) -> None:
        """Run a script past the gateway, as the role that agents run as, and have the gateway know."""
        self.database.psql(f"SET SESSION AUTHORIZATION {ROLES.upstream}; {sql}")
        self.gateway.reread()

    def count(self, table: str) -> int:
        """Rows in a table, looked at past the gateway."""
        found: int = self.database.psql(f"SELECT count(*) FROM {table}")[0][0]
        return found

    def counts(self) -> dict[str, int]:
        return {table: self.count(table) for table in TABLES}

    def changes(self, *states: ChangeState) -> list[Change]:
        """Of this test's agent, newest first."""
        return [c for c in self.gateway.changes(*states) if c.agent == self.agent]

    def held(self) -> Change:
        """The one change of this test's agent that waits."""
        (change,) = self.changes(ChangeState.HELD)
        return change

    def sessions(self) -> list[str]:
        """The names of agents of this test that are connected."""
        gate = self.gateway.runtime.targets["shop"].gate
        return [p.agent for p in gate.sessions if p.agent == self.agent]

    def approve_held(self) -> Change:
        return self.gateway.approve(self.held().id)


class Error:
    """What came of a statement that must fail."""

    def __init__(self) -> None:
        self.caught: psycopg.Error

    @property
    def sqlstate(self) -> str:
        return self.caught.sqlstate or ""


@contextmanager
def fails(*sqlstates: str) -> Iterator[Error]:
    """The block must end with an error of the server's (or the gateway's) with one of these codes."""
    error = Error()
    with pytest.raises(psycopg.Error) as caught:
        yield error
    error.caught = caught.value
    assert error.sqlstate in sqlstates, f"{error.sqlstate}: {caught.value}"


_MOMENT = threading.Event()
"""Never set."""


PATIENCE_S = 90.0
"""How long (seconds) a test waits for what another thread or process does."""


def until(holds: Callable[[], Any]) -> Any:
    """Ask until it holds: for what another thread or process does. AssertionError when that takes too long."""
    end = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < end, "what is waited for does not come"
        _MOMENT.wait(0.01)
    return found


@pytest.fixture(autouse=True, scope="session")
def patient() -> None:
    """A busy machine is no lost store."""
    directory.STALE = 60.0


@pytest.fixture(scope="module")
def served(pg: PgCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """On each version in turn."""
    database = pg.create_database(f"t_{secrets.token_hex(6)}")
    prepare(database, SETUP)
    with Gateway(database, tmp_path_factory.mktemp("gateway"), agents=()) as gateway:
        yield Shop(gateway)
    for (gid,) in database.psql("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"):
        database.psql(f"ROLLBACK PREPARED '{gid}'")
    database.drop()


@pytest.fixture
def shop(served: Shop) -> Shop:
    """With its first content and a new agent."""
    served.fill()
    return served
