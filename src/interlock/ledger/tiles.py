"""Layout of c2sp.org/tlog-tiles: paths and contents of Merkle tiles and entry bundles.

A tile is 256 consecutive hashes of tree level ``8 * L``; the rightmost of a level may be partial. Storing
only these levels (leaves, 8, 16, …) is enough: what lies between is at most 255 hashes away.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from interlock.ledger import merkle
from interlock.ledger.merkle import HASH_SIZE, NodeReader

HEIGHT = 8
WIDTH = 1 << HEIGHT
CHECKPOINT_PATH = "checkpoint"
MAX_ENTRY_BYTES = 0xFFFF
"""An entry's length is a uint16 in its bundle."""

HashReader = Callable[[int, int, int], Sequence[bytes]]
"""``read_hashes(tile_level, start, count)``: consecutive complete nodes of tree level ``8 * tile_level``."""

EntryReader = Callable[[int, int], Sequence[bytes]]
"""``read_entries(start, count)``: consecutive log entries."""

_INDEX = r"(?:x\d{3}/)*\d{3}"
_PATH = re.compile(rf"tile/(entries|\d{{1,2}})/({_INDEX})(?:\.p/([1-9]\d{{0,2}}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tile:
    """One resource of the layout. ``level`` None means the bundle of entries under level-0 tile ``index``."""

    level: int | None
    index: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        if self.level is not None and not 0 <= self.level <= 63:
            raise ValueError(f"tile level {self.level} is not in 0..63")
        if self.index < 0 or not 1 <= self.width <= WIDTH:
            raise ValueError(f"no tile {self.index} of width {self.width}")

    @property
    def start(self) -> int:
        """Index (of an entry, or of a node in the tile's tree level) where the tile begins."""
        return self.index * WIDTH

    @property
    def path(self) -> str:
        """Path below the log's prefix, such as ``tile/0/x001/234`` or ``tile/entries/000.p/7``."""
        kind = "entries" if self.level is None else str(self.level)
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{kind}/{_encode_index(self.index)}{partial}"


def parse_path(path: str) -> Tile:
    """The tile that ``path`` names. Raises ValueError for anything but a canonical path."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise ValueError(f"not a tile path: {path!r}")
    kind, index, width = match.groups()
    level = None if kind == "entries" else int(kind)
    tile = Tile(level, int(index.replace("x", "").replace("/", "")), int(width) if width else WIDTH)
    if tile.path != path:
        raise ValueError(f"not a canonical tile path: {path!r}")
    return tile


def _encode_index(index: int) -> str:
    """Zero-padded 3-digit elements, all but the last with an ``x``: 1234067 is ``x001/x234/067``."""
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    return "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])


def hash_tiles(size: int) -> Iterator[Tile]:
    """Every Merkle tile of a tree of ``size`` leaves, level by level from the leaves, left to right."""
    level, count = 0, size
    while count:
        yield from (Tile(level, i, min(WIDTH, count - i * WIDTH)) for i in range(-(-count // WIDTH)))
        level, count = level + 1, count // WIDTH


def entry_bundles(size: int) -> Iterator[Tile]:
    """Every entry bundle of a log of ``size`` entries."""
    return (Tile(None, i, min(WIDTH, size - i * WIDTH)) for i in range(-(-size // WIDTH)))


def tile_content(tile: Tile, read_hashes: HashReader) -> bytes:
    """Bytes of a Merkle tile: its hashes, concatenated."""
    if tile.level is None:
        raise ValueError("an entry bundle is not a Merkle tile")
    hashes = read_hashes(tile.level, tile.start, tile.width)
    return b"".join(_expect(hashes, tile.width))


def split_tile(data: bytes) -> tuple[bytes, ...]:
    """The hashes in a tile. Raises ValueError when it is empty or not a whole number of hashes."""
    if not data or len(data) % HASH_SIZE:
        raise ValueError(f"a tile of {len(data)} bytes is not a whole number of hashes")
    return tuple(data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE))


def bundle_content(tile: Tile, read_entries: EntryReader) -> bytes:
    """Bytes of an entry bundle: each entry after its length as a big-endian uint16."""
    if tile.level is not None:
        raise ValueError("a Merkle tile is not an entry bundle")
    return join_bundle(_expect(read_entries(tile.start, tile.width), tile.width))


def join_bundle(entries: Sequence[bytes]) -> bytes:
    """Encode entries as a bundle. Raises ValueError for an entry over 65,535 bytes."""
    if any(len(entry) > MAX_ENTRY_BYTES for entry in entries):
        raise ValueError(f"an entry is over {MAX_ENTRY_BYTES} bytes")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def split_bundle(data: bytes) -> tuple[bytes, ...]:
    """Decode a bundle. Raises ValueError when an entry is cut short."""
    entries, rest = read_bundle(data)
    if rest:
        raise ValueError(f"entry {len(entries)} of the bundle is cut short")
    return entries


def read_bundle(data: bytes) -> tuple[tuple[bytes, ...], bytes]:
    """The whole entries at the beginning of a bundle, and what is left of it."""
    entries: list[bytes] = []
    position = 0
    while position + 2 <= len(data):
        end = position + 2 + int.from_bytes(data[position : position + 2], "big")
        if end > len(data):
            break
        entries.append(data[position + 2 : end])
        position = end
    return tuple(entries), data[position:]


def node_reader(read_hashes: HashReader) -> NodeReader:
    """Nodes of every level from a store that keeps only the levels tiles are made of."""

    def get_hash(level: int, index: int) -> bytes:
        tile_level, height = divmod(level, HEIGHT)
        count = 1 << height
        return merkle.fold(_expect(read_hashes(tile_level, index << height, count), count))

    return get_hash


def _expect(items: Sequence[bytes], count: int) -> Sequence[bytes]:
    """A short answer from the store must never become a shorter tile or another hash."""
    if len(items) != count:
        raise LookupError(f"expected {count} stored items, got {len(items)}")
    return items
