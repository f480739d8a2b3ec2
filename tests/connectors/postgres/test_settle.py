"""Asking a real server what became of a transaction."""

import pytest
from tests.connectors.postgres.rig import rig

from interlock.connectors.postgres.target.settle import settle
from interlock.testing.peers.pg import PgDatabase


def test_committed_rolled_back_open_and_unknown(fresh_db: PgDatabase) -> None:
    with rig(fresh_db, "CREATE TABLE t (id int)") as made:
        done = made.applied("INSERT INTO t VALUES (1)").marker
        undone = made.work("INSERT INTO t VALUES (2)").marker
        assert made.drive(settle(done)).committed is True
        assert made.drive(settle(undone)).committed is False
        made.begin()
        made.run("INSERT INTO t VALUES (3)")
        still = made.measure().marker
        assert made.drive(settle(still)).committed is None
        made.commit()
        assert made.drive(settle(still)).committed is True
        assert made.drive(settle({**done, "xid": str(1 << 40)})).committed is None
        assert made.drive(settle({})).committed is False


@pytest.mark.parametrize("field", ["system", "timeline", "database"])
def test_elsewhere_is_in_doubt(fresh_db: PgDatabase, field: str) -> None:
    with rig(fresh_db, "CREATE TABLE t (id int)") as made:
        marker = made.applied("INSERT INTO t VALUES (1)").marker
        assert made.drive(settle({**marker, field: "0"})).committed is None
