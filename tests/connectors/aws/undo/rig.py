"""Moto as the account, the gateway's own calls over botocore, and the way of an undo as the gateway goes it."""

import asyncio
import urllib.request
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import botocore.session
import jmespath
import msgspec
import pytest
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from interlock.connectors.aws import undo
from interlock.connectors.aws.call import Call, CallFailed, Classified
from interlock.connectors.aws.undo import store
from interlock.connectors.aws.undo.compare import builtins, missing
from interlock.connectors.aws.undo.names import fill, pick
from interlock.connectors.aws.undo.plan import Plan
from interlock.connectors.aws.undo.result import Completed, Reverted
from interlock.model.operation import Action, Operation

REGION = "eu-central-1"
ACCOUNT = "123456789012"
NONCE = "n0nce"

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end."""
    return asyncio.run(work)


class Account:
    """An account at an endpoint: `interlock.connectors.aws.call.Calls` and `means`, synchronous underneath."""

    partition = "aws"
    region = REGION
    account = ACCOUNT

    def __init__(self, endpoint: str, clients: dict[tuple[str, str], Any] | None = None) -> None:
        self.endpoint = endpoint
        self.session = botocore.session.Session()
        self.clients = {} if clients is None else clients
        self.made: list[str] = []
        self.trash_bucket = ""
        self.failing: dict[str, CallFailed] = {}
        """Calls that fail, by `service:Operation`: what moto can't be made to do."""

    def client(self, service: str, region: str = "") -> Any:
        where = region or self.region
        if (service, where) not in self.clients:
            self.clients[service, where] = self.session.create_client(
                service,
                where,
                endpoint_url=self.endpoint,
                aws_access_key_id="testing",
                aws_secret_access_key="testing",
                config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
            )
        return self.clients[service, where]

    async def ask(
        self, service: str, operation: str, parameters: Mapping[str, Any] | None = None, *, region: str = ""
    ) -> dict[str, Any]:
        return self.say(service, operation, parameters or {}, region=region)

    def say(
        self, service: str, operation: str, parameters: Mapping[str, Any], *, region: str = ""
    ) -> dict[str, Any]:
        """As `ask`, at once."""
        name = f"{service}:{operation}"
        if name in self.failing:
            raise self.failing[name]
        self.made.append(name)
        client = self.client(service, region)
        try:
            answer: dict[str, Any] = client._make_api_call(operation, dict(parameters))
        except ClientError as error:
            said = error.response
            status = said["ResponseMetadata"].get("HTTPStatusCode", 0)
            raise CallFailed(said["Error"]["Code"], status, said["Error"].get("Message", "")) from None
        answer.pop("ResponseMetadata", None)
        return {key: item.read() if hasattr(item, "read") else item for key, item in answer.items()}

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
        client: BaseClient = self.client(service, region)
        self.made.append(f"{service}:{operation}")
        python_name = next(
            name for name, wire in client.meta.method_to_api_mapping.items() if wire == operation
        )
        if not client.can_paginate(python_name):
            items = self.say(service, operation, parameters or {}, region=region).get(key, [])
            return items[:limit], len(items) > limit
        found: list[Any] = []
        try:
            for page in client.get_paginator(python_name).paginate(**(parameters or {})):
                found += jmespath.search(key, page) or []
                if len(found) > limit:
                    break
        except ClientError as error:
            said = error.response
            raise CallFailed(
                said["Error"]["Code"], said["ResponseMetadata"].get("HTTPStatusCode", 0)
            ) from None
        return found[:limit], len(found) > limit

    async def wait(
        self, service: str, waiter: str, parameters: Mapping[str, Any], *, region: str = ""
    ) -> None:
        self.made.append(f"{service}:{waiter}")
        try:
            self.client(service, region).get_waiter(waiter).wait(**parameters)
        except WaiterError:
            raise CallFailed("Waiter", 408) from None

    async def pause(self, attempt: int) -> None:
        if attempt > 50:
            raise CallFailed("NotYet", 408)

    async def download(self, url: str, *, limit: int) -> bytes:
        """What moto names by an address of AWS's own lies in the server's memory."""
        from moto.awslambda.models import lambda_backends

        name = url.rsplit("/", 1)[-1]
        for function in lambda_backends[self.account][self.region].list_functions():
            if function.code.get("S3Key") == name:
                return bytes(function.code_bytes)
        raise CallFailed("NoSuchKey", 404)


def classified(call: Call) -> Classified:
    """A call as classification gives it: undo looks at nothing but the call."""
    return Classified(call, Operation(Action.UPDATE, call.name))


def call_of(service: str, operation: str, parameters: Mapping[str, Any], region: str = REGION) -> Call:
    """A call with its body, if it has one, taken out as the codec does."""
    plain = {name: value for name, value in parameters.items() if (service, name) != ("s3", "Body")}
    return Call(service, operation, region, ACCOUNT, plain)


class Undoing:
    """One call on its way through the gateway. Plan and outcome are packed and unpacked in between."""

    def __init__(self, account: Account, service: str, operation: str, parameters: Mapping[str, Any]) -> None:
        self.account, self.parameters = account, parameters
        self.call = call_of(service, operation, parameters)
        self.plan: Plan = run(undo.plan(classified(self.call), account, NONCE))
        assert store.unpack(store.pack(self.plan), Plan) == self.plan
        self.completed = Completed()

    def make(self) -> dict[str, Any]:
        """Prepare, make the call, complete."""
        saved = run(undo.prepare(self.plan, self.account, {}))
        parameters = {**self.parameters, **self.plan.replaces_call}
        answer = self.account.say(self.call.service, self.call.operation, parameters)
        completed = run(undo.complete(self.plan, answer, self.account, saved))
        self.completed = store.unpack(completed.parts, Completed)
        assert self.completed == completed
        return answer

    def conflicts(self) -> tuple[str, ...]:
        return tuple(str(since) for since in run(undo.conflicts(self.plan, self.completed, self.account)))

    def revert(self, *, force: bool = False) -> Reverted:
        return run(undo.revert(self.plan, self.completed, self.account, force=force))

    def discard(self) -> None:
        run(undo.discard(self.plan, self.completed, self.account))


Asked = tuple[str, str, Mapping[str, Any]]
"""Service, operation, parameters."""
Read = tuple[str, str, Mapping[str, Any], str]
"""Service, operation, parameters, what of the answer."""
Given = tuple[str, str, Mapping[str, Any], Mapping[str, str]]
"""Service, operation, parameters, what is saved of the answer."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """op → revert → compare. `given` makes the world (`saves` as in a step: `{"key": "KeyMetadata.KeyId"}`), `call` is what
    the agent asks, `state` are reading calls and what of their answers is compared. `differs` are members of the state (by
    index) that the plan's caveats name. `${NAME}` stands for what was saved."""

    name: str
    call: Asked
    state: Sequence[Read]
    given: Sequence[Given | Asked] = ()
    kind: str = "full"
    differs: Sequence[int] = ()
    once: bool = False
    """Whether a second revert is refused: what it finds cannot be told from somebody's change."""
    changes: bool = True
    """Whether the call changes what `state` reads: a comparison that cannot fail proves nothing."""


class Known(dict[str, Any]):
    """What was saved; anything else that looks like a name is data."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return f"${{{name}}}"


class World:
    """The account as a case makes and reads it."""

    def __init__(self, account: Account, case: Case) -> None:
        self.account, self.case = account, case
        self.saved = Known()
        for service, operation, parameters, *saves in case.given:
            answer = account.say(service, operation, fill(parameters, self.saved))
            self.saved.update(pick(answer, saves[0] if saves else {}))

    def undoing(self) -> Undoing:
        service, operation, parameters = self.case.call
        return Undoing(self.account, service, operation, fill(parameters, self.saved))

    def state(self) -> list[Any]:
        """What the case compares, as it is now; None where there is no such thing."""
        return [self._read(*read) for read in self.case.state]

    def _read(self, service: str, operation: str, parameters: Mapping[str, Any], select: str) -> Any:
        try:
            answer = self.account.say(service, operation, fill(parameters, self.saved))
        except CallFailed as error:
            if missing(error):
                return None
            raise
        return builtins(jmespath.search(select, answer))


def prove(account: Account, case: Case) -> None:
    """op → revert → compare, and once more: the second revert does nothing, or does the same again."""
    world = World(account, case)
    before = world.state()
    undoing = world.undoing()
    assert (undoing.plan.kind, undoing.plan.reason) == (case.kind, "")
    assert world.state() == before, "planning changes nothing"
    undoing.make()
    assert (world.state() != before) is case.changes
    assert undoing.conflicts() == ()
    for _ in range(1 if case.once else 2):
        assert undoing.revert().failed == ""
        same_as(before, world.state(), case.differs)
        assert bool(undoing.conflicts()) is case.once
    undoing.discard()
    same_as(before, world.state(), case.differs)


def same_as(before: Sequence[Any], now: Sequence[Any], differs: Sequence[int]) -> None:
    """Equal in everything but the places named, and different there: a caveat that isn't true goes."""
    assert len(before) == len(now)
    assert [place for place, pair in enumerate(zip(before, now, strict=True)) if pair[0] != pair[1]] == list(
        differs
    ), (before, now)


def reset(endpoint: str) -> None:
    """Empty moto's accounts."""
    request = urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")
    with urllib.request.urlopen(request):
        pass


def moto_server() -> Iterator[str]:
    """Moto on a free port of loopback."""
    from moto.server import ThreadedMotoServer

    from interlock.testing.peers.moto_process import quicken

    quicken()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        yield f"http://{host}:{port}"
    server.stop()
