"""The AWS CLI (version 1, as PyPI has it), as agents and people run it: another endpoint and another key, nothing else."""

import json
import os
from pathlib import Path

from tests.real.aws.clients.rig import Cloud, Ran

from interlock.model.change import ChangeState

FAILED = 255
"""The CLI's exit status for an error that the service answered; `aws s3` says 1 when some of its transfers failed."""
IGNORES_ENDPOINTS = ("sqs", "rds", "emr", "docdb", "neptune", "health")
"""For these version 1 of the CLI looks for the endpoint in its own tables only; `--endpoint-url` goes before those."""


def found(ran: Ran) -> object:
    assert ran.code == 0, ran.all
    return json.loads(ran.out) if ran.out.strip() else {}


def held(ran: Ran, cloud: Cloud, code: int = FAILED) -> str:
    """It was held, nothing was done, and the program says so; the id of the change."""
    change = cloud.held()
    assert ran.code == code
    assert "(InterlockHeld)" in ran.err
    assert f"held: {change.id} waits for the approval of quorum two-sre; nothing was changed" in ran.err
    assert f"interlock apply {change.id}" in ran.err
    return change.id


# -- s3


def test_aws_s3_copies_lists_and_moves(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(big := os.urandom(9 << 20))  # beyond 8 MiB it is sent in parts
    assert cloud.aws("s3", "mb", "s3://made").code == 0
    cloud.bucket("data", {"other": b""})
    assert cloud.aws("s3", "cp", "big", "s3://data/a b/ü+%2F", "--quiet", folder=tmp_path).code == 0
    assert cloud.objects("data") == {"a b/ü+%2F": big, "other": b""}
    listed = cloud.aws("s3", "ls", "s3://data/a b/")
    assert "9437184 ü+%2F" in listed.out
    assert cloud.aws("s3", "cp", "s3://data/a b/ü+%2F", "back", "--quiet", folder=tmp_path).code == 0
    assert (tmp_path / "back").read_bytes() == big
    assert cloud.aws("s3", "mv", "s3://data/a b/ü+%2F", "s3://data/moved", "--quiet").code == 0
    assert cloud.objects("data") == {"moved": big, "other": b""}


def test_aws_s3_syncs_both_ways(cloud: Cloud, tmp_path: Path) -> None:
    here = tmp_path / "here"
    (here / "sub").mkdir(parents=True)
    content = {"a": b"1", "b c": b"2", "sub/ü": b"3"}
    for name, body in content.items():
        (here / name).write_bytes(body)
    cloud.bucket("data")
    assert cloud.aws("s3", "sync", ".", "s3://data", "--quiet", folder=here).code == 0
    assert cloud.objects("data") == content
    assert cloud.aws("s3", "sync", "s3://data", "there", "--quiet", folder=tmp_path).code == 0
    assert (tmp_path / "there" / "sub" / "ü").read_bytes() == b"3"


def test_aws_s3_overwrites_and_the_overwrite_is_taken_back(cloud: Cloud, tmp_path: Path) -> None:
    cloud.bucket("data", {f"k{n}": b"old" for n in range(12)})
    (tmp_path / "new").write_bytes(b"new")
    assert cloud.aws("s3", "cp", "new", "s3://data/k1", "--quiet", folder=tmp_path).code == 0
    (change,) = cloud.changes(ChangeState.APPLIED)
    assert cloud.objects("data")["k1"] == b"new"
    cloud.gateway.revert(change.id)
    assert cloud.objects("data")["k1"] == b"old"


def test_aws_s3_does_not_empty_a_bucket(cloud: Cloud) -> None:
    """What `rm --recursive` deletes one by one is small each time; the last one would leave the bucket empty."""
    cloud.bucket("data", {"only": b"1"})
    ran = cloud.aws("s3", "rm", "s3://data", "--recursive")
    held(ran, cloud, 1)
    assert cloud.objects("data") == {"only": b"1"}


def test_aws_s3_does_not_remove_a_bucket(cloud: Cloud) -> None:
    cloud.bucket("data")
    ran = cloud.aws("s3", "rb", "s3://data")
    assert ran.code == 1
    assert "remove_bucket failed" in ran.err
    assert cloud.held().operations[0].verb == "s3:DeleteBucket"


# -- other services


def test_aws_dynamodb_reads_and_writes_and_does_not_delete(cloud: Cloud) -> None:
    cloud.table("shop", 20)
    cli = ("dynamodb", "put-item", "--table-name", "shop", "--item", '{"id": {"S": "99"}}')
    assert cloud.aws(*cli).code == 0
    assert cloud.aws("dynamodb", "scan", "--table-name", "shop", "--query", "Count").out.strip() == "21"
    deleting = ("dynamodb", "delete-table", "--table-name", "shop")
    change = held(cloud.aws(*deleting), cloud)
    cloud.gateway.approve(change)
    assert cloud.aws(*deleting).code == 0
    assert cloud.tables() == []
    assert cloud.gateway.change(change).state is ChangeState.APPLIED


def test_aws_cloudformation_makes_stacks_and_does_not_delete_them(cloud: Cloud) -> None:
    template = json.dumps({"Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q"}}}})
    assert (
        cloud.aws("cloudformation", "create-stack", "--stack-name", "s", "--template-body", template).code
        == 0
    )
    assert cloud.aws("cloudformation", "wait", "stack-create-complete", "--stack-name", "s").code == 0
    held(cloud.aws("cloudformation", "delete-stack", "--stack-name", "s"), cloud)
    assert len(cloud.direct("sqs").list_queues()["QueueUrls"]) == 1


def test_aws_ec2_starts_instances_and_does_not_terminate_them(cloud: Cloud) -> None:
    (image,) = cloud.direct("ec2").describe_images(Owners=["amazon"])["Images"][:1]
    run = ("ec2", "run-instances", "--image-id", image["ImageId"], "--instance-type", "t2.micro")
    name = str(found(cloud.aws(*run, "--query", "Instances[0].InstanceId")))
    shown = cloud.aws("ec2", "describe-instances", "--query", "Reservations[].Instances[].InstanceId")
    assert found(shown) == [name]
    held(cloud.aws("ec2", "terminate-instances", "--instance-ids", name), cloud)


def test_aws_sqs_and_its_fellows_need_their_endpoint_told(cloud: Cloud) -> None:
    """It doesn't ask `AWS_ENDPOINT_URL`, and never comes to the gateway; without a network it fails, and with the gateway's key
    AWS would refuse it."""
    told = ("--endpoint-url", cloud.service_url("sqs"))
    url = found(cloud.aws("sqs", "create-queue", "--queue-name", "q", *told, "--query", "QueueUrl"))
    assert url == f"{cloud.service_url('sqs')}/123456789012/q"
    sent = ("sqs", "send-message", "--queue-url", str(url), "--message-body", "hello", *told)
    change = held(cloud.aws(*sent), cloud)  # nobody can take a message back
    cloud.gateway.approve(change)
    assert cloud.aws(*sent).code == 0
    received = cloud.direct("sqs").receive_message(QueueUrl=f"{cloud.moto.url}/123456789012/q")
    assert received["Messages"][0]["Body"] == "hello"
    for service in IGNORES_ENDPOINTS[1:2]:
        told = ("--endpoint-url", cloud.service_url(service))
        assert found(cloud.aws(service, "describe-db-instances", *told)) == {"DBInstances": []}


def test_aws_ssm_iam_and_lambda(cloud: Cloud) -> None:
    assert cloud.aws("ssm", "put-parameter", "--name", "/a/b", "--type", "String", "--value", "x").code == 0
    assert found(cloud.aws("ssm", "get-parameter", "--name", "/a/b", "--query", "Parameter.Value")) == "x"
    assert found(cloud.aws("iam", "list-roles", "--query", "Roles")) == []
    assert found(cloud.aws("lambda", "list-functions", "--query", "Functions")) == []
    trust = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}'
    held(cloud.aws("iam", "create-role", "--role-name", "r", "--assume-role-policy-document", trust), cloud)


def test_aws_says_who_it_is_and_gets_no_keys(cloud: Cloud) -> None:
    who = cloud.aws("sts", "get-caller-identity", "--query", "Arn")
    assert found(who) == f"arn:aws:sts::123456789012:assumed-role/interlock/{cloud.agent}"
    refused = cloud.aws("iam", "create-access-key", "--user-name", "x")
    assert refused.code == FAILED
    assert "(InterlockForbidden)" in refused.err
    assert "Trying the same again does not help" in refused.err


def test_a_denial_and_a_hold_are_sent_once(cloud: Cloud) -> None:
    cloud.table("shop")
    for words in (
        ("iam", "create-access-key", "--user-name", "x"),
        ("dynamodb", "delete-table", "--table-name", "shop"),
    ):
        ran = cloud.aws(*words, "--debug")
        assert ran.code == FAILED
        assert ran.err.count("Sending http request") == 1
