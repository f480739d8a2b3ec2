"""SNS: topics, subscriptions, their attributes."""

from collections.abc import Mapping
from typing import Any

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.undo.data.common import final, literal, nothing, read, some, step, undone, watch
from interlock.connectors.aws.undo.data.settings import Final, Setting
from interlock.connectors.aws.undo.data.tags import Tags
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Check, Plan, Step
from interlock.connectors.aws.undo.registry import Row, rows_of

_TOPIC = (
    "DisplayName Policy DeliveryPolicy KmsMasterKeyId FifoTopic ContentBasedDeduplication SignatureVersion TracingConfig"
    " ArchivePolicy FifoThroughputScope"
)
_SUBSCRIPTION = (
    "RawMessageDelivery FilterPolicy FilterPolicyScope RedrivePolicy DeliveryPolicy SubscriptionRoleArn"
)
_AT_ONCE = ("sqs", "lambda", "firehose", "application")
"""Protocols whose subscriptions nobody need confirm, within one account."""
_MOST = 1_000


def _arn(calls: Here, name: str) -> str:
    return f"arn:{calls.partition}:sns:{calls.region}:{calls.account}:{name}"


async def create(call: Call, calls: Here, nonce: str) -> Plan:
    """CreateTopic: asked again it changes nothing."""
    arn = _arn(calls, call.parameters["Name"])
    what = f"the subscriptions of topic {call.parameters['Name']}"
    asked = {"TopicArn": arn}
    if await read(calls, "sns", "GetTopicAttributes", asked) is not None:
        return Plan("full")
    gone = step("sns", "DeleteTopic", asked, absent_ok=True)
    check = Check(what, "sns", "GetTopicAttributes", asked, f"Attributes.[{_COUNT}]", before=None)
    return undone(check, gone)


_COUNT = "SubscriptionsConfirmed, SubscriptionsPending"


async def delete(call: Call, calls: Here, nonce: str) -> Plan:
    """DeleteTopic."""
    arn = call.parameters["TopicArn"]
    attributes = await read(calls, "sns", "GetTopicAttributes", {"TopicArn": arn}, "Attributes")
    if attributes is None:
        return nothing()
    tags = await read(calls, "sns", "ListTagsForResource", {"ResourceArn": arn}, "Tags") or []
    name = arn.rsplit(":", 1)[-1]
    kept = _given(attributes, _TOPIC)
    again = {"Name": name, "Attributes": kept, **({"Tags": tags} if tags else {})}
    asked = {"TopicArn": arn}
    select = f"Attributes.[{_TOPIC.replace(' ', ', ')}]"
    _, check = await watch(calls, f"topic {name}", "sns", "GetTopicAttributes", asked, select, after=None)
    found, more = await calls.pages(
        "sns", "ListSubscriptionsByTopic", asked, key="Subscriptions", limit=_MOST
    )
    if more:
        return final("it has more subscriptions than are kept", "unsubscribe them first")
    steps = [await _resubscribe(calls, each, known=False) for each in found]
    counted = await watch(
        calls,
        f"the subscriptions of topic {name}",
        "sns",
        "ListSubscriptionsByTopic",
        asked,
        _ENDPOINTS,
        after=None,
    )
    checks = (check, counted[1]) if steps else (check,)
    caveats = _confirmed([each["Protocol"] for each in found]) if found else ()
    return undone(
        checks, step("sns", "CreateTopic", again), *steps, kind="new_id" if found else "full", caveats=caveats
    )


_ENDPOINTS = "sort(Subscriptions[].join(' ', [Protocol, Endpoint]))"


def _given(attributes: Mapping[str, str], names: str) -> dict[str, str]:
    found = {name: value for name, value in some(attributes, names).items() if value != ""}
    return {name: value for name, value in found.items() if (name, value) != ("FifoTopic", "false")}


def _confirmed(protocols: list[str]) -> tuple[str, ...]:
    again = "subscriptions come back under new ARNs"
    if all(protocol in _AT_ONCE for protocol in protocols):
        return (again,)
    return (again, "who gets e-mail, text messages or web calls must confirm them again")


async def _resubscribe(calls: Here, each: Mapping[str, str], *, known: bool) -> Step:
    arn = each["SubscriptionArn"]
    kept: dict[str, str] = {}
    if arn.startswith("arn:"):  # not one that waits to be confirmed
        asked = {"SubscriptionArn": arn}
        kept = await read(calls, "sns", "GetSubscriptionAttributes", asked, "Attributes") or {}
    given = some(each, "TopicArn Protocol Endpoint")
    attributes = _given(kept, _SUBSCRIPTION)
    return step("sns", "Subscribe", {**given, **({"Attributes": attributes} if attributes else {})})


async def subscribe(call: Call, calls: Here, nonce: str) -> Plan:
    """Subscribe."""
    topic, protocol = call.parameters["TopicArn"], call.parameters["Protocol"]
    asked = {"TopicArn": topic}
    found, more = await calls.pages(
        "sns", "ListSubscriptionsByTopic", asked, key="Subscriptions", limit=_MOST
    )
    same = [
        each
        for each in found
        if (each["Protocol"], each["Endpoint"]) == (protocol, call.parameters.get("Endpoint"))
    ]
    if same or more:
        return Plan("full") if same else final("it has more subscriptions than are read")
    gone = Step("sns", "Unsubscribe", {"SubscriptionArn": "${subscription}"}, absent_ok=True)
    caveats = () if protocol in _AT_ONCE else ("it can be taken back once it is confirmed",)
    check = Check(
        "the subscription",
        "sns",
        "GetSubscriptionAttributes",
        {"SubscriptionArn": "${subscription}"},
        f"Attributes.[{_SUBSCRIPTION.replace(' ', ', ')}]",
    )
    kind = "new_id" if caveats else "full"
    return Plan(
        kind,
        (),
        (gone,),
        (check,) if not caveats else (),
        {"subscription": "SubscriptionArn"},
        caveats=caveats,
    )


async def unsubscribe(call: Call, calls: Here, nonce: str) -> Plan:
    """Unsubscribe."""
    asked = {"SubscriptionArn": call.parameters["SubscriptionArn"]}
    old = await read(calls, "sns", "GetSubscriptionAttributes", asked, "Attributes")
    if old is None:
        return nothing()
    topic = {"TopicArn": old["TopicArn"]}
    what = f"the subscriptions of topic {old['TopicArn'].rsplit(':', 1)[-1]}"
    _, check = await watch(calls, what, "sns", "ListSubscriptionsByTopic", topic, _ENDPOINTS)
    back = await _resubscribe(calls, old, known=True)
    return undone(check, back, kind="new_id", caveats=_confirmed([old["Protocol"]]))


async def attribute(call: Call, calls: Here, nonce: str) -> Plan:
    """SetTopicAttributes, SetSubscriptionAttributes: one at a time."""
    name = call.parameters["AttributeName"]
    if call.operation == "SetTopicAttributes":
        return await _attribute(calls, "topic", {"TopicArn": call.parameters["TopicArn"]}, name)
    return await _attribute(
        calls, "subscription", {"SubscriptionArn": call.parameters["SubscriptionArn"]}, name
    )


async def permission(call: Call, calls: Here, nonce: str) -> Plan:
    """AddPermission, RemovePermission: statements of the policy."""
    return await _attribute(calls, "topic", {"TopicArn": call.parameters["TopicArn"]}, "Policy")


async def _attribute(calls: Here, kind: str, key: Mapping[str, str], name: str) -> Plan:
    title = kind.capitalize()
    what = f"{name} of {kind} {next(iter(key.values())).rsplit(':', 1)[-1]}"
    old, check = await watch(calls, what, "sns", f"Get{title}Attributes", key, f"Attributes.{name}")
    # An empty value takes an attribute away; a filter that is empty lets everything pass.
    none = "{}" if name == "FilterPolicy" else ""
    value: Any = old if old is not None else none
    back = {**key, "AttributeName": name, "AttributeValue": value}
    return undone(check, Step("sns", f"Set{title}Attributes", literal(back)))


_TAGS = Tags(
    "sns", "ResourceArn", "ListTagsForResource", "Tags", "TagResource", "Tags", "UntagResource", "TagKeys"
)
_PROTECTION = Setting(
    "sns",
    "the data protection policy of {}",
    "ResourceArn",
    "GetDataProtectionPolicy",
    "PutDataProtectionPolicy",
    "DataProtectionPolicy",
    "DataProtectionPolicy",
    empty="",
)
_SENT = Final("a message that was published has been delivered")

ROWS: tuple[Row, ...] = (
    *rows_of("sns", "CreateTopic", create, "full", "deleted, if nobody subscribed since"),
    *rows_of(
        "sns",
        "DeleteTopic",
        delete,
        "new_id",
        "made again with attributes, tags and subscriptions, under the same ARN",
    ),
    *rows_of("sns", "Subscribe", subscribe, "full", "unsubscribed"),
    *rows_of(
        "sns", "Unsubscribe", unsubscribe, "new_id", "subscribed again with its attributes, under a new ARN"
    ),
    *rows_of("sns", "SetTopicAttributes SetSubscriptionAttributes", attribute, "full", "put as it was"),
    *rows_of("sns", "AddPermission RemovePermission", permission, "full", "the policy is put as it was"),
    *rows_of("sns", "TagResource UntagResource", _TAGS.plan, "full", "put as they were"),
    *rows_of("sns", "PutDataProtectionPolicy", _PROTECTION.plan, "full", "put as it was"),
    *rows_of("sns", "Publish PublishBatch", _SENT.plan, "none", "messages have been delivered"),
)
