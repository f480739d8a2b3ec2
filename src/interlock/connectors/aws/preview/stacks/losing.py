"""What is lost with a resource of a stack, by its type and physical id: as if it were deleted by a call of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from msgspec import structs

from interlock.connectors.aws.call import CallFailed
from interlock.connectors.aws.preview.data.buckets import bucket_lost
from interlock.connectors.aws.preview.data.queues import queue_emptied, topic_lost
from interlock.connectors.aws.preview.data.tables import table_lost
from interlock.connectors.aws.preview.estate.instances import instance_lost, service_lost
from interlock.connectors.aws.preview.found import Effects, lost, unknown
from interlock.connectors.aws.preview.hanging import identity, network, services
from interlock.connectors.aws.preview.hanging.engine import Going, resource_lost
from interlock.connectors.aws.preview.stacks.types import is_code, resource_of, type_of
from interlock.connectors.aws.preview.survey import Survey, Unsure
from interlock.model.effect import Effect, Unit

_TOGETHER = 8
"""How many resources are asked about at the same time."""


async def _queue(survey: Survey, url: str) -> Effects:
    return await queue_emptied(survey, url, goes=True)


_SPECIAL: Mapping[str, Callable[[Survey, str], Awaitable[Effects]]] = {
    "AWS::DynamoDB::Table": table_lost,
    "AWS::DynamoDB::GlobalTable": table_lost,
    "AWS::S3::Bucket": bucket_lost,
    "AWS::SQS::Queue": _queue,
    "AWS::SNS::Topic": topic_lost,
    "AWS::EC2::Instance": instance_lost,
    "AWS::ECS::Service": service_lost,
}
_GOING: Mapping[str, Going] = {
    going.type: going
    for family in (identity.ALL, network.ALL, services.ALL)
    for going in family
    if going.type
}


async def type_lost(survey: Survey, type_name: str, physical: str, stack: str = "") -> Effects:
    """Effects of the deletion of one resource. What can't be looked up is unknown, and the others are looked up all the same."""
    where = resource_of(survey, type_name, physical, stack)
    try:
        effects = await _lost(survey, type_name, physical, stack)
    except CallFailed as failed:
        effects = [unknown(where, f"the account could not be asked: {failed.code}")]
    except Unsure as unsure:
        effects = [unknown(where, str(unsure))]
    return [_in_stack(effect, stack) for effect in effects]


async def _lost(survey: Survey, type_name: str, physical: str, stack: str) -> Effects:
    where = resource_of(survey, type_name, physical, stack)
    if special := _SPECIAL.get(type_name):
        return await special(survey, physical)
    if going := _GOING.get(type_name):
        return await resource_lost(survey, going, physical)
    if is_code(type_name):
        return [unknown(where, "a custom resource: its code runs when it is deleted")]
    rule = type_of(type_name)
    holds = f"with {rule.holds}, which could not be counted" if rule and rule.holds else ""
    return [lost(where, holds or ("" if rule else f"a {type_name}"))]


def _in_stack(effect: Effect, stack: str) -> Effect:
    if effect.resource.group or not stack:
        return effect
    return structs.replace(effect, resource=structs.replace(effect.resource, group=stack))


async def all_of(survey: Survey, jobs: Iterable[Callable[[Survey], Awaitable[Effects]]]) -> Effects:
    """Several at a time, each with a notebook of its own, put together in order: so that the same stack gives the same answer."""
    waiting = list(jobs)
    effects: list[Effect] = []
    for start in range(0, len(waiting), _TOGETHER):
        part = waiting[start : start + _TOGETHER]
        books = [Survey(survey.what, survey.calls, survey.seen, tuple(survey.own)) for _ in part]
        asked = (job(book) for job, book in zip(part, books, strict=True))
        # All are waited for, so that none goes on asking after an error is raised.
        for book, found in zip(books, await asyncio.gather(*asked, return_exceptions=True), strict=True):
            if isinstance(found, BaseException):
                raise found
            _take_over(survey, book)
            effects += found
    return effects


def _take_over(survey: Survey, book: Survey) -> None:
    for note in book.notes:
        survey.note(note)
    survey.settings += book.settings
    survey.state |= book.state


def whole(effects: Sequence[Effect]) -> int:
    """How many resources as a whole are in it."""
    return sum(effect.count for effect in effects if effect.unit is Unit.OBJECTS)
