"""CloudTrail: what is not recorded meanwhile is never recorded."""

from collections.abc import Mapping
from typing import Any

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.undo.data.common import filled, nothing, read, some, step, undone, watch
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Check, Plan, Step
from interlock.connectors.aws.undo.registry import Row, rows_of

_BLIND = "calls of the meantime are not in the trail"
_TRAIL = (
    "Name S3BucketName S3KeyPrefix SnsTopicName IncludeGlobalServiceEvents IsMultiRegionTrail EnableLogFileValidation"
    " CloudWatchLogsLogGroupArn CloudWatchLogsRoleArn KmsKeyId IsOrganizationTrail"
)


async def logging(call: Call, calls: Here, nonce: str) -> Plan:
    """StopLogging, StartLogging."""
    key = some(call.parameters, "Name")
    on, check = await watch(
        calls, f"the logging of trail {key['Name']}", "cloudtrail", "GetTrailStatus", key, "IsLogging"
    )
    return undone(check, step("cloudtrail", "StartLogging" if on else "StopLogging", key), caveats=(_BLIND,))


def _parameters(trail: Mapping[str, Any]) -> dict[str, Any]:
    """A trail's description as CreateTrail and UpdateTrail take it."""
    given = filled(some({**trail, "EnableLogFileValidation": trail.get("LogFileValidationEnabled")}, _TRAIL))
    return {**given, **some({"SnsTopicName": trail.get("SnsTopicName")}, "SnsTopicName")}


def _shape() -> str:
    return (
        f"Trail.[{_TRAIL.replace('EnableLogFileValidation', 'LogFileValidationEnabled').replace(' ', ', ')}]"
    )


async def update(call: Call, calls: Here, nonce: str) -> Plan:
    """UpdateTrail."""
    key = some(call.parameters, "Name")
    _, check = await watch(
        calls, f"the settings of trail {key['Name']}", "cloudtrail", "GetTrail", key, _shape()
    )
    trail = await read(calls, "cloudtrail", "GetTrail", key, "Trail") or {}
    empty = {
        "S3KeyPrefix": "",
        "SnsTopicName": "",
        "CloudWatchLogsLogGroupArn": "",
        "CloudWatchLogsRoleArn": "",
        "KmsKeyId": "",
    }
    missing = {name: value for name, value in empty.items() if name in call.parameters}
    return undone(
        check, step("cloudtrail", "UpdateTrail", {**missing, **_parameters(trail)}), caveats=(_BLIND,)
    )


async def create(call: Call, calls: Here, nonce: str) -> Plan:
    """CreateTrail."""
    key = some(call.parameters, "Name")
    there, check = await watch(calls, f"trail {key['Name']}", "cloudtrail", "GetTrail", key, "Trail.Name")
    if there:
        return Plan("full")
    return undone(check, step("cloudtrail", "DeleteTrail", key, absent_ok=True))


async def delete(call: Call, calls: Here, nonce: str) -> Plan:
    """DeleteTrail."""
    key = some(call.parameters, "Name")
    trail = await read(calls, "cloudtrail", "GetTrail", key, "Trail")
    if trail is None:
        return nothing()
    name = {"Name": trail["Name"]}
    asked = {"ResourceIdList": [trail["TrailARN"]]}
    tags = await read(calls, "cloudtrail", "ListTags", asked, "ResourceTagList[0].TagsList") or []
    steps = [
        step(
            "cloudtrail",
            "CreateTrail",
            {**_parameters(trail), **({"TagsList": tags} if tags else {})},
            present_ok=True,
            unless=Check("", "cloudtrail", "GetTrail", name, "Trail.Name", before=trail["Name"]),
        )
    ]
    steps += [*await _selectors(calls, name), *await _insights(calls, name)]
    on, logging_check = await watch(
        calls,
        f"the logging of trail {trail['Name']}",
        "cloudtrail",
        "GetTrailStatus",
        key,
        "IsLogging",
        after=None,
    )
    if on:
        steps.append(step("cloudtrail", "StartLogging", name))
    _, check = await watch(
        calls, f"trail {trail['Name']}", "cloudtrail", "GetTrail", key, "Trail.Name", after=None
    )
    return undone((check, logging_check), *steps, caveats=(_BLIND,))


async def _selectors(calls: Here, name: Mapping[str, Any]) -> list[Step]:
    found = await read(calls, "cloudtrail", "GetEventSelectors", {"TrailName": name["Name"]}) or {}
    given = filled(some(found, "EventSelectors AdvancedEventSelectors"))
    return [step("cloudtrail", "PutEventSelectors", {"TrailName": name["Name"], **given})] if given else []


async def _insights(calls: Here, name: Mapping[str, Any]) -> list[Step]:
    asked = {"TrailName": name["Name"]}
    found = await read(calls, "cloudtrail", "GetInsightSelectors", asked, "InsightSelectors")
    return [step("cloudtrail", "PutInsightSelectors", {**asked, "InsightSelectors": found})] if found else []


async def selectors(call: Call, calls: Here, nonce: str) -> Plan:
    """PutEventSelectors."""
    key = some(call.parameters, "TrailName")
    what = f"the selectors of trail {key['TrailName']}"
    select = "{EventSelectors: EventSelectors, AdvancedEventSelectors: AdvancedEventSelectors}"
    old, check = await watch(calls, what, "cloudtrail", "GetEventSelectors", key, select)
    given = filled(old or {}) or {
        "EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True}]
    }
    return undone(check, step("cloudtrail", "PutEventSelectors", {**key, **given}), caveats=(_BLIND,))


async def insights(call: Call, calls: Here, nonce: str) -> Plan:
    """PutInsightSelectors."""
    key = some(call.parameters, "TrailName")
    what = f"the insights of trail {key['TrailName']}"
    old, check = await watch(calls, what, "cloudtrail", "GetInsightSelectors", key, "InsightSelectors")
    return undone(check, step("cloudtrail", "PutInsightSelectors", {**key, "InsightSelectors": old or []}))


async def tags(call: Call, calls: Here, nonce: str) -> Plan:
    """AddTags, RemoveTags: these list their tags for several trails at once."""
    trail = call.parameters["ResourceId"]
    asked, select = {"ResourceIdList": [trail]}, "sort_by(ResourceTagList[0].TagsList || `[]`, &Key)"
    found, check = await watch(calls, f"the tags of {trail}", "cloudtrail", "ListTags", asked, select)
    names = [each["Key"] for each in call.parameters["TagsList"]]
    old = [each for each in found or [] if each["Key"] in names]
    new = [{"Key": name} for name in names if name not in [each["Key"] for each in old]]
    steps = [step("cloudtrail", "AddTags", {"ResourceId": trail, "TagsList": old})] if old else []
    steps += [step("cloudtrail", "RemoveTags", {"ResourceId": trail, "TagsList": new})] if new else []
    return undone(check, *steps)


ROWS: tuple[Row, ...] = (
    *rows_of("cloudtrail", "StopLogging StartLogging", logging, "full", "put as it was"),
    *rows_of("cloudtrail", "UpdateTrail", update, "full", "put as it was"),
    *rows_of("cloudtrail", "CreateTrail", create, "full", "deleted"),
    *rows_of("cloudtrail", "DeleteTrail", delete, "full", "made again with selectors and tags, and started"),
    *rows_of("cloudtrail", "PutEventSelectors", selectors, "full", "put as they were"),
    *rows_of("cloudtrail", "PutInsightSelectors", insights, "full", "put as they were"),
    *rows_of("cloudtrail", "AddTags RemoveTags", tags, "full", "put as they were"),
)
