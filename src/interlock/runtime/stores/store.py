"""The store as a whole: opening, transactions, reads, and what the ledger offers beside them."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from interlock.ledger.log import SigningRefused
from interlock.ledger.note import Checkpoint, SignerKey, VerifierKey
from interlock.ledger.proof import Proof
from interlock.ledger.verify import EntryCheck, Report
from interlock.model.errors import InterlockError, Misconfigured, Rejected, Unavailable
from interlock.runtime.crypto import MasterKey
from interlock.runtime.stores import errors
from interlock.runtime.stores.commits.batch import Plain, WriteSession
from interlock.runtime.stores.commits.engine import (
    READERS,
    Engines,
    connect,
    create_private,
    file_identity,
    make_engines,
)
from interlock.runtime.stores.commits.writer import Statistics, Writer
from interlock.runtime.stores.log import evidence
from interlock.runtime.stores.log import rows as ledger_rows
from interlock.runtime.stores.log.rows import LedgerReader
from interlock.runtime.stores.log.signer import Memory, Signer
from interlock.runtime.stores.opening import prepare
from interlock.runtime.stores.rows import reading, retention, usage
from interlock.runtime.stores.rows.reading import SqlReadTx
from interlock.runtime.stores.rows.writing import SqlTx

if TYPE_CHECKING:
    from interlock.sdk.ports import Store

T = TypeVar("T")
LOCK_TIMEOUT, PATIENCE = 5.0, 20.0
_log = structlog.get_logger(__name__)


def open_store(
    url: str,
    master: MasterKey,
    *,
    create: bool = False,
    upgrade: bool = False,
    origin: str | None = None,
    remember: Path | None = None,
    lock_timeout: float | None = None,
    patience: float | None = None,
) -> SqlStore:
    """Open the store at a SQLAlchemy URL, ``sqlite:///FILE`` or ``postgresql://…``. Blocks; call it before serving.

    ``create`` makes one where nothing is (never over anything), ``upgrade`` migrates an older schema. ``origin``
    names the log when it is made, and is compared later. ``remember`` is a file where this replica keeps the last
    checkpoint it saw, against a store replaced by an older copy. ``lock_timeout`` in seconds (``LOCK_TIMEOUT``) is how long
    to wait for another process, ``patience`` (``PATIENCE``) how long whoever calls waits for a transaction or a read.

    Raises Misconfigured when the store is not what it should be, Unavailable when it does not answer.
    """
    engines = make_engines(url, LOCK_TIMEOUT if lock_timeout is None else lock_timeout)
    try:
        if engines.file:
            _find_file(engines.file, create)
        with connect(engines.writer) as connection, connection.begin():
            key = prepare(connection, master, create=create, upgrade=upgrade, origin=origin)
            signer = Signer(key, secrets.token_hex(8), Memory(remember))
            _check_head(connection, signer)
        return SqlStore(engines, master, key, signer, PATIENCE if patience is None else patience)
    except SQLAlchemyError as error:
        engines.dispose()
        raise errors.translate(error) from None
    except BaseException:
        engines.dispose()
        raise


def _find_file(file: Path, create: bool) -> None:
    if create:
        create_private(file)
    elif not file.exists():
        raise Misconfigured(f"store: there is no {file}; `interlock init` makes one (was it moved?)")


def _check_head(connection: Connection, signer: Signer) -> None:
    rows = Plain(connection)
    try:
        signer.check_head(ledger_rows.read_head(rows), LedgerReader(rows))
    except SigningRefused as error:
        raise Misconfigured(f"store: it contradicts what was signed before (an old copy?): {error}") from None


class SqlStore:
    """The port ``sdk.ports.Store`` on SQLAlchemy; made by :func:`open_store`."""

    def __init__(
        self, engines: Engines, master: MasterKey, key: SignerKey, signer: Signer, patience: float
    ) -> None:
        self._engines, self._master, self._key, self._signer = engines, master, key, signer
        self._patience = patience
        self._file = file_identity(engines.file) if engines.file else None
        self._writer = Writer(WriteSession(engines, master))
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="interlock-store-reader")
        self._urgent = ThreadPoolExecutor(1, thread_name_prefix="interlock-store-urgent")
        self._closed = False
        self.on_done: Callable[[str, float], None] | None = None
        """Told the kind (`read`, `write`) and duration in seconds of each finished transaction (metrics)."""

    @property
    def origin(self) -> str:
        """The log's origin: what approvals are bound to."""
        return self._key.name

    @property
    def verifier(self) -> VerifierKey:
        """The public key that checkpoints verify with; ``str()`` of it is the vkey."""
        return self._key.verifier

    @property
    def statistics(self) -> Statistics:
        """Durable commits and the transactions they served, since opening."""
        return self._writer.statistics

    async def transact(self, work: Callable[[SqlTx], T], *, later: bool = False) -> T:
        """Run ``work`` in a transaction; see ``sdk.ports.Store``.

        Raises what ``work`` raises, and Unavailable (CommitUnknown among them) when it cannot be made durable.
        """
        begun = time.monotonic()
        # What has not begun by the end of patience never will. What has may still become durable.
        late = errors.CommitUnknown(
            "the store does not answer in time; recovery finds out whether this was recorded"
        )
        try:
            return await self._in_time(self._writer.submit(work, later=later), late)
        finally:
            self._took("write", begun)

    async def _in_time(self, result: Awaitable[T], late: Unavailable) -> T:
        """Whoever calls holds locks on a target meanwhile, and must not for ever. Raises `late`."""
        try:
            async with asyncio.timeout(self._patience) as limit:
                return await result
        except TimeoutError:
            if limit.expired():
                raise late from None
            raise

    def seal(self, label: str, secret: bytes) -> bytes:
        """Something that only this installation can open, and only under that label: replicas share it without keeping it."""
        return self._master.seal(label, secret)

    def unseal(self, label: str, sealed: bytes) -> bytes:
        """Inverse of `seal`. Raises CannotOpen."""
        return self._master.unseal(label, sealed)

    async def read(self, work: Callable[[SqlReadTx], T], *, urgent: bool = False) -> T:
        """Run a read in a consistent snapshot; see ``sdk.ports.Store``."""
        return await self._in_time(
            self._read_all(work, urgent=urgent), Unavailable("the store does not answer in time")
        )

    async def _read_all(self, work: Callable[[SqlReadTx], T], *, urgent: bool = False) -> T:
        """A read that may take as long as it needs: only each of its statements has a time limit."""
        if self._closed:
            raise Unavailable("the store is closed")
        begun = time.monotonic()
        try:
            readers = self._urgent if urgent else self._readers
            return await asyncio.get_running_loop().run_in_executor(readers, self._read, work)
        finally:
            self._took("read", begun)

    def _took(self, kind: str, begun: float) -> None:
        if self.on_done is not None:
            self.on_done(kind, time.monotonic() - begun)

    async def close(self) -> None:
        """Finish what waits, give the signer's lease back, and close every connection."""
        if self._closed:
            return
        self._closed = True
        try:
            await self.transact(self._signer.release)
        except InterlockError as error:
            # The lease runs out by itself; closing goes on.
            _log.warning("store.lease_kept", error=str(error))
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writer.close()
        self._readers.shutdown()
        self._urgent.shutdown()
        self._engines.dispose()

    def _read(self, work: Callable[[SqlReadTx], T]) -> T:
        try:
            try:
                return self._read_once(work)
            except SQLAlchemyError as error:
                if not errors.is_disconnect(error):
                    raise
            # A pooled connection that died while it was idle says nothing about the store now.
            return self._read_once(work)
        except SQLAlchemyError as error:
            raise errors.translate(error) from None
        except errors.UNFIT:
            raise Rejected("a value that the store cannot hold") from None

    def _read_once(self, work: Callable[[SqlReadTx], T]) -> T:
        if self._engines.file and file_identity(self._engines.file) != self._file:
            raise Unavailable("the store's file was replaced under the running server")
        with connect(self._engines.reader) as connection, connection.begin():
            return work(SqlReadTx(Plain(connection), lambda: reading.clock(connection), self._master))

    # -- ledger

    async def sign(self) -> bytes | None:
        """Sign a checkpoint of everything that is durable; a signed note. None while another replica is the signer.

        Raises SigningRefused when the log contradicts an earlier checkpoint: sound the alarm, sign nothing.
        """
        return await self.transact(self._signer.sign)

    async def check_continues(self, *witnessed: bytes) -> None:
        """Raise SigningRefused unless the log as it stands continues each of these checkpoints, and what was signed here."""

        def check(tx: SqlReadTx) -> None:
            self._signer.check_head(ledger_rows.read_head(tx.runner), LedgerReader(tx.runner), *witnessed)

        await self._read_all(check)

    async def checkpoint(self) -> bytes:
        """The newest signed checkpoint, a note."""
        return await self._read_all(lambda tx: evidence.newest(tx.runner))

    async def entry(self, index: int) -> bytes:
        """One entry's bytes. Raises NotFound."""
        return await self._read_all(lambda tx: evidence.entry(tx.runner, index))

    async def entries(self, start: int, count: int) -> Sequence[bytes]:
        """Entries from ``start`` on, at most ``count``; fewer at the end of the log."""
        return await self._read_all(lambda tx: LedgerReader(tx.runner).entries(start, count))

    async def newest_entries(
        self, below: int, *, kind: str = "", limit: int = 50, within: int = 20_000
    ) -> Sequence[tuple[int, bytes]]:
        """Entries with their numbers below one, the newest first. Of one `kind` only the last `within` are looked at."""
        query = usage.newest_entries(below, kind, limit, within)
        return await self._read_all(lambda tx: usage.rows(tx.runner.execute(query)))

    async def prove(self, index: int) -> Proof:
        """Proof that entry ``index`` is under the newest checkpoint. Raises NotFound when it is not (yet)."""
        return await self._read_all(lambda tx: evidence.prove(tx.runner, self.verifier, index))

    async def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """Proof that the log of ``new`` entries continues that of ``old``. Raises NotFound."""
        return await self._read_all(lambda tx: evidence.consistency(tx.runner, old, new))

    async def verify(self, pushed: Sequence[bytes] = (), checks: Sequence[EntryCheck] = ()) -> Report:
        """Verify the stored log as it stands, the part that is not signed yet included."""
        return await self._read_all(lambda tx: evidence.verify(tx.runner, self.verifier, pushed, checks))

    async def export(self, folder: Path) -> Checkpoint:
        """Sign if possible, and write everything signed into a new folder for offline verification."""
        await self.sign()
        return await self._read_all(lambda tx: evidence.export(tx.runner, self.verifier, folder))

    # -- retention

    async def destroy_payloads_before(self, at: datetime) -> Sequence[str]:
        """Destroy and record the payloads of changes that ended before ``at``; which changes. Some at a time: call it
        until it returns none."""
        found = await self.transact(lambda tx: retention.destroy_due(tx, at))
        if found and self._engines.is_sqlite:
            await asyncio.to_thread(retention.empty_wal, self._engines.writer)
        return found


if TYPE_CHECKING:

    def _is_the_port(store: SqlStore) -> Store:
        return store
