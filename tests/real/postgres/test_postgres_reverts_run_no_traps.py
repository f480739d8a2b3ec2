"""P1 and P9 where the gateway undoes a change: it works with rights of its own, and before the revert is recorded, so code that
an agent has hung on a table must do nothing then that no rollback undoes."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from interlock.model.change import ChangeState
from interlock.sdk.connector import Permitted, Refused
from interlock.testing.gateway import Gateway, prepare
from interlock.testing.peers.pg import PgCluster

SETUP = "CREATE SEQUENCE tickets; SELECT setval('tickets', 500);"
TRAP = """
CREATE TABLE mine (id int PRIMARY KEY);
INSERT INTO mine SELECT generate_series(1, 100);
CREATE FUNCTION spring() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN IF to_regproc(''helper'') IS NOT NULL THEN PERFORM helper(); END IF; RETURN NEW; END';
CREATE TRIGGER springs BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION spring();
"""
HELPER = (
    "CREATE FUNCTION helper() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN setval(''tickets'', 1); END'"
)


@pytest.fixture
def gateway(pg: PgCluster, tmp_path: Path) -> Iterator[Gateway]:
    database = pg.create_database(f"t_{secrets.token_hex(6)}")
    prepare(database, SETUP)
    with Gateway(database, tmp_path) as running:
        yield running
    database.drop()


def test_a_revert_springs_no_trap(gateway: Gateway) -> None:
    """What the table's trigger calls is made after the deletion that is to be reverted."""
    with gateway.connect() as agent:
        agent.execute(f"BEGIN; {TRAP} COMMIT".encode())
        agent.execute("DELETE FROM mine WHERE id = 7")
        change = gateway.changes(ChangeState.APPLIED)[0]
        agent.execute(HELPER.encode())
    before = gateway.database.psql("SELECT last_value FROM tickets")
    answer = gateway.revert(change.id)
    assert isinstance(answer, Refused)
    assert "no rollback would undo" in answer.why
    assert gateway.database.psql("SELECT last_value FROM tickets") == before


def test_what_only_computes_does_not_stand_in_the_way(gateway: Gateway) -> None:
    with gateway.connect() as agent:
        agent.execute(f"BEGIN; {TRAP} COMMIT".encode())
        agent.execute("DELETE FROM mine WHERE id = 7")
        change = gateway.changes(ChangeState.APPLIED)[0]
    assert isinstance(gateway.revert(change.id), Permitted)
    assert gateway.database.psql("SELECT count(*) FROM mine") == [(100,)]
