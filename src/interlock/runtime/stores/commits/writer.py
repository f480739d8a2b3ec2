"""Group commit: a thread that turns all waiting transactions into one durable commit."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from interlock.model.errors import Unavailable
from interlock.runtime.stores.commits.batch import BatchLost, CommitLost, WriteSession
from interlock.runtime.stores.errors import CommitUnknown
from interlock.runtime.stores.rows.writing import SqlTx

T = TypeVar("T")
_log = structlog.get_logger(__name__)
MAX_GROUP = 256
MAX_WAITING = 10_000
LATER = 0.01
_TRIES = 3


@dataclass(slots=True)
class Statistics:
    """Counted since the store was opened: durable commits, and the transactions that they served."""

    commits: int = 0
    transactions: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One transaction that someone waits for."""

    work: Callable[[SqlTx], Any]
    future: asyncio.Future[Any]
    due: float = 0
    """When (`time.monotonic`) it must have been taken, though nothing else comes that it could go with; 0 is at once."""


@dataclass(frozen=True, slots=True)
class Done:
    """The transaction is durable; its result."""

    value: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """Nothing of the transaction was kept (or, for CommitUnknown, that is not known)."""

    error: BaseException


Outcome = Done | Failed


class Writer:
    """Owns the writing connection. Transactions run in its thread, in the order they came."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self.statistics = Statistics()
        self._thread = threading.Thread(target=self._run, name="interlock-store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[SqlTx], T], *, later: bool = False) -> asyncio.Future[T]:
        """Queue a transaction; a future of the running event loop. It fails with Unavailable when the store is closed or too
        many wait. With `later` it waits up to `LATER` seconds for others to share a commit with."""
        due = time.monotonic() + LATER if later else 0
        job = Job(work, asyncio.get_running_loop().create_future(), due)
        with self._lock:
            if self._closed:
                job.future.set_exception(Unavailable("the store is closed"))
            elif self._queue.qsize() >= MAX_WAITING:
                job.future.set_exception(Unavailable("too many transactions wait for the store: try later"))
            else:
                self._queue.put(job)
        return job.future

    def close(self) -> None:
        """Finish what waits, then end the thread and the connection."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while jobs := self._take():
            self._serve(jobs)
        self._session.drop()

    def _take(self) -> list[Job]:
        """All that wait, at least one; empty at the end."""
        jobs: list[Job] = []
        due = float("inf")
        while len(jobs) < MAX_GROUP:
            try:
                if not jobs:
                    job = self._queue.get()
                elif due:
                    job = self._queue.get(timeout=max(0.0, due - time.monotonic()))
                else:
                    job = self._queue.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._queue.put(None)  # for the next call, after these jobs
                break
            # A caller that gave up while waiting must not find its transaction done later.
            if not job.future.cancelled():
                jobs.append(job)
                due = min(due, job.due)
        return jobs

    def _serve(self, jobs: list[Job]) -> None:
        try:
            outcomes = self._commit(jobs)
        except Exception as fault:  # noqa: BLE001  # one that is ours: nobody may wait for ever, and others go on
            _log.error("store.writer_fault", error=type(fault).__name__)
            outcomes = [Failed(Unavailable("the store's writer failed")) for _ in jobs]
        _deliver(jobs, outcomes)

    def _commit(self, jobs: list[Job]) -> list[Outcome]:
        try:
            return self._retrying(jobs)
        except BatchLost as lost:
            if len(jobs) == 1 or lost.before:
                return [Failed(lost.error) for _ in jobs]
        return self._one_by_one(jobs)

    def _retrying(self, jobs: list[Job]) -> list[Outcome]:
        for _ in range(_TRIES - 1):
            try:
                return self._attempt(jobs)
            except BatchLost as lost:
                if not lost.again:
                    raise
        return self._attempt(jobs)

    def _one_by_one(self, jobs: list[Job]) -> list[Outcome]:
        """One that the store cannot take (it would not fit) must not fail the others."""
        outcomes: list[Outcome] = []
        for job in jobs:
            try:
                outcomes += self._retrying([job])
            except BatchLost as lost:
                outcomes.append(Failed(lost.error))
                if lost.before:
                    return outcomes + [Failed(lost.error)] * (len(jobs) - len(outcomes))
        return outcomes

    def _attempt(self, jobs: list[Job]) -> list[Outcome]:
        """One durable commit. Raises BatchLost when nothing of it was kept."""
        batch = self._session.begin()
        try:
            outcomes = [self._outcome(batch.run, job) for job in jobs]
            durable = batch.commit()
        except CommitLost as broken:
            return self._settle(broken.xid, outcomes)
        except BaseException:
            self._session.drop()
            raise
        self._count(durable, len(jobs))
        return outcomes

    def _outcome(self, run: Callable[[Callable[[SqlTx], Any]], Any], job: Job) -> Outcome:
        if job.future.cancelled():  # since it was taken, and this is another try
            return Failed(Unavailable("nobody waits for this any more"))
        try:
            return Done(run(job.work))
        except BatchLost:
            raise
        except BaseException as error:  # noqa: BLE001  # carried to whoever waits
            return Failed(error)

    def _settle(self, xid: str, outcomes: list[Outcome]) -> list[Outcome]:
        try:
            if self._session.settle(xid):
                self._count(True, len(outcomes))
                return outcomes
        except CommitUnknown as unknown:
            return [Failed(unknown) for _ in outcomes]
        raise BatchLost(Unavailable("the store was lost before the commit"), again=True)

    def _count(self, durable: bool, transactions: int) -> None:
        self.statistics.commits += durable
        self.statistics.transactions += transactions


def _deliver(jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
    """Wake each event loop once for all that wait there: a call for each would cost more than the commit."""
    waiting = defaultdict(list)
    for job, outcome in zip(jobs, outcomes, strict=True):
        waiting[job.future.get_loop()].append((job.future, outcome))
    for loop, settled in waiting.items():
        try:
            loop.call_soon_threadsafe(_settle, settled)
        except RuntimeError:
            _log.warning("store.nobody_waits", transactions=len(settled))  # that loop has been closed


def _settle(settled: Sequence[tuple[asyncio.Future[Any], Outcome]]) -> None:
    for future, outcome in settled:
        if future.done():
            continue  # who waited has given up meanwhile
        match outcome:
            case Done(value):
                future.set_result(value)
            case Failed(StopIteration() as error):
                future.set_exception(RuntimeError(f"{error!r} in a transaction"))  # a future cannot hold it
            case Failed(error):
                future.set_exception(error)
