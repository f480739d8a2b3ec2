"""op → revert → compare for instances of RDS, their snapshots and groups."""

import pytest
from tests.connectors.aws.undo.estate.rds_world import (
    ARN,
    DB,
    DBS,
    EVENTS,
    GROUP,
    GROUPS,
    NET,
    NETS,
    SHARED,
    SNAPSHOT,
    SNAPSHOTS,
    SUBNETS,
    TAGS,
    VALUE,
    VALUES,
    rds,
    read,
)
from tests.connectors.aws.undo.rig import Account, Case, prove

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
        call=rds(
            "ModifyDBInstance", DBInstanceIdentifier="shop", BackupRetentionPeriod=0, ApplyImmediately=True
        ),
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
            "ModifyDBInstance",
            DBInstanceIdentifier="shop",
            NewDBInstanceIdentifier="shop2",
            ApplyImmediately=True,
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
        call=rds(
            "CreateDBInstanceReadReplica", DBInstanceIdentifier="copy", SourceDBInstanceIdentifier="shop"
        ),
        state=(DBS,),
    ),
    Case(
        name="delete-replica",
        given=(
            GROUP,
            DB,
            rds(
                "CreateDBInstanceReadReplica", DBInstanceIdentifier="copy", SourceDBInstanceIdentifier="shop"
            ),
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
    Case(
        name="create-events",
        call=EVENTS,
        state=(read("DescribeEventSubscriptions", "EventSubscriptionsList[].CustSubscriptionId"),),
    ),
    Case(
        name="delete-events",
        given=(EVENTS,),
        call=rds("DeleteEventSubscription", SubscriptionName="ev"),
        state=(
            read("DescribeEventSubscriptions", "EventSubscriptionsList[].[CustSubscriptionId, SnsTopicArn]"),
        ),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_comes_back(account: Account, case: Case) -> None:
    prove(account, case)
