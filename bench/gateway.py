"""Interlock as it is run: its own installation, its own process, one agent with a generous grant."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.testing.peers.pg import HOST, PgDatabase

AGENT, TARGET = "bencher", "bench"
_START_S = 60.0
_CONFIG = """\
store: sqlite:///{folder}/interlock.db
state_dir: {folder}/var
api: {{listen: "{host}:{api}", public_url: "http://{host}:{api}"}}
environments: {{production: {{protection: strict}}}}
targets:
  {target}:
    connector: postgres
    environment: production
    listen: "{host}:{port}"
    upstream: {{dsn: "postgresql://{role}@{address}"}}
    observer: {{dsn: "postgresql://{observer}@{address}"}}
quorums: {{two-sre: {{count: 2, group: sre}}, two-admins: {{count: 2, group: admin}}}}
budgets:
  session: {{rows_created: {many}, rows_updated: {many}}}
  agent: {{rows_created: {many}, rows_updated: {many}}}
  owner: {{rows_created: {many}, rows_updated: {many}}}
  table: {{rows_created: {many}, rows_updated: {many}}}
"""
_MANY = 10**12
"""Budgets are counted, and never spent: one that is would have each further write wait for people."""


@dataclass(slots=True)
class Gateway:
    """A running installation. ``port`` is where agents connect, ``api`` where it answers over HTTP."""

    folder: Path
    port: int
    api: int
    pid: int
    token: str = ""

    def command(self, *words: str) -> str:
        """Run a command of ``interlock``; its output."""
        done = subprocess.run(
            [sys.executable, "-m", "interlock", *words],
            cwd=self.folder,
            env=_environment(self.folder),
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            raise RuntimeError(f"interlock {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def metric(self, name: str) -> float:
        """One number of ``/metrics``."""
        with urllib.request.urlopen(f"http://{HOST}:{self.api}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return next(
            float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name
        )


@contextlib.contextmanager
def running(
    folder: Path, database: PgDatabase, role: str, observer: str, *, server: int | None = None
) -> Iterator[Gateway]:
    """Make an installation in ``folder`` for a database and serve it. ``server`` is the port that the gateway finds the
    database at, where that is not its own."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Gateway(folder, _free_port(), _free_port(), 0)
    address = f"{HOST}:{server or database.cluster.port}/{database.name}?sslmode=disable"
    names: dict[str, Any] = {
        "many": _MANY,
        "host": HOST,
        "target": TARGET,
        "role": role,
        "observer": observer,
    }
    (folder / "interlock.yaml").write_text(
        _CONFIG.format(folder=folder, api=made.api, port=made.port, address=address, **names)
    )
    made.command("init", str(folder))
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "interlock", "serve"],
            cwd=folder,
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    made.pid = process.pid
    try:
        _await(made, process, log)
        _admit(made)
        yield made
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _admit(made: Gateway) -> None:
    made.command("keys", "new", "olga.key")
    made.command("people", "add", "olga", "--group", "sre", "--pubkey", "olga.key.pub")
    made.token = json.loads(made.command("agents", "add", AGENT, "--owner", "olga", "--json"))["token"]
    made.command(
        *("grants", "add", "--agent", AGENT, "--target", TARGET, "--expires", "8h"),
        *("--actions", "read,create,update,delete"),
    )


def _await(made: Gateway, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{made.api}/healthz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(f"the server did not start:\n{log.read_text()}")


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "INTERLOCK_CONFIG": str(folder / "interlock.yaml"), "NO_COLOR": "1"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
