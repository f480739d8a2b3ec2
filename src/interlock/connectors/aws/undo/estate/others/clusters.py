"""ElastiCache, Redshift, OpenSearch and API Gateway (Amazon ElastiCache API reference: ModifyReplicationGroup; Amazon Redshift API
reference: ModifyCluster; Amazon API Gateway API reference: UpdateStage)."""

from typing import Any

from interlock.connectors.aws.undo.estate.common import Read, made, nothing, put_back, rows, switched
from interlock.connectors.aws.undo.estate.draft import Draft, Maker, kept, never, own_tags, slot
from interlock.connectors.aws.undo.plan import Plan

_CLUSTER = ("ClusterIdentifier",)
_MODIFIED = {
    "NumberOfNodes": "NumberOfNodes",
    "NodeType": "NodeType",
    "ClusterType": "ClusterNodes && (length(ClusterNodes) > `1` && 'multi-node' || 'single-node')",
    "VpcSecurityGroupIds": "VpcSecurityGroups[].VpcSecurityGroupId",
    "AutomatedSnapshotRetentionPeriod": "AutomatedSnapshotRetentionPeriod",
    "ManualSnapshotRetentionPeriod": "ManualSnapshotRetentionPeriod",
    "PreferredMaintenanceWindow": "PreferredMaintenanceWindow",
    "PubliclyAccessible": "PubliclyAccessible",
    "EnhancedVpcRouting": "EnhancedVpcRouting",
    "Encrypted": "Encrypted",
    "AllowVersionUpgrade": "AllowVersionUpgrade",
}


async def _delete_redshift(draft: Draft) -> Plan:
    """A final snapshot is forced, and restored under the cluster's name."""
    asked = draft.given(*_CLUSTER)
    old = await draft.must("Clusters[0]", "DescribeClusters", asked, what="such cluster")
    name = str(draft.get("ClusterIdentifier"))
    snapshot = draft.get("FinalClusterSnapshotIdentifier")
    if draft.get("SkipFinalClusterSnapshot") or not snapshot:
        snapshot = f"interlock-{draft.nonce}-{name}"[:255].rstrip("-").lower()
        draft.replaces |= {"SkipFinalClusterSnapshot": False, "FinalClusterSnapshotIdentifier": snapshot}
        draft.later("DeleteClusterSnapshot", {"SnapshotIdentifier": snapshot})
    going = "Clusters[0].ClusterStatus != 'deleting'"
    gone = draft.check("the deletion", "DescribeClusters", asked, going, True)
    draft.back("DescribeClusters", asked, absent_ok=True, until="`false`", unless=gone)
    create: dict[str, Any] = {"ClusterIdentifier": name, "SnapshotIdentifier": snapshot}
    create |= kept(
        old, "AvailabilityZone", "ClusterSubnetGroupName", "PubliclyAccessible", "NodeType", "NumberOfNodes"
    )
    create |= kept(
        old, "AutomatedSnapshotRetentionPeriod", "PreferredMaintenanceWindow", "EnhancedVpcRouting"
    )
    if port := old.get("Endpoint", {}).get("Port"):
        create["Port"] = port
    if groups := [one["VpcSecurityGroupId"] for one in old.get("VpcSecurityGroups", ())]:
        create["VpcSecurityGroupIds"] = groups
    if roles := [one["IamRoleArn"] for one in old.get("IamRoles", ())]:
        create["IamRoles"] = roles
    draft.back("RestoreFromClusterSnapshot", create, present_ok=True)
    draft.back("DescribeClusters", asked, until="Clusters[0].ClusterStatus == 'available'")
    draft.gentler = "PauseCluster keeps everything"
    return draft.lossy("it comes back as it is in its final snapshot; automated snapshots are deleted")


def _paused(opposite: str, status: str) -> Maker:
    what = "whether cluster {ClusterIdentifier} runs"
    read = Read("DescribeClusters", _CLUSTER, f"Clusters[0].ClusterStatus == '{status}'")
    return switched(opposite, _CLUSTER, read=read, what=what)


_GROUP = ("ReplicationGroupId",)
_GROUP_NOW = {
    "ReplicationGroupDescription": "Description",
    "AutomaticFailoverEnabled": "AutomaticFailover && contains(AutomaticFailover, 'enabl')",
    "MultiAZEnabled": "MultiAZ && contains(MultiAZ, 'enabled')",
    "CacheNodeType": "CacheNodeType",
    "SnapshotRetentionLimit": "SnapshotRetentionLimit",
    "SnapshotWindow": "SnapshotWindow",
    "AutoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
}


def _applied(operation: str, key: str, read: Read, settings: dict[str, str], what: str) -> Maker:
    """ElastiCache: put back at once, as far as the call sets it."""
    return put_back(
        operation,
        {key: key, "ApplyImmediately": "`true`"},
        settings,
        read=read,
        what=what,
        only_given=True,
    )


async def _domain(draft: Draft) -> Plan:
    """The configuration of a search domain: what the call sets is put back."""
    name = draft.given("DomainName")
    answer = await draft.must("DomainStatus", "DescribeDomain", name, what="such domain")
    settable: tuple[str, ...] = (
        "ClusterConfig",
        "EBSOptions",
        "SnapshotOptions",
        "VPCOptions",
        "CognitoOptions",
        "AccessPolicies",
    )
    settable += (
        "AdvancedOptions",
        "LogPublishingOptions",
        "EncryptionAtRestOptions",
        "DomainEndpointOptions",
    )
    names = [one for one in settable if one in draft.call.parameters]
    if not names:
        return Plan("none", reason="it sets nothing whose old value is known")
    shape = "{" + ", ".join(f"{one}: {one}" for one in names) + "}"
    await draft.watch(f"domain {draft.get('DomainName')}", "DescribeDomain", name, f"DomainStatus.{shape}")
    draft.back("UpdateDomainConfig", name | kept(answer, *names))
    return draft.done()


def _patched(operation: str, read: str, keys: tuple[str, ...], what: str) -> Maker:
    """API Gateway's patches: each path's old value is put back."""

    async def make(draft: Draft) -> Plan:
        name = draft.given(*keys)
        old = await draft.watch(what.format_map(name), read, name, "[@] | [0]")
        back = [_reverse(old or {}, one) for one in draft.get("patchOperations", ())]
        if not all(back):
            return Plan("none", reason="a patch of a kind whose inverse isn't known")
        if not back:
            return nothing(draft)
        draft.back(operation, name | {"patchOperations": list(reversed(back))})
        return draft.done()

    return make


def _reverse(old: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """The patch that undoes a patch; empty for what isn't a replacement of a plain member or variable."""
    parts = str(patch.get("path", "")).strip("/").split("/")
    found: Any = old
    for part in parts:
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    path = patch.get("path")
    if parts[0] == "variables" and found is None:
        return {"op": "remove", "path": path}
    if patch.get("op") == "replace" and isinstance(found, str | int | bool):
        value = str(found).lower() if isinstance(found, bool) else str(found)
        return {"op": "replace", "path": path, "value": value}
    if patch.get("op") == "remove" and isinstance(found, str):
        return {"op": "replace", "path": path, "value": found}
    if parts in (["description"],) and found is None:
        return {"op": "replace", "path": path, "value": ""}
    return {}


_STAGE = ("restApiId", "stageName")


async def _delete_stage(draft: Draft) -> Plan:
    old = await draft.must("@", "GetStage", draft.given(*_STAGE), what="such stage")
    create = draft.given(*_STAGE) | kept(
        old,
        "deploymentId",
        "description",
        "cacheClusterEnabled",
        "cacheClusterSize",
        "variables",
        "documentationVersion",
        "canarySettings",
        "tracingEnabled",
    )
    if tags := {key: value for key, value in old.get("tags", {}).items() if not key.startswith("aws:")}:
        create["tags"] = tags
    draft.back("CreateStage", create, present_ok=True)
    lasting = [
        name
        for name in ("methodSettings", "accessLogSettings", "webAclArn", "clientCertificateId")
        if old.get(name)
    ]
    return draft.lossy(*([f"{', '.join(lasting)} of the stage are not put back"] if lasting else []))


async def _delete_cache_subnets(draft: Draft) -> Plan:
    name = draft.given("CacheSubnetGroupName")
    old = await draft.must(
        "CacheSubnetGroups[0]", "DescribeCacheSubnetGroups", name, what="such subnet group"
    )
    create = kept(old, "CacheSubnetGroupName", "CacheSubnetGroupDescription")
    create["SubnetIds"] = [subnet["SubnetIdentifier"] for subnet in old.get("Subnets", ())]
    draft.back("CreateCacheSubnetGroup", create, present_ok=True)
    return draft.done()


async def _cache_tags(draft: Draft) -> Plan:
    name = draft.given("ResourceName")
    names = draft.get("TagKeys") or [tag["Key"] for tag in draft.get("Tags", ())]
    what = f"tags of {draft.get('ResourceName')}"
    old = await draft.watch(what, "ListTagsForResource", name, "sort_by(TagList || `[]`, &Key)")
    was = [tag for tag in own_tags(old) if tag["Key"] in names]
    new = sorted(set(names) - {tag["Key"] for tag in was})
    if was:
        draft.back("AddTagsToResource", name | {"Tags": was})
    if new and draft.get("Tags"):
        draft.back("RemoveTagsFromResource", name | {"TagKeys": new})
    return draft.done()


_API = ("GetRestApi", {"restApiId": slot("restApiId")}, "id")

ROWS = (
    *rows(
        "redshift",
        {
            "ModifyCluster": (
                put_back(
                    "ModifyCluster",
                    _CLUSTER,
                    _MODIFIED,
                    read=Read("DescribeClusters", _CLUSTER, "Clusters[0]"),
                    what="settings of cluster {ClusterIdentifier}",
                    only_given=True,
                ),
                "full",
                "the settings are put back",
            ),
            "DeleteCluster": (_delete_redshift, "new_id", "a final snapshot is forced, and restored"),
            "PauseCluster": (_paused("ResumeCluster", "available"), "full", "resumed"),
            "ResumeCluster": (_paused("PauseCluster", "paused"), "full", "paused again"),
            "CreateClusterSnapshot": (
                made("DeleteClusterSnapshot", (), ("SnapshotIdentifier",)),
                "full",
                "the snapshot is deleted",
            ),
            "DeleteClusterSnapshot": (
                never("a deleted snapshot can't come back", "ModifyClusterSnapshot with a retention period"),
                "none",
                "nothing brings it back",
            ),
        },
    ),
    *rows(
        "elasticache",
        {
            "ModifyReplicationGroup": (
                _applied(
                    "ModifyReplicationGroup",
                    "ReplicationGroupId",
                    Read("DescribeReplicationGroups", _GROUP, "ReplicationGroups[0]"),
                    _GROUP_NOW,
                    "settings of replication group {ReplicationGroupId}",
                ),
                "full",
                "the settings are put back at once",
            ),
            "ModifyCacheCluster": (
                _applied(
                    "ModifyCacheCluster",
                    "CacheClusterId",
                    Read("DescribeCacheClusters", ("CacheClusterId",), "CacheClusters[0]"),
                    {
                        "NumCacheNodes": "NumCacheNodes",
                        "CacheNodeType": "CacheNodeType",
                        "SnapshotRetentionLimit": "SnapshotRetentionLimit",
                        "SnapshotWindow": "SnapshotWindow",
                        "PreferredMaintenanceWindow": "PreferredMaintenanceWindow",
                        "AutoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
                    },
                    "settings of cache cluster {CacheClusterId}",
                ),
                "full",
                "the settings are put back at once",
            ),
            "CreateCacheSubnetGroup": (
                made("DeleteCacheSubnetGroup", (), ("CacheSubnetGroupName",)),
                "full",
                "the group is deleted",
            ),
            "DeleteCacheSubnetGroup": (_delete_cache_subnets, "full", "the group is made again"),
            "AddTagsToResource": (_cache_tags, "full", "old values are set, new tags are taken away"),
            "RemoveTagsFromResource": (_cache_tags, "full", "the tags are set again"),
            "CreateSnapshot": (
                made("DeleteSnapshot", (), ("SnapshotName",)),
                "full",
                "the snapshot is deleted",
            ),
            "DeleteSnapshot": (
                never("a deleted snapshot can't come back", "CopySnapshot exports it first"),
                "none",
                "nothing brings it back",
            ),
        },
    ),
    *rows(
        "opensearch",
        {
            "UpdateDomainConfig": (_domain, "full", "the settings are put back"),
            "CreateDomain": (made("DeleteDomain", (), ("DomainName",)), "full", "the domain is deleted"),
            "DeleteDomain": (
                never("its indexes can't be brought back", "a manual snapshot into a bucket keeps them"),
                "none",
                "nothing brings the indexes back",
            ),
        },
    ),
    *rows(
        "apigateway",
        {
            "UpdateStage": (
                _patched("UpdateStage", "GetStage", _STAGE, "stage {stageName}"),
                "full",
                "the old values are patched back",
            ),
            "CreateStage": (made("DeleteStage", (), _STAGE), "full", "the stage is deleted"),
            "DeleteStage": (_delete_stage, "full", "the stage is made again"),
            "CreateRestApi": (
                made("DeleteRestApi", {"restApiId": "id"}, gone=_API),
                "full",
                "the API is deleted",
            ),
            "UpdateRestApi": (
                _patched("UpdateRestApi", "GetRestApi", ("restApiId",), "API {restApiId}"),
                "full",
                "the old values are patched back",
            ),
        },
    ),
)
