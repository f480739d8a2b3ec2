"""Making a store, and opening one that is what it was."""

from __future__ import annotations

import base64
import secrets
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, insert, select

from interlock.ledger import entry, note
from interlock.ledger.entry import Entry
from interlock.ledger.merkle import Frontier
from interlock.ledger.note import Checkpoint, NoteError, SignerKey
from interlock.model.errors import Misconfigured
from interlock.runtime.crypto import CannotOpen, MasterKey
from interlock.runtime.stores.commits.batch import Plain
from interlock.runtime.stores.log import rows as ledger_rows
from interlock.runtime.stores.rows import reading
from interlock.runtime.stores.shape import migrations, schema

_LABEL = "ledger-key"
_KEY, _ORIGIN = "ledger.key", "ledger.origin"


def prepare(
    connection: Connection, master: MasterKey, *, create: bool, upgrade: bool, origin: str | None
) -> SignerKey:
    """Make or migrate the schema, and return the log's signing key.

    Raises Misconfigured when there is no store and none may be made, when it needs an upgrade that is not allowed,
    when the master key is not its own, or when it is the store of another origin.
    """
    if migrations.migrate(connection, create=create, upgrade=upgrade) == 0:
        _found(connection, master, origin or f"interlock.local/{secrets.token_hex(8)}")
    return _signing_key(connection, master, origin)


def _found(connection: Connection, master: MasterKey, origin: str) -> None:
    """Begin the log: its key, its first entry and the first checkpoint."""
    key = _new_key(origin)
    sealed = master.seal(_LABEL, key.private.private_bytes_raw())
    for name, value in ((_ORIGIN, origin), (_KEY, base64.b64encode(sealed).decode())):
        connection.execute(insert(schema.meta).values(key=name, value=value))
    first = _first_entry(key, reading.clock(connection))
    head = ledger_rows.append(Plain(connection), Frontier(), [first])
    signed = note.sign_checkpoint(Checkpoint(origin, head.size, head.root()), key)
    connection.execute(insert(schema.ledger_checkpoints).values(size=head.size, note=signed, fence=0))


def _new_key(origin: str) -> SignerKey:
    try:
        return SignerKey(origin, Ed25519PrivateKey.generate())
    except NoteError as error:
        raise Misconfigured(f"the log's origin: {error}") from None


def _first_entry(key: SignerKey, at: datetime) -> bytes:
    return entry.encode(Entry("log.started", at, {"origin": key.name, "vkey": str(key.verifier)}))


def _signing_key(connection: Connection, master: MasterKey, origin: str | None) -> SignerKey:
    table = schema.meta
    found = {row.key: row.value for row in connection.execute(select(table))}
    if _KEY not in found or _ORIGIN not in found:
        raise Misconfigured("store: it has lost the ledger's key: restore it from a backup")
    if origin is not None and origin != found[_ORIGIN]:
        raise Misconfigured(f"store: it holds the log {found[_ORIGIN]}, not {origin}")
    try:
        secret = master.unseal(_LABEL, base64.b64decode(found[_KEY]))
    except (CannotOpen, ValueError):
        raise Misconfigured("store: the master key is not the one this store was made with") from None
    return SignerKey(found[_ORIGIN], Ed25519PrivateKey.from_private_bytes(secret))
