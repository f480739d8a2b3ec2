"""What people see before they sign a revert, and protected tables."""

import pytest
from tests.cli.conftest import Place

from interlock.cli import reverting
from interlock.model.change import Measurement
from interlock.model.conflict import ConflictKind, RowConflict
from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.model.operation import Resource
from interlock.runtime.service.deciding.reverting import RevertPlan

CONFLICTS = (
    RowConflict("public.t", "id = 7", ConflictKind.MODIFIED, ("name",)),
    RowConflict("public.t", "id = 8", ConflictKind.BLOCKED, left=True),
)
EFFECT = Effect(
    Resource("table", "public.t", "public"), ChangeKind.UPDATED, 3, Unit.ROWS, reversible=True, before=10
)


def test_a_plan_that_is_refused_names_rows_and_columns(capsys: pytest.CaptureFixture[str]) -> None:
    reverting.show(RevertPlan(False, Measurement(()), why="x", conflicts=CONFLICTS), force=False, quiet=False)
    shown = " ".join(capsys.readouterr().out.split())
    for part in ("id = 7", "was changed since", "name", "id = 8", "other rows need it as it is", "--force"):
        assert part in shown


def test_a_forced_plan_says_what_it_leaves(capsys: pytest.CaptureFixture[str]) -> None:
    plan = RevertPlan(True, Measurement((EFFECT,)), complete=False, conflicts=CONFLICTS * 15)
    reverting.show(plan, force=True, quiet=True)
    told = capsys.readouterr()
    assert told.out == ""
    shown = " ".join(told.err.split())
    for part in (
        "table public.t",
        "3 rows",
        "left as it is",
        "and 10 more",
        "Something of the change would be left",
    ):
        assert part in shown


def test_a_revert_that_cannot_be_is_not_signed(furnished: Place) -> None:
    held = [c["id"] for c in furnished.ok("changes", "--json").json["changes"]]
    refused = furnished.no("revert", held[0] if held else "CHG-00000000", *furnished.signing("ann"), "--yes")
    assert "Sign this" not in refused.out + refused.err


def test_tables_are_protected_and_no_longer(furnished: Place) -> None:
    target = "shop"
    done = furnished.ok("postgres", "protect", target, "orders", "lines")
    assert "2 tables of shop protected" in done.out
    assert "main.orders" in done.out
    ended = furnished.ok("postgres", "unprotect", target, "orders", "--json").json
    assert ended == {"target": "shop", "tables": ["main.orders"], "protected": False}
    assert "there is no table no_such" in furnished.no("postgres", "protect", target, "no_such").err
    assert "there is no target" in furnished.no("postgres", "protect", "nowhere", "orders").err
