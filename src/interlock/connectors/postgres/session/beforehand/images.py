"""What is asked just before a statement: which rows a simple UPDATE or DELETE will touch, what a TRUNCATE or DROP will lose."""

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interlock.connectors.postgres import preview
from interlock.connectors.postgres.alike import parameters, shape
from interlock.connectors.postgres.classify import DmlTarget
from interlock.connectors.postgres.preview import Captured, Limits, Loss, Predicate
from interlock.connectors.postgres.queries import QueryFailed
from interlock.connectors.postgres.session import control
from interlock.connectors.postgres.session.asked.items import Item
from interlock.connectors.postgres.session.beforehand import losses
from interlock.connectors.postgres.session.conversation.batch import Batch, Reply

if TYPE_CHECKING:
    from interlock.connectors.postgres.session.worker import Worker

_SAVEPOINT = '"_interlock_image"'
_PARAMETER = re.compile(r"\$(\d+)")
_LITERAL = re.compile(r"'[^']*'|(?<![\w.$])\d+(?:\.\d+)?")
_TEXT, _INT4 = 25, 23
_BY_ITSELF = re.compile(r"\b(?:SELECT|BY|AS)\b", re.IGNORECASE)
"""In a condition: names that may come to mean something else, and numbers that are no values."""


@dataclass(slots=True)
class Image:
    """What was taken for one statement: `reply` is way 1's query, `losses` are whole tables."""

    reply: Reply | None = None
    losses: tuple[Loss, ...] = ()

    @property
    def captured(self) -> Captured | None:
        """The rows that way 1 locked, or None when it was not used."""
        if self.reply is None or self.reply.failed:
            return None
        return Captured(tuple((table or "", ctid or "") for table, ctid in self.reply.texts()))


@dataclass(frozen=True, slots=True)
class _Query:
    """Way 1's query for one statement. Statements that differ in literals only share a `shape`."""

    sql: str
    shape: str
    types: tuple[int, ...]
    formats: tuple[int, ...]
    values: tuple[bytes | None, ...]
    kept: bool = False
    """Whether it may stay prepared."""

    def into(self, batch: Batch) -> Reply:
        run = batch.own if self.kept else batch.once
        return run(self.sql, self.values, self.types, self.formats)


def _query(worker: "Worker", item: Item) -> _Query | None:
    info = item.info
    if (
        worker.tx is None
        or worker.tx.read_only  # the statement will fail, and with its own error
        or info is None
        or info.target is None
        or not info.target.simple
        or not worker.channel.server.has_observer
    ):
        return None
    if info.node not in ("UpdateStmt", "DeleteStmt"):
        return None
    query = _asking(info.target, info.node, item, worker.channel.server.limits)
    if not info.target.schema or _BY_ITSELF.search(info.target.where_sql) or worker.tx.opaque:
        return query
    exchange = worker.channel.exchange
    exchange.rest_on(worker.channel.basis())
    return dataclasses.replace(query, kept=exchange.comes_again(query.sql, query.types))


def _asking(target: DmlTarget, node: str, item: Item, limits: Limits) -> _Query:
    """The query for a target. Whole numbers become parameters, so that those who differ in nothing else are one statement."""
    where, bind = target.where_sql, item.bind
    numbers: list[bytes] = []
    if (bind is None or not bind.values) and shape(where) is not None and not _BY_ITSELF.search(where):
        where, numbers = parameters(where)
    predicate = Predicate(target.schema, target.table, where, target.alias, target.only, node == "DeleteStmt")
    sql = preview.image_before(predicate, limits)
    if numbers:
        types: tuple[int, ...] = (_INT4,) * len(numbers)
        return _Query(sql, f"{sql} {types}", types, (), tuple(numbers))
    if bind is None or not bind.values:
        return _Query(sql, _LITERAL.sub("?", sql), (), (), ())
    used = {int(number) for number in _PARAMETER.findall(target.where_sql)}
    given = (*item.types, *(0 for _ in bind.values))
    # A parameter that the condition does not mention has no type that could be inferred.
    types = tuple(given[n - 1] if n in used else _TEXT for n in range(1, len(bind.values) + 1))
    values = tuple(v if n in used else None for n, v in enumerate(bind.values, 1))
    return _Query(sql, f"{sql} {types}", types, bind.formats, values)


async def take(worker: "Worker", item: Item) -> Image | None:
    """Before a statement: what needs a round trip of its own. That is the first time that way 1 is tried for statements of a
    shape (inside a savepoint: an error must not end the client's transaction), and the tables that are about to be lost.

    Returns what was taken, or None. Raises QueryFailed when the transaction is lost.
    """
    kept = await losses.keep(worker, item)
    if kept is not None:
        return Image(losses=kept)
    query = _query(worker, item)
    if query is None or query.shape in worker.channel.server.proven:
        return None
    batch = worker.channel.exchange.batch()
    begun = control.begin(worker, batch)
    batch.own(f"SAVEPOINT {_SAVEPOINT}")
    reply = query.into(batch)
    batch.own(f"RELEASE SAVEPOINT {_SAVEPOINT}")
    batch.sync()
    await worker.channel.exchange.run(batch)
    if begun is not None and begun.failed:
        raise QueryFailed(begun.error.sqlstate if begun.error else "25P02")
    worker.channel.server.proven[query.shape] = not reply.failed
    if not reply.failed:
        return Image(reply)
    batch = worker.channel.exchange.batch()
    back = batch.own(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
    batch.own(f"RELEASE SAVEPOINT {_SAVEPOINT}")
    batch.sync()
    await worker.channel.exchange.run(batch)
    if back.error is not None:
        raise QueryFailed(back.error.sqlstate)
    return Image()


def add(worker: "Worker", batch: Batch, item: Item) -> Image | None:
    """Pipeline way 1's query before a statement of a shape that is known to work."""
    query = _query(worker, item)
    if query is None or not worker.channel.server.proven.get(query.shape):
        return None
    return Image(query.into(batch))
