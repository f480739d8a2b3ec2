"""Transaction control: the client's wishes, carried out by statements of the gateway's own."""

import asyncio
from typing import TYPE_CHECKING

import pglast
from pglast import ast

from interlock.connectors.postgres import answer
from interlock.connectors.postgres.classify import Control, StatementInfo
from interlock.connectors.postgres.codec import build
from interlock.connectors.postgres.session.asked.items import own_name
from interlock.connectors.postgres.session.conversation.batch import Batch, Reply
from interlock.connectors.postgres.session.ending import failing, finish
from interlock.connectors.postgres.session.transaction import Savepoint, Transaction
from interlock.connectors.postgres.session.wishes import virtual
from interlock.model.decision import Forbid

if TYPE_CHECKING:
    from interlock.connectors.postgres.session.worker import Worker

IN_FAILED = build.error_response(
    "ERROR", "25P02", "current transaction is aborted, commands ignored until end of transaction block"
)
_CURSOR_HOLD = 0x20
"""`CURSOR_OPT_HOLD` (`nodes/parsenodes.h`)."""
FLUSH_COUNTERS = "SELECT pg_catalog.pg_stat_force_next_flush()"
"""Ends each gated transaction, failed ones too, so that the next one's counters start at zero. It only sets a flag, which the
server heeds when the session is idle again (`pgstat_report_stat`)."""


def begin(worker: "Worker", batch: Batch) -> Reply | None:
    """Tell the server of the open transaction, if it does not know yet. The reply is of the BEGIN."""
    tx = worker.tx
    if tx is None or tx.begun:
        return None
    tx.begun, tx.began = True, asyncio.get_running_loop().time()
    return batch.own(tx.begin_sql())


async def begin_now(worker: "Worker") -> bool:
    """As `begin`, in a write of its own."""
    if worker.tx is None or worker.tx.begun:
        return True
    batch = worker.channel.exchange.batch()
    reply = begin(worker, batch)
    batch.sync()
    await worker.channel.exchange.run(batch)
    if reply is not None and reply.failed:
        worker.fail(reply.raw)
        return False
    return True


async def perform(worker: "Worker", info: StatementInfo) -> bool:
    """Carry out one statement of transaction control. True when it went well."""
    wish = info.control
    assert wish is not None
    match wish.kind:
        case "begin":
            return await _begin(worker, info, wish)
        case "commit":
            return await _commit(worker, wish)
        case "rollback":
            return await _rollback(worker, wish)
        case "prepare":
            return await _prepare(worker, wish)
        case "savepoint" | "release" | "rollback_to":
            return await _savepoint(worker, info, wish)
        case "set_transaction":
            return await _set_transaction(worker, info)
        case "commit_prepared" | "rollback_prepared":
            return await _second_phase(worker, info)
        case _:
            worker.fail(answer.forbidden(f"transaction control of kind {wish.kind} is not known"))
            return False


def _warn(worker: "Worker", sqlstate: str, text: str) -> None:
    worker.release()
    worker.write(build.notice_response("WARNING", sqlstate, text))


def needs_block(info: StatementInfo) -> bool:
    """Whether the server wants a transaction block for it (`RequireTransactionBlock`): ours would make it succeed in vain."""
    if info.node != "DeclareCursorStmt":
        return info.node == "LockStmt"
    statement = pglast.parse_sql(info.text)[0].stmt
    assert isinstance(statement, ast.DeclareCursorStmt)
    return not (statement.options or 0) & _CURSOR_HOLD


def _modes(wish: Control) -> str:
    words = [f"ISOLATION LEVEL {wish.isolation.upper()}"] if wish.isolation else []
    if wish.deferrable is not None:
        words.append("DEFERRABLE" if wish.deferrable else "NOT DEFERRABLE")
    return ", ".join(words)


async def _begin(worker: "Worker", info: StatementInfo, wish: Control) -> bool:
    tx = worker.tx
    if tx is not None and worker.failed:
        worker.write(IN_FAILED)
        worker.drop_completion()
        return False
    if tx is None:
        worker.tx = Transaction(
            explicit=True,
            begin=_modes(wish),
            read_only=virtual.read_only(worker) if wish.read_only is None else wish.read_only,
            settings=dict(worker.channel.settings),
        )
    else:
        if tx.explicit:
            _warn(worker, "25001", "there is already a transaction in progress")
        tx.explicit = True  # the implicit transaction of this message becomes a block, with what ran before
        if not await set_modes(worker, tx, wish):
            return False
    worker.complete(info.verb)
    return True


async def set_modes(worker: "Worker", tx: Transaction, wish: Control) -> bool:
    """The modes of a BEGIN inside a transaction: the server takes them as those of SET TRANSACTION."""
    words = [_modes(wish)] if _modes(wish) else []
    if wish.read_only is not None:
        words.append("READ ONLY" if wish.read_only else "READ WRITE")
    if not words:
        return True
    batch = worker.channel.exchange.batch()
    begin(worker, batch)
    reply = batch.once(f"SET TRANSACTION {', '.join(words)}")
    batch.sync()
    await worker.channel.exchange.run(batch)
    if reply.failed:
        worker.reject(reply.raw)
        return False
    tx.read_only = tx.read_only if wish.read_only is None else wish.read_only
    return True


async def _commit(worker: "Worker", wish: Control) -> bool:
    tx = worker.tx
    if tx is None or not tx.explicit:
        if wish.chain:
            worker.reject(no_block("COMMIT AND CHAIN"))
            return False
        if tx is not None and not await finish.commit(worker):
            return False
        _warn(worker, "25P01", "there is no transaction in progress")
        worker.complete("COMMIT")
        return True
    if worker.failed:
        await finish.roll_back(worker)
        worker.complete("ROLLBACK")
    elif not await finish.commit(worker):
        return False
    else:
        worker.complete("COMMIT")
    _chain(worker, wish, tx)
    return True


async def _rollback(worker: "Worker", wish: Control) -> bool:
    tx = worker.tx
    if tx is None or not tx.explicit:
        if wish.chain:
            worker.reject(no_block("ROLLBACK AND CHAIN"))
            return False
        if tx is not None:
            worker.release()
            await finish.roll_back(worker)
        _warn(worker, "25P01", "there is no transaction in progress")
        worker.complete("ROLLBACK")
        return True
    worker.release()
    await finish.roll_back(worker)
    worker.complete("ROLLBACK")
    _chain(worker, wish, tx)
    return True


def _chain(worker: "Worker", wish: Control, old: Transaction) -> None:
    if wish.chain:
        worker.tx = Transaction(
            explicit=True, begin=old.begin, read_only=old.read_only, settings=dict(worker.channel.settings)
        )


async def _prepare(worker: "Worker", wish: Control) -> bool:
    if worker.tx is None or not worker.tx.explicit:
        _warn(worker, "25P01", "there is no transaction in progress")
        worker.complete("ROLLBACK")
        return True
    if worker.failed:
        await finish.roll_back(worker)
        worker.complete("ROLLBACK")
        return True
    if not await finish.commit(worker, prepare=wish.gid):
        return False
    worker.complete("PREPARE TRANSACTION")
    return True


def no_block(what: str) -> bytes:
    return build.error_response("ERROR", "25P01", f"{what} can only be used in transaction blocks")


async def _savepoint(worker: "Worker", info: StatementInfo, wish: Control) -> bool:
    tx = worker.tx
    if tx is None or not tx.explicit:
        worker.reject(no_block(info.verb))
        return False
    if own_name(wish.name):
        worker.fail(answer.forbidden("this savepoint name is reserved for Interlock"))
        return False
    if tx.poisoned and wish.kind != "rollback_to":
        worker.drop_completion()
        worker.write(IN_FAILED)
        return False
    if not await begin_now(worker):
        return False
    ok = await _forward(worker, info)
    if not ok:
        return False
    names = [savepoint.name for savepoint in tx.savepoints]
    if wish.kind == "savepoint":
        tx.savepoints.append(Savepoint(wish.name, dict(worker.channel.settings), len(tx.images)))
    elif wish.name in names:
        place = len(names) - 1 - names[::-1].index(wish.name)
        if wish.kind == "rollback_to":
            tx.poisoned = False
            worker.channel.settings = dict(tx.savepoints[place].settings)
            for image in tx.images[tx.savepoints[place].images :]:
                # Their locks went with the savepoint, and the copies in the trash: what was kept may be kept no longer.
                image.losses = ()
            del tx.savepoints[place + 1 :]
        else:
            del tx.savepoints[place:]
    return True


async def _set_transaction(worker: "Worker", info: StatementInfo) -> bool:
    if worker.tx is not None and worker.tx.poisoned:
        worker.drop_completion()
        worker.write(IN_FAILED)
        return False
    if worker.tx is None or not worker.tx.explicit:
        _warn(worker, "25P01", "SET TRANSACTION can only be used in transaction blocks")
        worker.complete("SET")
        return True
    if not (await begin_now(worker) and await _forward(worker, info)):
        return False
    assert info.control is not None
    if info.control.read_only is not None:
        worker.tx.read_only = info.control.read_only
    return True


async def _second_phase(worker: "Worker", info: StatementInfo) -> bool:
    """COMMIT PREPARED and ROLLBACK PREPARED: what they finish was decided at PREPARE TRANSACTION."""
    decision = worker.channel.gate.check(worker.channel.principal, info.operations)
    if isinstance(decision, Forbid):
        worker.channel.gate.refused(worker.channel.principal, info.operations, decision)
        worker.fail(answer.refusal(decision))
        return False
    if info.control is not None and info.control.kind == "commit_prepared":
        stop = await worker.channel.gate.stopped(worker.channel.principal, info.operations)
        if stop is not None:
            worker.fail(answer.refused(stop, worker.channel.gate.link))
            return False
    return await _forward(worker, info)


async def _forward(worker: "Worker", info: StatementInfo) -> bool:
    """Have the server carry out the client's own words, and pass its answer on."""
    batch = worker.channel.exchange.batch()
    reply = batch.once(info.text)
    batch.sync()
    await worker.channel.exchange.run(batch)
    if reply.failed:
        worker.drop_completion()
        worker.write(reply.raw)
        if reply.error is not None:
            failing.failed(worker, [info], reply.error.sqlstate)
        return False
    if worker.tx is not None:
        worker.record(info)
    worker.complete(reply.tag)
    return True
