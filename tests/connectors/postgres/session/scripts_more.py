"""More of what clients send, to be answered as the server answers it: function calls, two phases, session state, large objects."""

from typing import Any

from tests.connectors.postgres.session.rawclient import SYNC, extended
from tests.connectors.postgres.session.scripts import e, q

from interlock.connectors.postgres.codec import CopyData, CopyDone
from interlock.connectors.postgres.codec import frontend as f

_READ_WRITE = (0x60000).to_bytes(4, "big")


def call(function: int, *arguments: bytes | None) -> list[Any]:
    """A function call by object id, binary both ways."""
    return [f.FunctionCall(function, (1,), arguments, 1)]


def int4(number: int) -> bytes:
    return number.to_bytes(4, "big", signed=True)


_CREATE, _OPEN, _WRITE, _SEEK, _READ, _CLOSE, _UNLINK = 715, 952, 955, 956, 954, 953, 964
_BLOB = int4(77_000)

CALLS: dict[str, list[list[Any]]] = {
    "a large object in a block": [
        q("BEGIN"),
        call(_CREATE, _BLOB),
        call(_OPEN, _BLOB, _READ_WRITE),
        call(_WRITE, int4(0), b"hello, large object"),
        call(_SEEK, int4(0), int4(7), int4(0)),
        call(_READ, int4(0), int4(5)),
        call(_CLOSE, int4(0)),
        q("COMMIT"),
        q("SELECT lo_get(77000)"),
        q("SELECT lo_unlink(77000)"),
    ],
    "in autocommit": [
        call(_CREATE, _BLOB),
        call(_CREATE, _BLOB),
        q("SELECT loid FROM pg_largeobject_metadata m, LATERAL (SELECT m.oid AS loid) x WHERE m.oid = 77000"),
        call(_UNLINK, _BLOB),
        call(_UNLINK, _BLOB),
    ],
    "failing in a block": [
        q("BEGIN"),
        call(_OPEN, _BLOB, _READ_WRITE),
        call(_CREATE, _BLOB),
        q("SELECT 1"),
        q("ROLLBACK"),
        q("SELECT 1"),
    ],
    "undone": [q("BEGIN"), call(_CREATE, _BLOB), q("ROLLBACK"), call(_OPEN, _BLOB, _READ_WRITE)],
}

TWO_PHASE: dict[str, list[list[Any]]] = {
    "nothing is prepared too": [
        q("BEGIN"),
        q("PREPARE TRANSACTION 'nothing'"),
        q("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"),
        q("ROLLBACK PREPARED 'nothing'"),
        q("SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()"),
    ],
    "twice": [
        q("BEGIN; INSERT INTO t VALUES (100); PREPARE TRANSACTION 'twice'"),
        q("BEGIN; INSERT INTO t VALUES (101)"),
        q("PREPARE TRANSACTION 'twice'"),
        q("COMMIT PREPARED 'twice'"),
        q("COMMIT PREPARED 'twice'"),
    ],
}

STATE: dict[str, list[list[Any]]] = {
    "read only by default": [
        q("SET default_transaction_read_only = on"),
        q("SHOW transaction_read_only"),
        q("BEGIN READ WRITE"),
        q("SHOW transaction_read_only"),
        q("COMMIT"),
        q("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"),
        q("SHOW transaction_read_only"),
    ],
    "temporary tables end as they should": [
        q("CREATE TEMP TABLE kept (a int) ON COMMIT PRESERVE ROWS"),
        q("CREATE TEMP TABLE emptied (a int) ON COMMIT DELETE ROWS"),
        q("BEGIN"),
        q("CREATE TEMP TABLE gone (a int) ON COMMIT DROP"),
        q("INSERT INTO kept VALUES (1)"),
        q("INSERT INTO emptied VALUES (1)"),
        q("INSERT INTO gone VALUES (1)"),
        q("SELECT (SELECT count(*) FROM kept), (SELECT count(*) FROM emptied), (SELECT count(*) FROM gone)"),
        q("COMMIT"),
        q("SELECT (SELECT count(*) FROM kept), (SELECT count(*) FROM emptied)"),
        q("SELECT count(*) FROM gone"),
        q("DISCARD TEMP"),
        q("SELECT count(*) FROM kept"),
    ],
    "advisory locks": [
        q("SELECT pg_advisory_lock(7)"),
        q("SELECT pg_try_advisory_lock_shared(7, 8)"),
        q("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"),
        q("SELECT pg_advisory_unlock(7)"),
        q("SELECT pg_advisory_unlock(7)"),
        q("BEGIN"),
        q("SELECT pg_advisory_xact_lock(9)"),
        q("COMMIT"),
        q("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"),
        q("SELECT pg_advisory_unlock_all()"),
    ],
    "own notifications": [
        q("LISTEN here"),
        q("NOTIFY here, 'one'"),
        q("SELECT pg_notify('here', 'two')"),
        q("BEGIN"),
        q("NOTIFY here, 'three'"),
        q("ROLLBACK"),
        q("SELECT pg_listening_channels()"),
        q("UNLISTEN *"),
        q("SELECT pg_listening_channels()"),
    ],
    "settings for a transaction that there is not": [
        q("SET LOCAL default_transaction_read_only = on"),
        q("SHOW default_transaction_read_only"),
        q("INSERT INTO t VALUES (100)"),
        q("SET LOCAL work_mem = '1MB'"),
        q("SHOW work_mem"),
        q("SET LOCAL lock_timeout = '1s'"),
        e("SET LOCAL default_transaction_read_only = on"),
    ],
    "statement timeouts": [
        q("SET statement_timeout = '50ms'"),
        q("SELECT pg_sleep(60)"),
        q("BEGIN"),
        q("INSERT INTO t VALUES (100)"),
        q("SELECT pg_sleep(60)"),
        q("SELECT 1"),
        q("ROLLBACK"),
        q("SET LOCAL statement_timeout = '10s'"),
        q("RESET statement_timeout"),
        q("SET statement_timeout = '90s'"),
    ],
    "statements that outlive their transaction": [
        q("BEGIN"),
        e("SELECT $1::int", b"1", name="outlives"),
        q("ROLLBACK"),
        e("SELECT 2"),
        [f.Bind("", "outlives", (), (b"3",)), f.Execute(""), f.Sync()],
        q("DEALLOCATE outlives"),
        [f.Bind("", "outlives", (), (b"3",)), f.Execute(""), f.Sync()],
    ],
    "cursors that stay, of what was written": [
        q("BEGIN"),
        q("INSERT INTO t VALUES (100, 'x')"),
        q("DECLARE stays SCROLL CURSOR WITH HOLD FOR SELECT a FROM t ORDER BY a DESC"),
        q("FETCH 1 FROM stays"),
        q("COMMIT"),
        q("FETCH 2 FROM stays"),
        q("FETCH BACKWARD 1 FROM stays"),
        q("MOVE LAST FROM stays"),
        q("FETCH FROM stays"),
        q("CLOSE stays"),
        q("FETCH FROM stays"),
    ],
    "what no rollback undoes, by messages": [
        q("CREATE SEQUENCE numbers"),
        e("SELECT setval('numbers', $1)", b"7", describe=True),
        e("SELECT setval($1, $2)", b"numbers", b"8", name="sets", portal="p"),
        [f.Parse("again", "SELECT setval('numbers', $1)", ()), f.Describe("S", "again"), f.Sync()],
        [f.Bind("", "again", (), (b"9",)), f.Execute(""), f.Sync()],
        [f.Bind("", "again", (), (b"nine",)), f.Execute(""), f.Sync()],
        q("SELECT last_value FROM numbers"),
        e("SELECT setval('numbers', $1)", b"0"),
        q("DROP SEQUENCE numbers"),
    ],
    "a block begun in the segment of its first statement": [
        *(
            round_
            for _ in range(3)
            for round_ in (
                [*extended("BEGIN"), *extended("DELETE FROM t", describe=True), SYNC],
                e("SELECT count(*) FROM t", describe=True),
                [*extended("ROLLBACK", portal="p"), *extended("SELECT 1", portal="p"), SYNC],
            )
        ),
    ],
    "as a restored dump makes them": [
        q("CREATE TABLE dumped (id int NOT NULL, a int)"),
        q(
            "ALTER TABLE dumped ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME dumped_id START WITH 5)"
        ),
        [*q("COPY dumped (id, a) FROM STDIN"), CopyData(b"1\t2\n"), CopyDone()],
        q("SELECT setval('dumped_id', 7, true)"),
        q("ALTER TABLE ONLY dumped ADD CONSTRAINT dumped_key PRIMARY KEY (id)"),
        q("INSERT INTO dumped (a) VALUES (3) RETURNING id"),
        q("DROP TABLE dumped"),
    ],
    "large objects by SQL": [
        q("SELECT lo_from_bytea(77001, 'abc')"),
        q("SELECT lo_put(77001, 1, 'X')"),
        q("SELECT lo_get(77001)"),
        q("BEGIN"),
        q("SELECT lo_open(77001, 262144)"),
        q("SELECT loread(0, 2)"),
        q("COMMIT"),
        q("SELECT lo_unlink(77001)"),
        q("SELECT lo_get(77001)"),
    ],
}
