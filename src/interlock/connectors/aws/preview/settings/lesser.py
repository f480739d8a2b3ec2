"""Services that fewer people use: what they have now beside what a call gives them. Source: the API reference of each service."""

from collections.abc import Mapping
from typing import Any

from interlock.connectors.aws.preview.found import Effects, absent, items, thing
from interlock.connectors.aws.preview.rows import Describer, Table, rows
from interlock.connectors.aws.preview.settings.engine import Rule, at, changing, same
from interlock.connectors.aws.preview.settings.shrinking import resized
from interlock.connectors.aws.preview.survey import Survey, Unsure, digest
from interlock.model.effect import ChangeKind, Effect
from interlock.model.operation import Resource

_LIFECYCLE = changing(
    "elasticfilesystem:file-system",
    "file-system/{FileSystemId}",
    "DescribeLifecycleConfiguration",
    {"FileSystemId": "{FileSystemId}"},
    "",
    (Rule("LifecyclePolicies", "drops", "rules that move files"), Rule("FileSystemId", "ignored")),
)
_SERVERLESS_CACHE = changing(
    "elasticache:serverlesscache",
    "serverlesscache:{ServerlessCacheName}",
    "DescribeServerlessCaches",
    {"ServerlessCacheName": "{ServerlessCacheName}"},
    "ServerlessCaches.0",
    (
        Rule("SnapshotRetentionLimit", "lower", "days of backups"),
        Rule("CacheUsageLimits", "weakens", "limits of use"),
        Rule("SecurityGroupIds", "permission", "security groups"),
        Rule("UserGroupId", "permission"),
        Rule("RemoveUserGroup", "permission"),
        Rule("Description", "setting"),
        Rule("DailySnapshotTime", "setting"),
        Rule("ServerlessCacheName", "ignored"),
    ),
)
_MEMORYDB = changing(
    "memorydb:cluster",
    "cluster/{ClusterName}",
    "DescribeClusters",
    {"ClusterName": "{ClusterName}"},
    "Clusters.0",
    (
        Rule("ShardConfiguration.ShardCount", "lower", "shards", present="NumberOfShards"),
        Rule("ReplicaConfiguration", "weakens", "copies of each shard"),
        Rule("SnapshotRetentionLimit", "lower", "days of backups"),
        Rule("ACLName", "permission", "who may use it"),
        Rule("SecurityGroupIds", "permission", "security groups", present="SecurityGroups.*.SecurityGroupId"),
        Rule("Description", "setting"),
        Rule("MaintenanceWindow", "setting"),
        Rule("SnapshotWindow", "setting"),
        Rule("ClusterName", "ignored"),
    ),
)
_SHARD_GROUP = changing(
    "rds:shardgrp",
    "shardgrp:{DBShardGroupIdentifier}",
    "DescribeDBShardGroups",
    {"DBShardGroupIdentifier": "{DBShardGroupIdentifier}"},
    "DBShardGroups.0",
    (
        Rule("MaxACU", "lower", "greatest capacity"),
        Rule("MinACU", "lower", "least capacity"),
        Rule("ComputeRedundancy", "lower", "copies"),
        Rule("DBShardGroupIdentifier", "ignored"),
    ),
)
_ELASTIC = changing(
    "docdb-elastic:cluster",
    "cluster/{clusterArn}",
    "GetCluster",
    {"clusterArn": "{clusterArn}"},
    "cluster",
    (
        Rule("shardCount", "lower", "shards"),
        Rule("shardCapacity", "lower", "capacity of each shard"),
        Rule("shardInstanceCount", "lower", "copies of each shard"),
        Rule("backupRetentionPeriod", "lower", "days of backups"),
        Rule("adminUserPassword", "secret", "master password"),
        Rule("vpcSecurityGroupIds", "permission", "security groups"),
        Rule("preferredBackupWindow", "setting"),
        Rule("preferredMaintenanceWindow", "setting"),
        *(Rule(name, "ignored") for name in ("clusterArn", "clientToken")),
    ),
)
_FILES = ("WindowsConfiguration", "LustreConfiguration", "OntapConfiguration", "OpenZFSConfiguration")
_FILE_SYSTEM = changing(
    "fsx:file-system",
    "file-system/{FileSystemId}",
    "DescribeFileSystems",
    {"FileSystemIds": ["{FileSystemId}"]},
    "FileSystems.0",
    (
        *(Rule(f"{kind}.AutomaticBackupRetentionDays", "lower", "days of backups") for kind in _FILES),
        *(Rule(f"{kind}.ThroughputCapacity", "lower", "throughput") for kind in _FILES),
        *(Rule(f"{kind}.DailyAutomaticBackupStartTime", "setting") for kind in _FILES),
        *(Rule(f"{kind}.WeeklyMaintenanceStartTime", "setting") for kind in _FILES),
        Rule("StorageCapacity", "lower", "GiB of storage"),
        *(Rule(name, "ignored") for name in ("FileSystemId", "ClientRequestToken")),
    ),
)
_REVIEWED_FILES = frozenset(
    (
        "AutomaticBackupRetentionDays",
        "ThroughputCapacity",
        "DailyAutomaticBackupStartTime",
        "WeeklyMaintenanceStartTime",
    )
)


async def _file_system(survey: Survey) -> Effects:
    """UpdateFileSystem of FSx: a member of a file system's own kind that isn't reviewed weakens."""
    effects = await _FILE_SYSTEM(survey)
    more = [
        f"{kind}.{name}"
        for kind in _FILES
        for name in survey.parameters.get(kind) or {}
        if name not in _REVIEWED_FILES
    ]
    where = survey.about("fsx:file-system", "file-system/{FileSystemId}")
    return [*effects, *([thing(where, ChangeKind.WEAKENED, ", ".join(more))] if more else [])]


def _domain(cluster: str, ask: str) -> Describer:
    """A search domain: how many machines, of which kind, with which disks."""
    return changing(
        "es:domain",
        "domain/{DomainName}",
        ask,
        {"DomainName": "{DomainName}"},
        "DomainStatus",
        (
            Rule(f"{cluster}.InstanceCount", "lower", "machines"),
            Rule(f"{cluster}.InstanceType", "weakens", "type of machine"),
            Rule(f"{cluster}.DedicatedMasterEnabled", "off", "machines that lead"),
            Rule(f"{cluster}.DedicatedMasterCount", "lower", "machines that lead"),
            Rule(f"{cluster}.DedicatedMasterType", "weakens"),
            Rule(f"{cluster}.ZoneAwarenessEnabled", "off", "copies in other zones"),
            Rule(f"{cluster}.ZoneAwarenessConfig", "weakens"),
            Rule(f"{cluster}.WarmEnabled", "off", "warm storage"),
            Rule(f"{cluster}.WarmCount", "lower", "warm machines"),
            Rule(f"{cluster}.WarmType", "weakens"),
            Rule(f"{cluster}.ColdStorageOptions", "weakens"),
            Rule(f"{cluster}.MultiAZWithStandbyEnabled", "off", "standby in another zone"),
            Rule(f"{cluster}.NodeOptions", "weakens"),
            Rule("EBSOptions.EBSEnabled", "off", "disks"),
            Rule("EBSOptions.VolumeSize", "lower", "GiB of each disk"),
            Rule("EBSOptions.VolumeType", "weakens", "type of disk"),
            Rule("EBSOptions.Iops", "lower"),
            Rule("EBSOptions.Throughput", "lower"),
            Rule("SnapshotOptions", "setting"),
            *(Rule(name, "ignored") for name in ("DomainName", "DryRun", "DryRunMode")),
        ),
    )


_QUERIES = changing(
    "aws:service",
    "*",
    "DescribeAccountSettings",
    {},
    "",
    (Rule("MaxQueryTCU", "lower", "greatest capacity"), Rule("QueryPricingModel", "weakens")),
)
_OCUS = ("maxIndexingCapacityInOCU", "maxSearchCapacityInOCU")
_COLLECTIONS = changing(
    "aws:service",
    "*",
    "GetAccountSettings",
    {},
    "accountSettingsDetail",
    tuple(Rule(f"capacityLimits.{name}", "lower", name) for name in _OCUS),
)


async def _definition(survey: Survey) -> Effects:
    """UpdateTable of Glue: what is left out of the definition is gone, and another place is other data."""
    given = survey.parameters.get("TableInput")
    if not isinstance(given, Mapping) or "UpdateOpenTableFormatInput" in survey.parameters:
        raise Unsure("the call gives no definition")
    database, name = (
        survey.text("DatabaseName"),
        str(given.get("Name") or survey.parameters.get("Name") or ""),
    )
    where = survey.about("glue:table", f"table/{{DatabaseName}}/{name}")
    asked = {"DatabaseName": database, "Name": name}
    found = at(await survey.find("glue", "GetTable", asked), "Table")
    return _redefined(survey, where, given, found)


async def _partition(survey: Survey) -> Effects:
    """UpdatePartition of Glue."""
    given = survey.parameters.get("PartitionInput") or {}
    asked = {name: survey.text(name) for name in ("DatabaseName", "TableName")}
    where = survey.about("glue:table", "table/{DatabaseName}/{TableName}")
    values = survey.parameters.get("PartitionValueList") or []
    found = at(await survey.find("glue", "GetPartition", {**asked, "PartitionValues": values}), "Partition")
    return _redefined(survey, where, given, found)


def _redefined(survey: Survey, where: Resource, given: Mapping[str, Any], found: Any) -> Effects:
    if not isinstance(found, Mapping):
        return [absent(where)]
    old = {name: found.get(name) for name in (*_DEFINES, *given) if name in found or name in given}
    changed = [name for name in old if not same(old[name], given.get(name))]
    survey.rests_on(f"definition of {where.name}", digest(old))
    place = [at(each, "StorageDescriptor.Location") for each in (found, given)]
    if place[0] != place[1]:
        survey.shows("where its data lies", *place)
    if not changed:
        return [thing(where, ChangeKind.SETTING, "nothing changes")]
    harmless = set(changed) <= _TELLS
    change = ChangeKind.SETTING if harmless else ChangeKind.WEAKENED
    return [thing(where, change, f"its definition: {', '.join(changed)}")]


_DEFINES = ("StorageDescriptor", "PartitionKeys", "ViewOriginalText", "TableType", "Parameters", "Values")
_TELLS = frozenset(("Description", "Owner", "LastAccessTime", "LastAnalyzedTime"))
"""Members of a definition that only tell people something."""


async def _attributes(survey: Survey) -> Effects:
    """PutAttributes, DeleteAttributes of SimpleDB: of an item that may be there."""
    where = survey.about("sdb:domain", "domain/{DomainName}")
    asked = {name: survey.text(name) for name in ("DomainName", "ItemName")}
    found = (await survey.ask("sdb", "GetAttributes", {**asked, "ConsistentRead": True})).get(
        "Attributes"
    ) or []
    survey.rests_on(f"item of {where.name}", digest(found))
    given = survey.parameters.get("Attributes") or []
    if survey.call.operation == "DeleteAttributes":
        gone = not given or {one["Name"] for one in found} <= {one["Name"] for one in given}
        return [items(where, ChangeKind.DELETED if gone else ChangeKind.UPDATED, 1 if found else 0)]
    replaced = {one["Name"] for one in given if one.get("Replace")} & {one["Name"] for one in found}
    detail = f"values are replaced: {len(replaced):,}" if replaced else "values are added"
    return [items(where, ChangeKind.UPDATED if found else ChangeKind.CREATED, 1, detail=detail)]


async def _fleet(survey: Survey) -> Effects:
    """ModifyFleet: how many machines a fleet is to have."""
    where = survey.about("ec2:fleet", "fleet/{FleetId}")
    asked = {"FleetIds": [survey.text("FleetId")]}
    found = at(await survey.find("ec2", "DescribeFleets", asked), "Fleets.0")
    path = "TargetCapacitySpecification.TotalTargetCapacity"
    return _to_be(survey, where, found, path, path, ("FleetId", "TargetCapacitySpecification"))


async def _spot_fleet(survey: Survey) -> Effects:
    """ModifySpotFleetRequest."""
    where = survey.about("ec2:spot-fleet-request", "spot-fleet-request/{SpotFleetRequestId}")
    asked = {"SpotFleetRequestIds": [survey.text("SpotFleetRequestId")]}
    found = at(await survey.find("ec2", "DescribeSpotFleetRequests", asked), "SpotFleetRequestConfigs.0")
    path = "SpotFleetRequestConfig.TargetCapacity"
    return _to_be(survey, where, found, path, "TargetCapacity", ("SpotFleetRequestId", "TargetCapacity"))


def _to_be(
    survey: Survey, where: Resource, found: Any, present: str, given: str, known: tuple[str, ...]
) -> Effects:
    if not isinstance(found, Mapping):
        return [absent(where)]
    before, after = at(found, present), at(survey.parameters, given)
    rest = sorted(name for name in survey.parameters if name not in (*known, "DryRun"))
    effects: list[Effect] = []
    if isinstance(before, int) and isinstance(after, int):
        effects += resized(survey, where, "machines", before, after, serves=True)
    return [*effects, *([thing(where, ChangeKind.WEAKENED, ", ".join(rest))] if rest or not effects else [])]


async def _instance_groups(survey: Survey) -> Effects:
    """ModifyInstanceGroups of EMR: groups by their ids, each of so many machines."""
    where = survey.about("elasticmapreduce:cluster", "cluster/{ClusterId}")
    asked = {"ClusterId": survey.text("ClusterId")}
    listed, _ = await survey.pages("emr", "ListInstanceGroups", asked, key="InstanceGroups")
    known = {one["Id"]: one.get("RequestedInstanceCount", 0) for one in listed}
    effects: list[Effect] = []
    for group in survey.parameters.get("InstanceGroups") or []:
        name, count = group.get("InstanceGroupId"), group.get("InstanceCount")
        if name not in known or set(group) - {"InstanceGroupId", "InstanceCount"} or count is None:
            raise Unsure("a group is changed in another way than by its size")
        effects += resized(survey, where, f"machines of {name}", known[name], count, serves=True)
    return effects or [thing(where, ChangeKind.SETTING, "nothing changes")]


async def _scaling(survey: Survey) -> Effects:
    """PutManagedScalingPolicy of EMR."""
    where = survey.about("elasticmapreduce:cluster", "cluster/{ClusterId}")
    answer = await survey.ask("emr", "GetManagedScalingPolicy", {"ClusterId": survey.text("ClusterId")})
    path = "ManagedScalingPolicy.ComputeLimits"
    old, new = at(answer, path), at(survey.parameters, path) or {}
    if not isinstance(old, Mapping):
        # Without a policy it is as large as it was made: any limit may be less.
        return [thing(where, ChangeKind.WEAKENED, "is scaled from now on")]
    if old.get("UnitType") != new.get("UnitType"):
        raise Unsure("capacity is counted in other units than before")
    effects: list[Effect] = []
    for name in sorted({*old, *new} - {"UnitType"}):
        if old.get(name) != new.get(name):
            effects += resized(survey, where, name, old.get(name) or 0, new.get(name) or 0)
    return effects or [thing(where, ChangeKind.SETTING, "nothing changes")]


async def _environments(survey: Survey) -> Effects:
    """PutFunctionScalingConfig of Lambda."""
    where = survey.about("lambda:function", "function:{FunctionName}")
    asked = {name: survey.text(name) for name in ("FunctionName", "Qualifier")}
    found = await survey.find("lambda", "GetFunctionScalingConfig", asked)
    if found is None:
        return [absent(where)]
    old = at(found, "RequestedFunctionScalingConfig") or {}
    new = survey.parameters.get("FunctionScalingConfig") or {}
    effects: list[Effect] = []
    for name in ("MinExecutionEnvironments", "MaxExecutionEnvironments"):
        if old.get(name) != new.get(name):
            # Without a limit any number may be less.
            before = old.get(name, new.get(name, 0) + 1)
            effects += resized(survey, where, name, before, new.get(name) or 0, serves=name.startswith("Max"))
    return effects or [thing(where, ChangeKind.SETTING, "nothing changes")]


TABLE: Table = {
    **rows("efs", "replace expiry", PutLifecycleConfiguration=_LIFECYCLE),
    **rows("elasticache", "backup outage", ModifyServerlessCache=_SERVERLESS_CACHE),
    **rows("memorydb", "backup capacity", UpdateCluster=_MEMORYDB),
    **rows("rds", "capacity", ModifyDBShardGroup=_SHARD_GROUP),
    **rows("docdb-elastic", "capacity backup", UpdateCluster=_ELASTIC),
    **rows("fsx", "backup", UpdateFileSystem=_file_system),
    **rows("opensearch", "capacity", UpdateDomainConfig=_domain("ClusterConfig", "DescribeDomain")),
    **rows(
        "es",
        "capacity",
        UpdateElasticsearchDomainConfig=_domain("ElasticsearchClusterConfig", "DescribeElasticsearchDomain"),
    ),
    **rows("timestream-query", "capacity", UpdateAccountSettings=_QUERIES),
    **rows("opensearchserverless", "capacity", UpdateAccountSettings=_COLLECTIONS),
    **rows("glue", "replace", UpdateTable=_definition, UpdatePartition=_partition),
    **rows("sdb", "overwrite", PutAttributes=_attributes, DeleteAttributes=_attributes),
    **rows("ec2", "capacity", ModifyFleet=_fleet, ModifySpotFleetRequest=_spot_fleet),
    **rows("emr", "capacity", ModifyInstanceGroups=_instance_groups, PutManagedScalingPolicy=_scaling),
    **rows("lambda", "capacity", PutFunctionScalingConfig=_environments),
}
