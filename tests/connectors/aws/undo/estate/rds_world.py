"""Databases, for the tests of what changes them: the calls that make their parts, and those that read them."""

from typing import Any

Call = tuple[str, str, dict[str, Any]]


def rds(operation: str, **parameters: Any) -> Call:
    return ("rds", operation, parameters)


DB = rds(
    "CreateDBInstance",
    DBInstanceIdentifier="shop",
    DBInstanceClass="db.t3.small",
    Engine="postgres",
    AllocatedStorage=20,
    MasterUsername="root",
    MasterUserPassword="not-a-secret-1",
    BackupRetentionPeriod=7,
    DBParameterGroupName="ours",
    Tags=[{"Key": "env", "Value": "prod"}],
)
CLUSTER = rds(
    "CreateDBCluster",
    DBClusterIdentifier="main",
    Engine="aurora-postgresql",
    MasterUsername="root",
    MasterUserPassword="not-a-secret-1",
    BackupRetentionPeriod=5,
)
GROUP = rds(
    "CreateDBParameterGroup",
    DBParameterGroupName="ours",
    DBParameterGroupFamily="postgres13",
    Description="ours",
)
VALUE = rds(
    "ModifyDBParameterGroup",
    DBParameterGroupName="ours",
    Parameters=[{"ParameterName": "work_mem", "ParameterValue": "64", "ApplyMethod": "immediate"}],
)
NET = (
    ("ec2", "CreateVpc", {"CidrBlock": "10.7.0.0/16"}, {"vpc": "Vpc.VpcId"}),
    (
        "ec2",
        "CreateSubnet",
        {"VpcId": "${vpc}", "CidrBlock": "10.7.1.0/24", "AvailabilityZone": "eu-central-1a"},
        {"a": "Subnet.SubnetId"},
    ),
    (
        "ec2",
        "CreateSubnet",
        {"VpcId": "${vpc}", "CidrBlock": "10.7.2.0/24", "AvailabilityZone": "eu-central-1b"},
        {"b": "Subnet.SubnetId"},
    ),
)
SUBNETS = rds(
    "CreateDBSubnetGroup",
    DBSubnetGroupName="nets",
    DBSubnetGroupDescription="nets",
    SubnetIds=["${a}"],
)
SNAPSHOT = rds("CreateDBSnapshot", DBInstanceIdentifier="shop", DBSnapshotIdentifier="snap")
CLUSTER_SNAPSHOT = rds(
    "CreateDBClusterSnapshot", DBClusterIdentifier="main", DBClusterSnapshotIdentifier="csnap"
)
EVENTS = rds(
    "CreateEventSubscription", SubscriptionName="ev", SnsTopicArn="arn:aws:sns:eu-central-1:123456789012:t"
)
MEMBER = rds(
    "CreateDBInstance",
    DBInstanceIdentifier="main-1",
    DBInstanceClass="db.r5.large",
    Engine="aurora-postgresql",
    DBClusterIdentifier="main",
)


def read(operation: str, select: str, **parameters: Any) -> tuple[str, str, dict[str, Any], str]:
    return ("rds", operation, parameters, select)


DBS = read(
    "DescribeDBInstances",
    "DBInstances[].[DBInstanceIdentifier, DBInstanceClass, BackupRetentionPeriod, MultiAZ, DBInstanceStatus, "
    "Engine, AllocatedStorage, TagList, DBParameterGroups[].DBParameterGroupName, DeletionProtection, Endpoint.Port]",
)
CLUSTERS = read(
    "DescribeDBClusters",
    "DBClusters[].[DBClusterIdentifier, Engine, EngineVersion, BackupRetentionPeriod, Status, DeletionProtection, Port]",
)
GROUPS = read("DescribeDBParameterGroups", "DBParameterGroups[?DBParameterGroupName=='ours']")
VALUES = read(
    "DescribeDBParameters", "Parameters[].[ParameterName, ParameterValue]", DBParameterGroupName="ours"
)
NETS = read(
    "DescribeDBSubnetGroups",
    "DBSubnetGroups[].[DBSubnetGroupName, DBSubnetGroupDescription, Subnets[].SubnetIdentifier]",
)
SNAPSHOTS = read(
    "DescribeDBSnapshots",
    "DBSnapshots[?!starts_with(DBSnapshotIdentifier, 'interlock')].[DBSnapshotIdentifier, Engine]",
)
CLUSTER_SNAPSHOTS = read(
    "DescribeDBClusterSnapshots",
    "DBClusterSnapshots[?!starts_with(DBClusterSnapshotIdentifier, 'interlock')].[DBClusterSnapshotIdentifier, Engine]",
)
ARN = "arn:aws:rds:eu-central-1:123456789012:db:shop"
TAGS = read("ListTagsForResource", "sort_by(TagList, &Key)", ResourceName=ARN)
SHARED = read(
    "DescribeDBSnapshotAttributes",
    "DBSnapshotAttributesResult.DBSnapshotAttributes",
    DBSnapshotIdentifier="snap",
)
