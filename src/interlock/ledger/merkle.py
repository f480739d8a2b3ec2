"""The Merkle tree of RFC 6962 section 2.1: hashing, appending, proofs and their verification.

A *node* ``(level, index)`` is the hash of the complete subtree over the leaves
``[index << level, (index + 1) << level)``; level 0 is the leaf hashes. Complete subtrees never change,
so whoever stores them can prove anything about any past size. Nothing here reads more than O(log n) nodes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of the tree without leaves (RFC 6962 section 2.1)."""

NodeReader = Callable[[int, int], bytes]
"""``get_hash(level, index)``: the 32-byte hash of that complete subtree. Raises when it is not stored."""


def leaf_hash(entry: bytes) -> bytes:
    """Hash of one leaf: SHA-256(0x00 || entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """Root over consecutive node hashes of one level, any positive number of them (RFC 6962 MTH)."""
    if not hashes:
        raise ValueError("no hashes to fold")
    row = list(hashes)
    while len(row) > 1:
        pairs = [node_hash(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
        row = pairs + row[len(pairs) * 2 :]
    return row[0]


@dataclass(frozen=True, slots=True)
class Node:
    """One complete subtree that came into being."""

    level: int
    index: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree: its size and the roots of its maximal complete subtrees, left to right.

    This is all that appending needs: one hash for each one-bit of ``size``.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise ValueError(f"a tree of {self.size} leaves has no edge of {len(self.hashes)} hashes")
        if any(len(h) != HASH_SIZE for h in self.hashes):
            raise ValueError("an edge hash is not 32 bytes")

    def root(self) -> bytes:
        """Merkle tree hash of the whole tree."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root

    def encode(self) -> bytes:
        """The edge hashes concatenated, for storing beside the size."""
        return b"".join(self.hashes)

    @classmethod
    def decode(cls, size: int, data: bytes) -> Frontier:
        """Inverse of :meth:`encode`. Raises ValueError when it is not the edge of such a tree."""
        if len(data) % HASH_SIZE:
            raise ValueError("an edge is a whole number of 32-byte hashes")
        return cls(size, tuple(data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE)))


def extend(frontier: Frontier, leaf_hashes: Iterable[bytes]) -> tuple[Frontier, tuple[Node, ...]]:
    """Append leaves: the new edge, and every node that became complete (leaves included), bottom up."""
    edge, size, nodes = list(frontier.hashes), frontier.size, []
    for leaf in leaf_hashes:
        level, index, current = 0, size, leaf
        nodes.append(Node(0, index, current))
        while index & 1:
            current = node_hash(edge.pop(), current)
            level, index = level + 1, index >> 1
            nodes.append(Node(level, index, current))
        edge.append(current)
        size += 1
    return Frontier(size, tuple(edge)), tuple(nodes)


def frontier_at(size: int, get_hash: NodeReader) -> Frontier:
    """The right edge that the tree had at ``size`` leaves, from its stored nodes."""
    hashes, start = [], 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            hashes.append(get_hash(level, start >> level))
            start += 1 << level
    return Frontier(size, tuple(hashes))


def _split(width: int) -> int:
    """The largest power of two smaller than ``width`` (RFC 6962: k)."""
    return 1 << (width - 1).bit_length() - 1


def _range_hash(start: int, end: int, get_hash: NodeReader) -> bytes:
    """MTH(D[start:end]) for ranges that the proof recursions produce (start aligned)."""
    width = end - start
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return get_hash(level, start >> level)
    middle = start + _split(width)
    return node_hash(_range_hash(start, middle, get_hash), _range_hash(middle, end, get_hash))


def inclusion_proof(index: int, size: int, get_hash: NodeReader) -> tuple[bytes, ...]:
    """Audit path of leaf ``index`` in the tree of ``size`` leaves, leaf to root (RFC 9162 section 2.1.3.1).

    Raises ValueError when the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"no entry {index} in a log of {size}")
    low, high, path = 0, size, []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_range_hash(middle, high, get_hash))
            high = middle
        else:
            path.append(_range_hash(low, middle, get_hash))
            low = middle
    return tuple(reversed(path))


def consistency_proof(old: int, new: int, get_hash: NodeReader) -> tuple[bytes, ...]:
    """Proof that the tree of ``new`` leaves begins with the tree of ``old`` (RFC 9162 section 2.1.4.1).

    Empty when ``old`` is 0 or equals ``new``. Raises ValueError when ``old`` exceeds ``new``.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a log of {new} entries cannot begin with {old}")
    if old in (0, new):
        return ()
    low, high, path = 0, new, []
    while high != old:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(_range_hash(middle, high, get_hash))
            high = middle
        else:
            path.append(_range_hash(low, middle, get_hash))
            low = middle
    if low:
        path.append(_range_hash(low, high, get_hash))
    return tuple(reversed(path))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether ``proof`` shows the leaf hash at ``index`` under ``root`` (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    fn, sn, current = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            current = node_hash(sibling, current)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            current = node_hash(current, sibling)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and current == root


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether ``proof`` shows that the new tree only appended to the old (RFC 9162 section 2.1.4.2)."""
    if not 0 <= old <= new:
        return False
    if old in (0, new):
        same = old_root == (EMPTY_ROOT if old == 0 else new_root)
        return same and not proof and (new > 0 or new_root == EMPTY_ROOT)
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    return _walk(fn, sn, path) == (old_root, new_root)


def _walk(fn: int, sn: int, path: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Both roots that a consistency path leads to; None when the path has the wrong length."""
    old = new = path[0]
    for sibling in path[1:]:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = node_hash(new, sibling)
        fn, sn = fn >> 1, sn >> 1
    return (old, new) if sn == 0 else None
