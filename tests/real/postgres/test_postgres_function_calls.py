"""Function calls by object id are judged as the statements that do the same: held, approved, recognised, reverted or refused."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from tests.connectors.postgres.session.rawclient import RawClient, raw, short
from tests.real.conftest import Shop

from interlock.connectors.postgres.codec import frontend as f
from interlock.model.change import ChangeState
from interlock.testing.gateway import ROLES

_UNLINK, _IMPORT = 964, 764
BLOB = 88_001


@pytest.fixture
def client(shop: Shop) -> Iterator[RawClient]:
    shop.database.psql(
        f"SELECT lo_from_bytea({BLOB}, 'kept'); ALTER LARGE OBJECT {BLOB} OWNER TO {ROLES.upstream}"
    )
    with raw(shop.gateway.port, shop.agent, shop.gateway.tokens[shop.agent]) as connected:
        yield connected
    shop.database.psql(f"SELECT lo_unlink(oid) FROM pg_largeobject_metadata WHERE oid = {BLOB}")


def call(function: int, *numbers: int) -> f.FunctionCall:
    return f.FunctionCall(function, (1,), tuple(n.to_bytes(4, "big") for n in numbers), 1)


def content(shop: Shop) -> list[tuple[Any, ...]]:
    return shop.database.psql(f"SELECT lo_get(oid) FROM pg_largeobject_metadata WHERE oid = {BLOB}")


def test_held_approved_and_sent_again(shop: Shop, client: RawClient) -> None:
    said = short(client.ask(call(_UNLINK, BLOB)))
    assert "IL001" in said[0]
    assert said[1:] == ["Z I"]
    assert content(shop) == [(b"kept",)]
    held = shop.approve_held()
    assert short(client.ask(call(_UNLINK, BLOB))) == ["FunctionCallResponse", "Z I"]
    assert content(shop) == []
    assert shop.gateway.change(held.id).state is ChangeState.APPLIED


def test_approved_and_applied_by_the_gateway(shop: Shop, client: RawClient) -> None:
    client.ask(call(_UNLINK, BLOB))
    held = shop.approve_held()
    shop.gateway.apply(held.id)
    assert content(shop) == []


def test_held_at_the_commit(shop: Shop, client: RawClient) -> None:
    client.query("BEGIN")
    assert short(client.ask(call(_UNLINK, BLOB))) == ["FunctionCallResponse", "Z T"]
    assert "IL001" in client.query("COMMIT")[0]
    assert content(shop) == [(b"kept",)]


@pytest.mark.parametrize(
    "asked",
    [call(_IMPORT, 1), call(_UNLINK), call(_UNLINK, 1, 2), call(2108), call(1 << 31)],
    ids=["file access", "too few arguments", "too many arguments", "another function", "no function"],
)
def test_refused(shop: Shop, client: RawClient, asked: f.FunctionCall) -> None:
    said = short(client.ask(asked))
    assert "IL002" in said[0]
    assert said[1:] == ["Z I"]
    assert client.query("SELECT 1")[1] == "D 1"
    assert shop.changes() == []


def test_libpq_reads_large_objects(shop: Shop, client: RawClient) -> None:
    """As psql does it: by calls in a transaction."""
    with psycopg.connect(shop.gateway.dsn(shop.agent)) as agent, agent.cursor() as cursor:
        cursor.execute("SELECT lo_get(%s)", (BLOB,))
        assert cursor.fetchone() == (b"kept",)
    done = shop.psql("-c", f"\\lo_export {BLOB} /dev/stdout")
    assert (done.returncode, done.stdout.startswith("kept")) == (0, True), done.stderr
