"""The ledger's rows: its head, entries and the nodes that tiles are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Executable, bindparam, select, update

from interlock.ledger import log
from interlock.ledger.merkle import Frontier
from interlock.ledger.tiles import HEIGHT
from interlock.model.errors import Unavailable
from interlock.runtime.stores.commits.built import keep, new_row
from interlock.runtime.stores.shape import schema

# Built once: they are part of each commit.
_HEAD = keep(select(schema.ledger_head.c.size, schema.ledger_head.c.edge))
_HEAD_LOCKED = keep(_HEAD.with_for_update())
_NEW_ENTRIES = new_row(schema.ledger_entries)
_NEW_NODES = new_row(schema.ledger_nodes)
_NEW_MENTIONS = new_row(schema.ledger_changes)
_MOVE_HEAD = keep(
    update(schema.ledger_head)
    .where(schema.ledger_head.c.size == bindparam("before"))
    .values(size=bindparam("after"), edge=bindparam("new_edge"))
)


class Runner(Protocol):
    """Executes statements and turns database errors into the port's."""

    def execute(
        self, query: Executable, values: Mapping[str, Any] | None = None, *, writes: bool = False
    ) -> Sequence[Any]:
        """The rows of a query; `values` are those of its parameters. `writes`: it changes rows as well."""

    def write(self, statement: Executable, rows: Sequence[dict[str, Any]] | None = None) -> int:
        """How many rows a statement changed."""


def read_head(runner: Runner, *, lock: bool = False) -> Frontier:
    """The log's edge; with ``lock`` no other replica can append before this transaction ends."""
    rows = runner.execute(_HEAD_LOCKED if lock else _HEAD)
    try:
        ((size, edge),) = rows
        return Frontier.decode(size, bytes(edge))
    except ValueError:
        raise Unavailable("the ledger's head is damaged: restore the store from a backup") from None


def append(
    runner: Runner, frontier: Frontier, entries: Sequence[bytes], mentions: Sequence[dict[str, Any]] = ()
) -> Frontier:
    """Append entries after ``frontier``, which must be the stored head, and move the head. `mentions` say which of them are about
    which change."""
    done = log.append(frontier, entries)
    rows = enumerate(zip(done.leaves, entries, strict=True), done.first)
    runner.write(_NEW_ENTRIES, [{"number": i, "leaf": h, "data": e} for i, (h, e) in rows])
    if mentions:
        runner.write(_NEW_MENTIONS, mentions)
    if done.nodes:
        nodes = [{"level": n.level, "number": n.index, "hash": n.hash} for n in done.nodes]
        runner.write(_NEW_NODES, nodes)
    after = done.frontier
    moved = {"before": frontier.size, "after": after.size, "new_edge": after.encode()}
    if runner.write(_MOVE_HEAD, [moved]) != 1:
        raise Unavailable("the ledger's head moved under its lock: something else writes to the store")
    return after


class LedgerReader:
    """Reads what proofs, tiles and exports need."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def hashes(self, tile_level: int, start: int, count: int) -> Sequence[bytes]:
        """``tiles.HashReader``: consecutive nodes of tree level ``8 * tile_level``."""
        if tile_level == 0:
            table, column = schema.ledger_entries, schema.ledger_entries.c.leaf
            query = select(column).where(table.c.number.between(start, start + count - 1))
        else:
            table, column = schema.ledger_nodes, schema.ledger_nodes.c.hash
            query = select(column).where(
                table.c.level == tile_level * HEIGHT, table.c.number.between(start, start + count - 1)
            )
        return self._column(query.order_by(table.c.number))

    def entries(self, start: int, count: int) -> Sequence[bytes]:
        """``tiles.EntryReader``: consecutive entries."""
        table = schema.ledger_entries
        query = select(table.c.data).where(table.c.number.between(start, start + count - 1))
        return self._column(query.order_by(table.c.number))

    def numbers(self, start: int, count: int) -> Sequence[int]:
        """The numbers of the next stored entries from ``start`` on, at most ``count``."""
        column = schema.ledger_entries.c.number
        rows = self._runner.execute(select(column).where(column >= start).order_by(column).limit(count))
        return [number for (number,) in rows]

    def checkpoint(self) -> bytes | None:
        """The newest signed checkpoint, a note."""
        table = schema.ledger_checkpoints
        notes = self._column(select(table.c.note).order_by(table.c.size.desc()).limit(1))
        return notes[0] if notes else None

    def _column(self, query: Executable) -> Sequence[bytes]:
        return [bytes(value) for (value,) in self._runner.execute(query)]
