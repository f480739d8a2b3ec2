"""Which item a PartiQL statement writes; when in doubt, none is named."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from interlock.connectors.aws.undo.data.dynamodb.partiql import NotUnderstood, Written, parse

A, ONE = {"S": "a"}, {"N": "1"}


@pytest.mark.parametrize(
    ("statement", "parameters", "table", "values"),
    [
        ("""INSERT INTO "t" VALUE {'id': 'a', 'n': 1}""", [], "t", {"id": A, "n": ONE}),
        (
            "insert into t value {'id': ?, 'l': [1, 'x'], 'm': {'q': TRUE, 'z': NULL}}",
            [A],
            "t",
            {"id": A, "l": {"L": [ONE, {"S": "x"}]}, "m": {"M": {"q": {"BOOL": True}, "z": {"NULL": True}}}},
        ),
        ("UPDATE t SET x = ? WHERE id = ? AND n=1", [{"S": "x"}, A], "t", {"id": A, "n": ONE}),
        ("UPDATE t SET x = 'WHERE id' REMOVE y WHERE id = 'it''s'", [], "t", {"id": {"S": "it's"}}),
        ("UPDATE t SET x.y[0] = x + 1 WHERE id = 'a' RETURNING ALL OLD *", [], "t", {"id": A}),
        (
            'DELETE FROM "my.t" WHERE "id" = \'a\' AND x > 3 AND n = -1.5e3',
            [],
            "my.t",
            {"id": A, "n": {"N": "-1.5e3"}},
        ),
        ("DELETE FROM t WHERE id = 'a' AND begins_with(x, 'p') AND n = 1", [], "t", {"id": A, "n": ONE}),
    ],
)
def test_understood(statement: str, parameters: list[Any], table: str, values: dict[str, Any]) -> None:
    assert parse(statement, parameters) == Written(table, values)


@pytest.mark.parametrize("statement", ["SELECT * FROM t", "EXISTS(SELECT * FROM t WHERE id = 'a')"])
def test_reads_write_nothing(statement: str) -> None:
    assert parse(statement, []) is None


@pytest.mark.parametrize(
    "statement",
    [
        "",
        "DROP TABLE t",
        "UPDATE t SET x = 1",
        "DELETE FROM t WHERE id = 'a' OR id = 'b'",
        "DELETE FROM t WHERE id = 'a' AND NOT n = 1",
        "DELETE FROM t WHERE NOT id = 'a'",
        "DELETE FROM t WHERE id IN ['a', 'b']",
        "DELETE FROM t WHERE n BETWEEN 1 AND 2",
        "DELETE FROM t WHERE id = 'a' AND id = 'b'",
        "DELETE FROM t WHERE id = ?",
        "DELETE FROM t WHERE 'a' = id",
        "DELETE FROM t WHERE (id = 'a')",
        "DELETE FROM t WHERE id = 'a",
        "DELETE FROM t WHERE id = 'a'; DELETE FROM t WHERE id = 'b'",
        "INSERT INTO t VALUE {'id': 'a'} RETURNING",
        "INSERT INTO t VALUE << 1 >>",
        "INSERT INTO t VALUE {'id' 'a'}",
        "INSERT INTO t VALUE 'a'",
        "DELETE FROM t -- WHERE id = 'a'",
    ],
)
def test_not_understood(statement: str) -> None:
    with pytest.raises(NotUnderstood):
        parse(statement, [])


@given(some.text(alphabet="DELETE FROMtWHRidn=a'\"?(){}[],:<> 1-", max_size=60))
def test_nothing_else_is_raised(text: str) -> None:
    for statement in (
        text,
        f"DELETE FROM t WHERE {text}",
        f"INSERT INTO t VALUE {text}",
        f"UPDATE t SET {text}",
    ):
        with contextlib.suppress(NotUnderstood):
            parse(statement, [A])
