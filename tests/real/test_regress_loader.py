"""The reader of PostgreSQL's regression scripts."""

import pytest
from tests.real.regress import split


@pytest.mark.parametrize(
    ("script", "texts"),
    [
        ("SELECT 1; SELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';'; SELECT E'\\';'; SELECT \";\"", ["SELECT ';'", "SELECT E'\\';'", 'SELECT ";"']),
        ("DO $a$ x; $$ y; $a$; SELECT 1", ["DO $a$ x; $$ y; $a$", "SELECT 1"]),
        ("/* ; /* ; */ ; */ SELECT 1; -- ;\nSELECT 2", ["/* ; /* ; */ ; */ SELECT 1", "SELECT 2"]),
        ("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3", 2),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; BEGIN; END;",
            3,
        ),
        ("SELECT 1 \\; SELECT 2;", ["SELECT 1 ; SELECT 2"]),
        ("SELECT 1 AS a \\gset\n\\echo :a\nSELECT 2;", ["SELECT 1 AS a", "SELECT 2"]),
        ("SELECT $1 \\bind 1 \\g\nSELECT 2;", ["SELECT 2"]),
        ("\\set f :dir '/a b'\nCOPY t FROM :'f'; SELECT a::int, b[1:2], :x;", 2),
        ("\\if :x\nSELECT 1;\n\\endif\n\\c -\nSELECT 2;", ["SELECT 1", "", "SELECT 2"]),
    ],
)
def test_splits_as_psql_does(script: str, texts: list[str] | int) -> None:
    found = [statement.text for statement in split(script, variables={"dir": "/d"})]
    assert found == texts if isinstance(texts, list) else len(found) == texts


def test_variables_are_quoted_and_casts_left_alone() -> None:
    first, second = split(
        "\\set f :dir '/it''s'\nCOPY t TO :'f';\nSELECT a::int, :dir, :no", variables={"dir": "/d"}
    )
    assert first.text == "COPY t TO '/d/it''s'"
    assert second.text == "SELECT a::int, /d, :no"
    assert (first.line, second.line) == (2, 3)


def test_data_follows_copy() -> None:
    copy, after = split("COPY t (a) FROM stdin;\n1;\n\\N\n\\.\nSELECT 1;")
    assert (copy.data, after.text) == (b"1;\n\\N\n", "SELECT 1")
