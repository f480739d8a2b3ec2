"""What is destructive without removing rows: each has a kind of its own and a guardrail that holds it, however it is done."""

import secrets
from collections.abc import Iterator

import pytest
from tests.real.conftest import Shop, fails

from interlock.model.change import Change
from interlock.model.decision import Hold
from interlock.testing.gateway import Gateway, prepare
from interlock.testing.peers.pg import PgCluster

SETUP = """
CREATE TABLE t (id int PRIMARY KEY, name varchar(50) NOT NULL, price numeric(10, 4), at timestamptz,
    CONSTRAINT cheap CHECK (price < 1000));
CREATE TABLE wide (name varchar(50), price numeric(10, 4), at timestamptz);
CREATE TABLE other (id int PRIMARY KEY, t int CONSTRAINT of_t REFERENCES t, note text);
CREATE TABLE parts (k int NOT NULL, v varchar(9) NOT NULL) PARTITION BY LIST (k);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE base (a int); CREATE TABLE child () INHERITS (base);
CREATE VIEW v AS SELECT * FROM t;
CREATE TABLE open (id int); CREATE TABLE secured (id int, owner text); ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON secured USING (owner = current_user); CREATE POLICY never ON secured AS RESTRICTIVE USING (id > 0);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION boundary(int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1 > 0';
CREATE TRIGGER touched BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch();
CREATE RULE noted AS ON DELETE TO open DO ALSO NOTIFY gone;
CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE DOMAIN small AS int CONSTRAINT under CHECK (VALUE < 100);
CREATE TYPE pair AS (a numeric(8, 4), b text);
CREATE SCHEMA attic;
CREATE SEQUENCE tickets; SELECT setval('tickets', 500);
CREATE SEQUENCE down INCREMENT -1 MINVALUE -1000; SELECT setval('down', -500);
CREATE TABLE counted (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int);
INSERT INTO counted (a) SELECT generate_series(1, 20);
CREATE PUBLICATION news FOR TABLE t;
CREATE PROCEDURE loosen() LANGUAGE plpgsql AS 'BEGIN ALTER TABLE t DROP CONSTRAINT cheap; END';
GRANT SELECT ON t TO PUBLIC; GRANT SELECT (id) ON open TO PUBLIC;
INSERT INTO t SELECT i, 'n' || i, i FROM generate_series(1, 20) i;
"""

ITEMS = [
    # Rights
    ("REVOKE SELECT ON t FROM PUBLIC", "permission table public.t", "permissions-changed"),
    ("REVOKE SELECT (id) ON open FROM PUBLIC", "permission column public.open.id", "permissions-changed"),
    ("GRANT UPDATE ON t TO PUBLIC", "permission table public.t", "permissions-changed"),
    ("ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC", "permission", "permissions-changed"),
    ("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC", "permission", "permissions-changed"),
    ("REVOKE USAGE ON SCHEMA attic FROM CURRENT_USER", "permission schema attic", "permissions-changed"),
    # Row security
    ("ALTER TABLE t ENABLE ROW LEVEL SECURITY", "hidden table public.t", "objects-hidden"),
    ("ALTER TABLE parts_1 ENABLE ROW LEVEL SECURITY", "hidden table public.parts_1", "objects-hidden"),
    ("ALTER TABLE secured FORCE ROW LEVEL SECURITY", "hidden table public.secured", "objects-hidden"),
    ("ALTER TABLE secured DISABLE ROW LEVEL SECURITY", "weakened table public.secured", "objects-weakened"),
    ("DROP POLICY mine ON secured", "hidden policy public.secured.mine", "objects-hidden"),
    ("DROP POLICY never ON secured", "weakened policy public.secured.never", "objects-weakened"),
    ("ALTER POLICY mine ON secured USING (false)", "permission policy public.secured.mine", "permissions-changed"),
    ("CREATE POLICY p ON secured AS RESTRICTIVE USING (false)", "hidden policy public.secured.p", "objects-hidden"),
    # Renamed and moved
    ("ALTER TABLE t RENAME TO gone", "moved table public.t", "objects-moved"),
    ("ALTER TABLE t RENAME name TO label", "moved column public.t.name", "objects-moved"),
    ("ALTER TABLE t RENAME CONSTRAINT cheap TO dear", "moved constraint public.t.cheap", "objects-moved"),
    ("ALTER TABLE t SET SCHEMA attic", "moved table public.t", "objects-moved"),
    ("ALTER FUNCTION swallow() RENAME TO eat", "moved function public.swallow()", "objects-moved"),
    ("ALTER SEQUENCE tickets SET SCHEMA attic", "moved sequence public.tickets", "objects-moved"),
    ("ALTER TYPE mood RENAME VALUE 'bad' TO 'sad'", "moved type public.mood", "objects-moved"),
    ("ALTER SCHEMA attic RENAME TO loft", "moved schema attic", "objects-moved"),
    # Views and rules that hide rows, or swallow what is written
    ("CREATE OR REPLACE VIEW v AS SELECT * FROM t WHERE false", "hidden view public.v", "objects-hidden"),
    ("ALTER VIEW v SET (security_barrier)", "weakened view public.v", "objects-weakened"),
    ("CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING", "weakened rule public.t.r", "objects-weakened"),
    ("CREATE RULE r AS ON UPDATE TO t DO ALSO DELETE FROM open", "weakened rule public.t.r", "objects-weakened"),
    ("ALTER TABLE open DISABLE RULE noted", "weakened rule public.open.noted", "objects-weakened"),
    ("CREATE OR REPLACE RULE noted AS ON DELETE TO open DO INSTEAD NOTHING", "replaced rule", "objects-deleted"),
    ("ALTER TABLE parts DETACH PARTITION parts_1", "hidden table public.parts_1", "objects-hidden"),
    ("ALTER TABLE child NO INHERIT base", "hidden table public.child", "objects-hidden"),
    # Triggers
    (
        "CREATE TRIGGER s BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION swallow()",
        "weakened trigger public.t.s",
        "objects-weakened",
    ),
    (
        "CREATE TRIGGER s BEFORE INSERT ON parts FOR EACH ROW EXECUTE FUNCTION swallow()",
        "weakened trigger public.parts.s",
        "objects-weakened",
    ),
    (
        "CREATE TRIGGER s INSTEAD OF INSERT ON v FOR EACH ROW EXECUTE FUNCTION swallow()",
        "weakened trigger public.v.s",
        "objects-weakened",
    ),
    (
        "CREATE CONSTRAINT TRIGGER s AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION swallow()",
        "weakened trigger public.t.s",
        "objects-weakened",
    ),
    (
        "CREATE OR REPLACE TRIGGER touched BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION swallow()",
        "replaced trigger public.t.touched",
        "objects-deleted",
    ),
    (
        "CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "replaced function public.touch()",
        "objects-deleted",
    ),
    ("ALTER TABLE t DISABLE TRIGGER touched", "weakened trigger public.t.touched", "objects-weakened"),
    ("ALTER TABLE t ENABLE REPLICA TRIGGER touched", "weakened trigger public.t.touched", "objects-weakened"),
    ("ALTER TABLE t DISABLE TRIGGER USER", "weakened trigger public.t.touched", "objects-weakened"),
    ("DROP TRIGGER touched ON t", "weakened trigger public.t.touched", "objects-weakened"),
    # Constraints
    ("ALTER TABLE t DROP CONSTRAINT cheap", "weakened constraint public.t.cheap", "objects-weakened"),
    ("ALTER TABLE other DROP CONSTRAINT of_t", "weakened constraint public.other.of_t", "objects-weakened"),
    ("ALTER TABLE other ALTER CONSTRAINT of_t DEFERRABLE", "weakened constraint", "objects-weakened"),
    ("ALTER TABLE t ALTER name DROP NOT NULL", "weakened column public.t.name", "objects-weakened"),
    ("ALTER TABLE parts ALTER v DROP NOT NULL", "weakened column public.parts_1.v", "objects-weakened"),
    (
        "ALTER TABLE other ADD CONSTRAINT c CHECK (note <> '') NOT VALID",
        "weakened constraint public.other.c",
        "objects-weakened",
    ),
    (
        "ALTER TABLE t DROP CONSTRAINT cheap; ALTER TABLE t ADD CONSTRAINT cheap CHECK (price < 1000) NOT VALID",
        "weakened constraint public.t.cheap",
        "objects-weakened",
    ),
    ("ALTER DOMAIN small DROP CONSTRAINT under", "weakened constraint public.small", "objects-weakened"),
    ("ALTER TABLE other SET UNLOGGED", "weakened table public.other", "objects-weakened"),
    # Types that lose values or precision
    ("ALTER TABLE wide ALTER price TYPE numeric(10, 1)", "narrowed column public.wide.price", "objects-narrowed"),
    ("ALTER TABLE wide ALTER at TYPE date", "narrowed column public.wide.at", "objects-narrowed"),
    ("ALTER TABLE wide ALTER name TYPE varchar(3) USING left(name, 3)", "narrowed column", "objects-narrowed"),
    ("ALTER TABLE parts ALTER v TYPE varchar(3)", "narrowed column public.parts_1.v", "objects-narrowed"),
    ("ALTER TYPE pair ALTER ATTRIBUTE a TYPE int", "narrowed column", "objects-narrowed"),
    # Sequences
    ("ALTER SEQUENCE tickets RESTART WITH 7", "rewound sequence public.tickets", "objects-rewound"),
    ("ALTER SEQUENCE down RESTART WITH -7", "rewound sequence public.down", "objects-rewound"),
    ("ALTER TABLE counted ALTER id RESTART", "rewound sequence public.counted_id_seq", "objects-rewound"),
    ("TRUNCATE counted RESTART IDENTITY", "rewound sequence public.counted_id_seq", "objects-rewound"),
    ("SELECT setval('tickets', 499)", "rewound sequence public.tickets", "objects-rewound"),
    ("SELECT setval('down', -499)", "rewound sequence public.down", "objects-rewound"),
    ("SELECT setval('tickets', 500, false)", "rewound sequence public.tickets", "objects-rewound"),
    ("SELECT setval('tickets', (SELECT max(id) FROM counted))", "rewound sequence", "objects-rewound"),
    # Replication
    ("ALTER PUBLICATION news DROP TABLE t", "replication publication relation", "replication-changed"),
    ("ALTER PUBLICATION news ADD TABLE open", "replication publication relation", "replication-changed"),
    ("ALTER PUBLICATION news SET TABLE t WHERE (id > 5)", "replication publication relation", "replication-changed"),
    ("ALTER PUBLICATION news SET (publish = 'insert')", "replication publication news", "replication-changed"),
    ("DROP PUBLICATION news", "replication publication news", "replication-changed"),
    ("ALTER TABLE t REPLICA IDENTITY NOTHING", "replication table public.t", "replication-changed"),
]  # fmt: skip
NOT_PLAIN = ("SELECT", "CREATE OR REPLACE FUNCTION", "ALTER TABLE t DROP CONSTRAINT cheap;")


@pytest.fixture(scope="module")
def served(pg: PgCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Only held changes: the database stays as it is."""
    database = pg.create_database(f"t_{secrets.token_hex(6)}")
    prepare(database, SETUP)
    with Gateway(database, tmp_path_factory.mktemp("gateway"), agents=()) as gateway:
        yield Shop(gateway)
    database.drop()


@pytest.fixture
def weak(served: Shop) -> Shop:
    served.agent = served.new_agent()
    return served


def told(change: Change) -> list[str]:
    return [
        f"{e.change.value} {e.resource.kind} {e.resource.name}"
        for e in change.measurement.effects
        if e.count == 1
    ]


def held(shop: Shop, sql: str) -> Change:
    with shop.connect() as agent, fails("IL001"):
        agent.execute(sql.encode())
    return shop.held()


@pytest.mark.parametrize(("sql", "effect", "guardrail"), ITEMS, ids=[item[0] for item in ITEMS])
def test_each_has_its_kind_and_guardrail(weak: Shop, sql: str, effect: str, guardrail: str) -> None:
    change = held(weak, sql)
    assert any(words.startswith(effect) for words in told(change)), told(change)
    assert isinstance(change.decision, Hold)
    assert guardrail in change.decision.reasons


IN_CODE = [item for item in ITEMS if not item[0].startswith(NOT_PLAIN)]


@pytest.mark.parametrize(("sql", "effect", "guardrail"), IN_CODE, ids=[item[0] for item in IN_CODE])
def test_the_same_inside_of_code(weak: Shop, sql: str, effect: str, guardrail: str) -> None:
    change = held(weak, f"DO $do$ BEGIN {sql}; END $do$")
    assert any(words.startswith(effect) for words in told(change)), told(change)
    assert isinstance(change.decision, Hold)
    assert guardrail in change.decision.reasons


@pytest.mark.parametrize(
    ("sql", "effect"),
    [
        ("CALL loosen()", "weakened constraint public.t.cheap"),
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN ALTER TABLE t DROP CONSTRAINT cheap; RETURN 1; END';"
            "SELECT f()",
            "weakened constraint public.t.cheap",
        ),
        (
            "CREATE SCHEMA x CREATE VIEW w AS SELECT 1; ALTER TABLE other SET SCHEMA x",
            "moved table public.other",
        ),
    ],
)
def test_the_same_by_functions_and_procedures(weak: Shop, sql: str, effect: str) -> None:
    with weak.connect() as agent, fails("IL001"):
        agent.execute("BEGIN")
        for statement in sql.split("; " if "SCHEMA x" in sql else "';"):
            agent.execute((statement + ("'" if "AS '" in statement else "")).encode())
        agent.execute("COMMIT")
    assert effect in told(weak.held())


@pytest.mark.parametrize(
    "sql", ["SELECT setval('tickets', 501)", "SELECT setval('public.tickets', 900, false)"]
)
def test_forward_is_not_back(weak: Shop, sql: str) -> None:
    change = held(weak, sql)
    assert told(change) == ["setting sequence public.tickets"]
    assert isinstance(change.decision, Hold)
    assert "objects-rewound" not in change.decision.reasons
    assert "from 501 to" in change.measurement.effects[0].detail


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("ALTER TABLE wide ALTER name TYPE varchar(60)", "updated column public.wide.name"),
        ("ALTER TABLE wide ALTER name TYPE text", "updated column public.wide.name"),
        ("ALTER TABLE wide ALTER price TYPE numeric(12, 4)", "updated column public.wide.price"),
        ("ALTER SEQUENCE tickets RESTART WITH 700", "updated sequence public.tickets"),
        ("ALTER SEQUENCE tickets MAXVALUE 100000", "updated sequence public.tickets"),
    ],
)  # fmt: skip
def test_wider_types_and_sequences_that_go_on_are_neither_narrowed_nor_set_back(
    weak: Shop, sql: str, kind: str
) -> None:
    with weak.connect() as agent, fails("IL001"):
        agent.execute("BEGIN")
        agent.execute(sql.encode())
        agent.execute("DROP TABLE open")  # so that it is held, and recorded
        agent.execute("COMMIT")
    change = weak.held()
    assert kind in told(change)
    assert isinstance(change.decision, Hold)
    assert not {"objects-narrowed", "objects-rewound"} & set(change.decision.reasons)


def test_what_is_made_with_its_table_weakens_nothing(weak: Shop) -> None:
    with weak.connect() as agent, fails("IL001"):
        agent.execute("BEGIN")
        agent.execute("CREATE TABLE fresh (id int CHECK (id > 0))")
        agent.execute("CREATE TRIGGER s BEFORE INSERT ON fresh FOR EACH ROW EXECUTE FUNCTION swallow()")
        agent.execute("CREATE RULE r AS ON DELETE TO fresh DO INSTEAD NOTHING")
        agent.execute("ALTER TABLE fresh ADD CONSTRAINT c CHECK (id < 9) NOT VALID")
        agent.execute("DROP TABLE open")  # so that it is held, and recorded
        agent.execute("COMMIT")
    change = weak.held()
    assert "created table public.fresh" in told(change)
    assert not any(words.startswith("weakened") and "fresh" in words for words in told(change)), told(change)
