"""What the demo stands on: a PostgreSQL server with the shop, a server of Interlock's on SQLite, people and agents.

Everything that people do goes through the command line, as they would do it; the agents are psycopg and nothing else.
"""

import json
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg

from interlock.testing.peers.pg import PgCluster, PgDatabase

TABLES = ("customers", "orders", "payments", "status_changes")
START_S = 30.0
"""How long (seconds) the server may take to answer."""

_CONFIG = """\
store: sqlite:///{folder}/interlock.db
state_dir: {folder}/var
api: {{listen: "127.0.0.1:{api}", public_url: "http://127.0.0.1:{api}"}}
environments: {{production: {{protection: strict}}}}
targets:
  shop:
    connector: postgres
    environment: production
    listen: "127.0.0.1:{port}"
    upstream: {{dsn: "postgresql://shop_agent@{server}", password: {{file: password}}}}
    observer: {{dsn: "postgresql://shop_observer@{server}", password: {{file: password}}}}
    maintainer: {{dsn: "postgresql://shop_owner@{server}", password: {{file: password}}}}
quorums: {{two-sre: {{count: 2, group: sre}}, two-admins: {{count: 2, group: admin}}}}
"""


class Failed(Exception):
    """A step of the demo did not come out as it must."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a command of the command line answered."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Its output as JSON."""
        return json.loads(self.out)


@dataclass(slots=True)
class Place:
    """A folder with a running server of Interlock's. `commands` collects the command lines, for the reader."""

    folder: Path
    server: subprocess.Popen[bytes]
    port: int
    api: int
    tokens: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)

    def interlock(self, *words: str) -> Said:
        """Run a command of `interlock` and return what it answered."""
        self.commands.append(shlex.join(["interlock", *(w.replace(f"{self.folder}/", "") for w in words)]))
        return _interlock(self.folder, *words)

    def must(self, *words: str) -> Said:
        """As `interlock`; a refusal ends the demo."""
        said = self.interlock(*words)
        if said.code:
            raise Failed(f"interlock {shlex.join(words)}: exit {said.code}\n{said.out}{said.err}")
        return said

    def key(self, person: str) -> str:
        """The file of a person's signing key."""
        return str(self.folder / f"{person}.key")

    def stop(self) -> int:
        """End the server as an operator would; its exit status."""
        self.server.send_signal(signal.SIGTERM)
        return self.server.wait(timeout=30)


@dataclass(slots=True, kw_only=True)
class Stage(Place):
    """The shop behind it."""

    database: PgDatabase

    def dsn(self, agent: str) -> str:
        """How an agent connects."""
        return f"postgresql://{agent}:{self.tokens[agent]}@127.0.0.1:{self.port}/shop"

    def agent(self, name: str) -> psycopg.Connection[tuple[Any, ...]]:
        """An agent's own connection, in autocommit mode."""
        return psycopg.connect(self.dsn(name), autocommit=True, application_name="agent")

    def contents(self) -> dict[str, str]:
        """A digest of every row of every table, and of the catalog, read from the server itself, past the gateway."""
        found = {
            table: str(
                self.database.psql(
                    f"SELECT count(*) || ' ' || md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '')) FROM shop.{table} t"
                )[0][0]
            )
            for table in TABLES
        }
        objects = self.database.psql(
            "SELECT string_agg(pg_describe_object(classid, objid, 0), ',' ORDER BY classid, objid) FROM pg_depend"
            " WHERE refclassid = 'pg_namespace'::regclass AND refobjid = 'shop'::regnamespace"
        )
        return {**found, "objects": str(objects[0][0])}


def _interlock(folder: Path, *words: str) -> Said:
    done = subprocess.run(
        [sys.executable, "-m", "interlock", *words],
        cwd=folder,
        env=_environment(folder),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "INTERLOCK_CONFIG": str(folder / "interlock.yaml"), "NO_COLOR": "1"}


@contextmanager
def stage() -> Iterator[Stage]:
    """Build it, and take it down again."""
    with (
        tempfile.TemporaryDirectory(prefix="interlock-demo-") as name,
        PgCluster.start("18", password=(password := secrets.token_hex(16))) as cluster,
    ):
        folder = Path(name)
        (folder / "password").touch(mode=0o600)
        (folder / "password").write_text(password)
        database = _shop(cluster, password)
        api, port = free_port(), free_port()
        _write_config(folder, database, api, port)
        made = Stage(folder, serving(folder), port, api, database=database)
        with ready(made):
            people(made, "shop", {"fixer": (), "batch": ("--max-rows", "1500")})
            yield made


def serving(folder: Path) -> subprocess.Popen[bytes]:
    """A server on the configuration in a folder, with its log there."""
    with (folder / "server.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "interlock", "serve"],
            cwd=folder,
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


@contextmanager
def ready(made: Place) -> Iterator[None]:
    """Wait until the server answers, and see to it that it ends."""
    try:
        _await(made)
        yield
    finally:
        if made.server.poll() is None:
            made.server.kill()
            made.server.wait()


def _shop(cluster: PgCluster, password: str) -> PgDatabase:
    # Nobody but the gateway knows the password, so that nobody can pass it by.
    cluster.psql(
        f"CREATE ROLE shop_agent LOGIN PASSWORD '{password}'; CREATE ROLE shop_owner LOGIN PASSWORD '{password}';"
        f"CREATE ROLE shop_observer LOGIN BYPASSRLS PASSWORD '{password}'; GRANT shop_agent TO shop_owner;"
        "GRANT pg_read_all_data TO shop_observer"
    )
    database = cluster.create_database("shop")
    with database.connect() as connection:
        connection.execute("GRANT CREATE ON DATABASE shop TO shop_agent")
        connection.execute("SET SESSION AUTHORIZATION shop_agent")
        connection.execute(files(__package__).joinpath("shop.sql").read_text("utf-8"))
        connection.execute("RESET SESSION AUTHORIZATION")
    database.psql("ANALYZE")
    return database


def _write_config(folder: Path, database: PgDatabase, api: int, port: int) -> None:
    address = f"127.0.0.1:{database.cluster.port}/{database.name}?sslmode=disable"
    initialised(folder, _CONFIG.format(folder=folder, api=api, port=port, server=address))


def initialised(folder: Path, config: str) -> None:
    """Write the configuration, and have the state directory with its keys and the store made. Raises Failed."""
    (folder / "interlock.yaml").write_text(config)
    said = _interlock(folder, "init", str(folder))
    if said.code:
        raise Failed(f"interlock init: {said.out}{said.err}")


def _await(made: Place) -> None:
    """Wait until the server says that it is healthy."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if made.server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{made.api}/healthz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise Failed(f"the server did not start:\n{(made.folder / 'server.log').read_text()}")


def people(
    made: Place,
    target: str,
    agents: Mapping[str, Sequence[str]],
    actions: str = "read,create,update,delete",
) -> None:
    """Olga owns the agents; Ann, Ben and Olga are the sre group. `agents` names each agent's limits."""
    for person in ("olga", "ann", "ben"):
        made.must("keys", "new", made.key(person))
        made.must("people", "add", person, "--group", "sre", "--pubkey", f"{made.key(person)}.pub")
    for agent, limit in agents.items():
        said = made.must("agents", "add", agent, "--owner", "olga", "--json").json()
        made.tokens[agent] = said["token"]
        made.must(
            *("grants", "add", "--agent", agent, "--target", target, "--expires", "8h"),
            *("--actions", actions, *limit),
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
