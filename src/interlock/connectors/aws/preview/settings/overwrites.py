"""Calls that put a thing as a whole over one that may be there: dashboards, tags, images, subnets. What is left out is gone."""

from collections.abc import Mapping

from interlock.connectors.aws.preview.data.objects import bucket_of
from interlock.connectors.aws.preview.found import Effects, absent, items, made, thing
from interlock.connectors.aws.preview.rows import Table, rows
from interlock.connectors.aws.preview.settings.engine import Rule, at, changing
from interlock.connectors.aws.preview.settings.shrinking import resized
from interlock.connectors.aws.preview.survey import Survey, digest
from interlock.model.effect import ChangeKind, Effect


async def _dashboard(survey: Survey) -> Effects:
    where = survey.about("cloudwatch:dashboard", "dashboard/{DashboardName}", region=False)
    asked = {"DashboardName": survey.text("DashboardName")}
    found = await survey.find("cloudwatch", "GetDashboard", asked)
    if found is None:
        return [made(where)]
    survey.rests_on(f"dashboard {where.name}", digest(found.get("DashboardBody")))
    return [thing(where, ChangeKind.UPDATED, "replaced as a whole")]


async def _composite(survey: Survey) -> Effects:
    """PutCompositeAlarm."""
    where = survey.about("cloudwatch:alarm", "alarm:{AlarmName}")
    asked = {"AlarmNames": [survey.text("AlarmName")], "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
    answer = await survey.ask("cloudwatch", "DescribeAlarms", asked)
    found = at(answer, "CompositeAlarms.0") or at(answer, "MetricAlarms.0")
    if not isinstance(found, Mapping):
        return [made(where)]
    survey.rests_on(f"rule of {where.name}", found.get("AlarmRule"))
    survey.shows("rule", found.get("AlarmRule"), survey.parameters.get("AlarmRule"))
    return [thing(where, ChangeKind.WEAKENED, "replaced as a whole")]


async def _image(survey: Survey) -> Effects:
    """PutImage: a tag moves to another image."""
    where = survey.about("ecr:repository", "repository/{repositoryName}")
    tag = survey.parameters.get("imageTag")
    asked = {"repositoryName": survey.text("repositoryName")}
    listed, _ = await survey.pages("ecr", "ListImages", asked, key="imageIds")
    old = next((one.get("imageDigest") for one in listed if tag and one.get("imageTag") == tag), None)
    if old is None:
        return [items(where, ChangeKind.CREATED, 1, detail="an image")]
    survey.rests_on(f"image of tag {tag}", old)
    if old == survey.parameters.get("imageDigest"):
        return [items(where, ChangeKind.UPDATED, 0, len(listed), detail="nothing changes")]
    return [thing(where, ChangeKind.WEAKENED, f"the tag {tag} moves to another image")]


async def _object_tags(survey: Survey) -> Effects:
    where = bucket_of(survey, survey.text("Bucket"))
    asked = {
        name: survey.parameters[name]
        for name in ("Bucket", "Key", "VersionId")
        if survey.parameters.get(name)
    }
    found = await survey.find("s3", "GetObjectTagging", asked)
    if found is None:
        return [items(where, ChangeKind.UPDATED, 0, detail="no such object")]
    survey.rests_on(f"tags of {survey.text('Key')}", found.get("TagSet"))
    names = {one.get("Key") for one in found.get("TagSet") or []}
    kept = {one.get("Key") for one in at(survey.parameters, "Tagging.TagSet") or []}
    gone = sorted(str(name) for name in names - kept)
    detail = f"tags left out: {', '.join(gone)}" if gone else "its tags"
    change = items(where, ChangeKind.UPDATED, 1, detail=detail)
    return [change, *([thing(where, ChangeKind.WEAKENED, detail)] if gone else [])]


async def _object_retention(survey: Survey) -> Effects:
    """PutObjectRetention: until when an object can't be deleted."""
    where = bucket_of(survey, survey.text("Bucket"))
    asked = {
        name: survey.parameters[name]
        for name in ("Bucket", "Key", "VersionId")
        if survey.parameters.get(name)
    }
    before = at(await survey.find("s3", "GetObjectRetention", asked), "Retention") or {}
    after = survey.parameters.get("Retention") or {}
    survey.rests_on(f"retention of {survey.text('Key')}", before)
    survey.shows("kept until", before.get("RetainUntilDate"), after.get("RetainUntilDate"))
    old, new = before.get("RetainUntilDate"), after.get("RetainUntilDate")
    longer = old is None or (new is not None and new >= old)
    worse = not longer or (before.get("Mode") == "COMPLIANCE" and after.get("Mode") != "COMPLIANCE")
    return [thing(where, ChangeKind.WEAKENED if worse else ChangeKind.SETTING, "retention of an object")]


async def _cache(survey: Survey) -> Effects:
    """ModifyCacheCluster: fewer nodes, fewer backups."""
    where = survey.about("elasticache:cluster", "cluster:{CacheClusterId}")
    asked = {"CacheClusterId": survey.text("CacheClusterId")}
    found = at(await survey.find("elasticache", "DescribeCacheClusters", asked), "CacheClusters.0")
    if not isinstance(found, Mapping):
        return [absent(where)]
    effects: list[Effect] = []
    for name, label in (("NumCacheNodes", "nodes"), ("SnapshotRetentionLimit", "days of backups")):
        after = survey.parameters.get(name)
        if isinstance(after, int) and after != found.get(name, 0):
            effects += resized(survey, where, label, found.get(name, 0), after)
    known = (
        "CacheClusterId",
        "NumCacheNodes",
        "CacheNodeIdsToRemove",
        "SnapshotRetentionLimit",
        "ApplyImmediately",
    )
    rest = sorted(name for name in survey.parameters if name not in known)
    return [*effects, *([thing(where, ChangeKind.WEAKENED, ", ".join(rest))] if rest or not effects else [])]


async def _provisioned(survey: Survey) -> Effects:
    """PutProvisionedConcurrencyConfig."""
    where = survey.about("lambda:function", "function:{FunctionName}")
    asked = {name: survey.text(name) for name in ("FunctionName", "Qualifier")}
    found = await survey.find("lambda", "GetProvisionedConcurrencyConfig", asked)
    before = (found or {}).get("RequestedProvisionedConcurrentExecutions", 0)
    after = survey.parameters.get("ProvisionedConcurrentExecutions", 0)
    return resized(survey, where, "provisioned concurrency", before, after)


_SUBNETS = changing(
    "rds:subgrp",
    "subgrp:{DBSubnetGroupName}",
    "DescribeDBSubnetGroups",
    {"DBSubnetGroupName": "{DBSubnetGroupName}"},
    "DBSubnetGroups.0",
    (
        Rule("SubnetIds", "drops", "subnets", present="Subnets.*.SubnetIdentifier"),
        Rule("DBSubnetGroupDescription", "setting"),
        Rule("DBSubnetGroupName", "ignored"),
    ),
)
_VOLUME = changing(
    "ec2:volume",
    "volume/{VolumeId}",
    "DescribeVolumes",
    {"VolumeIds": ["{VolumeId}"]},
    "Volumes.0",
    (
        Rule("Size", "lower", "GiB"),
        Rule("Iops", "lower"),
        Rule("Throughput", "lower"),
        Rule("VolumeType", "weakens", "type of disk"),
        Rule("MultiAttachEnabled", "setting"),
        Rule("VolumeId", "ignored"),
        Rule("DryRun", "ignored"),
    ),
)

TABLE: Table = {
    **rows("cloudwatch", "overwrite audit", PutDashboard=_dashboard, PutCompositeAlarm=_composite),
    **rows("ecr", "overwrite", PutImage=_image),
    **rows("s3", "replace", PutObjectTagging=_object_tags),
    **rows("s3", "guard", PutObjectRetention=_object_retention),
    **rows("elasticache", "capacity backup", ModifyCacheCluster=_cache),
    **rows("lambda", "capacity", PutProvisionedConcurrencyConfig=_provisioned),
    **rows("rds", "replace", ModifyDBSubnetGroup=_SUBNETS),
    **rows("docdb", "replace", ModifyDBSubnetGroup=_SUBNETS),
    **rows("neptune", "replace", ModifyDBSubnetGroup=_SUBNETS),
    **rows("ec2", "outage", ModifyVolume=_VOLUME),
}
