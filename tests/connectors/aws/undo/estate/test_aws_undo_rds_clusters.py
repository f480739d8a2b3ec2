"""op → revert → compare for clusters of RDS and Neptune."""

import pytest
from tests.connectors.aws.undo.estate.rds_world import (
    CLUSTER,
    CLUSTER_SNAPSHOT,
    CLUSTER_SNAPSHOTS,
    CLUSTERS,
    MEMBER,
    rds,
    read,
)
from tests.connectors.aws.undo.rig import Account, Case, prove

CASES = (
    Case(name="create-cluster", call=CLUSTER, state=(CLUSTERS,)),
    Case(
        name="modify-cluster",
        given=(CLUSTER,),
        call=rds(
            "ModifyDBCluster", DBClusterIdentifier="main", BackupRetentionPeriod=9, DeletionProtection=True
        ),
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
            read(
                "DescribeDBInstances",
                "DBInstances[].[DBInstanceIdentifier, DBClusterIdentifier, DBInstanceClass]",
            ),
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
