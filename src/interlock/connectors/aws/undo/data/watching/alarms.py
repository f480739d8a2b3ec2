"""CloudWatch: alarms, dashboards, metric streams."""

from collections.abc import Mapping, Sequence
from typing import Any

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.undo.data.common import filled, nothing, read, some, step, undone, watch
from interlock.connectors.aws.undo.data.settings import Final
from interlock.connectors.aws.undo.data.tags import Tags
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Check, Plan, Step
from interlock.connectors.aws.undo.registry import Row, rows_of

_METRIC = (
    "AlarmName AlarmDescription ActionsEnabled OKActions AlarmActions InsufficientDataActions MetricName Namespace"
    " Statistic ExtendedStatistic Dimensions Period Unit EvaluationPeriods DatapointsToAlarm Threshold"
    " ComparisonOperator TreatMissingData EvaluateLowSampleCountPercentile Metrics ThresholdMetricId"
)
_COMPOSITE = (
    "AlarmName AlarmDescription ActionsEnabled OKActions AlarmActions InsufficientDataActions AlarmRule"
    " ActionsSuppressor ActionsSuppressorWaitPeriod ActionsSuppressorExtensionPeriod"
)
_KINDS = ["MetricAlarm", "CompositeAlarm"]
_SILENT = "alarms of the meantime are not raised again"


def _asked(name: str) -> dict[str, Any]:
    return {"AlarmNames": [name], "AlarmTypes": _KINDS}


def _shape() -> str:
    metric = ", ".join(f"{name}: {name}" for name in _METRIC.split())
    composite = ", ".join(f"{name}: {name}" for name in _COMPOSITE.split())
    return f"[MetricAlarms[].{{{metric}}}, CompositeAlarms[].{{{composite}}}][]|[0]"


async def _watched(calls: Here, name: str) -> tuple[Mapping[str, Any] | None, Check]:
    return await watch(calls, f"alarm {name}", "cloudwatch", "DescribeAlarms", _asked(name), _shape())


def _put(old: Mapping[str, Any], tags: Sequence[Mapping[str, str]] = ()) -> Step:
    again = filled(old)
    # False is a value; nothing else that is empty is.
    again["ActionsEnabled"] = bool(old.get("ActionsEnabled"))
    kind = "PutCompositeAlarm" if old.get("AlarmRule") else "PutMetricAlarm"
    return step("cloudwatch", kind, {**again, **({"Tags": list(tags)} if tags else {})})


async def put(call: Call, calls: Here, nonce: str) -> Plan:
    """PutMetricAlarm, PutCompositeAlarm."""
    name = call.parameters["AlarmName"]
    old, check = await _watched(calls, name)
    if old is None:
        return undone(check, step("cloudwatch", "DeleteAlarms", {"AlarmNames": [name]}, absent_ok=True))
    return undone(check, _put(old), caveats=(_SILENT,))


async def delete(call: Call, calls: Here, nonce: str) -> Plan:
    """DeleteAlarms. Alarms come first that others are made of."""
    found = [await _watched(calls, name) for name in call.parameters["AlarmNames"]]
    kept = sorted(
        (pair for pair in found if pair[0]), key=lambda pair: bool(pair[0] and pair[0].get("AlarmRule"))
    )
    steps = [_put(old, await _tags_of(calls, old["AlarmName"])) for old, _ in kept if old]
    checks = tuple(
        Check(check.what, check.service, check.operation, check.parameters, check.select, check.before, None)
        for _, check in kept
    )
    return undone(checks, *steps, caveats=(_SILENT, "its history is lost"))


async def _tags_of(calls: Here, name: str) -> Sequence[Mapping[str, str]]:
    arn = f"arn:{calls.partition}:cloudwatch:{calls.region}:{calls.account}:alarm:{name}"
    return await read(calls, "cloudwatch", "ListTagsForResource", {"ResourceARN": arn}, "Tags") or []


async def actions(call: Call, calls: Here, nonce: str) -> Plan:
    """EnableAlarmActions, DisableAlarmActions."""
    names = call.parameters["AlarmNames"]
    found: list[tuple[str, bool]] = []
    checks: list[Check] = []
    for name in names:
        select = "[MetricAlarms, CompositeAlarms][]|[0].[ActionsEnabled]"
        old, check = await watch(
            calls, f"the actions of alarm {name}", "cloudwatch", "DescribeAlarms", _asked(name), select
        )
        if old:
            found.append((name, bool(old[0])))
            checks.append(check)
    on, off = [name for name, enabled in found if enabled], [name for name, enabled in found if not enabled]
    steps = [step("cloudwatch", "EnableAlarmActions", {"AlarmNames": on})] if on else []
    steps += [step("cloudwatch", "DisableAlarmActions", {"AlarmNames": off})] if off else []
    return undone(checks, *steps, caveats=(_SILENT,))


async def state(call: Call, calls: Here, nonce: str) -> Plan:
    """SetAlarmState: the alarm itself comes back to what its metric says."""
    name = call.parameters["AlarmName"]
    select = "[MetricAlarms, CompositeAlarms][]|[0].StateValue"
    old, check = await watch(
        calls, f"the state of alarm {name}", "cloudwatch", "DescribeAlarms", _asked(name), select
    )
    if old is None:
        return nothing()
    back = {"AlarmName": name, "StateValue": old, "StateReason": "reverted"}
    caveats = ("actions that were taken stay taken",)
    return undone(check, step("cloudwatch", "SetAlarmState", back), caveats=caveats)


async def put_dashboard(call: Call, calls: Here, nonce: str) -> Plan:
    """PutDashboard."""
    key = some(call.parameters, "DashboardName")
    what = f"dashboard {key['DashboardName']}"
    old, check = await watch(calls, what, "cloudwatch", "GetDashboard", key, "DashboardBody")
    if old is None:
        gone = {"DashboardNames": [key["DashboardName"]]}
        return undone(check, step("cloudwatch", "DeleteDashboards", gone, absent_ok=True))
    return undone(check, step("cloudwatch", "PutDashboard", {**key, "DashboardBody": old}))


async def delete_dashboards(call: Call, calls: Here, nonce: str) -> Plan:
    """DeleteDashboards."""
    steps: list[Step] = []
    checks: list[Check] = []
    for name in call.parameters["DashboardNames"]:
        key = {"DashboardName": name}
        old, check = await watch(
            calls, f"dashboard {name}", "cloudwatch", "GetDashboard", key, "DashboardBody", after=None
        )
        if old is not None:
            steps.append(step("cloudwatch", "PutDashboard", {**key, "DashboardBody": old}))
            checks.append(check)
    return undone(checks, *steps)


_TAGS = Tags(
    "cloudwatch",
    "ResourceARN",
    "ListTagsForResource",
    "Tags",
    "TagResource",
    "Tags",
    "UntagResource",
    "TagKeys",
)
_MEASURED = Final("data that was put into a metric stays")

ROWS: tuple[Row, ...] = (
    *rows_of("cloudwatch", "PutMetricAlarm PutCompositeAlarm", put, "full", "put as it was, or deleted"),
    *rows_of("cloudwatch", "DeleteAlarms", delete, "full", "put again with their tags"),
    *rows_of("cloudwatch", "EnableAlarmActions DisableAlarmActions", actions, "full", "put as they were"),
    *rows_of("cloudwatch", "SetAlarmState", state, "full", "put as it was"),
    *rows_of("cloudwatch", "PutDashboard", put_dashboard, "full", "put as it was, or deleted"),
    *rows_of("cloudwatch", "DeleteDashboards", delete_dashboards, "full", "put again"),
    *rows_of("cloudwatch", "TagResource UntagResource", _TAGS.plan, "full", "put as they were"),
    *rows_of("cloudwatch", "PutMetricData", _MEASURED.plan, "none", "data stays"),
)
