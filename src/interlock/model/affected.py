"""Which rows (or objects) a unit of work touches, as one text that people's approval is bound to (P4, P5).

Up to `LISTED` rows the text lists a short digest of each, so that a smaller set can be proven to be part of the approved one;
beyond, it is one digest of all, and a smaller set cannot be compared any more. An empty text means: not known.
"""

import base64
import binascii
import hashlib
from collections import Counter
from collections.abc import Iterable

LISTED = 1000
WIDTH = 16
"""Bytes of SHA-256 kept for each listed row: 128 bits, so that no other row can be crafted to look like an approved one."""

_LIST, _DIGEST = "rows:", "sha256:"


def affected(rows: Iterable[bytes]) -> str:
    """The text for rows given in any order, each as an injective encoding of its object and key, and of those values that do not
    differ from run to run (a time or the next value of a sequence would)."""
    digests = sorted(hashlib.sha256(row).digest() for row in rows)
    if len(digests) <= LISTED:
        return _LIST + base64.b64encode(b"".join(d[:WIDTH] for d in digests)).decode()
    return _DIGEST + hashlib.sha256(b"".join(digests)).hexdigest()


def part_of(now: str, approved: str) -> bool:
    """Whether the rows of `now` are provably among those of `approved`. Doubt is False."""
    if now == approved:
        return bool(now)
    few, many = _listed(now), _listed(approved)
    return few is not None and many is not None and few <= many


def _listed(text: str) -> Counter[bytes] | None:
    if not text.startswith(_LIST):
        return None
    try:
        data = base64.b64decode(text.removeprefix(_LIST), validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(data) % WIDTH:
        return None
    return Counter(data[i : i + WIDTH] for i in range(0, len(data), WIDTH))
