"""Rows of RDS, Neptune and DocumentDB, and of other databases' settings."""

from interlock.connectors.aws.undo.estate.common import made, rows
from interlock.connectors.aws.undo.estate.databases import groups, servers
from interlock.connectors.aws.undo.estate.databases.servers import CLUSTER, INSTANCE
from interlock.connectors.aws.undo.estate.draft import Maker, never
from interlock.connectors.aws.undo.registry import Row

Entry = tuple[Maker, str, str]

_CLUSTERS: dict[str, Entry] = {
    "CreateDBInstance": (servers.created(INSTANCE), "full", "deleted, with a final snapshot"),
    "ModifyDBInstance": (servers.modify(INSTANCE), "full", "settings are put back at once"),
    "DeleteDBInstance": (servers.delete(INSTANCE), "new_id", "a final snapshot is forced, and restored"),
    "RebootDBInstance": (
        never("a reboot can't be taken back; the instance comes up again by itself"),
        "none",
        "nothing to bring back",
    ),
    "CreateDBCluster": (servers.created(CLUSTER), "full", "deleted, with a final snapshot"),
    "ModifyDBCluster": (servers.modify(CLUSTER), "full", "settings are put back at once"),
    "DeleteDBCluster": (servers.delete(CLUSTER), "new_id", "a final snapshot is forced, and restored"),
    "StopDBCluster": (servers.power(CLUSTER, "StartDBCluster"), "full", "started again"),
    "StartDBCluster": (servers.power(CLUSTER, "StopDBCluster"), "full", "stopped again"),
    "FailoverDBCluster": (
        never("a failover is taken back by another one, which interrupts connections again"),
        "none",
        "nothing to bring back",
    ),
    "CreateDBClusterSnapshot": (
        made("DeleteDBClusterSnapshot", (), ("DBClusterSnapshotIdentifier",)),
        "full",
        "the snapshot is deleted",
    ),
    "CopyDBClusterSnapshot": (
        made(
            "DeleteDBClusterSnapshot",
            (),
            {"DBClusterSnapshotIdentifier": "TargetDBClusterSnapshotIdentifier"},
        ),
        "full",
        "the copy is deleted",
    ),
    "DeleteDBClusterSnapshot": (
        groups.delete_snapshot("DBClusterSnapshot"),
        "copy",
        "a copy is made before, and copied back",
    ),
    "ModifyDBClusterSnapshotAttribute": (
        groups.share_snapshot("DBClusterSnapshot"),
        "full",
        "who may restore it is set back",
    ),
    "RestoreDBClusterFromSnapshot": (servers.created(CLUSTER), "full", "deleted, with a final snapshot"),
    "RestoreDBClusterToPointInTime": (servers.created(CLUSTER), "full", "deleted, with a final snapshot"),
    "CreateDBClusterParameterGroup": (
        made("DeleteDBClusterParameterGroup", (), ("DBClusterParameterGroupName",)),
        "full",
        "the group is deleted",
    ),
    "ModifyDBClusterParameterGroup": (
        groups.parameters("DBClusterParameter"),
        "full",
        "old values are set, others reset",
    ),
    "ResetDBClusterParameterGroup": (groups.parameters("DBClusterParameter"), "full", "old values are set"),
    "DeleteDBClusterParameterGroup": (
        groups.delete_parameters("DBClusterParameter"),
        "full",
        "the group is made again with its values",
    ),
    "CreateDBSubnetGroup": (
        made("DeleteDBSubnetGroup", (), ("DBSubnetGroupName",)),
        "full",
        "the group is deleted",
    ),
    "ModifyDBSubnetGroup": (groups.modify_subnets, "full", "the old subnets are put back"),
    "DeleteDBSubnetGroup": (groups.delete_subnets, "full", "the group is made again"),
    "AddTagsToResource": (groups.tags, "full", "old values are set, new tags are taken away"),
    "RemoveTagsFromResource": (groups.tags, "full", "the tags are set again"),
    "CreateEventSubscription": (
        made("DeleteEventSubscription", (), ("SubscriptionName",)),
        "full",
        "the subscription is deleted",
    ),
    "DeleteEventSubscription": (groups.delete_events, "full", "the subscription is made again"),
}
_INSTANCES: dict[str, Entry] = {
    "CreateDBInstanceReadReplica": (servers.created(INSTANCE), "full", "the replica is deleted"),
    "RestoreDBInstanceFromDBSnapshot": (servers.created(INSTANCE), "full", "deleted, with a final snapshot"),
    "RestoreDBInstanceToPointInTime": (servers.created(INSTANCE), "full", "deleted, with a final snapshot"),
    "PromoteReadReplica": (
        never("a promoted replica doesn't follow its source any more"),
        "none",
        "nothing makes it a replica again",
    ),
    "StopDBInstance": (servers.power(INSTANCE, "StartDBInstance"), "full", "started again"),
    "StartDBInstance": (servers.power(INSTANCE, "StopDBInstance"), "full", "stopped again"),
    "CreateDBSnapshot": (
        made("DeleteDBSnapshot", (), ("DBSnapshotIdentifier",)),
        "full",
        "the snapshot is deleted",
    ),
    "CopyDBSnapshot": (
        made("DeleteDBSnapshot", (), {"DBSnapshotIdentifier": "TargetDBSnapshotIdentifier"}),
        "full",
        "the copy is deleted",
    ),
    "DeleteDBSnapshot": (
        groups.delete_snapshot("DBSnapshot"),
        "copy",
        "a copy is made before, and copied back",
    ),
    "ModifyDBSnapshotAttribute": (
        groups.share_snapshot("DBSnapshot"),
        "full",
        "who may restore it is set back",
    ),
    "DeleteDBInstanceAutomatedBackup": (
        never("deleted automated backups can't come back"),
        "none",
        "nothing brings them back",
    ),
}
_PARAMETERS: dict[str, Entry] = {
    "CreateDBParameterGroup": (
        made("DeleteDBParameterGroup", (), ("DBParameterGroupName",)),
        "full",
        "the group is deleted",
    ),
    "ModifyDBParameterGroup": (groups.parameters("DBParameter"), "full", "old values are set, others reset"),
    "ResetDBParameterGroup": (groups.parameters("DBParameter"), "full", "old values are set"),
    "DeleteDBParameterGroup": (
        groups.delete_parameters("DBParameter"),
        "full",
        "the group is made again with its values",
    ),
}

ROWS: tuple[Row, ...] = (
    *rows("rds", _CLUSTERS | _INSTANCES | _PARAMETERS),
    *rows("neptune", _CLUSTERS | _PARAMETERS),
    *rows("docdb", _CLUSTERS),
)
