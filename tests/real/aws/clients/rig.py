"""An account in moto, a gateway with the default guardrails before it, and programs that work there as an agent."""

import itertools
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from interlock.model.change import Change, ChangeState
from interlock.testing.peers.moto import AwsGateway, MotoServer

_NUMBERS = itertools.count(1)
PATIENCE_S = 120
"""How long a program may take before it is called hung."""
ITEM = {"id": {"S": "1"}, "v": {"S": "one"}}


@dataclass(frozen=True, slots=True)
class Ran:
    """What a program came to. All of these are text."""

    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err


class Cloud:
    """See the module. Each test has an empty account and an agent of its own, named `agent`."""

    def __init__(self, moto: MotoServer, gateway: AwsGateway) -> None:
        self.moto, self.gateway = moto, gateway
        self.agent = ""

    def fresh(self) -> None:
        self.moto.reset()
        self.agent = f"agent-{next(_NUMBERS)}"
        self.gateway.add_agent(self.agent)

    # -- as the agent

    def environment(self) -> dict[str, str]:
        return {**self.gateway.environment(self.agent), "AWS_PAGER": "", "LC_ALL": "C.UTF-8"}

    def client(self, service: str, **config: Any) -> Any:
        """boto3, through the gateway."""
        return self.gateway.client(service, self.agent, **config)

    def run(
        self,
        words: Sequence[str],
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Ran:
        """A program, through the gateway."""
        done = subprocess.run(
            words,
            cwd=folder,
            env={**self.environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def aws(self, *words: str, folder: Path | None = None) -> Ran:
        """The AWS CLI, through the gateway."""
        return self.run([str(Path(sys.executable).with_name("aws")), *words], folder=folder)

    def service_url(self, service: str) -> str:
        """The service's own endpoint at the gateway."""
        return f"http://127.0.0.1:{self.gateway.port}/~/{service}"

    # -- past the gateway

    def direct(self, service: str) -> Any:
        return self.moto.client(service)

    def bucket(self, name: str, objects: Mapping[str, bytes] = {}) -> None:  # never changed
        """Make one whose objects have no access lists, as is usual since 2023 (moto has none for uploads in parts)."""
        s3 = self.direct("s3")
        s3.create_bucket(Bucket=name, ObjectOwnership="BucketOwnerEnforced")
        for key, body in objects.items():
            s3.put_object(Bucket=name, Key=key, Body=body)

    def objects(self, bucket: str) -> dict[str, bytes]:
        s3 = self.direct("s3")
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
        return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    def table(self, name: str, items: int = 1) -> None:
        dynamodb = self.direct("dynamodb")
        dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        for number in range(1, items + 1):
            dynamodb.put_item(TableName=name, Item={"id": {"S": str(number)}, "v": {"S": f"v{number}"}})

    def tables(self) -> list[str]:
        names: list[str] = self.direct("dynamodb").list_tables()["TableNames"]
        return names

    # -- changes of this test's agent

    def changes(self, *states: ChangeState) -> list[Change]:
        """Newest first."""
        return [change for change in self.gateway.changes(*states) if change.agent == self.agent]

    def held(self) -> Change:
        """The one that waits."""
        (change,) = self.changes(ChangeState.HELD)
        return change

    def verbs(self, *states: ChangeState) -> list[str]:
        """What the changes call, oldest first."""
        return [op.verb for change in reversed(self.changes(*states)) for op in change.operations]


def error_of(caught: ClientError) -> Mapping[str, Any]:
    """The Error member of what a client raises."""
    told: Mapping[str, Any] = caught.response["Error"]
    return told


class Counted:
    """How many requests a client has sent."""

    def __init__(self, client: Any) -> None:
        self.sent = 0
        client.meta.events.register("before-send", self._count)

    def _count(self, **_: Any) -> None:
        self.sent += 1
