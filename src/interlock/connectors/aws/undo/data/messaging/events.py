"""EventBridge: rules, their targets, buses and who may send to them."""

from typing import Any

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.undo.data.common import (
    Parameters,
    filled,
    nothing,
    read,
    some,
    step,
    undone,
    watch,
)
from interlock.connectors.aws.undo.data.settings import Final, Made, Setting
from interlock.connectors.aws.undo.data.tags import Tags
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Plan
from interlock.connectors.aws.undo.registry import Row, rows_of

_RULE = "Name ScheduleExpression EventPattern State Description RoleArn EventBusName"
_MISSED = "events of the meantime are not sent again"


def _rule(old: Any, given: Parameters) -> Parameters:
    return filled(some(old, _RULE))


_STATE = Setting(
    "events",
    "rule {}",
    "Name EventBusName",
    "DescribeRule",
    "PutRule",
    "{Name: Name, ScheduleExpression: ScheduleExpression, EventPattern: EventPattern, State: State,"
    " Description: Description, RoleArn: RoleArn, EventBusName: EventBusName}",
    build=_rule,
    delete="DeleteRule",
    caveats=(_MISSED,),
)


async def delete(call: Call, calls: Here, nonce: str) -> Plan:
    """DeleteRule, which works on rules without targets."""
    key = some(call.parameters, "Name EventBusName")
    old = await read(calls, "events", "DescribeRule", key)
    if old is None:
        return nothing()
    tags = await read(calls, "events", "ListTagsForResource", {"ResourceARN": old["Arn"]}, "Tags") or []
    _, check = await watch(
        calls, f"rule {key['Name']}", "events", "DescribeRule", key, _STATE.select, after=None
    )
    again = {**filled(some(old, _RULE)), **({"Tags": tags} if tags else {})}
    return undone(check, step("events", "PutRule", again), caveats=(_MISSED,))


async def targets(call: Call, calls: Here, nonce: str) -> Plan:
    """PutTargets, RemoveTargets."""
    key = some(call.parameters, "Rule EventBusName")
    ids = call.parameters.get("Ids") or [each["Id"] for each in call.parameters["Targets"]]
    what = f"the targets of rule {key['Rule']}"
    found, check = await watch(calls, what, "events", "ListTargetsByRule", key, "sort_by(Targets, &Id)")
    old = [each for each in found or [] if each["Id"] in ids]
    new = [name for name in ids if name not in [each["Id"] for each in old]]
    steps = [step("events", "PutTargets", {**key, "Targets": old})] if old else []
    if new and call.operation == "PutTargets":
        steps.append(step("events", "RemoveTargets", {**key, "Ids": new}, absent_ok=True))
    return undone(check, *steps, caveats=(_MISSED,))


async def permission(call: Call, calls: Here, nonce: str) -> Plan:
    """PutPermission, RemovePermission."""
    bus = some(call.parameters, "EventBusName")
    asked = {"Name": bus.get("EventBusName", "default")}
    what = f"the policy of event bus {asked['Name']}"
    old, check = await watch(calls, what, "events", "DescribeEventBus", asked, "Policy")
    if old:
        return undone(check, step("events", "PutPermission", {**bus, "Policy": old}))
    return undone(
        check, step("events", "RemovePermission", {**bus, "RemoveAllPermissions": True}, absent_ok=True)
    )


async def delete_bus(call: Call, calls: Here, nonce: str) -> Plan:
    """DeleteEventBus, which works on buses without rules."""
    key = some(call.parameters, "Name")
    old, check = await watch(
        calls, f"event bus {key['Name']}", "events", "DescribeEventBus", key, "[Name, Policy]", after=None
    )
    if old is None:
        return nothing()
    whole = await calls.ask("events", "DescribeEventBus", key)
    again = some(whole, "Name Description KmsKeyIdentifier DeadLetterConfig")
    steps = [step("events", "CreateEventBus", again, present_ok=True)]
    if whole.get("Policy"):
        steps.append(
            step("events", "PutPermission", {"EventBusName": key["Name"], "Policy": whole["Policy"]})
        )
    return undone(check, *steps, caveats=(_MISSED,))


_BUS = Made(
    "events",
    "event bus {}",
    "DeleteEventBus",
    (("Name", "Name"),),
    get="DescribeEventBus",
    key=(("Name", "Name"),),
    select="Name",
)
_ARCHIVE = Made(
    "events",
    "archive {}",
    "DeleteArchive",
    (("ArchiveName", "ArchiveName"),),
    get="DescribeArchive",
    key=(("ArchiveName", "ArchiveName"),),
    select="ArchiveName",
)
_CHANGED = Setting(
    "events",
    "archive {}",
    "ArchiveName",
    "DescribeArchive",
    "UpdateArchive",
    "{Description: Description, EventPattern: EventPattern, RetentionDays: RetentionDays}",
    build=lambda old, given: {
        name: value
        for name, value in some(old, "Description EventPattern RetentionDays").items()
        if value != ""
    },
    caveats=("events that were dropped meanwhile are gone",),
)
_TAGS = Tags(
    "events", "ResourceARN", "ListTagsForResource", "Tags", "TagResource", "Tags", "UntagResource", "TagKeys"
)
_SENT = Final("an event that was sent has been delivered")
_ARCHIVED = Final("the events in it are gone", "let them expire by RetentionDays")

ROWS: tuple[Row, ...] = (
    *rows_of("events", "PutRule EnableRule DisableRule", _STATE.plan, "full", "put as it was, or deleted"),
    *rows_of("events", "DeleteRule", delete, "full", "put again with its tags"),
    *rows_of("events", "PutTargets RemoveTargets", targets, "full", "put as they were"),
    *rows_of("events", "PutPermission RemovePermission", permission, "full", "the policy is put as it was"),
    *rows_of("events", "CreateEventBus", _BUS.plan, "full", "deleted"),
    *rows_of("events", "DeleteEventBus", delete_bus, "full", "made again with its policy"),
    *rows_of("events", "CreateArchive", _ARCHIVE.plan, "full", "deleted"),
    *rows_of("events", "UpdateArchive", _CHANGED.plan, "full", "put as it was"),
    *rows_of("events", "DeleteArchive", _ARCHIVED.plan, "none", "its events are gone"),
    *rows_of("events", "TagResource UntagResource", _TAGS.plan, "full", "put as they were"),
    *rows_of("events", "PutEvents", _SENT.plan, "none", "events have been delivered"),
)
