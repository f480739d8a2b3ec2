"""Checksums give the published values, whole and in pieces."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.connectors.aws.sigv4.checksum import checksum, text

# Check values of "123456789" (RFC 3720 appendix B.4 for zeros in CRC-32C; the catalogue of parametrised CRC algorithms; FIPS
# 180).
CHECK = {
    "crc32": "cbf43926",
    "crc32c": "e3069283",
    "crc64nvme": "ae8b14860a799888",
    "md5": "25f9e794323b453885f5181f1b624d0b",
    "sha1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
}


def of(kind: str, *pieces: bytes) -> str:
    made = checksum(f"x-amz-checksum-{kind}")
    assert made is not None
    for piece in pieces:
        made.update(piece)
    return text(made)


@pytest.mark.parametrize("kind", CHECK)
def test_the_published_value(kind: str) -> None:
    assert base64.b64decode(of(kind, b"123456789")).hex() == CHECK[kind]


def test_more_published_values() -> None:
    assert base64.b64decode(of("crc32c", bytes(32))).hex() == "8a9136aa"
    assert base64.b64decode(of("crc32c", b"\xff" * 32)).hex() == "62a8ab43"
    assert base64.b64decode(of("crc32c", bytes(range(32)))).hex() == "46dd794e"
    assert base64.b64decode(of("crc64nvme", bytes(32))).hex() == "cf3473434d4ecf3b"
    assert of("crc32c", b"a" * 66560) == "sOO8/Q=="


def bit_by_bit(data: bytes, polynomial: int, bits: int) -> int:
    """The definition, without tables."""
    value = mask = (1 << bits) - 1
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ polynomial * (value & 1)
    return value ^ mask


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_tables_and_pieces_change_nothing(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    for kind, polynomial, bits in (
        ("crc32", 0xEDB88320, 32),
        ("crc32c", 0x82F63B78, 32),
        ("crc64nvme", 0x9A6C9329AC4BC9B5, 64),
    ):
        expected = bit_by_bit(data, polynomial, bits).to_bytes(bits // 8, "big")
        assert base64.b64decode(of(kind, *pieces)) == expected == base64.b64decode(of(kind, data))


@pytest.mark.parametrize("size", [4095, 4096, 4097, 5000, 70_001])
def test_long_pieces_change_nothing(size: int) -> None:
    data = bytes(at * 7 + at // 251 & 0xFF for at in range(size))
    for kind in ("crc32c", "crc64nvme"):
        short = [data[at : at + 1000] for at in range(0, size, 1000)]
        assert of(kind, b"begin", data, data[:9]) == of(kind, b"begin", *short, data[:9])


@pytest.mark.parametrize("header", ["x-amz-checksum-xxhash64", "x-amz-checksum-", "crc32", "x-amz-acl", ""])
def test_others_are_not_known(header: str) -> None:
    assert checksum(header) is None
