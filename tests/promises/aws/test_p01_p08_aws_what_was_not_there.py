"""P1 and P8 at AWS for calls about what is not there: by the time of the call it may be, and no transaction tells. So they are
recorded before they are made, and stop at breakers, like all others."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.faults.aws.conftest import Place
from tests.faults.aws.faulty import Faulty

from interlock.model.change import ChangeState
from interlock.testing.peers.moto import AwsGateway, MotoServer

ABSENT: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a table": ("dynamodb", "DeleteTable", {"TableName": "{}"}),
    "an item": ("dynamodb", "DeleteItem", {"TableName": "{}", "Key": {"id": {"S": "7"}}}),
    "a bucket": ("s3", "DeleteBucket", {"Bucket": "{}"}),
    "an object": ("s3", "DeleteObject", {"Bucket": "{}", "Key": "k9"}),
    "a database": ("rds", "DeleteDBInstance", {"DBInstanceIdentifier": "{}", "SkipFinalSnapshot": True}),
    "a role": ("iam", "DeleteRole", {"RoleName": "{}"}),
    "a catalog": ("glue", "DeleteDatabase", {"Name": "{}"}),
    "of any kind": (
        "cloudcontrol",
        "DeleteResource",
        {"TypeName": "AWS::DynamoDB::Table", "Identifier": "{}"},
    ),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Nothing is given up early here: it is the calls that arrive that are looked at."""
    folder = tmp_path_factory.mktemp("gateway")
    with (
        MotoServer.start() as moto,
        Faulty(moto.port) as aws,
        AwsGateway(aws.url, folder, agents=()) as gateway,
    ):
        yield Place(moto, aws, gateway)


@pytest.fixture
def place(served: Place) -> Place:
    served.renew()
    return served


def call(place: Place, what: str) -> str:
    """The error code, or nothing."""
    service, operation, parameters = ABSENT[what]
    given = {name: place.name if value == "{}" else value for name, value in parameters.items()}
    try:
        place.client(service)._make_api_call(operation, given)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


@pytest.mark.parametrize("what", ABSENT)
def test_nothing_is_sent_while_the_environment_is_frozen(place: Place, what: str) -> None:
    place.gateway.freeze()
    try:
        assert call(place, what).startswith("Interlock")
    finally:
        place.gateway.thaw()
    assert place.aws.forwarded(place.name) == []


@pytest.mark.parametrize("what", ABSENT)
def test_what_is_sent_was_recorded(place: Place, what: str) -> None:
    call(place, what)
    if not place.aws.forwarded(place.name):
        return
    change = place.changes()[0]
    assert change.state in (ChangeState.APPLIED, ChangeState.FAILED, ChangeState.IN_DOUBT)
    assert [entry for entry in place.gateway.entries("intent") if change.id in str(entry)]
