"""EC2 Auto Scaling (Amazon EC2 Auto Scaling API reference: UpdateAutoScalingGroup, SetDesiredCapacity, DeleteAutoScalingGroup)."""

from typing import Any

from interlock.connectors.aws.undo.estate.common import Read, made, nothing, put_back, rows
from interlock.connectors.aws.undo.estate.draft import Draft, Maker, kept, kept_all, own_tags
from interlock.connectors.aws.undo.plan import Plan

_NAME = {"AutoScalingGroupNames": "[AutoScalingGroupName]"}
_GROUPS = "DescribeAutoScalingGroups"
_SETTINGS = (
    "LaunchConfigurationName",
    "MinSize",
    "MaxSize",
    "DesiredCapacity",
    "DefaultCooldown",
    "AvailabilityZones",
    "HealthCheckType",
    "HealthCheckGracePeriod",
    "PlacementGroup",
    "VPCZoneIdentifier",
    "TerminationPolicies",
    "NewInstancesProtectedFromScaleIn",
    "ServiceLinkedRoleARN",
    "MaxInstanceLifetime",
    "CapacityRebalance",
    "Context",
    "DesiredCapacityType",
    "DefaultInstanceWarmup",
    "MixedInstancesPolicy",
)
_TEMPLATE = "LaunchTemplate"


def _template(old: dict[str, Any]) -> dict[str, Any]:
    """A launch template is named by its id or its name, not by both."""
    found = old.get(_TEMPLATE)
    return {_TEMPLATE: kept(found, "LaunchTemplateId", "Version")} if found else {}


async def _group(draft: Draft) -> dict[str, Any]:
    asked = {"AutoScalingGroupNames": [draft.get("AutoScalingGroupName")]}
    found: dict[str, Any] = await draft.must("AutoScalingGroups[0]", _GROUPS, asked, what="such group")
    return found


async def _update(draft: Draft) -> Plan:
    """What the call sets is put back, and sizes always: a new minimum moves the desired capacity."""
    old = await _group(draft)
    shape = ("MinSize", "MaxSize", "DesiredCapacity", *(n for n in _SETTINGS if n in draft.call.parameters))
    names = sorted(set(shape))
    expression = "{" + ", ".join(f"{name}: {name}" for name in [*names, _TEMPLATE]) + "}"
    name = draft.given("AutoScalingGroupName")
    asked = {"AutoScalingGroupNames": [draft.get("AutoScalingGroupName")]}
    what = f"settings of group {draft.get('AutoScalingGroupName')}"
    await draft.watch(what, _GROUPS, asked, f"AutoScalingGroups[0].{expression}")
    back = kept_all(old, *names)
    if draft.get(_TEMPLATE) or draft.get("LaunchConfigurationName") or draft.get("MixedInstancesPolicy"):
        back |= _template(old)
    draft.back("UpdateAutoScalingGroup", name | {key: value for key, value in back.items() if value != ""})
    if draft.get("DesiredCapacity") is not None or _shrinks(draft, old):
        draft.caveats.append("instances that were terminated come back as new ones")
    return draft.done("full", *draft.caveats) if not draft.caveats else draft.done()


def _shrinks(draft: Draft, old: dict[str, Any]) -> bool:
    return bool(draft.get("MaxSize") is not None and draft.get("MaxSize") < old["DesiredCapacity"])


async def _delete(draft: Draft) -> Plan:
    """The group is made again, with its policies, hooks and schedules. Its instances are new ones."""
    old = await _group(draft)
    name = {"AutoScalingGroupName": old["AutoScalingGroupName"]}
    create = kept_all(old, *_SETTINGS) | name | _template(old)
    create |= kept(old, "TargetGroupARNs", "LoadBalancerNames")
    tags = [kept_all(tag, "Key", "Value", "PropagateAtLaunch") for tag in own_tags(old.get("Tags"))]
    create |= {"Tags": tags} if tags else {}
    create |= {"LifecycleHookSpecificationList": hooks} if (hooks := await _hooks(draft, name)) else {}
    create = {key: value for key, value in create.items() if value not in ("", [], None)}
    if "VPCZoneIdentifier" in create:
        create.pop("AvailabilityZones", None)
    draft.back("CreateAutoScalingGroup", create, present_ok=True)
    await _belongings(draft, name)
    if suspended := [one["ProcessName"] for one in old.get("SuspendedProcesses", ())]:
        draft.back("SuspendProcesses", name | {"ScalingProcesses": suspended})
    draft.gentler = "UpdateAutoScalingGroup to size 0 keeps the group, SuspendProcesses its instances"
    return draft.lossy("the group gets a new ARN, and its instances are new ones")


async def _hooks(draft: Draft, name: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await draft.ask("DescribeLifecycleHooks", name) or {}
    members: tuple[str, ...] = (
        "LifecycleHookName",
        "LifecycleTransition",
        "NotificationTargetARN",
        "RoleARN",
    )
    members += ("NotificationMetadata", "HeartbeatTimeout", "DefaultResult")
    return [kept(hook, *members) for hook in answer.get("LifecycleHooks", ())]


_POLICY = (
    "AutoScalingGroupName",
    "PolicyName",
    "PolicyType",
    "AdjustmentType",
    "MinAdjustmentStep",
    "MinAdjustmentMagnitude",
    "ScalingAdjustment",
    "Cooldown",
    "MetricAggregationType",
    "StepAdjustments",
    "EstimatedInstanceWarmup",
    "TargetTrackingConfiguration",
    "Enabled",
    "PredictiveScalingConfiguration",
)
_SCHEDULE = (
    "AutoScalingGroupName",
    "ScheduledActionName",
    "StartTime",
    "EndTime",
    "Recurrence",
    "MinSize",
    "MaxSize",
    "DesiredCapacity",
    "TimeZone",
)


async def _belongings(draft: Draft, name: dict[str, Any]) -> None:
    for policy in await draft.all("DescribePolicies", name, "ScalingPolicies"):
        draft.back("PutScalingPolicy", kept(policy, *_POLICY))
    for action in await draft.all("DescribeScheduledActions", name, "ScheduledUpdateGroupActions"):
        draft.back("PutScheduledUpdateGroupAction", kept_all(action, *_SCHEDULE))


def _again(
    operation: str, read: str, member: str, asks: dict[str, str], key: str, names: tuple[str, ...]
) -> Maker:
    """Policies, schedules and hooks: the old one is put back, and one that was not there is deleted."""
    deleter = {"PutScalingPolicy": "DeletePolicy", "PutScheduledUpdateGroupAction": "DeleteScheduledAction"}

    async def make(draft: Draft) -> Plan:
        which = {key: draft.get(key), "AutoScalingGroupName": draft.get("AutoScalingGroupName")}
        asked = {"AutoScalingGroupName": draft.get("AutoScalingGroupName")}
        asked |= {parameter: [draft.get(key)] for parameter in asks}
        answer = await draft.ask(read, asked) or {}
        found = next(iter(answer.get(member, ())), None)
        shape = ", ".join(f"{name}: {name}" for name in names)
        await draft.watch(f"{key} {draft.get(key)}", read, asked, f"{member}[0].{{{shape}}}")
        if found:
            draft.back(
                operation,
                {name: value for name, value in kept_all(found, *names).items() if value not in ([], {})},
            )
        else:
            draft.back(deleter.get(operation, "DeleteLifecycleHook"), which, absent_ok=True)
        return draft.done()

    return make


def _instances(operation: str, back: str, members: tuple[str, ...]) -> Maker:
    """Attach, detach and standby change the desired capacity only as the opposite does."""

    async def make(draft: Draft) -> Plan:
        name = draft.given("AutoScalingGroupName")
        asked = {"AutoScalingGroupNames": [draft.get("AutoScalingGroupName")]}
        shape = "AutoScalingGroups[0].[DesiredCapacity, sort(Instances[].InstanceId)]"
        if "Standby" in operation:
            shape = "AutoScalingGroups[0].[DesiredCapacity, sort(Instances[?LifecycleState=='Standby'].InstanceId)]"
        await draft.watch(f"instances of {draft.get('AutoScalingGroupName')}", _GROUPS, asked, shape)
        kept_size = (
            {"ShouldDecrementDesiredCapacity": True} if back in ("DetachInstances", "EnterStandby") else {}
        )
        if draft.get("ShouldDecrementDesiredCapacity") is False:
            return Plan("none", reason="the group starts new instances in place of those that leave")
        draft.back(back, name | draft.given("InstanceIds") | kept_size)
        return draft.done()

    return make


def _processes(opposite: str) -> Maker:
    async def make(draft: Draft) -> Plan:
        name = draft.given("AutoScalingGroupName")
        asked = {"AutoScalingGroupNames": [draft.get("AutoScalingGroupName")]}
        was = await draft.watch(
            f"suspended processes of {draft.get('AutoScalingGroupName')}",
            _GROUPS,
            asked,
            "AutoScalingGroups[0].SuspendedProcesses[].ProcessName | sort(@)",
        )
        wanted = draft.get("ScalingProcesses") or list(_ALL)
        here = [one for one in wanted if (one in (was or ())) == (opposite == "SuspendProcesses")]
        if not here:
            return nothing(draft)
        draft.back(opposite, name | {"ScalingProcesses": here})
        return draft.done()

    return make


_ALL = (
    "Launch",
    "Terminate",
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "InstanceRefresh",
    "ReplaceUnhealthy",
    "ScheduledActions",
)


async def _tags(draft: Draft) -> Plan:
    for tag in draft.get("Tags", ()):
        filters = [
            {"Name": "auto-scaling-group", "Values": [tag["ResourceId"]]},
            {"Name": "key", "Values": [tag["Key"]]},
        ]
        names = ("ResourceId", "ResourceType", "Key", "Value", "PropagateAtLaunch")
        shape = "Tags[0].{" + ", ".join(f"{name}: {name}" for name in names) + "}"
        old = await draft.watch(
            f"tag {tag['Key']} of {tag['ResourceId']}", "DescribeTags", {"Filters": filters}, shape
        )
        if old and old.get("Key"):
            draft.back("CreateOrUpdateTags", {"Tags": [old]})
        else:
            draft.back(
                "DeleteTags", {"Tags": [kept_all(tag, "ResourceId", "ResourceType", "Key")]}, absent_ok=True
            )
    return draft.done()


_CONFIGURATION = (
    "LaunchConfigurationName",
    "ImageId",
    "KeyName",
    "SecurityGroups",
    "UserData",
    "InstanceType",
    "KernelId",
    "RamdiskId",
    "BlockDeviceMappings",
    "InstanceMonitoring",
    "SpotPrice",
    "IamInstanceProfile",
    "EbsOptimized",
    "AssociatePublicIpAddress",
    "PlacementTenancy",
    "MetadataOptions",
)


async def _delete_configuration(draft: Draft) -> Plan:
    asked = {"LaunchConfigurationNames": [draft.get("LaunchConfigurationName")]}
    old = await draft.must(
        "LaunchConfigurations[0]", "DescribeLaunchConfigurations", asked, what="such configuration"
    )
    if old.get("UserData"):
        draft.caveats.append("its user data, which may hold secrets, is copied into the before-image")
    draft.back("CreateLaunchConfiguration", kept(old, *_CONFIGURATION), present_ok=True)
    return draft.done()


def _balancers(opposite: str, member: str) -> Maker:
    async def make(draft: Draft) -> Plan:
        asked = {"AutoScalingGroupNames": [draft.get("AutoScalingGroupName")]}
        what = f"load balancing of {draft.get('AutoScalingGroupName')}"
        was = await draft.watch(what, _GROUPS, asked, f"AutoScalingGroups[0].{member} | sort(@)")
        here = [one for one in draft.get(member, ()) if (one in (was or ())) == opposite.startswith("Attach")]
        if not here:
            return nothing(draft)
        draft.back(opposite, draft.given("AutoScalingGroupName") | {member: here})
        return draft.done()

    return make


_PUT_POLICY = _again(
    "PutScalingPolicy", "DescribePolicies", "ScalingPolicies", {"PolicyNames": ""}, "PolicyName", _POLICY
)
_PUT_SCHEDULE = _again(
    "PutScheduledUpdateGroupAction",
    "DescribeScheduledActions",
    "ScheduledUpdateGroupActions",
    {"ScheduledActionNames": ""},
    "ScheduledActionName",
    _SCHEDULE,
)
_HOOK = (
    "AutoScalingGroupName",
    "LifecycleHookName",
    "LifecycleTransition",
    "RoleARN",
    "NotificationTargetARN",
    "NotificationMetadata",
    "HeartbeatTimeout",
    "DefaultResult",
)
_PUT_HOOK = _again(
    "PutLifecycleHook",
    "DescribeLifecycleHooks",
    "LifecycleHooks",
    {"LifecycleHookNames": ""},
    "LifecycleHookName",
    _HOOK,
)

ROWS = rows(
    "autoscaling",
    {
        "CreateAutoScalingGroup": (
            made(
                "DeleteAutoScalingGroup",
                (),
                {"AutoScalingGroupName": "AutoScalingGroupName", "ForceDelete": "`true`"},
                gone=None,
                unless=Read(_GROUPS, _NAME, "AutoScalingGroups[0].AutoScalingGroupName"),
            ),
            "full",
            "the group and its instances are deleted",
        ),
        "UpdateAutoScalingGroup": (_update, "full", "the settings are put back"),
        "SetDesiredCapacity": (
            put_back(
                "SetDesiredCapacity",
                ("AutoScalingGroupName",),
                ("DesiredCapacity",),
                read=Read(_GROUPS, _NAME, "AutoScalingGroups[0].{DesiredCapacity: DesiredCapacity}"),
                what="the desired capacity of {AutoScalingGroupName}",
            ),
            "full",
            "the old capacity is set (instances that were terminated come back as new ones)",
        ),
        "DeleteAutoScalingGroup": (_delete, "new_id", "made again with policies, hooks and schedules"),
        "SuspendProcesses": (_processes("ResumeProcesses"), "full", "resumed"),
        "ResumeProcesses": (_processes("SuspendProcesses"), "full", "suspended again"),
        "PutScalingPolicy": (_PUT_POLICY, "full", "the old policy is put back"),
        "DeletePolicy": (_PUT_POLICY, "full", "the policy is put back (with a new ARN)"),
        "PutScheduledUpdateGroupAction": (_PUT_SCHEDULE, "full", "the old schedule is put back"),
        "DeleteScheduledAction": (_PUT_SCHEDULE, "full", "the schedule is put back"),
        "PutLifecycleHook": (_PUT_HOOK, "full", "the old hook is put back"),
        "DeleteLifecycleHook": (_PUT_HOOK, "full", "the hook is put back"),
        "AttachInstances": (_instances("AttachInstances", "DetachInstances", ()), "full", "detached again"),
        "DetachInstances": (_instances("DetachInstances", "AttachInstances", ()), "full", "attached again"),
        "EnterStandby": (_instances("EnterStandby", "ExitStandby", ()), "full", "taken back into service"),
        "ExitStandby": (_instances("ExitStandby", "EnterStandby", ()), "full", "put into standby again"),
        "AttachLoadBalancerTargetGroups": (
            _balancers("DetachLoadBalancerTargetGroups", "TargetGroupARNs"),
            "full",
            "detached",
        ),
        "DetachLoadBalancerTargetGroups": (
            _balancers("AttachLoadBalancerTargetGroups", "TargetGroupARNs"),
            "full",
            "attached again",
        ),
        "CreateOrUpdateTags": (_tags, "full", "old values are set, new tags are taken away"),
        "DeleteTags": (_tags, "full", "the tags are set again"),
        "CreateLaunchConfiguration": (
            made(
                "DeleteLaunchConfiguration",
                (),
                ("LaunchConfigurationName",),
                unless=Read(
                    "DescribeLaunchConfigurations",
                    {"LaunchConfigurationNames": "[LaunchConfigurationName]"},
                    "LaunchConfigurations[0].LaunchConfigurationName",
                ),
            ),
            "full",
            "the configuration is deleted",
        ),
        "DeleteLaunchConfiguration": (_delete_configuration, "full", "the configuration is made again"),
    },
)
