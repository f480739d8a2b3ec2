"""How many of something there are to be: groups, services, node groups, shards, functions. Less of it is a deletion of the
difference."""

from collections.abc import Mapping
from typing import Any

from interlock.connectors.aws.preview.estate.instances import described_service, service_of
from interlock.connectors.aws.preview.found import Effects, absent, items, number, thing
from interlock.connectors.aws.preview.hanging.engine import filled
from interlock.connectors.aws.preview.rows import Describer, rows
from interlock.connectors.aws.preview.settings.engine import Rule, asked_by, at, compared
from interlock.connectors.aws.preview.settings.shrinking import resized
from interlock.connectors.aws.preview.survey import Survey, Unsure
from interlock.model.effect import ChangeKind, Effect
from interlock.model.operation import Resource

_NAME = "autoScalingGroup:*:autoScalingGroupName/{AutoScalingGroupName}"


async def _group(survey: Survey) -> tuple[Resource, Mapping[str, Any] | None]:
    asked = {"AutoScalingGroupNames": [survey.text("AutoScalingGroupName")]}
    found = at(await survey.find("autoscaling", "DescribeAutoScalingGroups", asked), "AutoScalingGroups.0")
    where = survey.about("autoscaling:autoScalingGroup", _NAME)
    return where, found if isinstance(found, Mapping) else None


async def _desired(survey: Survey) -> Effects:
    """SetDesiredCapacity."""
    where, found = await _group(survey)
    if found is None:
        return [absent(where)]
    return resized(
        survey,
        where,
        "desired capacity",
        found["DesiredCapacity"],
        survey.parameters["DesiredCapacity"],
        serves=True,
    )


_GROUP = (
    Rule("MinSize", "lower", "least capacity"),
    Rule("NewInstancesProtectedFromScaleIn", "off", "protection from scaling in"),
    Rule("HealthCheckType", "weakens"),
    Rule("HealthCheckGracePeriod", "setting"),
    Rule("DefaultCooldown", "setting"),
    Rule("AvailabilityZones", "drops"),
    Rule("VPCZoneIdentifier", "weakens"),
    Rule("LaunchConfigurationName", "setting"),
    Rule("LaunchTemplate", "setting"),
    Rule("MixedInstancesPolicy", "setting"),
    Rule("TerminationPolicies", "setting"),
    Rule("MaxInstanceLifetime", "weakens"),
    Rule("CapacityRebalance", "setting"),
    *(Rule(name, "ignored") for name in ("AutoScalingGroupName", "MaxSize", "DesiredCapacity")),
)


async def _group_updated(survey: Survey) -> Effects:
    """UpdateAutoScalingGroup: what the sizes leave of the capacity, and the rest."""
    where, found = await _group(survey)
    if found is None:
        return [absent(where)]
    given = survey.parameters
    before = found["DesiredCapacity"]
    wanted = given.get("DesiredCapacity", before)
    after = max(given.get("MinSize", found["MinSize"]), min(wanted, given.get("MaxSize", found["MaxSize"])))
    sizes = (
        list(resized(survey, where, "desired capacity", before, after, serves=True))
        if after != before
        else []
    )
    rest = list(compared(survey, where, given, found, _GROUP))
    if given.get("MaxSize", found["MaxSize"]) < found["MaxSize"] and after == before:
        sizes.append(
            thing(where, ChangeKind.WEAKENED, f"greatest capacity {found['MaxSize']} → {given['MaxSize']}")
        )
    return [*sizes, *(one for one in rest if not (sizes and one.detail == "nothing changes"))]


async def _instance_ended(survey: Survey) -> Effects:
    """TerminateInstanceInAutoScalingGroup: a new one comes in its place unless the capacity goes down with it."""
    name = survey.text("InstanceId")
    where = survey.about("ec2:instance", "instance/{InstanceId}")
    asked = {"InstanceIds": [name]}
    found = at(
        await survey.find("autoscaling", "DescribeAutoScalingInstances", asked), "AutoScalingInstances.0"
    )
    if not isinstance(found, Mapping):
        return [absent(where)]
    group = survey.resource(
        "autoscaling:autoScalingGroup",
        survey.arn("autoscaling", f"autoScalingGroup:*:autoScalingGroupName/{found['AutoScalingGroupName']}"),
    )
    ended: list[Effect] = [thing(where, ChangeKind.DELETED, "an instance of the group")]
    if survey.parameters.get("ShouldDecrementDesiredCapacity"):
        ended += await _fewer(survey, group, found["AutoScalingGroupName"], 1)
    return ended


async def _fewer(survey: Survey, where: Resource, name: str, count: int) -> Effects:
    asked = {"AutoScalingGroupNames": [name]}
    found = at(await survey.find("autoscaling", "DescribeAutoScalingGroups", asked), "AutoScalingGroups.0")
    before = found["DesiredCapacity"] if isinstance(found, Mapping) else count
    return resized(survey, where, "desired capacity", before, max(0, before - count), serves=True)


async def _taken_out(survey: Survey) -> Effects:
    """DetachInstances, EnterStandby: out of the group, and out of service."""
    where, found = await _group(survey)
    if found is None:
        return [absent(where)]
    count = len(survey.parameters.get("InstanceIds") or found.get("Instances") or [])
    before = found["DesiredCapacity"]
    if survey.parameters.get("ShouldDecrementDesiredCapacity"):
        return resized(survey, where, "desired capacity", before, max(0, before - count), serves=True)
    said = f"{number(count, 'instance')} out of service, which the group replaces"
    return [items(where, ChangeKind.UPDATED, count, before, detail=said)]


async def _suspended(survey: Survey) -> Effects:
    where, found = await _group(survey)
    if found is None:
        return [absent(where)]
    names = survey.parameters.get("ScalingProcesses") or ["all processes"]
    survey.rests_on(f"suspended of {where.name}", found.get("SuspendedProcesses"))
    return [thing(where, ChangeKind.WEAKENED, f"suspended: {', '.join(sorted(names))}")]


async def _service(survey: Survey) -> Effects:
    """UpdateService of ECS."""
    cluster = survey.parameters.get("cluster") or "default"
    found = await described_service(survey, cluster, survey.text("service"))
    where = service_of(survey, cluster, survey.text("service"))
    if found is None:
        return [absent(where)]
    given = survey.parameters
    effects: list[Effect] = []
    if (wanted := given.get("desiredCount")) is not None and wanted != found.get("desiredCount", 0):
        effects += resized(survey, where, "desired count", found.get("desiredCount", 0), wanted, serves=True)
    rest = {
        name: value for name, value in given.items() if name not in ("cluster", "service", "desiredCount")
    }
    return [*effects, *(compared(survey, where, rest, found, _SERVICE) if rest or not effects else [])]


_SERVICE = (
    Rule("taskDefinition", "setting"),
    Rule("forceNewDeployment", "setting"),
    Rule("platformVersion", "setting"),
    Rule("healthCheckGracePeriodSeconds", "setting"),
    Rule("deploymentConfiguration", "setting"),
    Rule("capacityProviderStrategy", "setting"),
    Rule("placementStrategy", "setting"),
    Rule("placementConstraints", "setting"),
    Rule("propagateTags", "setting"),
    Rule("enableECSManagedTags", "setting"),
    Rule("enableExecuteCommand", "opens"),
    Rule("networkConfiguration", "weakens"),
    Rule("loadBalancers", "drops"),
    Rule("serviceRegistries", "drops"),
)


class _Size:
    """Where a number is: the path in the call, the question, and the path in its answer."""

    def __init__(
        self, kind: str, rest: str, ask: str, by: Mapping[str, Any], found: str, given: str, label: str
    ) -> None:
        self.kind, self.rest, self.ask, self.by = kind, rest, ask, by
        self.found, self.given, self.label = found, given, label

    def describer(self) -> Describer:
        async def describer(survey: Survey) -> Effects:
            where = survey.about(self.kind, self.rest)
            answer = await survey.find(survey.call.service, self.ask, asked_by(survey, self.by))
            if answer is None:
                return [absent(where)]
            before, after = at(answer, self.found), at(survey.parameters, self.given)
            if not isinstance(before, int) or not isinstance(after, int):
                raise Unsure(f"the {self.label} isn't known")
            return resized(survey, where, self.label, before, after)

        return describer


_SHARDS = _Size(
    "kinesis:stream",
    "stream/{StreamName|StreamARN}",
    "DescribeStreamSummary",
    {"StreamName": "{StreamName}"},
    "StreamDescriptionSummary.OpenShardCount",
    "TargetShardCount",
    "open shards",
)
_RETENTION = _Size(
    "kinesis:stream",
    "stream/{StreamName|StreamARN}",
    "DescribeStreamSummary",
    {"StreamName": "{StreamName}"},
    "StreamDescriptionSummary.RetentionPeriodHours",
    "RetentionPeriodHours",
    "hours that records are kept",
)
_NODES = _Size(
    "redshift:cluster",
    "cluster:{ClusterIdentifier}",
    "DescribeClusters",
    {"ClusterIdentifier": "{ClusterIdentifier}"},
    "Clusters.0.NumberOfNodes",
    "NumberOfNodes",
    "nodes",
)


async def _nodegroup(survey: Survey) -> Effects:
    """UpdateNodegroupConfig of EKS."""
    asked = {name: survey.text(name) for name in ("clusterName", "nodegroupName")}
    where = survey.about("eks:nodegroup", "nodegroup/{clusterName}/{nodegroupName}/*")
    found = at(await survey.find("eks", "DescribeNodegroup", asked), "nodegroup")
    if not isinstance(found, Mapping):
        return [absent(where)]
    present, given = found.get("scalingConfig") or {}, survey.parameters.get("scalingConfig") or {}
    before = present.get("desiredSize", 0)
    after = min(given.get("desiredSize", before), given.get("maxSize", present.get("maxSize", before)))
    rest = [name for name in survey.parameters if name not in (*asked, "scalingConfig", "clientRequestToken")]
    more = [thing(where, ChangeKind.WEAKENED, ", ".join(sorted(rest)))] if rest else []
    return [*resized(survey, where, "desired size", before, after, serves=True), *more]


async def _nodegroup_lost(survey: Survey) -> Effects:
    asked = {name: survey.text(name) for name in ("clusterName", "nodegroupName")}
    where = survey.about("eks:nodegroup", "nodegroup/{clusterName}/{nodegroupName}/*")
    found = at(await survey.find("eks", "DescribeNodegroup", asked), "nodegroup")
    if not isinstance(found, Mapping):
        return [absent(where)]
    size = at(found, "scalingConfig.desiredSize") or 0
    gone = [items(where, ChangeKind.DELETED, size, size, detail=number(size, "node"))] if size else []
    return [thing(where, ChangeKind.DELETED), *gone]


async def _reserved(survey: Survey) -> Effects:
    """PutFunctionConcurrency: none at all means that the function doesn't run any more."""
    where = survey.about("lambda:function", "function:{FunctionName}")
    asked = {"FunctionName": survey.text("FunctionName")}
    found = await survey.find("lambda", "GetFunctionConcurrency", asked)
    if found is None:
        return [absent(where)]
    before, after = (
        found.get("ReservedConcurrentExecutions"),
        survey.parameters["ReservedConcurrentExecutions"],
    )
    if isinstance(before, int):
        return resized(survey, where, "reserved concurrency", before, after, serves=True)
    survey.rests_on(f"reserved concurrency of {where.name}", None)
    survey.shows("reserved concurrency", None, after)
    # Without a reservation it shares what the account has: any number may be less.
    change = ChangeKind.HIDDEN if after == 0 else ChangeKind.WEAKENED
    return [thing(where, change, f"reserved concurrency none → {after:,}")]


async def _unreserved(survey: Survey) -> Effects:
    """DeleteFunctionConcurrency: it shares what the account has again."""
    where = survey.about("lambda:function", "function:{FunctionName}")
    asked = {"FunctionName": survey.text("FunctionName")}
    found = await survey.find("lambda", "GetFunctionConcurrency", asked)
    if found is None:
        return [absent(where)]
    before = found.get("ReservedConcurrentExecutions")
    survey.rests_on(f"reserved concurrency of {where.name}", before)
    survey.shows("reserved concurrency", before, None)
    # Zero was a stop, and this lifts it; any other number was a guarantee.
    return [thing(where, ChangeKind.SETTING if not before else ChangeKind.WEAKENED, "reserved concurrency")]


async def _scalable(survey: Survey) -> Effects:
    """RegisterScalableTarget of Application Auto Scaling."""
    where = survey.about("application-autoscaling:ScalableTarget", "scalable-target/{ResourceId}")
    asked: dict[str, Any] = filled({"ServiceNamespace": "{}"}, survey.text("ServiceNamespace"))
    asked |= {
        "ResourceIds": [survey.text("ResourceId")],
        "ScalableDimension": survey.text("ScalableDimension"),
    }
    found = at(
        await survey.ask("application-autoscaling", "DescribeScalableTargets", asked), "ScalableTargets.0"
    )
    if not isinstance(found, Mapping):
        return [thing(where, ChangeKind.CREATED, "how it is scaled")]
    effects: list[Effect] = []
    for name, label in (("MaxCapacity", "greatest capacity"), ("MinCapacity", "least capacity")):
        after = survey.parameters.get(name, found[name])
        if after != found[name]:
            effects += resized(survey, where, label, found[name], after)
    return effects or [thing(where, ChangeKind.SETTING, "nothing changes")]


_JUDGES = "capacity outage guard"

TABLE = {
    **rows("autoscaling", _JUDGES, SetDesiredCapacity=_desired, UpdateAutoScalingGroup=_group_updated),
    **rows("autoscaling", _JUDGES, TerminateInstanceInAutoScalingGroup=_instance_ended),
    **rows(
        "autoscaling",
        _JUDGES,
        DetachInstances=_taken_out,
        EnterStandby=_taken_out,
        SuspendProcesses=_suspended,
    ),
    **rows("ecs", _JUDGES, UpdateService=_service),
    **rows("eks", _JUDGES, UpdateNodegroupConfig=_nodegroup, DeleteNodegroup=_nodegroup_lost),
    **rows("kinesis", _JUDGES + " expiry backup", UpdateShardCount=_SHARDS.describer()),
    **rows("kinesis", _JUDGES + " expiry backup", DecreaseStreamRetentionPeriod=_RETENTION.describer()),
    **rows("kinesis", _JUDGES + " expiry backup", IncreaseStreamRetentionPeriod=_RETENTION.describer()),
    **rows("redshift", _JUDGES, ResizeCluster=_NODES.describer()),
    **rows("lambda", _JUDGES, PutFunctionConcurrency=_reserved, DeleteFunctionConcurrency=_unreserved),
    **rows("application-autoscaling", _JUDGES, RegisterScalableTarget=_scalable),
}
