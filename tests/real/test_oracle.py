"""A small part of the oracle (see `tests/real/oracle` and docs/soundness.md): what changes was measured before, or refused.

The whole is `make oracle`.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.oracle import parts
from tests.real.oracle.carry import Carry
from tests.real.oracle.cases import HARMS, Case, build
from tests.real.oracle.clone import Clones, clones
from tests.real.oracle.explain import explain
from tests.real.oracle.report import document
from tests.real.oracle.state import Watcher
from tests.real.regress import split

from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.model.operation import Resource
from interlock.testing.gateway import ROLES, prepare
from interlock.testing.peers.pg import PgCluster, PgDatabase

SEED = 20
"""Another one takes another sample."""

SAMPLE = 12

SCRIPT = """
CREATE TABLE t (a serial PRIMARY KEY, b text, c int DEFAULT 1 CHECK (c > 0));
INSERT INTO t (b) SELECT 'x' || i FROM generate_series(1, 20) i;
UPDATE t SET b = 'y' WHERE a < 5; DELETE FROM t WHERE a = 7;
BEGIN; SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; UPDATE t SET c = 2 WHERE a = 2; COMMIT;
BEGIN; DELETE FROM t; ROLLBACK;
CREATE VIEW v AS SELECT a, b FROM t; INSERT INTO v (b) VALUES ('through');
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO l VALUES (TG_OP); RETURN NULL; END $$;
CREATE TABLE l (what text); CREATE TRIGGER tr AFTER UPDATE ON t FOR EACH STATEMENT EXECUTE FUNCTION f();
UPDATE t SET b = 'z' WHERE a = 3 \\; DELETE FROM t WHERE a = 4;
ALTER TABLE t ALTER COLUMN c TYPE bigint; ALTER TABLE t ADD COLUMN d int DEFAULT 7; ALTER TABLE t RENAME COLUMN b TO e;
COPY l FROM stdin;
copied
\\.
CREATE INDEX i ON t (e); CLUSTER t USING i; REINDEX TABLE t; VACUUM t; ANALYZE t;
CREATE TEMP TABLE x AS SELECT * FROM t; DROP TABLE x;
GRANT SELECT ON t TO PUBLIC; COMMENT ON TABLE t IS 'ours'; ALTER TABLE t ENABLE ROW LEVEL SECURITY;
SELECT setval('t_a_seq', 3); SELECT nextval('t_a_seq'); SELECT lo_create(4711); SELECT lo_unlink(4711);
COPY t TO '/nowhere'; ALTER SYSTEM SET work_mem = '1MB'; NOTIFY bell, 'x'; SELECT 1/0;
BEGIN; INSERT INTO l VALUES ('two'); PREPARE TRANSACTION 'carry'; COMMIT PREPARED 'carry';
TRUNCATE l; DROP TABLE t CASCADE; DROP FUNCTION f CASCADE;
"""


@pytest.fixture(scope="module")
def quiet(pg: PgCluster) -> Iterator[PgCluster]:
    """A cluster of its own: who else works in a shared one changes what is shared."""
    with PgCluster.start(pg.version, fsync=False, settings=parts.QUIET) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def pair(quiet: PgCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clones]:
    with clones(quiet, tmp_path_factory.mktemp("clones")) as found:
        yield found


def sample() -> list[Case]:
    chosen = parts.every_case(start=SEED)[:SAMPLE]
    return [
        *chosen,
        *(Case(*build(HARMS[0], ("view", "SQL function"), way)[:2]) for way in ("cursor WITH HOLD", "CTE")),
    ]


def test_the_page_says_what_the_runs_found() -> None:
    docs = Path(__file__).parents[2] / "docs"
    results = json.loads((docs / "soundness.json").read_text("utf-8"))
    assert (docs / "soundness.md").read_text("utf-8") == document(results)
    assert [found for part in results.values() for found in part["found"]] == []


def test_what_is_hidden_is_measured_or_refused(pair: Clones) -> None:
    wrong = {}
    for case in sample():
        found = pair.run(case)
        if found.wrong:
            wrong[case.path] = found.wrong
    assert wrong == {}
    assert pair.outcomes["held"] >= SAMPLE // 4, "most of them do something that people are asked about"


def test_scripts_are_measured_statement_by_statement(quiet: PgCluster) -> None:
    with parts.carrying(quiet, "carried") as carry:
        carry.run(split(SCRIPT, "script"))
        assert carry.tally.found == []
        assert carry.tally.outcomes["refused"] >= 2
        assert carry.tally.outcomes["error"] == 1
        assert carry.tally.changed > 30


def test_what_is_not_measured_is_found(quiet: PgCluster) -> None:
    """The oracle can fail: each of these changes is missed when its effects are kept from it."""
    with parts.carrying(quiet, "missed") as carry:
        blind = BlindCarry(carry)
        for statement in split(
            "CREATE TABLE t (a int); INSERT INTO t VALUES (1); COMMENT ON TABLE t IS 'x'; DROP TABLE t;"
        ):
            blind.run(statement.text)
        assert len(carry.tally.found) == 4


class BlindCarry:
    """A carry whose changes nobody tells it of."""

    def __init__(self, carry: Carry) -> None:
        self._carry = carry

    def run(self, text: str) -> None:
        self._carry.watcher.look()
        with self._carry.gateway.connect() as agent:
            agent.execute(text.encode())
        self._carry.changes_since()
        self._carry.run(split("SELECT 1;"))


def test_explanations_are_exact(fresh_db18: PgDatabase) -> None:
    """By object, kind and number."""
    prepare(fresh_db18, "CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 10);")
    watcher = Watcher(fresh_db18, ROLES.upstream)
    try:
        fresh_db18.psql("DELETE FROM t WHERE a > 5; INSERT INTO t VALUES (20); COMMENT ON TABLE t IS 'x'")
        difference = watcher.look()
        table = Resource("table", "public.t", "public")
        rows = [
            Effect(table, ChangeKind.DELETED, 5, Unit.ROWS),
            Effect(table, ChangeKind.CREATED, 1, Unit.ROWS),
            Effect(table, ChangeKind.UPDATED, 1, Unit.OBJECTS),
        ]
        assert explain(difference, rows).missing == ()
        for left_out in range(3):
            assert len(explain(difference, rows[:left_out] + rows[left_out + 1 :]).missing) == 1
        few = [Effect(table, ChangeKind.DELETED, 4, Unit.ROWS), *rows[1:]]
        assert explain(difference, few).missing == ("public.t: 5 rows went, 4 were measured",)
        other = [Effect(Resource("table", "public.tt", "public"), e.change, e.count, e.unit) for e in rows]
        assert len(explain(difference, other).missing) == 3
        assert watcher.look().empty
    finally:
        watcher.close()


def test_the_watcher_sees_what_needs_no_transaction(fresh_db18: PgDatabase, tmp_path: Path) -> None:
    prepare(fresh_db18, "CREATE SEQUENCE s; SELECT nextval('s'), nextval('s');")
    watcher = Watcher(fresh_db18, ROLES.upstream, channels=("bell",), folder=tmp_path)
    try:
        fresh_db18.psql("SELECT setval('s', 1); NOTIFY bell")
        fresh_db18.psql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'canary'"
        )
        fresh_db18.psql(f"ALTER ROLE {ROLES.upstream} SET work_mem = '1MB'")
        (tmp_path / "written").touch()
        seen = watcher.look(settings=True)
        assert [s.forward for s in seen.sequences] == [False]
        assert {kind for kind, _ in seen.beyond} >= {"notification", "session", "setting", "file"}
    finally:
        watcher.close()
        fresh_db18.psql(f"ALTER ROLE {ROLES.upstream} RESET ALL")
