"""The real-peer fixtures themselves: what they promise to the tests that stand on them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest

from interlock.testing.peers.pg import PgCluster, PgDatabase
from interlock.testing.peers.pg_install import PgUnavailable, available_versions

MakeCluster = Callable[..., PgCluster]


def test_postgres_18_comes_with_the_packages() -> None:
    assert "18" in available_versions()


def test_unknown_version_is_refused_with_its_name() -> None:
    with pytest.raises(PgUnavailable, match="PostgreSQL 9 "):
        PgCluster.start("9")


def test_database_is_reached_by_tcp_and_by_socket(fresh_db: PgDatabase) -> None:
    for unix in (False, True):
        with psycopg.connect(fresh_db.dsn(unix=unix)) as connection:
            row = connection.execute(
                "SELECT current_database(), current_setting('server_version_num')"
            ).fetchone()
            assert row is not None
            assert row[0] == fresh_db.name
            assert row[1].startswith(fresh_db.cluster.version)


def test_databases_are_fresh(fresh_db: PgDatabase) -> None:
    assert fresh_db.psql("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == [
        (0,)
    ]
    fresh_db.psql("CREATE TABLE t (id int); INSERT INTO t VALUES (1)")
    assert fresh_db.psql("SELECT id FROM t") == [(1,)]


def test_template_copies_content(pg18: PgCluster, fresh_db18: PgDatabase) -> None:
    fresh_db18.psql("CREATE TABLE t AS SELECT 7 AS id")
    copy = pg18.create_database(f"{fresh_db18.name}_copy", template=fresh_db18.name)
    assert copy.psql("SELECT id FROM t") == [(7,)]
    copy.drop()


def test_clusters_have_identities_of_their_own(own_cluster: MakeCluster, pg18: PgCluster) -> None:
    identity = "SELECT system_identifier FROM pg_control_system()"
    assert own_cluster().psql(identity) != pg18.psql(identity)


def test_settings_and_hba_are_in_force(own_cluster: MakeCluster) -> None:
    cluster = own_cluster(settings={"application_name": "it's \\ quoted"}, password="p@ss/word")
    assert cluster.psql("SHOW application_name") == [("it's \\ quoted",)]
    assert cluster.psql("SHOW max_prepared_transactions") == [("10",)]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(cluster.dsn(password="wrong"))


def test_killed_cluster_recovers_on_its_port(own_cluster: MakeCluster) -> None:
    cluster = own_cluster()
    cluster.psql("CREATE TABLE t AS SELECT 7 AS id")
    port, pid = cluster.port, cluster.pid
    assert pid is not None
    cluster.kill()
    assert not psutil.pid_exists(pid)
    with pytest.raises(psycopg.OperationalError):
        cluster.connect()
    cluster.resume()
    assert cluster.port == port
    assert cluster.psql("SELECT id FROM t") == [(7,)]


@pytest.mark.parametrize("immediate", [False, True])
def test_restart_ends_sessions_and_keeps_data(own_cluster: MakeCluster, immediate: bool) -> None:
    cluster = own_cluster()
    cluster.psql("CREATE TABLE t AS SELECT 7 AS id")
    with cluster.connect(autocommit=True) as session:
        cluster.restart(immediate)
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    assert cluster.psql("SELECT id FROM t") == [(7,)]


def test_close_removes_what_start_made(own_cluster: MakeCluster) -> None:
    cluster = own_cluster()
    directory = cluster.directory
    cluster.close()
    cluster.close()
    assert not directory.exists()


OWNER = """
from interlock.testing.peers.pg import PgCluster
cluster = PgCluster.start(fsync=False)
print(cluster.pid, cluster._guard.pid, cluster.directory, flush=True)
input()
"""


def test_cluster_ends_with_a_killed_owner() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        pid, guard, directory = owner.stdout.readline().split()
        left = [psutil.Process(int(pid)), psutil.Process(int(guard))]
        owner.kill()
    _, alive = psutil.wait_procs(left, timeout=60)
    assert not alive
    assert not Path(directory).exists()
