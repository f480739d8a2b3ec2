"""The signer of checkpoints: one replica at a time, and never against what was signed before.

Lease, fence number, the previous checkpoint and the new one are read and written in one transaction that holds the
log's append lock, so a signer that lost its lease cannot slip a signature in. Besides the store's own last
checkpoint, each replica remembers the last one it saw in a file: a store that was replaced by an older copy together
with its checkpoints is noticed, too.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import insert, select, update

from interlock.ledger import log, merkle, note, tiles
from interlock.ledger.log import SigningRefused
from interlock.ledger.merkle import Frontier
from interlock.ledger.note import Checkpoint, NoteError, SignerKey
from interlock.model.errors import Misconfigured, Unavailable
from interlock.runtime.stores.log.rows import LedgerReader
from interlock.runtime.stores.rows.writing import SqlTx
from interlock.runtime.stores.shape import schema
from interlock.runtime.stores.times import milliseconds

LEASE = timedelta(seconds=30)


class Memory:
    """The last checkpoint this replica saw, in a file of its own; without a path it remembers nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def recall(self) -> bytes | None:
        """The remembered note, if any. Raises Misconfigured when the file cannot be read."""
        if self._path is None:
            return None
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Misconfigured(f"{self._path} cannot be read: {error.strerror}") from None

    def keep(self, data: bytes) -> None:
        """Replace it durably. Raises Unavailable."""
        if self._path is None:
            return
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        except OSError as error:
            raise Unavailable(f"{self._path} cannot be written: {error.strerror}") from None


class Signer:
    """Signs the head of one store on behalf of one replica, ``holder``."""

    def __init__(self, key: SignerKey, holder: str, memory: Memory) -> None:
        self._key, self._holder, self._memory = key, holder, memory

    def sign(self, tx: SqlTx) -> bytes | None:
        """The signed checkpoint of everything durable; None when another replica holds the lease.

        Raises SigningRefused when the log contradicts an earlier checkpoint.
        """
        fence = self._lease(tx, tx.now())
        if fence is None:
            return None
        rows = LedgerReader(tx.runner)
        candidate = Checkpoint(self._key.name, tx.durable.size, tx.durable.root())
        stored = rows.checkpoint()
        for earlier in (stored, self._memory.recall()):
            self._check(earlier, candidate, rows)
        if stored and self._open(stored) == candidate:
            return stored
        signed = note.sign_checkpoint(candidate, self._key)
        tx.runner.write(
            insert(schema.ledger_checkpoints).values(size=candidate.size, note=signed, fence=fence)
        )
        # Before it is durable in the store: should that fail, the same head is signed again, which is allowed.
        self._memory.keep(signed)
        return signed

    def check_head(self, head: Frontier, rows: LedgerReader, *witnessed: bytes) -> None:
        """Compare a store's head with what was signed: here, and as far as witnesses have it. Raises SigningRefused."""
        candidate = Checkpoint(self._key.name, head.size, head.root())
        for earlier in (rows.checkpoint(), self._memory.recall(), *witnessed):
            self._check(earlier, candidate, rows)

    def release(self, tx: SqlTx) -> None:
        """Let another replica sign at once, if this one has the lease."""
        table = schema.ledger_signer
        tx.runner.write(update(table).where(table.c.holder == self._holder).values(expires_at=0))

    def _lease(self, tx: SqlTx, now: datetime) -> int | None:
        """Take or renew the lease; its fence number, which grows with each change of hands."""
        table = schema.ledger_signer
        ((holder, fence, expires),) = tx.runner.execute(
            select(table.c.holder, table.c.fence, table.c.expires_at)
        )
        if holder != self._holder and expires > (milliseconds(now) or 0):
            return None
        number: int = fence + (holder != self._holder)
        values = {"holder": self._holder, "fence": number, "expires_at": milliseconds(now + LEASE)}
        tx.runner.write(update(table).values(**values))
        return number

    def _check(self, earlier: bytes | None, candidate: Checkpoint, rows: LedgerReader) -> None:
        previous = self._open(earlier) if earlier else None
        log.may_sign(previous, candidate, _consistency(previous, candidate, rows))

    def _open(self, data: bytes) -> Checkpoint:
        try:
            return note.open_checkpoint(data, self._key.verifier)
        except NoteError as error:
            raise SigningRefused(f"an earlier checkpoint is not this log's: {error}") from None


def _consistency(old: Checkpoint | None, new: Checkpoint, rows: LedgerReader) -> tuple[bytes, ...]:
    if old is None or old.size > new.size:
        return ()
    try:
        return merkle.consistency_proof(old.size, new.size, tiles.node_reader(rows.hashes))
    except LookupError:
        raise SigningRefused("entries or tree nodes that were recorded are missing") from None
