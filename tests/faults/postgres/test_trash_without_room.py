"""The disk is full while rows are kept aside: what would lose them does not run, and nothing is left half done (P6)."""

import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from interlock.connectors.postgres import trash
from interlock.testing.gateway import Gateway, prepare
from interlock.testing.peers.pg import PgCluster, PgDatabase

LIMIT = (20 << 20) + 4096
"""How long (bytes) the server's processes may make a file: longer than a segment of its log (16 MiB), shorter than the copy."""
COLUMNS = ", ".join(f"c{n} wordy" for n in range(28))
# The copy holds as text what the table holds as numbers of four bytes.
SETUP = f"""
CREATE TABLE small (a int); INSERT INTO small SELECT generate_series(1, 20);
CREATE TYPE wordy AS ENUM ('{"w" * 63}');
CREATE TABLE large (a int, {COLUMNS});
INSERT INTO large SELECT i, {", ".join([f"'{'w' * 63}'"] * 28)} FROM generate_series(1, 14000) i;
"""


@pytest.fixture
def gateway(own_cluster: Callable[[], PgCluster], tmp_path: Path) -> Iterator[Gateway]:
    cluster = own_cluster()
    database = cluster.create_database("shop")
    prepare(database, SETUP)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))  # a full disk, as far as the server can tell
    try:
        cluster.restart()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with Gateway(database, tmp_path / "gateway", keys={"limits": {"predicate_rows": 5}}) as running:
        yield running


def copies(database: PgDatabase) -> list[trash.Copy]:
    return trash.copies([tuple(row) for row in database.psql(trash.LIST[0])])


@pytest.mark.parametrize("statement", ["DROP TABLE large", "TRUNCATE large", "DROP TYPE wordy CASCADE"])
def test_the_change_is_refused_not_the_promise_broken(gateway: Gateway, statement: str) -> None:
    with gateway.connect() as agent:
        with pytest.raises(psycopg.Error, match="cannot be kept") as caught:
            agent.execute(statement)
        assert caught.value.sqlstate == "IL005"
        # The session goes on; what fits is still kept and held.
        with pytest.raises(psycopg.DatabaseError, match="held"):
            agent.execute("DROP TABLE small")
    assert gateway.database.psql("SELECT count(*), count(c27) FROM large") == [(14000, 14000)]
    assert not copies(gateway.database)
    assert [c.state.value for c in gateway.changes()] == ["held"]


def test_a_transaction_that_had_no_room_can_only_be_rolled_back(gateway: Gateway) -> None:
    with gateway.connect(autocommit=False) as agent:
        agent.execute("DELETE FROM small WHERE a = 1")
        with pytest.raises(psycopg.Error, match="cannot be kept"):
            agent.execute("DROP TABLE large")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            agent.execute("SELECT 1")
        agent.rollback()
    assert gateway.database.psql("SELECT count(*) FROM small") == [(20,)]
    assert not gateway.changes()
