"""Services that fewer people use: against moto where it has them; else against an answer in the form of botocore's own model."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.validate import ParamValidator
from tests.connectors.aws.preview.conftest import _session, classified

from interlock.connectors.aws.call import CallFailed, Described
from interlock.connectors.aws.preview import Seen, describe
from interlock.connectors.aws.verbs import tables

Said = list[tuple[str, str, int]]


def said(found: Described) -> Said:
    return [(e.change.value, e.unit.value, e.count) for e in found.effects]


class Told:
    """An account that has one answer, which must be one that the service's model allows."""

    region, account, partition = "eu-central-1", "123456789012", "aws"

    def __init__(self, service: str, operation: str, answer: Mapping[str, Any] | None) -> None:
        self.asked, self.answer = (service, operation), answer
        shape = _session().get_service_model(service).operation_model(operation).output_shape
        report = ParamValidator().validate(answer or {}, shape)
        assert not report.has_errors(), report.generate_report()

    async def ask(self, service: str, operation: str, *_: Any, **__: Any) -> dict[str, Any]:
        assert (service, operation) == self.asked
        if self.answer is None:
            raise CallFailed("ResourceNotFoundException", 404)
        return dict(self.answer)

    async def pages(
        self, service: str, operation: str, *_: Any, key: str, **__: Any
    ) -> tuple[list[Any], bool]:
        return list((await self.ask(service, operation))[key]), False


def fewer(count: int) -> Said:
    """What shrinks by so many."""
    return [("weakened", "objects", 1), ("deleted", "items", count)]


def none_left(count: int) -> Said:
    """What served so many, and serves nobody."""
    return [("hidden", "objects", 1), ("deleted", "items", count)]


SET: Said = [("setting", "objects", 1)]
WEAKER: Said = [("weakened", "objects", 1)]

OLD_RULES = [{"TransitionToIA": "AFTER_30_DAYS"}, {"TransitionToArchive": "AFTER_90_DAYS"}]
EFS = ("efs", "DescribeLifecycleConfiguration", {"LifecyclePolicies": OLD_RULES})
CACHE = ("elasticache", "DescribeServerlessCaches", {"ServerlessCaches": [{"SnapshotRetentionLimit": 5}]})
SHARDS = ("rds", "DescribeDBShardGroups", {"DBShardGroups": [{"MaxACU": 64.5, "MinACU": 2.0}]})
ELASTIC = ("docdb-elastic", "GetCluster", {"cluster": {
    "adminUserName": "a", "authType": "PLAIN_TEXT", "clusterArn": "arn", "clusterEndpoint": "e", "clusterName": "c",
    "createTime": "t", "kmsKeyId": "k", "preferredMaintenanceWindow": "w", "shardCapacity": 4, "shardCount": 4,
    "status": "ACTIVE", "subnetIds": [], "vpcSecurityGroupIds": []}})  # fmt: skip
FSX = ("fsx", "DescribeFileSystems", {"FileSystems": [
    {"StorageCapacity": 64, "WindowsConfiguration": {"AutomaticBackupRetentionDays": 30, "ThroughputCapacity": 16}}]})  # fmt: skip
FLEET = ("ec2", "DescribeFleets", {"Fleets": [{"TargetCapacitySpecification": {"TotalTargetCapacity": 10}}]})
QUERIES = ("timestream-query", "DescribeAccountSettings", {"MaxQueryTCU": 200})
OCUS = ("opensearchserverless", "GetAccountSettings", {
    "accountSettingsDetail": {"capacityLimits": {"maxIndexingCapacityInOCU": 10, "maxSearchCapacityInOCU": 10}}})  # fmt: skip
SCALED = (
    "lambda",
    "GetFunctionScalingConfig",
    {"RequestedFunctionScalingConfig": {"MaxExecutionEnvironments": 50}},
)
LIMITS = {"UnitType": "Instances", "MinimumCapacityUnits": 2, "MaximumCapacityUnits": 20}
MANAGED = ("emr", "GetManagedScalingPolicy", {"ManagedScalingPolicy": {"ComputeLimits": LIMITS}})
FS, CACHED, GROUP = {"FileSystemId": "fs-1"}, {"ServerlessCacheName": "c"}, {"DBShardGroupIdentifier": "g"}
F = {"FunctionName": "f", "Qualifier": "$LATEST.PUBLISHED"}


def managed(**limits: int) -> dict[str, Any]:
    return {"ClusterId": "j-1", "ManagedScalingPolicy": {"ComputeLimits": {**LIMITS, **limits}}}


ASKED: tuple[tuple[tuple[str, str, Mapping[str, Any] | None], str, str, Mapping[str, Any], Said], ...] = (
    (EFS, "efs", "PutLifecycleConfiguration", {**FS, "LifecyclePolicies": OLD_RULES}, SET),
    (EFS, "efs", "PutLifecycleConfiguration", {**FS, "LifecyclePolicies": OLD_RULES[:1]}, WEAKER),
    (CACHE, "elasticache", "ModifyServerlessCache", {**CACHED, "SnapshotRetentionLimit": 7}, SET),
    (CACHE, "elasticache", "ModifyServerlessCache", {**CACHED, "SnapshotRetentionLimit": 1}, WEAKER),
    (SHARDS, "rds", "ModifyDBShardGroup", {**GROUP, "MaxACU": 128.0}, SET),
    (SHARDS, "rds", "ModifyDBShardGroup", {**GROUP, "MaxACU": 64.0}, WEAKER),
    (SHARDS, "rds", "ModifyDBShardGroup", {**GROUP, "MinACU": 1.5}, WEAKER),
    (ELASTIC, "docdb-elastic", "UpdateCluster", {"clusterArn": "arn", "shardCount": 8}, SET),
    (ELASTIC, "docdb-elastic", "UpdateCluster", {"clusterArn": "arn", "shardCount": 2}, WEAKER),
    (FSX, "fsx", "UpdateFileSystem", {**FS, "WindowsConfiguration": {"AutomaticBackupRetentionDays": 90}}, SET),
    (FSX, "fsx", "UpdateFileSystem", {**FS, "WindowsConfiguration": {"AutomaticBackupRetentionDays": 7}}, WEAKER),
    (FSX, "fsx", "UpdateFileSystem", {**FS, "WindowsConfiguration": {"DiskIopsConfiguration": {}}},
     SET + WEAKER),
    (FLEET, "ec2", "ModifyFleet", {"FleetId": "f", "TargetCapacitySpecification": {"TotalTargetCapacity": 11}}, SET),
    (FLEET, "ec2", "ModifyFleet", {"FleetId": "f", "TargetCapacitySpecification": {"TotalTargetCapacity": 0}},
     none_left(10)),
    (QUERIES, "timestream-query", "UpdateAccountSettings", {"MaxQueryTCU": 400}, SET),
    (QUERIES, "timestream-query", "UpdateAccountSettings", {"MaxQueryTCU": 4}, WEAKER),
    (OCUS, "opensearchserverless", "UpdateAccountSettings", {"capacityLimits": {"maxSearchCapacityInOCU": 20}}, SET),
    (OCUS, "opensearchserverless", "UpdateAccountSettings", {"capacityLimits": {"maxSearchCapacityInOCU": 2}}, WEAKER),
    (SCALED, "lambda", "PutFunctionScalingConfig",
     {**F, "FunctionScalingConfig": {"MaxExecutionEnvironments": 60}}, SET),
    (SCALED, "lambda", "PutFunctionScalingConfig",
     {**F, "FunctionScalingConfig": {"MaxExecutionEnvironments": 0}}, none_left(50)),
    (MANAGED, "emr", "PutManagedScalingPolicy", managed(), SET),
    (MANAGED, "emr", "PutManagedScalingPolicy", managed(MaximumCapacityUnits=5), fewer(15)),
    (("emr", "GetManagedScalingPolicy", {}), "emr", "PutManagedScalingPolicy", managed(), WEAKER),
)  # fmt: skip


@pytest.mark.parametrize(("account", "service", "operation", "parameters", "expected"), ASKED)
def test_what_is_there_decides(
    account: tuple[str, str, Mapping[str, Any] | None],
    service: str,
    operation: str,
    parameters: Mapping[str, Any],
    expected: Said,
) -> None:
    what = classified(service, operation, parameters)
    found = asyncio.run(describe(what, Told(*account), Seen()))
    changes = [each for each in said(found) if each[0] != "permission"]
    assert changes == expected, found
    assert not any(effect.evidence.value == "unknown" for effect in found.effects)


@pytest.mark.parametrize("row", ASKED, ids=[f"{row[1]}:{row[2]}" for row in ASKED])
def test_an_account_that_cannot_be_asked_is_in_doubt(row: Any) -> None:
    account, service, operation, parameters, _ = row
    told = Told(*account)

    async def refuses(*_: Any, **__: Any) -> Any:
        raise CallFailed("AccessDeniedException", 403)

    told.ask = told.pages = refuses  # type: ignore[method-assign]
    found = asyncio.run(describe(classified(service, operation, parameters), told, Seen()))
    assert {effect.evidence.value for effect in found.effects} == {"unknown"}


def test_searching(calls: Any, described: Any) -> None:
    for service, made, changed, cluster in (
        ("opensearch", "CreateDomain", "UpdateDomainConfig", "ClusterConfig"),
        ("es", "CreateElasticsearchDomain", "UpdateElasticsearchDomainConfig", "ElasticsearchClusterConfig"),
    ):
        size = {"InstanceType": "m5.large.search", "InstanceCount": 4}
        calls.client(service)._make_api_call(made, {"DomainName": f"{service}-one", cluster: size})
        for count, expected in ((5, SET), (4, SET), (1, WEAKER)):
            asked = {"DomainName": f"{service}-one", cluster: {"InstanceCount": count}}
            assert said(described(service, changed, parameters=asked)) == expected


def test_a_catalog(calls: Any, described: Any) -> None:
    glue = calls.client("glue")
    glue.create_database(DatabaseInput={"Name": "shop"})
    place = {"Location": "s3://data/orders", "Columns": [{"Name": "id", "Type": "int"}]}
    table = {"Name": "orders", "StorageDescriptor": place, "TableType": "EXTERNAL_TABLE"}
    glue.create_table(DatabaseName="shop", TableInput=table)
    for change, expected in (
        ({}, SET),
        ({"Description": "all orders"}, SET),
        ({"StorageDescriptor": {**place, "Location": "s3://elsewhere"}}, WEAKER),
        ({"TableType": ""}, WEAKER),
    ):
        asked = {"DatabaseName": "shop", "TableInput": {**table, **change}}
        assert said(described("glue", "UpdateTable", parameters=asked)) == expected, change
    found = described(
        "glue", "UpdateTable", parameters={"DatabaseName": "shop", "TableInput": {"Name": "no"}}
    )
    assert said(found) == [("deleted", "objects", 0)], "it isn't there: the call will fail"
    partition = {"Values": ["2026"], "StorageDescriptor": place}
    glue.create_partition(DatabaseName="shop", TableName="orders", PartitionInput=partition)
    moved = {**partition, "StorageDescriptor": {"Location": "s3://elsewhere"}}
    for given, expected in ((partition, SET), (moved, WEAKER)):
        asked = {"DatabaseName": "shop", "TableName": "orders", "PartitionValueList": ["2026"]}
        asked |= {"PartitionInput": given}
        assert said(described("glue", "UpdatePartition", parameters=asked)) == expected


def test_machines_of_a_cluster(calls: Any, described: Any) -> None:
    emr = calls.client("emr")
    groups = [{"InstanceRole": "MASTER", "InstanceType": "m5.large", "InstanceCount": 1, "Name": "m"},
              {"InstanceRole": "CORE", "InstanceType": "m5.large", "InstanceCount": 5, "Name": "c"}]  # fmt: skip
    cluster = emr.run_job_flow(
        Name="c", Instances={"InstanceGroups": groups}, JobFlowRole="r", ServiceRole="s"
    )["JobFlowId"]
    listed = emr.list_instance_groups(ClusterId=cluster)["InstanceGroups"]
    core = next(one["Id"] for one in listed if one["InstanceGroupType"] == "CORE")
    for change, expected in (
        ({"InstanceCount": 6}, SET),
        ({"InstanceCount": 2}, fewer(3)),
        ({"InstanceCount": 0}, none_left(5)),
    ):
        asked = {"ClusterId": cluster, "InstanceGroups": [{"InstanceGroupId": core, **change}]}
        assert said(described("emr", "ModifyInstanceGroups", parameters=asked)) == expected
    more = {"InstanceGroupId": core, "InstanceCount": 6, "EC2InstanceIdsToTerminate": ["i-1"]}
    found = described(
        "emr", "ModifyInstanceGroups", parameters={"ClusterId": cluster, "InstanceGroups": [more]}
    )
    assert found.effects[0].evidence.value == "unknown"


def test_items_of_a_domain(calls: Any, described: Any) -> None:
    sdb = calls.client("sdb")
    sdb.create_domain(DomainName="shop")
    one = {"DomainName": "shop", "ItemName": "one"}
    put = {**one, "Attributes": [{"Name": "a", "Value": "new", "Replace": True}]}
    assert said(described("sdb", "PutAttributes", parameters=put)) == [("created", "items", 1)]
    sdb.put_attributes(**one, Attributes=[{"Name": "a", "Value": "old"}, {"Name": "b", "Value": "old"}])
    assert said(described("sdb", "PutAttributes", parameters=put)) == [("updated", "items", 1)]
    gone = {**one, "Attributes": [{"Name": "a"}]}
    assert said(described("sdb", "DeleteAttributes", parameters=gone)) == [("updated", "items", 1)]
    assert said(described("sdb", "DeleteAttributes", parameters=one)) == [("deleted", "items", 1)]


def test_every_row_that_needs_the_state_is_described_or_named_here() -> None:
    from interlock.connectors.aws.preview.registry import row_of

    asked = {rule.call for rules in tables.quiet_rules().values() for rule in rules if rule.needs}
    without = {call for call in asked if row_of(*call.split(":")) is None}
    # What each would do takes many questions, or other accounts: these stay unknown, and are held.
    assert without == {
        "cloudformation:UpdateStackInstances",
        "cloudformation:UpdateStackSet",
        "emr:ModifyInstanceFleet",
        "glue:BatchUpdatePartition",
        "rds:ModifyCurrentDBClusterCapacity",
        "s3:PutBucketNotification",
        "s3:RestoreObject",
        "sdb:BatchDeleteAttributes",
    }
