"""Real PostgreSQL servers on loopback for tests, the demo and the benchmarks.

>>> with PgCluster.start("18", fsync=False) as cluster:
...     database = cluster.create_database("shop")
...     database.psql("SELECT 1")
[(1,)]

Each cluster is made by its own ``initdb`` (a quarter of a second): copies of a template would share a system
identifier, and Interlock takes two targets with one identifier for the same cluster.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from interlock.testing.peers.pg_install import PgUnavailable, ServerUser, find_bindir, for_user, server_user

SUPERUSER = "postgres"
HOST = "127.0.0.1"
TRUST_HBA = "local all all trust\nhost all all 127.0.0.1/32 trust\n"
SCRAM_HBA = "local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n"
DEFAULT_SETTINGS = {
    "max_prepared_transactions": "10",
    "log_statement": "none",
    "log_min_messages": "warning",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_START_SECONDS = 60
_PORT_TRIES = 10
# Below the range that kernels give to outgoing connections, so that a restart finds its port free again.
_PORTS = range(15_000, 32_000)


class PgCluster:
    """One running (or stopped) cluster that listens on 127.0.0.1 and on a socket in :attr:`directory`.

    It ends when this process ends, however that happens: a guard process holds the other end of a pipe.
    """

    def __init__(self, version: str, bindir: Path, directory: Path, port: int, user: ServerUser) -> None:
        self.version = version
        self.bindir = bindir
        self.directory = directory
        self.port = port
        self.host = HOST
        self.password: str | None = None
        self._user = user
        self._owned = False
        self._guard: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(
        cls,
        version: str = "18",
        directory: Path | str | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        hba: str | None = None,
        password: str | None = None,
        fsync: bool = True,
    ) -> Self:
        """Make a new cluster of major ``version`` and wait until it accepts connections.

        ``directory`` must be empty or absent and its parents open to the server's user; without it a temporary
        one is made, and removed by :meth:`close`. ``settings`` go to ``postgresql.conf`` over
        :data:`DEFAULT_SETTINGS`. ``hba`` replaces ``pg_hba.conf``; the default is trust, or SCRAM when
        ``password`` (the superuser's) is given. Without ``fsync`` a crash of the machine loses the cluster,
        which tests do not mind.
        Raises :class:`PgUnavailable` when there is no such server here or it does not start.
        """
        user = server_user()
        bindir = for_user(find_bindir(version), user)
        cluster = cls(version, bindir, _make_directory(directory, user), 0, user)
        cluster._owned = directory is None
        try:
            cluster._initdb(password, fsync=fsync)
            cluster._configure({**DEFAULT_SETTINGS, **_durability(fsync), **(settings or {})})
            cluster.write_hba(hba or (SCRAM_HBA if password else TRUST_HBA))
            cluster._guard = cluster._start_guard()
            cluster._start_on_free_port()
        except BaseException:
            cluster.close()
            raise
        return cluster

    # -- where it is

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / "data"

    @property
    def socket_dir(self) -> Path:
        """The folder of the Unix socket: what ``host=`` takes in a connection string."""
        return self.directory

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.directory / "log"

    def dsn(
        self,
        dbname: str = "postgres",
        user: str = SUPERUSER,
        *,
        password: str | None = None,
        unix: bool = False,
    ) -> str:
        """A ``postgresql://`` URL over TCP or the Unix socket. The superuser's password is filled in."""
        if password is None and user == SUPERUSER:
            password = self.password
        login = quote(user, safe="") + (f":{quote(password, safe='')}" if password is not None else "")
        if unix:
            host = quote(str(self.socket_dir), safe="")
            return f"postgresql://{login}@/{quote(dbname, safe='')}?host={host}&port={self.port}"
        return f"postgresql://{login}@{self.host}:{self.port}/{quote(dbname, safe='')}"

    def bin(self, program: str) -> Path:
        """The path of ``psql``, ``pgbench``, ``pg_dump`` … of this version."""
        return self.bindir / program

    # -- running

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, or None when none is running."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
        except (FileNotFoundError, IndexError):
            return None
        try:
            return pid if psutil.Process(pid).name() == "postgres" else None
        except psutil.NoSuchProcess:
            return None

    def stop(self, immediate: bool = False) -> None:
        """Stop the server and wait for its end: sessions are ended, or (``immediate``) as in a crash."""
        if self.pid is not None:
            self._pg_ctl("stop", "-m", "immediate" if immediate else "fast")

    def kill(self) -> None:
        """``kill -9`` the postmaster, and return when its children are gone too."""
        pid = self.pid
        if pid is None:
            return
        postmaster = psutil.Process(pid)
        children = postmaster.children(recursive=True)
        os.kill(pid, signal.SIGKILL)
        # Backends notice by themselves; one deep in a computation does not, and would block a restart.
        _, left = psutil.wait_procs([postmaster, *children], timeout=5)
        for child in left:
            child.kill()
        psutil.wait_procs(left, timeout=5)

    def resume(self) -> None:
        """Start on the same port after :meth:`stop` or :meth:`kill`; returns when it accepts connections."""
        self._pg_ctl("start", "-l", str(self.log))

    def restart(self, immediate: bool = False) -> None:
        """Stop when running, then start on the same port."""
        self.stop(immediate)
        self.resume()

    def close(self) -> None:
        """Stop, and remove the directory when :meth:`start` made it. May be called twice."""
        if self.pid is not None:
            self.stop(immediate=True)
        if self._guard is not None:
            assert self._guard.stdin is not None
            self._guard.stdin.close()
            self._guard.wait()
            self._guard = None
        if self._owned:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- superuser helpers

    def connect(self, dbname: str = "postgres", user: str = SUPERUSER, **options: Any) -> psycopg.Connection:
        """A psycopg connection, not in autocommit unless ``autocommit=True`` is among the ``options``."""
        return psycopg.connect(self.dsn(dbname, user), **options)

    def psql(self, statements: str, db: str = "postgres") -> list[tuple[Any, ...]]:
        """Run ``statements`` (one or several, ``;`` between) as the superuser in autocommit.

        Returns the rows of the last result, or an empty list when it had none.
        """
        with self.connect(db, autocommit=True) as connection:
            cursor = connection.execute(statements.encode())
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description is not None else []

    def create_database(self, name: str, template: str | None = None) -> "PgDatabase":
        """Create a database, a copy of ``template`` when given (which must have no sessions then)."""
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        with self.connect(autocommit=True) as connection:
            connection.execute(statement)
        return PgDatabase(self, name)

    def drop_database(self, name: str) -> None:
        """Drop a database if it exists, ending its sessions."""
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        with self.connect(autocommit=True) as connection:
            connection.execute(statement)

    # -- configuration

    def write_hba(self, text: str) -> None:
        """Replace ``pg_hba.conf``; a running server heeds it after :meth:`restart`."""
        self._write("pg_hba.conf", text)

    def _configure(self, settings: Mapping[str, str]) -> None:
        fixed = {"listen_addresses": HOST, "unix_socket_directories": str(self.socket_dir)}
        lines = [f"{name} = '{_quoted(value)}'\n" for name, value in {**settings, **fixed}.items()]
        # After what initdb found out about this machine's memory and shared memory; the last value counts.
        self._write("postgresql.conf", (self.data / "postgresql.conf").read_text() + "".join(lines))

    def _write(self, name: str, text: str) -> None:
        path = self.data / name
        path.write_text(text, encoding="utf-8")
        self._user.own(path)

    # -- processes

    def _initdb(self, password: str | None, *, fsync: bool) -> None:
        arguments = ["-D", str(self.data), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-locale"]
        if not fsync:
            arguments.append("--no-sync")
        if password is not None:
            self.password = password
            secret = self.directory / "pwfile"
            secret.touch(mode=0o600)
            secret.write_text(password, encoding="utf-8")
            self._user.own(secret)
            arguments.append(f"--pwfile={secret}")
        self._run("initdb", *arguments)
        (self.directory / "pwfile").unlink(missing_ok=True)

    def _start_on_free_port(self) -> None:
        for _ in range(_PORT_TRIES):
            self.port = _free_port()
            self._write("postgresql.auto.conf", f"port = {self.port}\n")
            self.log.unlink(missing_ok=True)
            try:
                self.resume()
            except PgUnavailable:
                # Somebody else may have taken the port since; anything else will not change by trying again.
                if "could not bind" not in self._log_tail() and "lock file" not in self._log_tail():
                    raise
            else:
                return
        raise PgUnavailable(f"found no free port in {_PORT_TRIES} tries")

    def _pg_ctl(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self.data), "-w", "-t", str(_START_SECONDS), *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        # Output goes to a file: the postmaster inherits it, and would keep a pipe open for ever.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [self.bin(program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                **self._options(),
            )
            output.seek(0)
            said = output.read().decode(errors="replace")
        if done.returncode != 0:
            raise PgUnavailable(f"{program} of PostgreSQL {self.version} failed: {said}{self._log_tail()}")

    def _start_guard(self) -> subprocess.Popen[bytes]:
        script = 'cat >/dev/null; "$1" -D "$2" -m immediate -w stop; [ -z "$3" ] || rm -rf -- "$3"'
        removed = str(self.directory) if self._owned else ""
        return subprocess.Popen(
            ["/bin/sh", "-c", script, "guard", self.bin("pg_ctl"), str(self.data), removed],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # an interrupt from the keyboard is for us; it must outlive us
            **self._options(),
        )

    def _options(self) -> dict[str, Any]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))}
        return {"cwd": self.directory, "env": {**environment, "LC_ALL": "C"}, **self._user.popen_options()}

    def _log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""


@dataclass(frozen=True, slots=True)
class PgDatabase:
    """One database of a cluster."""

    cluster: PgCluster
    name: str

    def dsn(self, user: str = SUPERUSER, *, password: str | None = None, unix: bool = False) -> str:
        """As :meth:`PgCluster.dsn`, for this database."""
        return self.cluster.dsn(self.name, user, password=password, unix=unix)

    def connect(self, user: str = SUPERUSER, **options: Any) -> psycopg.Connection:
        """As :meth:`PgCluster.connect`, to this database."""
        return self.cluster.connect(self.name, user, **options)

    def psql(self, statements: str) -> list[tuple[Any, ...]]:
        """As :meth:`PgCluster.psql`, in this database."""
        return self.cluster.psql(statements, self.name)

    def drop(self) -> None:
        """Drop it, ending its sessions; no error when it is gone already."""
        self.cluster.drop_database(self.name)


def _make_directory(wanted: Path | str | None, user: ServerUser) -> Path:
    if wanted is None:
        directory = Path(tempfile.mkdtemp(prefix="interlock-pg-"))
    else:
        directory = Path(wanted).absolute()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    user.own(directory)
    return directory


def _durability(fsync: bool) -> dict[str, str]:
    return {} if fsync else {"fsync": "off", "full_page_writes": "off"}


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")


def _free_port() -> int:
    for port in random.SystemRandom().sample(_PORTS, 100):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise PgUnavailable("none of 100 ports tried is free")
