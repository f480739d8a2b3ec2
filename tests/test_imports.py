"""The import contracts of pyproject.toml hold, and each of them can be broken."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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
    for name, line in {"policy/cedar.py": "import cedarpy", **imports}.items():
        (root / "src/interlock" / name).write_text(f"{line}\n", encoding="utf-8")


def test_contracts_hold() -> None:
    status, said = lint(ROOT)
    assert status == 0, said


def test_allowed_imports_pass(tmp_path: Path) -> None:
    package(
        tmp_path,
        {
            "connectors/postgres/upstream.py": "import asyncio, socket, psycopg",
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
        ("pipeline/a.py", "import asyncio", "Below runtime only a connector's upstream does I/O"),
        ("connectors/aws/preview.py", "import socket", "Below runtime only a connector's upstream does I/O"),
        ("model/a.py", "from time import time", "Below runtime only a connector's upstream does I/O"),
        ("ledger/a.py", "import sqlalchemy", "Below runtime only a connector's upstream does I/O"),
        ("cli/a.py", "import interlock.testing", "Only the demo imports what is for tests"),
        ("runtime/a.py", "import interlock.testing.pg", "Only the demo imports what is for tests"),
    ],
)
def test_contract_is_broken_by(tmp_path: Path, name: str, line: str, broken: str) -> None:
    (tmp_path / "src/interlock/connectors/postgres").mkdir(parents=True)
    package(tmp_path, {"testing/pg.py": "", "connectors/postgres/verbs.py": "", name: line})
    status, said = lint(tmp_path)
    assert status == 1, said
    assert re.search(rf"{re.escape(broken)}.* BROKEN", said), said


def test_a_new_layer_must_be_given_its_place(tmp_path: Path) -> None:
    package(tmp_path, {})
    (tmp_path / "src/interlock/helpers.py").touch()
    status, said = lint(tmp_path)
    assert status == 1, said
    assert "helpers" in said
