"""What breaks the promises of DESIGN section 1 on purpose: real gateways in front of real servers, stores that can be held still.

One file per promise; docs/promises.md says which module keeps it.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.real.conftest import FILL, SETUP, Shop, until

from interlock.testing.gateway import Gateway, prepare
from interlock.testing.peers.pg import PgCluster, PgDatabase

Serve = Callable[..., AbstractContextManager[Shop]]


@contextmanager
def new_shop(cluster: PgCluster, folder: Path, **options: Any) -> Iterator[Shop]:
    """A shop of its own behind a gateway of its own; `options` as those of `Gateway`."""
    database = cluster.create_database(f"t_{secrets.token_hex(6)}")
    prepare(database, SETUP)
    database.psql(FILL)
    agents = options.pop("agents", ())
    with Gateway(database, folder, agents=agents, **options) as gateway:
        shop = Shop(gateway)
        shop.agent = agents[0] if agents else shop.new_agent()
        yield shop
    database.drop()


@pytest.fixture(scope="session")
def served(pg: PgCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One for all promises, on each version in turn."""
    with new_shop(pg, tmp_path_factory.mktemp("promises")) as shop:
        yield shop


@pytest.fixture
def shop(served: Shop) -> Shop:
    """With its first content and a new agent."""
    served.fill()
    return served


@pytest.fixture(scope="session")
def served18(pg18: PgCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One for all promises that do not depend on the server's version."""
    with new_shop(pg18, tmp_path_factory.mktemp("promises")) as shop:
        yield shop


@pytest.fixture
def shop18(served18: Shop) -> Shop:
    """With its first content and a new agent."""
    served18.fill()
    return served18


@pytest.fixture
def serve18(pg18: PgCluster, tmp_path: Path) -> Serve:
    """`new_shop` on 18, for tests that break the gateway itself."""
    return lambda **options: new_shop(pg18, tmp_path / "gateway", **options)


@pytest.fixture
def store18(pg18: PgCluster) -> Iterator[PgDatabase]:
    """An empty database for a store."""
    database = pg18.create_database(f"store_{secrets.token_hex(6)}")
    yield database
    database.drop()


@pytest.fixture(scope="session")
def stamped() -> Iterator[PgCluster]:
    """A server of our own that remembers when each transaction committed, and that a test may reconfigure."""
    with PgCluster.start("18", fsync=False, settings={"track_commit_timestamp": "on"}) as cluster:
        yield cluster


_WAITING = "SELECT FROM pg_locks WHERE relation = 'interlock.ledger_head'::regclass AND NOT granted"


@contextmanager
def store_held(store: PgDatabase) -> Iterator[Callable[[], Any]]:
    """In the block nobody can record anything, reading goes on. The function returns when someone wants to record something."""
    with store.connect() as connection:
        connection.execute("LOCK TABLE interlock.ledger_head IN EXCLUSIVE MODE")
        yield lambda: until(lambda: store.psql(_WAITING))


@contextmanager
def hang_commits(cluster: PgCluster) -> Iterator[None]:
    """In the block commits wait, on disk but seen by nobody, for a standby that never comes."""

    def wait_for(standby: str) -> None:
        cluster.psql(f"ALTER SYSTEM SET synchronous_standby_names = '{standby}'")
        cluster.psql("SELECT pg_reload_conf()")
        until(lambda: cluster.psql("SHOW synchronous_standby_names") == [(standby,)])

    wait_for("nobody")
    try:
        yield
    finally:
        wait_for("")


def open_transactions(database: PgDatabase) -> list[tuple[Any, ...]]:
    """The agents' sessions that wait inside a transaction."""
    return database.psql(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND usename = 'il_agent'"
        " AND state = 'idle in transaction'"
    )
