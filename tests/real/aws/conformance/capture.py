"""Requests as boto3 would send them: its own client makes, prepares and signs each, and it is caught before it leaves."""

import functools
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import botocore.session
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from botocore.loaders import Loader
from botocore.model import OperationModel

from interlock.connectors.aws.codec import Asked

_SCOPE = re.compile(r"Credential=[^/]+/\d+/(?:([^/]*)/)?([^/]+)/aws4_request")
HOST = "http://127.0.0.1:4566"


class Caught(Exception):
    """Carries a request out of the client."""

    def __init__(self, request: AWSPreparedRequest) -> None:
        self.request = request


class Sent(NamedTuple):
    """A request, and the parameters of which the client made it (it adds idempotency tokens and the like)."""

    asked: Asked
    parameters: dict[str, Any]


class _Speaking(Loader):  # type: ignore[misc]  # botocore has no types
    """Loads models as if their services spoke one protocol only."""

    def __init__(self, protocol: str) -> None:
        super().__init__()
        self._protocol = protocol

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        model = super().load_service_model(service_name, type_name, api_version)
        if type_name == "service-2":
            about = {**model["metadata"], "protocol": self._protocol, "protocols": [self._protocol]}
            return {**model, "metadata": about}
        return model


@functools.cache
def session_speaking(protocol: str = "") -> botocore.session.Session:
    """A session whose clients speak a protocol, or the one that botocore prefers; kept, since it keeps the models."""
    session = botocore.session.Session()
    if protocol:
        session.register_component("data_loader", _Speaking(protocol))
    return session


class Client:
    """A client of one service. `own` tells whether it uses the service's own endpoint, or the one for all."""

    def __init__(self, session: botocore.session.Session, service: str, own: bool) -> None:
        self._service, self._own = service, own
        model = session.get_service_model(service)
        # Where a service wants a token or a signature of version 4a, the request is the same but for that.
        other = model.signature_version == "bearer" or service == "cloudfront-keyvaluestore"
        unsigned = {"signature_version": UNSIGNED} if other else {}
        url = f"{HOST}/~/{service}" if own else HOST
        self._client = session.create_client(
            service,
            region_name="us-east-1",
            endpoint_url=url,
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="example",
            config=Config(inject_host_prefix=False, retries={"total_max_attempts": 1}, **unsigned),
        )
        self._client.meta.events.register_last("before-send.*", self._catch)
        self._seen: dict[str, Any] = {}
        self._watch(self._client._serializer)

    def _watch(self, serializer: Any) -> None:
        make = serializer.serialize_to_request

        def watched(parameters: dict[str, Any], operation: OperationModel) -> Any:
            self._seen = parameters
            return make(parameters, operation)

        serializer.serialize_to_request = watched

    @staticmethod
    def _catch(request: AWSPreparedRequest, **_: Any) -> None:
        raise Caught(request)

    def operations(self) -> Iterator[OperationModel]:
        """The operations of the service."""
        model = self._client.meta.service_model
        return (model.operation_model(name) for name in model.operation_names)

    def send(self, operation: OperationModel, parameters: dict[str, Any]) -> Sent:
        """What the client would send."""
        try:
            self._client._make_api_call(operation.name, parameters)
        except Caught as caught:
            return Sent(asked_of(caught.request, self._service if self._own else ""), self._seen)
        raise AssertionError("the request was not caught")


def asked_of(request: AWSPreparedRequest, endpoint: str = "") -> Asked:
    """A prepared request as the gateway's session hands it to the codec."""
    url = urlsplit(request.url)
    path = url.path.removeprefix(f"/~/{endpoint}") if endpoint else url.path
    headers = tuple((name.lower(), _text(value)) for name, value in request.headers.items())
    scope = _SCOPE.search(dict(headers).get("authorization", ""))
    region, name = scope.groups() if scope else ("", "")
    return Asked(
        request.method,
        path,
        url.query,
        headers,
        _bytes(request.body),
        signing_name=name or "",
        region=region or "",
        endpoint=endpoint,
        host=url.netloc,
    )


def _bytes(body: Any) -> bytes:
    if isinstance(body, str):
        return body.encode()
    return bytes(body or b"") if isinstance(body, bytes | bytearray | None) else bytes(body.read())


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
