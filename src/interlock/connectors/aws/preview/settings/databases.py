"""RDS and its relatives, caches and warehouses: what a modification takes away. Source: the API reference of each service."""

from interlock.connectors.aws.preview.rows import Table, rows
from interlock.connectors.aws.preview.settings.engine import Rule, changing

_SAME = (
    Rule("BackupRetentionPeriod", "lower", "days of backups"),
    Rule("DeletionProtection", "off", "deletion protection"),
    Rule("MasterUserPassword", "secret", "master password"),
    Rule("ManageMasterUserPassword", "permission", "who keeps the master password"),
    Rule("RotateMasterUserPassword", "secret", "master password"),
    Rule("MasterUserSecretKmsKeyId", "permission"),
    Rule("EngineVersion", "weakens", "engine version"),
    Rule("AllowMajorVersionUpgrade", "ignored"),
    Rule("AutoMinorVersionUpgrade", "setting"),
    Rule("CopyTagsToSnapshot", "setting"),
    Rule("PreferredBackupWindow", "setting"),
    Rule("PreferredMaintenanceWindow", "setting"),
    Rule("EnableIAMDatabaseAuthentication", "permission", present="IAMDatabaseAuthenticationEnabled"),
    Rule("CloudwatchLogsExportConfiguration", "weakens", "exported logs"),
    Rule("MonitoringInterval", "lower"),
    Rule("MonitoringRoleArn", "setting"),
    Rule("Iops", "lower"),
    Rule("StorageType", "setting"),
    Rule("ApplyImmediately", "ignored"),
)
_INSTANCE = (
    *_SAME,
    Rule("PubliclyAccessible", "opens", "public access"),
    Rule("DBInstanceClass", "weakens", "instance class"),
    Rule("AllocatedStorage", "lower", "GiB of storage"),
    Rule("MaxAllocatedStorage", "lower"),
    Rule("MultiAZ", "off", "standby in another zone"),
    Rule("StorageThroughput", "lower"),
    Rule(
        "VpcSecurityGroupIds",
        "permission",
        "security groups",
        present="VpcSecurityGroups.*.VpcSecurityGroupId",
    ),
    Rule("DBParameterGroupName", "weakens", present="DBParameterGroups.0.DBParameterGroupName"),
    Rule("DBPortNumber", "weakens", "port", present="Endpoint.Port"),
    Rule("NewDBInstanceIdentifier", "weakens", "name", present="DBInstanceIdentifier"),
    Rule("EnablePerformanceInsights", "off", present="PerformanceInsightsEnabled"),
    Rule("PromotionTier", "setting"),
    Rule("LicenseModel", "setting"),
    Rule("CACertificateIdentifier", "weakens", "certificate"),
    Rule("DBInstanceIdentifier", "ignored"),
)
_CLUSTER = (
    *_SAME,
    Rule(
        "VpcSecurityGroupIds",
        "permission",
        "security groups",
        present="VpcSecurityGroups.*.VpcSecurityGroupId",
    ),
    Rule("DBClusterParameterGroupName", "weakens", present="DBClusterParameterGroup"),
    Rule("DBClusterInstanceClass", "weakens"),
    Rule("Port", "weakens"),
    Rule("NewDBClusterIdentifier", "weakens", "name", present="DBClusterIdentifier"),
    Rule("BacktrackWindow", "lower"),
    Rule("EnableHttpEndpoint", "opens", "queries over HTTP", present="HttpEndpointEnabled"),
    Rule("ScalingConfiguration", "weakens", present="ScalingConfigurationInfo"),
    Rule("ServerlessV2ScalingConfiguration", "weakens"),
    Rule("DBClusterIdentifier", "ignored"),
)


def _modify(service: str) -> Table:
    instance = changing(
        "rds:db",
        "db:{DBInstanceIdentifier}",
        "DescribeDBInstances",
        {"DBInstanceIdentifier": "{DBInstanceIdentifier}"},
        "DBInstances.0",
        _INSTANCE,
    )
    cluster = changing(
        "rds:cluster",
        "cluster:{DBClusterIdentifier}",
        "DescribeDBClusters",
        {"DBClusterIdentifier": "{DBClusterIdentifier}"},
        "DBClusters.0",
        _CLUSTER,
    )
    judged = "backup guard exposure keys outage"
    return rows(service, judged, ModifyDBInstance=instance, ModifyDBCluster=cluster)


_CACHES = changing(
    "elasticache:replicationgroup",
    "replicationgroup:{ReplicationGroupId}",
    "DescribeReplicationGroups",
    {"ReplicationGroupId": "{ReplicationGroupId}"},
    "ReplicationGroups.0",
    (
        Rule("SnapshotRetentionLimit", "lower", "days of backups"),
        Rule("AutomaticFailoverEnabled", "off", "failover", present="AutomaticFailover"),
        Rule("MultiAZEnabled", "off", "standby in another zone", present="MultiAZ"),
        Rule("ReplicationGroupDescription", "setting", present="Description"),
        Rule("SnapshotWindow", "setting"),
        Rule("PreferredMaintenanceWindow", "setting"),
        Rule("AutoMinorVersionUpgrade", "setting"),
        Rule("AuthToken", "secret"),
        Rule("ApplyImmediately", "ignored"),
        Rule("ReplicationGroupId", "ignored"),
    ),
)
_WAREHOUSE = changing(
    "redshift:cluster",
    "cluster:{ClusterIdentifier}",
    "DescribeClusters",
    {"ClusterIdentifier": "{ClusterIdentifier}"},
    "Clusters.0",
    (
        Rule("AutomatedSnapshotRetentionPeriod", "lower", "days of backups"),
        Rule("ManualSnapshotRetentionPeriod", "lower", "days of manual backups"),
        Rule("MasterUserPassword", "secret", "master password"),
        Rule("PubliclyAccessible", "opens", "public access"),
        Rule("Encrypted", "off", "encryption"),
        Rule("NumberOfNodes", "lower", "nodes"),
        Rule("AllowVersionUpgrade", "setting"),
        Rule("PreferredMaintenanceWindow", "setting"),
        Rule(
            "VpcSecurityGroupIds",
            "permission",
            "security groups",
            present="VpcSecurityGroups.*.VpcSecurityGroupId",
        ),
        Rule("ClusterIdentifier", "ignored"),
    ),
)

TABLE: Table = {
    **_modify("rds"),
    **_modify("docdb"),
    **_modify("neptune"),
    **rows("elasticache", "backup outage keys", ModifyReplicationGroup=_CACHES),
    **rows("redshift", "backup outage keys exposure guard capacity", ModifyCluster=_WAREHOUSE),
}
