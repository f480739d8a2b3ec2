"""The shop's catalogs, on each server."""

import secrets

import pytest
from tests.connectors.postgres.classify.shop import SHOP, read

from interlock.connectors.postgres.catalog import Catalog
from interlock.testing.peers.pg import PgCluster


@pytest.fixture(scope="session")
def shop(pg: PgCluster) -> Catalog:
    """The snapshot of a shop database, on each version in turn. The database is gone already: classification needs none."""
    database = pg.create_database(f"shop_{secrets.token_hex(6)}")
    try:
        database.psql(SHOP)
        return read(database)
    finally:
        database.drop()


@pytest.fixture(scope="session")
def bare(pg: PgCluster) -> Catalog:
    """The snapshot of an empty database, on each version in turn."""
    database = pg.create_database(f"bare_{secrets.token_hex(6)}")
    try:
        return read(database)
    finally:
        database.drop()
