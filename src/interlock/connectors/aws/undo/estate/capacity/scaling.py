"""Application Auto Scaling and EKS node groups (Application Auto Scaling API reference: RegisterScalableTarget)."""

from typing import Any

from interlock.connectors.aws.undo.estate.common import Read, made, put_back, rows
from interlock.connectors.aws.undo.estate.draft import Draft, kept, kept_all
from interlock.connectors.aws.undo.plan import Plan

_KEY = ("ServiceNamespace", "ResourceId", "ScalableDimension")
_TARGET = ("MinCapacity", "MaxCapacity", "RoleARN", "SuspendedState")
_TARGET_SHAPE = (
    "ScalableTargets[?ScalableDimension==$ScalableDimension] | [0].{"
    + ", ".join(f"{name}: {name}" for name in _TARGET)
    + "}"
)
_POLICY = ("PolicyType", "StepScalingPolicyConfiguration", "TargetTrackingScalingPolicyConfiguration")
_ACTION = ("Schedule", "Timezone", "StartTime", "EndTime", "ScalableTargetAction")
_TARGETS = Read(
    "DescribeScalableTargets",
    {"ServiceNamespace": "ServiceNamespace", "ResourceIds": "[ResourceId]"},
    _TARGET_SHAPE,
)


def _shape(names: tuple[str, ...]) -> str:
    return "{" + ", ".join(f"{name}: {name}" for name in names) + "}"


async def _deregister(draft: Draft) -> Plan:
    """With its policies and schedules: they go with it."""
    key = draft.given(*_KEY)
    asked = {"ServiceNamespace": draft.get("ServiceNamespace"), "ResourceIds": [draft.get("ResourceId")]}
    found = await draft.all("DescribeScalableTargets", asked, "ScalableTargets")
    mine = [one for one in found if one["ScalableDimension"] == draft.get("ScalableDimension")]
    if not mine:
        return Plan("none", reason="there is no such scalable target")
    expression = _TARGET_SHAPE.replace("$ScalableDimension", f"'{mine[0]['ScalableDimension']}'")
    await draft.watch(
        f"the scaling of {draft.get('ResourceId')}", "DescribeScalableTargets", asked, expression
    )
    draft.back("RegisterScalableTarget", key | kept_all(mine[0], *_TARGET))
    for policy in await draft.all("DescribeScalingPolicies", key, "ScalingPolicies"):
        draft.back("PutScalingPolicy", key | kept(policy, "PolicyName", *_POLICY))
    for action in await draft.all("DescribeScheduledActions", key, "ScheduledActions"):
        draft.back("PutScheduledAction", key | kept(action, "ScheduledActionName", *_ACTION))
    return draft.done("full", "alarms of its policies get new names")


_POLICIES = put_back(
    "PutScalingPolicy",
    (*_KEY, "PolicyName"),
    _POLICY,
    read=Read(
        "DescribeScalingPolicies",
        {
            "ServiceNamespace": "ServiceNamespace",
            "ResourceId": "ResourceId",
            "ScalableDimension": "ScalableDimension",
        },
        f"ScalingPolicies[?PolicyName==$PolicyName] | [0].{_shape(_POLICY)}",
    ),
    what="scaling policy {PolicyName} of {ResourceId}",
    absent=("DeleteScalingPolicy", (*_KEY, "PolicyName")),
)
_ACTIONS = put_back(
    "PutScheduledAction",
    (*_KEY, "ScheduledActionName"),
    _ACTION,
    read=Read(
        "DescribeScheduledActions",
        {"ServiceNamespace": "ServiceNamespace", "ScheduledActionNames": "[ScheduledActionName]"},
        f"ScheduledActions[0].{_shape(_ACTION)}",
    ),
    what="scheduled action {ScheduledActionName} of {ResourceId}",
    absent=("DeleteScheduledAction", (*_KEY, "ScheduledActionName")),
)
_NODEGROUP = ("clusterName", "nodegroupName")


async def _nodegroup(draft: Draft) -> Plan:
    name = draft.given(*_NODEGROUP)
    what = f"sizes of node group {draft.get('nodegroupName')}"
    old = await draft.watch(
        what,
        "DescribeNodegroup",
        name,
        "nodegroup.{scalingConfig: scalingConfig, updateConfig: updateConfig, labels: labels}",
    )
    if not old:
        return Plan("none", reason="there is no such node group")
    back: dict[str, Any] = {
        n: old[n] for n in ("scalingConfig", "updateConfig") if old.get(n) and draft.get(n)
    }
    labels = draft.get("labels", {})
    was = old.get("labels") or {}
    gone = {
        k: was[k] for k in [*labels.get("removeLabels", ()), *labels.get("addOrUpdateLabels", {})] if k in was
    }
    new = [k for k in labels.get("addOrUpdateLabels", {}) if k not in was]
    if gone or new:
        back["labels"] = {k: v for k, v in (("addOrUpdateLabels", gone), ("removeLabels", new)) if v}
    if draft.get("taints"):
        draft.caveats.append("taints are not set back")
    draft.back("UpdateNodegroupConfig", name | back)
    draft.caveats.append("pods of nodes that went run elsewhere, on new nodes")
    return draft.lossy()


ROWS = (
    *rows(
        "application-autoscaling",
        {
            "RegisterScalableTarget": (
                put_back(
                    "RegisterScalableTarget",
                    _KEY,
                    _TARGET,
                    read=_TARGETS,
                    what="the scaling of {ResourceId}",
                    absent=("DeregisterScalableTarget", _KEY),
                ),
                "full",
                "the old limits are put back",
            ),
            "DeregisterScalableTarget": (_deregister, "full", "registered again with policies and schedules"),
            "PutScalingPolicy": (_POLICIES, "full", "the old policy is put back"),
            "DeleteScalingPolicy": (_POLICIES, "full", "the policy is put back"),
            "PutScheduledAction": (_ACTIONS, "full", "the old schedule is put back"),
            "DeleteScheduledAction": (_ACTIONS, "full", "the schedule is put back"),
        },
    ),
    *rows(
        "eks",
        {
            "UpdateNodegroupConfig": (_nodegroup, "new_id", "sizes and labels are put back"),
            "CreateNodegroup": (made("DeleteNodegroup", (), _NODEGROUP), "full", "the node group is deleted"),
        },
    ),
)
