"""A revert is a change like any other, and revertible itself: op → revert → revert of the revert → and back again.

Each case makes a change through the gateway, and compares what the account answers after each turn."""

import contextlib
import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError

from interlock.model.change import Change, ChangeState
from interlock.model.errors import Rejected
from interlock.sdk.connector import Held, Permitted, Refused
from interlock.testing.peers.moto import AwsGateway, MotoServer

_NUMBER = itertools.count()
Read = Callable[[MotoServer], Any]


class Case(NamedTuple):
    """`given` makes the world past the gateway and returns what the call's parameters are filled with; `state` reads what is
    compared. `kind` is what the revert says of its own undo."""

    name: str
    given: Callable[[MotoServer], Mapping[str, Any]]
    service: str
    operation: str
    state: Read
    kind: str = "full"


@pytest.fixture
def gateway(_gateway: AwsGateway, moto: MotoServer) -> AwsGateway:
    return _gateway


@pytest.fixture
def agent(gateway: AwsGateway) -> str:
    name = f"bot{next(_NUMBER)}"
    gateway.add_agent(name)
    return name


def changed(gateway: AwsGateway, agent: str, case: Case, parameters: Mapping[str, Any]) -> Change:
    """Make the call as the agent, with people where they are needed; the change when it is applied."""
    before = {c.id for c in gateway.changes()}
    client = gateway.client(case.service, agent)
    with contextlib.suppress(ClientError):  # held, which is seen by the change
        client._make_api_call(case.operation, dict(parameters))
    change = next(c for c in gateway.changes() if c.id not in before)
    if change.state is ChangeState.HELD:
        gateway.approve(change.id)
        assert isinstance(gateway.apply(change.id), Permitted)
    return gateway.change(change.id)


def turned(gateway: AwsGateway, change: Change) -> Change:
    """Revert a change, with people where they are needed; the revert."""
    answer = gateway.revert(change.id)
    if isinstance(answer, Held):
        gateway.approve(answer.change.id, "ben", "cho")  # ann asked for it
        answer = gateway.apply(answer.change.id)
    assert isinstance(answer, Permitted), answer
    assert answer.change is not None
    return gateway.change(answer.change.id)


def _bucket(moto: MotoServer) -> Mapping[str, Any]:
    s3 = moto.client("s3")
    s3.create_bucket(Bucket="data")
    s3.put_object(Bucket="data", Key="k", Body=b"old", ContentType="text/old", Tagging="a=b")
    return {"Bucket": "data", "Key": "k"}


def _overwritten(moto: MotoServer) -> Mapping[str, Any]:
    # The tags stay: moto's CopyObject of an object without tags leaves those of what it writes over.
    return {**_bucket(moto), "Body": b"new", "ContentType": "text/new", "Tagging": "a=b"}


def _versioned(moto: MotoServer) -> Mapping[str, Any]:
    given = _bucket(moto)
    moto.client("s3").put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"})
    moto.client("s3").put_object(Bucket="data", Key="k", Body=b"second")
    return given


def _object(moto: MotoServer) -> Any:
    s3 = moto.client("s3")
    try:
        got = s3.get_object(Bucket="data", Key="k")
    except ClientError as error:
        return error.response["Error"]["Code"]
    return got["Body"].read(), got["ContentType"], s3.get_object_tagging(Bucket="data", Key="k")["TagSet"]


def _policy(text: str) -> str:
    allow = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::data/{text}"}
    return json.dumps({"Version": "2012-10-17", "Statement": [allow]})


def _with_policy(moto: MotoServer) -> Mapping[str, Any]:
    _bucket(moto)
    moto.client("s3").put_bucket_policy(Bucket="data", Policy=_policy("old"))
    return {"Bucket": "data", "Policy": _policy("new")}


def _bucket_policy(moto: MotoServer) -> Any:
    try:
        return json.loads(moto.client("s3").get_bucket_policy(Bucket="data")["Policy"])
    except ClientError as error:
        return error.response["Error"]["Code"]


def _table(moto: MotoServer) -> Mapping[str, Any]:
    dynamodb = moto.client("dynamodb")
    dynamodb.create_table(
        TableName="orders", BillingMode="PAY_PER_REQUEST", Tags=[{"Key": "team", "Value": "shop"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )  # fmt: skip
    for number in range(3):
        dynamodb.put_item(TableName="orders", Item={"id": {"S": str(number)}})
    dynamodb.update_time_to_live(
        TableName="orders", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ends"}
    )
    return {"TableName": "orders"}


def _items(moto: MotoServer) -> Any:
    dynamodb = moto.client("dynamodb")
    try:
        items = dynamodb.scan(TableName="orders")["Items"]
        arn = dynamodb.describe_table(TableName="orders")["Table"]["TableArn"]
    except ClientError as error:
        return error.response["Error"]["Code"]
    ttl = dynamodb.describe_time_to_live(TableName="orders")["TimeToLiveDescription"]["TimeToLiveStatus"]
    return (
        sorted(item["id"]["S"] for item in items),
        dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"],
        ttl,
    )


def _item(moto: MotoServer) -> Mapping[str, Any]:
    return {**_table(moto), "Key": {"id": {"S": "1"}}}


def _rule(port: int) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}


def _group(moto: MotoServer) -> Mapping[str, Any]:
    ec2 = moto.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[_rule(443), _rule(80)])
    return {"GroupId": made}


def _revoked(moto: MotoServer) -> Mapping[str, Any]:
    return {**_group(moto), "IpPermissions": [_rule(443)]}


def _rules(moto: MotoServer) -> Any:
    filters = [{"Name": "group-name", "Values": ["web"]}]
    found = moto.client("ec2").describe_security_groups(Filters=filters)["SecurityGroups"]
    return [sorted(p["FromPort"] for p in group["IpPermissions"]) for group in found]


def _role(moto: MotoServer) -> Mapping[str, Any]:
    iam = moto.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName="worker", AssumeRolePolicyDocument=document)
    iam.put_role_policy(RoleName="worker", PolicyName="own", PolicyDocument=_right("s3:GetObject"))
    return {"RoleName": "worker", "PolicyName": "own", "PolicyDocument": _right("s3:PutObject")}


def _right(action: str) -> str:
    allow = {"Effect": "Allow", "Action": action, "Resource": "arn:aws:s3:::data/*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [allow]})


def _role_policy(moto: MotoServer) -> Any:
    found = moto.client("iam").get_role_policy(RoleName="worker", PolicyName="own")
    return found["PolicyDocument"]


def _parameter(moto: MotoServer) -> Mapping[str, Any]:
    moto.client("ssm").put_parameter(Name="/shop/url", Value="old", Type="String")
    return {"Name": "/shop/url"}


def _parameters(moto: MotoServer) -> Any:
    found = moto.client("ssm").get_parameters(Names=["/shop/url"])["Parameters"]
    return [each["Value"] for each in found]


CASES = [
    Case("overwrite", _overwritten, "s3", "PutObject", _object, "copy"),
    Case("delete", _bucket, "s3", "DeleteObject", _object, "full"),
    Case("delete-version", _versioned, "s3", "DeleteObject", _object, "new_id"),
    Case("policy", _with_policy, "s3", "PutBucketPolicy", _bucket_policy),
    Case("delete-table", _table, "dynamodb", "DeleteTable", _items, "full"),
    Case("delete-item", _item, "dynamodb", "DeleteItem", _items),
    Case("security-group", _revoked, "ec2", "RevokeSecurityGroupIngress", _rules),
    Case("delete-security-group", _group, "ec2", "DeleteSecurityGroup", _rules),
    Case("role-policy", _role, "iam", "PutRolePolicy", _role_policy),
    Case("parameter", _parameter, "ssm", "DeleteParameter", _parameters),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_revert_is_reverted(gateway: AwsGateway, agent: str, moto: MotoServer, case: Case) -> None:
    parameters = case.given(moto)
    before = case.state(moto)
    change = changed(gateway, agent, case, parameters)
    after = case.state(moto)
    assert after != before
    first = turned(gateway, change)
    assert case.state(moto) == before
    assert first.measurement.undo_how == case.kind, first.measurement.effects
    assert all(e.reversible for e in first.measurement.effects), first.measurement.effects
    second = turned(gateway, first)
    assert case.state(moto) == after
    turned(gateway, second)
    assert case.state(moto) == before
    assert gateway.change(first.id).state is ChangeState.REVERTED


def test_what_needed_people_needs_them_again_when_it_is_done_again(
    gateway: AwsGateway, agent: str, moto: MotoServer
) -> None:
    case = next(case for case in CASES if case.name == "delete-table")
    first = turned(gateway, changed(gateway, agent, case, case.given(moto)))
    answer = gateway.revert(first.id)
    assert isinstance(answer, Held)
    assert _items(moto) != "ResourceNotFoundException", "nothing was done yet"


def test_a_revert_that_cannot_be_undone_says_so(gateway: AwsGateway, agent: str, moto: MotoServer) -> None:
    """Undoing CreateLogStream deletes it, with the events that came meanwhile."""
    moto.client("logs").create_log_group(logGroupName="shop")
    stream = {"logGroupName": "shop", "logStreamName": "one"}
    case = Case("stream", lambda _: stream, "logs", "CreateLogStream", _rules)
    first = turned(gateway, changed(gateway, agent, case, stream))
    assert first.measurement.undo_how == "none"
    (why,) = {e.reason for e in first.measurement.effects if not e.reversible}
    assert why == "of logs:DeleteLogStream, which it makes: its events are gone"
    with pytest.raises(Rejected, match="no before-image"):
        gateway.revert(first.id)


def test_somebody_else_s_change_in_between_is_a_conflict(
    gateway: AwsGateway, agent: str, moto: MotoServer
) -> None:
    case = next(case for case in CASES if case.name == "policy")
    first = turned(gateway, changed(gateway, agent, case, case.given(moto)))
    moto.client("s3").put_bucket_policy(Bucket="data", Policy=_policy("theirs"))
    assert isinstance(gateway.revert(first.id), Refused)
    assert _bucket_policy(moto) == json.loads(_policy("theirs"))
