"""What passed before is recognised, and nothing else is taken for it."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.connectors.postgres.codec import build, encode
from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.session.asked.items import Item
from interlock.connectors.postgres.session.asked.known import Known

DESCRIBE, EXECUTE = encode(f.Describe("P", "")), encode(f.Execute(""))
TEXT = "SELECT a FROM t2 WHERE b = 15 AND c < 7"


def made() -> tuple[Known, Any]:
    channel = SimpleNamespace(gate=SimpleNamespace(moment=1), server=SimpleNamespace(catalog_epoch=1))
    return Known(channel), channel  # type: ignore[arg-type]


def query(text: str) -> bytes:
    return encode(f.Query(text))


def bind(name: str, *values: bytes, portal: str = "") -> bytes:
    return encode(f.Bind(portal, name, (), values))


def learn(known: Known, *messages: bytes, items: tuple[Item, ...] = ()) -> bytes:
    known.learn([(message[0], message) for message in messages], list(items))
    return b"".join(messages)


def test_a_text_with_other_numbers_of_as_many_digits() -> None:
    known, _ = made()
    text = "SELECT a FROM t WHERE b = 15 AND c < 7"
    assert known.find(query(text)) is None
    learn(known, query(text))
    assert known.find(query(text)) == ()
    assert known.find(query(text.replace("15", "99").replace("7", "0"))) == ()
    assert known.find(query(text.replace("15", "150"))) is None
    assert known.find(query(text.replace("a FROM", "b FROM"))) is None


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("SELECT a FROM t2 WHERE b = 1", "SELECT a FROM t3 WHERE b = 1"),
        ("SELECT a FROM t2 WHERE b = 1", "SELECT a FROM t2 WHERE b = 2"),
        ("SELECT 'drop 1'", "SELECT 'drop 2'"),
        ("SELECT $1", "SELECT $2"),
        ('SELECT "1"', 'SELECT "2"'),
        ("SELECT 1.5", "SELECT 2.5"),
        ("SELECT 1e3", "SELECT 1e9"),
        ("SELECT 2147483647", "SELECT 9999999999"),
        ("SELECT f1(1)", "SELECT f2(1)"),
        ("SELECT U&'\\0061'", "SELECT U&'\\0062'"),
    ],
)
def test_digits_that_are_more_than_a_number(text: str, other: str) -> None:
    known, _ = made()
    learn(known, query(text))
    assert known.find(query(text)) == ()
    assert known.find(query(other)) is None


@given(st.text(alphabet="Ab1 2=('\"$.;-/*\n", max_size=30), st.data())
def test_nothing_but_whole_numbers_may_differ(text: str, data: st.DataObject) -> None:
    known, _ = made()
    learn(known, query(text))
    other = "".join(data.draw(st.sampled_from("0123456789")) if c.isdigit() else c for c in text)
    if known.find(query(other)) is not None and other != text:
        assert not set("'\"$") & set(text)
        numbers = re.finditer(r"(?<![\w.])\d{1,9}(?![\w.])", text)
        within = {place for number in numbers for place in range(*number.span())}
        assert {place for place, char in enumerate(text) if char != other[place]} <= within


def test_a_header_that_does_not_fit_its_text() -> None:
    known, _ = made()
    message = query("SELECT a FROM t WHERE aid = 12345678 AND bid = 1")
    learn(known, message)
    assert 48 <= message[4] <= 57  # a length whose byte is a digit
    for byte in range(48, 58):
        if byte != message[4]:
            assert known.find(message[:4] + bytes((byte,)) + message[5:]) is None
    assert known.find(message[:-1]) is None
    assert known.find(message + message) is None


@pytest.mark.parametrize("middle", [EXECUTE, DESCRIBE + EXECUTE])
def test_an_execution_of_a_named_statement(middle: bytes) -> None:
    known, _ = made()
    parts = [bind("one", b"5"), *([DESCRIBE] if middle != EXECUTE else []), EXECUTE, build.SYNC]
    learn(known, *parts)
    assert known.find(bind("one", b"a much longer value") + middle + build.SYNC) == ()
    assert known.find(bind("two", b"5") + middle + build.SYNC) is None
    assert known.find(bind("one", b"5", portal="p") + middle + build.SYNC) is None
    assert known.find(bind("one", b"5") + middle) is None
    assert known.find(bind("one", b"5") + middle + build.SYNC + build.SYNC) is None
    assert known.find(bind("one", b"5") + middle + middle + build.SYNC) is None
    assert known.find(bind("one", b"5") + encode(f.Execute("", 1)) + build.SYNC) is None
    assert known.find(bind("one", b"5") + encode(f.Execute("p")) + build.SYNC) is None
    whole = bind("one", b"5") + middle + build.SYNC
    for end in range(1, len(whole)):
        assert known.find(whole[:end]) is None


def test_an_unnamed_statement_is_not_remembered_by_its_name() -> None:
    known, _ = made()
    whole = learn(known, bind(""), EXECUTE, build.SYNC)
    assert known.find(whole) is None


def test_a_parse_of_the_unnamed_statement() -> None:
    known, _ = made()
    parse, item = encode(f.Parse("", TEXT)), Item("P", b"")
    learn(known, parse, bind("", b"1"), DESCRIBE, EXECUTE, build.SYNC, items=(item,))
    assert known.find(parse + bind("", b"22") + EXECUTE + build.SYNC) == (item,)
    assert known.find(encode(f.Parse("", TEXT + " ")) + bind("", b"1") + EXECUTE + build.SYNC) is None
    assert known.find(encode(f.Parse("n", TEXT)) + bind("", b"1") + EXECUTE + build.SYNC) is None
    assert known.find(parse + bind("n", b"1") + EXECUTE + build.SYNC) is None
    assert known.find(parse) is None
    assert known.find(b"P") is None
    assert known.find(b"P\0\0\0\0") is None


@pytest.mark.parametrize("what", ["moment", "epoch", "forget", "parse", "close"])
def test_it_is_all_forgotten_when_what_it_rests_on_may_have_changed(what: str) -> None:
    known, channel = made()
    whole = [learn(known, query("SELECT 1")), learn(known, bind("one"), EXECUTE, build.SYNC)]
    assert [known.find(data) for data in whole] == [(), ()]
    if what == "moment":
        channel.gate.moment = 2
    elif what == "epoch":
        channel.server.catalog_epoch = 2
    elif what == "forget":
        known.forget()
    elif what == "parse":
        learn(known, encode(f.Parse("one", TEXT)), build.SYNC)
    else:
        learn(known, encode(f.Close("S", "one")), build.SYNC)
    assert [known.find(data) for data in whole] == [None, None]
    assert known.find(learn(known, query("SELECT 1"))) == ()


def test_it_does_not_grow_without_end() -> None:
    known, _ = made()
    for number in range(2000):
        learn(known, query(f"SELECT 'x{number}'"))
    remembered = sum(known.find(query(f"SELECT 'x{number}'")) is not None for number in range(2000))
    assert 0 < remembered <= 256
    assert known.find(learn(known, query("SELECT '" + "x" * 10_000 + "'"))) is None
