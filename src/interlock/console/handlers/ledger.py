"""The ledger: head, entries, proofs, and the log itself as c2sp.org/tlog-tiles lays it out."""

import re

from interlock.console.operations import Call, Nothing, Raw
from interlock.console.schemas import (
    Consistency,
    ConsistencyQuery,
    EntryQuery,
    LedgerEntries,
    LedgerEntry,
    LedgerHead,
    ProofQuery,
)
from interlock.ledger import note, tiles
from interlock.model.errors import NotFound, Rejected
from interlock.runtime.stores.log.export import StoreExport
from interlock.runtime.stores.rows.reading import SqlReadTx

MOST_ENTRIES = 500
OCTETS = "application/octet-stream"
TEXT = "text/plain; charset=utf-8"
_TILE = re.compile(r"tile/[0-9a-z/.]{1,60}")


async def head(call: Call[Nothing, None]) -> LedgerHead:
    """How far the log is, and how far it is signed."""
    store = call.runtime.store
    signed = note.open_checkpoint(await store.checkpoint(), store.verifier)
    size = await store.read(lambda tx: tx.ledger_size())
    return LedgerHead(store.origin, str(store.verifier), size, signed.size, signed.root.hex())


async def entries(call: Call[EntryQuery, None]) -> LedgerEntries:
    """Consecutive entries."""
    start, limit = call.query.start, call.query.limit
    if start < 0 or not 1 <= limit <= MOST_ENTRIES:
        raise Rejected(f"start counts from 0, limit is 1 to {MOST_ENTRIES}")
    found = await call.runtime.store.entries(start, limit)
    size = await call.runtime.store.read(lambda tx: tx.ledger_size())
    return LedgerEntries(tuple(LedgerEntry(start + i, data) for i, data in enumerate(found)), size)


async def proof(call: Call[ProofQuery, None]) -> Raw:
    """Proof that an entry is in the log (c2sp.org/tlog-proof)."""
    found = await call.runtime.store.prove(call.query.index)
    return Raw(found.encode(), TEXT)


async def consistency(call: Call[ConsistencyQuery, None]) -> Consistency:
    """Proof that the log only grew from one size to another."""
    old, new = call.query.old, call.query.new
    return Consistency(old, new, tuple(await call.runtime.store.consistency(old, new)))


async def checkpoint(call: Call[Nothing, None]) -> Raw:
    """The newest signed checkpoint (c2sp.org/tlog-checkpoint)."""
    return Raw(await call.runtime.store.checkpoint(), TEXT)


async def tile(call: Call[Nothing, None]) -> Raw:
    """A Merkle tile or an entry bundle (c2sp.org/tlog-tiles)."""
    store, path = call.runtime.store, f"tile/{call.path['path']}"
    signed = await store.checkpoint()
    size = note.open_checkpoint(signed, store.verifier).size
    if not _TILE.fullmatch(path) or not _exists(path, size):
        raise NotFound(f"the log of {size} signed entries has no such tile")
    data = await store.read(lambda tx: _read(tx, signed, path, store.verifier))
    if data is None:
        raise NotFound(f"the log lacks the rows of {path}")
    return Raw(data, OCTETS, immutable=True)


def _exists(path: str, size: int) -> bool:
    """Whether a log of that size has the tile: full ones, and the partial ones it had at some time."""
    try:
        found = tiles.parse_path(path)
    except ValueError:
        return False
    nodes = size >> (tiles.HEIGHT * (found.level or 0))
    return found.start + found.width <= nodes


def _read(tx: SqlReadTx, signed: bytes, path: str, key: note.VerifierKey) -> bytes | None:
    return StoreExport(tx.runner, signed, note.open_checkpoint(signed, key)).read(path)
