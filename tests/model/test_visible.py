"""What people sign is shown as it is: nothing hides, reorders or imitates."""

import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.model.visible import MARK, Oddity, hidden_from, oddities, visible

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=200)
TRICKY = st.text(
    st.sampled_from("ab_⟨U+20E⟩\u202e\u2066\u200b\u0430\u0301\x1b\r\n\t \u00a0\ufeffאñж1"), max_size=40
)


@given(ANY_TEXT | TRICKY)
def test_the_text_can_be_had_back_exactly(text: str) -> None:
    assert hidden_from(visible(text)) == text


@given(ANY_TEXT | TRICKY)
def test_nothing_that_hides_or_reorders_is_left(text: str) -> None:
    rest = MARK.sub("", visible(text))
    for char in rest:
        assert char in "\n\t" or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        assert unicodedata.bidirectional(char) not in {
            "R",
            "AL",
            "AN",
            "RLO",
            "LRO",
            "RLE",
            "LRE",
            "RLI",
            "LRI",
            "FSI",
        }
        assert char == " " or unicodedata.category(char) != "Zs"


@given(ANY_TEXT | TRICKY)
def test_oddities_count_what_is_marked(text: str) -> None:
    assert sum(found.count for found in oddities(text)) == len(MARK.findall(visible(text)))


@given(st.text(string.printable.replace("\r", "").replace("\x0b", "").replace("\x0c", "")))
def test_printable_ascii_stays_as_it_is(text: str) -> None:
    assert visible(text) == text
    assert not oddities(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("DROP\u200bTABLE", "DROP⟨U+200B⟩TABLE"),
        ("x\x1b[2Jy", "x⟨U+001B⟩[2Jy"),
        ("x\ry", "x⟨U+000D⟩y"),
        ("\u043erders", "⟨U+043E⟩rders"),
        ("\u0441\u043e\u0440\u0443", "⟨U+0441⟩⟨U+043E⟩⟨U+0440⟩⟨U+0443⟩"),
        ("a\u037e b", "a⟨U+037E⟩ b"),
        ("\uff41\uff42", "⟨U+FF41⟩⟨U+FF42⟩"),
        ("e\u0301", "e⟨U+0301⟩"),
        ("a\u00a0b", "a⟨U+00A0⟩b"),
        ("\u3164", "⟨U+3164⟩"),
        ("\U000e0041", "⟨U+E0041⟩"),
        ("\ud800", "⟨U+D800⟩"),
        ("\u05d0", "⟨U+05D0⟩"),
        ("⟨U+0041⟩", "⟨U+27E8⟩U+0041⟨U+27E9⟩"),
        ("a\u0336b", "a⟨U+0336⟩b"),
    ],
)
def test_tricks_show(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text",
    ["Müller", "straße", "œuvre", "заказы", "Ελλάδα", "日本語", "ไทย", "हिन्दी", "naïve café", "a\tb\nc"],
)
def test_ordinary_words_stay_readable(text: str) -> None:
    assert visible(text) == text


def test_sorts_are_told_apart() -> None:
    found = oddities("\x1b\u202e\u200b\u043ex⟨")
    assert found == tuple(
        Oddity(s, 1) for s in ("control", "invisible", "look-alike", "notation", "reordering")
    )
