"""A statement that passed does not go on passing when it becomes another one."""

import secrets
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from tests.connectors.postgres.session.conftest import Twins

from interlock.model.operation import Action

CALM = "CREATE OR REPLACE FUNCTION calm(a int) RETURNS int LANGUAGE sql AS 'SELECT $1 + 1'"
TELLS = (
    "CREATE OR REPLACE FUNCTION calm(a int) RETURNS int LANGUAGE sql AS"
    " 'SELECT 2 FROM pg_catalog.pg_notify(''hear'', ''it'')'"
)


@pytest.fixture
def agent(twins: Twins) -> Iterator[Any]:
    twins.fill()
    twins.gateway.database.psql(CALM)
    with twins.gateway.connect() as connection:
        yield connection


@pytest.fixture
def reader(twins: Twins) -> Iterator[Any]:
    """An agent that may only read."""
    twins.fill()
    twins.gateway.database.psql(CALM)
    twins.gateway.reread()
    name = f"reader-{secrets.token_hex(4)}"
    twins.gateway.add_agent(name, (Action.READ,))
    with twins.gateway.connect(name) as connection:
        yield connection


@pytest.mark.parametrize("prepared", [True, False])
def test_when_a_function_is_replaced(twins: Twins, reader: Any, prepared: bool) -> None:
    """A notification is what neither a read-only session nor measuring would notice."""

    def ask() -> Any:
        return reader.execute("SELECT calm(%s)", (1,), prepare=prepared).fetchone()

    assert [ask() for _ in range(5)] == [(2,)] * 5
    twins.gateway.database.psql(TELLS)
    twins.gateway.reread()
    with pytest.raises(psycopg.Error) as caught:
        ask()
    assert caught.value.sqlstate == "IL002"


def test_when_it_is_of_another_schema(twins: Twins, agent: Any) -> None:
    def ask() -> Any:
        return agent.execute("SELECT count(*) FROM t WHERE a > %s", (0,), prepare=True).fetchone()

    assert [ask() for _ in range(5)] == [(20,)] * 5
    agent.execute("CREATE TEMP TABLE t (a int)")
    assert ask() == (0,)
    agent.execute("DROP TABLE pg_temp.t")
    assert ask() == (20,)


def test_when_the_session_says_what_it_means(twins: Twins, agent: Any) -> None:
    def ask() -> Any:
        return agent.execute("SELECT 1 WHERE current_setting('search_path') = 'public'").fetchone()

    agent.execute("SET search_path = public")
    assert [ask() for _ in range(3)] == [(1,)] * 3
    agent.execute("SET search_path = pg_catalog")
    assert [ask() for _ in range(3)] == [None] * 3
