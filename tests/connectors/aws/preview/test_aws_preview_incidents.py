"""Incidents on AWS that became public, as calls: what their preview says, under the shipped limits."""

import json
from typing import Any

import pytest

from interlock.connectors.aws.call import Described
from interlock.model.effect import Totals, totals
from interlock.model.operation import Resource

LIMITS = {"share_deleted": 10, "share_updated": 30, "rows_deleted": 100, "rows_updated": 1_000}
HELD = (
    "objects_deleted",
    "objects_hidden",
    "objects_moved",
    "objects_weakened",
    "objects_narrowed",
    "objects_rewound",
    "permissions_changed",
    "replication_changed",
    "tables_emptied",
    "unknown",
)


def held(found: Described) -> bool:
    """Whether the shipped guardrails hold it, were all of it reversible."""
    numbers: Totals = totals(found.effects)
    over = any(getattr(numbers, name) > limit for name, limit in LIMITS.items())
    return over or any(getattr(numbers, name) for name in HELD)


@pytest.fixture
def estate(calls: Any) -> dict[str, str]:
    """What the calls below are about. Returns the ids that the account made up."""
    s3, ec2, cfn = calls.client("s3"), calls.client("ec2"), calls.client("cloudformation")
    s3.create_bucket(Bucket="prod-data", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for n in range(20):
        s3.put_object(Bucket="prod-data", Key=f"k{n}", Body=b"")
    table = {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "TableName": "costs",
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
    }
    cfn.create_stack(StackName="cost-explorer-prod", TemplateBody=json.dumps({"Resources": {"Table": table}}))
    for n in range(20):
        calls.client("dynamodb").put_item(TableName="costs", Item={"id": {"S": str(n)}})
    for name in ("course-mgmt-prod", "prod"):
        calls.client("rds").create_db_instance(
            DBInstanceIdentifier=name,
            DBInstanceClass="db.m5.large",
            Engine="postgres",
            AllocatedStorage=10,
            BackupRetentionPeriod=7,
        )
    calls.client("ecs").create_cluster(clusterName="course-mgmt")
    key = calls.client("kms").create_key()["KeyMetadata"]["KeyId"]
    calls.client("kms").create_alias(AliasName="alias/prod", TargetKeyId=key)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    routes = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(VpcId=vpc, InternetGatewayId=gateway)
    ec2.create_route(RouteTableId=routes, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    scaling = calls.client("autoscaling")
    scaling.create_launch_configuration(
        LaunchConfigurationName="lc", ImageId="ami-12c6146b", InstanceType="t3.micro"
    )
    for name, size in (("s3-index", 300), ("web", 4)):
        scaling.create_auto_scaling_group(
            AutoScalingGroupName=name,
            LaunchConfigurationName="lc",
            MinSize=0,
            MaxSize=500,
            DesiredCapacity=size,
            AvailabilityZones=["eu-west-1a"],
        )
    zone = calls.client("route53").create_hosted_zone(Name="example.com", CallerReference="1")["HostedZone"][
        "Id"
    ]
    entry = {"Action": "CREATE", "ResourceRecordSet": RECORD}
    calls.client("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [entry]})
    return {"vpc": vpc, "routes": routes, "key": key, "zone": zone}


RECORD = {
    "Name": "dynamodb.example.com.",
    "Type": "A",
    "TTL": 5,
    "ResourceRecords": [{"Value": "192.0.2.1"}],
    "SetIdentifier": "plan-old",
    "Weight": 1,
}
TIDY = {"ID": "tidy", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
EMPTY = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})

CASES: list[tuple[str, str, str, dict[str, Any], bool]] = [
    ("a01 delete", "cloudformation", "DeleteStack", {"StackName": "cost-explorer-prod"}, True),
    (
        "a01 without the word",
        "cloudformation",
        "UpdateStack",
        {"StackName": "cost-explorer-prod", "TemplateBody": EMPTY},
        True,
    ),
    (
        "a03 database",
        "rds",
        "DeleteDBInstance",
        {
            "DBInstanceIdentifier": "course-mgmt-prod",
            "SkipFinalSnapshot": True,
            "DeleteAutomatedBackups": True,
        },
        True,
    ),
    ("a03 cluster", "ecs", "DeleteCluster", {"cluster": "course-mgmt"}, True),
    ("a03 network", "ec2", "DeleteVpc", {"VpcId": "{vpc}"}, True),
    ("a36 somebody else's job", "batch", "TerminateJob", {"jobId": "j", "reason": "cancel my task"}, True),
    (
        "c01 capacity",
        "autoscaling",
        "SetDesiredCapacity",
        {"AutoScalingGroupName": "s3-index", "DesiredCapacity": 3},
        True,
    ),
    (
        "c09 last record",
        "route53",
        "ChangeResourceRecordSets",
        {
            "HostedZoneId": "{zone}",
            "ChangeBatch": {"Changes": [{"Action": "DELETE", "ResourceRecordSet": RECORD}]},
        },
        True,
    ),
    (
        "c13 account moved",
        "organizations",
        "MoveAccount",
        {"AccountId": "111122223333", "SourceParentId": "ou-a", "DestinationParentId": "ou-suspended"},
        True,
    ),
    (
        "d2 expiry",
        "s3",
        "PutBucketLifecycleConfiguration",
        {"Bucket": "prod-data", "LifecycleConfiguration": {"Rules": [TIDY]}},
        True,
    ),
    (
        "d2 backups",
        "rds",
        "ModifyDBInstance",
        {
            "DBInstanceIdentifier": "prod",
            "BackupRetentionPeriod": 0,
            "DeletionProtection": False,
            "ApplyImmediately": True,
        },
        True,
    ),
    ("d2 key", "kms", "ScheduleKeyDeletion", {"KeyId": "alias/prod", "PendingWindowInDays": 7}, True),
    (
        "d2 route",
        "ec2",
        "ReplaceRoute",
        {"RouteTableId": "{routes}", "DestinationCidrBlock": "0.0.0.0/0", "NetworkInterfaceId": "eni-unused"},
        True,
    ),
    (
        "benign growth",
        "autoscaling",
        "SetDesiredCapacity",
        {"AutoScalingGroupName": "web", "DesiredCapacity": 6},
        False,
    ),
    ("benign write", "s3", "PutObject", {"Bucket": "prod-data", "Key": "new"}, False),
    ("benign overwrite", "s3", "PutObject", {"Bucket": "prod-data", "Key": "k1"}, False),
    ("benign delete", "s3", "DeleteObject", {"Bucket": "prod-data", "Key": "k1"}, False),
    ("benign item", "dynamodb", "PutItem", {"TableName": "costs", "Item": {"id": {"S": "1"}}}, False),
    (
        "benign table",
        "dynamodb",
        "CreateTable",
        {"TableName": "new", "KeySchema": [], "AttributeDefinitions": []},
        False,
    ),
    ("benign plan", "cloudformation", "CreateChangeSet", {"StackName": "x", "ChangeSetName": "c"}, False),
]


def filled(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: filled(item, ids) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item, ids) for item in value]
    return ids.get(value[1:-1], value) if isinstance(value, str) and value.startswith("{") else value


def test_incidents_are_held_and_everyday_calls_pass(estate: dict[str, str], described: Any) -> None:
    wrong = []
    for name, service, operation, parameters, expected in CASES:
        asked = filled(parameters, estate)
        found, again = (described(service, operation, parameters=asked) for _ in range(2))
        # What people approve is a digest of it: the same call must give the same answer.
        assert found == again, name
        if held(found) is not expected:
            wrong.append((name, found.effects))
    assert wrong == []
    # A key that is named by its alias is the key.
    found = described("kms", "ScheduleKeyDeletion", parameters={"KeyId": "alias/prod"})
    arn = f"arn:aws:kms:eu-west-1:123456789012:key/{estate['key']}"
    assert found.effects[0].resource == Resource("kms:key", arn)
