"""A small SQL client for Interlock's own statements, on an :class:`Upstream` (which does the I/O).

Statements go through the extended protocol: one statement each, parameters apart from the text, values in text format.
"""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from interlock.connectors.postgres.client.config import UpstreamConfig
from interlock.connectors.postgres.client.errors import SqlError, Stage, UpstreamError
from interlock.connectors.postgres.client.prepared import Kept
from interlock.connectors.postgres.client.result import (
    Collector,
    Param,
    Result,
    Statement,
    copy_payload,
    execution,
    pipelined,
)
from interlock.connectors.postgres.codec import CopyData, Frame, Framer, backend_limits, build, encode
from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.codec.backend import Column, CopyInResponse, CopyOutResponse
from interlock.connectors.postgres.queries import OUTDATED
from interlock.connectors.postgres.upstream import Upstream, open_upstream
from interlock.wire import ProtocolViolation

_Copy = type[CopyInResponse] | type[CopyOutResponse]


class SqlConnection:
    """One session, used by one task at a time.

    A statement that the server refuses raises :class:`SqlError`, and the session goes on. Anything else that ends a call
    early (a lost connection, a cancelled task, leaving :meth:`copy_out` before its end) ends the session too, because
    answers could no longer be told apart; the server rolls back.
    """

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._framer = Framer(backend_limits())
        self._kept = Kept()
        self._busy = False
        self.parameters = dict(upstream.parameters)
        self.status = "I"
        """``I`` idle, ``T`` in a transaction, ``E`` in a failed one."""

    @classmethod
    async def connect(
        cls,
        config: UpstreamConfig,
        startup_params: dict[str, str] | None = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  (see open_upstream)
    ) -> Self:
        """As :func:`open_upstream`."""
        return cls(await open_upstream(config, startup_params, timeout=timeout))

    @property
    def upstream(self) -> Upstream:
        """The connection underneath."""
        return self._upstream

    @property
    def is_lost(self) -> bool:
        """Whether the session has ended."""
        return self._upstream.is_lost

    async def query(self, sql: str, params: Sequence[Param] = ()) -> Result:
        """Run one statement with ``$1``, ``$2`` … as parameters."""
        (result,) = await self.pipeline([(sql, params)])
        return result

    async def pipeline(self, statements: Sequence[Statement]) -> list[Result]:
        """Run several statements in one round trip.

        Outside a transaction they are one: when one fails, those after it are skipped, those before it rolled back, and
        ``SqlError.statement`` says which it was.
        """
        with self._exclusively():
            self._upstream.write(pipelined(statements))
            return (await self._collect()).results

    async def each(self, statements: Sequence[Statement]) -> list[Result]:
        """Run several statements in one round trip, each a transaction of its own. What comes again is kept prepared.

        All of them run, whatever becomes of the others; then the first error is raised. The results have no ``columns``.
        """
        with self._exclusively():
            done = await self._each(statements)
            outdated = [n for n, answer in enumerate(done) if _outdated(answer)]
            if outdated:
                # They did not run, and have been forgotten.
                again = await self._each([statements[n] for n in outdated])
                for place, answer in zip(outdated, again, strict=True):
                    done[place] = answer
        for answer in done:
            answer.check()
        return [result for answer in done for result in answer.results]

    async def _each(self, statements: Sequence[Statement]) -> list[Collector]:
        asked = [self._kept.execution(statement) for statement in statements]
        self._upstream.write(b"".join([data for data, _ in asked]))
        done: list[Collector] = []
        collector = self._collector()
        while len(done) < len(asked):
            for frame in self._frames(await self._receive(collector)):
                self._take(collector, [frame])
                if collector.done:
                    done.append(collector)
                    collector = self._collector()
        self.status = done[-1].status if done else "I"
        for (sql, _), (_, fresh), answer in zip(statements, asked, done, strict=True):
            if answer.error is not None and (fresh or _outdated(answer)):
                self._kept.forget(sql)
        return done

    async def simple(self, sql: str) -> list[Result]:
        """Run ``sql``, which may be several statements, through the simple protocol."""
        with self._exclusively():
            self._upstream.write(encode(f.Query(sql)))
            return (await self._collect()).results

    async def stream(
        self, sql: str, params: Sequence[Param] = (), batch: int = 1000
    ) -> AsyncGenerator[Result, None]:
        """Run one statement and yield its rows, up to ``batch`` at a time; at least one result comes.

        Outside a transaction it opens one: committed at the end, rolled back when left before it. To leave early, close the
        iterator (``contextlib.aclosing``). Nothing else may be asked meanwhile.
        """
        if batch < 1:
            raise ValueError("a batch has at least one row")
        with self._exclusively():
            own = self.status == "I"
            finished = False
            try:
                self._upstream.write(
                    (execution("BEGIN") if own else b"") + execution(sql, params, batch) + build.SYNC
                )
                got = await self._collect()
                columns = got.results[-1].columns
                yield got.results[-1]
                while got.suspended:
                    got = await self._next_batch(columns, batch)
                    yield got.results[-1]
                finished = True
            finally:
                if own and self.status in ("T", "E") and not self.is_lost:
                    self._upstream.write(execution("COMMIT" if finished else "ROLLBACK") + build.SYNC)
                    await self._collect()

    async def _next_batch(self, columns: tuple[Column, ...], batch: int) -> Collector:
        self._upstream.write(encode(f.Execute("", batch)) + build.SYNC)
        return await self._collect(columns)

    async def copy_in(self, sql: str, chunks: Iterable[bytes] | AsyncIterable[bytes]) -> str:
        """Run ``COPY … FROM STDIN`` with ``chunks`` (cut anywhere) and return the command tag.

        When ``chunks`` raises, the COPY fails and the exception comes through.
        """
        with self._exclusively():
            collector = self._collector(copies=CopyInResponse)
            self._upstream.write(encode(f.Query(sql)))
            await self._until_copying(collector)
            try:
                await self._send_copy(chunks, collector)
            except UpstreamError:
                raise
            except Exception as error:
                # Names only the kind of the error: the text goes into the server's log.
                self._upstream.write(encode(f.CopyFail(f"the source failed: {type(error).__name__}")))
                await self._finish(collector)
                raise
            self._upstream.write(build.COPY_DONE)
            await self._finish(collector)
            collector.check()
            return collector.results[-1].command_tag

    async def _send_copy(self, chunks: Iterable[bytes] | AsyncIterable[bytes], collector: Collector) -> None:
        async for chunk in _each(chunks):
            self._upstream.write(encode(CopyData(chunk)))
            await self._upstream.drain()
            self._feed(collector, self._upstream.take())
            if collector.error is not None:
                return

    async def copy_out(self, sql: str) -> AsyncGenerator[bytes, None]:
        """Run ``COPY … TO STDOUT`` and yield its data as the server cuts it: in text format, row by row."""
        with self._exclusively():
            collector = self._collector(copies=CopyOutResponse)
            self._upstream.write(encode(f.Query(sql)))
            while not collector.done:
                for kind, message in self._frames(await self._receive(collector)):
                    data = copy_payload(kind, message)
                    if data is None:
                        collector.feed([(kind, message)])
                    else:
                        yield data
            self.status = collector.status
            collector.check()
            if not collector.copying:
                raise ValueError("the statement is not a COPY TO STDOUT")

    async def cancel(self) -> None:
        """Ask the server to cancel what this session does; may be called by another task. See :meth:`Upstream.cancel`."""
        await self._upstream.cancel()

    async def close(self) -> None:
        """End the session; an open transaction is rolled back."""
        await self._upstream.close()

    def abort(self) -> None:
        """End the session at once."""
        self._upstream.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- how

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        if self._busy:
            raise RuntimeError("this connection is being used by another call")
        self._busy = True
        try:
            yield
        except SqlError:
            raise
        except BaseException:
            if not self.status:
                self._upstream.abort()
            raise
        finally:
            self._busy = False

    def _collector(self, columns: tuple[Column, ...] = (), copies: _Copy | None = None) -> Collector:
        self.status = ""  # not known until the next ReadyForQuery
        return Collector(self.parameters, columns, copies)

    async def _collect(self, columns: tuple[Column, ...] = ()) -> Collector:
        """All answers up to ReadyForQuery; raises :class:`SqlError`."""
        collector = self._collector(columns)
        await self._finish(collector)
        collector.check()
        return collector

    async def _finish(self, collector: Collector) -> None:
        while not collector.done:
            self._feed(collector, await self._receive(collector))
        self.status = collector.status

    async def _until_copying(self, collector: Collector) -> None:
        while not collector.copying and not collector.done:
            self._feed(collector, await self._receive(collector))
        if collector.done:
            self.status = collector.status
            collector.check()
            raise ValueError("the statement is not a COPY FROM STDIN")

    async def _receive(self, collector: Collector) -> bytes:
        try:
            return await self._upstream.receive()
        except UpstreamError as lost:
            if collector.error is None:
                raise
            # The server said why before it went.
            raise UpstreamError(Stage.SESSION, collector.error.message, collector.error.sqlstate) from lost

    def _frames(self, data: bytes) -> list[tuple[int, bytes]]:
        try:
            return self._framer.feed(data)
        except ProtocolViolation as violation:
            raise UpstreamError(Stage.SESSION, str(violation), "08P01") from None

    def _feed(self, collector: Collector, data: bytes) -> None:
        self._take(collector, self._frames(data))

    def _take(self, collector: Collector, frames: Iterable[Frame]) -> None:
        try:
            collector.feed(frames)
        except ProtocolViolation as violation:
            raise UpstreamError(Stage.SESSION, str(violation), "08P01") from None


def _outdated(answer: Collector) -> bool:
    return answer.error is not None and answer.error.sqlstate == OUTDATED


async def _each(chunks: Iterable[bytes] | AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    if isinstance(chunks, AsyncIterable):
        async for chunk in chunks:
            yield chunk
    else:
        for chunk in chunks:
            yield chunk
