"""P1 where the gateway runs an approved change by itself: what no rollback undoes must not run before the intent is recorded."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from interlock.model.change import ChangeState
from interlock.model.errors import InterlockError
from interlock.sdk.connector import Permitted
from interlock.testing.gateway import Gateway, prepare
from interlock.testing.peers.pg import PgCluster

SETUP = """
CREATE SEQUENCE tickets; SELECT setval('tickets', 500);
CREATE TABLE ten (id int PRIMARY KEY); INSERT INTO ten SELECT generate_series(1, 10);
"""
LASTING = {
    "a sequence": "SELECT setval('tickets', 1)",
    "a sequence, by code": "DO $$ BEGIN PERFORM setval('tickets', 1); END $$",
    "a signal": "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = -1",
    "a table kept from others": "VACUUM FULL ten",
}


@pytest.fixture
def gateway(pg: PgCluster, tmp_path: Path) -> Iterator[Gateway]:
    database = pg.create_database(f"t_{secrets.token_hex(6)}")
    prepare(database, SETUP)
    with Gateway(database, tmp_path) as running:
        yield running
    database.drop()


def state(gateway: Gateway) -> object:
    return (
        gateway.database.psql("SELECT last_value FROM tickets"),
        gateway.database.psql("SELECT relfilenode FROM pg_class WHERE relname = 'ten'"),
    )


@pytest.mark.parametrize("what", LASTING)
def test_nothing_lasting_happens_while_a_breaker_is_open(gateway: Gateway, what: str) -> None:
    with gateway.connect() as agent, pytest.raises(psycopg.Error) as caught:
        agent.execute(LASTING[what].encode())
    assert caught.value.sqlstate == "IL001"
    change = gateway.approve(gateway.held().id)
    before = state(gateway)
    gateway.freeze()
    try:
        answer = gateway.apply(change.id)
        assert not isinstance(answer, Permitted), answer
    except InterlockError:
        pass
    assert state(gateway) == before
    assert not [entry for entry in gateway.entries("intent") if change.id in str(entry)]


@pytest.mark.parametrize("what", LASTING)
def test_what_is_applied_is_done_once_and_recorded_first(gateway: Gateway, what: str) -> None:
    """Or it is said that it cannot be applied, and the agent is to send it again; then nothing has happened."""
    with gateway.connect() as agent, pytest.raises(psycopg.Error):
        agent.execute(LASTING[what].encode())
    change = gateway.approve(gateway.held().id)
    before = state(gateway)
    try:
        done = isinstance(gateway.apply(change.id), Permitted)
    except InterlockError:
        done = False
    recorded = [entry["kind"] for entry in gateway.entries("intent", "outcome") if change.id in str(entry)]
    if not done:
        assert state(gateway) == before
        assert gateway.change(change.id).state is ChangeState.APPROVED
        with gateway.connect() as agent:
            agent.execute(LASTING[what].encode())
    else:
        assert recorded[:1] == ["intent"]
    assert gateway.change(change.id).state is ChangeState.APPLIED


@pytest.mark.parametrize(
    ("sql", "values"), [("SELECT setval('tickets', $1::bigint)", [b"7"]), ("VACUUM FULL ten", [])]
)
def test_what_came_by_the_extended_protocol_is_applied_likewise(
    gateway: Gateway, sql: str, values: list[bytes]
) -> None:
    with gateway.connect() as agent:
        said = agent.pgconn.exec_params(sql.encode(), values).error_message
    assert b"is held" in said or b"held:" in said, said
    change = gateway.approve(gateway.held().id)
    before = state(gateway)
    assert isinstance(gateway.apply(change.id), Permitted)
    assert gateway.change(change.id).state is ChangeState.APPLIED
    assert state(gateway) != before
    assert [entry for entry in gateway.entries("intent") if change.id in str(entry)]
