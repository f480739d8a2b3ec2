"""What can be shown about the stored log: checkpoints, proofs, exports and verification. All inside one snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from interlock.ledger import merkle, note, tiles
from interlock.ledger.merkle import Frontier
from interlock.ledger.note import Checkpoint, NoteError, VerifierKey
from interlock.ledger.proof import Proof
from interlock.ledger.tiles import WIDTH
from interlock.ledger.verify import EntryCheck, Finding, Problem, Report, verify_export
from interlock.model.errors import NotFound, Unavailable
from interlock.runtime.stores.log import rows as ledger_rows
from interlock.runtime.stores.log.export import StoreExport, write_folder
from interlock.runtime.stores.log.rows import LedgerReader, Runner

_AT_ONCE = 10_000


def newest(runner: Runner) -> bytes:
    """The newest signed checkpoint. Raises Unavailable when there is none (each log begins with one)."""
    found = LedgerReader(runner).checkpoint()
    if found is None:
        raise Unavailable("the store has lost the ledger's checkpoints: restore it from a backup")
    return found


def entry(runner: Runner, index: int) -> bytes:
    """One entry's bytes. Raises NotFound."""
    found = LedgerReader(runner).entries(index, 1)
    if not found:
        raise NotFound(f"the ledger has no entry {index}")
    return found[0]


def prove(runner: Runner, key: VerifierKey, index: int) -> Proof:
    """Inclusion of an entry under the newest checkpoint. Raises NotFound."""
    signed = newest(runner)
    size = _open(signed, key).size
    if not 0 <= index < size:
        raise NotFound(f"the newest checkpoint covers {size} entries, not entry {index}")
    rows = LedgerReader(runner)
    return Proof(index, merkle.inclusion_proof(index, size, tiles.node_reader(rows.hashes)), signed)


def consistency(runner: Runner, old: int, new: int) -> tuple[bytes, ...]:
    """Consistency between two sizes. Raises NotFound when the log was never that long."""
    size = ledger_rows.read_head(runner).size
    if not 0 <= old <= new <= size:
        raise NotFound(f"the ledger has {size} entries: no proof from {old} to {new}")
    return merkle.consistency_proof(old, new, tiles.node_reader(LedgerReader(runner).hashes))


def export(runner: Runner, key: VerifierKey, folder: Path) -> Checkpoint:
    """Write the log up to the newest checkpoint into a folder."""
    signed = newest(runner)
    checkpoint = _open(signed, key)
    write_folder(StoreExport(runner, signed, checkpoint), folder)
    return checkpoint


def verify(runner: Runner, key: VerifierKey, pushed: Sequence[bytes], checks: Sequence[EntryCheck]) -> Report:
    """Verify the rows up to the newest checkpoint, then that the head is what the later entries make of it."""
    signed = newest(runner)
    try:
        checkpoint = note.open_checkpoint(signed, key)
    except NoteError as error:
        return Report(None, (Finding(Problem.CHECKPOINT, f"the checkpoint cannot be trusted: {error}"),))
    report = verify_export(StoreExport(runner, signed, checkpoint), key, pushed, checks)
    found = (
        *_gaps(LedgerReader(runner), ledger_rows.read_head(runner).size),
        *report.findings,
        *_tail(runner, checkpoint),
    )
    return Report(report.checkpoint, found)


def _gaps(rows: LedgerReader, size: int) -> Iterator[Finding]:
    """Entries whose rows are gone: an export would only show that something in that range is."""
    expected = 0
    while numbers := rows.numbers(expected, _AT_ONCE):
        for number in (n for n in numbers if n < size):
            yield from _gone(expected, number)
            expected = number + 1
        if numbers[-1] >= size:
            break
    yield from _gone(expected, size)


def _gone(start: int, end: int) -> Iterator[Finding]:
    if start < end:
        what = f"entry {start}" if end == start + 1 else f"entries {start} to {end - 1}"
        yield Finding(Problem.MISSING, f"{what}: gone from the store", start)


def _tail(runner: Runner, checkpoint: Checkpoint) -> Iterator[Finding]:
    """Entries after the newest checkpoint: nobody signed them yet, so only the head vouches for them."""
    head, rows = ledger_rows.read_head(runner), LedgerReader(runner)
    if head.size < checkpoint.size:
        message = f"the log was cut: {head.size} entries here, but {checkpoint.size} were signed"
        yield Finding(Problem.TRUNCATED, message, head.size)
        return
    try:
        frontier = merkle.frontier_at(checkpoint.size, tiles.node_reader(rows.hashes))
    except LookupError:
        return  # reported as missing above
    if _extended(frontier, head.size, rows) != head:
        yield Finding(
            Problem.UNKNOWN, "entries after the newest checkpoint are not those of the head", checkpoint.size
        )


def _extended(frontier: Frontier, size: int, rows: LedgerReader) -> Frontier:
    while frontier.size < size:
        found = rows.entries(frontier.size, min(WIDTH, size - frontier.size))
        if not found:
            return frontier
        frontier, _ = merkle.extend(frontier, map(merkle.leaf_hash, found))
    return frontier


def _open(signed: bytes, key: VerifierKey) -> Checkpoint:
    try:
        return note.open_checkpoint(signed, key)
    except NoteError as error:
        raise Unavailable(f"the newest checkpoint cannot be trusted: {error}") from None
