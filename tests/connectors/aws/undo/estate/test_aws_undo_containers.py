"""op → revert → compare for containers: services, task definitions, clusters, node groups."""

from typing import Any

import pytest
from tests.connectors.aws.undo.rig import Account, Case, prove

Call = tuple[str, str, dict[str, Any]]


def ecs(operation: str, **parameters: Any) -> Call:
    return ("ecs", operation, parameters)


def reading(call: Call, select: str) -> tuple[Any, ...]:
    return (*call, select)


def simple(name: str, given: Any, call: Any, *state: Any, **more: Any) -> Case:
    return Case(name=name, given=given, call=call[:3], state=state, **more)


CLUSTER = (
    *ecs("CreateCluster", clusterName="main", settings=[{"name": "containerInsights", "value": "enabled"}]),
    {"cluster": "cluster.clusterArn"},
)
TASK = (
    *ecs(
        "RegisterTaskDefinition",
        family="app",
        containerDefinitions=[{"name": "app", "image": "app:1", "memory": 128, "cpu": 10}],
    ),
    {"task": "taskDefinition.taskDefinitionArn"},
)
TASK2 = (
    *ecs(
        "RegisterTaskDefinition",
        family="app",
        containerDefinitions=[{"name": "app", "image": "app:2", "memory": 128, "cpu": 10}],
    ),
    {"task2": "taskDefinition.taskDefinitionArn"},
)
SERVICE = ecs(
    "CreateService",
    cluster="main",
    serviceName="web",
    taskDefinition="app:1",
    desiredCount=3,
    tags=[{"key": "env", "value": "p"}],
)
SERVICES = reading(
    ecs("DescribeServices", cluster="main", services=["web"], include=["TAGS"]),
    "services[?status=='ACTIVE'].[serviceName, desiredCount, taskDefinition, tags]",
)
CLUSTERS = reading(
    ecs("DescribeClusters", clusters=["main"], include=["SETTINGS"]),
    "clusters[?status=='ACTIVE'].[clusterName, settings]",
)
ACTIVE = reading(ecs("ListTaskDefinitions", status="ACTIVE"), "taskDefinitionArns")
ARN = "arn:aws:ecs:eu-central-1:123456789012:service/main/web"
TAGS = reading(ecs("ListTagsForResource", resourceArn=ARN), "sort_by(tags, &key)")
ROLE = ("iam", "CreateRole", {"RoleName": "n", "AssumeRolePolicyDocument": "{}"}, {"role": "Role.Arn"})
EKS = (
    ROLE,
    (
        "eks",
        "CreateCluster",
        {"name": "k", "roleArn": "${role}", "resourcesVpcConfig": {"subnetIds": ["subnet-1", "subnet-2"]}},
    ),
)
NODES = (
    "eks",
    "CreateNodegroup",
    {
        "clusterName": "k",
        "nodegroupName": "n",
        "subnets": ["subnet-1"],
        "nodeRole": "${role}",
        "scalingConfig": {"minSize": 1, "maxSize": 5, "desiredSize": 3},
    },
)
NODEGROUPS = ("eks", "ListNodegroups", {"clusterName": "k"}, "nodegroups")

CASES = (
    simple("create-cluster", (), CLUSTER, CLUSTERS),
    simple("delete-cluster", (CLUSTER,), ecs("DeleteCluster", cluster="main"), CLUSTERS),
    simple("create-service", (CLUSTER, TASK), SERVICE, SERVICES),
    simple(
        "update-service",
        (CLUSTER, TASK, TASK2, SERVICE),
        ecs("UpdateService", cluster="main", service="web", desiredCount=0, taskDefinition="app:2"),
        SERVICES,
    ),
    simple(
        "delete-service",
        (CLUSTER, TASK, SERVICE),
        ecs("DeleteService", cluster="main", service="web", force=True),
        SERVICES,
        kind="new_id",
    ),
    simple("register-task", (), TASK, ACTIVE),
    simple(
        "deregister-task",
        (TASK,),
        ecs("DeregisterTaskDefinition", taskDefinition="app:1"),
        reading(ecs("ListTaskDefinitions", status="ACTIVE"), "length(taskDefinitionArns)"),
        ACTIVE,
        kind="new_id",
        differs=(1,),
    ),
    simple(
        "tag-service",
        (CLUSTER, TASK, SERVICE),
        ecs(
            "TagResource", resourceArn=ARN, tags=[{"key": "env", "value": "x"}, {"key": "new", "value": "1"}]
        ),
        TAGS,
    ),
    simple(
        "untag-service",
        (CLUSTER, TASK, SERVICE),
        ecs("UntagResource", resourceArn=ARN, tagKeys=["env"]),
        TAGS,
    ),
    simple("create-nodes", EKS, NODES, NODEGROUPS),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_comes_back(account: Account, case: Case) -> None:
    prove(account, case)
