"""Driving a pipeline: perform what it commands, send back the reply or throw in the error."""

import asyncio
import inspect
import traceback
from collections.abc import Awaitable
from typing import Any, Generic, Protocol, TypeVar

import structlog

from interlock.model.errors import Halted, InterlockError, Rejected
from interlock.pipeline.commands import Command, Gone, Steps

R = TypeVar("R")
_log = structlog.get_logger(__name__)


class Performs(Protocol):
    """Performs commands: at once, or as an awaitable."""

    def perform(self, command: Command[Any]) -> Any | Awaitable[Any]: ...


class Drive(Generic[R]):
    """One run of one pipeline."""

    def __init__(self, steps: Steps[R], performer: Performs) -> None:
        self._steps, self._performer = steps, performer
        self._cut: Exception | None = None
        self._impatient: asyncio.Future[Any] | None = None

    def gone(self) -> None:
        """The client went away: what may be cut short is, what must be seen to its end goes on."""
        self.cut(Gone())

    def cut(self, why: Exception) -> None:
        """The same for another reason: `why` is thrown into the pipeline."""
        self._cut = self._cut or why
        if self._impatient is not None:
            self._impatient.cancel()

    async def run(self) -> R:
        """Run to the end and return what the pipeline returns."""
        reply: Any = None
        error: Exception | None = None
        while True:
            try:
                command = self._steps.send(reply) if error is None else self._steps.throw(error)
            except StopIteration as end:
                result: R = end.value
                return result
            reply = error = None
            try:
                reply = await self._perform(command)
            except Exception as met:  # noqa: BLE001  # the pipeline decides what an error means
                error = met
                if not isinstance(met, Gone | Rejected | Halted):  # the pipeline says why it refuses
                    log = _log.warning if isinstance(met, InterlockError) else _log.error
                    log("command.failed", command=type(command).__name__, **described(met))

    async def _perform(self, command: Command[Any]) -> Any:
        if command.PATIENT:
            found = self._performer.perform(command)
            return await found if inspect.isawaitable(found) else found
        if self._cut is not None:
            raise self._cut
        found = self._performer.perform(command)
        return await self._cut_short(found) if inspect.isawaitable(found) else found

    async def _cut_short(self, work: Awaitable[Any]) -> Any:
        self._impatient = asyncio.ensure_future(work)
        try:
            return await self._impatient
        except asyncio.CancelledError:
            if self._cut is not None:
                raise self._cut from None
            raise
        finally:
            self._impatient = None


def described(error: BaseException) -> dict[str, str]:
    """An error for the log: its class and where it was raised. Its text may quote statements, values or secrets."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    where = " < ".join(f"{f.name}:{f.lineno}" for f in reversed(frames))
    return {"error": type(error).__name__, "where": where}
