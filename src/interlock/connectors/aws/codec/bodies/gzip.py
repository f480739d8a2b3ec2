"""Compressed bodies (`Content-Encoding: gzip`, RFC 1952): unpacked up to a limit, and only when whole."""

import zlib

from interlock.connectors.aws.codec.request import Unclear

LONGEST = 64 * 1024 * 1024
_GZIP = 31


def unpacked(data: bytes, longest: int = LONGEST) -> bytes:
    """What the one gzip member in `data` holds, at most `longest` bytes."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        plain = unpacker.decompress(data, longest + 1)
    except zlib.error:
        raise Unclear("the body is not in the form of gzip") from None
    if len(plain) > longest:
        raise Unclear("the body is too long when it is unpacked")
    if not unpacker.eof or unpacker.unused_data:
        raise Unclear("the compressed body is cut short, or something follows it")
    return plain
