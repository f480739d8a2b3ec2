"""Running steps. A crash between two of them is mended by running them all again: each is as good as done when it was done."""

import asyncio
import itertools
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from interlock.connectors.aws.call import CallFailed, Calls
from interlock.connectors.aws.undo.compare import look, missing, present, same
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.names import fill, mentioned, named, pick, search
from interlock.connectors.aws.undo.plan import Check, Step
from interlock.model.errors import Rejected

ATTEMPTS = 600
"""How often a step is asked again until its answer is as wanted."""
T = TypeVar("T")

_BESIDE = 16
"""How many independent steps run side by side."""


class Ran(NamedTuple):
    """How many calls were made, and what stopped the rest."""

    made: int
    stopped: CallFailed | Rejected | None = None

    def well(self) -> None:
        """Raises what stopped it."""
        if self.stopped is not None:
            raise self.stopped


async def run(steps: Iterable[Step], calls: Here, saved: dict[str, Any]) -> Ran:
    """Run steps in order until one fails; what they save is added to `saved`. Raises Unavailable."""
    made = 0
    for batch in _batches(steps):
        try:
            made += sum(await beside(_one(step, calls, saved) for step in batch))
        except (CallFailed, Rejected) as error:
            return Ran(made, error)
    return Ran(made)


async def beside(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Do many things, some of them side by side; results are in order. Raises the first failure, when what runs beside it is
    through: a call that is broken off may have been made."""
    found: list[T] = []
    rest = iter(work)
    while batch := list(itertools.islice(rest, _BESIDE)):
        for result in await asyncio.gather(*batch, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
            found.append(result)
    return found


def _batches(steps: Iterable[Step]) -> Iterator[list[Step]]:
    """Independent neighbours together, but not with one whose answer they need."""
    batch: list[Step] = []
    for step in steps:
        if batch and (len(batch) == _BESIDE or not (batch[-1].independent and _beside(step, batch))):
            yield batch
            batch = []
        batch.append(step)
    if batch:
        yield batch


def _beside(step: Step, batch: Iterable[Step]) -> bool:
    unless = step.unless and (step.unless.parameters, step.unless.select, step.unless.before)
    needs = mentioned((step.parameters, step.wait_for, unless))
    return step.independent and needs.isdisjoint(name for each in batch for name in each.saves)


async def _one(step: Step, calls: Here, saved: dict[str, Any]) -> int:
    if step.unless is not None and await _holds(step.unless, calls, saved):
        return 0
    answer = await _ask(step, calls, saved)
    saved.update(pick(answer, step.saves))
    if step.wait:
        await calls.wait(step.service, step.wait, fill(step.wait_for, saved), region=step.region)
    return 1


async def _holds(check: Check, calls: Calls, saved: Mapping[str, Any]) -> bool:
    return same(named(check.before, saved), await look(check, calls, saved))


async def _ask(step: Step, calls: Here, saved: Mapping[str, Any]) -> dict[str, Any]:
    parameters = fill(step.parameters, saved)
    for attempt in range(ATTEMPTS):
        try:
            answer = await calls.ask(step.service, step.operation, parameters, region=step.region)
        except CallFailed as error:
            if (step.absent_ok and missing(error)) or (step.present_ok and present(error)):
                return {}
            raise
        if not step.until or search(step.until, answer):
            return answer
        await calls.pause(attempt)
    raise CallFailed("NotYet", 408)
