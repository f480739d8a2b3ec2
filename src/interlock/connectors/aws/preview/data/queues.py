"""SQS and SNS: messages that nobody has read are lost, subscriptions end, and what queues and topics keep (messages that are sent
and received: `messages`)."""

from collections.abc import Mapping
from typing import Any

from interlock.connectors.aws.preview.found import Effects, absent, emptied, items, lost, made, thing
from interlock.connectors.aws.preview.policy.compare import policy_change
from interlock.connectors.aws.preview.rows import rows
from interlock.connectors.aws.preview.settings.engine import Rule, compared
from interlock.connectors.aws.preview.survey import Survey
from interlock.model.effect import ChangeKind
from interlock.model.operation import Resource

_COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


def queue_of(survey: Survey, url: str) -> Resource:
    return survey.resource("sqs:queue", survey.arn("sqs", url.rstrip("/").rsplit("/", 1)[-1]))


async def attributes(survey: Survey, url: str) -> dict[str, str] | None:
    asked = {"QueueUrl": url, "AttributeNames": ["All"]}
    found = await survey.find("sqs", "GetQueueAttributes", asked)
    return None if found is None else dict(found.get("Attributes") or {})


def messages(found: Mapping[str, str]) -> int:
    return sum(int(found.get(name, "0")) for name in _COUNTS)


async def queue_emptied(survey: Survey, url: str, *, goes: bool) -> Effects:
    """All messages, and with `goes` the queue itself."""
    where = queue_of(survey, url)
    found = await attributes(survey, url)
    if found is None:
        return [absent(where)]
    detail = "messages, by the service's approximate count"
    if goes:
        return [lost(where), *emptied(where, messages(found), detail=detail)]
    # The count lags behind by up to a minute: a queue that seems empty may not be.
    return list(emptied(where, max(1, messages(found)), detail=detail))


async def _deleted(survey: Survey) -> Effects:
    return await queue_emptied(survey, survey.text("QueueUrl"), goes=True)


async def _purged(survey: Survey) -> Effects:
    return await queue_emptied(survey, survey.text("QueueUrl"), goes=False)


async def _created(survey: Survey) -> Effects:
    return [made(queue_of(survey, survey.text("QueueName")))]


async def _moved(survey: Survey) -> Effects:
    """StartMessageMoveTask: all messages of a dead-letter queue go elsewhere."""
    arn = survey.text("SourceArn")
    where = survey.resource("sqs:queue", arn)
    asked = {"QueueName": arn.rsplit(":", 1)[-1]}
    found = await survey.find("sqs", "GetQueueUrl", asked)
    told = await attributes(survey, found["QueueUrl"]) if found else None
    if told is None:
        return [absent(where)]
    count = messages(told)
    return [items(where, ChangeKind.MOVED, count, count, detail="messages sent on to another queue")]


_QUEUE = (
    Rule("MessageRetentionPeriod", "lower", "seconds that messages are kept"),
    Rule("VisibilityTimeout", "setting"),
    Rule("DelaySeconds", "setting"),
    Rule("ReceiveMessageWaitTimeSeconds", "setting"),
    Rule("MaximumMessageSize", "lower"),
    Rule("RedrivePolicy", "weakens", "where failed messages go"),
    Rule("RedriveAllowPolicy", "setting"),
    Rule("KmsMasterKeyId", "weakens", "key"),
    Rule("KmsDataKeyReusePeriodSeconds", "setting"),
    Rule("SqsManagedSseEnabled", "off", "encryption"),
    Rule("ContentBasedDeduplication", "setting"),
    Rule("DeduplicationScope", "setting"),
    Rule("FifoThroughputLimit", "setting"),
    Rule("Policy", "ignored"),
)
_HOW_TO_ADD = ("RedrivePolicy", "KmsMasterKeyId")
"""What weakens when it is changed or taken away, not when it is added."""


async def _queue_set(survey: Survey) -> Effects:
    url = survey.text("QueueUrl")
    where = queue_of(survey, url)
    found = await attributes(survey, url)
    if found is None:
        return [absent(where)]
    given = survey.parameters.get("Attributes") or {}
    return _attributes_set(survey, where, given, found, _QUEUE)


def _attributes_set(
    survey: Survey,
    where: Resource,
    given: Mapping[str, Any],
    found: Mapping[str, Any],
    rules: tuple[Rule, ...],
) -> Effects:
    fits = [
        Rule(rule.member, "setting", rule.label)
        if rule.member in _HOW_TO_ADD and not found.get(rule.member)
        else rule
        for rule in rules
    ]
    rest = {name: value for name, value in given.items() if name != "Policy"}
    effects = list(compared(survey, where, rest, found, fits)) if rest else []
    if "Policy" in given:
        effects += policy_change(survey, where, found.get("Policy"), given["Policy"])
    return effects


async def _topic(survey: Survey, arn: str) -> tuple[Resource, dict[str, str] | None]:
    found = await survey.find("sns", "GetTopicAttributes", {"TopicArn": arn})
    where = survey.resource("sns:topic", arn)
    return where, None if found is None else dict(found.get("Attributes") or {})


async def topic_lost(survey: Survey, arn: str) -> Effects:
    """A topic and its subscriptions."""
    where, found = await _topic(survey, arn)
    if found is None:
        return [absent(where)]
    asked = {"TopicArn": arn}
    listed, more = await survey.pages("sns", "ListSubscriptionsByTopic", asked, key="Subscriptions")
    return [lost(where), *emptied(where, len(listed), more=more, detail="subscriptions end")]


async def _topic_deleted(survey: Survey) -> Effects:
    return await topic_lost(survey, survey.text("TopicArn"))


_TOPIC = (
    Rule("DisplayName", "setting"),
    Rule("DeliveryPolicy", "setting"),
    Rule("KmsMasterKeyId", "weakens", "key"),
    Rule("TracingConfig", "setting"),
    Rule("SignatureVersion", "setting"),
    Rule("ContentBasedDeduplication", "setting"),
    Rule("FifoThroughputScope", "setting"),
    Rule("DataProtectionPolicy", "weakens"),
    Rule("ArchivePolicy", "weakens"),
)


async def _topic_set(survey: Survey) -> Effects:
    where, found = await _topic(survey, survey.text("TopicArn"))
    if found is None:
        return [absent(where)]
    given = {survey.text("AttributeName"): survey.parameters.get("AttributeValue", "")}
    return _attributes_set(survey, where, given, found, _TOPIC)


async def _unsubscribed(survey: Survey) -> Effects:
    arn = survey.text("SubscriptionArn")
    where = survey.resource("sns:topic", arn)
    found = await survey.find("sns", "GetSubscriptionAttributes", {"SubscriptionArn": arn})
    if found is None:
        return [absent(where)]
    asked = {"TopicArn": (found.get("Attributes") or {}).get("TopicArn", "")}
    listed, more = await survey.pages("sns", "ListSubscriptionsByTopic", asked, key="Subscriptions")
    topic = survey.resource("sns:topic", asked["TopicArn"])
    return [lost(where), items(topic, ChangeKind.DELETED, 1, max(1, len(listed)), more=more)]


async def _subscribed(survey: Survey) -> Effects:
    """What is sent to the topic goes to one more place: ours, or somebody else's."""
    topic = survey.resource("sns:topic", survey.text("TopicArn"))
    parts = str(survey.parameters.get("Endpoint") or "").split(":")
    ours = parts[0] == "arn" and len(parts) > 4 and parts[4] in survey.own
    if ours:
        return [items(topic, ChangeKind.CREATED, 1, detail="a subscription in this account")]
    protocol = survey.parameters.get("Protocol", "")
    return [thing(topic, ChangeKind.PERMISSION, f"messages go out of this account, by {protocol}")]


TABLE = {
    **rows(
        "sqs",
        "outage",
        DeleteQueue=_deleted,
        PurgeQueue=_purged,
        CreateQueue=_created,
        StartMessageMoveTask=_moved,
    ),
    **rows("sqs", "replace expiry guard exposure lockout", SetQueueAttributes=_queue_set),
    **rows("sns", DeleteTopic=_topic_deleted, Unsubscribe=_unsubscribed),
    **rows("sns", "exposure lockout", SetTopicAttributes=_topic_set),
    **rows("sns", "exposure", Subscribe=_subscribed),
}
