"""Every row is tried, or it is said why not; conflicts; nothing where it says none; a failing preparation."""

import importlib
import json
from typing import Any

import botocore.session
import pytest
from tests.connectors.aws.undo.modelled import CASES as MODELLED
from tests.connectors.aws.undo.rig import Account, Case, Undoing, call_of, classified, run

from interlock.connectors.aws import undo
from interlock.connectors.aws.call import CallFailed
from interlock.connectors.aws.undo.estate import ROWS
from interlock.connectors.aws.undo.registry import table

_MODULES = (
    "ec2_compute",
    "ec2_groups",
    "ec2_network",
    "iam",
    "rds",
    "rds_clusters",
    "traffic",
    "capacity",
    "containers",
    "stacks",
    "others",
)
CASES: tuple[Case, ...] = tuple(
    case
    for name in _MODULES
    for case in importlib.import_module(f"tests.connectors.aws.undo.estate.test_aws_undo_{name}").CASES
)

# Rows that moto can't show, by the reason.
UNTRIED = {
    "moto has no such operation": """ec2:DisableVgwRoutePropagation ec2:EnableVgwRoutePropagation
        iam:PutUserPermissionsBoundary iam:DeleteUserPermissionsBoundary rds:ResetDBParameterGroup
        rds:ResetDBClusterParameterGroup ecs:UpdateClusterSettings cloudformation:UpdateTerminationProtection
        backup:UpdateBackupPlan elasticache:ModifyCacheCluster
        elasticache:DeleteCacheSubnetGroup""",
    "moto cannot take it back: it lacks what the revert needs": """elasticache:CreateCacheSubnetGroup backup:DeleteBackupPlan
        elasticache:CreateSnapshot""",
    "moto answers without doing it, or with an error": """ec2:AttachNetworkInterface ec2:CreateLaunchTemplateVersion
        ec2:ImportKeyPair ec2:ModifyEbsDefaultKmsKeyId ec2:MonitorInstances ec2:UnmonitorInstances
        ec2:UpdateSecurityGroupRuleDescriptionsEgress rds:ModifyDBSubnetGroup rds:CreateDBClusterParameterGroup
        rds:DeleteDBClusterParameterGroup rds:ModifyDBClusterParameterGroup rds:RestoreDBClusterToPointInTime
        route53:AssociateVPCWithHostedZone route53:DisassociateVPCFromHostedZone elbv2:AddListenerCertificates
        elbv2:RemoveListenerCertificates eks:UpdateNodegroupConfig ecs:RunTask""",
}
WHY = {
    (service, name): why
    for why, calls in UNTRIED.items()
    for service, _, name in (call.partition(":") for call in calls.split())
}
# These speak as rds does, and moto answers for them only in part.
LIKE_RDS = ("neptune", "docdb")


def test_every_row_is_tried_or_known_as_untried() -> None:
    tried = {case.call[:2] for case in CASES}
    untried = set(WHY)
    rows = {
        (row.service, row.operation) for row in ROWS if row.kind != "none" and row.service not in LIKE_RDS
    }
    modelled = {case.call[:2] for case in MODELLED}
    assert rows - tried - untried - modelled == set()
    assert untried & (tried | modelled) == set()
    assert untried - rows == set()


def test_rows_name_operations_that_there_are() -> None:
    session = botocore.session.Session()
    models = {service: session.get_service_model(service) for service in {row.service for row in ROWS}}
    assert [
        f"{row.service}:{row.operation}"
        for row in ROWS
        if row.operation not in models[row.service].operation_names
    ] == []


def test_the_registry_has_all_rows() -> None:
    assert {(row.service, row.operation) for row in ROWS} <= set(table())


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.kind == "none"], ids=lambda row: f"{row.service}-{row.operation}"
)
def test_nothing_is_promised_where_nothing_comes_back(account: Account, row: Any) -> None:
    plan = run(undo.plan(classified(call_of(row.service, row.operation, {})), account, "n"))
    assert (plan.kind, bool(plan.reason)) == ("none", True)
    assert plan.prepare == plan.inverse == ()
    assert account.made == []


def _trust(service: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


_TRUST = {"RoleName": "app", "AssumeRolePolicyDocument": _trust("ec2")}


def test_what_someone_else_changed_is_not_overwritten(account: Account) -> None:
    account.say("iam", "CreateRole", _TRUST)
    change = {"RoleName": "app", "PolicyDocument": _trust("lambda")}
    undoing = Undoing(account, "iam", "UpdateAssumeRolePolicy", change)
    undoing.make()
    account.say("iam", "UpdateAssumeRolePolicy", {"RoleName": "app", "PolicyDocument": _trust("ecs")})
    assert undoing.conflicts() == ("the trust policy of role app: changed since",)
    with pytest.raises(Exception, match="changed since"):
        undoing.revert()
    assert undoing.revert(force=True).failed == ""
    role = account.say("iam", "GetRole", {"RoleName": "app"})["Role"]
    assert role["AssumeRolePolicyDocument"] == json.loads(_trust("ec2"))


def test_what_is_gone_since_is_said(account: Account) -> None:
    account.say("iam", "CreateRole", _TRUST)
    undoing = Undoing(account, "iam", "UpdateRoleDescription", {"RoleName": "app", "Description": "x"})
    undoing.make()
    account.say("iam", "DeleteRole", {"RoleName": "app"})
    assert undoing.conflicts() == ("the description of role app: gone",)


def test_a_snapshot_that_fails_leaves_the_volume(account: Account) -> None:
    volume = account.say("ec2", "CreateVolume", {"AvailabilityZone": "eu-central-1a", "Size": 1})["VolumeId"]
    account.failing["ec2:CreateSnapshot"] = CallFailed("SnapshotLimitExceeded", 400)
    undoing = Undoing(account, "ec2", "DeleteVolume", {"VolumeId": volume})
    with pytest.raises(CallFailed):
        undoing.make()
    assert "ec2:DeleteVolume" not in account.made
    assert len(account.say("ec2", "DescribeVolumes", {"VolumeIds": [volume]})["Volumes"]) == 1


def test_a_snapshot_of_ours_is_removed_when_it_is_needed_no_longer(account: Account) -> None:
    volume = account.say("ec2", "CreateVolume", {"AvailabilityZone": "eu-central-1a", "Size": 1})["VolumeId"]
    undoing = Undoing(account, "ec2", "DeleteVolume", {"VolumeId": volume})
    undoing.make()
    own = {"OwnerIds": ["self"], "Filters": [{"Name": "description", "Values": ["interlock-*"]}]}
    assert len(account.say("ec2", "DescribeSnapshots", own)["Snapshots"]) == 1
    undoing.discard()
    assert account.say("ec2", "DescribeSnapshots", own)["Snapshots"] == []


def test_a_final_snapshot_is_forced(account: Account) -> None:
    create = {"DBInstanceIdentifier": "shop", "DBInstanceClass": "db.t3.small", "Engine": "postgres"}
    rest = {"AllocatedStorage": 20, "MasterUsername": "root", "MasterUserPassword": "not-a-secret-1"}
    account.say("rds", "CreateDBInstance", {**create, **rest})
    call = call_of("rds", "DeleteDBInstance", {"DBInstanceIdentifier": "shop", "SkipFinalSnapshot": True})
    plan = run(undo.plan(classified(call), account, "n"))
    assert plan.replaces_call == {
        "SkipFinalSnapshot": False,
        "FinalDBSnapshotIdentifier": "interlock-n-shop",
    }


def test_a_password_is_never_promised_back(account: Account) -> None:
    create = {"DBInstanceIdentifier": "shop", "DBInstanceClass": "db.t3.small", "Engine": "postgres"}
    rest = {"AllocatedStorage": 20, "MasterUsername": "root", "MasterUserPassword": "not-a-secret-1"}
    account.say("rds", "CreateDBInstance", {**create, **rest})
    change = {"DBInstanceIdentifier": "shop", "MasterUserPassword": "hunter2-hunter2"}
    plan = run(undo.plan(classified(call_of("rds", "ModifyDBInstance", change)), account, "n"))
    assert (plan.kind, plan.reason) == ("none", "the old password can't be read")
    assert "hunter2" not in repr(plan)


def test_the_gentler_way_than_terminating(account: Account) -> None:
    image = "ami-12345678"
    made = account.say("ec2", "RunInstances", {"ImageId": image, "MinCount": 1, "MaxCount": 1})
    call = call_of("ec2", "TerminateInstances", {"InstanceIds": [made["Instances"][0]["InstanceId"]]})
    plan = run(undo.plan(classified(call), account, "n"))
    assert [word in plan.gentler for word in ("StopInstances", "tag", "security group")] == [True] * 3


def test_a_missing_thing_has_no_undo(account: Account) -> None:
    plan = run(undo.plan(classified(call_of("iam", "DeleteRole", {"RoleName": "nobody"})), account, "n"))
    assert (plan.kind, plan.reason) == ("none", "there is no such role")
