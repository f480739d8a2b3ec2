"""The import contracts of pyproject.toml hold, and each of them can be broken; and what imports cannot show."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.import_order import modules, unfinished

ROOT = Path(__file__).parent.parent
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
LAYERS = (
    "cli",
    "console",
    "runtime",
    "pipeline",
    "policy",
    "ledger",
    "control",
    "connectors",
    "sdk",
    "wire",
    "model",
)


def lint(root: Path) -> tuple[int, str]:
    environment = {**os.environ, "PYTHONPATH": str(root / "src"), "NO_COLOR": "1", "COLUMNS": "200"}
    done = subprocess.run(
        [LINT_IMPORTS, "--config", root / "pyproject.toml", "--no-cache"],
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout


def package(root: Path, imports: dict[str, str]) -> None:
    """A package of the same shape under ``root``, empty but for ``imports``: file name → one line."""
    (root / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    folders = [*LAYERS, "testing", "connectors/postgres", "connectors/aws"]
    for folder in ("", *folders):
        (root / "src/interlock" / folder).mkdir(parents=True, exist_ok=True)
        (root / "src/interlock" / folder / "__init__.py").touch()
    needed = {"policy/cedar.py": "import cedarpy", "sdk/connector.py": "import ssl"}
    for name, line in {**needed, **imports}.items():
        file = root / "src/interlock" / name
        file.parent.mkdir(exist_ok=True)
        (file.parent / "__init__.py").touch()
        file.write_text(f"{line}\n", encoding="utf-8")


def test_each_module_can_be_the_first_to_be_imported() -> None:
    """No circle of imports waits for somebody to enter it at another place."""
    assert "interlock.cli.main" in modules(ROOT / "src")
    assert unfinished(ROOT / "src") == {}


CIRCLES = {
    "at its beginning": {"a": "from p.b import y\nx = 1", "b": "from p.a import x\ny = 2"},
    "at its end": {"a": "x = 1\nfrom p.b import y", "b": "from p.a import x\ny = 2"},
    "as modules": {"a": "import p.b\nx = 1", "b": "import p.a\ny = 2"},
    "as modules of a package": {"a": "from p import b\nx = 1", "b": "from p import a\ny = 2"},
    "in functions": {"a": "from p.b import y\nx = 1", "b": "def f():\n    from p.a import x\ny = 2"},
    "for types": {
        "a": "from p.b import y\nx = 1",
        "b": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.a import x\ny = 2",
    },
    "through the package": {
        "__init__": "from p.a import x",
        "a": "from p.b import y\nx = 1",
        "b": "from p import x\ny = 2",
    },
    "in a class": {"a": "from p.b import Y\nx = 1", "b": "class Y:\n    from p.a import x"},
    "three": {
        "a": "from p.b import y\nx = 1",
        "b": "from p.c import z\ny = z",
        "c": "import p.a\nfrom p.a import x\nz = 1",
    },
    "none": {"a": "x = 1", "b": "from p.a import x\ny = 2"},
}


FAILING = {
    "at its beginning": "ab",
    "at its end": "b",
    "through the package": "ab",
    "in a class": "ab",
    "three": "abc",
}
"""Of which circles which modules cannot be the first."""


@pytest.mark.parametrize("name", CIRCLES)
def test_circles_are_found_as_python_finds_them(tmp_path: Path, name: str) -> None:
    (tmp_path / "p").mkdir()
    for module, text in ({"__init__": ""} | CIRCLES[name]).items():
        (tmp_path / "p" / f"{module}.py").write_text(f"{text}\n", encoding="utf-8")
    first = [f"p.{module}" for module in CIRCLES[name] if module != "__init__"]
    run = [sys.executable, "-c", "import sys, importlib; importlib.import_module(sys.argv[1])"]
    failing = {
        m
        for m in first
        if subprocess.run([*run, m], cwd=tmp_path, capture_output=True, check=False).returncode
    }
    assert {m for m in unfinished(tmp_path) if m != "p"} == failing
    assert failing == {f"p.{module}" for module in FAILING.get(name, "")}


def test_contracts_hold() -> None:
    status, said = lint(ROOT)
    assert status == 0, said


def test_allowed_imports_pass(tmp_path: Path) -> None:
    package(
        tmp_path,
        {
            "connectors/postgres/upstream.py": "import asyncio, socket, psycopg",
            "connectors/postgres/session.py": "import asyncio, secrets, interlock.sdk.connector",
            "connectors/postgres/__init__.py": "from interlock.connectors.postgres import upstream",
            "runtime/serve.py": "import asyncio, interlock.pipeline, interlock.connectors",
            "testing/peer.py": "import asyncio, interlock.connectors.postgres",
            "cli/demo.py": "from interlock.testing import peer",
        },
    )
    status, said = lint(tmp_path)
    assert status == 0, said


@pytest.mark.parametrize(
    ("name", "line", "broken"),
    [
        ("model/a.py", "import interlock.wire", "Upper layers import lower ones"),
        ("policy/a.py", "import interlock.ledger", "Upper layers import lower ones"),
        ("pipeline/a.py", "import interlock.runtime", "Upper layers import lower ones"),
        ("connectors/aws/a.py", "import interlock.connectors.postgres", "Connectors never import each other"),
        ("runtime/a.py", "import interlock.connectors.postgres.verbs", "Nobody imports a connector by name"),
        ("cli/a.py", "from interlock.connectors import aws", "Nobody imports a connector by name"),
        ("policy/a.py", "import cedarpy", "Only policy.cedar knows Cedar"),
        ("pipeline/a.py", "import asyncio", "Below runtime there is no I/O, no clock and no chance"),
        ("model/a.py", "from time import time", "Below runtime there is no I/O, no clock and no chance"),
        ("ledger/a.py", "import sqlalchemy", "Below runtime there is no I/O, no clock and no chance"),
        ("wire/a.py", "import secrets", "Below runtime there is no I/O, no clock and no chance"),
        ("connectors/aws/preview.py", "import socket", "Only a connector's upstream does its I/O"),
        ("cli/a.py", "import interlock.testing", "Only the demo imports what is for tests"),
        ("runtime/a.py", "import interlock.testing.peers.pg", "Only the demo imports what is for tests"),
    ],
)
def test_contract_is_broken_by(tmp_path: Path, name: str, line: str, broken: str) -> None:
    (tmp_path / "src/interlock/connectors/postgres").mkdir(parents=True)
    package(tmp_path, {"testing/peers/pg.py": "", "connectors/postgres/verbs.py": "", name: line})
    status, said = lint(tmp_path)
    assert status == 1, said
    assert re.search(rf"{re.escape(broken)}.* BROKEN", said), said


def test_a_new_layer_must_be_given_its_place(tmp_path: Path) -> None:
    package(tmp_path, {})
    (tmp_path / "src/interlock/helpers.py").touch()
    status, said = lint(tmp_path)
    assert status == 1, said
    assert "helpers" in said


# What does I/O without an import of its own, or through asyncio, which connectors may import for waiting.
IO_CALLS = {
    "connect_accepted_socket",
    "create_connection",
    "create_datagram_endpoint",
    "create_server",
    "create_subprocess_exec",
    "create_subprocess_shell",
    "create_unix_connection",
    "create_unix_server",
    "input",
    "open",
    "open_connection",
    "open_unix_connection",
    "print",
    "run_in_executor",
    "start_server",
    "start_unix_server",
    "to_thread",
}


def io_calls(source: str) -> list[str]:
    called = [node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    names = [
        f.attr if isinstance(f, ast.Attribute) else f.id
        for f in called
        if isinstance(f, ast.Attribute | ast.Name)
    ]
    return [name for name in names if name in IO_CALLS]


def may_do_io(module: Path) -> bool:
    parts = module.parts
    return parts[0] in ("cli", "console", "runtime", "testing") or (
        parts[0] == "connectors" and len(parts) > 2 and Path(parts[2]).stem == "upstream"
    )


def test_nothing_below_runtime_opens_anything() -> None:
    source = ROOT / "src/interlock"
    modules = [m for m in source.rglob("*.py") if not may_do_io(m.relative_to(source))]
    assert len(modules) > 30
    found = {str(m.relative_to(source)): io_calls(m.read_text(encoding="utf-8")) for m in modules}
    assert {name: calls for name, calls in found.items() if calls} == {}


def test_opening_is_found() -> None:
    assert io_calls("with open(x): loop.create_connection(f)\nreopen()") == ["open", "create_connection"]
    assert not may_do_io(Path("connectors/postgres/session/upstream.py"))
    assert may_do_io(Path("connectors/postgres/upstream.py"))
