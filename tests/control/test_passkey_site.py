"""Where passkeys belong to, and the encoding that they come in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.control.deciding.passkey import Site, from_base64url, site_of, to_base64url

SITES = {
    "http://127.0.0.1:8470": Site("localhost", "http://localhost:8470"),
    "http://[::1]:8470": Site("localhost", "http://localhost:8470"),
    "http://localhost": Site("localhost", "http://localhost"),
    "https://interlock.example": Site("interlock.example", "https://interlock.example"),
    "https://interlock.example:443/": Site("interlock.example", "https://interlock.example"),
    "https://interlock.example:8470/base": Site("interlock.example", "https://interlock.example:8470"),
    "http://interlock.example": None,
    "https://10.0.0.7": None,
    "http://10.0.0.7:8470": None,
    "https://[2001:db8::1]": None,
    "": None,
}


@pytest.mark.parametrize("address", SITES)
def test_sites(address: str) -> None:
    assert site_of(address) == SITES[address]


@given(st.binary(max_size=100))
def test_base64url_there_and_back(data: bytes) -> None:
    assert from_base64url(to_base64url(data)) == data


@pytest.mark.parametrize("text", ["=", "QQ==", "QR", "Q", "+/+/", "Q Q", "é"])
def test_one_spelling_only(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64|padding|ASCII|characters|data"):
        from_base64url(text)
