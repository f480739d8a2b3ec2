"""A target that only observes holds nothing, and `interlock report` tells what it would have held."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.real import projects
from tests.real.reachable import Reachable, ended

from interlock.model.change import ChangeState
from interlock.testing.gateway import prepare
from interlock.testing.peers.pg import PgDatabase


def report(gateway: Reachable, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "interlock", "report", "-c", str(gateway.file), "--since", "7d", *words],
        env={"COLUMNS": "80", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("project", "command"),
    [
        (projects.alembic, ("-m", "alembic", "upgrade")),
        (projects.django, ("manage.py", "migrate", "library")),
    ],
    ids=["alembic", "django"],
)
def test_a_migration_is_observed(
    fresh_db18: PgDatabase, tmp_path: Path, project: projects.Write, command: tuple[str, ...]
) -> None:
    prepare(fresh_db18)
    folder = project(tmp_path / "project")
    steps = ("r1", "r3") if project is projects.alembic else ("m2_fill", "m4_more")
    with Reachable(fresh_db18, tmp_path / "g", keys={"mode": "observe"}) as gateway:
        for step in steps:
            code, out, err = ended(gateway.begin(sys.executable, *command, step, cwd=folder))
            assert code == 0, out + err
            assert "interlock:" not in err
        assert fresh_db18.psql("SELECT count(*) FROM book") == [(280,)]
        changes = gateway.changes()
        assert {change.state for change in changes} == {ChangeState.APPLIED}
        found = json.loads(report(gateway, "--json"))
        assert found["changes"] == len(changes)
        (would,) = found["would_hold"]
        assert would["totals"]["objects_deleted"] == 2
        assert "quorum:two-sre" in would["remedies"]
        text = report(gateway)
        assert f"{len(changes)} changes, 1 would have been held" in text.replace("\n", " ")
        assert would["change"] in text
        assert "2 objects deleted" in " ".join(text.split())
        assert max(map(len, text.splitlines())) <= 80, text
        print(text)
