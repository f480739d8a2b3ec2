"""Kept rows at rest: in the store they are encrypted; what the trash holds is the database's own."""

import secrets
from pathlib import Path

import psycopg
import pytest

from interlock.sdk.connector import Permitted
from interlock.testing.gateway import Gateway, prepare
from interlock.testing.peers.pg import PgDatabase


def test_rows_that_are_kept_are_nowhere_readable_in_the_store(fresh_db18: PgDatabase, tmp_path: Path) -> None:
    planted = [secrets.token_hex(24) for _ in range(3)]
    values = ", ".join(f"({n}, '{text}')" for n, text in enumerate(planted))
    made = "CREATE TABLE {0} (id int PRIMARY KEY, body text); INSERT INTO {0} VALUES {1};"
    prepare(fresh_db18, made.format("notes", values) + made.format("texts", values))
    with Gateway(fresh_db18, tmp_path / "gateway") as gateway:
        for statement in ("ALTER TABLE notes DROP COLUMN body", "DROP TABLE texts"):
            with gateway.connect() as agent, pytest.raises(psycopg.Error, match="held"):
                agent.execute(statement)
            held = gateway.held()
            gateway.approve(held.id)
            assert isinstance(gateway.apply(held.id), Permitted)
            change = gateway.change(held.id)
            assert all(e.reversible or not e.count for e in change.measurement.effects)
    for file in (tmp_path / "gateway").rglob("*"):
        if file.is_file():
            held_bytes = file.read_bytes()
            assert not any(text.encode() in held_bytes for text in planted), file.name
    with Gateway.start(gateway) as gateway:
        for change in gateway.changes():
            assert isinstance(gateway.revert(change.id), Permitted)
    for table in ("notes", "texts"):
        assert [row for (row,) in fresh_db18.psql(f"SELECT body FROM {table} ORDER BY id")] == planted
