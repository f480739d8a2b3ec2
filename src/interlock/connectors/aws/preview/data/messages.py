"""Messages, events and records: sent, received, and done with.

A message that was received and is deleted by its receipt handle is one that its consumer is done with: how many others wait tells
nothing of it, so that no share of the queue is counted. PurgeQueue and DeleteQueue (`queues`) lose what nobody has read.
"""

from collections import Counter
from typing import Any

from interlock.connectors.aws.preview.data.queues import attributes, queue_of
from interlock.connectors.aws.preview.found import Effects, absent
from interlock.connectors.aws.preview.rows import Describer, rows
from interlock.connectors.aws.preview.survey import Survey
from interlock.model.effect import ChangeKind, Effect, Evidence, Unit
from interlock.model.operation import Resource

_BUS = "event-bus/"
_WAITING = "ApproximateNumberOfMessages"


def messages(
    where: Resource, change: ChangeKind, count: int, detail: str = "", evidence: Evidence = Evidence.PLANNED
) -> Effect:
    """So many messages. How many are sent, or done with, stands in the call itself."""
    return Effect(where, change, count, Unit.MESSAGES, evidence, detail=detail)


async def _sent(survey: Survey) -> Effects:
    """SendMessage, SendMessageBatch."""
    count = _entries(survey, "Entries")
    return [messages(queue_of(survey, survey.text("QueueUrl")), ChangeKind.CREATED, count)]


async def _done_with(survey: Survey) -> Effects:
    """DeleteMessage, DeleteMessageBatch."""
    url = survey.text("QueueUrl")
    where = queue_of(survey, url)
    if await attributes(survey, url) is None:
        return [absent(where)]
    count = _entries(survey, "Entries")
    return [messages(where, ChangeKind.DELETED, count, "received, and taken from the queue for good")]


async def _received(survey: Survey) -> Effects:
    """ReceiveMessage: others don't see them for a while; with a redrive policy they may go to the dead letters instead."""
    url = survey.text("QueueUrl")
    where = queue_of(survey, url)
    found = await attributes(survey, url)
    if found is None:
        return [absent(where)]
    seconds = survey.parameters.get("VisibilityTimeout", found.get("VisibilityTimeout", "30"))
    if "RedrivePolicy" in found:
        survey.note("A message that was received too often goes to the dead letters.")
    wanted, waiting = survey.parameters.get("MaxNumberOfMessages", 1), int(found.get(_WAITING, "0"))
    # The service's count lags, and more may come while the call waits: what is received is hidden, and nothing of it lost.
    count = max(1, min(wanted, waiting))
    detail = f"others don't see them for {seconds} s"
    return [messages(where, ChangeKind.UPDATED, count, detail, Evidence.PREDICTED)]


async def _shown_again(survey: Survey) -> Effects:
    """ChangeMessageVisibility, ChangeMessageVisibilityBatch."""
    count = _entries(survey, "Entries")
    where = queue_of(survey, survey.text("QueueUrl"))
    return [messages(where, ChangeKind.UPDATED, count, "when others see them again")]


async def _published(survey: Survey) -> Effects:
    """Publish, PublishBatch: to all that subscribe to a topic. To a person or a device they are counted as what they are."""
    if survey.parameters.get("PhoneNumber") or survey.parameters.get("TargetArn"):
        return []  # the reviewed table has a word for it
    where = survey.resource("sns:topic", survey.text("TopicArn"))
    return [messages(where, ChangeKind.CREATED, _entries(survey, "PublishBatchRequestEntries"))]


async def _events(survey: Survey) -> Effects:
    """PutEvents: an entry names its bus, or it is the account's own."""
    entries: list[Any] = survey.parameters.get("Entries") or []
    count = Counter(str(one.get("EventBusName") or "default") for one in entries)
    return [messages(_bus(survey, name), ChangeKind.CREATED, many) for name, many in sorted(count.items())]


def _bus(survey: Survey, name: str) -> Resource:
    arn = name if name.startswith("arn:") else survey.arn("events", f"{_BUS}{name}")
    return survey.resource("events:event-bus", arn)


def _records(kind: str, rest: str) -> Describer:
    """Records of a stream."""

    async def describer(survey: Survey) -> Effects:
        where = survey.about(kind, rest)
        return [messages(where, ChangeKind.CREATED, _entries(survey, "Records"), "records")]

    return describer


def _entries(survey: Survey, name: str) -> int:
    """How many are in the list of that name; one where the call has no list."""
    return len(survey.parameters.get(name) or [None])


_STREAM = _records("kinesis:stream", "stream/{StreamName|StreamARN}")
_DELIVERY = _records("firehose:deliverystream", "deliverystream/{DeliveryStreamName}")

TABLE = {
    **rows("sqs", SendMessage=_sent, SendMessageBatch=_sent, ReceiveMessage=_received),
    **rows("sqs", DeleteMessage=_done_with, DeleteMessageBatch=_done_with),
    **rows("sqs", ChangeMessageVisibility=_shown_again, ChangeMessageVisibilityBatch=_shown_again),
    **rows("sns", Publish=_published, PublishBatch=_published),
    **rows("events", PutEvents=_events),
    **rows("kinesis", PutRecord=_STREAM, PutRecords=_STREAM),
    **rows("firehose", PutRecord=_DELIVERY, PutRecordBatch=_DELIVERY),
}
