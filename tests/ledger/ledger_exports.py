"""A log in memory, and exports of it, for the ledger's tests."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from interlock.ledger import entry, log, note, tiles
from interlock.ledger.merkle import Frontier
from interlock.ledger.note import Checkpoint, SignerKey

ORIGIN = "interlock.example/log"
KEY = SignerKey(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
START = datetime(2026, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC)


def sample_entry(number: int, **body: Any) -> bytes:
    """The bytes of a small decision entry."""
    at = START + timedelta(milliseconds=number)
    return entry.encode(entry.Entry("decision", at, {"change": f"CHG-{number:08d}", "n": number, **body}))


@dataclass
class MemoryLog:
    """What a store keeps: entries, leaf hashes, the nodes that tiles need, and the edge."""

    entries: list[bytes] = field(default_factory=list)
    rows: dict[int, list[bytes]] = field(default_factory=lambda: {0: []})
    frontier: Frontier = field(default_factory=Frontier)

    def append(self, entries: Sequence[bytes]) -> None:
        done = log.append(self.frontier, entries)
        assert done.first == len(self.entries)
        self.entries += entries
        self.rows[0] += done.leaves
        for node in done.nodes:
            row = self.rows.setdefault(node.level // tiles.HEIGHT, [])
            assert len(row) == node.index, "nodes complete in order"
            row.append(node.hash)
        self.frontier = done.frontier

    def read_hashes(self, level: int, start: int, count: int) -> Sequence[bytes]:
        return self.rows.get(level, [])[start : start + count]

    def read_entries(self, start: int, count: int) -> Sequence[bytes]:
        return self.entries[start : start + count]

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(ORIGIN, self.frontier.size, self.frontier.root())

    def export(self, *, payloads: bytes = b"") -> "MemoryExport":
        size = self.frontier.size
        files = {t.path: tiles.tile_content(t, self.read_hashes) for t in tiles.hash_tiles(size)}
        files |= {t.path: tiles.bundle_content(t, self.read_entries) for t in tiles.entry_bundles(size)}
        files["payloads"] = payloads
        files["checkpoint"] = note.sign_checkpoint(self.checkpoint(), KEY)
        return MemoryExport(files)


@dataclass
class MemoryExport:
    """An export whose files are a dictionary."""

    files: dict[str, bytes]

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def paths(self) -> Iterable[str]:
        return self.files

    def rebundle(self, entries: Sequence[bytes]) -> None:
        """Replace all entry bundles by those of other entries."""
        self.files = {p: d for p, d in self.files.items() if not p.startswith("tile/entries/")}
        for tile in tiles.entry_bundles(len(entries)):
            chunk = entries[tile.start : tile.start + tile.width]
            self.files[tile.path] = tiles.join_bundle(chunk)

    def retile(self, entries: Sequence[bytes]) -> None:
        """Replace bundles and Merkle tiles by those of other entries; the checkpoint stays."""
        other = MemoryLog()
        other.append(entries)
        self.files = {**other.export().files, "checkpoint": self.files["checkpoint"]}


def memory_log(size: int) -> MemoryLog:
    """A log of ``size`` small entries."""
    built = MemoryLog()
    built.append([sample_entry(i) for i in range(size)])
    return built
