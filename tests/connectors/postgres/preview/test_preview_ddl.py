"""Which objects a transaction created, lost, replaced, hid, moved or weakened, on real servers."""

from collections.abc import Iterator

import pytest
from tests.connectors.postgres.rig import Rig, rig, told

from interlock.connectors.postgres.preview import Losing
from interlock.model.effect import ChangeKind, Evidence, Unit, totals
from interlock.testing.peers.pg import PgDatabase

SHOP = """
CREATE TABLE leads (id serial PRIMARY KEY, name varchar(50) NOT NULL, score int DEFAULT 0 CHECK (score >= 0));
CREATE TABLE visits (id int PRIMARY KEY, lead int REFERENCES leads ON DELETE CASCADE, note text);
CREATE INDEX visits_lead ON visits (lead);
CREATE VIEW good_leads AS SELECT id, name FROM leads WHERE score > 5;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON leads FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE SEQUENCE numbers;
CREATE SCHEMA extra;
CREATE TABLE parts (k int) PARTITION BY LIST (k);
CREATE TABLE parts_1 PARTITION OF parts DEFAULT;
INSERT INTO leads (name) SELECT 'l' || i FROM generate_series(1, 30) i;
INSERT INTO visits SELECT i, (i - 1) % 30 + 1, 'v' FROM generate_series(1, 60) i;
ANALYZE;
"""


@pytest.fixture
def shop(fresh_db: PgDatabase) -> Iterator[Rig]:
    with rig(fresh_db, SHOP) as made:
        yield made


CREATED = [
    (
        "ALTER TABLE leads ADD COLUMN business_description text",
        {"created column public.leads.business_description"},
    ),
    ("ALTER TABLE leads ADD COLUMN a int NOT NULL DEFAULT 7", {"created column public.leads.a"}),
    ("ALTER TABLE leads ADD COLUMN a int UNIQUE REFERENCES visits", {"created column public.leads.a"}),
    (
        "ALTER TABLE leads ADD COLUMN a bigserial",
        {"created column public.leads.a", "updated table public.leads"},
    ),
    (
        "CREATE TABLE t (id bigserial PRIMARY KEY, lead int NOT NULL REFERENCES leads, b text UNIQUE CHECK (b <> ''));"
        "CREATE INDEX ON t (b); COMMENT ON TABLE t IS 'x'; CREATE TRIGGER x BEFORE UPDATE ON t EXECUTE FUNCTION touch()",
        {"created table public.t"},
    ),
    ("CREATE TABLE t AS SELECT * FROM leads", {"created table public.t", "created 30 rows public.t"}),
    ("CREATE SCHEMA s; CREATE TABLE s.t (id int)", {"created schema s", "created table s.t"}),
    ("CREATE VIEW v AS SELECT 1", {"created view public.v"}),
    ("CREATE TABLE t () INHERITS (visits)", {"created table public.t"}),
    ("CREATE TABLE t (LIKE leads INCLUDING ALL)", {"created table public.t"}),
    (
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY, g int GENERATED ALWAYS AS (1) STORED)",
        {"created table public.t"},
    ),
    ("CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2)", {"created table public.parts_2"}),
    ("CREATE INDEX everywhere ON parts (k)", {"created index public.everywhere"}),
    ("CREATE TYPE span AS RANGE (subtype = int)", {"created type public.span"}),
    (
        "CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int)",
        {"created aggregate public.total(integer)"},
    ),
    (
        "CREATE MATERIALIZED VIEW v AS SELECT 1 AS a",
        {"created materialized view public.v", "created 1 rows public.v"},
    ),
    ("CREATE INDEX more ON visits (note)", {"created index public.more"}),
    (
        "CREATE FUNCTION f(a int, b text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        {"created function public.f(integer,text)"},
    ),
    ("CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'", {"created procedure public.p()"}),
    ("CREATE TYPE c AS (a int, b text)", {"created type public.c"}),
    ("CREATE DOMAIN d AS int CHECK (VALUE > 0)", {"created type public.d"}),
    ("CREATE TYPE e AS ENUM ('a', 'b')", {"created type public.e"}),
    ("CREATE SEQUENCE s", {"created sequence public.s"}),
    ("ALTER TABLE visits ADD CONSTRAINT c CHECK (id > 0)", {"created constraint public.visits.c"}),
    ("ALTER TABLE visits ADD CONSTRAINT c UNIQUE (note, id)", {"created constraint public.visits.c"}),
    (
        "ALTER TABLE visits ADD CONSTRAINT c FOREIGN KEY (id) REFERENCES leads NOT VALID",
        {"weakened constraint public.visits.c"},
    ),
    (
        "CREATE TRIGGER t AFTER INSERT ON visits EXECUTE FUNCTION touch()",
        {"weakened trigger public.visits.t"},
    ),
    ("CREATE RULE r AS ON DELETE TO visits DO INSTEAD NOTHING", {"weakened rule public.visits.r"}),
    ("CREATE STATISTICS s ON id, lead FROM visits", {"created statistics object public.s"}),
]


@pytest.mark.parametrize(("sql", "effects"), CREATED)
def test_creating_is_reversible_and_nothing_else(shop: Rig, sql: str, effects: set[str]) -> None:
    result = shop.work(*sql.split(";"))
    assert told(result) == effects
    assert result.undo
    assert result.measurement.undo_how.startswith("drop") or "CREATE TABLE t AS" in sql
    assert totals(result.measurement.effects).irreversible == 0


OTHER = [
    ("DROP VIEW good_leads", {"deleted view public.good_leads!"}),
    ("DROP INDEX visits_lead", {"deleted index public.visits_lead!"}),
    (
        "DROP FUNCTION touch() CASCADE",
        {"deleted function public.touch()!", "weakened trigger public.leads.touch!"},
    ),
    ("DROP TYPE mood", {"deleted type public.mood!"}),
    ("DROP SEQUENCE numbers", {"deleted sequence public.numbers!"}),
    (
        "DROP TABLE visits",
        {"deleted table public.visits!", "deleted 60 rows public.visits!?"},
    ),
    (
        "DROP TABLE leads CASCADE",
        {
            "deleted table public.leads!",
            "deleted 30 rows public.leads!?",
            "deleted view public.good_leads!",
            "weakened constraint public.visits.visits_lead_fkey!",
        },
    ),
    ("ALTER TABLE visits DROP COLUMN note", {"deleted column public.visits.note!"}),
    (
        "ALTER TABLE leads DROP COLUMN score CASCADE",
        {"deleted column public.leads.score!", "deleted view public.good_leads!"},
    ),
    (
        "ALTER TABLE visits ALTER note TYPE varchar(5)",
        {"narrowed column public.visits.note!", "replaced table public.visits!"},
    ),
    ("ALTER TABLE visits ALTER id TYPE int USING id + 1", {"replaced table public.visits!"}),
    (
        "ALTER TABLE visits ALTER id TYPE bigint",
        {"narrowed column public.visits.id!", "replaced table public.visits!"},
    ),
    ("ALTER TABLE visits RENAME note TO remark", {"moved column public.visits.note!"}),
    ("ALTER TABLE visits RENAME TO calls", {"moved table public.visits!"}),
    ("CREATE SCHEMA s; ALTER TABLE visits SET SCHEMA s", {"created schema s", "moved table public.visits!"}),
    (
        "ALTER TABLE visits DROP CONSTRAINT visits_lead_fkey",
        {"weakened constraint public.visits.visits_lead_fkey!"},
    ),
    ("ALTER TABLE leads ALTER name DROP NOT NULL", {"weakened column public.leads.name!"}),
    ("ALTER TABLE visits ALTER note SET NOT NULL", {"updated column public.visits.note!"}),
    ("ALTER TABLE leads ALTER score DROP DEFAULT", {"updated column public.leads.score!"}),
    ("ALTER TABLE visits ALTER note SET DEFAULT 'x'", {"updated column public.visits.note!"}),
    ("ALTER TABLE leads DISABLE TRIGGER touch", {"weakened trigger public.leads.touch!"}),
    ("DROP TRIGGER touch ON leads", {"weakened trigger public.leads.touch!"}),
    ("ALTER TABLE leads ENABLE ROW LEVEL SECURITY", {"hidden table public.leads!"}),
    (
        "ALTER TABLE leads ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON leads USING (true)",
        {"hidden table public.leads!", "permission policy public.leads.p"},
    ),
    ("GRANT SELECT ON leads TO PUBLIC", {"permission table public.leads!"}),
    ("GRANT SELECT (name) ON leads TO PUBLIC", {"permission column public.leads.name!"}),
    (
        "CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
        {"replaced function public.touch()!"},
    ),
    ("ALTER FUNCTION touch() SECURITY DEFINER", {"replaced function public.touch()!"}),
    ("CREATE OR REPLACE VIEW good_leads AS SELECT id, name FROM leads", {"hidden view public.good_leads!"}),
    ("ALTER VIEW good_leads SET (security_barrier)", {"weakened view public.good_leads!"}),
    ("ALTER TYPE mood ADD VALUE 'odd'", {"updated type public.mood!"}),
    (
        "ALTER SEQUENCE numbers INCREMENT 5",
        {"setting sequence public.numbers!", "updated sequence public.numbers!"},
    ),
    ("ALTER SEQUENCE numbers RESTART", {"updated sequence public.numbers!"}),
    ("COMMENT ON TABLE leads IS 'x'", {"updated table public.leads!"}),
    ("ALTER TABLE leads SET (fillfactor = 50)", {"setting table public.leads!"}),
    ("ALTER TABLE visits SET UNLOGGED", {"weakened table public.visits!", "updated table public.visits"}),
    ("TRUNCATE visits", {"deleted 60 rows public.visits!?"}),
    (
        "DROP TABLE visits; CREATE TABLE visits (id int)",
        {"replaced table public.visits!", "deleted 60 rows public.visits!?"},
    ),
    ("ALTER TABLE visits REPLICA IDENTITY FULL", {"replication table public.visits!"}),
    ("ALTER SCHEMA extra RENAME TO more", {"moved schema extra!"}),
    ("CREATE PUBLICATION p FOR TABLE leads", {"replication publication p"}),
    ("REINDEX TABLE visits", set()),
    (
        "CLUSTER visits USING visits_pkey",
        {"updated table public.visits", "setting index public.visits_pkey!"},
    ),
    ("SELECT lo_create(4711)", {"created large object 4711!"}),
    ("SELECT lo_from_bytea(4711, 'x')", {"created large object 4711!", "created 1 rows pg_largeobject!"}),
    ("ANALYZE leads", set()),
]


@pytest.mark.parametrize(("sql", "effects"), OTHER)
def test_what_else_ddl_does(shop: Rig, sql: str, effects: set[str]) -> None:
    assert told(shop.work(*sql.split(";"))) == effects


def test_rights_of_the_future_and_of_roles_are_permissions(shop: Rig) -> None:
    kinds = {
        e.change
        for e in shop.work("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC").measurement.effects
    }
    assert kinds == {ChangeKind.PERMISSION}
    shop.database.psql(f"ALTER ROLE {shop.agent_role} CREATEROLE")
    name = f"{shop.database.name}_r"
    result = shop.work(
        f"CREATE ROLE {name}", f"ALTER ROLE {name} SET work_mem = '1MB'", f"ALTER ROLE {name} PASSWORD 'x'"
    )
    assert {e.change for e in result.measurement.effects} == {ChangeKind.PERMISSION}
    assert {"permission 2 role pg_authid!"} < told(result) or {"permission 3 role pg_authid!"} < told(result)


def test_drop_schema_and_make_it_again(fresh_db: PgDatabase) -> None:
    setup = (
        "CREATE SCHEMA app; CREATE TABLE app.a (id int PRIMARY KEY); CREATE TABLE app.b (a int REFERENCES app.a);"
        "INSERT INTO app.a SELECT generate_series(1, 7); INSERT INTO app.b SELECT generate_series(1, 3);"
        "CREATE VIEW v AS SELECT * FROM app.a; CREATE FUNCTION app.f() RETURNS int LANGUAGE sql AS 'SELECT 1'"
    )
    with rig(fresh_db, setup, schemas=("public", "app")) as made:
        made.begin()
        made.lose(Losing(schemas=("app",), cascade=True), "DROP SCHEMA app CASCADE")
        for sql in (
            "CREATE SCHEMA app",
            "CREATE TABLE app.a (id int PRIMARY KEY)",
            "INSERT INTO app.a VALUES (1)",
        ):
            made.run(sql)
        result = made.measure()
        assert told(result) == {
            "replaced schema app!",
            "replaced table app.a!",
            "deleted table app.b!",
            "deleted 7 rows app.a!",
            "deleted 3 rows app.b!",
            "deleted view public.v!",
            "deleted function app.f()!",
            "created 1 rows app.a",
        }
        numbers = totals(result.measurement.effects)
        assert (numbers.objects_deleted, numbers.rows_deleted, numbers.tables_emptied, numbers.unknown) == (
            5,
            10,
            2,
            0,
        )


def test_truncate_is_counted_and_copied_when_asked_before(shop: Rig) -> None:
    shop.begin()
    shop.run("DELETE FROM visits WHERE id = 1")
    shop.lose(Losing(relations=("leads",), cascade=True, truncates=True), "TRUNCATE leads CASCADE")
    shop.run("INSERT INTO leads VALUES (1, 'new', 1)")
    result = shop.measure()
    assert told(result) == {
        "deleted 60 rows public.visits",
        "deleted 30 rows public.leads",
        "created 1 rows public.leads",
    }
    assert totals(result.measurement.effects).tables_emptied == 2
    assert "copy" in result.measurement.undo_how


def test_truncate_of_an_empty_table_is_nothing_when_counted_before(shop: Rig) -> None:
    shop.script("CREATE TABLE nothing ()")
    assert told(shop.work("TRUNCATE nothing")) == {"deleted 1 rows public.nothing!?"}
    shop.begin()
    shop.lose(Losing(relations=("nothing",), truncates=True), "TRUNCATE nothing")
    assert told(shop.measure()) == set()


def test_what_dynamic_sql_drops_is_seen(shop: Rig) -> None:
    result = shop.work("DO $$ BEGIN EXECUTE 'DR' || 'OP TA' || 'BLE visits'; END $$")
    assert told(result) == {"deleted table public.visits!", "deleted 60 rows public.visits!?"}
    rows = next(e for e in result.measurement.effects if e.unit is Unit.ROWS)
    assert (rows.evidence, rows.before) == (Evidence.PREDICTED, 60)


def test_rolled_back_ddl_is_unknown(shop: Rig) -> None:
    result = shop.work("SAVEPOINT a", "DROP TABLE visits", "ROLLBACK TO a")
    assert totals(result.measurement.effects).unknown > 0


def test_detached_partition_is_hidden(fresh_db: PgDatabase) -> None:
    setup = (
        "CREATE TABLE m (k int) PARTITION BY LIST (k); CREATE TABLE m1 PARTITION OF m FOR VALUES IN (1);"
        "CREATE TABLE loose (k int)"
    )
    with rig(fresh_db, setup) as made:
        assert told(made.work("ALTER TABLE m DETACH PARTITION m1")) == {"hidden table public.m1!"}
        assert "updated table public.loose!" in told(
            made.work("ALTER TABLE m ATTACH PARTITION loose FOR VALUES IN (2)")
        )
        assert told(made.work("DROP TABLE m")) == {
            "deleted table public.m!",
            "deleted table public.m1!",
            "deleted 1 rows public.m1!?",
        }


def test_views_and_rules_over_tables_do_not_hide_rows(shop: Rig) -> None:
    assert told(
        shop.work("DELETE FROM good_leads WHERE id < 0", "UPDATE leads SET score = 9 WHERE id = 1")
    ) == {"updated 1 rows public.leads"}


def test_ddl_of_others_meanwhile_is_not_taken_for_the_agents(shop: Rig) -> None:
    with shop.database.connect() as other:
        other.execute("CREATE TABLE theirs (id int)")
        other.execute("DROP FUNCTION touch() CASCADE")
        shop.begin()
        shop.run("CREATE TABLE mine (id int)")
        shop.database.psql("CREATE TABLE between (id int)")
        assert told(shop.measure()) == {"created table public.mine"}
        other.rollback()


def test_constraint_made_anew_weaker_is_not_overlooked(shop: Rig) -> None:
    sql = (
        "ALTER TABLE leads DROP CONSTRAINT leads_score_check",
        "ALTER TABLE leads ADD CONSTRAINT leads_score_check CHECK (true)",
    )
    assert "weakened constraint public.leads.leads_score_check!" in told(shop.work(*sql))


def test_catalogs_are_those_of_the_server(fresh_db: PgDatabase) -> None:
    with rig(fresh_db) as made:
        assert made.identity.unknown == ()
        assert made.identity.version // 10000 == int(fresh_db.cluster.version)
        assert made.identity.fingerprint.endswith("/" + fresh_db.name)


@pytest.mark.parametrize(
    ("sql", "effects"),
    [
        (
            "ALTER TABLE visits ADD CONSTRAINT c CHECK (id > 0) NOT ENFORCED",
            {"weakened constraint public.visits.c"},
        ),
        (
            "ALTER TABLE visits ADD CONSTRAINT c NOT NULL note NOT VALID",
            {"weakened constraint public.visits.c"},
        ),
        (
            "ALTER TABLE visits ALTER CONSTRAINT visits_lead_fkey NOT ENFORCED",
            {"weakened constraint public.visits.visits_lead_fkey"},
        ),
    ],
)
def test_what_18_lets_be_declared_and_not_kept(fresh_db18: PgDatabase, sql: str, effects: set[str]) -> None:
    with rig(fresh_db18, SHOP) as made:
        assert {words.rstrip("!") for words in told(made.work(sql))} >= effects
