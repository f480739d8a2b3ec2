"""Signals and thresholds in words: each has some, and they say what really happens."""

from typing import Any

import msgspec
import pytest

from interlock.control.signals import said
from interlock.control.signals.thresholds import SHIPPED, Thresholds
from interlock.model.signal import Signal

ONLY_PARTS = {"group_floor", "errors_of"}


def test_every_signal_has_words() -> None:
    assert set(said.SIGNALS) == set(Signal)
    assert len(set(said.SIGNALS.values())) == len(Signal)
    for signal in Signal:
        assert said.signal_words(signal.value) == said.SIGNALS[signal]
    assert said.signal_words("of_a_newer_version") == "of a newer version"


def test_every_threshold_is_told() -> None:
    fields = set(Thresholds.__struct_fields__)
    assert {rule.field for rule in said.rules(SHIPPED)} == fields - ONLY_PARTS
    assert not any(rule.off for rule in said.rules(SHIPPED))


@pytest.mark.parametrize("name", Thresholds.__struct_fields__)
def test_another_number_makes_another_sentence(name: str) -> None:
    value = getattr(SHIPPED, name)
    other = msgspec.structs.replace(SHIPPED, **{name: not value if isinstance(value, bool) else 17})
    (rule,) = said.differing(other, SHIPPED)
    assert rule.off is isinstance(value, bool)
    assert "17" in rule.what or isinstance(value, bool)
    assert said.differing(SHIPPED, SHIPPED) == ()


@pytest.mark.parametrize(
    ("given", "off"),
    [
        ({"destructive_minute": None}, True),
        ({"destructive_minute": 0}, False),  # more than none: the first one
        ({"groups_deleted_hour": 0}, False),
        ({"novel": 0}, True),  # reached at 0 is never reached
        ({"errors": 0}, True),
        ({"recreated": None}, True),
        ({"group_share": 0}, False),
        ({"guard": False}, True),
    ],
)
def test_what_never_trips_is_said_to_be_off(given: dict[str, Any], off: bool) -> None:
    (rule,) = said.differing(msgspec.structs.replace(SHIPPED, **given), SHIPPED)
    assert rule.off is off


def test_nothing_differs_where_nothing_holds() -> None:
    assert said.differing(None, SHIPPED) == ()
    assert len(said.differing(SHIPPED, None)) == len(said.rules(SHIPPED))


def test_times_are_words() -> None:
    told = {rule.field: rule.what for rule in said.rules(SHIPPED)}
    assert told["recreated"] == "something deleted and made again 2 times within ten minutes"
    assert told["recreated_stateful"] == "the same with something that holds data, once"
    assert told["group_share"] == "more than 30 % of a group gone within a day, of a group of 10 or more"


def test_the_page_of_a_scope_takes_any_name() -> None:
    assert said.page("", "agent/fixer") == ""
    assert said.page("https://x/console", "group/shop/a&b#c ?") == (
        "https://x/console/breakers/one?scope=group%2Fshop%2Fa%26b%23c%20%3F"
    )
