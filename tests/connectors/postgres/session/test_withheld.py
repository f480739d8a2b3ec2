"""Secrets in statements: masked for whoever approves, bound by a digest all the same, and nothing else is ever covered."""

import base64

import msgspec
import pytest

from interlock.connectors.postgres.connector import PostgresConnector
from interlock.connectors.postgres.session.ending import record, withheld
from interlock.connectors.postgres.session.ending.record import Asked, Record

SECRET = "correct-horse-battery"
HIDING = {
    "a new role": (f"CREATE ROLE bob LOGIN PASSWORD '{SECRET}'", "CREATE ROLE bob LOGIN PASSWORD '***'"),
    "a role": (
        f"alter user bob encrypted password '{SECRET}' valid until '2030-01-01'",
        "alter user bob encrypted password '***' valid until '2030-01-01'",
    ),
    "in quotes of another kind": (f"ALTER ROLE bob PASSWORD $x${SECRET}$x$", "ALTER ROLE bob PASSWORD '***'"),
    "with escapes": (f"ALTER ROLE bob PASSWORD E'{SECRET}\\'; DROP'", "ALTER ROLE bob PASSWORD '***'"),
    "beyond a comment": (
        f"ALTER ROLE bob /* the */ PASSWORD -- is\n '{SECRET}'",
        "ALTER ROLE bob /* the */ PASSWORD -- is\n '***'",
    ),
    "in two pieces": (f"ALTER ROLE bob PASSWORD '{SECRET}'\n '{SECRET}'", "ALTER ROLE bob PASSWORD '***'"),
    "behind another statement": (
        f"SELECT 'é'; ALTER ROLE bob PASSWORD '{SECRET}'; SELECT 2",
        "SELECT 'é'; ALTER ROLE bob PASSWORD '***'; SELECT 2",
    ),
    "a user mapping": (
        f"CREATE USER MAPPING FOR bob SERVER s OPTIONS (user 'bob', password '{SECRET}')",
        "CREATE USER MAPPING FOR bob SERVER s OPTIONS (user 'bob', password '***')",
    ),
    "an option that is set": (
        f"ALTER USER MAPPING FOR bob SERVER s OPTIONS (SET \"password\" '{SECRET}')",
        "ALTER USER MAPPING FOR bob SERVER s OPTIONS (SET \"password\" '***')",
    ),
    "a server": (
        f"CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'h', secret_access_key '{SECRET}')",
        "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'h', secret_access_key '***')",
    ),
    "a subscription": (
        f"CREATE SUBSCRIPTION s CONNECTION 'host=h password={SECRET} dbname=d' PUBLICATION p",
        "CREATE SUBSCRIPTION s CONNECTION 'host=h password=*** dbname=d' PUBLICATION p",
    ),
    "a subscription's, in quotes": (
        f"ALTER SUBSCRIPTION s CONNECTION 'host=h password = ''{SECRET} x'' dbname=d'",
        "ALTER SUBSCRIPTION s CONNECTION 'host=h password = *** dbname=d'",
    ),
    "a subscription's, as an address": (
        f"ALTER SUBSCRIPTION s CONNECTION 'postgresql://bob:{SECRET}@h:5432/d'",
        "ALTER SUBSCRIPTION s CONNECTION 'postgresql://bob:***@h:5432/d'",
    ),
}  # fmt: skip


def asked(*statements: str) -> Record:
    return Record("shop", "bot", tuple(map(Asked, statements)), {"search_path": "public"})


@pytest.mark.parametrize("name", HIDING)
def test_secrets_are_masked_and_bound(name: str) -> None:
    sql, shown = HIDING[name]
    made = asked("SELECT 1", sql)
    payload, told = made.encode(), record.disclosed(made.encode())
    assert record.describe(payload) == record.describe(told) == ["SELECT 1", shown]
    assert made.digest() == record.digest_of(payload) == record.digest_of(told)
    assert record.disclosed(told) == told
    assert SECRET.encode() not in told
    assert base64.b64encode(SECRET.encode())[:-2] not in told
    assert PostgresConnector().recorded(told) == PostgresConnector().recorded(payload)
    with pytest.raises(msgspec.DecodeError):
        record.decode(told)
    other = asked("SELECT 1", sql.replace(SECRET, "another"))
    assert other.digest() != made.digest()
    assert record.describe(other.encode()) == ["SELECT 1", shown]
    # Told of another secret, or of the mask itself.
    assert asked("SELECT 1", shown).digest() != made.digest()
    assert record.digest_of(told.replace(told[9:73], b"0" * 64)) != made.digest()


OPEN = [
    "SELECT 1",
    "UPDATE users SET password = 'x' WHERE id = 1",
    "SELECT password 'x'",
    "INSERT INTO tokens VALUES ('password', 'x')",
    "DO $$ BEGIN EXECUTE 'ALTER ROLE bob PASSWORD ''x'''; END $$",
    "DO LANGUAGE password $$ anything $$",
    "/* /* */ ALTER ROLE bob PASSWORD ' */ DROP TABLE orders; -- '",
    "SELECT '; ALTER ROLE bob PASSWORD '' '; DROP TABLE orders; --'",
    'ALTER ROLE "PASSWORD" RENAME TO "x"',
    "ALTER ROLE bob SET password_encryption = 'md5'",
    "ALTER ROLE bob SET password_encryption TO 'md5'",
    "CREATE FUNCTION password() RETURNS text LANGUAGE sql AS 'DROP TABLE orders'",
    "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ALTER ROLE bob PASSWORD 'x'$$",
    "CREATE FOREIGN TABLE t (token text OPTIONS (column_name 'x')) SERVER s",
    "COMMENT ON ROLE bob IS 'password x'",
    "CREATE SUBSCRIPTION s CONNECTION 'host=h dbname=d' PUBLICATION p",
    "ALTER ROLE bob PASSWORD 'not closed",
    "ALTER ROLE bob PASSWORD '\ud800'",
    "ALTER ROLE bob PASSWORD NULL",
]


@pytest.mark.parametrize("sql", OPEN)
def test_nothing_else_is_covered(sql: str) -> None:
    """What is run is read: no text of a statement makes a mask cover another part of it."""
    assert withheld.masked(sql) == (sql, ())


def test_without_secrets_people_are_given_the_record_itself() -> None:
    made = asked("DELETE FROM orders", "SELECT 'a key'")
    assert record.disclosed(made.encode()) == made.encode()
    assert record.disclosed(b"revert of CHG-1") == b"revert of CHG-1"
    assert record.describe(b"revert of CHG-1") == ["revert of CHG-1"]
