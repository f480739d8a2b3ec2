"""The reviewed tables have a row for everything that libpg_query knows."""

import pytest
from pglast import enums

from interlock.connectors.postgres.classify import engine
from interlock.connectors.postgres.parse.walk import NODE_TYPES
from interlock.connectors.postgres.verbs import alter_table, objects, statements
from interlock.connectors.postgres.verbs.expressions import PARTS, SYNTAX_CALLS
from interlock.connectors.postgres.verbs.functions import EXTENSION_ROWS, ROWS, VALUE_CHANGES
from interlock.connectors.postgres.verbs.rules import FunctionKind, Part, Way
from interlock.model.operation import Action

STATEMENTS = {name for name in NODE_TYPES if name.endswith("Stmt")}


def test_every_statement_has_a_row() -> None:
    assert len(STATEMENTS) > 100
    assert set(statements.ROWS) | statements.PARTS_ONLY == STATEMENTS
    assert not set(statements.ROWS) & statements.PARTS_ONLY


def test_every_alteration_has_a_row() -> None:
    known = set(enums.AlterTableType.__members__)
    assert known == set(alter_table.ROWS) | alter_table.INTERNAL
    assert not set(alter_table.ROWS) & alter_table.INTERNAL


def test_every_kind_of_object_has_a_row() -> None:
    assert set(enums.ObjectType.__members__) == set(objects.ROWS)


def test_every_other_node_has_a_row() -> None:
    # List is libpg_query's own wrapping of a list inside a list, which pglast has no class for.
    assert set(PARTS) == (NODE_TYPES - STATEMENTS) | {"List"}
    assert all(PARTS[name] is Part.NAMES for name in SYNTAX_CALLS)


def test_every_row_says_why() -> None:
    assert all(rule.reason for rule in statements.ROWS.values())
    assert all(rule.reason for rule in (*ROWS.values(), *EXTENSION_ROWS.values()))


def test_only_reads_pass() -> None:
    passing = {name: rule for name, rule in statements.ROWS.items() if rule.way is Way.PASS}
    assert {rule.action for rule in passing.values()} == {Action.READ}


def test_refined_statements_have_rows() -> None:
    refined = {*engine._ROWS, *engine._DDL}
    assert refined <= set(statements.ROWS)
    assert not set(engine._ROWS) & set(engine._DDL)
    # What is not refined must be refused by its row or be a plain definition.
    for name in set(statements.ROWS) - refined:
        rule = statements.ROWS[name]
        assert rule.way is Way.REFUSED or rule.ddl or name == "ClosePortalStmt", name


@pytest.mark.parametrize("name", sorted(alter_table.ROWS))
def test_alterations_that_take_something_away_need_more_than_create(name: str) -> None:
    rule = alter_table.ROWS[name]
    if name.startswith(("AT_Drop", "AT_Disable", "AT_Detach", "AT_NoForce")):
        assert rule.action is not Action.CREATE
    if "RowSecurity" in name or "Owner" in name:
        assert rule.action is Action.ADMIN


def test_functions_with_effects_are_not_reads() -> None:
    for name in (
        "setval",
        "nextval",
        "pg_terminate_backend",
        "lo_unlink",
        "pg_notify",
        "set_config",
        "query_to_xml",
        "domain_in",
    ):
        assert ROWS[name].kind is not FunctionKind.READ
    assert {"random", "clock_timestamp"} <= VALUE_CHANGES
