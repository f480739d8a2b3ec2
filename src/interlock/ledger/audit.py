"""Which stored hashes and entries a trusted root vouches for, and exactly which it does not.

Entries and tiles of an export say the same thing twice. When both agree with the root, all is well. When they
disagree, the tree is walked down from the root, and at each tile the copy that hashes to what its parent vouches
for is believed; the other one is altered. So the first altered entry is named, not only the fact.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from interlock.ledger import merkle, tiles
from interlock.ledger.merkle import Frontier
from interlock.ledger.tiles import WIDTH, Tile

Hashes = tuple[bytes, ...]
TileReader = Callable[[Tile], Hashes | None]
"""The hashes in a stored tile, of whatever number; None when it is missing or malformed."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Entries ``first``..``last`` are not what the root vouches for.

    ``how`` is ``altered``, ``missing``, ``extra``, or ``unknown`` when neither copy is right there.
    """

    how: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class BadTile:
    """A Merkle tile that is missing or not what the root vouches for."""

    tile: Tile


Disagreement = Difference | BadTile


def frontier_of(size: int, edge: Sequence[Sequence[bytes]]) -> Frontier:
    """The right edge of a tree from its rightmost tiles' contents (``edge[level]``; empty where full)."""
    hashes: list[bytes] = []
    for row in reversed(edge):
        start = 0
        for bit in reversed(range(tiles.HEIGHT)):
            if len(row) >> bit & 1:
                hashes.append(merkle.fold(row[start : start + (1 << bit)]))
                start += 1 << bit
    return Frontier(size, tuple(hashes))


class Auditor:
    """Compares two copies of a tree of ``size`` leaves, tiles and leaf hashes of entries, with a trusted root.

    Both readers are asked lazily; memory is one hash for each 256 entries.
    """

    def __init__(self, size: int, root: bytes, read_tile: TileReader, read_leaves: TileReader) -> None:
        self._size, self._root = size, root
        self._read_tile, self._read_leaves = read_tile, read_leaves
        self._computed = self._fold_entries()

    def disagreements(self) -> Iterator[Disagreement]:
        """Everything that the root does not vouch for, top down, left to right."""
        edge = self._trusted_edge()
        if edge is None:
            yield from self._hopeless()
            return
        for level, hashes in reversed(list(enumerate(edge))):
            if hashes:
                yield from self._check(Tile(level, self._count(level) // WIDTH, len(hashes)), hashes)

    def _count(self, level: int) -> int:
        return self._size >> tiles.HEIGHT * level

    def _levels(self) -> int:
        return -(-self._size.bit_length() // tiles.HEIGHT)

    def _fold_entries(self) -> list[list[bytes | None]]:
        """Per tile level above the leaves, what the entries hash to (None where some are not at hand)."""
        rows: list[list[bytes | None]] = []
        for level in range(1, self._levels()):
            count = self._count(level)
            if level == 1:
                below = (self._read_leaves(Tile(0, i)) for i in range(count))
                rows.append([merkle.fold(h) if h and len(h) == WIDTH else None for h in below])
            else:
                rows.append([_fold_known(rows[-1][i * WIDTH : (i + 1) * WIDTH]) for i in range(count)])
        return rows

    def _from_entries(self, tile: Tile) -> Hashes | None:
        """The content that a tile should have, going by the entries."""
        if not tile.level:
            hashes = self._read_leaves(tile)
            return hashes if hashes and len(hashes) == tile.width else None
        row = self._computed[tile.level - 1][tile.start : tile.start + tile.width]
        known = tuple(h for h in row if h is not None)
        return known if len(known) == tile.width else None

    def _trusted_edge(self) -> list[Hashes] | None:
        """Contents of the rightmost tiles that together hash to the root, from either copy."""
        choices: list[list[Hashes]] = []
        for level in range(self._levels()):
            width = self._count(level) % WIDTH
            if not width:
                choices.append([()])
                continue
            tile = Tile(level, self._count(level) // WIDTH, width)
            found = (self._from_entries(tile), self._read_tile(tile))
            choices.append(list(dict.fromkeys(h for h in found if h and len(h) == width)))
        for edge in itertools.product(*choices):
            if frontier_of(self._size, edge).root() == self._root:
                return list(edge)
        return None

    def _check(self, tile: Tile, trusted: Hashes) -> Iterator[Disagreement]:
        """Compare both copies of a tile whose true content is known; go down where the entries differ."""
        if self._read_tile(tile) != trusted:
            yield BadTile(tile)
        if not tile.level:
            yield from compare(trusted, self._read_leaves(tile) or (), tile.start)
            return
        for offset, expected in enumerate(trusted):
            yield from self._check_child(Tile(tile.level - 1, tile.start + offset), expected)

    def _check_child(self, tile: Tile, expected: bytes) -> Iterator[Disagreement]:
        for hashes in (self._from_entries(tile), self._read_tile(tile)):
            if hashes and len(hashes) == WIDTH and merkle.fold(hashes) == expected:
                yield from self._check(tile, hashes)
                return
        yield BadTile(tile)
        span = 1 << tiles.HEIGHT * (tile.level or 0)
        yield Difference("unknown", tile.start * span, (tile.start + WIDTH) * span - 1)

    def _hopeless(self) -> Iterator[Disagreement]:
        """Neither copy leads to the root; where they contradict each other is the best that can be said."""
        for tile in tiles.hash_tiles(self._size):
            if tile.level == 0:
                stored, leaves = self._read_tile(tile) or (), self._read_leaves(tile) or ()
                if found := list(compare(stored, leaves, tile.start)):
                    yield Difference("unknown", found[0].first, self._size - 1)
                    return
        yield Difference("unknown", 0, self._size - 1)


def compare(trusted: Hashes, found: Hashes, start: int) -> Iterator[Difference]:
    """How found leaf hashes differ from the trusted ones of the same tile, naming entries by index."""
    first = next((i for i, pair in enumerate(zip(trusted, found, strict=False)) if pair[0] != pair[1]), None)
    if first is None:
        if len(found) < len(trusted):
            yield Difference("missing", start + len(found), start + len(trusted) - 1)
        elif len(found) > len(trusted):
            yield Difference("extra", start + len(trusted), start + len(found) - 1)
        return
    if found[first] in trusted[first + 1 : first + 2]:
        yield Difference("missing", start + first, start + first)
    elif trusted[first] in found[first + 1 : first + 2]:
        yield Difference("extra", start + first, start + first)
    else:
        pairs = enumerate(zip(trusted, found, strict=False))
        yield from (Difference("altered", start + i, start + i) for i, (a, b) in pairs if a != b)
        if len(found) != len(trusted):
            yield from compare(trusted, trusted[: len(found)] + found[len(trusted) :], start)


def _fold_known(row: Sequence[bytes | None]) -> bytes | None:
    known = [h for h in row if h is not None]
    return merkle.fold(known) if len(known) == len(row) else None
