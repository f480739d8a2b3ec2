"""The checksums that S3 takes in trailers (S3 user guide, "Checking object integrity").

CRC-32 and the SHAs are the standard library's. The other CRCs are made here, at some 50 MB/s; clients send them when asked to,
or when they have the AWS Common Runtime.
"""

import base64
import hashlib
import struct
import zlib
from collections.abc import Callable
from functools import lru_cache, partial, reduce
from operator import xor
from typing import NamedTuple, Protocol

PREFIX = "x-amz-checksum-"


class Checksum(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class Crc32:
    """CRC-32 (zlib's)."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


class TableCrc:
    """A reflected CRC of 32 or 64 bits with all bits set at the start and inverted at the end; `polynomial` is reflected as
    well.

    Sources: RFC 3720 (CRC-32C), NVM Express NVM Command Set specification 5.2.1 (CRC-64/NVME). A longer piece is cut into
    lanes of equal length, which are computed at once: the first bytes of all lanes, then the second ones, and so on, each byte
    of the values in a number of its own. Being linear, the values of the lanes then make the whole's.
    """

    def __init__(self, polynomial: int, bits: int) -> None:
        self._bits, self._mask = bits, (1 << bits) - 1
        self._value = self._mask
        self._tables = _tables(polynomial, bits)

    def update(self, data: bytes, /) -> None:
        whole = len(data) - len(data) % _LANE if len(data) >= _SHORT else 0
        if whole:
            self._value = self._joined(self._lanes(data[:whole]))
        table = self._tables.byte
        for byte in data[whole:]:
            self._value = self._value >> 8 ^ table[(self._value ^ byte) & 0xFF]

    def digest(self) -> bytes:
        return (self._value ^ self._mask).to_bytes(self._bits // 8, "big")

    def _lanes(self, data: bytes) -> tuple[int, ...]:
        """The value of each lane; the first goes on from the present value, the others begin with zero."""
        count, split = len(data) // _LANE, self._tables.split
        planes = [self._value >> shift & 0xFF for shift in range(0, self._bits, 8)]
        for at in range(_LANE):
            index = (planes[0] ^ int.from_bytes(data[at::_LANE], "little")).to_bytes(count, "little")
            planes = [
                int.from_bytes(index.translate(table), "little") ^ above
                for table, above in zip(split, [*planes[1:], 0], strict=True)
            ]
        values = bytearray(count * len(planes))
        for at, plane in enumerate(planes):
            values[at :: len(planes)] = plane.to_bytes(count, "little")
        return struct.unpack(f"<{count}{'I' if self._bits == 32 else 'Q'}", values)

    def _joined(self, lanes: tuple[int, ...]) -> int:
        value = 0
        for lane in lanes:
            value = _applied(self._tables.over_lane, value) ^ lane
        return value


_LANE = 256
_SHORT = 4096


class _Tables(NamedTuple):
    """What a byte does to the value (`byte`, and `split` into the bytes of that), and what a lane of zeros does to each of its
    bytes."""

    byte: list[int]
    split: list[bytes]
    over_lane: list[list[int]]


@lru_cache(maxsize=2)
def _tables(polynomial: int, bits: int) -> _Tables:
    byte = [_bitwise(value, polynomial) for value in range(256)]
    shifts = range(0, bits, 8)
    split = [bytes(value >> shift & 0xFF for value in byte) for shift in shifts]
    units = [_zeros(1 << bit, byte) for bit in range(bits)]
    return _Tables(
        byte, split, [[_combined(units[at : at + 8], value) for value in range(256)] for at in shifts]
    )


def _bitwise(value: int, polynomial: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (polynomial if value & 1 else 0)
    return value


def _zeros(value: int, byte: list[int]) -> int:
    for _ in range(_LANE):
        value = value >> 8 ^ byte[value & 0xFF]
    return value


def _combined(units: list[int], bits: int) -> int:
    chosen = (unit for at, unit in enumerate(units) if bits >> at & 1)
    return reduce(xor, chosen, 0)


def _applied(tables: list[list[int]], value: int) -> int:
    made = 0
    for table in tables:
        made ^= table[value & 0xFF]
        value >>= 8
    return made


_KINDS: dict[str, Callable[[], Checksum]] = {
    "crc32": Crc32,
    "crc32c": partial(TableCrc, 0x82F63B78, 32),
    "crc64nvme": partial(TableCrc, 0x9A6C9329AC4BC9B5, 64),
    "md5": partial(hashlib.md5, usedforsecurity=False),
    "sha1": partial(hashlib.sha1, usedforsecurity=False),
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
}


def checksum(header: str) -> Checksum | None:
    """A new checksum for the header that carries it (`x-amz-checksum-crc32`), or None when that is of no known kind."""
    kind = _KINDS.get(header.removeprefix(PREFIX)) if header.startswith(PREFIX) else None
    return None if kind is None else kind()


def text(made: Checksum) -> str:
    """As it is written in a header."""
    return base64.b64encode(made.digest()).decode("ascii")
