"""A production environment in moto: the stack that the incident behind this project deleted and made again, with what was in it."""

from importlib.resources import files
from typing import Any

from botocore.exceptions import ClientError

from interlock.testing.peers.moto import MotoServer

STACK = "cost-explorer-prod"
TABLES, BUCKET, QUEUE = ("costs-prod", "budgets-prod"), "cost-reports-prod", "cost-jobs-prod"
ALARM = "cost-jobs-late-prod"
CAPABILITIES = ["CAPABILITY_NAMED_IAM"]


def template() -> str:
    """The stack's template (YAML)."""
    return files("interlock.testing").joinpath("environment.yaml").read_text("utf-8")


def furnish(moto: MotoServer, *, items: int = 40, objects: int = 25, messages: int = 7) -> None:
    """Make the stack with its contents, and an alarm beside it (moto makes none from templates)."""
    moto.client("cloudformation").create_stack(
        StackName=STACK, TemplateBody=template(), Capabilities=CAPABILITIES
    )
    tables, bucket, queues = moto.client("dynamodb"), moto.client("s3"), moto.client("sqs")
    for number in range(items):
        row = {"account": {"S": f"{number:012}"}, "month": {"S": "2025-12"}, "amount": {"N": str(number * 7)}}
        tables.put_item(TableName="costs-prod", Item=row)
    for name in ("compute", "storage", "network"):
        tables.put_item(TableName="budgets-prod", Item={"name": {"S": name}, "limit": {"N": "5000"}})
    for number in range(objects):
        bucket.put_object(Bucket=BUCKET, Key=key(number), Body=f"account,amount\n{number},7\n".encode())
    url = queues.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    for number in range(messages):
        queues.send_message(QueueUrl=url, MessageBody=f"job {number}")
    moto.client("cloudwatch").put_metric_alarm(
        AlarmName=ALARM,
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": QUEUE}],
        Statistic="Maximum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=3600,
        ComparisonOperator="GreaterThanThreshold",
    )


def key(number: int) -> str:
    """The key of an object."""
    return f"2025/{number:03}.csv"


def state(moto: MotoServer) -> dict[str, Any]:
    """All of it that must come back: what is in it and how it is set, without ids and times that the service makes up."""
    found: dict[str, Any] = {"stack": _stack(moto)}
    tables = moto.client("dynamodb")
    for name in tables.list_tables()["TableNames"]:
        about = tables.describe_table(TableName=name)["Table"]
        rows = tables.scan(TableName=name)["Items"]
        found[f"table {name}"] = (about["KeySchema"], about["AttributeDefinitions"], sorted(rows, key=str))
    bucket = moto.client("s3")
    for one in bucket.list_buckets()["Buckets"]:
        if not one["Name"].startswith("interlock-"):
            found[f"bucket {one['Name']}"] = _objects(bucket, one["Name"])
    found["functions"] = [
        (f["FunctionName"], f["Runtime"], f["Handler"], f["Role"])
        for f in moto.client("lambda").list_functions()["Functions"]
    ]
    roles = moto.client("iam")
    for role in roles.list_roles()["Roles"]:
        policies = roles.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
        found[f"role {role['RoleName']}"] = (role["AssumeRolePolicyDocument"], policies)
    found["queues"] = sorted(
        u.rpartition("/")[2] for u in moto.client("sqs").list_queues().get("QueueUrls", [])
    )
    found["alarms"] = [
        (a["AlarmName"], a["Threshold"]) for a in moto.client("cloudwatch").describe_alarms()["MetricAlarms"]
    ]
    return found


def messages(moto: MotoServer) -> int:
    """How many messages wait; 0 when there is no queue."""
    queues = moto.client("sqs")
    try:
        url = queues.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    except ClientError:
        return 0
    told = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(told["Attributes"]["ApproximateNumberOfMessages"])


def _stack(moto: MotoServer) -> list[tuple[str, list[str]]]:
    client = moto.client("cloudformation")
    names = [s["StackName"] for s in client.describe_stacks()["Stacks"]]
    return [
        (n, sorted(r["ResourceType"] for r in client.describe_stack_resources(StackName=n)["StackResources"]))
        for n in sorted(names)
    ]


def _objects(bucket: Any, name: str) -> list[tuple[str, bytes]]:
    listed = bucket.list_objects_v2(Bucket=name).get("Contents", [])
    return [(o["Key"], bucket.get_object(Bucket=name, Key=o["Key"])["Body"].read()) for o in listed]
