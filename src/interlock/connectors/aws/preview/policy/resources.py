"""Policies of resources: buckets, keys, secrets, repositories, … The present one is read and compared with the one that is set."""

from collections.abc import Iterator, Mapping
from typing import Any

from interlock.connectors.aws.preview.found import Effects, absent, thing
from interlock.connectors.aws.preview.policy.compare import policy_change
from interlock.connectors.aws.preview.rows import Describer, Table, rows
from interlock.connectors.aws.preview.settings.engine import asked_by, at
from interlock.connectors.aws.preview.survey import Survey
from interlock.model.base import Value
from interlock.model.effect import ChangeKind

_JUDGES = "exposure lockout replace"


class Place(Value, frozen=True):
    """Where the policy of a kind of resource is: read with `ask` at `select`, set by `put` as `member`, taken away by `delete`.
    `of` are the parameters that name the resource."""

    service: str
    kind: str
    rest: str
    ask: str
    of: Mapping[str, Any]
    select: str
    put: str
    member: str
    delete: str = ""
    regional: bool = True


_PLACES = (
    Place(
        "s3",
        "s3:bucket",
        "{Bucket}",
        "GetBucketPolicy",
        {"Bucket": "{Bucket}"},
        "Policy",
        "PutBucketPolicy",
        "Policy",
        "DeleteBucketPolicy",
        regional=False,
    ),
    Place(
        "kms",
        "kms:key",
        "key/{KeyId}",
        "GetKeyPolicy",
        {"KeyId": "{KeyId}", "PolicyName": "default"},
        "Policy",
        "PutKeyPolicy",
        "Policy",
    ),
    Place(
        "secretsmanager",
        "secretsmanager:Secret",
        "secret:{SecretId}",
        "GetResourcePolicy",
        {"SecretId": "{SecretId}"},
        "ResourcePolicy",
        "PutResourcePolicy",
        "ResourcePolicy",
        "DeleteResourcePolicy",
    ),
    Place(
        "ecr",
        "ecr:repository",
        "repository/{repositoryName}",
        "GetRepositoryPolicy",
        {"repositoryName": "{repositoryName}"},
        "policyText",
        "SetRepositoryPolicy",
        "policyText",
        "DeleteRepositoryPolicy",
    ),
    Place(
        "dynamodb",
        "dynamodb:table",
        "{ResourceArn}",
        "GetResourcePolicy",
        {"ResourceArn": "{ResourceArn}"},
        "Policy",
        "PutResourcePolicy",
        "Policy",
        "DeleteResourcePolicy",
    ),
    Place(
        "backup",
        "backup:backupVault",
        "backup-vault:{BackupVaultName}",
        "GetBackupVaultAccessPolicy",
        {"BackupVaultName": "{BackupVaultName}"},
        "Policy",
        "PutBackupVaultAccessPolicy",
        "Policy",
        "DeleteBackupVaultAccessPolicy",
    ),
    Place(
        "efs",
        "elasticfilesystem:file-system",
        "file-system/{FileSystemId}",
        "DescribeFileSystemPolicy",
        {"FileSystemId": "{FileSystemId}"},
        "Policy",
        "PutFileSystemPolicy",
        "Policy",
        "DeleteFileSystemPolicy",
    ),
    Place(
        "kinesis",
        "kinesis:stream",
        "{ResourceARN}",
        "GetResourcePolicy",
        {"ResourceARN": "{ResourceARN}"},
        "Policy",
        "PutResourcePolicy",
        "Policy",
        "DeleteResourcePolicy",
    ),
    Place(
        "sns",
        "sns:topic",
        "{ResourceArn}",
        "GetDataProtectionPolicy",
        {"ResourceArn": "{ResourceArn}"},
        "DataProtectionPolicy",
        "PutDataProtectionPolicy",
        "DataProtectionPolicy",
    ),
)


def _changes(place: Place, *, goes: bool) -> Describer:
    async def describer(survey: Survey) -> Effects:
        where = survey.about(place.kind, place.rest, region=place.regional, account=place.regional)
        found = await survey.find(place.service, place.ask, asked_by(survey, place.of))
        new = None if goes else survey.parameters.get(place.member, "{}")
        return policy_change(survey, where, at(found, place.select), new)

    return describer


def _places() -> Iterator[Table]:
    for place in _PLACES:
        yield rows(place.service, _JUDGES, **{place.put: _changes(place, goes=False)})
        if place.delete:
            yield rows(place.service, _JUDGES, **{place.delete: _changes(place, goes=True)})


async def _function_permission(survey: Survey) -> Effects:
    """AddPermission of Lambda, as the statement that it makes of itself."""
    given = survey.parameters
    where = survey.about("lambda:function", "function:{FunctionName}")
    conditions: dict[str, Any] = {}
    if account := given.get("SourceAccount"):
        conditions["StringEquals"] = {"AWS:SourceAccount": account}
    if source := given.get("SourceArn"):
        conditions["ArnLike"] = {"AWS:SourceArn": source}
    name = str(given.get("Principal", "*"))
    kind = "Service" if name.endswith(".amazonaws.com") else "AWS"
    statement = {
        "Effect": "Allow",
        "Principal": name if name == "*" else {kind: name},
        "Action": given.get("Action", "*"),
        **({"Condition": conditions} if conditions else {}),
    }
    return policy_change(survey, where, None, {"Statement": [statement]})


async def _permission_lost(survey: Survey) -> Effects:
    """RemovePermission: one statement, by its id."""
    asked = {"FunctionName": survey.text("FunctionName")}
    found = await survey.find("lambda", "GetPolicy", asked)
    where = survey.about("lambda:function", "function:{FunctionName}")
    if found is None:
        return [absent(where)]
    survey.rests_on(f"policy of {where.name}", found.get("RevisionId"))
    return [thing(where, ChangeKind.PERMISSION, f"without the statement {survey.text('StatementId')}")]


async def _accounts_added(survey: Survey) -> Effects:
    """AddPermission of SQS and SNS, by accounts and actions."""
    kind = f"{survey.call.service}:{'queue' if survey.call.service == 'sqs' else 'topic'}"
    url = survey.parameters.get("QueueUrl")
    name = survey.arn("sqs", str(url).rsplit("/", 1)[-1]) if url else survey.text("TopicArn")
    who = survey.parameters.get("AWSAccountIds") or survey.parameters.get("AWSAccountId") or []
    what = survey.parameters.get("Actions") or survey.parameters.get("ActionName") or []
    given = {
        "Effect": "Allow",
        "Principal": {"AWS": list(who)},
        "Action": [f"{survey.call.service}:{one}" for one in what],
    }
    return policy_change(survey, survey.resource(kind, name), None, {"Statement": [given]})


async def _endpoint_policy(survey: Survey) -> Effects:
    """ModifyVpcEndpoint: who may go through it, and from where."""
    where = survey.about("ec2:vpc-endpoint", "vpc-endpoint/{VpcEndpointId}")
    asked = {"VpcEndpointIds": [survey.text("VpcEndpointId")]}
    found = at(await survey.find("ec2", "DescribeVpcEndpoints", asked), "VpcEndpoints.0")
    if found is None:
        return [absent(where)]
    effects: list[Any] = []
    if "PolicyDocument" in survey.parameters:
        effects += policy_change(
            survey, where, found.get("PolicyDocument"), survey.parameters["PolicyDocument"]
        )
    gone = [name for name in survey.parameters if name.startswith("Remove")]
    if gone:
        effects.append(thing(where, ChangeKind.WEAKENED, ", ".join(sorted(gone))))
    return effects or [thing(where, ChangeKind.SETTING)]


TABLE: Table = {
    **{name: row for table in _places() for name, row in table.items()},
    **rows("lambda", _JUDGES, AddPermission=_function_permission, RemovePermission=_permission_lost),
    **rows("sqs", _JUDGES, AddPermission=_accounts_added),
    **rows("sns", _JUDGES, AddPermission=_accounts_added),
    **rows("ec2", _JUDGES, ModifyVpcEndpoint=_endpoint_policy),
}
