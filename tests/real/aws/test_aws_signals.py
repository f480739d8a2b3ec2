"""What an agent does on AWS opens breakers by itself: every signal that calls can reach, through boto3."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from interlock.model.change import ChangeState
from interlock.model.signal import Signal, TripFilter
from interlock.sdk.connector import Permitted
from interlock.testing.peers.moto import AwsGateway, MotoServer
from interlock.testing.peers.production import CAPABILITIES

KEY: dict[str, Any] = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer.start() as server:
        yield server


Make = Callable[..., "Cloud"]


class Cloud:
    """A gateway in front of an account of its own, and its one agent."""

    def __init__(self, moto: MotoServer, gateway: AwsGateway) -> None:
        self.moto, self.gateway = moto, gateway

    def call(self, service: str, operation: str, **parameters: Any) -> str:
        """Make a call as the agent; the error code, or nothing."""
        client = self.gateway.client(service, retries={"total_max_attempts": 1})
        try:
            client._make_api_call(operation, parameters)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return ""

    def message(self, service: str, operation: str, **parameters: Any) -> str:
        client = self.gateway.client(service, retries={"total_max_attempts": 1})
        with pytest.raises(ClientError) as caught:
            client._make_api_call(operation, parameters)
        return str(caught.value)

    def tables(self, *names: str) -> None:
        """Made past the gateway."""
        for name in names:
            self.moto.client("dynamodb").create_table(TableName=name, **KEY)

    @property
    def signals(self) -> list[tuple[Signal, str]]:
        """Which signals opened what kind of scope, oldest first."""
        self.gateway.entries("nothing")  # failures that wait are recorded
        found = self.gateway.run(self.gateway.runtime.store.transact(lambda tx: tx.trips(TripFilter())))
        return [(trip.signal, trip.scope.partition("/")[0]) for trip in reversed(found)]


@pytest.fixture
def make(moto: MotoServer, tmp_path: Path) -> Iterator[Make]:
    made: list[AwsGateway] = []

    def cloud(*, strict: bool = False, keys: dict[str, Any] | None = None, **limits: Any) -> Cloud:
        moto.reset()
        top = {
            "environments": {"production": {"protection": "strict" if strict else "relaxed"}},
            "breakers": limits if strict else {"environments": {"production": limits}},
        }
        made.append(AwsGateway(moto, tmp_path / str(len(made)), top=top, keys=keys).start())
        return Cloud(moto, made[-1])

    yield cloud
    for gateway in made:
        gateway.stop()


def test_four_deletions_in_a_minute(make: Make) -> None:
    cloud = make(strict=True)
    cloud.tables(*"abcdefg")
    for name in "abcd":
        assert cloud.call("dynamodb", "DeleteTable", TableName=name) == "InterlockHeld"
    assert cloud.signals == [(Signal.DESTRUCTIVE, "session")]
    assert cloud.call("sqs", "CreateQueue", QueueName="q") == "InterlockBreakerOpen"
    assert cloud.call("dynamodb", "ListTables") == ""
    assert cloud.call("dynamodb", "DeleteTable", TableName="e") == "InterlockHeld"
    assert cloud.call("dynamodb", "DeleteTable", TableName="f") == "InterlockForbidden"
    assert (Signal.DESTRUCTIVE, "agent") in cloud.signals
    assert len(cloud.moto.client("dynamodb").list_tables()["TableNames"]) == 7


def test_what_people_approved_is_done_and_reverted(make: Make) -> None:
    cloud = make(strict=True, destructive_minute="off", novel="off")
    cloud.tables("tab-a")
    assert cloud.call("dynamodb", "DeleteTable", TableName="tab-a") == "InterlockHeld"
    change = cloud.gateway.approve(cloud.gateway.held().id)
    assert cloud.call("dynamodb", "DeleteTable", TableName="tab-a") == ""
    assert cloud.signals == []
    answer = cloud.gateway.revert(change.id)
    assert isinstance(answer, Permitted)
    assert cloud.signals == []
    assert cloud.moto.client("dynamodb").list_tables()["TableNames"] == ["tab-a"]


def test_a_table_or_a_bucket_made_again(make: Make) -> None:
    for service, delete, create, named, more in (
        ("dynamodb", "DeleteTable", "CreateTable", "TableName", KEY),
        ("s3", "DeleteBucket", "CreateBucket", "Bucket", {}),
    ):
        cloud = make(novel="off")
        cloud.moto.client(service)._make_api_call(create, {named: "again", **more})
        assert cloud.call(service, delete, **{named: "again"}) == ""
        assert cloud.call(service, create, **{named: "again", **more}) == "InterlockBreakerOpen"
        assert cloud.signals == [(Signal.RECREATED, "session")]


def test_the_same_failure_four_times_in_a_row(make: Make) -> None:
    cloud = make(strict=True)
    cloud.moto.client("sqs").create_queue(QueueName="q")
    for _ in range(4):
        assert cloud.signals == []
        code = cloud.call("sqs", "CreateQueue", QueueName="q", Attributes={"DelaySeconds": "17"})
        assert code
        assert not code.startswith("Interlock"), code
    assert cloud.signals == [(Signal.SAME_FAILURE, "session")]
    assert cloud.call("s3", "CreateBucket", Bucket="bucket") == "InterlockBreakerOpen"


def test_what_is_missing_does_not_count_among_errors(make: Make) -> None:
    cloud = make(strict=True)
    for n in range(12):
        code = cloud.call("s3", "PutObject", Bucket="none", Key=f"k{n}", Body=b"x")
        assert code == "NoSuchBucket", code
    assert cloud.signals == []


def test_most_of_the_last_ten_changes_failed(make: Make) -> None:
    cloud = make(strict=True)
    for n in range(4):
        assert cloud.call("s3", "CreateBucket", Bucket=f"bucket-{n}") == ""
    for n in range(6):
        assert cloud.signals == [], n
        code = cloud.call("s3", "CreateBucket", Bucket=f"{n}")
        assert code == "InvalidBucketName", code
    assert cloud.signals == [(Signal.ERRORS, "session")]


def test_reads_that_fail_trip_nothing(make: Make) -> None:
    cloud = make(strict=True)
    for _ in range(8):
        assert cloud.call("s3", "GetObject", Bucket="none", Key="k") == "NoSuchBucket"
        assert cloud.call("sqs", "GetQueueUrl", QueueName="none")
    assert cloud.signals == []


def test_rights_without_approval_open_the_agent(make: Make) -> None:
    cloud = make(novel="off")
    assert cloud.call("iam", "CreateGroup", GroupName="g") == "InterlockBreakerOpen"
    assert cloud.signals == [(Signal.GUARD, "agent")]
    assert cloud.moto.client("iam").list_groups()["Groups"] == []


def test_audit_and_backup_without_approval_open_the_agent(make: Make) -> None:
    cloud = make(novel="off")
    cloud.moto.client("logs").create_log_group(logGroupName="g")
    assert (
        cloud.call("logs", "PutRetentionPolicy", logGroupName="g", retentionInDays=1)
        == "InterlockBreakerOpen"
    )
    assert cloud.signals[0] == (Signal.GUARD, "agent")


def test_rights_that_people_are_asked_about_trip_nothing(make: Make) -> None:
    cloud = make(strict=True)
    assert cloud.call("iam", "CreateGroup", GroupName="g") == "InterlockHeld"
    assert cloud.signals == []


def test_the_gateways_own_copies_are_a_guard(make: Make) -> None:
    cloud = make(novel="off")
    bucket = "interlock-trash-123456789012-us-east-1"
    cloud.moto.client("s3").create_bucket(Bucket=bucket)
    assert cloud.call("s3", "PutObject", Bucket=bucket, Key="k", Body=b"x") == "InterlockBreakerOpen"
    assert cloud.signals == [(Signal.GUARD, "agent")]


RULE = {"ID": "tidy", "Status": "Enabled", "Expiration": {"Days": 1}}


def test_a_rule_for_all_objects_is_refused_and_one_for_some_is_not(make: Make) -> None:
    cloud = make(novel="off")
    s3 = cloud.moto.client("s3")
    s3.create_bucket(Bucket="bucket")
    for n in range(5):
        s3.put_object(Bucket="bucket", Key=f"tmp/{n}", Body=b"x")
    everything: tuple[dict[str, Any], ...] = ({"Filter": {"Prefix": ""}}, {"Prefix": ""}, {"Filter": {}})
    for nothing in everything:
        rules = {"Rules": [{**RULE, **nothing}]}
        said = cloud.message(
            "s3", "PutBucketLifecycleConfiguration", Bucket="bucket", LifecycleConfiguration=rules
        )
        assert "InterlockForbidden" in said
        assert "reaches more than it names" in said
    some = {"Rules": [{**RULE, "Filter": {"Prefix": "tmp/"}}]}
    assert (
        cloud.call("s3", "PutBucketLifecycleConfiguration", Bucket="bucket", LifecycleConfiguration=some)
        == ""
    )
    assert cloud.signals == []


def test_no_tag_named_is_refused(make: Make) -> None:
    cloud = make(novel="off", guard="off")
    vpc = cloud.moto.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    cloud.moto.client("ec2").create_tags(Resources=[vpc], Tags=[{"Key": "owner", "Value": "olga"}])
    assert cloud.call("ec2", "DeleteTags", Resources=[vpc]) == "InterlockForbidden"


GROUPS: dict[str, Any] = {
    "by name": {"names": ["arn:aws:dynamodb:*:*:table/pay-*"]},
    "by tag": {"tags": {"team": "pay*"}},
}


@pytest.mark.parametrize("how", GROUPS)
def test_a_third_of_a_group(make: Make, how: str) -> None:
    cloud = make(keys={"groups": {"payments": GROUPS[how]}}, novel="off", destructive_minute="off")
    for n in range(12):
        made = cloud.moto.client("dynamodb").create_table(
            TableName=f"pay-{n}", Tags=[{"Key": "team", "Value": "payments"}], **KEY
        )
        assert made
    cloud.tables("other")
    for n in range(3):
        assert cloud.call("dynamodb", "DeleteTable", TableName=f"pay-{n}") == ""
    assert cloud.signals == []
    assert cloud.call("dynamodb", "DeleteTable", TableName="pay-3") == "InterlockBreakerOpen"
    assert cloud.signals == [(Signal.GROUP_SHARE, "agent")]
    assert cloud.call("dynamodb", "DeleteTable", TableName="other") == "InterlockBreakerOpen"


def test_the_last_of_a_group_is_refused(make: Make) -> None:
    cloud = make(keys={"groups": {"payments": GROUPS["by name"]}}, novel="off")
    cloud.tables("pay-1", "other")
    assert "last member" in cloud.message("dynamodb", "DeleteTable", TableName="pay-1")
    assert cloud.call("dynamodb", "DeleteTable", TableName="other") == ""


TEMPLATE = {
    "Resources": {
        f"Queue{n}": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": f"queue-{n}"}} for n in range(12)
    }
}


def test_a_third_of_a_stack(make: Make) -> None:
    cloud = make(novel="off")
    cloud.moto.client("cloudformation").create_stack(StackName="shop", TemplateBody=json.dumps(TEMPLATE))
    fewer = {"Resources": dict(list(TEMPLATE["Resources"].items())[:8])}
    code = cloud.call(
        "cloudformation",
        "UpdateStack",
        StackName="shop",
        TemplateBody=json.dumps(fewer),
        Capabilities=CAPABILITIES,
    )
    assert code == "InterlockBreakerOpen"
    assert (Signal.GROUP_SHARE, "agent") in cloud.signals


def test_three_kinds_of_destruction_that_are_new(make: Make) -> None:
    cloud = make(strict=True)
    cloud.tables("tab-a")
    cloud.moto.client("sqs").create_queue(QueueName="q")
    cloud.moto.client("s3").create_bucket(Bucket="bucket")
    url = cloud.moto.client("sqs").get_queue_url(QueueName="q")["QueueUrl"]
    assert cloud.call("dynamodb", "DeleteTable", TableName="tab-a") == "InterlockHeld"
    assert cloud.call("sqs", "DeleteQueue", QueueUrl=url) == "InterlockHeld"
    assert cloud.signals == []
    assert cloud.call("s3", "DeleteBucket", Bucket="bucket") == "InterlockHeld"
    assert cloud.signals == [(Signal.NOVEL, "agent")]


def test_a_first_destruction_waits_for_people_where_nobody_else_asks(make: Make) -> None:
    cloud = make()
    cloud.tables("tab-a", "tab-b")
    assert cloud.call("dynamodb", "DeleteTable", TableName="tab-a") == "InterlockHeld"
    assert cloud.gateway.changes(ChangeState.HELD)
    cloud.gateway.approve(cloud.gateway.held().id)
    assert cloud.call("dynamodb", "DeleteTable", TableName="tab-a") == ""
    assert cloud.call("dynamodb", "DeleteTable", TableName="tab-b") == ""
    assert cloud.signals == []


def scaled(cloud: Cloud, *names: str) -> None:
    """Groups of machines, made past the gateway."""
    machines = cloud.moto.client("autoscaling")
    machines.create_launch_configuration(
        LaunchConfigurationName="small", ImageId="ami-12c6146b", InstanceType="t3.micro"
    )
    for name in names:
        machines.create_auto_scaling_group(
            AutoScalingGroupName=name, LaunchConfigurationName="small", MinSize=0, MaxSize=4, DesiredCapacity=2,
            AvailabilityZones=["us-east-1a"],
        )  # fmt: skip


SCALED = {"payments": {"names": ["arn:aws:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/pay-*"]}}


def test_to_scale_a_third_of_a_group_to_zero(make: Make) -> None:
    """Nothing is deleted by name, and nothing of it serves: it counts as if it were taken away. To scale down is none of that."""
    cloud = make(
        keys={"groups": SCALED}, novel="off", destructive_minute="off", destructive_ten_minutes="off"
    )
    scaled(cloud, *(f"pay-{n}" for n in range(12)))
    for n in range(5):
        asked = {"AutoScalingGroupName": f"pay-{n}", "DesiredCapacity": 1}
        assert cloud.call("autoscaling", "SetDesiredCapacity", **asked) == ""
    assert cloud.signals == []
    codes = [
        cloud.call("autoscaling", "SetDesiredCapacity", AutoScalingGroupName=f"pay-{n}", DesiredCapacity=0)
        for n in range(4)
    ]
    assert codes == ["", "", "", "InterlockBreakerOpen"], cloud.signals
    assert cloud.signals == [(Signal.GROUP_SHARE, "agent")]


def test_to_scale_the_last_of_a_group_to_zero_is_refused(make: Make) -> None:
    cloud = make(keys={"groups": SCALED}, novel="off")
    scaled(cloud, "pay-1")
    zero = {"AutoScalingGroupName": "pay-1", "MinSize": 0, "MaxSize": 0}
    assert "last member" in cloud.message("autoscaling", "UpdateAutoScalingGroup", **zero)


CLUSTER = "arn:aws:rds:us-east-1:123456789012:cluster:shop"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:s-abcdef"


def sql(cloud: Cloud, text: str) -> str:
    asked = {"resourceArn": CLUSTER, "secretArn": SECRET, "database": "shop", "sql": text}
    return cloud.call("rds-data", "ExecuteStatement", **asked)


def test_a_table_made_again_by_sql_in_a_call(make: Make) -> None:
    cloud = make(novel="off")
    assert sql(cloud, "DROP TABLE orders") == ""
    assert sql(cloud, "CREATE TABLE orders (id int)") == "InterlockBreakerOpen"
    assert cloud.signals == [(Signal.RECREATED, "session")]


def test_sql_in_a_call_that_reaches_everything(make: Make) -> None:
    cloud = make(novel="off", guard="off")
    asked = {"resourceArn": CLUSTER, "secretArn": SECRET, "database": "shop", "sql": "DROP OWNED BY app"}
    said = cloud.message("rds-data", "ExecuteStatement", **asked)
    assert "reaches more than it names" in said


def test_sql_in_a_call_on_interlocks_own_schema(make: Make) -> None:
    cloud = make(novel="off")
    assert sql(cloud, "DELETE FROM interlock.changes") in ("InterlockBreakerOpen", "InterlockForbidden")
    assert (Signal.GUARD, "agent") in cloud.signals


def test_rights_in_sql_in_a_call(make: Make) -> None:
    cloud = make(novel="off")
    assert sql(cloud, "GRANT ALL ON orders TO PUBLIC") == "InterlockBreakerOpen"
    assert (Signal.GUARD, "agent") in cloud.signals


def test_four_deletions_by_sql_in_calls(make: Make) -> None:
    cloud = make(strict=True)
    for n in range(4):
        assert sql(cloud, f"DELETE FROM orders_{n}") == "InterlockHeld"
    assert (Signal.DESTRUCTIVE, "session") in cloud.signals
