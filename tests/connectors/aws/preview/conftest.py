"""moto as the account, and questions to it over botocore."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer
from msgspec import structs

from interlock.connectors.aws.call import Call, CallFailed, Classified, Described, Quiet
from interlock.connectors.aws.classify import Scope, classify
from interlock.connectors.aws.preview import Seen, describe
from interlock.connectors.aws.verbs.levels import installed_levels
from interlock.model.operation import Action, Resource

REGION, ACCOUNT = "eu-west-1", "123456789012"


class BotocoreCalls:
    """`Calls` as the connector's own upstream answers them; it counts what is asked."""

    region, account, partition = REGION, ACCOUNT, "aws"

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.asked: list[str] = []
        self.failing: dict[str, CallFailed] = {}

    def client(self, service: str) -> Any:
        """The tests' own client, for setting things up as well."""
        return _client(self.endpoint, service)

    async def ask(
        self, service: str, operation: str, parameters: Mapping[str, Any] | None = None, *, region: str = ""
    ) -> dict[str, Any]:
        self._about(service, operation)
        client = self.client(service)
        method = _methods(client)[operation]
        try:
            answer: dict[str, Any] = getattr(client, method)(**(parameters or {}))
        except ClientError as error:
            raise _failed(error) from error
        answer.pop("ResponseMetadata", None)
        return {name: value.read() if hasattr(value, "read") else value for name, value in answer.items()}

    async def pages(
        self,
        service: str,
        operation: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        key: str,
        limit: int = 10_000,
        region: str = "",
    ) -> tuple[list[Any], bool]:
        client = self.client(service)
        method = _methods(client)[operation]
        if not client.can_paginate(method):
            found = list((await self.ask(service, operation, parameters)).get(key) or [])
            return found[:limit], len(found) > limit
        self._about(service, operation)
        met: list[Any] = []
        try:
            for page in client.get_paginator(method).paginate(**(parameters or {})):
                met += page.get(key) or []
                if len(met) > limit:
                    return met[:limit], True
        except ClientError as error:
            raise _failed(error) from error
        return met, False

    def _about(self, service: str, operation: str) -> None:
        self.asked.append(f"{service}:{operation}")
        if operation in self.failing:
            raise self.failing[operation]


@cache
def _session() -> botocore.session.Session:
    return botocore.session.Session()


@cache
def _client(endpoint: str, service: str) -> Any:
    return _session().create_client(
        service,
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def _methods(client: Any) -> Mapping[str, str]:
    return {operation: method for method, operation in client.meta.method_to_api_mapping.items()}


def _failed(error: ClientError) -> CallFailed:
    said: Mapping[str, Any] = error.response
    told = said["Error"]
    return CallFailed(
        told.get("Code", ""), said["ResponseMetadata"]["HTTPStatusCode"], told.get("Message", "")
    )


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def calls(moto_endpoint: str) -> BotocoreCalls:
    import urllib.request

    urllib.request.urlopen(f"{moto_endpoint}/moto-api/reset", data=b"")
    return BotocoreCalls(moto_endpoint)


def classified(
    service: str,
    operation: str,
    parameters: Mapping[str, Any],
    *,
    action: Action | None = None,
    resources: Sequence[Resource] = (),
    quiet: Sequence[Quiet] | None = None,
) -> Classified:
    """As the reviewed tables have it; or as the test says."""
    call = Call(service, operation, REGION, ACCOUNT, parameters)
    what = classify(call, Scope("production", ACCOUNT, region=REGION), installed_levels())
    found = what.operation
    found = structs.replace(
        found, action=action or found.action, resources=tuple(resources) or found.resources
    )
    return structs.replace(what, operation=found, quiet=what.quiet if quiet is None else tuple(quiet))


Describe = Callable[..., Described]


@pytest.fixture
def described(calls: BotocoreCalls) -> Describe:
    """What `describe` says of a call."""

    def run(
        service: str, operation: str, seen: Seen | None = None, own: Sequence[str] = (), **given: Any
    ) -> Described:
        parameters = given.pop("parameters", {})
        what = classified(service, operation, parameters, **given)
        return asyncio.run(describe(what, calls, seen or Seen(), own))

    return run
