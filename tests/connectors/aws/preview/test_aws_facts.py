"""What breakers are told of calls: selections that reach everything, guards, members of groups, and whose fault a failure is."""

import asyncio
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import pytest

from interlock.connectors.aws.call import Call, CallFailed, Classified, Quiet
from interlock.connectors.aws.classify import GroupRule
from interlock.connectors.aws.preview.facts import STATEFUL, facts, guard, sweeping
from interlock.connectors.aws.session.passing.causes import cause_of
from interlock.connectors.aws.target.members import sizes
from interlock.connectors.aws.verbs import tables
from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.model.operation import Action, Operation, Resource
from interlock.sdk.connector import Cause


def what(
    name: str, *quiet: Quiet, on: str = "arn:aws:x:::y", action: Action = Action.UPDATE, **parameters: Any
) -> Classified:
    service, _, operation = name.partition(":")
    call = Call(service, operation, "us-east-1", "123456789012", parameters)
    return Classified(call, Operation(action, name, (Resource("x:y", on),)), quiet=quiet)


EXPIRY = {"Status": "Enabled", "Expiration": {"Days": 1}}


def rules(**more: Any) -> dict[str, Any]:
    return {"LifecycleConfiguration": {"Rules": [{**EXPIRY, **more}]}}


ALL_OR_SOME: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("ec2:TerminateInstances", {"InstanceIds": []}, {"InstanceIds": ["i-1"]}),
    ("ec2:StopInstances", {"InstanceIds": ["*"]}, {"InstanceIds": ["i-1"]}),
    ("ec2:DeleteTags", {"Resources": []}, {"Resources": ["i-1"], "Tags": [{"Key": "a"}]}),
    ("ec2:DeleteTags", {"Resources": ["i-1"]}, {"Resources": ["i-1"], "Tags": [{"Key": "a"}]}),
    ("ec2:ModifyInstanceAttribute", {"Groups": []}, {"Groups": ["sg-1"]}),
    ("ec2:ModifyInstanceAttribute", {"Groups": []}, {"EbsOptimized": {"Value": True}}),
    ("s3:PutBucketLifecycleConfiguration", rules(Filter={"Prefix": ""}), rules(Filter={"Prefix": "tmp/"})),
    ("s3:PutBucketLifecycleConfiguration", rules(Prefix=""), rules(Prefix="tmp/")),
    ("s3:PutBucketLifecycleConfiguration", rules(Filter={}), rules(Filter={"Tag": {"Key": "a", "Value": "b"}})),
    ("s3:PutBucketLifecycleConfiguration", rules(), rules(Status="Disabled")),
    ("s3:PutBucketLifecycle", rules(), rules(Expiration={"ExpiredObjectDeleteMarker": True})),
    ("s3:PutBucketNotificationConfiguration", {"NotificationConfiguration": {}},
     {"NotificationConfiguration": {"TopicConfigurations": [{"TopicArn": "t"}]}}),
    ("s3control:CreateJob", {"ManifestGenerator": {"S3JobManifestGenerator": {"SourceBucket": "b"}}},
     {"ManifestGenerator": {"S3JobManifestGenerator": {"Filter": {"MatchAnyPrefix": ["a"]}}}}),
    ("ssm:SendCommand", {"Targets": [{"Key": "InstanceIds", "Values": ["*"]}]},
     {"Targets": [{"Key": "tag:team", "Values": ["shop"]}]}),
    ("ssm:SendCommand", {}, {"InstanceIds": ["i-1"]}),
    ("autoscaling:SuspendProcesses", {}, {"ScalingProcesses": ["Launch"]}),
    ("logs:DeleteLogStream", {"logStreamName": "*"}, {"logStreamName": "one"}),
    ("wafv2:UpdateIPSet", {"Addresses": []}, {"Addresses": ["10.0.0.0/8"]}),
    ("wafv2:UpdateWebACL", {"Rules": []}, {"Rules": [{"Name": "r"}]}),
    ("wafv2:UpdateRegexPatternSet", {"RegularExpressionList": []}, {"RegularExpressionList": [{"RegexString": "a"}]}),
    ("elbv2:SetSecurityGroups", {"SecurityGroups": []}, {"SecurityGroups": ["sg-1"]}),
    ("elbv2:SetSubnets", {}, {"Subnets": ["s-1"]}),
    ("rds:ModifyDBInstance", {"VpcSecurityGroupIds": []}, {"AllocatedStorage": 20}),
    ("lambda:UpdateFunctionConfiguration", {"Environment": {"Variables": {}}, "Timeout": 3}, {"Timeout": 3}),
    ("resourcegroupstaggingapi:UntagResources", {"TagKeys": ["*"]}, {"TagKeys": ["a"]}),
    ("ecr:PutLifecyclePolicy", {"lifecyclePolicyText": '{"countNumber": 0}'}, {"lifecyclePolicyText": '{"countNumber": 9}'}),
    ("dynamodb:ExecuteStatement", {"Statement": 'DELETE FROM "t"'}, {"Statement": "DELETE FROM t WHERE id = '1'"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "everything", "some"), ALL_OR_SOME, ids=[row[0] for row in ALL_OR_SOME])
def test_everything_and_some(name: str, everything: dict[str, Any], some: dict[str, Any]) -> None:
    assert sweeping(what(name, **everything))
    assert not sweeping(what(name, **some))


def test_each_row_of_the_table_has_a_case() -> None:
    reached = {(name, sweeping(what(name, **everything))) for name, everything, _ in ALL_OR_SOME}
    said = {why for _, why in reached}
    assert said == {why for rows in tables.sweeping().values() for _, why in rows}


def test_an_empty_list_in_the_place_of_an_empty_list_takes_nothing() -> None:
    call = what("wafv2:UpdateIPSet", Addresses=[])
    resource = Resource("wafv2:ipset", "arn:aws:wafv2:::s")
    assert not facts([call], [Effect(resource, ChangeKind.SETTING, 1, Unit.OBJECTS)]).sweeping
    assert facts([call], [Effect(resource, ChangeKind.WEAKENED, 1, Unit.OBJECTS)]).sweeping


def test_audit_backup_and_the_gateways_own_copies_are_guards() -> None:
    assert guard(what("s3:PutBucketLogging", Quiet("audit", "accesses are no longer logged")))
    assert guard(what("rds:ModifyDBInstance", Quiet("backup", "fewer backups")))
    assert not guard(what("s3:PutBucketWebsite", Quiet("exposure", "serves the bucket as a web site")))
    own = "arn:aws:dynamodb:us-east-1:123456789012:table/interlock-" + "0" * 24
    assert guard(what("dynamodb:DeleteTable", on=own))
    assert guard(what("s3:DeleteBucket", on="arn:aws:s3:::interlock-trash-123456789012-us-east-1"))
    assert guard(what("s3:DeleteObject", on="arn:aws:s3:::aside/k"), "aside")
    assert not guard(what("s3:DeleteObject", on="arn:aws:s3:::asides/k"), "aside")
    assert not guard(what("s3:GetObject", on="arn:aws:s3:::aside/k", action=Action.READ), "aside")
    assert not guard(what("s3:DeleteBucket", on="arn:aws:s3:::interlock-docs"))


def test_stateful_kinds_are_kinds() -> None:
    assert facts([], [Effect(Resource("s3:bucket", "b"), ChangeKind.DELETED, 1, Unit.OBJECTS)]).stateful == (
        "s3:bucket",
    )
    text = files("interlock.connectors.aws").joinpath("schema.cedarschema").read_text("utf-8")
    # What statements inside calls are about has the kinds of the language, with `sql:` before them.
    assert [kind for kind in STATEFUL if f'"{kind}"' not in text and not kind.startswith("sql:")] == []
    assert {kind for kind in STATEFUL if kind.startswith("sql:")} == {
        "sql:database",
        "sql:schema",
        "sql:table",
    }


# ---- members ---------------------------------------------------------------------------------------------------------


class Account:
    """Answers what it is told to; what it is not told of fails."""

    region, account, partition = "us-east-1", "123456789012", "aws"

    def __init__(self, answers: Mapping[str, list[Any]], failing: str = "") -> None:
        self.answers, self.failing, self.asked = answers, failing, list[str]()

    async def ask(
        self, service: str, operation: str, parameters: Any = None, *, region: str = ""
    ) -> dict[str, Any]:
        raise AssertionError(operation)

    async def pages(
        self,
        service: str,
        operation: str,
        parameters: Any = None,
        *,
        key: str,
        limit: int = 10_000,
        region: str = "",
    ) -> tuple[list[Any], bool]:
        self.asked.append(f"{service}:{operation}")
        if self.failing:
            raise CallFailed(self.failing, 400)
        return self.answers[operation], False


def lost(kind: str, name: str, group: str, unit: Unit = Unit.OBJECTS) -> Effect:
    return Effect(Resource(kind, name, group), ChangeKind.DELETED, 1, unit)


def told(account: Account, *effects: Effect, rule: GroupRule | None = None) -> dict[str, int]:
    return asyncio.run(sizes(effects, (rule,) if rule else (), account))


def test_a_stack() -> None:
    parts = [{"LogicalResourceId": str(n), "ResourceStatus": "CREATE_COMPLETE"} for n in range(5)]
    parts.append({"LogicalResourceId": "x", "ResourceStatus": "DELETE_COMPLETE"})
    account = Account({"ListStackResources": parts})
    assert told(account, lost("sqs:queue", "a", "shop"), lost("sqs:queue", "b", "shop")) == {"shop": 5}
    assert account.asked == ["cloudformation:ListStackResources"]


def test_by_tags_and_by_name() -> None:
    tagged = [{"Tags": [{"Key": "team", "Value": value}]} for value in ("shop-a", "shop-b", "other")]
    rule = GroupRule("shop", tags={"team": "shop-*"})
    assert told(Account({"GetResources": tagged}), lost("sqs:queue", "a", "shop"), rule=rule) == {"shop": 2}
    named = GroupRule("shop", names=("arn:aws:dynamodb:*:table/shop-*",))
    names = {"ListTables": ["shop-1", "shop-2", "other"]}
    assert told(Account(names), lost("dynamodb:table", "a", "shop"), rule=named) == {"shop": 2}
    urls = {"ListQueues": ["http://sqs.us-east-1.amazonaws.com/123456789012/shop-1"]}
    queues = GroupRule("shop", names=("arn:aws:sqs:us-east-1:123456789012:shop-*",))
    assert told(Account(urls), lost("sqs:queue", "a", "shop"), rule=queues) == {"shop": 1}


def test_what_cannot_be_listed_is_not_told() -> None:
    rule = GroupRule("shop", names=("arn:aws:ec2:*",), tags={"team": "shop"})
    assert told(Account({"GetResources": []}), lost("ec2:vpc", "a", "shop"), rule=rule) == {}
    assert told(Account({}, failing="ValidationError"), lost("ec2:vpc", "a", "nowhere")) == {}


def test_nothing_is_asked_when_no_object_is_lost() -> None:
    account = Account({})
    changed = Effect(Resource("s3:bucket", "b", "shop"), ChangeKind.SETTING, 1, Unit.OBJECTS)
    assert told(account, lost("s3:bucket", "b", "b", Unit.ITEMS), lost("s3:bucket", "b", ""), changed) == {}
    assert account.asked == []


def test_an_account_that_does_not_answer_is_doubt() -> None:
    with pytest.raises(CallFailed):
        told(Account({}, failing="AccessDenied"), lost("sqs:queue", "a", "shop"))


# ---- whose fault -----------------------------------------------------------------------------------------------------

CAUSES: list[tuple[str, int, bytes, Cause]] = [
    ("NoSuchBucket", 404, b"", Cause.EXPECTED),
    ("ResourceNotFoundException", 400, b"", Cause.EXPECTED),
    ("InvalidInstanceID.NotFound", 400, b"", Cause.EXPECTED),
    ("DBInstanceNotFound", 404, b"", Cause.EXPECTED),
    ("BucketAlreadyOwnedByYou", 409, b"", Cause.EXPECTED),
    ("EntityAlreadyExists", 409, b"", Cause.EXPECTED),
    ("ResourceInUseException", 400, b"", Cause.EXPECTED),
    ("DependencyViolation", 400, b"", Cause.EXPECTED),
    ("ConditionalCheckFailedException", 400, b"", Cause.EXPECTED),
    ("InvalidGroup.Duplicate", 400, b"", Cause.EXPECTED),
    ("ValidationError", 400, b"<Message>No updates are to be performed.</Message>", Cause.EXPECTED),
    ("ValidationError", 400, b"<Message>Stack with id x does not exist</Message>", Cause.EXPECTED),
    ("ValidationError", 400, b"<Message>Template format error</Message>", Cause.WORK),
    ("AccessDenied", 403, b"it does not exist", Cause.WORK),
    ("MalformedXML", 400, b"", Cause.WORK),
    ("InvalidParameterValue", 400, b"", Cause.WORK),
    ("", 400, b"", Cause.WORK),
    ("Throttling", 400, b"", Cause.TRANSIENT),
    ("ProvisionedThroughputExceededException", 400, b"", Cause.TRANSIENT),
    ("SlowDown", 503, b"", Cause.TRANSIENT),
    ("InternalError", 500, b"", Cause.TRANSIENT),
    ("", 502, b"", Cause.TRANSIENT),
    ("TooManyRequests", 429, b"", Cause.TRANSIENT),
]


@pytest.mark.parametrize(("code", "status", "body", "cause"), CAUSES)
def test_whose_fault(code: str, status: int, body: bytes, cause: Cause) -> None:
    assert cause_of(code, status, body) is cause
