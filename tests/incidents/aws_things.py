"""What an account holds, made in moto past the gateway: for each service, by the parameters of calls that name such things.

A row says what a parameter names and how that is made; it gives the name that the account has given it (an id), or the one that
was asked for. Nothing here knows an incident, or the operation: whatever is called with `TableName` finds a table.
"""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from interlock.testing.peers.moto import ACCOUNT, REGION, MotoServer

Given = Mapping[str, Any]
Maker = Callable[[MotoServer, Any, Given], Any]
"""Makes what a parameter names: the account, the parameter's value, all parameters. The value to be used in the call."""

OBJECTS = 30
"""In each bucket and table that is made."""


def trusts(service: str) -> str:
    """A document by which a service may take a role."""
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})


def package() -> bytes:
    """A function's code."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("i.py", "def h(event, context): return 1")
    return packed.getvalue()


def short(value: str) -> str:
    """The name in an ARN, or what is no ARN."""
    return value.rpartition(":")[2].rpartition("/")[2]


# -- data


def table(moto: MotoServer, name: str, given: Given) -> str:
    key = next(iter(given.get("Key", {"id": None})))
    client = moto.client("dynamodb")
    client.create_table(
        TableName=short(name), BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )  # fmt: skip
    wanted = [v["S"] for v in given.get("Key", {}).values()]
    for number in [*wanted, *range(OBJECTS)]:
        client.put_item(TableName=short(name), Item={key: {"S": str(number)}, "expires": {"N": "1"}})
    return name


def bucket(moto: MotoServer, name: str, given: Given) -> str:
    client = moto.client("s3")
    client.create_bucket(Bucket=name)
    if "VersioningConfiguration" in given or "ReplicationConfiguration" in given or "VersionId" in given:
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    keys = [given.get("Key"), *(o["Key"] for o in given.get("Delete", {}).get("Objects", ()))]
    for key in [*filter(None, keys), "a", *(f"k{number}" for number in range(OBJECTS - 1))]:
        client.put_object(Bucket=name, Key=key, Body=b"data")
    return name


def queue(moto: MotoServer, url: str, _: Given) -> str:
    client = moto.client("sqs")
    made: str = client.create_queue(QueueName=url.rpartition("/")[2])["QueueUrl"]
    for number in range(7):
        client.send_message(QueueUrl=made, MessageBody=str(number))
    return made


def topic(moto: MotoServer, arn: str, _: Given) -> str:
    return str(moto.client("sns").create_topic(Name=short(arn))["TopicArn"])


def stream(moto: MotoServer, name: str, _: Given) -> str:
    moto.client("kinesis").create_stream(StreamName=name, ShardCount=2)
    return name


def key(moto: MotoServer, name: str, _: Given) -> str:
    client = moto.client("kms")
    made = str(client.create_key()["KeyMetadata"]["KeyId"])
    if name.startswith("alias/"):
        client.create_alias(AliasName=name, TargetKeyId=made)
    return made


def secret(moto: MotoServer, name: str, _: Given) -> str:
    moto.client("secretsmanager").create_secret(Name=name, SecretString="planted-old-secret-31")
    return name


def parameter(moto: MotoServer, name: str, _: Given) -> str:
    moto.client("ssm").put_parameter(Name=name, Value="old", Type="String")
    return name


def parameters(moto: MotoServer, names: list[str], given: Given) -> list[str]:
    return [parameter(moto, name, given) for name in names]


def database(moto: MotoServer, name: str, given: Given) -> str:
    moto.client("rds").create_db_instance(
        DBInstanceIdentifier=name, DBInstanceClass="db.m5.large", Engine="postgres", AllocatedStorage=20, MasterUsername="root",
        MasterUserPassword="planted-db-password-77", BackupRetentionPeriod=7, DeletionProtection="SkipFinalSnapshot" not in given,
    )  # fmt: skip
    return name


def cluster_of_databases(moto: MotoServer, name: str, _: Given) -> str:
    moto.client("rds").create_db_cluster(
        DBClusterIdentifier=name, Engine="aurora-postgresql", MasterUsername="root", MasterUserPassword="planted-db-password-77"
    )  # fmt: skip
    return name


def snapshot_of_database(moto: MotoServer, name: str, _: Given) -> str:
    database(moto, "of-a-snapshot", {"SkipFinalSnapshot": True})
    moto.client("rds").create_db_snapshot(DBInstanceIdentifier="of-a-snapshot", DBSnapshotIdentifier=name)
    return name


def catalog(moto: MotoServer, name: str, given: Given) -> str:
    client = moto.client("glue")
    client.create_database(DatabaseInput={"Name": name})
    wanted = [given.get("Name"), given.get("TableName"), *given.get("TablesToDelete", ())]
    for found in dict.fromkeys(filter(None, wanted)):
        client.create_table(DatabaseName=name, TableInput={"Name": found})
    return name


# -- rights


def role(moto: MotoServer, name: str, given: Given) -> str:
    client = moto.client("iam")
    client.create_role(RoleName=name, AssumeRolePolicyDocument=trusts("ec2"))
    if "PolicyName" in given:
        client.put_role_policy(RoleName=name, PolicyName=given["PolicyName"], PolicyDocument=NARROW)
    if "PolicyArn" in given and ":aws:policy/" not in given["PolicyArn"]:
        client.attach_role_policy(RoleName=name, PolicyArn=policy(moto, given["PolicyArn"], given))
    return name


def user(moto: MotoServer, name: str, given: Given) -> str:
    client = moto.client("iam")
    client.create_user(UserName=name)
    if "PolicyName" in given:
        client.put_user_policy(UserName=name, PolicyName=given["PolicyName"], PolicyDocument=NARROW)
    return name


def access_key(moto: MotoServer, _: str, given: Given) -> str:
    client = moto.client("iam")
    return str(client.create_access_key(UserName=given["UserName"])["AccessKey"]["AccessKeyId"])


def policy(moto: MotoServer, arn: str, _: Given) -> str:
    if arn.startswith("arn:aws:iam::aws:"):
        return arn
    client = moto.client("iam")
    wanted = f"arn:aws:iam::{ACCOUNT}:policy/{short(arn)}"
    if wanted not in [p["Arn"] for p in client.list_policies(Scope="Local")["Policies"]]:
        client.create_policy(PolicyName=short(arn), PolicyDocument=NARROW)
    return wanted


NARROW = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::logs/*"}],
    }
)


# -- what runs


def function(moto: MotoServer, name: str, _: Given) -> str:
    worker = moto.client("iam").create_role(RoleName="works", AssumeRolePolicyDocument=trusts("lambda"))[
        "Role"
    ]["Arn"]
    moto.client("lambda").create_function(
        FunctionName=short(name), Runtime="python3.12", Handler="i.h", Role=worker, Code={"ZipFile": package()}
    )  # fmt: skip
    return name


def cluster(moto: MotoServer, name: str, given: Given) -> str:
    client = moto.client("ecs")
    client.create_cluster(clusterName=short(name))
    client.register_task_definition(
        family="web", containerDefinitions=[{"name": "web", "image": "web", "memory": 64}]
    )
    client.create_service(
        cluster=short(name), serviceName=given.get("service", "web"), taskDefinition="web", desiredCount=4
    )
    return name


def group(moto: MotoServer, name: str, given: Given) -> str:
    """As large as what is asked is small, or of four where it only grows."""
    wanted = given.get("DesiredCapacity", 0)
    client = moto.client("autoscaling")
    image = moto.client("ec2").describe_images()["Images"][0]["ImageId"]
    client.create_launch_configuration(LaunchConfigurationName="l", ImageId=image, InstanceType="t3.micro")
    client.create_auto_scaling_group(
        AutoScalingGroupName=name, LaunchConfigurationName="l", MinSize=0, MaxSize=400,
        DesiredCapacity=300 if wanted < 4 else 4, AvailabilityZones=[f"{REGION}a"],
    )  # fmt: skip
    return name


def machine(moto: MotoServer, state: str, arn_or_name: str) -> str:
    client = moto.client("stepfunctions")
    worker = moto.client("iam").create_role(RoleName="steps", AssumeRolePolicyDocument=trusts("states"))[
        "Role"
    ]["Arn"]
    return str(
        client.create_state_machine(name=short(arn_or_name), definition=state, roleArn=worker)[
            "stateMachineArn"
        ]
    )


def state_machine(moto: MotoServer, arn: str, _: Given) -> str:
    return machine(moto, json.dumps({"StartAt": "x", "States": {"x": {"Type": "Pass", "End": True}}}), arn)


def rule(moto: MotoServer, name: str, given: Given) -> str:
    client = moto.client("events")
    client.put_rule(Name=name, ScheduleExpression="rate(1 day)", State="ENABLED")
    target = {"Id": next(iter(given.get("Ids", ["1"]))), "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"}
    client.put_targets(Rule=name, Targets=[target])
    return name


# -- what watches


def trail(moto: MotoServer, name: str, _: Given) -> str:
    bucket(moto, "trail-logs", {})
    client = moto.client("cloudtrail")
    client.create_trail(Name=short(name), S3BucketName="trail-logs", IsMultiRegionTrail=True)
    client.start_logging(Name=short(name))
    return name


def log_group(moto: MotoServer, name: str, given: Given) -> str:
    client = moto.client("logs")
    client.create_log_group(logGroupName=name)
    client.create_log_stream(logGroupName=name, logStreamName=given.get("logStreamName", "s"))
    client.put_retention_policy(logGroupName=name, retentionInDays=30)
    return name


def project(moto: MotoServer, name: str, _: Given) -> str:
    moto.client("codebuild").create_project(
        name=name, source={"type": "S3", "location": "code/app.zip"}, artifacts={"type": "NO_ARTIFACTS"},
        environment={"type": "LINUX_CONTAINER", "image": "build", "computeType": "BUILD_GENERAL1_SMALL"},
        serviceRole="arn:aws:iam::123456789012:role/service-role/build",
    )  # fmt: skip
    return name


def alarms(moto: MotoServer, names: list[str], _: Given) -> list[str]:
    for name in names:
        moto.client("cloudwatch").put_metric_alarm(
            AlarmName=name, MetricName="m", Namespace="n", Period=60, EvaluationPeriods=1, Threshold=1.0,
            ComparisonOperator="GreaterThanThreshold", Statistic="Sum",
        )  # fmt: skip
    return names


def repository(moto: MotoServer, name: str, _: Given) -> str:
    moto.client("ecr").create_repository(repositoryName=name)
    return name


def vault(moto: MotoServer, name: str, _: Given) -> str:
    moto.client("backup").create_backup_vault(BackupVaultName=name)
    return name


def file_system(moto: MotoServer, _: str, __: Given) -> str:
    return str(moto.client("efs").create_file_system(CreationToken="t")["FileSystemId"])


def pool(moto: MotoServer, _: str, __: Given) -> str:
    return str(moto.client("cognito-idp").create_user_pool(PoolName="people")["UserPool"]["Id"])
