"""What clients send, to be answered by the gateway exactly as the server itself answers it."""

from typing import Any

from tests.connectors.postgres.session.rawclient import FLUSH, SYNC, extended

from interlock.connectors.postgres.codec import CopyData, CopyDone
from interlock.connectors.postgres.codec import frontend as f


def q(sql: str) -> list[Any]:
    """A simple message."""
    return [f.Query(sql)]


def e(sql: str, *values: bytes | None, **options: Any) -> list[Any]:
    """An extended statement with its Sync."""
    return [*extended(sql, *values, **options), SYNC]


SIMPLE: dict[str, list[list[Any]]] = {
    "one row": [q("SELECT 1 AS one, 'x' AS two, NULL AS three")],
    "rows of a table": [q("SELECT * FROM t ORDER BY a LIMIT 3")],
    "several reads": [q("SELECT 1; SELECT 2; SELECT 3")],
    "nothing": [q(""), q(";"), q(" ;; "), q("-- only a comment"), q("/* only */ ;")],
    "nothing among something": [q("SELECT 1;; SELECT 2;")],
    "writes": [
        q("INSERT INTO t VALUES (100, 'new')"),
        q("UPDATE t SET b = 'changed' WHERE a < 3"),
        q("DELETE FROM t WHERE a = 1"),
    ],
    "rows of writes": [
        q("INSERT INTO t VALUES (100, 'new'), (101, NULL) RETURNING a, b"),
        q("UPDATE t SET a = a + 1000 WHERE a > 18 RETURNING *"),
        q("DELETE FROM t WHERE a < 3 RETURNING b"),
        q("WITH gone AS (DELETE FROM t WHERE a = 5 RETURNING *) SELECT count(*) FROM gone"),
    ],
    "merge": [
        q(
            "MERGE INTO t USING (VALUES (1), (500)) v(i) ON a = i WHEN MATCHED THEN DELETE"
            " WHEN NOT MATCHED THEN INSERT VALUES (i, 'merged')"
        )
    ],
    "upsert": [
        q("INSERT INTO t VALUES (1, 'x') ON CONFLICT (a) DO UPDATE SET b = EXCLUDED.b || t.b RETURNING b")
    ],
    "reads and writes together": [q("SELECT 1; INSERT INTO t VALUES (100, 'x'); SELECT count(*) FROM t")],
    "an error undoes the message": [
        q("INSERT INTO t VALUES (100, 'x'); SELECT 1/0; SELECT 2"),
        q("SELECT count(*) FROM t"),
    ],
    "an error of a read": [q("SELECT 1; SELECT 1/0; SELECT 2"), q("SELECT 3")],
    "syntax errors": [
        q("SELEC 1"),
        q("SELECT 1; SELEC 2"),
        q("INSERT INTO t VALUES (100"),
        q("SELECT 'open"),
    ],
    "places in texts of many bytes": [
        q("SELECT 'é' AS ü, nope"),
        q("SELECT 'é€𝄞'; SELECT 'é' nope nope"),
        q("SELECT 'é'; INSERT INTO t VALUES (100, 'ü'), (nope, 1)"),
    ],
    "unknown names": [
        q("SELECT * FROM nope"),
        q("SELECT nope FROM t"),
        q("SELECT nope()"),
        q("INSERT INTO nope VALUES (1)"),
    ],
    "a place in a later statement": [
        q("SELECT 1; SELECT nope FROM t"),
        q("INSERT INTO t VALUES (100, 'x'); SELECT nope"),
    ],
    "constraint violations": [
        q("INSERT INTO t VALUES (1, 'again')"),
        q("INSERT INTO child VALUES (77, 77)"),
        q("INSERT INTO t VALUES (NULL, 'x')"),
    ],
    "bad values": [q("SELECT 'x'::int"), q("INSERT INTO t VALUES ('x', 'y')"), q("SELECT 1/0")],
    "notices": [
        q("SELECT loud('a')"),
        q("DO $$ BEGIN RAISE NOTICE 'b'; END $$"),
        q("DROP TABLE IF EXISTS nope"),
    ],
    "functions that write": [q("SELECT wipe()"), q("CALL forget(1)"), q("DO $$ BEGIN DELETE FROM t; END $$")],
    "locks": [
        q("SELECT a FROM t WHERE a = 1 FOR UPDATE"),
        q("LOCK TABLE t"),
        q("BEGIN; LOCK TABLE t; COMMIT"),
    ],
    "explain": [q("EXPLAIN (COSTS OFF) SELECT * FROM t WHERE a = 1"), q("EXPLAIN (COSTS OFF) DELETE FROM t")],
    "tables of values": [q("VALUES (1, 'a'), (2, 'b')"), q("TABLE t")],
    "truncate": [q("TRUNCATE child")],
    "outside a block": [
        q("VACUUM t"),
        q("ANALYZE t"),
        q("BEGIN"),
        q("VACUUM t"),
        q("ROLLBACK"),
        q("SELECT 1; VACUUM t"),
    ],
}

TRANSACTIONS: dict[str, list[list[Any]]] = {
    "committed": [q("BEGIN"), q("INSERT INTO t VALUES (100, 'x')"), q("SELECT count(*) FROM t"), q("COMMIT")],
    "rolled back": [
        q("BEGIN"),
        q("DELETE FROM t"),
        q("SELECT count(*) FROM t"),
        q("ROLLBACK"),
        q("SELECT count(*) FROM t"),
    ],
    "in one message": [q("BEGIN; INSERT INTO t VALUES (100, 'x'); COMMIT"), q("SELECT count(*) FROM t")],
    "empty": [
        q("BEGIN"),
        q("COMMIT"),
        q("BEGIN; COMMIT"),
        q("START TRANSACTION"),
        q("END"),
        q("BEGIN WORK"),
        q("ABORT"),
    ],
    "failed": [
        q("BEGIN"),
        q("INSERT INTO t VALUES (100, 'x')"),
        q("SELECT 1/0"),
        q("SELECT 1"),
        q("SELEC"),
        q("COMMIT"),
        q("SELECT count(*) FROM t"),
    ],
    "failed and rolled back": [
        q("BEGIN"),
        q("SELECT nope"),
        q("INSERT INTO t VALUES (100)"),
        q("ROLLBACK"),
        q("SELECT 1"),
    ],
    "fails in the middle of a message": [
        q("BEGIN; INSERT INTO t VALUES (100); SELECT 1/0; COMMIT"),
        q("SELECT 1"),
        q("ROLLBACK"),
    ],
    "begun in the middle": [
        q("INSERT INTO t VALUES (100); BEGIN; INSERT INTO t VALUES (101)"),
        q("ROLLBACK"),
        q("TABLE t"),
    ],
    "begun in the middle and committed": [
        q("INSERT INTO t VALUES (100); BEGIN; INSERT INTO t VALUES (101); COMMIT; INSERT INTO t VALUES (102)")
    ],
    "commit in the middle": [
        q("INSERT INTO t VALUES (100); COMMIT; INSERT INTO t VALUES (101); SELECT 1/0"),
        q("SELECT a FROM t WHERE a >= 100"),
    ],
    "rollback in the middle": [
        q("INSERT INTO t VALUES (100); ROLLBACK; INSERT INTO t VALUES (101)"),
        q("SELECT a FROM t WHERE a >= 100"),
    ],
    "warnings": [
        q("COMMIT"),
        q("ROLLBACK"),
        q("END"),
        q("BEGIN; BEGIN"),
        q("BEGIN"),
        q("ROLLBACK"),
        q("BEGIN; COMMIT; COMMIT"),
    ],
    "chains": [
        q("BEGIN ISOLATION LEVEL SERIALIZABLE"),
        q("INSERT INTO t VALUES (100)"),
        q("COMMIT AND CHAIN"),
        q("SHOW transaction_isolation"),
        q("INSERT INTO t VALUES (101)"),
        q("ROLLBACK AND CHAIN"),
        q("SELECT count(*) FROM t"),
        q("COMMIT AND NO CHAIN"),
        q("SHOW transaction_isolation"),
    ],
    "chain of a failed one": [q("BEGIN"), q("SELECT 1/0"), q("COMMIT AND CHAIN"), q("SELECT 1"), q("COMMIT")],
    "chains without a block": [
        q("COMMIT AND CHAIN"),
        q("ROLLBACK AND CHAIN"),
        q("SELECT 1; COMMIT AND CHAIN; SELECT 2"),
    ],
    "isolation": [
        q("BEGIN ISOLATION LEVEL REPEATABLE READ"),
        q("SHOW transaction_isolation"),
        q("COMMIT"),
        q("BEGIN"),
        q("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"),
        q("SHOW transaction_isolation"),
        q("SELECT 1"),
        q("SET TRANSACTION ISOLATION LEVEL READ COMMITTED"),
        q("ROLLBACK"),
        q("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"),
        q("SHOW transaction_isolation"),
    ],
    "read only": [
        q("BEGIN READ ONLY"),
        q("SHOW transaction_read_only"),
        q("SELECT count(*) FROM t"),
        q("INSERT INTO t VALUES (100)"),
        q("ROLLBACK"),
        q("BEGIN"),
        q("SET TRANSACTION READ ONLY"),
        q("DELETE FROM t"),
        q("ROLLBACK"),
    ],
    "read only for the session": [
        q("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"),
        q("SHOW default_transaction_read_only"),
        q("INSERT INTO t VALUES (100)"),
        q("BEGIN READ WRITE"),
        q("INSERT INTO t VALUES (100)"),
        q("COMMIT"),
        q("SET default_transaction_read_only = off"),
        q("INSERT INTO t VALUES (101)"),
        q("SHOW transaction_read_only"),
    ],
    "savepoints": [
        q("BEGIN"),
        q("INSERT INTO t VALUES (100)"),
        q("SAVEPOINT a"),
        q("INSERT INTO t VALUES (101)"),
        q("SAVEPOINT b"),
        q("INSERT INTO t VALUES (102)"),
        q("ROLLBACK TO a"),
        q("INSERT INTO t VALUES (103)"),
        q("RELEASE a"),
        q("RELEASE a"),
        q("ROLLBACK"),
    ],
    "savepoints of one name": [
        q("BEGIN"),
        q("SAVEPOINT a; INSERT INTO t VALUES (100); SAVEPOINT a; INSERT INTO t VALUES (101); SAVEPOINT a"),
        q("INSERT INTO t VALUES (102)"),
        q("ROLLBACK TO a"),
        q("RELEASE a"),
        q("ROLLBACK TO SAVEPOINT a"),
        q("COMMIT"),
    ],
    "open savepoints of one name at the commit": [
        q(
            "BEGIN; SAVEPOINT a; INSERT INTO t VALUES (100); SAVEPOINT a; INSERT INTO t VALUES (101); SAVEPOINT b; SAVEPOINT a"
        ),
        q("COMMIT"),
    ],
    "back to a savepoint after an error": [
        q("BEGIN"),
        q("SAVEPOINT a"),
        q("INSERT INTO t VALUES (1)"),
        q("SELECT 1"),
        q("SAVEPOINT b"),
        q("ROLLBACK TO a"),
        q("INSERT INTO t VALUES (100)"),
        q("COMMIT"),
    ],
    "quoted savepoints": [
        q('BEGIN; SAVEPOINT "A ""b"" é"; INSERT INTO t VALUES (100); ROLLBACK TO "A ""b"" é"; COMMIT')
    ],
    "savepoints without a block": [
        q("SAVEPOINT a"),
        q("RELEASE a"),
        q("ROLLBACK TO a"),
        q("SELECT 1; SAVEPOINT a; SELECT 2"),
    ],
    "unknown savepoints": [
        q("BEGIN"),
        q("ROLLBACK TO nope"),
        q("ROLLBACK"),
        q("BEGIN"),
        q("RELEASE nope"),
        q("ROLLBACK"),
    ],
    "settings go back with savepoints": [
        q("BEGIN"),
        q("SAVEPOINT a"),
        q("SET search_path = pg_catalog"),
        q("SELECT count(*) FROM t"),
        q("ROLLBACK TO a"),
        q("SELECT count(*) FROM t"),
        q("COMMIT"),
    ],
    "deferred constraints": [
        q("BEGIN"),
        q("SET CONSTRAINTS ALL DEFERRED"),
        q("INSERT INTO child VALUES (77, 77)"),
        q("COMMIT"),
        q("SELECT count(*) FROM child"),
        q(
            "BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO child VALUES (77, 77); INSERT INTO parent VALUES (77); COMMIT"
        ),
    ],
    "two phases": [
        q("BEGIN"),
        q("INSERT INTO t VALUES (100)"),
        q("PREPARE TRANSACTION 'one''s'"),
        q("SELECT count(*) FROM t"),
        q("COMMIT PREPARED 'one''s'"),
        q("BEGIN; INSERT INTO t VALUES (101); PREPARE TRANSACTION 'two'"),
        q("ROLLBACK PREPARED 'two'"),
        q("COMMIT PREPARED 'nope'"),
        q("PREPARE TRANSACTION 'outside'"),
        q("BEGIN; SELECT 1/0"),
        q("PREPARE TRANSACTION 'failed'"),
        q("SELECT a FROM t WHERE a >= 100"),
    ],
    "functions that write, in a block": [
        q("BEGIN"),
        q("SELECT wipe()"),
        q("ROLLBACK"),
        q("BEGIN; CALL forget(2); COMMIT"),
    ],
}

SETTINGS: dict[str, list[list[Any]]] = {
    "set and show": [q("SET work_mem = '8MB'"), q("SHOW work_mem"), q("RESET work_mem"), q("SHOW work_mem")],
    "local": [
        q("BEGIN"),
        q("SET LOCAL work_mem = '8MB'"),
        q("SHOW work_mem"),
        q("COMMIT"),
        q("SHOW work_mem"),
    ],
    "local without a block": [q("SET LOCAL work_mem = '8MB'"), q("SHOW work_mem")],
    "rolled back": [q("BEGIN"), q("SET TimeZone = 'Asia/Tokyo'"), q("ROLLBACK"), q("SHOW TimeZone")],
    "set together": [
        q("SET work_mem = '8MB'; SET work_mem = 'lots'; SET TimeZone = 'Asia/Tokyo'"),
        q("SHOW work_mem"),
        q("SHOW TimeZone"),
        q("SET work_mem = '9MB'; SELECT 1/0"),
        q("SHOW work_mem"),
        q("SET extra_float_digits = '0'; INSERT INTO t VALUES (1)"),
        q("SHOW extra_float_digits"),
    ],
    "prepared before an error": [
        q("PREPARE p AS SELECT 1"),
        q("DEALLOCATE p; PREPARE p AS INSERT INTO t VALUES (100); SELECT 1/0"),
        q("EXECUTE p"),
        q("SELECT count(*) FROM t"),
    ],
    "numbers alike": [
        q("SELECT 1"),
        q("SELECT 2; "),
        q("BEGIN; SELECT 3; SELECT a FROM t WHERE a = 4"),
        q("SELECT a FROM t WHERE a = 15 ; "),
        q("COMMIT; SELECT 5"),
        q("  SELECT 12345"),
    ],
    "reported": [
        q("SET TimeZone = 'Asia/Tokyo'"),
        q("SET application_name = 'me'"),
        q("SET DateStyle = 'German'"),
        q("RESET ALL"),
    ],
    "reported in a block": [
        q("BEGIN"),
        q("SET DateStyle = 'German'"),
        q("SHOW DateStyle"),
        q("COMMIT"),
        q("SHOW DateStyle"),
    ],
    "search path": [
        q("SET search_path = pg_catalog"),
        q("TABLE t"),
        q("SET search_path = public"),
        q("SELECT count(*) FROM t"),
    ],
    "unknown": [q("SHOW nope.nope"), q("SHOW nope")],
    "bad values": [q("SET work_mem = 'lots'"), q("SET TimeZone = 'Nowhere/Atall'")],
    "of an application": [
        q("SET app.user = 'x'"),
        q("SHOW app.user"),
        q("SELECT current_setting('app.user')"),
    ],
    "read only is off": [q("SHOW default_transaction_read_only"), q("SHOW transaction_read_only")],
    "forced as they are": [q("SET client_encoding = 'UTF8'"), q("SET standard_conforming_strings = on")],
    "discard": [
        q("SET work_mem = '8MB'"),
        q("DISCARD ALL"),
        q("SHOW work_mem"),
        q("DISCARD PLANS"),
        q("DISCARD TEMP"),
    ],
    "discard in a block": [q("BEGIN"), q("DISCARD ALL"), q("ROLLBACK")],
    "prepared": [
        q("PREPARE p (int) AS SELECT $1 + 1"),
        q("EXECUTE p (41)"),
        q("PREPARE w AS INSERT INTO t VALUES ($1, 'x')"),
        q("EXECUTE w (100)"),
        q("EXECUTE w (100)"),
        q("DEALLOCATE p"),
        q("EXECUTE p (1)"),
        q("DEALLOCATE ALL"),
        q("EXECUTE w (101)"),
        q("SELECT count(*) FROM t"),
    ],
    "cursors": [
        q("DECLARE c CURSOR FOR SELECT a FROM t ORDER BY a"),
        q("BEGIN"),
        q("DECLARE c CURSOR FOR SELECT a FROM t ORDER BY a"),
        q("FETCH 2 FROM c"),
        q("MOVE 3 IN c"),
        q("FETCH NEXT FROM c"),
        q("CLOSE c"),
        q("FETCH c"),
        q("ROLLBACK"),
    ],
    "cursors that stay": [
        q("BEGIN"),
        q("DECLARE h CURSOR WITH HOLD FOR SELECT a FROM t ORDER BY a"),
        q("FETCH 2 FROM h"),
        q("COMMIT"),
        q("FETCH 2 FROM h"),
        q("CLOSE h"),
        q("FETCH h"),
    ],
    "positioned writes": [
        q("BEGIN"),
        q("DECLARE c CURSOR FOR SELECT * FROM t ORDER BY a FOR UPDATE"),
        q("FETCH 2 FROM c"),
        q("UPDATE t SET b = 'here' WHERE CURRENT OF c"),
        q("DELETE FROM t WHERE CURRENT OF c"),
        q("COMMIT"),
    ],
    "temporary tables": [
        q("CREATE TEMP TABLE tmp (x int)"),
        q("INSERT INTO tmp SELECT generate_series(1, 5)"),
        q("SELECT count(*) FROM tmp"),
        q("DELETE FROM tmp WHERE x > 3"),
        q("TRUNCATE tmp"),
        q("DROP TABLE tmp"),
        q("BEGIN; CREATE TEMP TABLE once (x int) ON COMMIT DROP; INSERT INTO once VALUES (1); COMMIT"),
        q("SELECT * FROM once"),
    ],
    "definitions": [
        q("CREATE TABLE made (x int)"),
        q("ALTER TABLE made ADD COLUMN y text DEFAULT 'y'"),
        q("INSERT INTO made VALUES (1)"),
        q("SELECT * FROM made"),
        q("CREATE INDEX ON made (x)"),
        q("CREATE VIEW seen AS SELECT x FROM made"),
        q("SELECT * FROM seen"),
        q("DROP TABLE made"),
        q("DROP TABLE made CASCADE"),
        q("CREATE TABLE made AS SELECT a FROM t WHERE a < 3"),
        q("SELECT * INTO made2 FROM made"),
        q("DROP TABLE made, made2"),
    ],
}

EXTENDED: dict[str, list[list[Any]]] = {
    "a read": [e("SELECT $1::int + 1", b"41", describe=True)],
    "a write": [e("INSERT INTO t VALUES ($1, $2)", b"100", b"x", describe=True), e("SELECT count(*) FROM t")],
    "rows of a write": [e("UPDATE t SET b = $1 WHERE a < $2 RETURNING a", b"x", b"3", describe=True)],
    "nothing": [e(""), e("-- comment", describe=True)],
    "several statements": [e("SELECT 1; SELECT 2")],
    "errors": [
        e("SELEC 1"),
        e("SELECT nope"),
        e("SELECT 1/0"),
        e("SELECT $1::int", b"x"),
        e("SELECT $1::int"),
    ],
    "only a Sync": [[SYNC], [SYNC, SYNC]],
    "described": [
        [f.Parse("s", "SELECT a, b FROM t WHERE a = $1", ()), f.Describe("S", "s"), SYNC],
        [f.Bind("", "s", (), (b"1",), (1,)), f.Describe("P", ""), f.Execute(""), SYNC],
        [f.Describe("S", "nope"), SYNC],
        [f.Describe("P", "nope"), SYNC],
        [f.Parse("w", "DELETE FROM t WHERE a = $1", ()), f.Describe("S", "w"), SYNC],
    ],
    "named": [
        [f.Parse("s", "SELECT $1::text"), SYNC],
        [f.Bind("", "s", (), (b"a",)), f.Execute(""), f.Bind("", "s", (), (b"b",)), f.Execute(""), SYNC],
        [f.Parse("s", "SELECT 2"), SYNC],
        [f.Bind("", "s", (), (b"still",)), f.Execute(""), SYNC],
        [f.Close("S", "s"), SYNC],
        [f.Bind("", "s", (), (b"gone",)), f.Execute(""), SYNC],
        [f.Close("S", "never"), SYNC],
        [f.Parse("s", "INSERT INTO t VALUES ($1)"), f.Bind("", "s", (), (b"100",)), f.Execute(""), SYNC],
        [f.Bind("", "s", (), (b"101",)), f.Execute(""), SYNC],
    ],
    "named in the same segment again": [
        [f.Parse("s", "SELECT 1"), f.Parse("s", "SELECT 2"), f.Bind("", "s"), f.Execute(""), SYNC],
        [f.Bind("", "s"), f.Execute(""), SYNC],
        [f.Close("S", "s"), f.Parse("s", "SELECT 3"), f.Bind("", "s"), f.Execute(""), SYNC],
        [f.Close("S", "s"), f.Parse("s", "INSERT INTO t VALUES (100)"), f.Bind("", "s"), f.Execute(""), SYNC],
    ],
    "a failed Parse leaves no name": [
        [f.Parse("s", "SELECT nope"), SYNC],
        [f.Bind("", "s"), f.Execute(""), SYNC],
        [f.Parse("s", "SELECT 1"), f.Bind("", "s"), f.Execute(""), SYNC],
    ],
    "the unnamed statement stays": [
        [f.Parse("", "SELECT $1::int * 2"), SYNC],
        [f.Bind("", "", (), (b"21",)), f.Execute(""), SYNC],
        [f.Bind("", "", (), (b"4",)), f.Execute(""), SYNC],
        q("SELECT 'a simple message destroys it'"),
        [f.Bind("", "", (), (b"4",)), f.Execute(""), SYNC],
    ],
    "the unnamed statement of a write stays": [
        [f.Parse("", "INSERT INTO t VALUES ($1)"), SYNC],
        [f.Bind("", "", (), (b"100",)), f.Execute(""), SYNC],
        [f.Bind("", "", (), (b"101",)), f.Execute(""), SYNC],
        [f.Bind("", "", (), (b"101",)), f.Execute(""), SYNC],
        [f.Bind("", "", (), (b"102",)), f.Execute(""), SYNC],
        q("INSERT INTO t VALUES (103)"),
        [f.Bind("", "", (), (b"104",)), f.Execute(""), SYNC],
    ],
    "a failed Parse destroys the unnamed statement": [
        [f.Parse("", "SELECT 1"), SYNC],
        [f.Parse("", "SELECT nope"), SYNC],
        [f.Bind("", ""), f.Execute(""), SYNC],
    ],
    "portals with limits": [
        [*extended("SELECT a FROM t ORDER BY a", rows=2), f.Execute("", 2), f.Execute("", 0), SYNC],
        [*extended("SELECT a FROM t ORDER BY a", rows=2, portal="p"), SYNC],
        [f.Execute("p", 1), SYNC],
    ],
    "portals with limits in a block": [
        q("BEGIN"),
        [*extended("SELECT a FROM t ORDER BY a", rows=2, portal="p", describe=True), SYNC],
        [f.Execute("p", 2), SYNC],
        q("SELECT 'between'"),
        [f.Execute("p", 3), FLUSH, f.Execute("p", 100), SYNC],
        [f.Close("P", "p"), SYNC],
        [f.Execute("p", 1), SYNC],
        q("ROLLBACK"),
    ],
    "portals of the same name": [
        q("BEGIN"),
        [*extended("SELECT 1", portal="p"), SYNC],
        [*extended("SELECT 2", portal="p"), SYNC],
        q("ROLLBACK"),
    ],
    "portals of transactions that are over": [
        q("BEGIN"),
        [*extended("SELECT a FROM t ORDER BY a", rows=1, portal="p"), SYNC],
        q("COMMIT"),
        [f.Execute("p", 1), SYNC],
        q("BEGIN"),
        [*extended("DELETE FROM t WHERE a = 1", portal="p"), SYNC],
        q("SAVEPOINT s"),
        [*extended("SELECT a FROM t ORDER BY a", rows=1, portal="q"), SYNC],
        q("ROLLBACK TO s"),
        [f.Execute("q", 1), SYNC],
        q("ROLLBACK TO s"),
        [*extended("DELETE FROM t WHERE a = 2", portal="q"), SYNC],
        [*extended("SELECT 1", portal="q"), SYNC],
        q("ROLLBACK TO s"),
        q("COMMIT"),
    ],
    "bound, and executed later": [
        q("BEGIN"),
        q("SAVEPOINT s"),
        [f.Parse("w", "DELETE FROM t WHERE a = 1"), f.Bind("p", "w"), SYNC],
        [f.Execute("p"), f.Execute("p"), SYNC],
        q("COMMIT"),
    ],
    "portals of cursors": [
        q("BEGIN"),
        q("DECLARE c CURSOR FOR SELECT a FROM t ORDER BY a"),
        [f.Describe("P", "c"), f.Execute("c", 2), SYNC],
        [f.Execute("c", 2), SYNC],
        q("FETCH 1 FROM c"),
        q("COMMIT"),
    ],
    "a portal of RETURNING": [
        q("BEGIN"),
        [*extended("DELETE FROM t WHERE a < 6 RETURNING a", rows=2, portal="p"), SYNC],
        [f.Execute("p", 0), SYNC],
        q("COMMIT"),
    ],
    "a pipeline": [
        [
            *extended("SELECT 1"),
            *extended("INSERT INTO t VALUES (100)"),
            *extended("SELECT count(*) FROM t"),
            *extended("DELETE FROM t WHERE a = $1", b"1"),
            SYNC,
        ]
    ],
    "a pipeline of segments": [
        [
            *e("SELECT 1"),
            *e("INSERT INTO t VALUES (100)"),
            *e("SELECT count(*) FROM t"),
            *e("SELECT 1/0"),
            *e("SELECT 2"),
        ]
    ],
    "an error in a pipeline": [
        [
            *extended("INSERT INTO t VALUES (100)"),
            *extended("SELECT 1/0"),
            *extended("INSERT INTO t VALUES (101)"),
            SYNC,
            *e("SELECT count(*) FROM t"),
        ]
    ],
    "an error in a pipeline of reads": [
        [*extended("SELECT 1"), *extended("SELECT 1/0"), *extended("SELECT 2"), SYNC, *e("SELECT 3")]
    ],
    "a pipeline with a block": [
        [*extended("BEGIN"), *extended("INSERT INTO t VALUES (100)"), *extended("COMMIT"), SYNC],
        [
            *e("BEGIN"),
            *e("INSERT INTO t VALUES (101)"),
            *e("SELECT 1/0"),
            *e("INSERT INTO t VALUES (102)"),
            *e("COMMIT"),
        ],
        [
            *extended("BEGIN"),
            *extended("INSERT INTO t VALUES (103)"),
            *extended("SELECT 1/0"),
            *extended("COMMIT"),
            SYNC,
        ],
        e("ROLLBACK"),
        e("SELECT a FROM t WHERE a >= 100"),
    ],
    "simple after extended": [
        [*extended("SELECT 1"), SYNC, *q("INSERT INTO t VALUES (100)"), *e("SELECT count(*) FROM t")]
    ],
    "flushed": [
        [*extended("SELECT 1"), FLUSH, *extended("SELECT 2"), SYNC],
        [f.Parse("", "SELECT 1"), FLUSH, f.Bind("", ""), FLUSH, f.Execute(""), FLUSH, SYNC],
        [*extended("INSERT INTO t VALUES (100)"), FLUSH, SYNC],
        [FLUSH, SYNC],
    ],
    "formats": [
        [
            f.Parse("", "SELECT $1::int4, $2::text", ()),
            f.Bind("", "", (1, 0), (b"\0\0\0\7", b"x"), (0,)),
            f.Execute(""),
            SYNC,
        ],
        [
            f.Parse("", "INSERT INTO t VALUES ($1, $2)", (23, 25)),
            f.Bind("", "", (1,), (b"\0\0\0\x64", b"x"), ()),
            f.Execute(""),
            SYNC,
        ],
        [f.Parse("", "SELECT $1::int4", ()), f.Bind("", "", (1,), (b"\0\7",)), f.Execute(""), SYNC],
        [f.Parse("", "SELECT 1", ()), f.Bind("", "", (), (b"too many",)), f.Execute(""), SYNC],
    ],
    "a block": [
        e("BEGIN"),
        e("INSERT INTO t VALUES (100)"),
        e("SAVEPOINT a"),
        e("SELECT 1/0"),
        e("ROLLBACK TO a"),
        e("COMMIT"),
    ],
    "control is described": [
        [f.Parse("b", "BEGIN"), f.Describe("S", "b"), SYNC],
        [f.Bind("", "b"), f.Describe("P", ""), f.Execute(""), SYNC],
        e("ROLLBACK", describe=True),
        e("SHOW transaction_read_only", describe=True),
        e("SET work_mem = '8MB'", describe=True),
    ],
    "warnings": [e("COMMIT"), e("BEGIN"), e("BEGIN"), e("ROLLBACK"), e("ROLLBACK")],
    "SQL's own EXECUTE": [
        e("PREPARE p AS SELECT $1::int"),
        e("EXECUTE p (1)", describe=True),
        e("DEALLOCATE p"),
        e("EXECUTE p (1)"),
    ],
    "a statement prepared by message, executed by SQL": [
        [f.Parse("m", "SELECT 7"), SYNC],
        q("EXECUTE m"),
        q("DEALLOCATE m"),
        [f.Bind("", "m"), SYNC],
    ],
}

COPY: dict[str, list[list[Any]]] = {
    "out": [
        q("COPY (SELECT a, b FROM t ORDER BY a LIMIT 2) TO STDOUT"),
        q("COPY t TO STDOUT (FORMAT csv, HEADER)"),
    ],
    "out, binary": [q("COPY (SELECT a FROM t ORDER BY a LIMIT 2) TO STDOUT (FORMAT binary)")],
    "out among others": [q("SELECT 1; COPY (SELECT 2) TO STDOUT; SELECT 3")],
    "out, failing": [q("COPY (SELECT 1/(3 - a) FROM t ORDER BY a) TO STDOUT"), q("SELECT 1")],
    "out, extended": [e("COPY (SELECT 1) TO STDOUT")],
    "in": [
        [*q("COPY t FROM STDIN"), CopyData(b"100\tx\n101\t"), CopyData(b"y\n"), CopyDone()],
        q("SELECT * FROM t WHERE a >= 100"),
    ],
    "in, nothing": [[*q("COPY t FROM STDIN"), CopyDone()]],
    "in, csv": [[*q("COPY t (a, b) FROM STDIN (FORMAT csv)"), CopyData(b'100,"x, y"\n'), CopyDone()]],
    "in, binary": [
        [
            *q("COPY t (a) FROM STDIN (FORMAT binary)"),
            CopyData(b"PGCOPY\n\xff\r\n\0" + b"\0" * 8 + b"\0\1\0\0\0\4\0\0\0\x64"),
            CopyData(b"\xff\xff"),
            CopyDone(),
        ]
    ],
    "in, given up": [
        [*q("COPY t FROM STDIN"), CopyData(b"100\tx\n"), f.CopyFail("no more")],
        q("SELECT count(*) FROM t"),
    ],
    "in, bad data": [
        [
            *q("COPY t FROM STDIN"),
            CopyData(b"100\tx\n"),
            CopyData(b"bad\tx\n"),
            CopyData(b"102\tx\n"),
            CopyDone(),
        ],
        q("SELECT count(*) FROM t"),
    ],
    "in, a duplicate": [
        [*q("COPY t FROM STDIN"), CopyData(b"1\tx\n"), CopyDone()],
        q("SELECT count(*) FROM t"),
    ],
    "in, no such table": [[*q("COPY nope FROM STDIN"), CopyData(b"1\n"), CopyDone()], q("SELECT 1")],
    "in among others": [
        [*q("SELECT 1; COPY t FROM STDIN; SELECT count(*) FROM t"), CopyData(b"100\tx\n"), CopyDone()],
    ],
    "in twice": [
        [
            *q("COPY t FROM STDIN; COPY t FROM STDIN"),
            CopyData(b"100\tx\n"),
            CopyDone(),
            CopyData(b"101\tx\n"),
            CopyDone(),
        ],
        q("SELECT count(*) FROM t"),
    ],
    "in, in a block": [
        q("BEGIN"),
        [*q("COPY t FROM STDIN"), CopyData(b"100\tx\n"), CopyDone()],
        q("SELECT count(*) FROM t"),
        q("COMMIT"),
    ],
    "in, failing in a block": [
        q("BEGIN"),
        [*q("COPY t FROM STDIN"), CopyData(b"x\n"), CopyDone()],
        q("SELECT 1"),
        q("COMMIT"),
        q("SELECT count(*) FROM t"),
    ],
    "in, with a Flush and a Sync inside": [
        [1, *q("COPY t FROM STDIN"), CopyData(b"100\tx\n"), FLUSH, SYNC, CopyDone()]
    ],
    "in, extended": [
        [1, *extended("COPY t FROM STDIN"), SYNC, CopyData(b"100\tx\n"), CopyDone(), SYNC],
        e("SELECT count(*) FROM t"),
    ],
    "in, extended and given up": [
        [1, *extended("COPY t FROM STDIN"), SYNC, CopyData(b"100\tx\n"), f.CopyFail("no"), SYNC],
        e("SELECT count(*) FROM t"),
    ],
    "data out of place": [[CopyData(b"1\n"), CopyDone(), f.CopyFail("x"), *q("SELECT 1")]],
}
