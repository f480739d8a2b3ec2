"""Whose fault an error of the server's is."""

import pytest

from interlock.connectors.postgres.client.causes import cause_of
from interlock.sdk.connector import Cause

EXPECTED = "23503 23505 23P01 2BP01 42P01 42P07 42703 42704 42710 42883 3F000 3D000 P0002"
TRANSIENT = "40001 40P01 55P03 08006 08003 53300 53200 57P01 57014 58030 XX000 25P03"
WORK = "42601 42501 23502 23514 22012 22P02 25006 P0001 0A000 40002 42804"


@pytest.mark.parametrize(
    ("states", "cause"), [(EXPECTED, Cause.EXPECTED), (TRANSIENT, Cause.TRANSIENT), (WORK, Cause.WORK)]
)
def test_by_sqlstate(states: str, cause: Cause) -> None:
    assert {state: cause_of(state) for state in states.split()} == dict.fromkeys(states.split(), cause)


def test_no_state_is_the_connections() -> None:
    assert cause_of("") is Cause.TRANSIENT
