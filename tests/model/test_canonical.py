"""Canonical JSON is RFC 8785's, whichever way it is made."""

import hypothesis.strategies as st
import pytest
import rfc8785
from hypothesis import example, given

from interlock.model import ids
from interlock.model.base import canonical, digest_of

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
_ASCII = st.text(st.characters(max_codepoint=0x7F))
_NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1)
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXTS | _ASCII,
    lambda inner: st.lists(inner) | st.dictionaries(_TEXTS | _ASCII, inner),
    max_leaves=20,
)


@given(_VALUES)
@example({"b": 1, "a": [True, '\x7f\x1f\\"/', -0, {}]})
@example(["1.5", "[1.5", ":123456789012345678"])
@example({"z": None})
def test_it_is_what_rfc_8785_says(value: object) -> None:
    assert canonical(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [[2**53], {"n": -(2**60)}, [float("nan")], ["\ud800"]])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises((ValueError, rfc8785.CanonicalizationError)):
        canonical(value)


@pytest.mark.parametrize("value", [[1.0], [1.5e300], {"x": 0.1}])
def test_floats_are_written_as_javascript_does(value: object) -> None:
    assert canonical(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


def test_a_digest_is_of_the_canonical_form() -> None:
    assert digest_of({"b": 1, "a": 2}) == digest_of({"a": 2, "b": 1})


@given(st.integers(0, 2**40 - 1))
def test_a_number_and_its_id_are_one(number: int) -> None:
    assert ids.number_of(ids.change_id(number)) == number
