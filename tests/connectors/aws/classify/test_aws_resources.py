"""Which resources a call names, as ARNs, and to which group they belong."""

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.connectors.aws.classify.conftest import ACCOUNT, OTHER, SCOPE

from interlock.connectors.aws.call import Call, Classified
from interlock.connectors.aws.classify import GroupRule, classify, group_of
from interlock.connectors.aws.classify.resources import MOST_OBJECTS
from interlock.connectors.aws.verbs.levels import Levels, installed_levels

HERE = f"eu-west-1:{ACCOUNT}"
LB = f"arn:aws:elasticloadbalancing:{HERE}"
RESOURCES: list[tuple[str, dict[str, Any], list[tuple[str, str]]]] = [
    ("s3:DeleteBucket", {"Bucket": "b"}, [("s3:bucket", "arn:aws:s3:::b")]),
    ("s3:PutObject", {"Bucket": "b", "Key": "a//../ü +%"}, [("s3:object", "arn:aws:s3:::b/a//../ü +%")]),
    (
        "s3:CopyObject",
        {"Bucket": "to", "Key": "k", "CopySource": "from/k"},
        [("s3:object", "arn:aws:s3:::to/k")],
    ),
    (
        "s3:ListObjectsV2",
        {"Bucket": f"arn:aws:s3:{HERE}:accesspoint/ap"},
        [("s3:accesspoint", f"arn:aws:s3:{HERE}:accesspoint/ap")],
    ),
    (
        "ec2:TerminateInstances",
        {"InstanceIds": ["i-1", "i-2"]},
        [("ec2:instance", f"arn:aws:ec2:{HERE}:instance/i-{n}") for n in (1, 2)],
    ),
    (
        "ec2:CreateTags",
        {"Resources": ["i-1", "odd"]},
        [("ec2:instance", f"arn:aws:ec2:{HERE}:instance/i-1"), ("aws:service", f"arn:aws:ec2:{HERE}:*/odd")],
    ),
    ("ec2:CreateVpc", {"CidrBlock": "10.0.0.0/8"}, [("aws:service", f"arn:aws:ec2:{HERE}:*")]),
    ("rds:DeleteDBInstance", {"DBInstanceIdentifier": "prod"}, [("rds:db", f"arn:aws:rds:{HERE}:db:prod")]),
    (
        "docdb:DeleteDBCluster",
        {"DBClusterIdentifier": "c"},
        [("rds:cluster", f"arn:aws:rds:{HERE}:cluster:c")],
    ),
    (
        "rds:AddTagsToResource",
        {"ResourceName": f"arn:aws:rds:{HERE}:db:prod", "Tags": []},
        [("rds:db", f"arn:aws:rds:{HERE}:db:prod")],
    ),
    ("dynamodb:DeleteTable", {"TableName": "t"}, [("dynamodb:table", f"arn:aws:dynamodb:{HERE}:table/t")]),
    (
        "dynamodb:DeleteTable",
        {"TableName": f"arn:aws:dynamodb:{HERE}:table/t"},
        [("dynamodb:table", f"arn:aws:dynamodb:{HERE}:table/t")],
    ),
    (
        "dynamodb:BatchWriteItem",
        {"RequestItems": {"a": [], "b": []}},
        [("dynamodb:table", f"arn:aws:dynamodb:{HERE}:table/{n}") for n in "ab"],
    ),
    (
        "lambda:DeleteFunction",
        {"FunctionName": "f"},
        [("lambda:function", f"arn:aws:lambda:{HERE}:function:f")],
    ),
    ("lambda:Invoke", {"FunctionName": "f:prod"}, [("lambda:function", f"arn:aws:lambda:{HERE}:function:f")]),
    (
        "lambda:Invoke",
        {"FunctionName": f"{ACCOUNT}:function:f"},
        [("lambda:function", f"arn:aws:lambda:{HERE}:function:f")],
    ),
    (
        "lambda:GetFunction",
        {"FunctionName": f"arn:aws:lambda:{HERE}:function:f:7"},
        [("lambda:function", f"arn:aws:lambda:{HERE}:function:f")],
    ),
    (
        "sqs:DeleteQueue",
        {"QueueUrl": f"http://localhost:1/{ACCOUNT}/q"},
        [("sqs:queue", f"arn:aws:sqs:{HERE}:q")],
    ),
    ("sns:DeleteTopic", {"TopicArn": f"arn:aws:sns:{HERE}:t"}, [("sns:topic", f"arn:aws:sns:{HERE}:t")]),
    ("kms:DisableKey", {"KeyId": "k"}, [("kms:key", f"arn:aws:kms:{HERE}:key/k")]),
    ("kms:DisableKey", {"KeyId": "alias/a"}, [("kms:alias", f"arn:aws:kms:{HERE}:alias/a")]),
    (
        "kms:UpdateAlias",
        {"AliasName": "alias/a", "TargetKeyId": "k"},
        [("kms:alias", f"arn:aws:kms:{HERE}:alias/a"), ("kms:key", f"arn:aws:kms:{HERE}:key/k")],
    ),
    ("iam:DeleteRole", {"RoleName": "r"}, [("iam:role", f"arn:aws:iam::{ACCOUNT}:role/r")]),
    (
        "iam:DeletePolicy",
        {"PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/p"},
        [("iam:policy", f"arn:aws:iam::{ACCOUNT}:policy/p")],
    ),
    (
        "sts:AssumeRole",
        {"RoleArn": f"arn:aws:iam::{OTHER}:role/r"},
        [("iam:role", f"arn:aws:iam::{OTHER}:role/r")],
    ),
    (
        "cloudformation:DeleteStack",
        {"StackName": "s"},
        [("cloudformation:stack", f"arn:aws:cloudformation:{HERE}:stack/s/*")],
    ),
    (
        "cloudformation:CreateStackSet",
        {"StackSetName": "s"},
        [("cloudformation:stackset", f"arn:aws:cloudformation:{HERE}:stackset/s:*")],
    ),
    (
        "autoscaling:DeleteAutoScalingGroup",
        {"AutoScalingGroupName": "g"},
        [
            (
                "autoscaling:autoScalingGroup",
                f"arn:aws:autoscaling:{HERE}:autoScalingGroup:*:autoScalingGroupName/g",
            )
        ],
    ),
    (
        "ecs:DeleteService",
        {"cluster": "c", "service": "s"},
        [("ecs:service", f"arn:aws:ecs:{HERE}:service/c/s")],
    ),
    (
        "eks:DeleteNodegroup",
        {"clusterName": "c", "nodegroupName": "n"},
        [("eks:nodegroup", f"arn:aws:eks:{HERE}:nodegroup/c/n/*")],
    ),
    (
        "route53:ChangeResourceRecordSets",
        {"HostedZoneId": "/hostedzone/Z"},
        [("route53:hostedzone", "arn:aws:route53:::hostedzone/Z")],
    ),
    (
        "route53:DeleteHealthCheck",
        {"HealthCheckId": "h"},
        [("route53:healthcheck", "arn:aws:route53:::healthcheck/h")],
    ),
    (
        "cloudwatch:DeleteAlarms",
        {"AlarmNames": ["a", "b"]},
        [("cloudwatch:alarm", f"arn:aws:cloudwatch:{HERE}:alarm:{n}") for n in "ab"],
    ),
    (
        "logs:DeleteLogGroup",
        {"logGroupName": "/app"},
        [("logs:log-group", f"arn:aws:logs:{HERE}:log-group:/app")],
    ),
    (
        "events:PutRule",
        {"Name": "r"},
        [("events:rule-on-default-event-bus", f"arn:aws:events:{HERE}:rule/r")],
    ),
    (
        "elbv2:DeleteListener",
        {"ListenerArn": f"{LB}:listener/net/lb/1/2"},
        [("elasticloadbalancing:listener/net", f"{LB}:listener/net/lb/1/2")],
    ),
    (
        "elbv2:DeleteTargetGroup",
        {"TargetGroupArn": f"{LB}:targetgroup/t/1"},
        [("elasticloadbalancing:targetgroup", f"{LB}:targetgroup/t/1")],
    ),
    (
        "secretsmanager:DeleteSecret",
        {"SecretId": "db"},
        [("secretsmanager:Secret", f"arn:aws:secretsmanager:{HERE}:secret:db")],
    ),
    ("ssm:DeleteParameter", {"Name": "/a/b"}, [("ssm:parameter", f"arn:aws:ssm:{HERE}:parameter/a/b")]),
    (
        "apigateway:DeleteStage",
        {"restApiId": "a", "stageName": "s"},
        [
            ("apigateway:Stage", "arn:aws:apigateway:eu-west-1::/restapis/a/stages/s"),
            ("apigateway:RestApi", "arn:aws:apigateway:eu-west-1::/restapis/a"),
        ],
    ),
    (
        "resourcegroupstaggingapi:TagResources",
        {"ResourceARNList": ["arn:aws:s3:::b", f"arn:aws:sqs:{HERE}:q"]},
        [("s3:bucket", "arn:aws:s3:::b"), ("sqs:queue", f"arn:aws:sqs:{HERE}:q")],
    ),
    ("sqs:TagQueue", {"QueueUrl": "q"}, [("sqs:queue", f"arn:aws:sqs:{HERE}:q")]),
    ("nova:DeleteThing", {"thingName": "x"}, [("aws:service", f"arn:aws:nova:{HERE}:*")]),
    ("sts:GetCallerIdentity", {}, [("aws:service", f"arn:aws:sts:{HERE}:*")]),
]


@pytest.mark.parametrize(("name", "parameters", "wanted"), RESOURCES)
def test_resources(
    say: Callable[..., Classified], name: str, parameters: dict[str, Any], wanted: list[tuple[str, str]]
) -> None:
    found = [(r.kind, r.name) for r in say(name, **parameters).operation.resources]
    assert found == wanted


def test_a_delete_of_many_objects_names_the_bucket_some_keys_and_what_they_begin_with(
    say: Callable[..., Classified],
) -> None:
    keys = [{"Key": f"logs/2026/{n}"} for n in range(1000)]
    found = say("s3:DeleteObjects", Bucket="b", Delete={"Objects": keys}).operation.resources
    assert found[0].name == "arn:aws:s3:::b"
    assert len(found) == MOST_OBJECTS + 2
    assert found[-1].name == "arn:aws:s3:::b/logs/2026/*"


def test_every_kind_is_in_the_schema(levels: Levels) -> None:
    text = files("interlock.connectors.aws").joinpath("schema.cedarschema").read_text("utf-8")
    named = set(text.split('"')[1::2])
    assert named == levels.kinds() | {"aws:service"}


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from([case[0] for case in RESOURCES]),
    st.dictionaries(
        st.sampled_from(sorted({p for case in RESOURCES for p in case[1]})),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=30) | st.binary(max_size=5),
            lambda s: st.lists(s, max_size=3) | st.dictionaries(st.text(max_size=5), s, max_size=3),
            max_leaves=6,
        ),
    ),
)
def test_whatever_the_parameters_a_call_is_classified(name: str, parameters: dict[str, Any]) -> None:
    service, _, operation = name.partition(":")
    call = Call(service, operation, "eu-west-1", ACCOUNT, parameters)
    what = classify(call, SCOPE, installed_levels())
    assert what.operation.resources
    assert what == classify(call, SCOPE, installed_levels())


GROUPS = [
    ("arn:aws:s3:::shop-data", {}, "", "shop"),
    ("arn:aws:s3:::other/key", {}, "", "other"),
    ("arn:aws:s3:::other", {}, "", ""),
    (f"arn:aws:sqs:{HERE}:q", {"team": "shop"}, "", "shop"),
    (f"arn:aws:sqs:{HERE}:q", {"team": "other"}, "", ""),
    (f"arn:aws:sqs:{HERE}:q", {}, "shop-prod", "shop"),
    (f"arn:aws:sqs:{HERE}:q", {}, "billing", "billing"),
    (f"arn:aws:cloudformation:{HERE}:stack/billing/8f2c", {}, "", "billing"),
    (f"arn:aws:cloudformation:{HERE}:stack/shop-prod/*", {}, "", "shop"),
]


@pytest.mark.parametrize(("name", "tags", "stack", "group"), GROUPS)
def test_groups(name: str, tags: dict[str, str], stack: str, group: str) -> None:
    assert group_of(name, SCOPE.groups, tags, stack) == group


def test_all_tags_of_a_rule_must_fit() -> None:
    rule = GroupRule("g", tags={"a": "1", "b": "*"})
    assert group_of("arn:aws:sqs:::q", (rule,), {"a": "1", "b": "x"}) == "g"
    assert group_of("arn:aws:sqs:::q", (rule,), {"a": "1"}) == ""
    assert group_of("arn:aws:sqs:::q", (GroupRule("empty"),)) == ""
