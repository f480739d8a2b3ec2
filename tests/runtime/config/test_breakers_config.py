"""`breakers:` of the configuration: from where on signals open breakers, for whom; and that it decides."""

from pathlib import Path

import msgspec
import pytest

from interlock.control.signals.thresholds import SHIPPED, Signals, Thresholds
from interlock.model.errors import Misconfigured
from interlock.runtime.config.document import Config, build
from interlock.runtime.config.yaml_source import Source
from interlock.runtime.governing import deciding

BASE = """\
store: sqlite:///x.db
targets: {}
environments: {production: {protection: strict}, staging: {protection: relaxed}}
quorums: {two-sre: {count: 2, group: sre}, both: {count: 2, group: dba}}
"""


def read(text: str) -> Config:
    return build(Source("interlock.yaml", BASE + text), Path("/etc/interlock/interlock.yaml"))


def signals(text: str) -> Signals:
    found = read(text).signals
    assert found is not None
    return found


def complaint(text: str) -> str:
    with pytest.raises(Misconfigured) as raised:
        read(text)
    return str(raised.value)


def test_the_shipped_numbers_hold_in_strict_environments_unless_said_otherwise() -> None:
    for text in ("", "breakers: {}\n"):
        found = signals(text)
        assert found.of("production", "x") == SHIPPED
        assert found.of("staging", "x") is None
        assert found.quorum == "two-sre", "that of the guardrails"


@pytest.mark.parametrize("off", ["off", '"off"', "false", "no"])
def test_all_of_it_can_be_off(off: str) -> None:
    assert read(f"breakers: {off}\n").signals is None


def test_numbers_hold_for_all_and_each_environment_and_agent_may_differ() -> None:
    found = signals(
        """\
breakers:
  destructive_day: 10
  guard: off
  novel: off
  quorum: both
  environments:
    staging: {destructive_minute: 30}
    production: {groups_deleted_hour: off}
  agents:
    deployer: {groups_written_ten_minutes: 20}
    janitor: off
"""
    )
    usual = Thresholds(destructive_day=10, guard=False, novel=None)
    production = msgspec.structs.replace(usual, groups_deleted_hour=None)
    assert found.quorum == "both"
    assert found.of("production", "x") == production
    assert found.of("staging", "x") == msgspec.structs.replace(usual, destructive_minute=30)
    assert found.of("production", "deployer") == msgspec.structs.replace(
        production, groups_written_ten_minutes=20
    )
    assert found.of("production", "janitor") is None
    assert found.of("staging", "janitor") is None


def test_an_environment_can_be_off_and_then_no_agent_brings_it_back() -> None:
    found = signals("breakers: {environments: {production: off}, agents: {x: {destructive_day: 1}}}\n")
    assert found.of("production", "y") is None
    assert found.of("production", "x") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("breakers: {destructive_dya: 3}", "unknown key; did you mean 'destructive_day'"),
        ("breakers: {destructive_day: -3}", "whole number"),
        ("breakers: {destructive_day: 2.5}", "whole number"),
        ("breakers: {destructive_day: true}", "whole number"),
        ("breakers: {destructive_day: lots}", "whole number"),
        ("breakers: {guard: 3}", "on or off"),
        ("breakers: {failures: 1}", "failures must be from 2"),
        ("breakers: {errors_of: 99}", "errors_of must be from 2"),
        ("breakers: {quorum: three}", "there is no quorum 'three'"),
        ("breakers: {environments: {prod: {}}}", "there is no environment 'prod'"),
        ("breakers: {environments: {production: {quorum: both}}}", "unknown key"),
        ("breakers: {agents: {x: {novell: 1}}}", "did you mean 'novel'"),
        ("breakers: {errors_of: off}", "errors_of cannot be off"),
        ("breakers: {group_floor: off}", "group_floor cannot be off"),
        ("breakers: 3", "expected keys and values"),
    ],
)
def test_what_cannot_be_is_said_with_its_place(text: str, said: str) -> None:
    words = complaint(text + "\n")
    assert said in words
    assert "breakers" in words
    assert words.startswith("interlock.yaml:5")


def test_switches_can_be_on() -> None:
    assert signals("breakers: {environments: {staging: {guard: on}}}\n").of("staging", "x") == SHIPPED


def test_it_decides_so_that_in_governed_mode_only_admins_change_it() -> None:
    """P9: a file alone loosens nothing."""
    tight, loose = read("breakers: {destructive_day: 1}\n"), read("breakers: off\n")
    approved = deciding.deciding(tight.source)
    assert deciding.deciding(loose.source) != approved
    in_force = deciding.in_force(loose, approved, {})
    assert in_force.signals == tight.signals
    assert in_force.signals is not None
    assert in_force.signals.of("production", "x") == Thresholds(destructive_day=1)
