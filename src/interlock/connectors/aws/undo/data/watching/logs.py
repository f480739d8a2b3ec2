"""CloudWatch Logs: groups, their settings, filters. Events that are gone are gone."""

from collections.abc import Mapping
from typing import Any

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.undo.data.common import filled, final, nothing, read, some, step, undone, watch
from interlock.connectors.aws.undo.data.settings import Final, Made
from interlock.connectors.aws.undo.data.tags import Tags
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Plan
from interlock.connectors.aws.undo.registry import Row, rows_of

_EXPIRED = "events that expired meanwhile are gone"
_UNSENT = "events of the meantime are not sent again"


def _group(name: str, member: str = "") -> str:
    """One group (or a member of it) among those whose names begin alike."""
    quoted = name.replace("'", "\\'")
    return f"logGroups[?logGroupName == '{quoted}']|[0]{member and '.'}{member}"


async def group(call: Call, calls: Here, nonce: str) -> Plan:
    """PutRetentionPolicy, DeleteRetentionPolicy, AssociateKmsKey, DisassociateKmsKey."""
    name = call.parameters["logGroupName"]
    asked = {"logGroupNamePrefix": name}
    if "Kms" in call.operation:
        what, member = f"the key of log group {name}", "kmsKeyId"
        put, delete = "AssociateKmsKey", "DisassociateKmsKey"
    else:
        what, member = f"the retention of log group {name}", "retentionInDays"
        put, delete = "PutRetentionPolicy", "DeleteRetentionPolicy"
    old, check = await watch(calls, what, "logs", "DescribeLogGroups", asked, _group(name, member))
    key = {"logGroupName": name}
    caveats = (_EXPIRED,) if member == "retentionInDays" else ()
    if old is None:
        return undone(check, step("logs", delete, key), caveats=caveats)
    return undone(check, step("logs", put, {**key, member: old}), caveats=caveats)


async def create(call: Call, calls: Here, nonce: str) -> Plan:
    """CreateLogGroup."""
    name = call.parameters["logGroupName"]
    asked = {"logGroupName": name, "limit": 1}
    there = await read(
        calls, "logs", "DescribeLogGroups", {"logGroupNamePrefix": name}, _group(name, "logGroupName")
    )
    if there:
        return Plan("full")
    _, check = await watch(
        calls, f"the streams of log group {name}", "logs", "DescribeLogStreams", asked, "length(logStreams)"
    )
    return undone(check, step("logs", "DeleteLogGroup", {"logGroupName": name}, absent_ok=True))


async def delete(call: Call, calls: Here, nonce: str) -> Plan:
    """DeleteLogGroup: only a group without streams comes back."""
    name = call.parameters["logGroupName"]
    asked = {"logGroupName": name, "limit": 1}
    if await read(calls, "logs", "DescribeLogStreams", asked, "logStreams"):
        return final("its events are gone", "PutRetentionPolicy, or an export before it is deleted")
    found = await read(calls, "logs", "DescribeLogGroups", {"logGroupNamePrefix": name}, _group(name))
    if not found:
        return nothing()
    return await _again(calls, name, found)


async def _again(calls: Here, name: str, found: Mapping[str, Any]) -> Plan:
    key = {"logGroupName": name}
    tags = await read(calls, "logs", "ListTagsLogGroup", key, "tags")
    made = {**key, **some(found, "kmsKeyId logGroupClass"), **({"tags": tags} if tags else {})}
    steps = [step("logs", "CreateLogGroup", made, present_ok=True)]
    if found.get("retentionInDays"):
        steps.append(step("logs", "PutRetentionPolicy", {**key, **some(found, "retentionInDays")}))
    for filter_ in await read(calls, "logs", "DescribeMetricFilters", key, "metricFilters") or []:
        steps.append(step("logs", "PutMetricFilter", some(filter_, _METRIC)))
    for filter_ in await read(calls, "logs", "DescribeSubscriptionFilters", key, "subscriptionFilters") or []:
        steps.append(step("logs", "PutSubscriptionFilter", some(filter_, _SUBSCRIPTION)))
    select = _group(name, "[logGroupName, retentionInDays]")
    _, check = await watch(
        calls,
        f"log group {name}",
        "logs",
        "DescribeLogGroups",
        {"logGroupNamePrefix": name},
        select,
        after=None,
    )
    return undone(check, *steps, caveats=(_UNSENT,))


_METRIC = "logGroupName filterName filterPattern metricTransformations applyOnTransformedLogs"
_SUBSCRIPTION = "logGroupName filterName filterPattern destinationArn roleArn distribution"


async def metric_filter(call: Call, calls: Here, nonce: str) -> Plan:
    """PutMetricFilter, DeleteMetricFilter."""
    return await _filter(call, calls, "Metric", _METRIC)


async def subscription_filter(call: Call, calls: Here, nonce: str) -> Plan:
    """PutSubscriptionFilter, DeleteSubscriptionFilter."""
    return await _filter(call, calls, "Subscription", _SUBSCRIPTION)


async def _filter(call: Call, calls: Here, title: str, members: str) -> Plan:
    key = some(call.parameters, "logGroupName filterName")
    quoted = key["filterName"].replace("'", "\\'")
    shape = ", ".join(f"{name}: {name}" for name in members.split())
    select = f"{title.lower()}Filters[?filterName == '{quoted}']|[0].{{{shape}}}"
    asked = {"logGroupName": key["logGroupName"], "filterNamePrefix": key["filterName"]}
    what = f"the {title.lower()} filter of log group {key['logGroupName']}"
    old, check = await watch(calls, what, "logs", f"Describe{title}Filters", asked, select)
    if old is None:
        return undone(check, step("logs", f"Delete{title}Filter", key, absent_ok=True), caveats=(_UNSENT,))
    return undone(check, step("logs", f"Put{title}Filter", filled(old)), caveats=(_UNSENT,))


async def policy(call: Call, calls: Here, nonce: str) -> Plan:
    """PutResourcePolicy, DeleteResourcePolicy (of the region)."""
    name = call.parameters["policyName"]
    quoted = name.replace("'", "\\'")
    select = f"resourcePolicies[?policyName == '{quoted}']|[0].policyDocument"
    old, check = await watch(calls, f"the log policy {name}", "logs", "DescribeResourcePolicies", {}, select)
    key = {"policyName": name}
    if old is None:
        return undone(check, step("logs", "DeleteResourcePolicy", key, absent_ok=True))
    return undone(check, step("logs", "PutResourcePolicy", {**key, "policyDocument": old}))


_STREAM = Made(
    "logs", "", "DeleteLogStream", (("logGroupName", "logGroupName"), ("logStreamName", "logStreamName"))
)
_TAGS = Tags(
    "logs",
    "logGroupName",
    "ListTagsLogGroup",
    "tags",
    "TagLogGroup",
    "tags",
    "UntagLogGroup",
    "tags",
    name="",
)
_TAGS_BY_ARN = Tags(
    "logs",
    "resourceArn",
    "ListTagsForResource",
    "tags",
    "TagResource",
    "tags",
    "UntagResource",
    "tagKeys",
    name="",
)
_STREAM_GONE = Final("its events are gone", "let them expire by retention")
_WRITTEN = Final("events that were written cannot be taken out of a log")

ROWS: tuple[Row, ...] = (
    *rows_of(
        "logs",
        "PutRetentionPolicy DeleteRetentionPolicy AssociateKmsKey DisassociateKmsKey",
        group,
        "full",
        "put as it was; what expired is gone",
    ),
    *rows_of("logs", "CreateLogGroup", create, "full", "deleted, if nothing was logged since"),
    *rows_of(
        "logs",
        "DeleteLogGroup",
        delete,
        "full",
        "made again with settings and filters if it has no streams; else nothing",
    ),
    *rows_of("logs", "CreateLogStream", _STREAM.plan, "full", "deleted"),
    *rows_of("logs", "DeleteLogStream", _STREAM_GONE.plan, "none", "its events are gone"),
    *rows_of("logs", "PutLogEvents", _WRITTEN.plan, "none", "events stay"),
    *rows_of(
        "logs", "PutMetricFilter DeleteMetricFilter", metric_filter, "full", "put as it was, or deleted"
    ),
    *rows_of(
        "logs",
        "PutSubscriptionFilter DeleteSubscriptionFilter",
        subscription_filter,
        "full",
        "put as it was, or deleted",
    ),
    *rows_of("logs", "PutResourcePolicy DeleteResourcePolicy", policy, "full", "put as it was, or deleted"),
    *rows_of("logs", "TagLogGroup UntagLogGroup", _TAGS.plan, "full", "put as they were"),
    *rows_of("logs", "TagResource UntagResource", _TAGS_BY_ARN.plan, "full", "put as they were"),
)
