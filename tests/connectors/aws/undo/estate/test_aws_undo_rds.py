"""op → revert → compare for RDS, Neptune and DocumentDB."""

from typing import Any

import pytest

from tests.connectors.aws.undo.rig import Account, Case, prove

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
EVENTS = rds("CreateEventSubscription", SubscriptionName="ev", SnsTopicArn="arn:aws:sns:eu-central-1:123456789012:t")
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
VALUES = read("DescribeDBParameters", "Parameters[].[ParameterName, ParameterValue]", DBParameterGroupName="ours")
NETS = read(
    "DescribeDBSubnetGroups", "DBSubnetGroups[].[DBSubnetGroupName, DBSubnetGroupDescription, Subnets[].SubnetIdentifier]"
)
SNAPSHOTS = read("DescribeDBSnapshots", "DBSnapshots[?!starts_with(DBSnapshotIdentifier, 'interlock')].[DBSnapshotIdentifier, Engine]")
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

CASES = (
    Case(name="create", given=(GROUP,), call=DB, state=(DBS,)),
    Case(
        name="modify",
        given=(GROUP, DB),
        call=rds(
            "ModifyDBInstance",
            DBInstanceIdentifier="shop",
            DBInstanceClass="db.m5.large",
            MultiAZ=True,
            DeletionProtection=True,
            ApplyImmediately=True,
        ),
        state=(DBS,),
    ),
    Case(
        name="modify-retention",
        given=(GROUP, DB),
        call=rds("ModifyDBInstance", DBInstanceIdentifier="shop", BackupRetentionPeriod=0, ApplyImmediately=True),
        state=(DBS,),
        kind="new_id",
    ),
    Case(
        name="modify-storage",
        given=(GROUP, DB),
        call=rds(
            "ModifyDBInstance",
            DBInstanceIdentifier="shop",
            AllocatedStorage=40,
            DBInstanceClass="db.m5.large",
            ApplyImmediately=True,
        ),
        state=(
            read("DescribeDBInstances", "DBInstances[].DBInstanceClass"),
            read("DescribeDBInstances", "DBInstances[].AllocatedStorage"),
        ),
        kind="new_id",
        differs=(1,),
    ),
    Case(
        name="rename",
        given=(GROUP, DB),
        call=rds(
            "ModifyDBInstance", DBInstanceIdentifier="shop", NewDBInstanceIdentifier="shop2", ApplyImmediately=True
        ),
        state=(read("DescribeDBInstances", "DBInstances[].DBInstanceIdentifier"),),
    ),
    Case(
        name="delete",
        given=(GROUP, DB),
        call=rds("DeleteDBInstance", DBInstanceIdentifier="shop", SkipFinalSnapshot=True),
        state=(DBS,),
        kind="new_id",
    ),
    Case(
        name="delete-with-snapshot",
        given=(GROUP, DB),
        call=rds("DeleteDBInstance", DBInstanceIdentifier="shop", FinalDBSnapshotIdentifier="last"),
        state=(DBS,),
        kind="new_id",
    ),
    Case(
        name="stop",
        given=(GROUP, DB),
        call=rds("StopDBInstance", DBInstanceIdentifier="shop"),
        state=(DBS,),
    ),
    Case(
        name="start",
        given=(GROUP, DB, rds("StopDBInstance", DBInstanceIdentifier="shop")),
        call=rds("StartDBInstance", DBInstanceIdentifier="shop"),
        state=(DBS,),
    ),
    Case(
        name="replica",
        given=(GROUP, DB),
        call=rds("CreateDBInstanceReadReplica", DBInstanceIdentifier="copy", SourceDBInstanceIdentifier="shop"),
        state=(DBS,),
    ),
    Case(
        name="delete-replica",
        given=(
            GROUP,
            DB,
            rds("CreateDBInstanceReadReplica", DBInstanceIdentifier="copy", SourceDBInstanceIdentifier="shop"),
        ),
        call=rds("DeleteDBInstance", DBInstanceIdentifier="copy", SkipFinalSnapshot=True),
        state=(
            read(
                "DescribeDBInstances",
                "DBInstances[].[DBInstanceIdentifier, ReadReplicaSourceDBInstanceIdentifier]",
            ),
        ),
        kind="new_id",
    ),
    Case(name="snapshot", given=(GROUP, DB), call=SNAPSHOT, state=(SNAPSHOTS,)),
    Case(
        name="copy-snapshot",
        given=(GROUP, DB, SNAPSHOT),
        call=rds("CopyDBSnapshot", SourceDBSnapshotIdentifier="snap", TargetDBSnapshotIdentifier="snap2"),
        state=(SNAPSHOTS,),
    ),
    Case(
        name="delete-snapshot",
        given=(GROUP, DB, SNAPSHOT),
        call=rds("DeleteDBSnapshot", DBSnapshotIdentifier="snap"),
        state=(SNAPSHOTS,),
        kind="copy",
    ),
    Case(
        name="share-snapshot",
        given=(GROUP, DB, SNAPSHOT),
        call=rds(
            "ModifyDBSnapshotAttribute",
            DBSnapshotIdentifier="snap",
            AttributeName="restore",
            ValuesToAdd=["210987654321"],
        ),
        state=(SHARED,),
    ),
    Case(
        name="restore",
        given=(GROUP, DB, SNAPSHOT),
        call=rds(
            "RestoreDBInstanceFromDBSnapshot",
            DBInstanceIdentifier="other",
            DBSnapshotIdentifier="snap",
            DBInstanceClass="db.t3.small",
        ),
        state=(DBS,),
    ),
    Case(
        name="restore-in-time",
        given=(GROUP, DB),
        call=rds(
            "RestoreDBInstanceToPointInTime",
            SourceDBInstanceIdentifier="shop",
            TargetDBInstanceIdentifier="other",
            UseLatestRestorableTime=True,
        ),
        state=(DBS,),
    ),
    Case(name="create-parameters", call=GROUP, state=(GROUPS,)),
    Case(
        name="modify-parameters",
        given=(GROUP, VALUE),
        call=rds(
            "ModifyDBParameterGroup",
            DBParameterGroupName="ours",
            Parameters=[{"ParameterName": "work_mem", "ParameterValue": "1", "ApplyMethod": "immediate"}],
        ),
        state=(VALUES,),
    ),
    Case(
        name="delete-parameters",
        given=(GROUP, VALUE),
        call=rds("DeleteDBParameterGroup", DBParameterGroupName="ours"),
        state=(GROUPS, VALUES),
    ),
    Case(name="create-subnets", given=NET, call=SUBNETS, state=(NETS,)),
    Case(
        name="delete-subnets",
        given=(*NET, SUBNETS),
        call=rds("DeleteDBSubnetGroup", DBSubnetGroupName="nets"),
        state=(NETS,),
    ),
    Case(
        name="tag",
        given=(GROUP, DB),
        call=rds(
            "AddTagsToResource",
            ResourceName=ARN,
            Tags=[{"Key": "env", "Value": "dev"}, {"Key": "new", "Value": "1"}],
        ),
        state=(TAGS,),
    ),
    Case(
        name="untag",
        given=(GROUP, DB),
        call=rds("RemoveTagsFromResource", ResourceName=ARN, TagKeys=["env"]),
        state=(TAGS,),
    ),
    Case(name="create-events", call=EVENTS, state=(read("DescribeEventSubscriptions", "EventSubscriptionsList[].CustSubscriptionId"),)),
    Case(
        name="delete-events",
        given=(EVENTS,),
        call=rds("DeleteEventSubscription", SubscriptionName="ev"),
        state=(read("DescribeEventSubscriptions", "EventSubscriptionsList[].[CustSubscriptionId, SnsTopicArn]"),),
    ),
    Case(name="create-cluster", call=CLUSTER, state=(CLUSTERS,)),
    Case(
        name="modify-cluster",
        given=(CLUSTER,),
        call=rds("ModifyDBCluster", DBClusterIdentifier="main", BackupRetentionPeriod=9, DeletionProtection=True),
        state=(CLUSTERS,),
    ),
    Case(
        name="delete-cluster",
        given=(CLUSTER,),
        call=rds("DeleteDBCluster", DBClusterIdentifier="main", SkipFinalSnapshot=True),
        state=(CLUSTERS,),
        kind="new_id",
    ),
    Case(
        name="stop-cluster",
        given=(CLUSTER,),
        call=rds("StopDBCluster", DBClusterIdentifier="main"),
        state=(CLUSTERS,),
    ),
    Case(
        name="start-cluster",
        given=(CLUSTER, rds("StopDBCluster", DBClusterIdentifier="main")),
        call=rds("StartDBCluster", DBClusterIdentifier="main"),
        state=(CLUSTERS,),
    ),
    Case(name="cluster-snapshot", given=(CLUSTER,), call=CLUSTER_SNAPSHOT, state=(CLUSTER_SNAPSHOTS,)),
    Case(
        name="copy-cluster-snapshot",
        given=(CLUSTER, CLUSTER_SNAPSHOT),
        call=rds(
            "CopyDBClusterSnapshot",
            SourceDBClusterSnapshotIdentifier="csnap",
            TargetDBClusterSnapshotIdentifier="csnap2",
        ),
        state=(CLUSTER_SNAPSHOTS,),
    ),
    Case(
        name="delete-cluster-snapshot",
        given=(CLUSTER, CLUSTER_SNAPSHOT),
        call=rds("DeleteDBClusterSnapshot", DBClusterSnapshotIdentifier="csnap"),
        state=(CLUSTER_SNAPSHOTS,),
        kind="copy",
    ),
    Case(
        name="share-cluster-snapshot",
        given=(CLUSTER, CLUSTER_SNAPSHOT),
        call=rds(
            "ModifyDBClusterSnapshotAttribute",
            DBClusterSnapshotIdentifier="csnap",
            AttributeName="restore",
            ValuesToAdd=["210987654321"],
        ),
        state=(
            read(
                "DescribeDBClusterSnapshotAttributes",
                "DBClusterSnapshotAttributesResult.DBClusterSnapshotAttributes",
                DBClusterSnapshotIdentifier="csnap",
            ),
        ),
    ),
    Case(
        name="restore-cluster",
        given=(CLUSTER, CLUSTER_SNAPSHOT),
        call=rds(
            "RestoreDBClusterFromSnapshot",
            DBClusterIdentifier="other",
            SnapshotIdentifier="csnap",
            Engine="aurora-postgresql",
        ),
        state=(CLUSTERS,),
    ),
    Case(
        name="delete-member",
        given=(CLUSTER, MEMBER),
        call=rds("DeleteDBInstance", DBInstanceIdentifier="main-1", SkipFinalSnapshot=True),
        state=(
            read("DescribeDBInstances", "DBInstances[].[DBInstanceIdentifier, DBClusterIdentifier, DBInstanceClass]"),
        ),
        kind="new_id",
    ),
    Case(
        name="neptune",
        given=(("neptune", "CreateDBCluster", {"DBClusterIdentifier": "graph", "Engine": "neptune"}),),
        call=(
            "neptune",
            "ModifyDBCluster",
            {"DBClusterIdentifier": "graph", "PreferredMaintenanceWindow": "mon:01:00-mon:02:00"},
        ),
        state=(("neptune", "DescribeDBClusters", {}, "DBClusters[].PreferredMaintenanceWindow"),),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_comes_back(account: Account, case: Case) -> None:
    prove(account, case)
