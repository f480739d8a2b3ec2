"""Target groups (Elastic Load Balancing API reference, version 2015-12-01: ModifyTargetGroup, DeregisterTargets)."""

from collections.abc import Mapping
from typing import Any

from interlock.connectors.aws.undo.estate.common import Read, made, nothing, put_back, rows
from interlock.connectors.aws.undo.estate.draft import Draft, Maker, kept, own_tags, quoted, select, slot
from interlock.connectors.aws.undo.plan import Plan

_HEALTH = (
    "HealthCheckProtocol",
    "HealthCheckPort",
    "HealthCheckPath",
    "HealthCheckEnabled",
    "HealthCheckIntervalSeconds",
    "HealthCheckTimeoutSeconds",
    "HealthyThresholdCount",
    "UnhealthyThresholdCount",
    "Matcher",
)


async def one_of(draft: Draft, operation: str, key: str, member: str, what: str) -> dict[str, Any]:
    asked = {f"{key}s": [draft.get(key)]}
    found: dict[str, Any] = await draft.must(f"{member}[0]", operation, asked, what=what)
    return found


async def tags_of(draft: Draft, arn: str) -> dict[str, Any]:
    answer = await draft.ask("DescribeTags", {"ResourceArns": [arn]}) or {}
    tags = own_tags(select("TagDescriptions[0].Tags", answer))
    return {"Tags": tags} if tags else {}


def attributes(key: str, word: str) -> Maker:
    async def make(draft: Draft) -> Plan:
        names = [one["Key"] for one in draft.get("Attributes", ())]
        old = await draft.watch(
            f"attributes of {draft.get(key)}",
            f"Describe{word}Attributes",
            draft.given(key),
            f"sort_by(Attributes[?contains({quoted(names)}, Key)], &Key)",
        )
        was = [dict(one) for one in old or () if one.get("Value") not in (None, "")]
        if len(was) < len(names):
            draft.caveats.append("attributes that had no value before keep the new one")
        draft.back(f"Modify{word}Attributes", draft.given(key) | {"Attributes": was})
        return draft.lossy()

    return make


_GROUP = ("Protocol", "ProtocolVersion", "Port", "VpcId", "TargetType", "IpAddressType", *_HEALTH)


async def _delete_group(draft: Draft) -> Plan:
    old = await one_of(draft, "DescribeTargetGroups", "TargetGroupArn", "TargetGroups", "such target group")
    create = (
        {"Name": old["TargetGroupName"]} | kept(old, *_GROUP) | await tags_of(draft, old["TargetGroupArn"])
    )
    name = {"TargetGroupArn": old["TargetGroupArn"]}
    attributes = await draft.must(
        "Attributes", "DescribeTargetGroupAttributes", name, what="such target group"
    )
    targets = await _targets(draft, old["TargetGroupArn"])
    draft.back("CreateTargetGroup", create, present_ok=True)
    by_name = {"Names": [old["TargetGroupName"]]}
    draft.back("DescribeTargetGroups", by_name, saves={"group": "TargetGroups[0].TargetGroupArn"})
    new = {"TargetGroupArn": slot("group")}
    draft.back("ModifyTargetGroupAttributes", new | {"Attributes": attributes})
    if targets:
        draft.back("RegisterTargets", new | {"Targets": targets})
    return draft.lossy("the target group gets a new ARN: listeners and services must be changed to it")


async def _targets(draft: Draft, arn: str) -> list[dict[str, Any]]:
    answer = await draft.ask("DescribeTargetHealth", {"TargetGroupArn": arn}) or {}
    return [
        kept(one["Target"], "Id", "Port", "AvailabilityZone")
        for one in answer.get("TargetHealthDescriptions", ())
        if one.get("TargetHealth", {}).get("State") != "draining"
    ]


_REGISTERED = (
    "sort(TargetHealthDescriptions[?TargetHealth.State!='draining'].to_string([Target.Id, Target.Port]))"
)


def _register(opposite: str) -> Maker:
    async def make(draft: Draft) -> Plan:
        arn = draft.get("TargetGroupArn")
        name = {"TargetGroupArn": arn}
        await draft.watch(f"targets of {arn}", "DescribeTargetHealth", name, _REGISTERED)
        there = await _targets(draft, arn)
        asked = draft.get("Targets", ())
        known = [one for one in there if any(_fits(target, one) for target in asked)]
        back = (
            known
            if opposite == "RegisterTargets"
            else [t for t in asked if not any(_fits(t, one) for one in there)]
        )
        if not back:
            return nothing(draft)
        draft.back(opposite, name | {"Targets": back})
        return draft.done()

    return make


def _fits(target: Mapping[str, Any], there: Mapping[str, Any]) -> bool:
    return bool(target["Id"] == there["Id"] and target.get("Port") in (None, there.get("Port")))


ROWS = rows(
    "elbv2",
    {
        "CreateTargetGroup": (
            made("DeleteTargetGroup", {"TargetGroupArn": "TargetGroups[0].TargetGroupArn"}),
            "full",
            "the target group is deleted",
        ),
        "ModifyTargetGroup": (
            put_back(
                "ModifyTargetGroup",
                ("TargetGroupArn",),
                _HEALTH,
                read=Read("DescribeTargetGroups", {"TargetGroupArns": "[TargetGroupArn]"}, "TargetGroups[0]"),
                what="health checks of {TargetGroupArn}",
                only_given=True,
            ),
            "full",
            "the health checks are put back",
        ),
        "DeleteTargetGroup": (_delete_group, "new_id", "made again with attributes and targets"),
        "RegisterTargets": (_register("DeregisterTargets"), "full", "those that are new are deregistered"),
        "DeregisterTargets": (_register("RegisterTargets"), "full", "registered again"),
        "ModifyTargetGroupAttributes": (
            attributes("TargetGroupArn", "TargetGroup"),
            "full",
            "the old values are set",
        ),
    },
)
