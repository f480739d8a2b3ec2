"""`quorums:`, `reviews:` and `break_glass:` of the configuration."""

from datetime import timedelta
from pathlib import Path

import pytest

from interlock.control.deciding.break_glass import Rules
from interlock.control.deciding.haste import Reviews
from interlock.model.errors import Misconfigured
from interlock.model.people import Part, Quorum, Wider
from interlock.runtime.config.document import Config, build
from interlock.runtime.config.yaml_source import Source

BASE = "store: sqlite:///x.db\ntargets: {}\n"
QUORUM = """\
quorums:
  both:
    count: 2
    group: sre
    also: [{count: 1, group: dba}]
    wider:
      - {objects: 10, count: 3}
      - {rows: 100000, count: 4}
"""


def read(text: str) -> Config:
    return build(Source("interlock.yaml", BASE + text), Path("/etc/interlock/interlock.yaml"))


def complaint(text: str) -> str:
    with pytest.raises(Misconfigured) as raised:
        read(text)
    return str(raised.value)


def test_parts_and_steps_of_a_quorum_are_read() -> None:
    wider = (Wider(3, objects=10), Wider(4, rows=100_000))
    assert read(QUORUM).quorums == {"both": Quorum("both", 2, "sre", (Part(1, "dba"),), wider)}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("count: 2\n", "count: 101\n", "quorums.both.count: a quorum needs from 1 to 100 people"),
        ("count: 2\n", "count: true\n", "quorums.both.count: a quorum needs from 1 to 100 people"),
        ("    group: sre\n", "", "quorums.both.group: a quorum needs a group"),
        (
            "also: [{count: 1, group: dba}]",
            "also: {count: 1, group: dba}",
            "quorums.both.also: expected a list",
        ),
        (
            "{count: 1, group: dba}",
            "{count: 0, group: dba}",
            "quorums.both.also.0.count: a quorum needs from 1",
        ),
        ("{count: 1, group: dba}", "{count: 1}", "quorums.both.also.0.group: a quorum needs a group"),
        ("group: dba", "groop: dba", "quorums.both.also.0.groop: unknown key; did you mean 'group'?"),
        ("rows: 100000", "row: 100000", "quorums.both.wider.1.row: unknown key; did you mean 'rows'?"),
        ("rows: 100000", "rows: 0", "quorums.both.wider.1.rows: expected a whole number of 1 or more"),
        ("{rows: 100000, count: 4}", "{count: 4}", "quorums.both.wider.1: expected objects or rows"),
        ("{rows: 100000, count: 4}", "{rows: 5}", "quorums.both.wider.1.count: a quorum needs from 1"),
        (
            "count: 4",
            "count: 1",
            "quorums.both.wider.1.count: 1 people would be fewer than for a narrow effect (2)",
        ),
        ("    also:", "    als:", "quorums.both.als: unknown key; did you mean 'also'?"),
    ],
)
def test_mistakes_in_a_quorum_are_named(old: str, new: str, said: str) -> None:
    assert old in QUORUM
    assert said in complaint(QUORUM.replace(old, new, 1))


def test_how_quickly_people_may_approve_is_read() -> None:
    assert read("").reviews == Reviews(10, 5, 60, timedelta(hours=1))
    given = read("reviews: {per_hour: 3, median_s: 0, slowed_s: 90, remind: 30m}\n")
    assert given.reviews == Reviews(3, 0, 90, timedelta(minutes=30))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("reviews: {per_hour: 0}", "reviews.per_hour: expected a whole number of 1 or more"),
        ("reviews: {median_s: -1}", "reviews.median_s: expected a whole number of 0 or more"),
        ("reviews: {slowed_s: soon}", "reviews.slowed_s: expected a whole number of 0 or more"),
        ("reviews: {per_hours: 1}", "reviews.per_hours: unknown key; did you mean 'per_hour'?"),
        ("reviews: {remind: soon}", "reviews.remind: 'soon' is not a length of time"),
        ("reviews: [1]", "reviews: expected keys and values"),
    ],
)
def test_mistakes_in_reviews_are_named(text: str, said: str) -> None:
    assert said in complaint(text)


def test_nobody_may_break_the_glass_unless_they_are_named() -> None:
    assert read("").break_glass == Rules((), 15)
    assert read("break_glass: {people: [ana]}\n").break_glass == Rules(("ana",), 15)
    assert read("break_glass: {people: [ana, bob], minutes: 5}\n").break_glass == Rules(("ana", "bob"), 5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("break_glass: {people: ana}", "break_glass.people: expected a list of names"),
        ("break_glass: {people: [7]}", "break_glass.people: expected a list of names"),
        (
            "break_glass: {people: [ana], minutes: 0}",
            "break_glass.minutes: expected a whole number of 1 or more",
        ),
        (
            "break_glass: {people: [ana], minutes: 241}",
            "break_glass.minutes: the glass stays broken for 240 minutes",
        ),
        ("break_glass: {peple: ana}", "break_glass.peple: unknown key; did you mean 'people'?"),
    ],
)
def test_mistakes_in_break_glass_are_named(text: str, said: str) -> None:
    assert said in complaint(text)
