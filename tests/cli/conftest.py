"""The command line as people use it: processes, exit codes, and a really running server."""

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

from interlock.cli.main import main

CONFIG = """\
store: sqlite:///interlock.db
state_dir: var
api: {{listen: "127.0.0.1:{port}", public_url: "http://127.0.0.1:{port}"}}
environments: {{production: {{}}}}
targets: {{shop: {{connector: toy, environment: production}}}}
quorums: {{two-sre: {{count: 2, group: sre}}}}
break_glass: {{people: [bob]}}
breakers: "off"
reviews: {{per_hour: 1000, median_s: 0, slowed_s: 0}}
notify: [{{webhook: "http://127.0.0.1:9/", name: hook, secret: {{env: NOT_GIVEN}}, events: [break_glass]}}]
"""
TOY_SERVER = Path(__file__).with_name("toy_server.py")


@dataclass
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Place:
    """A folder with a configuration, where commands are run."""

    folder: Path
    port: int = 0
    inside: bool = False
    env: dict[str, str] = field(default_factory=dict)
    server: "subprocess.Popen[str] | None" = None

    def run(self, *words: str, stdin: str = "") -> Said:
        """Run `interlock`: as a process, or where that is asked for in this one, which is quicker."""
        if self.inside:
            return self._run_inside(words, stdin)
        done = subprocess.run(
            [sys.executable, "-m", "interlock", *words],
            cwd=self.folder,
            env={**_clean(), **self.env},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def _run_inside(self, words: tuple[str, ...], stdin: str) -> Said:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "environ", {**_clean(), **self.env})
            patch.setattr(sys, "argv", ["interlock", *words])
            for name, stream in (("stdin", io.StringIO(stdin)), ("stdout", out), ("stderr", err)):
                patch.setattr(sys, name, stream)
            patch.chdir(self.folder)
            try:
                main()
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        return Said(code, out.getvalue(), err.getvalue())

    def ok(self, *words: str, stdin: str = "") -> Said:
        """Run a command that must be done."""
        said = self.run(*words, stdin=stdin)
        assert said.code == 0, f"interlock {' '.join(words)}: {said.code}\n{said.out}{said.err}"
        return said

    def no(self, *words: str, code: int = 1, stdin: str = "") -> Said:
        """Run a command that must not be done."""
        said = self.run(*words, stdin=stdin)
        assert said.code == code, f"interlock {' '.join(words)}: {said.code}\n{said.out}{said.err}"
        assert "Traceback" not in said.err
        return said

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server with the toy target."""
        self.server = subprocess.Popen(
            [sys.executable, str(TOY_SERVER), "interlock.yaml"],
            cwd=self.folder,
            env=_clean(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(self.folder / "server.log").open("w"),
            text=True,
        )
        assert _output(self.server).readline() == "ready\n", (self.folder / "server.log").read_text()

    def ask(self, wish: object) -> Any:
        """Ask the server for something that no command does."""
        assert self.server is not None
        assert self.server.stdin is not None
        self.server.stdin.write(json.dumps(wish) + "\n")
        self.server.stdin.flush()
        return json.loads(_output(self.server).readline())

    def send(self, *statements: list[str], agent: str = "fixer", reason: str = "") -> str:
        """An agent's unit of work; the change it made."""
        answer = self.ask({"agent": agent, "statements": list(statements), "reason": reason})
        return str(answer["change"])

    def stop(self) -> None:
        if self.server is None:
            return
        if self.server.poll() is None:
            assert self.server.stdin is not None
            self.server.stdin.write('"stop"\n')
            self.server.stdin.close()
        self.server.wait(timeout=30)
        _output(self.server).close()
        self.server = None

    def person(self, name: str, *groups: str) -> None:
        """Enrol someone with a key of their own, in the file of their name."""
        self.ok("keys", "new", name)
        more = [word for group in groups or ("sre",) for word in ("--group", group)]
        self.ok("people", "add", name, *more, "--pubkey", f"{name}.pub")

    def signing(self, name: str) -> list[str]:
        return ["--as", name, "--key", name]


def _clean() -> dict[str, str]:
    return {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("INTERLOCK", "COLUMNS", "FORCE_COLOR", "NO_COLOR"))
    }


def _output(server: "subprocess.Popen[str]") -> IO[str]:
    assert server.stdout is not None
    return server.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder without anything."""
    return Place(tmp_path, inside=True)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """What `furnished` is, for all tests of a module."""
    yield from _furnished(tmp_path_factory.mktemp("place"))


@pytest.fixture
def furnished(running: Place) -> Place:
    """A running server with `ann`, `bob`, `cho` (sre), `olga` (sre, owner of `fixer` and `other`) and `adm` (admin); all rows are
    there and nothing is open, whatever other tests left."""
    running.ask("anew")
    return running


@pytest.fixture
def own_place(tmp_path: Path) -> Iterator[Place]:
    """The same for one test alone, which may change what holds for all."""
    yield from _furnished(tmp_path)


def _furnished(folder: Path) -> Iterator[Place]:
    made = Place(folder, free_port(), inside=True)
    (made.folder / "interlock.yaml").write_text(CONFIG.format(port=made.port))
    made.start()
    try:
        for name in ("ann", "bob", "cho", "olga"):
            made.person(name)
        made.person("adm", "admin")
        for agent in ("fixer", "other"):
            made.ok("agents", "add", agent, "--owner", "olga")
            made.ok(
                *[
                    "grants",
                    "add",
                    "--target",
                    "shop",
                    "--actions",
                    "read,create,update,delete",
                    "--expires",
                    "8h",
                    "--agent",
                ],
                agent,
            )
        yield made
    finally:
        made.stop()
