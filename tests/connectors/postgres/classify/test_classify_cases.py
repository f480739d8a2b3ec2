"""Statements and what they are, as data."""

import tomllib
from importlib.resources import files

import pytest

from interlock.connectors.postgres.catalog import Catalog
from interlock.connectors.postgres.classify import StatementInfo, Way, classify
from interlock.model.operation import Action

CASES = [
    case
    for group in tomllib.loads(
        files("interlock.connectors.postgres").joinpath("cases.toml").read_text("utf-8")
    ).values()
    for case in group
]
PATH = ("public",)


def needs(info: StatementInfo) -> set[str]:
    """What a statement needs, in the notation of the cases."""
    return {
        " ".join(part for part in (operation.action.value, resource) if part)
        for operation in info.operations
        for resource in ([f"{r.kind} {r.name}" for r in operation.resources] or [""])
    }


@pytest.mark.parametrize(("way", "wanted", "sql"), CASES)
def test_case(shop: Catalog, way: str, wanted: str, sql: str) -> None:
    (info,) = classify(sql, shop, search_path=PATH, user="me")
    assert (info.way, needs(info)) == (Way(way), set(wanted.split(", "))), info.why
    assert info.text in sql
    assert info.why or info.way not in (Way.GATED, Way.IMMEDIATE, Way.REFUSED)


def test_there_are_hundreds() -> None:
    assert len(CASES) > 250
    assert len({sql for *_, sql in CASES}) == len(CASES)


@pytest.mark.parametrize(("way", "wanted", "sql"), CASES)
def test_without_knowledge_of_the_database_no_relation_passes(way: str, wanted: str, sql: str) -> None:
    for info in classify(sql, Catalog.empty()):
        if info.way is Way.PASS and info.node in ("SelectStmt", "CopyStmt", "ExplainStmt"):
            assert not [r for o in info.operations for r in o.resources]


@pytest.mark.parametrize(("way", "wanted", "sql"), CASES)
def test_passing_means_reading(shop: Catalog, way: str, wanted: str, sql: str) -> None:
    for info in classify(sql, shop):
        if info.way is Way.PASS:
            assert {operation.action for operation in info.operations} == {Action.READ}
            assert info.escapes + info.side_effects + info.immediate_effects == ()
            assert not info.changes_catalog


@pytest.mark.parametrize(("way", "wanted", "sql"), CASES)
def test_temporary_objects_take_passing_away(shop: Catalog, way: str, wanted: str, sql: str) -> None:
    plain = classify(sql, shop)
    for before, after in zip(plain, classify(sql, shop, temp=True), strict=True):
        if before.way is not Way.PASS:
            assert after.way is before.way
        elif after.way is Way.PASS:
            assert (
                not [r for o in after.operations for r in o.resources if r.kind in ("table", "view")]
                or "." in sql
            )
