"""A gateway with a database, and beside it a twin of that database which is reached directly."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from tests.connectors.postgres.session.rawclient import RawClient, raw, short

from interlock.testing.gateway import ROLES, Gateway, prepare
from interlock.testing.peers.pg import PgCluster, PgDatabase

Round = Sequence[Any]
SETUP = """
CREATE TABLE t (a int PRIMARY KEY, b text) WITH (autovacuum_enabled = off);
CREATE TABLE wide (id int PRIMARY KEY, n numeric, at timestamptz, raw bytea, yes bool, many int[]);
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE DEFERRABLE);
CREATE FUNCTION loud(what text) RETURNS int LANGUAGE plpgsql AS
  'BEGIN RAISE NOTICE ''hear: %'', what; RETURN 1; END';
CREATE FUNCTION wipe() RETURNS bigint LANGUAGE sql AS 'DELETE FROM t; SELECT count(*) FROM t';
CREATE PROCEDURE forget(which int) LANGUAGE sql AS 'DELETE FROM t WHERE a = which';
"""
FILL = """
TRUNCATE t, wide, child, parent;
INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 20) i;
INSERT INTO parent SELECT generate_series(1, 5);
INSERT INTO child SELECT i, i FROM generate_series(1, 5) i;
"""
LOOK = "SELECT 't', t::text FROM t UNION ALL SELECT 'wide', w::text FROM wide w UNION ALL SELECT 'child', c::text FROM child c"


@dataclass
class Twins:
    """The same database twice: behind a gateway that lets everything pass that is measured, and directly. In both the rows lie in
    the same order and have the same plans: tables are emptied as a whole, and no autovacuum looks at one of them first."""

    gateway: Gateway
    direct: PgDatabase

    def fill(self) -> None:
        """Back to the first content."""
        for database in (self.gateway.database, self.direct):
            database.psql(FILL)

    def rows(self) -> tuple[list[Any], list[Any]]:
        """What is in the tables: behind the gateway, and in the twin."""
        return sorted(self.gateway.database.psql(LOOK)), sorted(self.direct.psql(LOOK))

    def through(self) -> Any:
        return raw(self.gateway.port, "bot", self.gateway.tokens["bot"])

    def past(self) -> Any:
        return raw(self.direct.cluster.port, ROLES.upstream, database=self.direct.name)


def play(client: RawClient, rounds: Sequence[Round]) -> list[list[str]]:
    """Send round by round. A round ends with the last ReadyForQuery that its messages call for; a number at its beginning says how
    many those are, where COPY swallows some."""
    said = []
    for messages in rounds:
        if isinstance(messages[0], int):
            count, messages = messages[0], messages[1:]
        else:
            count = sum(type(m).__name__ in ("Query", "Sync", "FunctionCall") for m in messages)
        client.send(*messages)
        heard: list[Any] = []
        for _ in range(count):
            heard += client.until_ready()
        said.append(short(heard))
    return said


@pytest.fixture(scope="module")
def twins(pg: PgCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """On each version in turn. Call `fill` first."""
    behind = pg.create_database(f"t_{secrets.token_hex(6)}")
    direct = pg.create_database(f"t_{secrets.token_hex(6)}")
    for database in (behind, direct):
        prepare(database, SETUP)
    top = {"guardrails": "none"}
    with Gateway(behind, tmp_path_factory.mktemp("gateway"), top=top) as gateway:
        yield Twins(gateway, direct)
    behind.drop()
    direct.drop()
