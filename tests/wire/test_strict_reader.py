"""The reader reads what is there and raises nothing but violations."""

import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.wire import InvalidText, ProtocolViolation, Reader

METHODS: tuple[Callable[[Reader], Any], ...] = (
    Reader.uint8,
    Reader.int16,
    Reader.uint16,
    Reader.int32,
    Reader.uint32,
    Reader.text,
    Reader.rest,
    Reader.nullable,
    Reader.nullables,
    Reader.finish,
    lambda reader: reader.take(3),
    lambda reader: reader.take(-1),
)


@given(st.binary(max_size=40), st.integers(0, 50), st.lists(st.sampled_from(METHODS), max_size=8))
def test_garbage_is_read_or_refused(data: bytes, position: int, calls: list[Callable[[Reader], Any]]) -> None:
    reader = Reader(data, position)
    try:
        for call in calls:
            call(reader)
    except ProtocolViolation:
        pass


def test_fields_one_after_the_other() -> None:
    data = struct.pack(">BhHiI", 200, -2, 65535, -3, 2**32 - 1) + "größe\0".encode() + b"abcrest"
    reader = Reader(data)
    assert [reader.uint8(), reader.int16(), reader.uint16(), reader.int32()] == [200, -2, 65535, -3]
    assert reader.uint32() == 2**32 - 1
    assert reader.text() == "größe"
    assert reader.take(3) == b"abc"
    assert reader.rest() == b"rest"
    reader.finish()


def test_a_text_that_is_not_utf8_is_told_apart_and_can_be_read_past() -> None:
    reader = Reader(b"\xff\xfe\0next\0", what="Query")
    with pytest.raises(InvalidText, match="malformed Query"):
        reader.text()
    assert reader.text() == "next"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\0\1",
        b"\0\1\0\0\0\2a",
        b"\0\1\xff\xff\xff\xfe",
        b"\0\1\x7f\xff\xff\xff",
        b"\0\2\0\0\0\1a\0\0",
    ],
)
def test_lists_of_values_that_do_not_fit(data: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        Reader(data).nullables()


def test_lists_of_values() -> None:
    assert Reader(b"\0\3\xff\xff\xff\xff\0\0\0\0\0\0\0\2ab").nullables() == (None, b"", b"ab")


def test_violations_do_not_quote_the_peer() -> None:
    with pytest.raises(ProtocolViolation) as caught:
        Reader(b"secret token").text()
    assert "secret" not in str(caught.value)
