"""Runs a recorded transaction again, statement by statement, with nobody listening, up to the decision."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from interlock.connectors.postgres import answer
from interlock.connectors.postgres.classify import StatementInfo, Way
from interlock.connectors.postgres.codec import build, encode
from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.session import control, statements
from interlock.connectors.postgres.session.asked.items import Item
from interlock.connectors.postgres.session.conversation.batch import OWN
from interlock.connectors.postgres.session.conversation.heard import sqlstate
from interlock.connectors.postgres.session.ending import finish
from interlock.connectors.postgres.session.ending import unit as units
from interlock.connectors.postgres.session.ending.record import Asked
from interlock.connectors.postgres.session.transaction import Transaction
from interlock.model.errors import Rejected
from interlock.sdk.connector import Refused, Work

if TYPE_CHECKING:
    from interlock.connectors.postgres.session.worker import Worker


_DIFFERENT = "run again after the approval, the statements did not do what the client had been told"


@dataclass(frozen=True, slots=True)
class Again:
    """The transaction, run again and open."""

    work: Work
    unit: "units.GatedUnit"


async def run(worker: "Worker", old: Transaction, *, compare: bool = False) -> Again | Refused:
    """Run `old` again on the worker's connection. A Refused means that nothing of it is left open. With `compare` every result must
    be what the client heard the first time: rows, completions, and errors that it went on from."""
    tx = Transaction(explicit=True, begin=old.begin, read_only=old.read_only, settings=dict(old.settings))
    worker.tx = tx
    # What the client is still to be told is its own; the completions of this run are compared, not sent.
    withheld, worker.withheld = worker.withheld, b""
    worker.hold_rows(True, comparing=True)
    try:
        for asked, formats in zip_longest(old.asked, old.formats, fillvalue=()):
            assert isinstance(asked, Asked)
            ok = await _statement(worker, asked, formats)
            if compare and not tx.heard.agrees_with(old.heard):
                why = _DIFFERENT
            elif ok or (compare and tx.heard.told and tx.heard.told[-1][:1] == b"E" and worker.tx is tx):
                continue  # it failed as it had before
            else:
                why = f"a statement failed when it was run again{_code(worker.held_error())}"
            if worker.tx is not None:
                await finish.roll_back(worker)
            return Refused("failed", why, retry=True)
        measured = await finish.measure(worker)
        if isinstance(measured, bytes):
            return Refused(
                "failed", f"the transaction failed when it was run again{_code(measured)}", retry=True
            )
        unit = units.GatedUnit(worker.channel, tx, measured)
        work = finish.work_of(worker, tx)
        if compare and tx.heard.told != old.heard.told:
            await unit.abandon()
            return Refused("failed", _DIFFERENT, retry=True)
        return Again(work, unit)
    finally:
        worker.hold_rows(False)
        worker.withheld = withheld


def lasting(info: StatementInfo) -> bool:
    """Whether a rollback would not undo a statement, so that it is decided, and recorded, before it runs."""
    return bool(info.escapes) or info.way in (Way.IMMEDIATE, Way.OUTSIDE, Way.REFUSED)


async def alone(worker: "Worker", statements: Sequence[Asked]) -> Item | None:
    """The one statement of a record that is decided before it runs, prepared again if it has parameters; None when it can be tried,
    and rolled back. Raises Rejected when only the agent can send it."""
    if len(statements) != 1:
        return None
    (asked,) = statements
    infos = worker.channel.classify(asked.sql)
    if len(infos) != 1 or not lasting(infos[0]) or infos[0].way is Way.REFUSED:
        return None
    if not asked.extended:
        return _simple(infos[0], asked)
    if infos[0].early:
        raise Rejected("it would run already when it is prepared: its agent must send it again")
    return await _prepared_again(worker, infos[0], asked)


async def _prepared_again(worker: "Worker", info: StatementInfo, asked: Asked) -> Item:
    _, parse, _, item, _ = _extended(info, asked, ())
    batch = worker.channel.exchange.batch()
    batch.client(parse.kind, parse.raw)
    batch.sync()
    worker.hold_rows(True)
    failed = await worker.channel.exchange.run(batch)
    worker.hold_rows(False)
    if failed is not None:
        raise Rejected(f"the statement cannot be prepared again (SQLSTATE {failed.sqlstate})")
    return item


def _code(error: bytes) -> str:
    code = sqlstate(error).decode(errors="replace")
    return f" (SQLSTATE {code})" if code else ""


async def _statement(worker: "Worker", asked: Asked, formats: tuple[int, ...]) -> bool:
    try:
        infos = worker.channel.classify(asked.sql)
    except Rejected:
        return False
    if len(infos) != 1:
        return False
    info = infos[0]
    if info.way is Way.CONTROL:
        return await control.perform(worker, info)
    if lasting(info):
        # It was not so when it was approved, or does not stand alone: nothing of it may run before its intent is recorded.
        worker.fail(answer.forbidden("it may have an effect that a rollback does not undo"))
        return False
    if info.copy == "in":
        worker.fail(build.error_response("ERROR", "0A000", "the rows of COPY FROM STDIN are not kept"))
        return False
    items = _extended(info, asked, formats) if asked.extended or formats else [_simple(info, asked)]
    return await statements.send(worker, items)


def _simple(info: StatementInfo, asked: Asked) -> Item:
    return Item("Q", encode(f.Query(asked.sql)), info, asked)


def _extended(info: StatementInfo, asked: Asked, formats: tuple[int, ...]) -> list[Item]:
    """Under a portal and statement of the gateway's: the client's own stay as they are."""
    name = OWN + "again"
    bind = f.Bind(name, name, asked.formats, asked.values, formats)
    return [
        Item("C", encode(f.Close("S", name))),
        Item("P", encode(f.Parse(name, asked.sql, asked.types))),
        Item("B", encode(bind)),
        Item("E", encode(f.Execute(name)), info, asked, bind, asked.types),
        Item("C", encode(f.Close("P", name))),
    ]
