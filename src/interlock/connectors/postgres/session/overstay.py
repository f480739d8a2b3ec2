"""Ends transactions that stand in others' way for too long.

Each few moments the observer is asked once for all open gated transactions: who holds (or queues for) a lock on a table that
conflicts with writing to it, and on whose rows do others wait? What stays so beyond `strong_lock_s` is ended, and so is a
transaction that is older than `transaction_timeout_s`. None of these numbers is the agent's to change, and no setting matters.

A running statement is cancelled, then the session ends, as it does by PostgreSQL's own `transaction_timeout`. A client that does
not read what it is sent cannot be told; its connection to the server is cut.
"""

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Iterable, Sequence

from interlock.connectors.postgres.client.errors import UpstreamError
from interlock.connectors.postgres.queries import QueryFailed, Rows, Statement, array
from interlock.connectors.postgres.session.channel import Channel, Overstayed
from interlock.connectors.postgres.session.transaction import Transaction

# Tables that only this transaction sees, and temporary ones, are in nobody's way.
_LOCKS = """
SELECT DISTINCT l.pid::pg_catalog.text
  FROM pg_catalog.pg_locks AS l LEFT JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) l.relation
 WHERE l.pid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.int4[])
   AND ((l.locktype OPERATOR(pg_catalog.=) 'relation' AND c.relpersistence OPERATOR(pg_catalog.<>) 't'
         AND l.database OPERATOR(pg_catalog.=) (
                              SELECT d.oid FROM pg_catalog.pg_database AS d
                               WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
         AND l.mode OPERATOR(pg_catalog.=) ANY (
             '{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'::pg_catalog.text[]))
        OR (l.locktype OPERATOR(pg_catalog.=) 'transactionid' AND l.granted
            AND EXISTS (SELECT 1 FROM pg_catalog.pg_locks AS w
                         WHERE w.locktype OPERATOR(pg_catalog.=) 'transactionid' AND NOT w.granted
                           AND w.transactionid OPERATOR(pg_catalog.=) l.transactionid)))
"""
"""Modes that conflict with ROW EXCLUSIVE, so with every write (manual, section 13.3.1), and row locks that others wait for."""

SHORTEST_S, LONGEST_S = 0.1, 2.0
"""Least and most seconds between two looks: whoever connects meanwhile may have a shorter limit than all others."""


class Watch:
    """Watches the sessions of one target."""

    def __init__(
        self,
        observe: Callable[[Sequence[Statement]], Awaitable[list[Rows]]],
        failed: Callable[[Exception], None],
    ) -> None:
        self._observe, self._failed = observe, failed
        self._channels: weakref.WeakSet[Channel] = weakref.WeakSet()
        self._since: weakref.WeakKeyDictionary[Channel, tuple[Transaction, float]] = (
            weakref.WeakKeyDictionary()
        )

    def add(self, channel: Channel) -> None:
        """Watch a session from now on."""
        self._channels.add(channel)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(self._pause())
            try:
                await self.look()
            except (QueryFailed, UpstreamError, OSError) as error:
                # Others' lock timeouts and the gateway's timers still hold; the next look comes soon.
                self._failed(error)

    def _pause(self) -> float:
        shortest = min((c.timers.strong_lock_s for c in self._channels), default=4 * LONGEST_S)
        return min(LONGEST_S, max(SHORTEST_S, shortest / 4))

    async def look(self) -> None:
        """Look once."""
        now = asyncio.get_running_loop().time()
        open_ = {c: tx for c in list(self._channels) if (tx := _open(c)) is not None}
        for channel, tx in open_.items():
            if now - tx.began > channel.timers.transaction_timeout_s:
                _end(channel, "the transaction is older", channel.timers.transaction_timeout_s)
        # What has just begun is looked at the next time.
        grown = {c: tx for c, tx in open_.items() if now - tx.began >= self._pause() / 2 and c.upstream.key}
        blocking = await self._blocking(grown) if grown else set()
        now = asyncio.get_running_loop().time()
        for channel, tx in grown.items():
            if channel not in blocking or _open(channel) is not tx:
                self._since.pop(channel, None)
                continue
            known, since = self._since.get(channel, (None, 0.0))
            if known is not tx:
                since = now
                self._since[channel] = tx, since
            # It may have begun just after the last look.
            if now - since + self._pause() >= channel.timers.strong_lock_s:
                _end(
                    channel,
                    "it has kept others from a table or from rows longer",
                    channel.timers.strong_lock_s,
                )

    async def _blocking(self, channels: Iterable[Channel]) -> set[Channel]:
        by_pid = {str(c.upstream.key.pid): c for c in channels if c.upstream.key is not None}
        [rows] = await self._observe(((_LOCKS, (array(sorted(by_pid)),)),))
        return {by_pid[pid] for (pid,) in rows if pid in by_pid}


def _open(channel: Channel) -> Transaction | None:
    """The gated transaction that is open on the server and not being committed (what is committed is soon over, or in doubt), or
    the maintenance that runs outside of one."""
    worker = channel.worker
    if worker is not None and worker.maintaining is not None:
        return worker.maintaining
    tx = worker.tx if worker is not None and not worker.committing else None
    return tx if tx is not None and tx.begun else None


def _end(channel: Channel, what: str, limit: float) -> None:
    if channel.over is None:
        channel.over = Overstayed(f"terminating connection: {what} than the gateway allows ({limit:g} s)")
        channel.gate.log(
            "postgres.overstayed", session=channel.principal.session, agent=channel.principal.agent
        )
        channel.server.cancelling(channel.upstream)
        channel.arrived.set()
    else:
        # It was told, and could not hear: whatever it is busy with, the server shall have its locks back.
        channel.upstream.abort()
