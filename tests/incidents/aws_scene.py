"""The account in which an incident happens: what its calls name is made, in moto, past the gateway.

A payload has a call a line: `service Operation {parameters}`, with comments, and placeholders for what an account gives names to.
"""

import json
import re
from typing import Any, NamedTuple

from tests.incidents import aws_networks, aws_things

from interlock.testing.peers.moto import MotoServer
from interlock.testing.peers.production import CAPABILITIES, furnish, template

_CALL = re.compile(r"^([a-z0-9-]+) ([A-Za-z0-9]+) (\{.*\})\s*(?://.*)?$")


class Asked(NamedTuple):
    """One call of an incident's."""

    service: str
    operation: str
    parameters: dict[str, Any]


class Scene:
    """One incident's account. The same name, of the same service, is the same thing."""

    def __init__(self, moto: MotoServer) -> None:
        self._moto = moto
        self._made: dict[tuple[str, str], Any] = {}

    def staged(self, asked: Asked) -> Asked:
        """Make what the call is about; the call with the account's own names in the place of placeholders."""
        given = dict(asked.parameters)
        if asked.service == "cloudformation":
            return asked._replace(parameters=self._stack(asked))
        made = ""
        if asked.operation.startswith(CREATES) and asked.service not in aws_networks.PARTS:
            made = next(asked.operation.removeprefix(c) for c in CREATES if asked.operation.startswith(c))
        needed = [] if made else self._needed(asked)
        for name, make in ROWS.get(asked.service, {}).items():
            if name in needed:
                given.setdefault(name, "")
            if name in given and not (made and name.startswith(made)):
                known = (make.__name__, json.dumps(given[name]))
                if known not in self._made:
                    self._made[known] = make(self._moto, given[name], given)
                given[name] = self._made[known]
        if asked.operation.startswith("Revoke"):  # what is revoked was granted
            grant = asked.operation.replace("Revoke", "Authorize", 1)
            self._moto.client(asked.service)._make_api_call(grant, given)
        return asked._replace(parameters=given)

    def _needed(self, asked: Asked) -> list[str]:
        """What a client would not send the call without."""
        model = self._moto.client(asked.service).meta.service_model.operation_model(asked.operation)
        return list(model.input_shape.required_members) if model.input_shape is not None else []

    def _stack(self, asked: Asked) -> dict[str, Any]:
        given = {k: v for k, v in asked.parameters.items() if k != "TemplateURL"}
        if not self._moto.client("cloudformation").describe_stacks()["Stacks"]:
            furnish(self._moto)
        if not asked.operation.startswith(("Create", "Update")):
            return given
        body = template()
        if asked.operation == "UpdateStack":
            # Another key: the table is made anew, and what was in it is gone.
            for part in ("AttributeName: account, KeyType: HASH", "AttributeName: account, AttributeType: S"):
                body = body.replace("{" + part + "}", "{" + part.replace("account", "customer") + "}")
        return {**given, "TemplateBody": body, "Capabilities": CAPABILITIES}


def calls_of(payload: str) -> list[Asked]:
    """The calls of a payload. ValueError for a line that is neither a call nor a comment."""
    found = []
    for line in filter(None, (line.strip() for line in payload.splitlines())):
        if line.startswith("//"):
            continue
        match = _CALL.match(line)
        if match is None:
            raise ValueError(f"no call: {line}")
        found.append(Asked(match[1], match[2], json.loads(match[3])))
    return found


CREATES = ("Create", "Allocate", "Register", "Run", "Import")
"""What such calls name after themselves is not there yet; what else they name is."""

t = aws_things
ROWS: dict[str, dict[str, t.Maker]] = {
    "autoscaling": {"AutoScalingGroupName": t.group},
    "backup": {"BackupVaultName": t.vault},
    "cloudtrail": {"Name": t.trail, "TrailName": t.trail},
    "cloudwatch": {"AlarmNames": t.alarms},
    "codebuild": {"projectName": t.project},
    "cognito-idp": {"UserPoolId": t.pool},
    "dynamodb": {"TableName": t.table, "ResourceArn": t.table},
    "ec2": aws_networks.NETWORK,
    "ecr": {"repositoryName": t.repository},
    "ecs": {"cluster": t.cluster},
    "efs": {"FileSystemId": t.file_system},
    "events": {"Rule": t.rule, "Name": t.rule},
    "glue": {"DatabaseName": t.catalog},
    "iam": {"RoleName": t.role, "UserName": t.user, "AccessKeyId": t.access_key, "PolicyArn": t.policy},
    "kinesis": {"StreamName": t.stream},
    "kms": {"KeyId": t.key},
    "lambda": {"FunctionName": t.function},
    "logs": {"logGroupName": t.log_group},
    "organizations": aws_networks.ORGANIZATION,
    "rds": {
        "DBInstanceIdentifier": t.database,
        "DBClusterIdentifier": t.cluster_of_databases,
        "DBSnapshotIdentifier": t.snapshot_of_database,
    },
    "route53": {"HostedZoneId": aws_networks.zone},
    "s3": {"Bucket": t.bucket},
    "secretsmanager": {"SecretId": t.secret},
    "sns": {"TopicArn": t.topic},
    "sqs": {"QueueUrl": t.queue},
    "ssm": {"Name": t.parameter, "Names": t.parameters},
    "stepfunctions": {"stateMachineArn": t.state_machine},
}
"""By service and parameter: what an incident finds there. Calls to others find an empty account."""
