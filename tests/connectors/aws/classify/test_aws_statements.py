"""SQL inside calls: what the call is by the statements in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.connectors.aws.call import Call, Classified
from interlock.connectors.aws.classify import Scope, classify, with_statements
from interlock.connectors.aws.classify.statements import LANGUAGE, LONGEST
from interlock.connectors.aws.verbs import sql
from interlock.connectors.aws.verbs.levels import installed_levels
from interlock.model.operation import Action
from interlock.runtime.targets.languages import Languages

CLUSTER = "arn:aws:rds:eu-west-1:123456789012:cluster:shop"
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:s-abcdef"
READS = Languages()[LANGUAGE]
SCOPE = Scope("production", "123456789012", region="eu-west-1")


def asked(name: str, **parameters: object) -> Classified:
    service, _, operation = name.partition(":")
    call = Call(service, operation, "eu-west-1", "123456789012", parameters)
    return with_statements(classify(call, SCOPE, installed_levels()), READS)


def data(text: str) -> Classified:
    return asked(
        "rds-data:ExecuteStatement", resourceArn=CLUSTER, secretArn=SECRET, database="shop", sql=text
    )


READ = [
    "SELECT 1",
    "select * from orders where id = :id and name = :name",
    "SELECT count(*) FROM orders WHERE note = 'delete from x; drop table y' -- why not\n",
    "SELECT o.total::numeric(10,2) FROM sales.orders o /* DROP TABLE x */ ORDER BY 1",
    "WITH d AS (SELECT 1 AS n) SELECT n FROM d",
    "EXPLAIN SELECT * FROM orders",
    "SHOW server_version",
]
HELD = {
    "DELETE FROM orders": Action.DELETE,
    "delete from orders where id = :id": Action.DELETE,
    "UPDATE orders SET total = 0": Action.UPDATE,
    "INSERT INTO orders (id) VALUES (:id)": Action.CREATE,
    "TRUNCATE orders": Action.DELETE,
    "SELECT 1; DROP TABLE orders": Action.DELETE,
    "WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d": Action.DELETE,
    "EXPLAIN ANALYZE DELETE FROM orders": Action.DELETE,
    "SELECT * INTO copies FROM orders": Action.CREATE,
    "SELECT * FROM orders FOR UPDATE": Action.UPDATE,
    "GRANT ALL ON orders TO PUBLIC": Action.ADMIN,
    "/* SELECT 1 */ DELETE FROM orders -- SELECT": Action.DELETE,
    # MySQL and Redshift end this text's strings elsewhere, and run cleanup().
    "SELECT '\\', ', cleanup() -- '": Action.DELETE,
    "SELECT 1 --cleanup()": Action.DELETE,
    "SELECT 1 /*! , cleanup() */": Action.DELETE,
    "SELECT 1 # '\n, cleanup() -- '": Action.DELETE,
    "SELECT $$ , cleanup() , $$": Action.DELETE,
    "SELECT /* /* */ 1 /* */ */": Action.DELETE,
}
UNKNOWN = [
    "SELECT cleanup()",
    "SELECT shop.now()",
    "DELETE FROM orders WHERE cleanup(id)",
    "SELECT * FROM orders, LATERAL cleanup(orders.id)",
    "SELECT 'x'::mine",
    "SELECT 1 OPERATOR(public.@@@@) 2",
    "CALL cleanup()",
    "DO $do$ BEGIN DELETE FROM orders; END $do$",
    "SELECT 1; SELECT cleanup()",
    "COPY orders FROM PROGRAM 'rm -rf /'",
    "SET ROLE postgres",
    "BEGIN; DELETE FROM orders; COMMIT",
    "EXECUTE prepared",
    "SELECT * FROM pg_authid",
    "UNLOAD ('select * from orders') TO 's3://b/'",
    "REPLACE INTO orders VALUES (1)",
    "SELEC 1",
    "SELECT `id` FROM `orders`",
    "SELECT 1 \\; DROP TABLE orders",
    "",
    ";",
    "-- nothing\n",
    "SELECT " + "(" * 20_000,
    "x" * (LONGEST + 1),
]


@pytest.mark.parametrize("text", READ)
def test_reads_pass(text: str) -> None:
    what = data(text)
    assert what.operation.action is Action.READ
    assert (what.quiet, what.operation.evidence_unknown) == ((), "")
    assert {each.action for each in what.inside} == {Action.READ}


@pytest.mark.parametrize(("text", "action"), HELD.items())
def test_changes_are_what_they_are_and_nobody_counts_them(text: str, action: Action) -> None:
    what = data(text)
    assert what.operation.action is action
    assert what.operation.evidence_unknown
    assert what.quiet


@pytest.mark.parametrize("text", UNKNOWN, ids=lambda text: text[:40])
def test_what_cannot_be_looked_through_is_unknown(text: str) -> None:
    what = data(text)
    assert what.operation.action is Action.UNKNOWN
    assert all(text not in each.evidence_unknown for each in what.operations if len(text) > 4)


def test_tables_are_named_within_their_database() -> None:
    what = data("DELETE FROM sales.orders USING customers")
    named = {(each.action, r.kind, r.name) for each in what.inside for r in each.resources}
    assert named == {
        (Action.DELETE, "sql:table", f"{CLUSTER}/shop/sales.orders"),
        (Action.READ, "sql:table", f"{CLUSTER}/shop/public.customers"),
    }
    assert what.operation.resources[0].name == CLUSTER
    assert what.operations == (what.operation, *what.inside)


def test_every_statement_of_a_batch_counts() -> None:
    what = asked(
        "redshift-data:BatchExecuteStatement", ClusterIdentifier="c", Sqls=["SELECT 1", "DROP TABLE t"]
    )
    assert what.operation.action is Action.DELETE
    one = asked("redshift-data:BatchExecuteStatement", WorkgroupName="w", Sqls=["SELECT 1", "SELECT 2"])
    assert one.operation.action is Action.READ
    batch = asked(
        "rds-data:BatchExecuteStatement", resourceArn=CLUSTER, secretArn=SECRET, sql="UPDATE t SET a = :a"
    )
    assert batch.operation.action is Action.UPDATE
    older = asked(
        "rds-data:ExecuteSql", dbClusterOrInstanceArn=CLUSTER, sqlStatements="SELECT 1; DELETE FROM t"
    )
    assert older.operation.action is Action.DELETE


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("SELECT a, count(*) FROM logs.requests WHERE day = ? GROUP BY a", Action.READ),
        ("SHOW TABLES IN logs", Action.READ),
        ("DESCRIBE logs.requests", Action.READ),
        ("SHOW CREATE TABLE `requests`", Action.READ),
        ("DELETE FROM requests", Action.UNKNOWN),
        ("INSERT INTO requests SELECT * FROM other", Action.UNKNOWN),
        ("CREATE TABLE x AS SELECT 1", Action.UNKNOWN),
        ("MSCK REPAIR TABLE requests", Action.UNKNOWN),
        ("USING EXTERNAL FUNCTION f(x INT) RETURNS INT LAMBDA 'wipe' SELECT f(1)", Action.UNKNOWN),
        ("SELECT wipe(1)", Action.UNKNOWN),
        ("SHOW TABLES; DROP TABLE x", Action.UNKNOWN),
        ("DESCRIBE x; DROP TABLE x", Action.UNKNOWN),
        ("SELECT 1; SELECT 2", Action.UNKNOWN),
        ("EXPLAIN ANALYZE DELETE FROM x", Action.UNKNOWN),
    ],
)
def test_of_athena_only_plain_reads_are_known(text: str, action: Action) -> None:
    what = asked("athena:StartQueryExecution", QueryString=text, QueryExecutionContext={"Database": "logs"})
    assert what.operation.action is action


def test_an_unqualified_table_of_athena_is_in_the_database_of_the_call() -> None:
    what = asked(
        "athena:StartQueryExecution",
        QueryString="SELECT * FROM t",
        QueryExecutionContext={"Database": "d"},
        WorkGroup="w",
    )
    assert what.inside[0].resources[0].name == "arn:aws:athena:eu-west-1:123456789012:workgroup/w/d/t"


def test_a_result_that_goes_where_the_call_says_is_no_read() -> None:
    where = {"OutputLocation": "s3://elsewhere/"}
    what = asked("athena:StartQueryExecution", QueryString="SELECT 1", ResultConfiguration=where)
    assert what.operation.action is Action.UPDATE


def test_without_a_reader_sql_is_unknown() -> None:
    call = Call(
        "rds-data",
        "ExecuteStatement",
        "eu-west-1",
        "123456789012",
        {"resourceArn": CLUSTER, "sql": "SELECT 1"},
    )
    what = with_statements(classify(call, SCOPE, installed_levels()), None)
    assert what.operation.action is Action.UNKNOWN


def test_other_calls_are_left_alone() -> None:
    call = Call("s3", "DeleteBucket", "eu-west-1", "123456789012", {"Bucket": "b"})
    what = classify(call, SCOPE, installed_levels())
    assert with_statements(what, READS) is what


@given(
    st.lists(
        st.sampled_from(["'", '"', "--", "/*", "*/", ":a", "::", "?", " ", "\n", "x", "delete", ";"]),
        max_size=12,
    )
)
def test_numbering_leaves_strings_names_and_comments_alone(pieces: list[str]) -> None:
    text = "".join(pieces)
    if not set(text) & {":", "?"}:
        assert sql.numbered(text) == text
    quoted = "'" + text.replace("'", "''") + "'"
    assert sql.numbered(quoted) == quoted
    name = '"' + text.replace('"', '""') + '"'
    assert sql.numbered(name) == name


@given(st.text(max_size=60))
def test_whatever_the_text_it_is_classified(text: str) -> None:
    assert data(text).inside
