"""moto behind a server that breaks what it is told to, and a gateway in front of both; each test has an agent of its own."""

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tests.faults.aws.faulty import Faulty

from interlock.connectors.aws.upstream import AwsCalls
from interlock.model.change import Change, ChangeState
from interlock.runtime.background.tickers import Chores
from interlock.runtime.rules import directory
from interlock.testing.peers.moto import REGION, AwsGateway, MotoServer

_NUMBERS = itertools.count(1)
ANSWER_S = 2
"""Seconds until the gateway gives an answer up. Hangs are made on purpose, so this costs time in some tests."""


class Place:
    """The account, its faults, its gateway. `agent` is one of which nothing was recorded yet; `name` is a name for things."""

    def __init__(self, moto: MotoServer, aws: Faulty, gateway: AwsGateway) -> None:
        self.moto, self.aws, self.gateway = moto, aws, gateway
        self.agent = self.name = ""
        self.environment: dict[str, str] = {}
        self._direct: dict[str, Any] = {}

    def renew(self) -> None:
        self.name = f"thing-{next(_NUMBERS)}"
        self.agent = f"agent-{self.name}"
        self.gateway.add_agent(self.agent)
        self.aws.heal()

    def client(self, service: str, **config: Any) -> Any:
        """boto3 as the agent; one attempt, unless told otherwise."""
        config.setdefault("retries", {"total_max_attempts": 1})
        return self.gateway.client(service, self.agent, **config)

    def client_at(self, port: int, service: str) -> Any:
        """boto3 as the agent of `environment`, at a gateway that is a process."""
        return boto3.client(
            service, region_name=REGION, endpoint_url=f"http://127.0.0.1:{port}/~/{service}",
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            config=Config(
                retries={"total_max_attempts": 1}, inject_host_prefix=False, s3={"addressing_style": "path"}
            ),
        )  # fmt: skip

    def direct(self, service: str) -> Any:
        """boto3 past the gateway and the faults."""
        if service not in self._direct:
            self._direct[service] = self.moto.client(service)
        return self._direct[service]

    def changes(self, *states: ChangeState) -> list[Change]:
        """The agent's own."""
        return [c for c in self.gateway.changes(*states) if c.agent == self.agent]

    def recover(self) -> None:
        """What a gateway does at its start about calls of which nobody knows what became."""
        self.gateway.run(Chores(self.gateway.runtime.core).recover(starting=True))

    def executing(self) -> bool:
        """Whether anything is under way."""
        return bool(self.gateway.runtime.core.executing)

    def held(self) -> Change:
        (change,) = self.changes(ChangeState.HELD)
        return change

    def approved(self) -> str:
        """The change that waits, approved."""
        change = self.held()
        self.gateway.approve(change.id)
        return change.id

    def table(self, items: int = 3) -> str:
        """A table in the account, with some items."""
        db = self.direct("dynamodb")
        db.create_table(
            TableName=self.name, BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        )  # fmt: skip
        for number in range(items):
            db.put_item(TableName=self.name, Item={"id": {"S": str(number)}, "v": {"S": f"old-{number}"}})
        return self.name

    def bucket(self, objects: int = 3) -> str:
        """A bucket in the account, with some objects."""
        s3 = self.direct("s3")
        s3.create_bucket(Bucket=self.name)
        for number in range(objects):
            s3.put_object(Bucket=self.name, Key=f"k{number}", Body=f"old-{number}".encode())
        return self.name

    def stored(self) -> list[str]:
        """What is in the bucket."""
        pages = self.direct("s3").get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def item(self, key: str) -> str | None:
        """The value of an item of the table."""
        found = self.direct("dynamodb").get_item(TableName=self.name, Key={"id": {"S": key}}).get("Item")
        return found["v"]["S"] if found else None


@pytest.fixture(autouse=True, scope="session")
def patient() -> None:
    """A busy machine is no lost store."""
    directory.STALE = 60.0


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    with MotoServer.start() as server:
        server.client(
            "sts"
        ).get_caller_identity()  # the first call of a service loads it, which may take longer than `ANSWER_S`
        yield server


@pytest.fixture(scope="session")
def place_of_all(moto: MotoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("aws-faults")
    keys = {"limits": {"answer_timeout_s": ANSWER_S, "connect_timeout_s": 2}}
    with Faulty(moto.port) as aws, AwsGateway(aws.url, folder, keys=keys) as gateway:
        yield Place(moto, aws, gateway)


async def _at_once(calls: AwsCalls, attempt: int) -> None:
    await asyncio.sleep(0)


@pytest.fixture
def place(place_of_all: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """One for all, with a new agent. Questions that are asked again are asked at once."""
    monkeypatch.setattr(AwsCalls, "pause", _at_once)
    place_of_all.renew()
    yield place_of_all
    place_of_all.aws.heal()


def told(caught: Any) -> tuple[str, int, dict[str, Any]]:
    """Code, status and the whole of an error that boto3 raised."""
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response
