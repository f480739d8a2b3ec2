"""The messages that go both ways."""

import msgspec


class CopyData(msgspec.Struct, frozen=True):
    """A piece of COPY data; pieces need not end where rows do."""

    data: bytes


class CopyDone(msgspec.Struct, frozen=True):
    """Ends COPY data."""
