"""Extensions that are there: making sure of them again changes nothing, and what they add under common names gets in nobody's way.
(Of the two servers only Debian's has any to try.)"""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.conftest import fails

from interlock.testing.gateway import Gateway, prepare
from interlock.testing.peers.pg import PgCluster

SETUP = "CREATE TABLE numbers (id serial PRIMARY KEY); INSERT INTO numbers DEFAULT VALUES"
FORBIDDEN = "IL002"


@pytest.fixture
def gateway(pg15: PgCluster, tmp_path: Path) -> Iterator[Gateway]:
    database = pg15.create_database(f"t_{secrets.token_hex(6)}")
    database.psql("CREATE EXTENSION citext")
    prepare(database, SETUP)
    with Gateway(database, tmp_path / "g", top={"guardrails": "none"}) as made:
        yield made
    database.drop()


def test_an_extension_that_is_there_may_be_asked_for_again(gateway: Gateway) -> None:
    with gateway.connect(autocommit=False) as agent:
        agent.execute("CREATE EXTENSION IF NOT EXISTS citext")
        agent.execute("INSERT INTO numbers DEFAULT VALUES")
        agent.commit()
        # The script of one that is not there would run among other statements: it is still refused.
        with fails(FORBIDDEN):
            agent.execute("CREATE EXTENSION IF NOT EXISTS hstore")
        agent.rollback()
        with fails(FORBIDDEN):
            agent.execute("CREATE EXTENSION citext")
    assert gateway.database.psql("SELECT count(*) FROM numbers") == [(2,)]


def test_a_sequence_is_set_after_the_largest_number(gateway: Gateway) -> None:
    """As Django and others do; citext has a max() as well, which could be meant."""
    with gateway.connect() as agent:
        asked = """SELECT setval(pg_get_serial_sequence('numbers', 'id'), coalesce(max(id), 1), max(id) IS NOT null) FROM numbers"""
        assert agent.execute(asked).fetchone() == (1,)
