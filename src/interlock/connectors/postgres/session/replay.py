"""Runs a recorded transaction again, statement by statement, with nobody listening, up to the decision."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from interlock.connectors.postgres.classify import StatementInfo, Way
from interlock.connectors.postgres.codec import encode
from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.session import control, finish, statements
from interlock.connectors.postgres.session.batch import OWN
from interlock.connectors.postgres.session.items import Item
from interlock.connectors.postgres.session.record import Asked
from interlock.connectors.postgres.session.transaction import Transaction
from interlock.connectors.postgres.session.unit import GatedUnit
from interlock.model.errors import Rejected
from interlock.sdk.connector import Refused, Work

if TYPE_CHECKING:
    from interlock.connectors.postgres.session.worker import Worker


@dataclass(frozen=True, slots=True)
class Again:
    """The transaction, run again and open."""

    work: Work
    unit: GatedUnit
    tags: list[bytes]


async def run(worker: "Worker", old: Transaction) -> Again | Refused:
    """Run `old` again on the worker's connection. A Refused means that nothing of it is left open."""
    tx = Transaction(explicit=True, begin=old.begin, read_only=old.read_only, settings=dict(old.settings))
    worker.tx = tx
    # What the client is still to be told is its own; the completions of this run are compared, not sent.
    withheld, worker.withheld = worker.withheld, b""
    worker.hold_rows(True)
    try:
        for asked in old.asked:
            if not await _statement(worker, asked):
                error = worker.held_error()
                if worker.tx is not None:
                    await finish.roll_back(worker)
                return Refused(
                    "failed", f"a statement failed when it was run again{_code(error)}", retry=True
                )
        measured = await finish.measure(worker)
        if isinstance(measured, bytes):
            return Refused(
                "failed", f"the transaction failed when it was run again{_code(measured)}", retry=True
            )
        unit = GatedUnit(worker.channel, tx, measured)
        work = finish.work_of(worker, tx)
        return Again(work, unit, tx.tags)
    finally:
        worker.hold_rows(False)
        worker.withheld = withheld


def _code(error: bytes) -> str:
    place = error.find(b"\0C")
    return f" (SQLSTATE {error[place + 2 : place + 7].decode(errors='replace')})" if place >= 0 else ""


async def _statement(worker: "Worker", asked: Asked) -> bool:
    try:
        infos = worker.channel.classify(asked.sql)
    except Rejected:
        return False
    if len(infos) != 1:
        return False
    info = infos[0]
    if info.way is Way.CONTROL:
        return await control.perform(worker, info)
    items = _extended(info, asked) if asked.extended else [_simple(info, asked)]
    return await statements.send(worker, items)


def _simple(info: StatementInfo, asked: Asked) -> Item:
    return Item("Q", encode(f.Query(asked.sql)), info, asked)


def _extended(info: StatementInfo, asked: Asked) -> list[Item]:
    """Under a portal and statement of the gateway's: the client's own stay as they are."""
    name = OWN + "again"
    bind = f.Bind(name, name, asked.formats, asked.values)
    return [
        Item("C", encode(f.Close("S", name))),
        Item("P", encode(f.Parse(name, asked.sql, asked.types))),
        Item("B", encode(bind)),
        Item("E", encode(f.Execute(name)), info, asked, bind, asked.types),
        Item("C", encode(f.Close("P", name))),
    ]
