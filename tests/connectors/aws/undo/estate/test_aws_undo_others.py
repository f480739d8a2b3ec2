"""op → revert → compare for registries, file systems, backups, caches, warehouses, search domains and API stages."""

import json
from typing import Any

import pytest
from tests.connectors.aws.undo.rig import Account, Case, prove

Asked = tuple[str, str, dict[str, Any]]


def ask(service: str, operation: str, **parameters: Any) -> Asked:
    return (service, operation, parameters)


def simple(name: str, given: Any, call: Any, *state: Any, **more: Any) -> Case:
    return Case(name=name, given=given, call=call[:3], state=state, **more)


def lifecycle(days: int) -> str:
    selection = {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": days,
    }
    return json.dumps({"rules": [{"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}]})


def policy(action: str) -> str:
    statement = {"Sid": "a", "Effect": "Allow", "Principal": "*", "Action": [action]}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


REPO = ask(
    "ecr",
    "CreateRepository",
    repositoryName="app",
    imageTagMutability="IMMUTABLE",
    tags=[{"Key": "e", "Value": "p"}],
)
LIFECYCLE = ask("ecr", "PutLifecyclePolicy", repositoryName="app", lifecyclePolicyText=lifecycle(30))
POLICY = ask("ecr", "SetRepositoryPolicy", repositoryName="app", policyText=policy("ecr:BatchGetImage"))
REGISTRY = ask(
    "ecr",
    "PutRegistryPolicy",
    policyText=json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "a",
                    "Effect": "Allow",
                    "Principal": {"AWS": "arn:aws:iam::210987654321:root"},
                    "Action": ["ecr:ReplicateImage"],
                    "Resource": "arn:aws:ecr:eu-central-1:123456789012:repository/*",
                }
            ],
        }
    ),
)
REPOS = (
    *ask("ecr", "DescribeRepositories"),
    "repositories[].[repositoryName, imageTagMutability, imageScanningConfiguration]",
)
LIFECYCLES = (*ask("ecr", "GetLifecyclePolicy", repositoryName="app"), "lifecyclePolicyText")
POLICIES = (*ask("ecr", "GetRepositoryPolicy", repositoryName="app"), "policyText")
FILES = (*ask("efs", "CreateFileSystem", CreationToken="t"), {"fs": "FileSystemId"})
NET = (
    ("ec2", "CreateVpc", {"CidrBlock": "10.7.0.0/16"}, {"vpc": "Vpc.VpcId"}),
    ("ec2", "CreateSubnet", {"VpcId": "${vpc}", "CidrBlock": "10.7.1.0/24"}, {"subnet": "Subnet.SubnetId"}),
    (
        "ec2",
        "CreateSecurityGroup",
        {"GroupName": "a", "Description": "a", "VpcId": "${vpc}"},
        {"a": "GroupId"},
    ),
    (
        "ec2",
        "CreateSecurityGroup",
        {"GroupName": "b", "Description": "b", "VpcId": "${vpc}"},
        {"b": "GroupId"},
    ),
)
MOUNT = (
    *ask("efs", "CreateMountTarget", FileSystemId="${fs}", SubnetId="${subnet}", SecurityGroups=["${a}"]),
    {"mount": "MountTargetId"},
)
MOUNTED = (*NET, FILES, MOUNT)
EXPIRES = ask(
    "efs",
    "PutLifecycleConfiguration",
    FileSystemId="${fs}",
    LifecyclePolicies=[{"TransitionToIA": "AFTER_30_DAYS"}],
)
FILE_POLICY = ask(
    "efs", "PutFileSystemPolicy", FileSystemId="${fs}", Policy=policy("elasticfilesystem:ClientMount")
)
VAULT = ask("backup", "CreateBackupVault", BackupVaultName="v")
PLAN = (
    *ask(
        "backup",
        "CreateBackupPlan",
        BackupPlan={
            "BackupPlanName": "daily",
            "Rules": [
                {"RuleName": "r", "TargetBackupVaultName": "v", "ScheduleExpression": "cron(0 5 * * ? *)"}
            ],
        },
    ),
    {"plan": "BackupPlanId"},
)
PLANS = (*ask("backup", "ListBackupPlans"), "BackupPlansList[].BackupPlanName")
VAULTS = (*ask("backup", "ListBackupVaults"), "BackupVaultList[].BackupVaultName")
RED = ask(
    "redshift",
    "CreateCluster",
    ClusterIdentifier="wh",
    NodeType="ra3.large",
    MasterUsername="root",
    MasterUserPassword="Not-a-secret-1",
    NumberOfNodes=2,
    ClusterType="multi-node",
    AutomatedSnapshotRetentionPeriod=5,
)
REDS = (
    *ask("redshift", "DescribeClusters"),
    "Clusters[].[ClusterIdentifier, NodeType, NumberOfNodes, AutomatedSnapshotRetentionPeriod, ClusterStatus]",
)
RED_SNAPSHOTS = (*ask("redshift", "DescribeClusterSnapshots"), "Snapshots[].SnapshotIdentifier")
CACHE = ask(
    "elasticache",
    "CreateReplicationGroup",
    ReplicationGroupId="cache",
    ReplicationGroupDescription="ours",
    Engine="redis",
    CacheNodeType="cache.t3.micro",
    SnapshotRetentionLimit=5,
)
CACHES = (
    *ask("elasticache", "DescribeReplicationGroups"),
    "ReplicationGroups[].[ReplicationGroupId, Description, SnapshotRetentionLimit, CacheNodeType]",
)
ONE_CACHE = ask(
    "elasticache",
    "CreateCacheCluster",
    CacheClusterId="one",
    Engine="redis",
    CacheNodeType="cache.t3.micro",
    NumCacheNodes=1,
    Tags=[{"Key": "e", "Value": "p"}],
)
CACHE_ARN = "arn:aws:elasticache:eu-central-1:123456789012:cluster:one"
CACHE_TAGS = (*ask("elasticache", "ListTagsForResource", ResourceName=CACHE_ARN), "sort_by(TagList, &Key)")
DOMAIN = ask(
    "opensearch",
    "CreateDomain",
    DomainName="search",
    ClusterConfig={"InstanceType": "t3.small.search", "InstanceCount": 3},
)
DOMAINS = (
    *ask("opensearch", "DescribeDomain", DomainName="search"),
    "DomainStatus.ClusterConfig.[InstanceType, InstanceCount]",
)
API = (*ask("apigateway", "CreateRestApi", name="api", description="ours"), {"api": "id"})
ROOT = (*ask("apigateway", "GetResources", restApiId="${api}"), {"root": "items[0].id"})
METHOD = ask(
    "apigateway",
    "PutMethod",
    restApiId="${api}",
    resourceId="${root}",
    httpMethod="GET",
    authorizationType="NONE",
)
MOCK = ask(
    "apigateway", "PutIntegration", restApiId="${api}", resourceId="${root}", httpMethod="GET", type="MOCK"
)
DEPLOYMENT = (*ask("apigateway", "CreateDeployment", restApiId="${api}"), {"deployment": "id"})
STAGE = ask(
    "apigateway",
    "CreateStage",
    restApiId="${api}",
    stageName="prod",
    deploymentId="${deployment}",
    variables={"color": "blue"},
    description="ours",
)
DEPLOYED = (API, ROOT, METHOD, MOCK, DEPLOYMENT)
STAGES = (
    *ask("apigateway", "GetStage", restApiId="${api}", stageName="prod"),
    "[deploymentId, variables, description]",
)

CASES = (
    simple("create-repo", (), REPO, REPOS),
    simple(
        "delete-repo",
        (REPO, LIFECYCLE, POLICY),
        ask("ecr", "DeleteRepository", repositoryName="app"),
        REPOS,
        LIFECYCLES,
        POLICIES,
    ),
    simple("lifecycle", (REPO,), LIFECYCLE, LIFECYCLES, kind="new_id"),
    simple(
        "other-lifecycle",
        (REPO, LIFECYCLE),
        ask("ecr", "PutLifecyclePolicy", repositoryName="app", lifecyclePolicyText=lifecycle(1)),
        LIFECYCLES,
        kind="new_id",
    ),
    simple(
        "no-lifecycle",
        (REPO, LIFECYCLE),
        ask("ecr", "DeleteLifecyclePolicy", repositoryName="app"),
        LIFECYCLES,
        kind="new_id",
    ),
    simple("repo-policy", (REPO,), POLICY, POLICIES),
    simple(
        "no-repo-policy", (REPO, POLICY), ask("ecr", "DeleteRepositoryPolicy", repositoryName="app"), POLICIES
    ),
    simple("registry-policy", (), REGISTRY, (*ask("ecr", "GetRegistryPolicy"), "policyText")),
    simple(
        "no-registry-policy",
        (REGISTRY,),
        ask("ecr", "DeleteRegistryPolicy"),
        (*ask("ecr", "GetRegistryPolicy"), "policyText"),
    ),
    simple(
        "mutability",
        (REPO,),
        ask("ecr", "PutImageTagMutability", repositoryName="app", imageTagMutability="MUTABLE"),
        REPOS,
    ),
    simple(
        "scanning",
        (REPO,),
        ask(
            "ecr",
            "PutImageScanningConfiguration",
            repositoryName="app",
            imageScanningConfiguration={"scanOnPush": True},
        ),
        REPOS,
    ),
    simple("files", (), FILES, (*ask("efs", "DescribeFileSystems"), "length(FileSystems)")),
    simple(
        "mount",
        (*NET, FILES),
        MOUNT,
        (*ask("efs", "DescribeMountTargets", FileSystemId="${fs}"), "MountTargets[].SubnetId"),
    ),
    simple(
        "unmount",
        MOUNTED,
        ask("efs", "DeleteMountTarget", MountTargetId="${mount}"),
        (*ask("efs", "DescribeMountTargets", FileSystemId="${fs}"), "MountTargets[].[SubnetId, IpAddress]"),
        kind="new_id",
    ),
    simple(
        "mount-groups",
        MOUNTED,
        ask("efs", "ModifyMountTargetSecurityGroups", MountTargetId="${mount}", SecurityGroups=["${b}"]),
        (*ask("efs", "DescribeMountTargetSecurityGroups", MountTargetId="${mount}"), "SecurityGroups"),
    ),
    simple(
        "file-lifecycle",
        (FILES,),
        EXPIRES,
        (*ask("efs", "DescribeLifecycleConfiguration", FileSystemId="${fs}"), "LifecyclePolicies"),
    ),
    simple(
        "file-policy",
        (FILES, FILE_POLICY),
        ask(
            "efs", "PutFileSystemPolicy", FileSystemId="${fs}", Policy=policy("elasticfilesystem:ClientWrite")
        ),
        (*ask("efs", "DescribeFileSystemPolicy", FileSystemId="${fs}"), "Policy"),
    ),
    simple(
        "certificate",
        (),
        ask("acm", "RequestCertificate", DomainName="a.test"),
        (*ask("acm", "ListCertificates"), "CertificateSummaryList[].DomainName"),
    ),
    simple("create-plan", (VAULT,), PLAN, PLANS),
    simple("create-vault", (), VAULT, VAULTS),
    simple("delete-vault", (VAULT,), ask("backup", "DeleteBackupVault", BackupVaultName="v"), VAULTS),
    simple(
        "redshift",
        (RED,),
        ask(
            "redshift",
            "ModifyCluster",
            ClusterIdentifier="wh",
            AutomatedSnapshotRetentionPeriod=0,
            NodeType="ra3.4xlarge",
        ),
        REDS,
    ),
    simple(
        "delete-redshift",
        (RED,),
        ask("redshift", "DeleteCluster", ClusterIdentifier="wh", SkipFinalClusterSnapshot=True),
        REDS,
        kind="new_id",
    ),
    simple("pause", (RED,), ask("redshift", "PauseCluster", ClusterIdentifier="wh"), REDS),
    simple(
        "resume",
        (RED, ask("redshift", "PauseCluster", ClusterIdentifier="wh")),
        ask("redshift", "ResumeCluster", ClusterIdentifier="wh"),
        REDS,
    ),
    simple(
        "redshift-snapshot",
        (RED,),
        ask("redshift", "CreateClusterSnapshot", ClusterIdentifier="wh", SnapshotIdentifier="s"),
        RED_SNAPSHOTS,
    ),
    simple(
        "cache",
        (CACHE,),
        ask(
            "elasticache",
            "ModifyReplicationGroup",
            ReplicationGroupId="cache",
            ReplicationGroupDescription="theirs",
            CacheNodeType="cache.m5.large",
        ),
        CACHES,
    ),
    simple(
        "tag-cache",
        (ONE_CACHE,),
        ask(
            "elasticache",
            "AddTagsToResource",
            ResourceName=CACHE_ARN,
            Tags=[{"Key": "e", "Value": "x"}, {"Key": "new", "Value": "1"}],
        ),
        CACHE_TAGS,
    ),
    simple(
        "untag-cache",
        (ONE_CACHE,),
        ask("elasticache", "RemoveTagsFromResource", ResourceName=CACHE_ARN, TagKeys=["e"]),
        CACHE_TAGS,
    ),
    simple("create-domain", (), DOMAIN, DOMAINS),
    simple(
        "domain",
        (DOMAIN,),
        ask("opensearch", "UpdateDomainConfig", DomainName="search", ClusterConfig={"InstanceCount": 1}),
        DOMAINS,
    ),
    simple("create-api", (), API, (*ask("apigateway", "GetRestApis"), "items[].name")),
    simple(
        "update-api",
        (API,),
        ask(
            "apigateway",
            "UpdateRestApi",
            restApiId="${api}",
            patchOperations=[{"op": "replace", "path": "/description", "value": "theirs"}],
        ),
        (*ask("apigateway", "GetRestApi", restApiId="${api}"), "[name, description]"),
    ),
    simple("create-stage", DEPLOYED, STAGE, STAGES),
    simple(
        "update-stage",
        (*DEPLOYED, STAGE),
        ask(
            "apigateway",
            "UpdateStage",
            restApiId="${api}",
            stageName="prod",
            patchOperations=[
                {"op": "replace", "path": "/variables/color", "value": "green"},
                {"op": "replace", "path": "/description", "value": "theirs"},
            ],
        ),
        STAGES,
    ),
    simple(
        "delete-stage",
        (*DEPLOYED, STAGE),
        ask("apigateway", "DeleteStage", restApiId="${api}", stageName="prod"),
        STAGES,
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_comes_back(account: Account, case: Case) -> None:
    prove(account, case)
