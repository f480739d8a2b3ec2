"""Exports of the ledger: a store seen as one, writing one to a folder, and a folder read as one."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from sqlalchemy import select

from interlock.ledger import entry, tiles
from interlock.ledger.note import Checkpoint
from interlock.ledger.tiles import CHECKPOINT_PATH, Tile
from interlock.ledger.verify import PAYLOADS_PATH, ExportReader
from interlock.model.errors import Rejected, Unavailable
from interlock.runtime.stores.log.rows import LedgerReader, Runner
from interlock.runtime.stores.shape import schema


class StoreExport:
    """A store's rows as an export of the log at a signed checkpoint; an :class:`ExportReader`."""

    def __init__(self, runner: Runner, note: bytes, checkpoint: Checkpoint) -> None:
        self._runner, self._rows = runner, LedgerReader(runner)
        self._note, self._size = note, checkpoint.size

    def paths(self) -> Iterator[str]:
        """Every file of the export."""
        yield from (tile.path for tile in tiles.hash_tiles(self._size))
        yield from (tile.path for tile in tiles.entry_bundles(self._size))
        yield from (PAYLOADS_PATH, CHECKPOINT_PATH)

    def read(self, path: str) -> bytes | None:
        """One file's content; None when rows it needs are missing."""
        if path == CHECKPOINT_PATH:
            return self._note
        if path == PAYLOADS_PATH:
            return b"".join(self._payloads())
        try:
            return self._tile(tiles.parse_path(path))
        except LookupError:
            return None

    def _tile(self, tile: Tile) -> bytes:
        if tile.level is None:
            # As many as there are: a missing row shows as a missing entry, not as a missing bundle.
            return tiles.join_bundle(self._rows.entries(tile.start, tile.width))
        return tiles.tile_content(tile, self._rows.hashes)

    def _payloads(self) -> Iterator[bytes]:
        """Digests are taken anew, so that an altered ciphertext shows."""
        table = schema.payloads
        names = select(table.c.change_id, table.c.name).order_by(table.c.change_id, table.c.name)
        for change, name in self._runner.execute(names):
            one = select(table.c.sealed).where(table.c.change_id == change, table.c.name == name)
            sealed = bytes(self._runner.execute(one)[0][0])
            row = {
                "change": change,
                "name": name,
                "sha256": hashlib.sha256(sealed).hexdigest(),
                "size": len(sealed),
            }
            yield entry.canonical(row) + b"\n"


class FolderExport:
    """A folder as an export; an :class:`ExportReader`. Links are not followed out of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def paths(self) -> Iterator[str]:
        """Every file in it. Raises Rejected when there is no such folder."""
        if not self._folder.is_dir():
            raise Rejected(f"{self._folder} is not a folder")
        for parent, _, names in os.walk(self._folder):
            yield from (Path(parent, name).relative_to(self._folder).as_posix() for name in names)

    def read(self, path: str) -> bytes | None:
        """One file's content. Raises Unavailable when it is there and cannot be read."""
        try:
            handle = os.open(self._folder / path, os.O_RDONLY | os.O_NOFOLLOW)
            with open(handle, "rb") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Unavailable(f"{path} cannot be read: {error.strerror}") from None


def write_folder(export: ExportReader, folder: Path) -> None:
    """Copy an export into a new folder, which appears only when it is complete.

    Raises Rejected when the folder exists and is not empty, Unavailable when it cannot be written or rows are missing.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Rejected(f"{folder} exists already and is not an empty folder")
    partial = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    try:
        _copy(export, export.paths(), partial)
        partial.replace(folder)
    except OSError as error:
        raise Unavailable(f"the export cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _copy(export: ExportReader, paths: Iterable[str], folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True)
    for path in paths:
        data = export.read(path)
        if data is None:
            raise Unavailable(f"the ledger lacks rows that {path} needs: run `interlock ledger verify`")
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
