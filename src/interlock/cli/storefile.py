"""The store as a file: migrate, back up, restore. PostgreSQL has its own tools for that."""

import contextlib
import os
import sqlite3
import time
from pathlib import Path

from interlock.ledger.note import NoteError, parse_checkpoint, parse_note
from interlock.model.base import Value
from interlock.model.errors import Misconfigured, Rejected, Unavailable
from interlock.runtime.config.document import Config, load
from interlock.runtime.opening import CHECKPOINT, check_state_dir, master_key, only_server, open_configured
from interlock.runtime.stores import open_store

PAGES = 1024
"""Pages copied at a time, so that a running server can write in between."""


class Restored(Value, frozen=True, omit_defaults=False):
    """What a restore did: ledger entries there now, entries under the newest checkpoint seen before, and the files kept aside."""

    entries: int
    seen: int
    kept: tuple[str, ...]


async def migrate(file: Path) -> int:
    """Bring the store to this version's schema; returns the number of ledger entries."""
    config = load(file)
    check_state_dir(config.state_dir)
    with only_server(config.state_dir):
        store = open_configured(config, upgrade=True)
        try:
            return await store.read(lambda tx: tx.ledger_size())
        finally:
            await store.close()


def backup(file: Path, target: Path) -> int:
    """Copy the store into a new file (mode 0600) with SQLite's backup API; returns its size in bytes."""
    source = _sqlite_file(load(file), "pg_dump --schema=interlock backs up a PostgreSQL store")
    if not source.exists():
        raise Misconfigured(f"there is no store {source}")
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    except FileExistsError:
        raise Rejected(f"{target} exists already; choose another name") from None
    except OSError as error:
        raise Rejected(f"cannot write {target}: {error.strerror}") from None
    try:
        _copy(source, target)
    except sqlite3.Error as error:
        target.unlink()
        raise Unavailable(f"the store cannot be copied: {type(error).__name__}") from None
    return target.stat().st_size


def _copy(source: Path, target: Path) -> None:
    reading = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
    with contextlib.closing(reading), contextlib.closing(sqlite3.connect(target)) as writing:
        reading.backup(writing, pages=PAGES)
        # In the copy everything is in one file.
        writing.execute("PRAGMA journal_mode=DELETE")


def restore(file: Path, source: Path) -> Restored:
    """Put a backup in the store's place. It is opened and checked beside the store first; what was there is kept."""
    config = load(file)
    store = _sqlite_file(config, "psql or pg_restore restores a PostgreSQL store")
    check_state_dir(config.state_dir)
    with only_server(config.state_dir):
        fresh = store.with_name(f".{store.name}.restoring-{os.getpid()}")
        try:
            _take(source, fresh)
            entries = _checked(config, fresh)
            seen = _seen(config)
            return Restored(entries, seen, _swap(config, store, fresh))
        finally:
            for leftover in (fresh, *_beside(fresh)):
                leftover.unlink(missing_ok=True)


def _take(source: Path, fresh: Path) -> None:
    if not source.is_file():
        raise Misconfigured(f"there is no backup {source}")
    os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    try:
        _copy(source, fresh)
    except sqlite3.Error:
        raise Rejected(f"{source} is not a backup of a store") from None


def _checked(config: Config, fresh: Path) -> int:
    """Open the copy with the installation's own master key; returns its ledger entries. Raises Misconfigured."""
    import asyncio

    async def look() -> int:
        store = open_store(f"sqlite:///{fresh}", master_key(config), origin=config.origin or None)
        try:
            report = await store.verify()
            if not report.ok and report.first:
                raise Rejected(f"the backup's ledger does not verify: {report.first.message}")
            return await store.read(lambda tx: tx.ledger_size())
        finally:
            await store.close()

    return asyncio.run(look())


def _seen(config: Config) -> int:
    """How many entries the newest checkpoint covers that this replica remembers; 0 when it remembers none."""
    try:
        note = parse_note((config.state_dir / CHECKPOINT).read_bytes())
        return parse_checkpoint(note.text).size
    except (OSError, NoteError):
        return 0


def _swap(config: Config, store: Path, fresh: Path) -> tuple[str, ...]:
    """Move the old store and the remembered checkpoint aside, and the copy into place."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    kept = []
    # The journal belongs to the old file: left behind, SQLite would play it into the new one.
    for path in (*_beside(store), store, config.state_dir / CHECKPOINT):
        if path.exists():
            aside = path.with_name(f"{path.name}.before-{stamp}")
            path.rename(aside)
            kept.append(str(aside))
    fresh.rename(store)
    return tuple(kept)


def _beside(store: Path) -> tuple[Path, ...]:
    return tuple(store.with_name(store.name + suffix) for suffix in ("-wal", "-shm", "-journal"))


def _sqlite_file(config: Config, otherwise: str) -> Path:
    if not config.store.startswith("sqlite"):
        raise Rejected(f"the store is no file: {otherwise}")
    return Path(config.store.partition(":///")[2].partition("?")[0])
