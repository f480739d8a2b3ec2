"""Offline verification of an exported log, with nothing but its verifier key (P7).

An export is a set of files, named as tlog-tiles names them below its prefix:

``checkpoint``
    the signed head;
``tile/<L>/<N>``, ``tile/entries/<N>``
    Merkle tiles and entry bundles of exactly that head;
``payloads``
    one line of canonical JSON for each stored payload: ``{"change": …, "name": …, "sha256": …, "size": …}``, the
    digest and size in bytes of the ciphertext as the store holds it.

Entries refer to payloads by a member ``payloads`` (name to digest) beside ``change`` in their body; a later entry
about the same name replaces the earlier; ``payload.destroyed`` with ``change`` ends them all.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from interlock.ledger import entry as entries
from interlock.ledger import merkle, note, tiles
from interlock.ledger.audit import Auditor, BadTile, Difference, Disagreement
from interlock.ledger.entry import EntryError
from interlock.ledger.merkle import Frontier
from interlock.ledger.note import Checkpoint, NoteError, VerifierKey
from interlock.ledger.tiles import Tile

PAYLOADS_PATH = "payloads"
MAX_FINDINGS = 1000


class ExportReader(Protocol):
    """Where an export's files come from: a folder, an archive, or a live store."""

    def read(self, path: str) -> bytes | None:
        """A file's content; None when there is no such file."""

    def paths(self) -> Iterable[str]:
        """Every file that is there, with ``/`` between the parts."""


EntryCheck = Callable[[int, dict[str, Any]], "str | None"]
"""Called for each entry in order with its index and its value ``{v, kind, at, body}``; a sentence means a finding."""


class Problem(enum.Enum):
    """What is wrong with an export."""

    CHECKPOINT = "checkpoint"
    ALTERED = "altered"
    MISSING = "missing"
    EXTRA = "extra"
    UNKNOWN = "unknown"
    TRUNCATED = "truncated"
    FORKED = "forked"
    TILE = "tile"
    MALFORMED = "malformed"
    PAYLOAD = "payload"
    CHECK = "check"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong; ``index`` is the entry concerned (the first, when several are)."""

    problem: Problem
    message: str
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What verification found. ``checkpoint`` is None when it could not be trusted at all."""

    checkpoint: Checkpoint | None
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether the export is whole and authentic."""
        return self.checkpoint is not None and not self.findings

    @property
    def first(self) -> Finding | None:
        """The finding about the earliest entry that is named exactly; else about the earliest range; else any."""
        indexed = [f for f in self.findings if f.index is not None]
        if not indexed:
            return next(iter(self.findings), None)
        return min(indexed, key=lambda f: (f.problem is Problem.UNKNOWN, f.index))


def verify_export(
    export: ExportReader,
    key: VerifierKey,
    pushed: Sequence[bytes] = (),
    entry_checks: Sequence[EntryCheck] = (),
) -> Report:
    """Recompute everything in an export and compare it with its checkpoint.

    ``pushed`` are checkpoints that left the machine earlier (a witness's file): the export must continue each of
    them, so a tail cut off or a rewritten past shows. Nothing is raised for bad content; it becomes a finding.
    """
    try:
        checkpoint = note.open_checkpoint(export.read(tiles.CHECKPOINT_PATH) or b"", key)
    except NoteError as error:
        return Report(None, (Finding(Problem.CHECKPOINT, f"the checkpoint cannot be trusted: {error}"),))
    run = _Run(export, key, checkpoint)
    found = (
        *run.tree(),
        *run.pushed(pushed),
        *run.contents(entry_checks),
        *run.files(),
    )
    return Report(checkpoint, found[:MAX_FINDINGS])


class _Run:
    """One verification: the export, its trusted head, and what was found about bundles on the way."""

    def __init__(self, export: ExportReader, key: VerifierKey, checkpoint: Checkpoint) -> None:
        self._export, self._key, self._checkpoint = export, key, checkpoint
        self._paths = sorted(set(export.paths()))
        self._bundles = _bundles(self._paths)

    def _bundle(self, tile: Tile) -> tuple[bytes, ...]:
        """The entries in a bundle, as far as they can be read.

        Of another width when the right one is absent: then what is in it can still be named.
        """
        data = self._export.read(tile.path)
        if data is None and tile.index in self._bundles:
            data = self._export.read(self._bundles[tile.index])
        return tiles.read_bundle(data or b"")[0]

    def _leaves(self, tile: Tile) -> tuple[bytes, ...]:
        bundle = Tile(None, tile.index, tile.width)
        return tuple(map(merkle.leaf_hash, self._bundle(bundle)))

    def _tile(self, tile: Tile) -> tuple[bytes, ...] | None:
        try:
            return tiles.split_tile(self._export.read(tile.path) or b"")
        except ValueError:
            return None

    def tree(self) -> Iterator[Finding]:
        """Entries and tiles against the root."""
        auditor = Auditor(self._checkpoint.size, self._checkpoint.root, self._tile, self._leaves)
        yield from map(_explain, auditor.disagreements())

    def pushed(self, notes: Sequence[bytes]) -> Iterator[Finding]:
        """Earlier signed heads against the entries."""
        opened: list[Checkpoint] = []
        for data in notes:
            try:
                opened.append(note.open_checkpoint(data, self._key))
            except NoteError as error:
                yield Finding(Problem.CHECKPOINT, f"a pushed checkpoint cannot be trusted: {error}")
        yield from self._compare_pushed(opened)

    def _compare_pushed(self, pushed: Sequence[Checkpoint]) -> Iterator[Finding]:
        """At most two findings, however many there are: what is true of one is true of all later ones."""
        size, roots = self._checkpoint.size, self._roots({checkpoint.size for checkpoint in pushed})
        longest = max((c.size for c in pushed), default=0)
        if longest > size:
            message = f"the log was cut: {size} entries here, but {longest} were signed and pushed"
            yield Finding(Problem.TRUNCATED, message, size)
        forked = [c.size for c in pushed if c.size <= size and roots.get(c.size) != c.root]
        if forked:
            message = f"the first {min(forked)} entries are not those of a checkpoint pushed earlier"
            yield Finding(Problem.FORKED, message)

    def _roots(self, sizes: set[int]) -> dict[int, bytes]:
        """Roots that the exported entries give at the asked sizes."""
        frontier, roots = Frontier(), {0: merkle.EMPTY_ROOT}
        if sizes:
            for entry in self._entries():
                frontier, _ = merkle.extend(frontier, [merkle.leaf_hash(entry)])
                if frontier.size in sizes:
                    roots[frontier.size] = frontier.root()
        return roots

    def _entries(self) -> Iterator[bytes]:
        for bundle in tiles.entry_bundles(self._checkpoint.size):
            yield from self._bundle(bundle)[: bundle.width]

    def contents(self, checks: Sequence[EntryCheck]) -> Iterator[Finding]:
        """Each entry's own form, the callers' checks, and the payloads that entries refer to."""
        payloads = _Payloads()
        for bundle in tiles.entry_bundles(self._checkpoint.size):
            for index, data in enumerate(self._bundle(bundle)[: bundle.width], bundle.start):
                try:
                    value = entries.parse_canonical(data)
                    entries.decode(data)
                except EntryError as error:
                    yield Finding(Problem.MALFORMED, f"entry {index} is not a log entry: {error}", index)
                    continue
                payloads.note(index, value)
                answers = (check(index, value) for check in checks)
                yield from (Finding(Problem.CHECK, f"entry {index}: {a}", index) for a in answers if a)
        yield from payloads.compare(self._export.read(PAYLOADS_PATH))

    def files(self) -> Iterator[Finding]:
        """Files that the head does not account for: entries added behind the signature, or strays."""
        size = self._checkpoint.size
        expected = {tile.path for tile in (*tiles.hash_tiles(size), *tiles.entry_bundles(size))}
        expected |= {tiles.CHECKPOINT_PATH, PAYLOADS_PATH}
        yield from (_stray(path, size) for path in self._paths if path not in expected)


class _Payloads:
    """Which payload digests the entries call for, against what the store says it holds."""

    def __init__(self) -> None:
        self._wanted: dict[tuple[str, str], tuple[int, str]] = {}

    def note(self, index: int, value: dict[str, Any]) -> None:
        """Follow one entry."""
        body = value["body"]
        change, named = body.get("change"), body.get("payloads")
        if value["kind"] == "payload.destroyed":
            self._wanted = {k: v for k, v in self._wanted.items() if k[0] != change}
        elif isinstance(change, str) and isinstance(named, dict):
            self._wanted |= {(change, name): (index, str(digest)) for name, digest in named.items()}

    def compare(self, data: bytes | None) -> Iterator[Finding]:
        """Report each digest that is called for and not held."""
        try:
            held = {(p["change"], p["name"]): p["sha256"] for p in _lines(data or b"")}
        except (EntryError, KeyError, TypeError):
            yield Finding(Problem.PAYLOAD, "the list of payloads is malformed")
            return
        for (change, name), (index, digest) in self._wanted.items():
            found = held.get((change, name))
            if found != digest:
                how = "is missing" if found is None else "was altered"
                yield Finding(Problem.PAYLOAD, f"payload {name} of {change} {how} (entry {index})", index)


def _lines(data: bytes) -> Iterator[Any]:
    """Each line ends with a line feed, and none is empty. Raises EntryError."""
    *lines, rest = data.split(b"\n")
    return map(entries.parse_canonical, [*lines, rest] if rest else lines)


def _explain(item: Disagreement) -> Finding:
    if isinstance(item, BadTile):
        return Finding(Problem.TILE, f"{item.tile.path} is missing or was altered")
    return _explain_difference(item)


def _explain_difference(item: Difference) -> Finding:
    many = item.last > item.first
    what = f"entries {item.first} to {item.last}" if many else f"entry {item.first}"
    how = "unknown: neither entries nor tiles are what was signed" if item.how == "unknown" else item.how
    return Finding(Problem(item.how), f"{what} {'are' if many else 'is'} {how}", item.first)


def _bundles(paths: Iterable[str]) -> dict[int, str]:
    """The widest entry bundle there is for each index."""
    found: dict[int, Tile] = {}
    for path in paths:
        tile = _tile_of(path)
        if tile and tile.level is None and (tile.index not in found or found[tile.index].width < tile.width):
            found[tile.index] = tile
    return {index: tile.path for index, tile in found.items()}


def _tile_of(path: str) -> Tile | None:
    try:
        return tiles.parse_path(path)
    except ValueError:
        return None


def _stray(path: str, size: int) -> Finding:
    tile = _tile_of(path)
    if tile is None:
        return Finding(Problem.FILE, f"{path} does not belong to an export")
    end = tile.start + tile.width
    if tile.level is None and end > size:
        return Finding(Problem.EXTRA, f"{path} holds entries beyond the signed {size}", max(size, tile.start))
    return Finding(Problem.FILE, f"{path} does not belong to a log of {size} entries")
