"""A suite, run to the server itself and through the gateway, on the same cluster and databases of the same name."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql
from tests.real.conformance import sources
from tests.real.conformance.suite import Outcome, Place, Run, Suite

from interlock.testing.gateway import ROLES, Gateway, prepare
from interlock.testing.peers.pg import HOST, PgCluster, PgDatabase

AGENT = ROLES.upstream.replace("_", "-")
"""The agent's name; agents have no underscores in theirs."""
_NO_PASSWORD = "none"


@dataclass(frozen=True, slots=True)
class Both:
    """What the tests of a suite came to, both ways."""

    direct: Mapping[str, Outcome]
    gateway: Mapping[str, Outcome]


def both(suite: Suite, cluster: PgCluster, folder: Path, only: Sequence[str] = ()) -> Both:
    """Run a suite both ways. What the runs write is left in `folder`. Raises Unfetched."""
    source, python = sources.source(suite), sources.python(suite)
    found: list[Mapping[str, Outcome]] = []
    for way in ("direct", "gateway"):
        (folder / way).mkdir(parents=True, exist_ok=True)
        with (
            fresh(cluster, suite) as database,
            place_of(database, suite, way == "gateway") as (place, gateway),
        ):
            found.append(suite.run(Run(source, python, place, folder / way, only, database, gateway)))
    return Both(*found)


@contextmanager
def fresh(cluster: PgCluster, suite: Suite) -> Iterator[PgDatabase]:
    """A new database with the name of the target, so that both ways show the same one."""
    with cluster.connect("template1", autocommit=True) as connection:  # one of them is called postgres
        name = sql.Identifier(suite.database)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(name))
    database = PgDatabase(cluster, suite.database)
    prepare(database)
    if suite.setup:
        database.psql(suite.setup)
    try:
        yield database
    finally:
        for (gid,) in database.psql("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"):
            database.psql(f"ROLLBACK PREPARED '{gid}'")


@contextmanager
def place_of(database: PgDatabase, suite: Suite, gated: bool) -> Iterator[tuple[Place, Gateway | None]]:
    """Where to connect to. The gateway has an agent with every right, no guardrails, and the target is protected strictly."""
    if not gated:
        yield Place(HOST, database.cluster.port, ROLES.upstream, _NO_PASSWORD, database.name), None
        return
    with tempfile.TemporaryDirectory(prefix="interlock-conformance-") as folder:
        gateway = Gateway(
            database,
            Path(folder) / "gateway",
            agents=(AGENT,),
            target=suite.database,
            keys=suite.keys,
            top={"guardrails": "none", **suite.top},
        )
        with gateway:
            yield Place(HOST, gateway.port, AGENT, gateway.tokens[AGENT], suite.database), gateway
