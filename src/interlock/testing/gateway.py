"""A real gateway in front of a real database, for tests: policies, store, listener and connector as `interlock serve` runs them.

>>> prepare(database, "CREATE TABLE t (id int PRIMARY KEY)")
>>> with Gateway(database, tmp_path) as gateway:
...     with gateway.connect("bot") as agent:
...         agent.execute("INSERT INTO t VALUES (1)")
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg

from interlock.connectors.postgres.setup.roles import RoleNames, grants_sql
from interlock.testing.peers.pg import PgDatabase
from interlock.testing.served import BY, EVERYTHING, OWNER, PATIENCE_S, PEOPLE, ServedGateway

__all__ = [
    "BY",
    "EVERYTHING",
    "OWNER",
    "PATIENCE_S",
    "PEOPLE",
    "ROLES",
    "TARGET",
    "Gateway",
    "address",
    "prepare",
]

ROLES = RoleNames("il_agent", "il_observer", "il_owner")
TARGET = "shop"


def prepare(database: PgDatabase, setup: str = "", *, schemas: Sequence[str] = ("public",)) -> None:
    """Make the three roles as `interlock postgres grants-sql` says, and run `setup` as the role that agents run as, which so owns
    what is made."""
    role = ROLES.upstream
    database.psql(grants_sql("plain", ROLES, schemas))
    database.psql(
        f'GRANT CREATE, TEMP ON DATABASE "{database.name}" TO {role}; GRANT ALL ON SCHEMA public TO {role}'
    )
    if setup:
        # One session, so that the setup's tables belong to the role as if an agent had made them.
        database.psql(f"SET SESSION AUTHORIZATION {role}; {setup}")


class Gateway(ServedGateway):
    """See the module. `port` is where the database is reached (a proxy, say) when not at the cluster's own port. `roles`
    gives agents a role of their own on the server. `keys` are merged over the target's keys of the configuration; `more` is
    `ServedGateway`'s."""

    def __init__(
        self,
        database: PgDatabase,
        folder: Path,
        *,
        port: int | None = None,
        roles: Mapping[str, str] | None = None,
        observer: bool = True,
        target: str = TARGET,
        keys: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        self.database = database
        server = f"127.0.0.1:{port or database.cluster.port}/{database.name}?sslmode=disable"
        protected: dict[str, Any] = {
            "connector": "postgres",
            "environment": "production",
            "listen": "127.0.0.1:0",
            "upstream": {
                "dsn": f"postgresql://{ROLES.upstream}@{server}",
                "agents": {
                    name: {"dsn": f"postgresql://{role}@{server}"} for name, role in (roles or {}).items()
                },
            },
            "maintainer": {"dsn": f"postgresql://{ROLES.maintainer}@{server}"},
        }
        if observer:
            protected["observer"] = {"dsn": f"postgresql://{ROLES.observer}@{server}"}
        super().__init__(folder, target, {**protected, **(keys or {})}, **more)

    def dsn(self, agent: str = "bot", *, token: str | None = None, **options: str) -> str:
        """An agent's address; `options` are libpq's parameters."""
        password = self.tokens.get(agent, "") if token is None else token
        return address(self.port, agent, password, self.target, **options)

    def connect(self, agent: str = "bot", **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        """psycopg as an agent, in autocommit unless told otherwise."""
        return psycopg.connect(self.dsn(agent), **{"autocommit": True, **options})

    def psql(
        self, *arguments: str, agent: str = "bot", script: str | None = None, **options: str
    ) -> subprocess.CompletedProcess[str]:
        """psql as an agent, unaligned and without headers; `script` is its input."""
        return subprocess.run(
            [str(self.database.cluster.bin("psql")), "-XAtq", "-d", self.dsn(agent, **options), *arguments],
            input=script,
            stdin=subprocess.DEVNULL if script is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )

    def reread(self) -> None:
        """Have the catalogs read again now: something was changed past the gateway."""
        live = self.runtime.targets[self.target].live
        self.run(live._catalogs.load())  # type: ignore[attr-defined]


def address(port: int, agent: str, token: str, target: str = TARGET, **options: str) -> str:
    """What an agent connects with; without TLS unless told otherwise."""
    query = urlencode({"sslmode": "disable", **options}, quote_via=quote)
    return f"postgresql://{agent}:{quote(token, safe='')}@127.0.0.1:{port}/{target}?{query}"
