"""Statements that are read without a connection."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.connectors.postgres.classify.alone import reads_text
from interlock.model.operation import Action, Resource

ORDERS = Resource("table", "public.orders", "public")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("SELECT 1", [(Action.READ, "SELECT", ())]),
        ("SELECT lower(name) FROM orders", [(Action.READ, "SELECT", (ORDERS,))]),
        ("SELECT cleanup() FROM orders", [(Action.UNKNOWN, "SELECT", (ORDERS,))]),
        ("DELETE FROM orders", [(Action.DELETE, "DELETE", (ORDERS,))]),
        ("DELETE FROM orders WHERE cleanup()", [(Action.UNKNOWN, "DELETE", (ORDERS,))]),
        ("SELECT 1; TRUNCATE orders", [(Action.READ, "SELECT", ()), (Action.DELETE, "TRUNCATE", (ORDERS,))]),
        ("SELECT nope nope nope", [(Action.UNKNOWN, "SQL", ())]),
        (
            "SELECT setval('s', 1)",
            [
                (Action.READ, "SELECT", ()),
                (Action.UPDATE, "setval()", (Resource("sequence", "public.s", "public"),)),
            ],
        ),
        (
            "SELECT rolname FROM pg_roles",
            [(Action.READ, "SELECT", (Resource("catalog", "pg_catalog.pg_roles", "pg_catalog"),))],
        ),
    ],
)
def test_what_a_text_is(text: str, expected: list[tuple[Action, str, tuple[Resource, ...]]]) -> None:
    assert [(o.action, o.verb, o.resources) for o in reads_text(text)] == expected


def test_nothing_tells_how_many_rows_a_change_meets() -> None:
    (operation,) = reads_text("DELETE FROM orders WHERE id = 1")
    assert "how many rows" in operation.evidence_unknown
    (read,) = reads_text("SELECT 1")
    assert read.evidence_unknown == ""


def test_a_table_behind_a_name_of_a_query_is_named() -> None:
    """`d` outside of the inner query is the table, not the query of that name."""
    found = reads_text("SELECT * FROM (WITH d AS (SELECT 1) SELECT * FROM d) q, d")
    assert Resource("table", "public.d", "public") in found[0].resources


def test_secrets_of_the_server_are_no_read() -> None:
    assert {o.action for o in reads_text("SELECT rolpassword FROM pg_catalog.pg_authid")} == {Action.UNKNOWN}


@given(st.text(max_size=80))
def test_it_never_raises_and_repeats_nothing(text: str) -> None:
    for operation in reads_text(text):
        assert operation.native == ""
