"""Entries: canonical, exact, limited."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from interlock.ledger import entry
from interlock.ledger.entry import Entry, EntryError

AT = datetime(2026, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-entry.MAX_INT, entry.MAX_INT) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def test_an_entry_has_these_very_bytes() -> None:
    data = entry.encode(Entry("intent", AT, {"z": 1, "a": "é\u2028", "n": [None, True]}))
    expected = (
        '{"at":"2026-03-04T05:06:07.089Z","body":{"a":"é\u2028","n":[null,true],"z":1},"kind":"intent","v":1}'
    )
    assert data == expected.encode()


@given(st.sampled_from(sorted(entry.KINDS)), st.dictionaries(TEXT, VALUES, max_size=5), st.datetimes())
def test_entries_round_trip(kind: str, body: dict[str, Any], at: datetime) -> None:
    moment = at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=UTC)
    value = Entry(kind, moment, body)
    data = entry.encode(value)
    assert entry.decode(data) == value
    assert json.loads(data)["body"] == body


ASCII = st.text(st.characters(max_codepoint=127), max_size=20)
ASCII_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-entry.MAX_INT, entry.MAX_INT) | ASCII,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ASCII, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES | ASCII_VALUES)
def test_the_fast_way_gives_the_bytes_of_rfc_8785(value: Any) -> None:
    assert entry.canonical(value) == rfc8785.dumps(value)


def test_names_are_sorted_by_their_utf_16_units() -> None:
    assert (
        entry.canonical({"\ufb33": 1, "\U0001f600": 2, "a": 3})
        == '{"a":3,"\U0001f600":2,"\ufb33":1}'.encode()
    )


def test_a_time_of_another_zone_is_written_in_utc() -> None:
    zone = timezone(timedelta(hours=2))
    assert entry.format_at(AT.astimezone(zone)) == "2026-03-04T05:06:07.089Z"
    assert entry.format_at(AT.replace(microsecond=89_999)) == "2026-03-04T05:06:07.089Z"


def test_the_limit_is_just_under_64_kib() -> None:
    empty = len(entry.encode(Entry("intent", AT, {"t": ""})))
    room = entry.MAX_BYTES - empty
    assert len(entry.encode(Entry("intent", AT, {"t": "x" * room}))) == 65_535
    with pytest.raises(EntryError, match="65536 bytes"):
        entry.encode(Entry("intent", AT, {"t": "x" * (room + 1)}))


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        2**53,
        -(2**53),
        b"bytes",
        {1: 2},
        {"deep": [{"x": 0.5}]},
        AT,
        "\ud800",
        {"\udfff": 1},
        {1},
    ],
)
def test_what_has_no_exact_form_is_refused(value: Any) -> None:
    with pytest.raises(EntryError):
        entry.encode(Entry("intent", AT, {"value": value}))


def test_nesting_is_limited() -> None:
    value: Any = 1
    for _ in range(entry.MAX_DEPTH + 1):
        value = [value]
    with pytest.raises(EntryError, match="nested"):
        entry.encode(Entry("intent", AT, {"value": value}))
    with pytest.raises(EntryError):
        entry.decode(b"[" * 100_000)


def test_unknown_kinds_are_not_written_but_read() -> None:
    with pytest.raises(EntryError, match="no such kind"):
        entry.encode(Entry("gossip", AT, {}))
    data = entry.encode(Entry("intent", AT, {})).replace(b"intent", b"gossip")
    assert entry.decode(data).kind == "gossip"


GOOD = entry.encode(Entry("intent", AT, {"a": 1, "b": 2}))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        b"null",
        b"\xff",
        GOOD + b"\n",
        GOOD.replace(b'"a":1,"b":2', b'"b":2,"a":1'),
        GOOD.replace(b'"a":1', b'"a": 1'),
        GOOD.replace(b'"a":1', b'"a":1,"a":1'),
        GOOD.replace(b'"a":1', b'"a":1.0'),
        GOOD.replace(b'"a":1', b'"a":NaN'),
        GOOD.replace(b'"a":1', b'"a":1e0'),
        GOOD.replace(b'"v":1', b'"v":2'),
        GOOD.replace(b'"v":1', b'"v":true'),
        GOOD.replace(b'"kind":"intent"', b'"kind":1'),
        GOOD.replace(b'"kind":"intent",', b""),
        GOOD.replace(b".089Z", b".089000Z"),
        GOOD.replace(b"2026-03-04", b"2026-13-04"),
        GOOD.replace(b'{"a":1,"b":2}', b"[]"),
        GOOD.replace(b'"v":1', b'"v":1,"w":1'),
    ],
)
def test_anything_but_the_canonical_bytes_is_refused(data: bytes) -> None:
    assert entry.decode(GOOD).body == {"a": 1, "b": 2}
    with pytest.raises(EntryError):
        entry.decode(data)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(EntryError, match="zone"):
        entry.encode(Entry("intent", AT.replace(tzinfo=None), {}))
