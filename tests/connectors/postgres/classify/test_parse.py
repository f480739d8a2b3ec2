"""From text to statements: places, sizes, depth, and what the server would not read either."""

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.connectors.postgres.catalog import Catalog
from interlock.connectors.postgres.classify import SqlSyntax, SqlTooLarge, StatementInfo, Way, classify
from interlock.connectors.postgres.parse import parse
from interlock.connectors.postgres.parse.tree import outline, shape
from interlock.connectors.postgres.verbs.rules import words
from interlock.testing.peers.pg import PgCluster

NOTHING = Catalog.empty()


@pytest.mark.parametrize("sql", ["", " ", ";", " ; ;; ", "-- nothing", "/* nothing */;"])
def test_nothing_is_no_statement(sql: str) -> None:
    assert classify(sql, NOTHING) == ()


def test_texts_and_places() -> None:
    sql = "SELECT 'ß', 'é';  UPDATE \"tàble\" SET x = '€';\n-- über\nSELECT 3 -- last"
    infos = classify(sql, NOTHING)
    assert [info.text for info in infos] == [
        "SELECT 'ß', 'é'",
        "UPDATE \"tàble\" SET x = '€'",
        "SELECT 3 -- last",
    ]
    for info in infos:
        assert sql[info.offset :].startswith(info.text)


def test_errors_have_the_place_of_the_server(pg: PgCluster) -> None:
    with pg.connect(autocommit=True) as connection:
        for sql in (
            "SELEC 1",
            "SELECT 'é' FROM WHERE",
            "SELECT (1",
            "DELETE FROM t WHERE )",
            "SELECT 1; SELECT 'ü' x y",
        ):
            with pytest.raises(SqlSyntax) as ours:
                classify(sql, NOTHING)
            with pytest.raises(psycopg.errors.SyntaxError) as theirs:
                connection.execute(sql.encode())
            place = theirs.value.diag.statement_position
            assert ours.value.position == int(place or 0)
            assert ours.value.message == theirs.value.diag.message_primary


@pytest.mark.parametrize("sql", ["SELECT 1\0; DELETE FROM t", "SELECT '\ud800'", "\0"])
def test_what_cannot_be_sent_does_not_parse(sql: str) -> None:
    with pytest.raises(SqlSyntax):
        classify(sql, NOTHING)


def test_size_is_limited() -> None:
    with pytest.raises(SqlTooLarge):
        classify("SELECT '" + "x" * (16 << 20) + "'", NOTHING)
    with pytest.raises(SqlTooLarge):
        classify("SELECT 'éé'", NOTHING, limit=12)
    assert classify("SELECT 'éé'", NOTHING, limit=13)


def test_ten_megabytes_of_text_are_one_read() -> None:
    (info,) = classify("SELECT '" + "é;'' DROP " * 1_000_000 + "'", NOTHING)
    assert info.way is Way.PASS


def test_ten_megabytes_of_rows_are_one_insert() -> None:
    sql = "INSERT INTO t VALUES " + ",".join(
        ["(1,'abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz')"] * 190_000
    )
    assert len(sql) > 10_000_000
    (info,) = classify(sql, NOTHING)
    assert info.way is Way.GATED


def test_too_many_parts_are_refused() -> None:
    sql = "SELECT " + ",".join(["a.b"] * 1_500_000)
    (info,) = classify(sql, NOTHING)
    assert info.way is Way.REFUSED
    assert "too many parts" in info.why
    assert info.operations[0].action.value == "unknown"


def test_a_thousand_statements() -> None:
    infos = classify("SELECT 1; DELETE FROM t;" * 500, NOTHING)
    assert len(infos) == 1000
    assert {info.way for info in infos[::2]} == {Way.PASS}
    assert {info.way for info in infos[1::2]} == {Way.GATED}


DEEP = {
    "operators": ("SELECT 1", "+1"),
    "casts": ("SELECT 1", "::int"),
    "unions": ("SELECT 1", " UNION SELECT 1"),
    "joins": ("SELECT 1 FROM a", " CROSS JOIN a"),
    "tests": ("SELECT a", " IS NULL"),
    "concatenations": ("SELECT a", "||a"),
    "parentheses": ("SELECT " + "(" * 100_000, ")"),
    "calls": ("SELECT " + "f(" * 100_000, ")"),
    "subqueries": ("SELECT " + "(SELECT " * 100_000, ")"),
    "negations": ("SELECT " + "NOT " * 100_000, ""),
    "blocks": ("EXPLAIN " * 10_000 + "SELECT 1", ""),
}


@pytest.mark.parametrize("what", DEEP)
def test_depth_is_refused_not_followed(what: str) -> None:
    start, more = DEEP[what]
    for times in (1_000, 100_000):
        try:
            infos = classify(start + more * times, NOTHING)
        except SqlSyntax:
            continue
        assert {info.way for info in infos} <= {Way.REFUSED, Way.GATED}


def test_long_lists_are_not_deep() -> None:
    ors = " OR ".join(f"a = {i}" for i in range(20_000))
    (info,) = classify(f"SELECT 1 WHERE {ors} AND b IN ({','.join(map(str, range(20_000)))})", NOTHING)
    assert info.way is Way.PASS


def test_shape_forgets_constants_only() -> None:
    def of(sql: str) -> str:
        return shape(outline(sql))

    same = [
        "SELECT a FROM t WHERE b = 1",
        "SELECT a FROM t WHERE b = 'it''s \"A_Const\":{'",
        " SELECT a FROM t  WHERE b=NULL",
    ]
    assert len({of(sql) for sql in same}) == 1
    different = [
        "SELECT a FROM t WHERE b = $1",
        "SELECT a FROM u WHERE b = 1",
        "SELECT a FROM t WHERE b = 1 OR c = 1",
        "SELECT a FROM t WHERE b = f(1)",
        'SELECT "1" FROM t WHERE b = 1',
    ]
    assert len({of(sql) for sql in (*same, *different)}) == 1 + len(different)


def test_statements_of_one_shape_keep_their_texts(shop: Catalog) -> None:
    for number in (1, 22, 333):
        (info,) = classify(f"  SELECT * FROM customers WHERE id = {number}", shop)
        assert (info.way, info.text, info.offset) == (
            Way.PASS,
            f"SELECT * FROM customers WHERE id = {number}",
            2,
        )
    (info,) = classify("SELECT setval('numbers', 5)", shop)
    assert info.operations[1].resources[0].name == "public.numbers"
    (info,) = classify("SELECT setval('archive.orders', 5)", shop)
    assert info.operations[1].resources[0].name == "archive.orders"


def test_the_same_text_is_looked_through_once(shop: Catalog) -> None:
    first = classify("SELECT id FROM customers WHERE name = 'again'", shop)
    assert classify("SELECT id FROM customers WHERE name = 'again'", shop) is first


def test_executing_depends_on_what_is_prepared(shop: Catalog) -> None:
    (read,) = classify("PREPARE p AS SELECT * FROM customers WHERE id = $1", shop)
    (write,) = classify("PREPARE p AS DELETE FROM customers WHERE id = $1", shop)
    (parsed,) = classify("DELETE FROM payments WHERE id = $1", shop)

    def execute(sql: str, info: StatementInfo) -> StatementInfo:
        (found,) = classify(sql, shop, prepared={"p": info})
        return found

    assert (read.prepares, read.way, write.way) == ("p", Way.PASS, Way.GATED)
    assert execute("EXECUTE p(1)", read).way is Way.PASS
    assert execute("EXECUTE p(1)", read).returns_rows
    assert execute("EXECUTE p(1)", write).way is Way.GATED
    assert execute("EXECUTE p(1)", write).operations[0].resources[0].name == "public.customers"
    assert execute("EXECUTE p(1)", parsed).operations[0].resources[0].name == "public.payments"
    assert execute("EXECUTE p(cleanup())", read).way is Way.GATED
    assert execute("EXECUTE p(setval('numbers', 1))", read).way is Way.IMMEDIATE
    assert execute("EXPLAIN ANALYZE EXECUTE p(1)", write).way is Way.GATED
    assert execute("CREATE TABLE x AS EXECUTE p(1)", read).operations[0].action.value == "create"
    assert execute("EXECUTE q(1)", read).way is Way.REFUSED


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_classified_or_no_sql(text: str) -> None:
    _classified(text)


WORDS = st.sampled_from(
    sorted(
        words(
            """SELECT FROM WHERE ( ) , ; * a b.c 'x' $1 1 INSERT INTO VALUES UPDATE SET = DELETE DROP TABLE CASCADE CREATE
            FUNCTION f AS RETURNING WITH x AS MATERIALIZED ON CONFLICT DO NOTHING ALTER ADD COLUMN int TYPE GRANT TO ROLE
            EXECUTE PREPARE BEGIN COMMIT $$ -- /* */ U&"x" E'\\'' :: [ ] CASE WHEN THEN END JOIN USING GROUP BY ORDER LIMIT
            FOR COPY STDIN EXPLAIN ANALYZE VACUUM RESET ALL SHOW DECLARE CURSOR FETCH MERGE MATCHED NOT SCHEMA INDEX VIEW
            TRIGGER POLICY OWNER RENAME COMMENT IS NULL EXTENSION"""
        )
    )
)


@settings(max_examples=500, deadline=None)
@given(st.lists(WORDS, max_size=14))
def test_any_words_are_classified_or_no_sql(chosen: list[str]) -> None:
    _classified(" ".join(chosen))


SEEDS = [
    "SELECT a.b, count(*) FROM s.t a JOIN u USING (id) WHERE x IN (1, 2) GROUP BY 1 HAVING f(x) ORDER BY 2 LIMIT 3",
    "INSERT INTO t (a) SELECT 1 ON CONFLICT (a) DO UPDATE SET a = excluded.a WHERE t.b RETURNING *",
    "CREATE TABLE t (a int DEFAULT f(1) CHECK (a > 0), PRIMARY KEY (a)) PARTITION BY RANGE (g(a))",
    "ALTER TABLE t ADD COLUMN a int, DROP CONSTRAINT b CASCADE, ALTER c TYPE int USING d(c)",
    "CREATE OR REPLACE FUNCTION f(a int) RETURNS int LANGUAGE plpgsql SET x = y AS $$ BEGIN END $$",
    "GRANT SELECT (a), UPDATE ON t, u TO x, PUBLIC WITH GRANT OPTION",
    "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED AND f(1) THEN UPDATE SET b = 1 WHEN NOT MATCHED THEN DO NOTHING",
    "COPY t (a, b) FROM STDIN WITH (FORMAT csv, HEADER) WHERE a > f(b)",
    "DROP FUNCTION a.f(int), g CASCADE",
    "COMMENT ON CONSTRAINT c ON DOMAIN d IS 'x'",
]


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(SEEDS), st.data())
def test_cut_and_mixed_statements_are_classified_or_no_sql(seed: str, data: st.DataObject) -> None:
    parts = seed.split(" ")
    place = data.draw(st.integers(0, len(parts) - 1))
    other = data.draw(st.sampled_from(SEEDS)).split(" ")
    cut = data.draw(st.integers(0, len(other)))
    _classified(" ".join(parts[:place] + other[cut:]))
    _classified(" ".join(parts[:place] + parts[place + 1 :]))


def _classified(text: str) -> None:
    try:
        infos = classify(text, NOTHING)
    except SqlSyntax:
        return
    for info in infos:
        assert info.operations
        assert info.text.strip() in text
    assert len(infos) == len(parse(text))
