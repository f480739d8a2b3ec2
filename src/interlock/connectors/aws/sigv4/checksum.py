"""The checksums that S3 takes in trailers (S3 user guide, "Checking object integrity").

CRC-32 and the SHAs are the standard library's. The other CRCs are made here with tables, at some 20 MB/s: clients send them
when asked to.
"""

import base64
import hashlib
import zlib
from array import array
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Protocol

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
    """A reflected CRC of at most 64 bits with all bits set at the start and inverted at the end, eight bytes at a time.

    `polynomial` is reflected as well. Sources: RFC 3720 (CRC-32C), NVM Express NVM Command Set specification 5.2.1
    (CRC-64/NVME).
    """

    def __init__(self, polynomial: int, bits: int) -> None:
        self._bits, self._mask = bits, (1 << bits) - 1
        self._value = self._mask
        self._byte, self._words = _tables(polynomial)

    def update(self, data: bytes, /) -> None:
        whole = len(data) & ~7
        self._value = self._eights(array("Q", data[:whole]))
        for byte in data[whole:]:
            self._value = self._value >> 8 ^ self._byte[(self._value ^ byte) & 0xFF]

    def _eights(self, words: "array[int]") -> int:
        value, (t0, t1, t2, t3) = self._value, self._words
        if _BIG_ENDIAN:
            words.byteswap()
        for word in words:
            word ^= value
            value = t0[word & 0xFFFF] ^ t1[word >> 16 & 0xFFFF] ^ t2[word >> 32 & 0xFFFF] ^ t3[word >> 48]
        return value

    def digest(self) -> bytes:
        return (self._value ^ self._mask).to_bytes(self._bits // 8, "big")


_BIG_ENDIAN = array("H", b"\x00\x01")[0] == 1


@lru_cache(maxsize=2)
def _tables(polynomial: int) -> tuple[list[int], tuple["array[int]", ...]]:
    """What one byte does to the value, and what each pair of bytes among eight does."""
    byte = [_bitwise(value, polynomial) for value in range(256)]
    last = [
        byte[(value >> 8) ^ (byte[value & 0xFF] & 0xFF)] ^ byte[value & 0xFF] >> 8 for value in range(65536)
    ]
    words = [last]
    for _ in range(3):
        words.append([_two_zeros(value, byte) for value in words[-1]])
    return byte, tuple(array("Q", table) for table in reversed(words))


def _bitwise(value: int, polynomial: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (polynomial if value & 1 else 0)
    return value


def _two_zeros(value: int, byte: list[int]) -> int:
    value = value >> 8 ^ byte[value & 0xFF]
    return value >> 8 ^ byte[value & 0xFF]


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
