"""Capacities, settings, rules, records and policies, as they are and as a call would have them."""

import io
import json
import zipfile
from typing import Any

import pytest

from interlock.connectors.aws.call import CallFailed, Quiet
from interlock.model.effect import ChangeKind, Effect, Evidence, Unit
from interlock.model.operation import Action, Resource

OWN, OTHER = "123456789012", "999999999999"


def kinds(effects: tuple[Effect, ...]) -> list[str]:
    return [
        one.change.value if one.unit is Unit.OBJECTS else f"{one.change.value} {one.count} of {one.before}"
        for one in effects
    ]


# ---- Capacity ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def group(calls: Any) -> str:
    client = calls.client("autoscaling")
    client.create_launch_configuration(
        LaunchConfigurationName="lc", ImageId="ami-12c6146b", InstanceType="t3.micro"
    )
    client.create_auto_scaling_group(
        AutoScalingGroupName="web",
        LaunchConfigurationName="lc",
        MinSize=0,
        MaxSize=500,
        DesiredCapacity=4,
        AvailabilityZones=["eu-west-1a"],
    )
    return "web"


SIZES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("SetDesiredCapacity", {"DesiredCapacity": 6}, ["setting"]),
    ("SetDesiredCapacity", {"DesiredCapacity": 4}, ["setting"]),
    ("SetDesiredCapacity", {"DesiredCapacity": 1}, ["weakened", "deleted 3 of 4"]),
    ("SetDesiredCapacity", {"DesiredCapacity": 0}, ["hidden", "deleted 4 of 4"]),
    ("UpdateAutoScalingGroup", {"MaxSize": 2}, ["weakened", "deleted 2 of 4"]),
    ("UpdateAutoScalingGroup", {"MaxSize": 100}, ["weakened"]),
    ("UpdateAutoScalingGroup", {"MinSize": 5}, ["setting", "setting"]),
    ("UpdateAutoScalingGroup", {"DefaultCooldown": 10}, ["setting"]),
    ("UpdateAutoScalingGroup", {"Unheard": 10}, ["weakened"]),
    ("SuspendProcesses", {"ScalingProcesses": ["Launch"]}, ["weakened"]),
    ("DeleteAutoScalingGroup", {"ForceDelete": True}, ["deleted", "deleted 4 of 4"]),
]


def test_the_size_of_a_group(group: str, described: Any) -> None:
    for operation, given, expected in SIZES:
        asked = {"AutoScalingGroupName": group, **given}
        found = described("autoscaling", operation, parameters=asked)
        assert kinds(found.effects) == expected, (operation, given)


def test_three_hundred_down_to_three(calls: Any, group: str, described: Any) -> None:
    """c01: a share that guardrails see."""
    calls.client("autoscaling").update_auto_scaling_group(AutoScalingGroupName=group, DesiredCapacity=300)
    asked = {"AutoScalingGroupName": group, "DesiredCapacity": 3}
    found = described("autoscaling", "SetDesiredCapacity", parameters=asked)
    assert kinds(found.effects) == ["weakened", "deleted 297 of 300"]
    assert found.effects[0].detail == "desired capacity 300 → 3"
    assert found.settings[0].before == "300"


def test_the_size_of_a_service(calls: Any, described: Any) -> None:
    ecs = calls.client("ecs")
    ecs.create_cluster(clusterName="shop")
    ecs.register_task_definition(family="t", containerDefinitions=[{"name": "c", "image": "i", "memory": 1}])
    ecs.create_service(cluster="shop", serviceName="web", taskDefinition="t", desiredCount=5)
    base = {"cluster": "shop", "service": "web"}
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({"desiredCount": 0}, ["hidden", "deleted 5 of 5"]),
        ({"desiredCount": 8}, ["setting"]),
        ({"forceNewDeployment": True}, ["setting", "updated"]),
    ]
    for given, expected in cases:
        assert kinds(described("ecs", "UpdateService", parameters={**base, **given}).effects) == expected
    assert kinds(described("ecs", "DeleteService", parameters=base).effects) == ["deleted", "deleted 5 of 5"]
    gone = described("ecs", "DeleteCluster", parameters={"cluster": "shop"}, action=Action.DELETE)
    assert kinds(gone.effects) == ["deleted", "deleted 1 of 1"]


@pytest.fixture
def function(calls: Any) -> str:
    role = calls.client("iam").create_role(RoleName="fn", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("f.py", "")
    calls.client("lambda").create_function(
        FunctionName="checkout",
        Runtime="python3.11",
        Role=role,
        Handler="f.h",
        Code={"ZipFile": packed.getvalue()},
        Environment={"Variables": {"PASSWORD": "hunter2", "MODE": "x"}},
        Timeout=30,
    )
    return "checkout"


def test_a_function_without_concurrency_is_stopped(calls: Any, function: str, described: Any) -> None:
    asked = {"FunctionName": function, "ReservedConcurrentExecutions": 0}
    assert kinds(described("lambda", "PutFunctionConcurrency", parameters=asked).effects) == ["hidden"]
    calls.client("lambda").put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=10)
    assert kinds(described("lambda", "PutFunctionConcurrency", parameters=asked).effects) == [
        "hidden",
        "deleted 10 of 10",
    ]


def test_environment_variables_by_name_only(function: str, described: Any) -> None:
    asked = {"FunctionName": function, "Environment": {"Variables": {"MODE": "swordfish"}}, "Timeout": 60}
    found = described("lambda", "UpdateFunctionConfiguration", parameters=asked)
    assert kinds(found.effects) == ["weakened", "setting"]
    assert "without PASSWORD" in found.effects[0].detail
    assert "hunter2" not in repr(found)
    assert "swordfish" not in repr(found)
    role = {"FunctionName": function, "Role": "arn:aws:iam::1:role/admin"}
    assert kinds(described("lambda", "UpdateFunctionConfiguration", parameters=role).effects) == [
        "permission"
    ]


# ---- Databases ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def database(calls: Any) -> str:
    calls.client("rds").create_db_instance(
        DBInstanceIdentifier="prod",
        DBInstanceClass="db.m5.large",
        Engine="postgres",
        AllocatedStorage=100,
        MasterUsername="root",
        MasterUserPassword="hunter2hunter2",
        BackupRetentionPeriod=7,
        DeletionProtection=True,
    )
    return "prod"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"BackupRetentionPeriod": 0, "DeletionProtection": False, "ApplyImmediately": True}, ["weakened"]),
        ({"BackupRetentionPeriod": 14}, ["setting"]),
        ({"PubliclyAccessible": True}, ["permission"]),
        ({"MasterUserPassword": "swordfish"}, ["permission"]),
        ({"CopyTagsToSnapshot": True, "MasterUserPassword": "swordfish"}, ["permission", "setting"]),
        ({"DBInstanceClass": "db.t3.micro"}, ["weakened"]),
        ({"TdeCredentialPassword": "swordfish"}, ["weakened"]),
    ],
)
def test_a_database_is_modified(
    database: str, described: Any, given: dict[str, Any], expected: list[str]
) -> None:
    found = described("rds", "ModifyDBInstance", parameters={"DBInstanceIdentifier": database, **given})
    assert sorted(kinds(found.effects)) == sorted(expected)
    assert "swordfish" not in repr(found)


def test_a_database_goes(database: str, described: Any) -> None:
    asked = {"DBInstanceIdentifier": database, "SkipFinalSnapshot": True}
    found = described("rds", "DeleteDBInstance", parameters=asked, action=Action.DELETE)
    assert kinds(found.effects) == ["deleted"]
    assert "GiB 100" in found.effects[0].detail
    assert any("Deletion protection" in note for note in found.notes)


# ---- Networks and records ----------------------------------------------------------------------------------------------


def test_a_network_with_what_is_in_it(calls: Any, described: Any) -> None:
    ec2 = calls.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    made = ec2.run_instances(ImageId="ami-12c6146b", MinCount=2, MaxCount=2, SubnetId=subnet)["Instances"]
    found = described("ec2", "DeleteVpc", parameters={"VpcId": vpc}, action=Action.DELETE)
    assert kinds(found.effects)[0] == "deleted"
    assert any(note.startswith("2 instances") for note in found.notes)
    assert any(note.startswith("1 subnet ") for note in found.notes)
    names = [one["InstanceId"] for one in made]
    gone = described("ec2", "TerminateInstances", parameters={"InstanceIds": names}, action=Action.DELETE)
    assert {one.resource.kind for one in gone.effects} == {"ec2:instance", "ec2:volume"}
    assert {one.change for one in gone.effects} == {ChangeKind.DELETED}
    stopped = described("ec2", "StopInstances", parameters={"InstanceIds": names})
    assert kinds(stopped.effects) == ["hidden", "hidden"]


@pytest.mark.parametrize(
    ("range_", "said"),
    [("0.0.0.0/0", "open to the world: tcp 22"), ("10.0.0.0/8", "allows 10.0.0.0/8: tcp 22")],
)
def test_rules_of_a_security_group(calls: Any, described: Any, range_: str, said: str) -> None:
    group = calls.client("ec2").create_security_group(GroupName="g", Description="d")["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": range_}]}
    asked = {"GroupId": group, "IpPermissions": [rule]}
    found = described("ec2", "AuthorizeSecurityGroupIngress", parameters=asked)
    assert kinds(found.effects) == ["permission"]
    assert found.effects[0].detail == said


def test_routes(calls: Any, described: Any) -> None:
    ec2 = calls.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(VpcId=vpc, InternetGatewayId=gateway)
    world = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}
    opened = described("ec2", "CreateRoute", parameters={**world, "GatewayId": gateway})
    assert kinds(opened.effects) == ["permission"]
    ec2.create_route(**world, GatewayId=gateway)
    moved = described("ec2", "ReplaceRoute", parameters={**world, "NetworkInterfaceId": "eni-unused"})
    assert kinds(moved.effects) == ["weakened"]
    assert (moved.settings[0].before, moved.settings[0].after) == (gateway, "eni-unused")
    assert kinds(described("ec2", "DeleteRoute", parameters=world).effects) == ["deleted 1 of 2", "weakened"]


def record(name: str, value: str, **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": value}], **more}


def test_records(calls: Any, described: Any) -> None:
    client = calls.client("route53")
    zone = client.create_hosted_zone(Name="example.com", CallerReference="1")["HostedZone"]["Id"]

    def batch(*changes: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        listed = [{"Action": action, "ResourceRecordSet": one} for action, one in changes]
        return {"HostedZoneId": zone, "ChangeBatch": {"Changes": listed}}

    api = record("api.example.com", "192.0.2.1")
    client.change_resource_record_sets(**batch(("CREATE", api)))
    for changes, expected in [
        ([("DELETE", {**api, "Name": "API.example.com."})], ["deleted 1 of 3", "hidden"]),
        ([("UPSERT", record("api.example.com.", "192.0.2.2"))], ["updated 1 of 3"]),
        ([("UPSERT", record("new.example.com.", "192.0.2.2"))], ["created 1 of None"]),
        ([("DELETE", api), ("CREATE", record("api.example.com.", "192.0.2.3"))], ["updated 1 of 3"]),
        ([("DELETE", record("none.example.com.", "192.0.2.3"))], ["updated 0 of 3"]),
    ]:
        found = described("route53", "ChangeResourceRecordSets", parameters=batch(*changes))
        assert kinds(found.effects) == expected
    gone = described("route53", "DeleteHostedZone", parameters={"Id": zone}, action=Action.DELETE)
    assert kinds(gone.effects) == ["deleted", "deleted 3 of 3"]


# ---- Identities --------------------------------------------------------------------------------------------------------


def policy(action: str, principal: Any = None, effect: str = "Allow", **more: Any) -> str:
    statement = {"Effect": effect, "Action": action, "Resource": "*", **more}
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [statement | ({"Principal": principal} if principal else {})]}
    )


def test_what_a_role_carries(calls: Any, described: Any) -> None:
    iam = calls.client("iam")
    iam.create_role(
        RoleName="app", AssumeRolePolicyDocument=policy("sts:AssumeRole", {"Service": "ec2.amazonaws.com"})
    )
    iam.put_role_policy(RoleName="app", PolicyName="p", PolicyDocument=policy("s3:GetObject"))
    iam.create_instance_profile(InstanceProfileName="i")
    iam.add_role_to_instance_profile(InstanceProfileName="i", RoleName="app")
    found = described("iam", "DeleteRole", parameters={"RoleName": "app"}, action=Action.DELETE)
    assert kinds(found.effects) == ["deleted", "deleted 1 of 1", "deleted 1 of 1"]
    assert found.effects[0].resource == Resource("iam:role", f"arn:aws:iam::{OWN}:role/app")

    admin = iam.create_policy(PolicyName="admin", PolicyDocument=policy("*"))["Policy"]["Arn"]
    attached = described("iam", "AttachRolePolicy", parameters={"RoleName": "app", "PolicyArn": admin})
    assert kinds(attached.effects) == ["permission"]
    assert "administrator" in attached.effects[0].detail

    more = {"RoleName": "app", "PolicyName": "p", "PolicyDocument": policy("iam:PassRole")}
    grown = described("iam", "PutRolePolicy", parameters=more)
    assert "may give itself more rights: iam:passrole" in grown.effects[0].detail
    assert "may do less: s3:getobject" in grown.effects[0].detail

    trust = {
        "RoleName": "app",
        "PolicyDocument": policy("sts:AssumeRole", {"AWS": f"arn:aws:iam::{OTHER}:root"}),
    }
    opened = described("iam", "UpdateAssumeRolePolicy", parameters=trust)
    assert f"foreign: {OTHER}" in opened.effects[0].detail
    ours = described("iam", "UpdateAssumeRolePolicy", None, (OTHER,), parameters=trust)
    assert "foreign" not in ours.effects[0].detail


NARROW: dict[str, Any] = {"Condition": {"StringEquals": {"aws:SourceAccount": OWN}}}
TLS: dict[str, Any] = {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (policy("s3:GetObject", "*"), "public: anyone may s3:getobject"),
        (policy("s3:GetObject", {"AWS": "*"}), "public: anyone may s3:getobject"),
        (policy("s3:GetObject", {"AWS": ["*", OTHER]}), f"foreign: {OTHER}"),
        (policy("s3:GetObject", "*", **NARROW), "anyone may s3:getobject, under a condition"),
        (policy("s3:GetObject", "*", **TLS), "public"),
        (policy("s3:*", "*", "Deny"), "lock-out"),
        (policy("s3:*", "*", "Deny", **TLS), "under a condition"),
        (policy("s3:GetObject", {"AWS": f"arn:aws:iam::{OWN}:root"}), "gains: AWS:arn:aws:iam"),
        (
            json.dumps(
                {
                    "Statement": {
                        "Effect": "Allow",
                        "NotPrincipal": {"AWS": OWN},
                        "Action": "s3:*",
                        "Resource": "*",
                    }
                }
            ),
            "public",
        ),
    ],
)
def test_bucket_policies(calls: Any, described: Any, document: str, words: str) -> None:
    calls.client("s3").create_bucket(
        Bucket="conf", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    found = described("s3", "PutBucketPolicy", parameters={"Bucket": "conf", "Policy": document})
    assert kinds(found.effects) == ["permission"]
    assert words in found.effects[0].detail


@pytest.mark.parametrize(
    "document", ["", "[]", "{", '{"Statement": [1]}', '{"Statement": {"Effect": "Maybe"}}']
)
def test_policies_that_are_not_understood(calls: Any, described: Any, document: str) -> None:
    calls.client("s3").create_bucket(
        Bucket="conf", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    calls.client("s3").put_bucket_policy(Bucket="conf", Policy=policy("s3:GetObject", {"AWS": OWN}))
    found = described("s3", "PutBucketPolicy", parameters={"Bucket": "conf", "Policy": document})
    assert kinds(found.effects) == ["permission" if not document else "deleted"]
    assert document == "" or found.effects[0].evidence is Evidence.UNKNOWN


def test_a_policy_that_means_the_same(calls: Any, described: Any) -> None:
    calls.client("s3").create_bucket(
        Bucket="conf", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    calls.client("s3").put_bucket_policy(Bucket="conf", Policy=policy("s3:GetObject", {"AWS": OWN}))
    same = json.dumps(json.loads(policy("S3:getobject", {"AWS": [OWN]})), indent=2)
    found = described("s3", "PutBucketPolicy", parameters={"Bucket": "conf", "Policy": same})
    assert kinds(found.effects) == ["setting"]
    gone = described("s3", "DeleteBucketPolicy", parameters={"Bucket": "conf"})
    assert "loses" in gone.effects[0].detail


def test_keys(calls: Any, described: Any) -> None:
    kms = calls.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/prod", TargetKeyId=key)
    gone = described("kms", "ScheduleKeyDeletion", parameters={"KeyId": key}, action=Action.DELETE)
    assert kinds(gone.effects) == ["deleted", "deleted 1 of 1"]
    disabled = described(
        "kms", "DisableKey", parameters={"KeyId": key}, quiet=[Quiet("keys", "all dependants fail")]
    )
    assert kinds(disabled.effects) == ["hidden"]
    assert any("alias/prod" in note for note in disabled.notes)
    rootless = {
        "KeyId": key,
        "PolicyName": "default",
        "Policy": policy("kms:*", {"AWS": f"arn:aws:iam::{OWN}:user/a"}),
    }
    locked = described("kms", "PutKeyPolicy", parameters=rootless)
    assert "lock-out: the account's root" in locked.effects[0].detail


# ---- What watches, and bucket settings ---------------------------------------------------------------------------------


def test_trails_logs_and_alarms(calls: Any, described: Any) -> None:
    s3, trail, logs = calls.client("s3"), calls.client("cloudtrail"), calls.client("logs")
    s3.create_bucket(Bucket="trail", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    trail.create_trail(Name="main", S3BucketName="trail")
    assert kinds(described("cloudtrail", "StopLogging", parameters={"Name": "main"}).effects) == ["weakened"]
    logs.create_log_group(logGroupName="app")
    logs.put_retention_policy(logGroupName="app", retentionInDays=30)
    for days, expected in [(7, ["weakened", "deleted 1 of None"]), (90, ["setting"]), (30, ["setting"])]:
        asked = {"logGroupName": "app", "retentionInDays": days}
        assert kinds(described("logs", "PutRetentionPolicy", parameters=asked).effects) == expected
    gone = described("logs", "DeleteLogGroup", parameters={"logGroupName": "app"}, action=Action.DELETE)
    assert kinds(gone.effects) == ["deleted"]
    off = described("cloudwatch", "DisableAlarmActions", parameters={"AlarmNames": ["a", "b"]})
    assert kinds(off.effects) == ["weakened", "weakened"]


@pytest.mark.parametrize(
    ("operation", "given", "expected"),
    [
        ("PutBucketVersioning", {"VersioningConfiguration": {"Status": "Suspended"}}, "weakened"),
        ("PutBucketVersioning", {"VersioningConfiguration": {"Status": "Enabled"}}, "setting"),
        ("DeletePublicAccessBlock", {}, "weakened"),
        (
            "PutPublicAccessBlock",
            {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True, "BlockPublicPolicy": False}},
            "weakened",
        ),
        ("PutBucketCors", {"CORSConfiguration": {"CORSRules": [{"AllowedOrigins": ["*"]}]}}, "permission"),
        ("PutBucketNotificationConfiguration", {"NotificationConfiguration": {}}, "weakened"),
        (
            "PutBucketReplication",
            {"ReplicationConfiguration": {"Role": "r", "Rules": [{"Destination": {"Account": OTHER}}]}},
            "replication",
        ),
        ("PutBucketAcl", {"ACL": "public-read"}, "permission"),
        ("DeleteBucketReplication", {}, "setting"),
    ],
)
def test_configurations_of_a_bucket(
    calls: Any, described: Any, operation: str, given: dict[str, Any], expected: str
) -> None:
    s3 = calls.client("s3")
    s3.create_bucket(Bucket="conf", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_bucket_versioning(Bucket="conf", VersioningConfiguration={"Status": "Enabled"})
    flags = dict.fromkeys(
        ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
    )
    s3.put_public_access_block(Bucket="conf", PublicAccessBlockConfiguration=flags)
    queue = calls.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    asked = {"QueueUrl": queue, "AttributeNames": ["QueueArn"]}
    arn = calls.client("sqs").get_queue_attributes(**asked)["Attributes"]["QueueArn"]
    targets = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket="conf", NotificationConfiguration=targets)
    found = described("s3", operation, parameters={"Bucket": "conf", **given})
    assert kinds(found.effects) == [expected]


def test_queues_and_topics(calls: Any, described: Any) -> None:
    url = calls.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    for given, expected in [
        ({"MessageRetentionPeriod": "60"}, ["weakened"]),
        ({"MessageRetentionPeriod": "1209600"}, ["setting"]),
        ({"Policy": policy("sqs:SendMessage", "*")}, ["permission"]),
        ({"RedrivePolicy": "{}"}, ["setting", "weakened"]),
    ]:
        asked = {"QueueUrl": url, "Attributes": given}
        assert kinds(described("sqs", "SetQueueAttributes", parameters=asked).effects) == expected
    topic = calls.client("sns").create_topic(Name="t")["TopicArn"]
    calls.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:eu-west-1:{OWN}:q")
    gone = described("sns", "DeleteTopic", parameters={"TopicArn": topic}, action=Action.DELETE)
    assert kinds(gone.effects) == ["deleted", "deleted 1 of 1"]
    mail = {"TopicArn": topic, "Protocol": "email", "Endpoint": "someone@example.com"}
    assert kinds(described("sns", "Subscribe", parameters=mail).effects) == ["permission"]
    assert "someone@" not in repr(described("sns", "Subscribe", parameters=mail))


def test_secrets_are_never_read(calls: Any, described: Any) -> None:
    calls.client("secretsmanager").create_secret(Name="db", SecretString="hunter2")
    asked = {"SecretId": "db", "SecretString": "swordfish"}
    found = described("secretsmanager", "PutSecretValue", parameters=asked)
    assert kinds(found.effects) == ["permission"]
    calls.client("ssm").put_parameter(Name="/p", Value="hunter2", Type="SecureString")
    written = described("ssm", "PutParameter", parameters={"Name": "/p", "Value": "swordfish"})
    assert kinds(written.effects) == ["updated"]
    for one in (found, written):
        assert "hunter2" not in repr(one)
        assert "swordfish" not in repr(one)
    assert not {"secretsmanager:GetSecretValue", "ssm:GetParameter"} & set(calls.asked)


# ---- What no describer covers ------------------------------------------------------------------------------------------

THING = Resource("batch:job", "arn:aws:batch:eu-west-1:123456789012:job/1")


@pytest.mark.parametrize(
    ("action", "quiet", "change", "evidence"),
    [
        (Action.DELETE, [], ChangeKind.DELETED, Evidence.UNKNOWN),
        (Action.ADMIN, [], ChangeKind.DELETED, Evidence.UNKNOWN),
        (Action.UNKNOWN, [], ChangeKind.DELETED, Evidence.UNKNOWN),
        (Action.UPDATE, [Quiet("indirect", "runs something")], ChangeKind.DELETED, Evidence.UNKNOWN),
        (Action.UPDATE, [], ChangeKind.UPDATED, Evidence.PREDICTED),
        (Action.CREATE, [], ChangeKind.CREATED, Evidence.PREDICTED),
    ],
)
def test_without_a_describer(
    described: Any, action: Action, quiet: list[Quiet], change: ChangeKind, evidence: Evidence
) -> None:
    found = described("batch", "TerminateJob", resources=[THING], action=action, quiet=quiet)
    assert [(one.resource, one.change, one.evidence) for one in found.effects] == [(THING, change, evidence)]


def test_a_quiet_row_that_the_describer_does_not_answer_for(calls: Any, described: Any) -> None:
    url = calls.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    asked = {"QueueUrl": url, "Attributes": {"DelaySeconds": "1"}}
    found = described("sqs", "SetQueueAttributes", parameters=asked, quiet=[Quiet("audit", "nobody sees it")])
    assert kinds(found.effects) == ["setting", "weakened"]


def test_no_call_is_ever_run(calls: Any, described: Any, group: str) -> None:
    described(
        "autoscaling", "SetDesiredCapacity", parameters={"AutoScalingGroupName": group, "DesiredCapacity": 0}
    )
    verbs = {name.split(":")[1] for name in calls.asked}
    assert all(verb.startswith(("Describe", "Get", "List", "Head", "Scan", "BatchGet")) for verb in verbs)


def test_an_error_of_the_account_is_unknown(calls: Any, group: str, described: Any) -> None:
    calls.failing["DescribeAutoScalingGroups"] = CallFailed("AccessDenied", 403)
    asked = {"AutoScalingGroupName": group, "DesiredCapacity": 6}
    found = described("autoscaling", "SetDesiredCapacity", parameters=asked)
    assert [one.evidence for one in found.effects] == [Evidence.UNKNOWN]
