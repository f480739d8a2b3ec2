"""Databases, functions, clusters, streams, zones and what watches them. Sources: the API reference of each service."""

from interlock.connectors.aws.preview.hanging.engine import Going, Hang, deletes, deletes_each
from interlock.connectors.aws.preview.rows import Table, rows

_AT_INSTANCE = {"DBInstanceIdentifier": "{}"}
_AT_CLUSTER = {"DBClusterIdentifier": "{}"}


def _instance(service: str, type: str) -> Going:
    return Going(
        service,
        "rds:db",
        "db:{}",
        "DescribeDBInstances",
        _AT_INSTANCE,
        "DBInstances.0",
        (Hang("snapshot", "DescribeDBSnapshots", _AT_INSTANCE, "DBSnapshots", stays=True),)
        if service == "rds"
        else (),
        guard="DeletionProtection" if service != "docdb" else "",
        tells={
            **({"AllocatedStorage": "GiB "} if service != "docdb" else {}),
            "Engine": "",
            "BackupRetentionPeriod": "days of backups: ",
        },
        type=type,
    )


def _cluster(service: str, type: str) -> Going:
    return Going(
        service,
        "rds:cluster",
        "cluster:{}",
        "DescribeDBClusters",
        _AT_CLUSTER,
        "DBClusters.0",
        (Hang("member", "DescribeDBClusters", _AT_CLUSTER, "DBClusters", "DBClusterMembers"),),
        guard="DeletionProtection",
        tells={"Engine": "", "BackupRetentionPeriod": "days of backups: "},
        type=type,
    )


INSTANCE, CLUSTER = _instance("rds", "AWS::RDS::DBInstance"), _cluster("rds", "AWS::RDS::DBCluster")
SNAPSHOT = Going(
    "rds",
    "rds:snapshot",
    "snapshot:{}",
    "DescribeDBSnapshots",
    {"DBSnapshotIdentifier": "{}"},
    "DBSnapshots.0",
    tells={"AllocatedStorage": "GiB "},
)
CLUSTER_SNAPSHOT = Going(
    "rds",
    "rds:cluster-snapshot",
    "cluster-snapshot:{}",
    "DescribeDBClusterSnapshots",
    {"DBClusterSnapshotIdentifier": "{}"},
    "DBClusterSnapshots.0",
)
FUNCTION = Going(
    "lambda",
    "lambda:function",
    "function:{}",
    "GetFunctionConfiguration",
    {"FunctionName": "{}"},
    "",
    (
        Hang("version", "ListVersionsByFunction", {"FunctionName": "{}"}, "Versions"),
        Hang("alias", "ListAliases", {"FunctionName": "{}"}, "Aliases", words="aliases"),
        Hang(
            "event source",
            "ListEventSourceMappings",
            {"FunctionName": "{}"},
            "EventSourceMappings",
            stays=True,
        ),
    ),
    type="AWS::Lambda::Function",
)
EVENT_SOURCE = Going(
    "lambda",
    "lambda:eventSourceMapping",
    "event-source-mapping:{}",
    "GetEventSourceMapping",
    {"UUID": "{}"},
    "",
    type="AWS::Lambda::EventSourceMapping",
)
ECS = Going(
    "ecs",
    "ecs:cluster",
    "cluster/{}",
    "DescribeClusters",
    {"clusters": ["{}"]},
    "clusters.0",
    (
        Hang("service", "ListServices", {"cluster": "{}"}, "serviceArns"),
        Hang("task", "ListTasks", {"cluster": "{}"}, "taskArns"),
        Hang("container instance", "ListContainerInstances", {"cluster": "{}"}, "containerInstanceArns"),
    ),
    type="AWS::ECS::Cluster",
)
EKS = Going(
    "eks",
    "eks:cluster",
    "cluster/{}",
    "DescribeCluster",
    {"name": "{}"},
    "cluster",
    (
        Hang("node group", "ListNodegroups", {"clusterName": "{}"}, "nodegroups", stays=True),
        Hang(
            "Fargate profile", "ListFargateProfiles", {"clusterName": "{}"}, "fargateProfileNames", stays=True
        ),
    ),
    type="AWS::EKS::Cluster",
)
GROUP = Going(
    "autoscaling",
    "autoscaling:autoScalingGroup",
    "autoScalingGroup:*:autoScalingGroupName/{}",
    "DescribeAutoScalingGroups",
    {"AutoScalingGroupNames": ["{}"]},
    "AutoScalingGroups.0",
    (
        Hang(
            "instance",
            "DescribeAutoScalingGroups",
            {"AutoScalingGroupNames": ["{}"]},
            "AutoScalingGroups",
            "Instances",
        ),
    ),
    type="AWS::AutoScaling::AutoScalingGroup",
)
ZONE = Going(
    "route53",
    "route53:hostedzone",
    "hostedzone/{}",
    "GetHostedZone",
    {"Id": "{}"},
    "HostedZone",
    (Hang("record set", "ListResourceRecordSets", {"HostedZoneId": "{}"}, "ResourceRecordSets"),),
    regional=False,
    owned=False,
    type="AWS::Route53::HostedZone",
)
LOG_GROUP = Going(
    "logs",
    "logs:log-group",
    "log-group:{}",
    "DescribeLogGroups",
    {"logGroupNamePrefix": "{}"},
    "logGroups.0",
    (Hang("log stream", "DescribeLogStreams", {"logGroupName": "{}"}, "logStreams"),),
    tells={"storedBytes": "bytes of log events: "},
    type="AWS::Logs::LogGroup",
)
REPOSITORY = Going(
    "ecr",
    "ecr:repository",
    "repository/{}",
    "DescribeRepositories",
    {"repositoryNames": ["{}"]},
    "repositories.0",
    (Hang("image", "ListImages", {"repositoryName": "{}"}, "imageIds"),),
    type="AWS::ECR::Repository",
)
STREAM = Going(
    "kinesis",
    "kinesis:stream",
    "stream/{}",
    "DescribeStreamSummary",
    {"StreamName": "{}"},
    "StreamDescriptionSummary",
    (Hang("shard", "ListShards", {"StreamName": "{}"}, "Shards"),),
    tells={"RetentionPeriodHours": "hours of records: "},
    type="AWS::Kinesis::Stream",
)
FILES = Going(
    "efs",
    "elasticfilesystem:file-system",
    "file-system/{}",
    "DescribeFileSystems",
    {"FileSystemId": "{}"},
    "FileSystems.0",
    (Hang("mount target", "DescribeMountTargets", {"FileSystemId": "{}"}, "MountTargets", stays=True),),
    tells={"SizeInBytes.Value": "bytes: "},
    type="AWS::EFS::FileSystem",
)
VAULT = Going(
    "backup",
    "backup:backupVault",
    "backup-vault:{}",
    "DescribeBackupVault",
    {"BackupVaultName": "{}"},
    "",
    (Hang("backup", "ListRecoveryPointsByBackupVault", {"BackupVaultName": "{}"}, "RecoveryPoints"),),
    type="AWS::Backup::BackupVault",
)
TRAIL = Going(
    "cloudtrail",
    "cloudtrail:trail",
    "trail/{}",
    "GetTrail",
    {"Name": "{}"},
    "Trail",
    type="AWS::CloudTrail::Trail",
)
ALARM = Going(
    "cloudwatch",
    "cloudwatch:alarm",
    "alarm:{}",
    "DescribeAlarms",
    {"AlarmNames": ["{}"], "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]},
    "",
    type="AWS::CloudWatch::Alarm",
)
RULE = Going(
    "events",
    "events:rule-on-default-event-bus",
    "rule/{}",
    "DescribeRule",
    {"Name": "{}"},
    "",
    (Hang("target", "ListTargetsByRule", {"Rule": "{}"}, "Targets"),),
    type="AWS::Events::Rule",
)
MACHINE = Going(
    "stepfunctions",
    "states:statemachine",
    "stateMachine:{}",
    "DescribeStateMachine",
    {"stateMachineArn": "{}"},
    "",
    (Hang("execution", "ListExecutions", {"stateMachineArn": "{}"}, "executions"),),
    type="AWS::StepFunctions::StateMachine",
)
API = Going(
    "apigateway",
    "apigateway:RestApi",
    "/restapis/{}",
    "GetRestApi",
    {"restApiId": "{}"},
    "",
    (
        Hang("stage", "GetStages", {"restApiId": "{}"}, "item"),
        Hang("path", "GetResources", {"restApiId": "{}"}, "items"),
    ),
    owned=False,
    type="AWS::ApiGateway::RestApi",
)
CACHE = Going(
    "elasticache",
    "elasticache:cluster",
    "cluster:{}",
    "DescribeCacheClusters",
    {"CacheClusterId": "{}"},
    "CacheClusters.0",
    tells={"NumCacheNodes": "nodes: ", "Engine": ""},
    type="AWS::ElastiCache::CacheCluster",
)
CACHES = Going(
    "elasticache",
    "elasticache:replicationgroup",
    "replicationgroup:{}",
    "DescribeReplicationGroups",
    {"ReplicationGroupId": "{}"},
    "ReplicationGroups.0",
    type="AWS::ElastiCache::ReplicationGroup",
)
WAREHOUSE = Going(
    "redshift",
    "redshift:cluster",
    "cluster:{}",
    "DescribeClusters",
    {"ClusterIdentifier": "{}"},
    "Clusters.0",
    tells={"NumberOfNodes": "nodes: "},
    type="AWS::Redshift::Cluster",
)
DOMAIN = Going(
    "opensearch",
    "es:domain",
    "domain/{}",
    "DescribeDomain",
    {"DomainName": "{}"},
    "DomainStatus",
    type="AWS::OpenSearchService::Domain",
)
PARAMETER = Going("ssm", "ssm:parameter", "parameter/{}", type="AWS::SSM::Parameter")
CATALOG = Going(
    "glue",
    "glue:database",
    "database/{}",
    "GetDatabase",
    {"Name": "{}"},
    "Database",
    (Hang("table", "GetTables", {"DatabaseName": "{}"}, "TableList"),),
    type="AWS::Glue::Database",
)

ALL = (
    INSTANCE,
    CLUSTER,
    _instance("docdb", "AWS::DocDB::DBInstance"),
    _cluster("docdb", "AWS::DocDB::DBCluster"),
    _instance("neptune", "AWS::Neptune::DBInstance"),
    _cluster("neptune", "AWS::Neptune::DBCluster"),
    FUNCTION,
    EVENT_SOURCE,
    ECS,
    EKS,
    GROUP,
    ZONE,
    LOG_GROUP,
    REPOSITORY,
    STREAM,
    FILES,
    VAULT,
    TRAIL,
    ALARM,
    RULE,
    MACHINE,
    API,
    CACHE,
    CACHES,
    WAREHOUSE,
    DOMAIN,
    PARAMETER,
    CATALOG,
)


def _databases(service: str) -> Table:
    """DocumentDB and Neptune speak as RDS does."""
    return rows(
        service,
        "backup",
        DeleteDBInstance=deletes(_instance(service, ""), "DBInstanceIdentifier"),
        DeleteDBCluster=deletes(_cluster(service, ""), "DBClusterIdentifier"),
    )


TABLE: Table = {
    **_databases("rds"),
    **_databases("docdb"),
    **_databases("neptune"),
    **rows(
        "rds",
        "backup",
        DeleteDBSnapshot=deletes(SNAPSHOT, "DBSnapshotIdentifier"),
        DeleteDBClusterSnapshot=deletes(CLUSTER_SNAPSHOT, "DBClusterSnapshotIdentifier"),
    ),
    **rows("lambda", DeleteFunction=deletes(FUNCTION, "FunctionName")),
    **rows("lambda", DeleteEventSourceMapping=deletes(EVENT_SOURCE, "UUID")),
    **rows("ecs", DeleteCluster=deletes(ECS, "cluster")),
    **rows("eks", DeleteCluster=deletes(EKS, "name")),
    **rows("autoscaling", DeleteAutoScalingGroup=deletes(GROUP, "AutoScalingGroupName")),
    **rows("route53", "routing", DeleteHostedZone=deletes(ZONE, "Id")),
    **rows("logs", "audit", DeleteLogGroup=deletes(LOG_GROUP, "logGroupName")),
    **rows("ecr", DeleteRepository=deletes(REPOSITORY, "repositoryName")),
    **rows("kinesis", DeleteStream=deletes(STREAM, "StreamName")),
    **rows("efs", DeleteFileSystem=deletes(FILES, "FileSystemId")),
    **rows("backup", "backup", DeleteBackupVault=deletes(VAULT, "BackupVaultName")),
    **rows("cloudtrail", "audit", DeleteTrail=deletes(TRAIL, "Name")),
    **rows("cloudwatch", "audit", DeleteAlarms=deletes_each(ALARM, "AlarmNames")),
    **rows("events", DeleteRule=deletes(RULE, "Name")),
    **rows("stepfunctions", DeleteStateMachine=deletes(MACHINE, "stateMachineArn")),
    **rows("apigateway", DeleteRestApi=deletes(API, "restApiId")),
    **rows("elasticache", DeleteCacheCluster=deletes(CACHE, "CacheClusterId")),
    **rows("elasticache", DeleteReplicationGroup=deletes(CACHES, "ReplicationGroupId")),
    **rows("redshift", DeleteCluster=deletes(WAREHOUSE, "ClusterIdentifier")),
    **rows("opensearch", DeleteDomain=deletes(DOMAIN, "DomainName")),
    **rows("glue", DeleteDatabase=deletes(CATALOG, "Name")),
    **rows(
        "ssm", DeleteParameter=deletes(PARAMETER, "Name"), DeleteParameters=deletes_each(PARAMETER, "Names")
    ),
}
