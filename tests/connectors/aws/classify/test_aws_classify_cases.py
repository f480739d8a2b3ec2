"""Calls and what they are, as data."""

import json
import tomllib
from collections.abc import Callable
from importlib.resources import files

import pytest

from interlock.connectors.aws.call import Classified
from interlock.connectors.aws.verbs.rules import KINDS
from interlock.model.operation import Action

GROUPS = tomllib.loads(files("interlock.connectors.aws").joinpath("cases.toml").read_text("utf-8"))
CASES = [case for group in GROUPS.values() for case in group]


def said(what: Classified) -> tuple[str, str, str, str]:
    """What a call is, in the notation of the cases."""
    notes = {
        "blind": bool(what.operation.evidence_unknown),
        "hands out": what.hands_out,
        "discloses": what.discloses,
    }
    return (
        what.operation.action.value,
        " ".join(dict.fromkeys(resource.kind for resource in what.operation.resources)),
        " ".join(dict.fromkeys(quiet.kind for quiet in what.quiet)),
        " ".join(name for name, holds in notes.items() if holds),
    )


@pytest.mark.parametrize(("action", "kinds", "quiet", "notes", "call"), CASES)
def test_case(
    say: Callable[..., Classified], action: str, kinds: str, quiet: str, notes: str, call: str
) -> None:
    name, _, parameters = call.partition(" ")
    what = say(name, **json.loads(parameters))
    assert said(what) == (action, kinds, quiet, notes)
    assert what.operation.verb == name
    assert all(resource.name.startswith("arn:") for resource in what.operation.resources)
    assert all(q.kind in KINDS and q.why for q in what.quiet)


def test_there_are_many() -> None:
    assert len(CASES) > 200
    assert len({call for *_, call in CASES}) == len(CASES)


def test_controls_pass_without_a_word() -> None:
    quiet = [call for action, _, kinds, notes, call in GROUPS["controls"] if kinds or notes == "blind"]
    # A new target is where requests go: the one control that is worth a word.
    assert [call for call in quiet if not call.startswith("elbv2:RegisterTargets")] == []
    assert {action for action, *_ in GROUPS["controls"]} <= {"read", "create", "update"}


def test_only_controls_are_reads() -> None:
    reads = [c for name, group in GROUPS.items() if name != "controls" for c in group if c[0] == "read"]
    assert reads == []


def test_the_region_and_account_of_a_call_are_its_own(say: Callable[..., Classified]) -> None:
    resource = say("ec2:DeleteVpc", VpcId="vpc-1").resource
    assert resource is not None
    assert resource.name == "arn:aws:ec2:eu-west-1:123456789012:vpc/vpc-1"


def test_most_severe_of_several_rows_counts(say: Callable[..., Classified]) -> None:
    mild = say("rds:ModifyDBInstance", DBInstanceIdentifier="d", DBInstanceClass="x", ApplyImmediately=True)
    both = say(
        "rds:ModifyDBInstance",
        DBInstanceIdentifier="d",
        DBInstanceClass="x",
        ApplyImmediately=True,
        DeletionProtection=False,
    )
    assert mild.operation.action is Action.UPDATE
    assert both.operation.action is Action.ADMIN
    assert len(both.quiet) == 2
