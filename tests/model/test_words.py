"""A person's words as agents see them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.model.words import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("not on a Friday", "not on a Friday"),
        ("  two\n\nlines\tand\r\nmore ", "two lines and more"),
        ("\x1b[31mred\x00", "[31mred"),
        ("a\u202eb\u200bc\ufeff", "abc"),
        ("line\u2028separator", "line separator"),
        ("x" * 300, "x" * 300),
        ("x" * 301, "x" * 299 + "…"),
        ("", ""),
    ],
)
def test_words_are_one_plain_line(text: str, shown: str) -> None:
    assert plain(text, 300) == shown


@given(st.text())
def test_no_words_control_or_hide_anything(text: str) -> None:
    shown = plain(text, 50)
    assert len(shown) <= 50
    assert all(c == " " or unicodedata.category(c)[0] not in "CZ" for c in shown)
    assert plain(shown, 50) == shown
