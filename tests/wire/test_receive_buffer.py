"""The receive buffer gives back exactly what it got, in pieces of any size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.wire import ProtocolViolation, ReceiveBuffer


@given(st.lists(st.one_of(st.binary(max_size=50), st.integers(0, 60)), max_size=60))
def test_bytes_come_out_as_they_went_in(steps: list[bytes | int]) -> None:
    buffer = ReceiveBuffer(10_000)
    model = b""
    for step in steps:
        if isinstance(step, bytes):
            buffer.append(step)
            model += step
        elif step > len(model):
            assert buffer.take(step) is None
        else:
            assert buffer.take(step) == model[:step]
            model = model[step:]
        assert len(buffer) == len(model)
        assert buffer.peek(7) == model[:7]
    assert buffer.take_all() == model
    assert len(buffer) == 0


def test_the_limit_counts_what_is_held_not_what_has_passed() -> None:
    buffer = ReceiveBuffer(8)
    for _ in range(100):
        buffer.append(b"12345678")
        assert buffer.take(8) == b"12345678"
    buffer.append(b"1234567")
    with pytest.raises(ProtocolViolation, match="more than 8 bytes"):
        buffer.append(b"89")
    assert buffer.take_all() == b"1234567"


def test_ten_megabytes_in_small_pieces_are_not_copied_again_and_again() -> None:
    """Quadratic copying would move a terabyte here, and the suite would be noticed to hang."""
    buffer = ReceiveBuffer(20_000_000)
    piece = b"x" * 100
    for _ in range(100_000):
        buffer.append(piece)
    taken = 0
    while buffer.take(100) is not None:
        taken += 100
    assert taken == 10_000_000
