"""Migration tools as people use them, held in the middle of a destructive migration: approved, run again or waited for or applied,
completed, and reverted as far as was promised."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.real import node, projects
from tests.real.reachable import Reachable, ended

from interlock.model.change import Change, ChangeState
from interlock.sdk.connector import Permitted
from interlock.testing.gateway import prepare
from interlock.testing.peers.pg import PgDatabase

Standing = tuple[int, int, bool, bool]
"""Migrations recorded; books; whether the column is there that goes in the middle; and the table that comes at the end."""

ALEMBIC = "SELECT right(version_num, 1)::int FROM alembic_version"
DJANGO = "SELECT count(*) FROM django_migrations WHERE app = 'library'"
KNEX = "SELECT count(*) FROM knex_migrations"


class Project:
    """A project behind a gateway, with its first migrations done by `first`; `rest` runs the others, `done` asks the database how
    many are recorded. The destructive one has the number `middle`."""

    def __init__(
        self,
        gateway: Reachable,
        folder: Path,
        first: Sequence[str],
        rest: Sequence[str],
        done: str,
        middle: int = 2,
    ) -> None:
        self.gateway, self.folder, self._rest, self._done = gateway, folder, rest, done
        self.before: Standing = (middle - 1, 400, True, False)
        self.after: Standing = (middle + 1, 280, False, True)
        code, out, err = ended(gateway.begin("--wait", "no", "--", *first, cwd=folder))
        assert code == 0, out + err
        assert self.standing() == self.before

    def begin(self, wait: str) -> "subprocess.Popen[str]":
        return self.gateway.begin("--wait", wait, "--", *self._rest, cwd=self.folder)

    def migrate(self, wait: str = "no") -> tuple[bool, str]:
        """Run the tool to its end: whether it succeeded, and what it said."""
        code, out, err = ended(self.begin(wait))
        return code == 0, out + err

    def standing(self) -> Standing:
        ((done, books, nick, shelf),) = self.gateway.database.psql(
            f"""SELECT ({self._done}), (SELECT count(*) FROM book),
                EXISTS (SELECT FROM information_schema.columns WHERE (table_name, column_name) = ('author', 'nick')),
                EXISTS (SELECT FROM information_schema.tables WHERE table_name = 'shelf')"""
        )
        return done, books, nick, shelf

    def held(self) -> Change:
        """The one change that waits: the destructive migration."""
        held = self.gateway.held()
        found = {
            f"{e.change.value} {e.unit.value} {e.resource.name}": e.count for e in held.measurement.effects
        }
        assert found["deleted rows public.book"] == 120
        assert found["deleted objects public.draft"] == 1
        return held

    def applied(self, change: Change) -> None:
        assert self.standing() == self.after
        assert self.gateway.change(change.id).state is ChangeState.APPLIED
        # There is nothing left to do.
        done, said = self.migrate()
        assert done, said
        assert self.gateway.ledger_ok()

    def revert(self, change: Change) -> None:
        """Back to before a change, the newest first: wholly where that was promised, else in part, and said so."""
        for one in [c for c in self.gateway.changes(ChangeState.APPLIED) if c.id >= change.id]:
            whole = all(effect.reversible for effect in one.measurement.effects if effect.count)
            assert isinstance(self.gateway.revert(one.id), Permitted)
            state = ChangeState.REVERTED if whole else ChangeState.PARTLY_REVERTED
            assert self.gateway.change(one.id).state is state
        done, books, nick, shelf = self.standing()
        assert (done, books) == self.before[:2]
        if whole:
            assert (nick, shelf) == self.before[2:]
            assert self.gateway.database.psql("SELECT count(nick) FROM author") == [(20,)]
            assert self.gateway.database.psql("SELECT count(body) FROM draft") == [(50,)]


@pytest.fixture
def gateway(fresh_db18: PgDatabase, tmp_path: Path) -> Iterator[Reachable]:
    prepare(fresh_db18)
    with Reachable(fresh_db18, tmp_path / "g") as made:
        yield made


@pytest.fixture
def alembic(gateway: Reachable, tmp_path: Path) -> Project:
    upgrade = (sys.executable, "-m", "alembic", "upgrade")
    return Project(
        gateway, projects.alembic(tmp_path / "project"), (*upgrade, "r1"), (*upgrade, "head"), ALEMBIC
    )


@pytest.fixture
def django(gateway: Reachable, tmp_path: Path) -> Project:
    folder = projects.django(tmp_path / "project")
    migrate = (sys.executable, "manage.py", "migrate")
    return Project(gateway, folder, (*migrate, "library", "m2_fill"), migrate, DJANGO, middle=3)


@pytest.fixture
def knex(gateway: Reachable, tmp_path: Path) -> Project:
    tool = node.tool("knex")
    if tool is None:
        pytest.skip("no knex here; `make conformance` fetches it")
    folder = projects.knex(tmp_path / "project")
    (folder / "node_modules").symlink_to(node.FOLDER / "node_modules")
    return Project(gateway, folder, (str(tool), "migrate:up"), (str(tool), "migrate:latest"), KNEX)


def test_alembic_is_held_and_run_again(alembic: Project) -> None:
    done, said = alembic.migrate()
    held = alembic.held()
    assert not done
    assert f"held: {held.id}" in said
    assert f"interlock: {held.id} is held" in said
    assert alembic.standing() == alembic.before
    # Before the approval, again is the same.
    assert not alembic.migrate()[0]
    assert alembic.held().id == held.id
    alembic.gateway.approve(held.id)
    done, said = alembic.migrate()
    assert done, said
    alembic.applied(held)
    alembic.revert(held)


def waiting(project: Project) -> tuple["subprocess.Popen[str]", Change]:
    """A tool that waits for people, and what for."""
    process = project.begin("5m")
    assert process.stderr is not None
    said = ""
    while " is held: " not in said:
        line = process.stderr.readline()
        assert line, f"it ended without waiting: {said}"
        said += line
    held = project.held()
    assert f"{held.id} is held" in said
    assert project.standing() == project.before
    return process, held


def waited_for(project: Project) -> None:
    """The tool sees one slow commit."""
    process, held = waiting(project)
    project.gateway.approve(held.id)
    code, out, err = ended(process)
    assert code == 0, out + err
    assert f"{held.id} is applied" in err
    project.applied(held)
    project.revert(held)


def applied(project: Project) -> None:
    """The tool fails, and run again asks anew, because it writes the time; whoever runs the gateway finishes what was approved, and
    the tool goes on after it."""
    done, said = project.migrate()
    assert not done
    held = project.held()
    assert f"held: {held.id}" in said
    assert project.standing() == project.before
    project.gateway.approve(held.id)
    assert not project.migrate()[0]
    assert project.held().id != held.id
    assert project.standing() == project.before
    assert isinstance(project.gateway.apply(held.id), Permitted)
    done, said = project.migrate()
    assert done, said
    project.applied(held)
    project.revert(held)


def test_alembic_waits(alembic: Project) -> None:
    waited_for(alembic)


def test_django_heard_a_number_that_is_not_given_twice_and_so_is_applied_after_all(django: Project) -> None:
    # Its recorder asks for the number of the row it writes; run again, the sequence gives the next one.
    process, held = waiting(django)
    django.gateway.approve(held.id)
    code, _, err = ended(process)
    assert code != 0
    assert "did not do what the client had been told" in err
    assert django.standing() == django.before
    assert django.gateway.change(held.id).state is ChangeState.APPROVED
    assert isinstance(django.gateway.apply(held.id), Permitted)
    done, said = django.migrate()
    assert done, said
    django.applied(held)


def test_django_is_applied(django: Project) -> None:
    applied(django)


def test_knex_waits(knex: Project) -> None:
    waited_for(knex)


def test_knex_is_applied(knex: Project) -> None:
    applied(knex)
