"""The three ways to one database: to the server itself, through pgbouncer, through Interlock."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from bench.gateway import AGENT, TARGET, Gateway, running
from bench.measure import DIRECT, GATEWAY, POOLER
from interlock.testing.peers.pg import HOST, PgCluster
from interlock.testing.peers.pg_install import server_user

ROLE, OBSERVER, DATABASE = "bench_agent", "bench_observer", "bench"
_POOLER_INI = """\
[databases]
{database} = host={host} port={port} user={role}
[pgbouncer]
listen_addr = {host}
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = session
max_client_conn = 1000
default_pool_size = 400
logfile =
"""


@dataclass(frozen=True, slots=True)
class Way:
    """How a client connects, and the process in between (None for the server itself)."""

    port: int
    user: str
    database: str
    password: str = ""
    process: psutil.Process | None = None

    def dsn(self) -> str:
        login = self.user + (f":{self.password}" if self.password else "")
        return f"postgresql://{login}@{HOST}:{self.port}/{self.database}?sslmode=disable"

    def connect(self) -> psycopg.Connection:
        """A connection in autocommit mode."""
        return psycopg.connect(self.dsn(), autocommit=True)

    def environment(self) -> dict[str, str]:
        """For programs on libpq."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("PG")},
            "PGHOST": HOST,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGDATABASE": self.database,
            "PGSSLMODE": "disable",
        }


@dataclass(frozen=True, slots=True)
class Place:
    """The server, the ways to it, and the gateway's installation."""

    cluster: PgCluster
    ways: dict[str, Way]
    gateway: Gateway

    def sql(self, statements: str) -> list[tuple[object, ...]]:
        """As the superuser, past everything."""
        return self.cluster.psql(statements, DATABASE)


def find_pooler() -> Path | None:
    """The program, which Debian places where only root's PATH looks."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return Path(found) if found else None


@contextlib.contextmanager
def place(version: str, folder: Path) -> Iterator[Place]:
    """Start everything, and take it down again."""
    settings = {"max_connections": "500", "shared_buffers": "256MB", "max_wal_size": "4GB"}
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(PgCluster.start(version, settings=settings))
        cluster.psql(f"CREATE ROLE {ROLE} LOGIN; CREATE ROLE {OBSERVER} LOGIN BYPASSRLS")
        cluster.psql(f"GRANT pg_read_all_data TO {OBSERVER}")
        database = cluster.create_database(DATABASE)
        database.psql(f"GRANT ALL ON SCHEMA public TO {ROLE}")
        ways = {DIRECT: Way(cluster.port, ROLE, DATABASE)}
        pooler = find_pooler()
        if pooler is not None:
            ways[POOLER] = stack.enter_context(pooling(pooler, cluster))
        gateway = stack.enter_context(running(folder, database, ROLE, OBSERVER))
        ways[GATEWAY] = Way(gateway.port, AGENT, TARGET, gateway.token, psutil.Process(gateway.pid))
        yield Place(cluster, ways, gateway)


@contextlib.contextmanager
def pooling(program: Path, cluster: PgCluster) -> Iterator[Way]:
    """pgbouncer in front of the database, pooling sessions."""
    listen = free_port()
    user = server_user()
    ini = cluster.directory / "pgbouncer.ini"
    ini.write_text(
        _POOLER_INI.format(database=DATABASE, host=HOST, port=cluster.port, role=ROLE, listen=listen)
    )
    user.own(ini)
    process = subprocess.Popen(
        [program, "-q", ini],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=cluster.directory,
        **user.popen_options(),
    )
    try:
        _await_port(listen, process)
        yield Way(listen, ROLE, DATABASE, process=psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait()


def _await_port(port: int, process: "subprocess.Popen[bytes]", seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
