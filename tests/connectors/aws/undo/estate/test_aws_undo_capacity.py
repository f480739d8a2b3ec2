"""op → revert → compare for auto scaling."""

from typing import Any

import pytest
from tests.connectors.aws.undo.rig import Account, Case, prove

Call = tuple[str, str, dict[str, Any]]


def asg(operation: str, **parameters: Any) -> Call:
    return ("autoscaling", operation, parameters)


def app(operation: str, **parameters: Any) -> Call:
    return ("application-autoscaling", operation, parameters)


def reading(call: Call, select: str) -> tuple[Any, ...]:
    return (*call, select)


def simple(name: str, given: Any, call: Any, *state: Any, **more: Any) -> Case:
    return Case(name=name, given=given, call=call[:3], state=state, **more)


LAUNCH = asg(
    "CreateLaunchConfiguration", LaunchConfigurationName="lc", ImageId="ami-12c6146b", InstanceType="t3.micro"
)
GROUP = asg(
    "CreateAutoScalingGroup",
    AutoScalingGroupName="web",
    LaunchConfigurationName="lc",
    MinSize=1,
    MaxSize=5,
    DesiredCapacity=3,
    AvailabilityZones=["eu-central-1a"],
    Tags=[{"Key": "env", "Value": "p", "PropagateAtLaunch": True}],
)
POLICY = asg(
    "PutScalingPolicy",
    AutoScalingGroupName="web",
    PolicyName="up",
    AdjustmentType="ChangeInCapacity",
    ScalingAdjustment=2,
)
SCHEDULE = asg(
    "PutScheduledUpdateGroupAction",
    AutoScalingGroupName="web",
    ScheduledActionName="night",
    Recurrence="0 1 * * *",
    MinSize=1,
    MaxSize=2,
    DesiredCapacity=1,
)
HOOK = asg(
    "PutLifecycleHook",
    AutoScalingGroupName="web",
    LifecycleHookName="hook",
    LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
    HeartbeatTimeout=60,
)
WORLD = (LAUNCH, GROUP)
GROUPS = reading(
    asg("DescribeAutoScalingGroups"),
    "AutoScalingGroups[].[AutoScalingGroupName, LaunchConfigurationName, MinSize, MaxSize, DesiredCapacity, "
    "AvailabilityZones, Tags, SuspendedProcesses[].ProcessName, length(Instances)]",
)
POLICIES = reading(
    asg("DescribePolicies"), "ScalingPolicies[].[PolicyName, AdjustmentType, ScalingAdjustment]"
)
SCHEDULES = reading(
    asg("DescribeScheduledActions"),
    "ScheduledUpdateGroupActions[].[ScheduledActionName, Recurrence, MinSize, MaxSize, DesiredCapacity]",
)
HOOKS = reading(
    asg("DescribeLifecycleHooks", AutoScalingGroupName="web"),
    "LifecycleHooks[].[LifecycleHookName, LifecycleTransition, HeartbeatTimeout]",
)
LAUNCHES = reading(
    asg("DescribeLaunchConfigurations"),
    "LaunchConfigurations[].[LaunchConfigurationName, ImageId, InstanceType]",
)
MEMBERS = reading(
    asg("DescribeAutoScalingGroups"),
    "AutoScalingGroups[].sort(Instances[].to_string([InstanceId, LifecycleState]))",
)
INSTANCE: Any = (
    "autoscaling",
    "DescribeAutoScalingGroups",
    {},
    {"i": "AutoScalingGroups[0].Instances[0].InstanceId"},
)
NET = (
    ("ec2", "CreateVpc", {"CidrBlock": "10.7.0.0/16"}, {"vpc": "Vpc.VpcId"}),
    (
        "elbv2",
        "CreateTargetGroup",
        {"Name": "tg", "Protocol": "HTTP", "Port": 80, "VpcId": "${vpc}"},
        {"tg": "TargetGroups[0].TargetGroupArn"},
    ),
)
TARGETS = reading(asg("DescribeAutoScalingGroups"), "AutoScalingGroups[].TargetGroupARNs")
TAG = {"ResourceId": "web", "ResourceType": "auto-scaling-group", "Key": "env"}

KEY = {
    "ServiceNamespace": "dynamodb",
    "ResourceId": "table/items",
    "ScalableDimension": "dynamodb:table:ReadCapacityUnits",
}
REGISTERED = app("RegisterScalableTarget", **KEY, MinCapacity=1, MaxCapacity=9)
TRACKING = {
    "TargetValue": 70.0,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBReadCapacityUtilization"},
}
TRACK = app(
    "PutScalingPolicy",
    **KEY,
    PolicyName="p",
    PolicyType="TargetTrackingScaling",
    TargetTrackingScalingPolicyConfiguration=TRACKING,
)
ACTION = app(
    "PutScheduledAction",
    **KEY,
    ScheduledActionName="night",
    Schedule="cron(0 1 * * ? *)",
    ScalableTargetAction={"MinCapacity": 1, "MaxCapacity": 1},
)
SCALABLE = reading(
    app("DescribeScalableTargets", ServiceNamespace="dynamodb"),
    "ScalableTargets[].[ResourceId, MinCapacity, MaxCapacity]",
)
TRACKS = reading(
    app("DescribeScalingPolicies", ServiceNamespace="dynamodb"),
    "ScalingPolicies[].[PolicyName, TargetTrackingScalingPolicyConfiguration]",
)
ACTIONS = reading(
    app("DescribeScheduledActions", ServiceNamespace="dynamodb"),
    "ScheduledActions[].[ScheduledActionName, Schedule, ScalableTargetAction]",
)
TABLE = (
    "dynamodb",
    "CreateTable",
    {
        "TableName": "items",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
    },
)

CASES = (
    simple("create-launch", (), LAUNCH, LAUNCHES),
    simple(
        "delete-launch", (LAUNCH,), asg("DeleteLaunchConfiguration", LaunchConfigurationName="lc"), LAUNCHES
    ),
    simple("create-group", (LAUNCH,), GROUP, GROUPS),
    simple(
        "update-group",
        WORLD,
        asg("UpdateAutoScalingGroup", AutoScalingGroupName="web", MinSize=0, MaxSize=0, DesiredCapacity=0),
        GROUPS,
    ),
    simple(
        "desired", WORLD, asg("SetDesiredCapacity", AutoScalingGroupName="web", DesiredCapacity=1), GROUPS
    ),
    simple(
        "delete-group",
        (*WORLD, POLICY, SCHEDULE, HOOK),
        asg("DeleteAutoScalingGroup", AutoScalingGroupName="web", ForceDelete=True),
        GROUPS,
        POLICIES,
        SCHEDULES,
        HOOKS,
        kind="new_id",
    ),
    simple(
        "suspend",
        WORLD,
        asg("SuspendProcesses", AutoScalingGroupName="web", ScalingProcesses=["Launch", "Terminate"]),
        GROUPS,
    ),
    simple(
        "resume",
        (*WORLD, asg("SuspendProcesses", AutoScalingGroupName="web", ScalingProcesses=["Launch"])),
        asg("ResumeProcesses", AutoScalingGroupName="web"),
        GROUPS,
    ),
    simple("put-policy", WORLD, POLICY, POLICIES),
    simple("other-policy", (*WORLD, POLICY), (*POLICY[:2], {**POLICY[2], "ScalingAdjustment": 9}), POLICIES),
    simple(
        "delete-policy",
        (*WORLD, POLICY),
        asg("DeletePolicy", AutoScalingGroupName="web", PolicyName="up"),
        POLICIES,
    ),
    simple("put-schedule", WORLD, SCHEDULE, SCHEDULES),
    simple(
        "delete-schedule",
        (*WORLD, SCHEDULE),
        asg("DeleteScheduledAction", AutoScalingGroupName="web", ScheduledActionName="night"),
        SCHEDULES,
    ),
    simple("put-hook", WORLD, HOOK, HOOKS),
    simple(
        "delete-hook",
        (*WORLD, HOOK),
        asg("DeleteLifecycleHook", AutoScalingGroupName="web", LifecycleHookName="hook"),
        HOOKS,
    ),
    simple(
        "detach",
        (*WORLD, INSTANCE),
        asg(
            "DetachInstances",
            AutoScalingGroupName="web",
            InstanceIds=["${i}"],
            ShouldDecrementDesiredCapacity=True,
        ),
        MEMBERS,
    ),
    simple(
        "attach",
        (
            *WORLD,
            INSTANCE,
            asg(
                "DetachInstances",
                AutoScalingGroupName="web",
                InstanceIds=["${i}"],
                ShouldDecrementDesiredCapacity=True,
            ),
        ),
        asg("AttachInstances", AutoScalingGroupName="web", InstanceIds=["${i}"]),
        MEMBERS,
    ),
    simple(
        "standby",
        (*WORLD, INSTANCE),
        asg(
            "EnterStandby",
            AutoScalingGroupName="web",
            InstanceIds=["${i}"],
            ShouldDecrementDesiredCapacity=True,
        ),
        MEMBERS,
    ),
    simple(
        "no-standby",
        (
            *WORLD,
            INSTANCE,
            asg(
                "EnterStandby",
                AutoScalingGroupName="web",
                InstanceIds=["${i}"],
                ShouldDecrementDesiredCapacity=True,
            ),
        ),
        asg("ExitStandby", AutoScalingGroupName="web", InstanceIds=["${i}"]),
        MEMBERS,
    ),
    simple(
        "attach-targets",
        (*WORLD, *NET),
        asg("AttachLoadBalancerTargetGroups", AutoScalingGroupName="web", TargetGroupARNs=["${tg}"]),
        TARGETS,
    ),
    simple(
        "detach-targets",
        (
            *WORLD,
            *NET,
            asg("AttachLoadBalancerTargetGroups", AutoScalingGroupName="web", TargetGroupARNs=["${tg}"]),
        ),
        asg("DetachLoadBalancerTargetGroups", AutoScalingGroupName="web", TargetGroupARNs=["${tg}"]),
        TARGETS,
    ),
    simple(
        "tags",
        WORLD,
        asg(
            "CreateOrUpdateTags",
            Tags=[
                {**TAG, "Value": "x", "PropagateAtLaunch": False},
                {**TAG, "Key": "new", "Value": "1", "PropagateAtLaunch": False},
            ],
        ),
        GROUPS,
    ),
    simple("no-tags", WORLD, asg("DeleteTags", Tags=[TAG]), GROUPS),
    simple("register-target", (TABLE,), REGISTERED, SCALABLE),
    simple(
        "other-limits",
        (TABLE, REGISTERED),
        app("RegisterScalableTarget", **KEY, MinCapacity=0, MaxCapacity=0),
        SCALABLE,
    ),
    simple(
        "deregister-target",
        (TABLE, REGISTERED, TRACK, ACTION),
        app("DeregisterScalableTarget", **KEY),
        SCALABLE,
        TRACKS,
        ACTIONS,
    ),
    simple("track", (TABLE, REGISTERED), TRACK, TRACKS),
    simple("no-track", (TABLE, REGISTERED, TRACK), app("DeleteScalingPolicy", **KEY, PolicyName="p"), TRACKS),
    simple("action", (TABLE, REGISTERED), ACTION, ACTIONS),
    simple(
        "no-action",
        (TABLE, REGISTERED, ACTION),
        app("DeleteScheduledAction", **KEY, ScheduledActionName="night"),
        ACTIONS,
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_comes_back(account: Account, case: Case) -> None:
    prove(account, case)
