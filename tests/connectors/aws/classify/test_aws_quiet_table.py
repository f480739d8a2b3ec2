"""The reviewed table of quietly dangerous calls: well formed, about what there is, and complete for what is known."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jmespath
import pytest
from tests.connectors.aws.classify.conftest import ACCOUNT, OTHER, SCOPE, Model

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.classify import rules_for
from interlock.connectors.aws.classify.action import action_of
from interlock.connectors.aws.verbs import tables
from interlock.connectors.aws.verbs.conditions import Known, holds
from interlock.connectors.aws.verbs.levels import Levels
from interlock.connectors.aws.verbs.rules import KINDS, STATE, QuietRule
from interlock.model.effect import ACTION_OF
from interlock.model.operation import Action

SAMPLE = [tuple(pair) for pair in json.loads(Path(__file__).with_name("quietly_dangerous.json").read_text())]
RULES = [rule for rules in tables.quiet_rules().values() for rule in rules]
PUBLIC = json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]})
FREE_KEYS = {"Attributes"}
"""Maps whose keys the model does not name (SQS and SNS)."""


@pytest.mark.parametrize(("service", "operation"), SAMPLE)
def test_every_call_of_the_sample_has_a_row(service: str, operation: str) -> None:
    assert f"{service}:{operation}" in tables.quiet_rules()


def test_it_goes_well_beyond_the_sample() -> None:
    assert len(SAMPLE) > 100
    assert len(tables.quiet_rules()) > 10 * len(SAMPLE)
    assert {rule.kind for rule in RULES} == KINDS
    assert min(Counter(rule.kind for rule in RULES).values()) >= 4


def test_every_call_is_one_of_a_service(models: dict[str, Model]) -> None:
    strange = [
        c for c in tables.quiet_rules() if c.split(":")[1] not in models[c.split(":")[0]]["operations"]
    ]
    assert strange == []


def test_every_member_of_a_condition_is_one_of_a_call(models: dict[str, Model]) -> None:
    about: dict[str, set[str]] = defaultdict(set)
    for rule in RULES:
        about[rule.when].add(rule.call)
    members = {rule.call: _members(models, rule.call) for rule in RULES if rule.when}
    wrong = {}
    for when, calls in about.items():
        # A row may be about several calls; its members need be there in one.
        named = set(_fields(jmespath.compile(when).parsed)) if when else set()
        lost = named - set().union(*(members.get(call, set()) for call in calls))
        if lost and not named & FREE_KEYS:
            wrong[when] = lost
    assert wrong == {}


def test_no_not_is_before_a_path() -> None:
    """JMESPath reads `!A.B` as `(!A).B`, which is never so."""
    assert [
        rule for rule in RULES if rule.when and _negates_the_head(jmespath.compile(rule.when).parsed)
    ] == []


def test_rows_only_make_it_more_severe(levels: Levels) -> None:
    mild = {r.call for r in RULES if r.action in (Action.READ, Action.UNKNOWN)}
    assert mild == set()


def test_no_read_is_in_it(levels: Levels) -> None:
    reads = {
        call
        for call in tables.quiet_rules()
        if action_of(call.split(":")[0], call.split(":")[1], levels) is Action.READ
    }
    # Answered by the gateway itself, because they hand out credentials.
    assert reads == {"sts:GetSessionToken", "sts:GetFederationToken"}


def test_no_row_claims_a_milder_action_than_its_effect_needs() -> None:
    """`hidden`, `deleted` and `replaced` need the right to delete; what says so must ask for it, unless the preview decides."""
    for rule in RULES:
        needed = ACTION_OF[rule.change]
        if (
            rule.needs != STATE
            and needed in (Action.DELETE, Action.ADMIN)
            and rule.action is not Action.ADMIN
        ):
            assert rule.action.severity >= needed.severity or rule.kind in (
                "routing",
                "outage",
                "audit",
                "exposure",
                "indirect",
            ), rule


def test_whys_are_phrases_for_people() -> None:
    for rule in RULES:
        assert len("restarts") <= len(rule.why) < 130, rule
        assert rule.why[0].islower() or rule.why.startswith(("SQL", "AWS")), rule
        assert not rule.why.endswith("."), rule


@pytest.mark.parametrize("parameters", [{}, {"Policy": None}, {"Rules": 3, "Attributes": [], "Targets": "x"}])
def test_conditions_never_fail(parameters: dict[str, Any]) -> None:
    for rule in RULES:
        assert holds(rule.when, parameters, Known()) in (True, False)


DANGEROUS: list[tuple[str, dict[str, Any], str]] = [
    (
        "s3:PutBucketAcl",
        {
            "Bucket": "b",
            "AccessControlPolicy": {
                "Grants": [{"Grantee": {"URI": "http://acs.amazonaws.com/groups/global/AllUsers"}}]
            },
        },
        "exposure",
    ),
    ("s3:CreateBucket", {"Bucket": "b", "ACL": "public-read-write"}, "exposure"),
    (
        "s3:PutObjectTagging",
        {"Bucket": "b", "Key": "k", "Tagging": {"TagSet": [{"Key": "Protection", "Value": "x"}]}},
        "tags",
    ),
    ("s3control:PutPublicAccessBlock", {"PublicAccessBlockConfiguration": {}}, "guard"),
    ("efs:PutFileSystemPolicy", {"FileSystemId": "f", "Policy": PUBLIC}, "exposure"),
    ("glacier:SetVaultAccessPolicy", {"policy": {"Policy": PUBLIC}}, "exposure"),
    ("ecr:SetRepositoryPolicy", {"policyText": PUBLIC}, "exposure"),
    ("sqs:AddPermission", {"AWSAccountIds": [OTHER]}, "exposure"),
    ("sqs:SetQueueAttributes", {"Attributes": {"Policy": PUBLIC}}, "exposure"),
    ("sqs:CreateQueue", {"QueueName": "q", "Attributes": {"Policy": PUBLIC}}, "exposure"),
    ("sns:CreateTopic", {"Name": "t", "Attributes": {"Policy": PUBLIC}}, "exposure"),
    ("kms:PutKeyPolicy", {"BypassPolicyLockoutSafetyCheck": True, "Policy": "{}"}, "lockout"),
    ("ec2:ModifyFleet", {"TargetCapacitySpecification": {"TotalTargetCapacity": 0}}, "capacity"),
    ("ec2:AuthorizeSecurityGroupIngress", {"CidrIp": "0.0.0.0/0"}, "exposure"),
    (
        "ec2:ModifySecurityGroupRules",
        {"SecurityGroupRules": [{"SecurityGroupRule": {"CidrIpv6": "::/0"}}]},
        "exposure",
    ),
    ("ec2:DeleteTags", {"Resources": ["i-1"]}, "tags"),
    ("ec2:ModifyVpcEndpoint", {"PolicyDocument": PUBLIC}, "exposure"),
    ("ec2:ModifyInstanceAttribute", {"Attribute": "disableApiTermination", "Value": "false"}, "guard"),
    ("ec2:ModifyInstanceMetadataOptions", {"HttpTokens": "optional"}, "exposure"),
    (
        "iam:CreatePolicyVersion",
        {"PolicyDocument": json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})},
        "exposure",
    ),
    ("iam:AddUserToGroup", {"GroupName": "Administrators"}, "exposure"),
    ("lambda:AddPermission", {"Principal": "s3.amazonaws.com"}, "exposure"),
    (
        "lambda:UpdateFunctionConfiguration",
        {"Layers": [f"arn:aws:lambda:eu-west-1:{OTHER}:layer:x:1"]},
        "indirect",
    ),
    (
        "eks:UpdateClusterConfig",
        {"logging": {"clusterLogging": [{"types": ["audit"], "enabled": False}]}},
        "audit",
    ),
    ("emr:ModifyInstanceGroups", {"InstanceGroups": [{"InstanceCount": 0}]}, "capacity"),
    ("batch:UpdateComputeEnvironment", {"computeResources": {"maxvCpus": 0}}, "capacity"),
    (
        "sagemaker:UpdateEndpointWeightsAndCapacities",
        {"DesiredWeightsAndCapacities": [{"DesiredInstanceCount": 0}]},
        "capacity",
    ),
    ("cloudwatch:PutMetricAlarm", {"ActionsEnabled": False}, "audit"),
    ("cloudwatch:PutMetricAlarm", {"AlarmActions": ["arn:aws:automate:eu-west-1:ec2:terminate"]}, "indirect"),
    (
        "wafv2:CreateWebACL",
        {"DefaultAction": {"Allow": {}}, "Rules": [{"Action": {"Count": {"x": 1}}}]},
        "guard",
    ),
    ("scheduler:UpdateSchedule", {"State": "DISABLED"}, "outage"),
    ("stepfunctions:TestState", {"roleArn": "arn:aws:iam::123456789012:role/r"}, "indirect"),
    ("ssm:PutParameter", {"Overwrite": True, "Type": "SecureString"}, "keys"),
    ("backup:CreateBackupPlan", {"BackupPlan": {"Rules": [{"Lifecycle": {"DeleteAfterDays": 1}}]}}, "expiry"),
    ("codebuild:UpdateProjectVisibility", {"projectVisibility": "PUBLIC_READ"}, "exposure"),
    ("route53:UpdateHealthCheck", {"Inverted": True}, "routing"),
    ("cloudformation:UpdateStack", {"StackPolicyDuringUpdateBody": "{}"}, "guard"),
    ("secretsmanager:ReplicateSecretToRegions", {"ForceOverwriteReplicaSecret": True}, "overwrite"),
    ("datasync:UpdateTask", {"Options": {"PreserveDeletedFiles": "REMOVE"}}, "overwrite"),
]


@pytest.mark.parametrize(("name", "parameters", "kind"), DANGEROUS)
def test_dangerous_parameters_fit(name: str, parameters: dict[str, Any], kind: str) -> None:
    assert kind in {rule.kind for rule in fitting(name, parameters) if rule.needs != STATE}


HARMLESS: list[tuple[str, dict[str, Any], str]] = [
    (
        "s3:PutPublicAccessBlock",
        {
            "PublicAccessBlockConfiguration": dict.fromkeys(
                ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
            )
        },
        "guard",
    ),
    ("s3:PutBucketVersioning", {"VersioningConfiguration": {"Status": "Enabled"}}, "versioning"),
    ("s3:PutObject", {"Bucket": "b", "Key": "k", "ACL": "private"}, "exposure"),
    ("s3:PutObjectLegalHold", {"LegalHold": {"Status": "ON"}}, "guard"),
    ("ec2:ModifyInstanceAttribute", {"DisableApiTermination": {"Value": True}}, "guard"),
    ("ec2:CreateVpcPeeringConnection", {"PeerOwnerId": ACCOUNT}, "exposure"),
    ("ec2:ModifySnapshotAttribute", {"CreateVolumePermission": {"Remove": [{"Group": "all"}]}}, "exposure"),
    ("rds:ModifyDBInstance", {"BackupRetentionPeriod": 7}, "backup"),
    ("rds:ModifyDBInstance", {"DeletionProtection": True}, "guard"),
    ("dynamodb:UpdateTable", {"DeletionProtectionEnabled": True}, "guard"),
    ("dynamodb:BatchWriteItem", {"RequestItems": {"t": [{"PutRequest": {"Item": {}}}]}}, "overwrite"),
    ("dynamodb:ExecuteStatement", {"Statement": "SELECT * FROM t"}, "indirect"),
    ("autoscaling:UpdateAutoScalingGroup", {"MaxSize": 10}, "capacity"),
    ("lambda:AddPermission", {"Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::b"}, "exposure"),
    (
        "route53:ChangeResourceRecordSets",
        {
            "ChangeBatch": {
                "Changes": [{"Action": "CREATE", "ResourceRecordSet": {"Type": "A", "Name": "a.b."}}]
            }
        },
        "routing",
    ),
    ("kms:CreateGrant", {"GranteePrincipal": "arn:aws:iam::111111111111:role/r"}, "audit"),
    ("cloudformation:UpdateTerminationProtection", {"EnableTerminationProtection": True}, "guard"),
    ("guardduty:UpdateDetector", {"Enable": True}, "audit"),
    ("athena:StartQueryExecution", {"QueryString": "SELECT 1"}, "indirect"),
    ("cloudfront:CreateInvalidation", {"InvalidationBatch": {"Paths": {"Items": ["/index.html"]}}}, "outage"),
]


@pytest.mark.parametrize(("name", "parameters", "kind"), HARMLESS)
def test_harmless_parameters_do_not(name: str, parameters: dict[str, Any], kind: str) -> None:
    assert kind not in {rule.kind for rule in fitting(name, parameters) if rule.needs != STATE}


STATEFUL: dict[str, dict[str, Any]] = {
    "s3:PutObject": {"Bucket": "b", "Key": "k"},
    "autoscaling:SetDesiredCapacity": {"DesiredCapacity": 3},
    "dynamodb:PutItem": {"Item": {}},
    "cloudformation:UpdateStack": {"StackName": "s"},
    "s3:PutBucketNotificationConfiguration": {"NotificationConfiguration": {}},
    "logs:PutRetentionPolicy": {"retentionInDays": 30},
    "ecr:PutImage": {"imageTag": "prod"},
    "kinesis:UpdateShardCount": {"TargetShardCount": 1},
}


@pytest.mark.parametrize("name", STATEFUL)
def test_what_depends_on_the_present_state_is_left_to_the_preview(name: str) -> None:
    assert STATE in {rule.needs for rule in fitting(name, STATEFUL[name])}


def fitting(name: str, parameters: dict[str, Any]) -> tuple[QuietRule, ...]:
    service, _, operation = name.partition(":")
    return rules_for(Call(service, operation, "eu-west-1", ACCOUNT, parameters), SCOPE)


def _members(models: dict[str, Model], call: str) -> set[str]:
    service, _, operation = call.partition(":")
    model = models[service]
    shape = model["operations"][operation].get("input", {}).get("shape")
    return set(_names(model["shapes"], shape, set())) if shape else set()


def _names(shapes: Model, name: str, seen: set[str]) -> Iterator[str]:
    if name in seen:
        return
    seen.add(name)
    shape = shapes[name]
    for member, reference in shape.get("members", {}).items():
        yield member
        yield from _names(shapes, reference["shape"], seen)
    for inner in ("member", "value"):
        if inner in shape:
            yield from _names(shapes, shape[inner]["shape"], seen)


def _fields(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        if tree.get("type") == "field":
            yield tree["value"]
        for child in tree.get("children", []):
            yield from _fields(child)


def _negates_the_head(tree: Any) -> bool:
    if not isinstance(tree, dict):
        return False
    children = tree.get("children", [])
    if tree["type"] == "subexpression" and children and children[0].get("type") == "not_expression":
        return True
    return any(_negates_the_head(child) for child in children)
