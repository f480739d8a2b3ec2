"""Documented incidents on AWS, replayed through the gateway by boto3; what counts is the account afterwards.

`aws_incidents.jsonl` and `found_aws.jsonl` have one a line; `INTERLOCK_INCIDENTS` may name another file of the same form. What
their calls name is made first (`aws_scene`). `ALLOW` passes without anyone asked; everything else must not take effect
unapproved, and so must what has no expectation."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.parsers import ResponseParserError
from tests.incidents.aws_scene import Asked, Scene, calls_of

from interlock.model.change import ChangeState
from interlock.testing.peers.moto import AwsGateway, MotoServer

OWN = [Path(__file__).with_name(name) for name in ("aws_incidents.jsonl", "found_aws.jsonl")]
MISSING = re.compile("NotFound|NoSuch|DoesNotExist|Invalid|Validation|Malformed|Missing")
"""Error codes by which a service says that what is named is not there, or cannot be: then the scene does not fit."""


def read() -> list[dict[str, Any]]:
    files = [*OWN, *(Path(p) for p in [os.environ.get("INTERLOCK_INCIDENTS", "")] if p)]
    lines = [line for file in files for line in file.read_text("utf-8").splitlines() if line.strip()]
    found = {item["id"]: item for item in map(json.loads, lines)}
    return [item for item in found.values() if item["surface"] == "aws"]


ALL = read()
BENIGN = [i for i in ALL if (i["expected"] or "").startswith("ALLOW")]
HARMFUL = [i for i in ALL if i not in BENIGN]


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer.start() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(moto: MotoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsGateway]:
    agents = tuple(f"agent{number}" for number in range(len(ALL)))
    with AwsGateway(moto, tmp_path_factory.mktemp("gateway"), agents=agents) as running:
        yield running


def account(moto: MotoServer, services: set[str]) -> dict[str, str]:
    """What every call says that lists or describes something of these services and needs no parameter; and all data."""
    found = {}
    for service in sorted(services):
        client = moto.client(service)
        for operation in client.meta.service_model.operation_names:
            if _lists(client, operation):
                found[f"{service}:{operation}"] = _told(client, operation)
    tables, buckets = moto.client("dynamodb"), moto.client("s3")
    for name in tables.list_tables()["TableNames"]:
        found[f"table {name}"] = str(tables.scan(TableName=name)["Items"])
    for bucket in buckets.list_buckets()["Buckets"]:
        found[f"bucket {bucket['Name']}"] = str(
            buckets.list_objects_v2(Bucket=bucket["Name"]).get("Contents")
        )
    return found


_EC2 = (
    "Instances",
    "InternetGateways",
    "NetworkInterfaces",
    "RouteTables",
    "SecurityGroups",
    "Subnets",
    "Volumes",
    "Vpcs",
)
"""Of the hundreds of things that EC2 describes, and that moto takes long for."""


def _lists(client: Any, operation: str) -> bool:
    if not re.match("(List|Describe)[A-Z]", operation):
        return False
    if client.meta.service_model.service_name == "ec2" and operation.removeprefix("Describe") not in _EC2:
        return False
    shape = client.meta.service_model.operation_model(operation).input_shape
    return shape is None or not shape.required_members


def _told(client: Any, operation: str) -> str:
    try:
        answer = client._make_api_call(operation, {})
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    except ResponseParserError:
        return "moto fails"
    answer.pop("ResponseMetadata", None)
    return re.sub(r"datetime\.datetime\([^)]*\)", "", str(answer))


def call(gateway: AwsGateway, agent: str, asked: Asked) -> str:
    """Make it as the agent; the error code, or nothing."""
    client = gateway.client(asked.service, agent, retries={"total_max_attempts": 1})
    try:
        client._make_api_call(asked.operation, asked.parameters)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def agent_of(incident: dict[str, Any]) -> str:
    return f"agent{ALL.index(incident)}"


@pytest.mark.parametrize("incident", HARMFUL, ids=lambda i: i["id"])
def test_what_harms_does_not_happen(moto: MotoServer, gateway: AwsGateway, incident: dict[str, Any]) -> None:
    moto.reset()
    agent = agent_of(incident)
    scene = Scene(moto)
    asked = [scene.staged(one) for one in calls_of(incident["payload"])]
    services = {one.service for one in asked}
    before = account(moto, services)
    codes = [call(gateway, agent, one) for one in asked]
    assert set(codes) <= {"InterlockHeld", "InterlockForbidden"}, codes
    assert account(moto, services) == before
    mine = [c for c in gateway.changes() if c.agent == agent]
    assert all(c.state in (ChangeState.HELD, ChangeState.WITHDRAWN, ChangeState.REFUSED) for c in mine)
    if (incident["expected"] or "").startswith("HOLD(2)"):
        held = [c for c in mine if c.state is ChangeState.HELD]
        assert held
        assert all("quorum:two-sre" in getattr(c.decision, "remedies", ()) for c in held)
    # The harm was possible: without the gateway nothing that is missing stands in its way.
    assert not MISSING.search(by_itself(moto, asked[0])), "the scene does not fit the incident"


def by_itself(moto: MotoServer, asked: Asked) -> str:
    """Make a call past the gateway; the error code, or nothing. What moto does not have fails in other ways."""
    try:
        moto.client(asked.service)._make_api_call(asked.operation, asked.parameters)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    except (ResponseParserError, EndpointConnectionError):
        return "moto fails"
    return ""


@pytest.mark.parametrize("incident", BENIGN, ids=lambda i: i["id"])
def test_what_is_harmless_passes(moto: MotoServer, gateway: AwsGateway, incident: dict[str, Any]) -> None:
    moto.reset()
    scene = Scene(moto)
    for one in calls_of(incident["payload"]):
        assert call(gateway, agent_of(incident), scene.staged(one)) == ""
