"""Calls of the gateway's own: implements `call.Calls` with botocore clients, in threads."""

import asyncio
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    WaiterError,
)
from botocore.parsers import ResponseParserError

from interlock.connectors.aws.call import CallFailed
from interlock.connectors.aws.upstream.endpoints import Endpoints
from interlock.model.errors import Misconfigured, Unavailable

OF_SIGNER = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UnrecognizedClientException",
    }
)
"""Codes about the key, token or signature of a request ("Common errors" in the API references, "List of error codes" of S3):
those of what is sent to AWS are the gateway's own. S3 repeats key and token in them."""
LONGEST = 64 << 20
"""Bytes of a streamed answer that are read."""

_RENEWING = frozenset(("AssumeRole", "AssumeRoleWithWebIdentity", "GetRoleCredentials"))
"""Calls that botocore makes by itself within another one, and the gateway never."""
_ERRORS = (ClientError, BotoCoreError, ResponseParserError)
"""The last: an answer that isn't the service's, as a proxy's page."""


class AwsCalls:
    """See `call.Calls`."""

    def __init__(
        self, endpoints: Endpoints, region: str, account: str, partition: str, trash_bucket: str = ""
    ) -> None:
        self._endpoints = endpoints
        self.region, self.account, self.partition = region, account, partition
        self.trash_bucket = trash_bucket

    def at(self, region: str) -> "AwsCalls":
        """The same in another region."""
        return AwsCalls(self._endpoints, region, self.account, self.partition, self.trash_bucket)

    async def ask(
        self, service: str, operation: str, parameters: Mapping[str, Any] | None = None, *, region: str = ""
    ) -> dict[str, Any]:
        """See `call.Calls`."""
        return await asyncio.to_thread(self._ask, service, operation, dict(parameters or {}), region)

    def _ask(self, service: str, operation: str, parameters: dict[str, Any], region: str) -> dict[str, Any]:
        client = self._endpoints.client(service, region or self.region)
        try:
            answer: dict[str, Any] = client._make_api_call(operation, parameters)
            answer.pop("ResponseMetadata", None)
            return {name: _read(value) for name, value in answer.items()}
        except _ERRORS as error:
            raise self._failed(error, f"{service}:{operation}") from None

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
        """See `call.Calls`. An operation without a paginator is asked once."""
        return await asyncio.to_thread(
            self._pages, service, operation, dict(parameters or {}), key, limit, region
        )

    def _pages(
        self, service: str, operation: str, parameters: dict[str, Any], key: str, limit: int, region: str
    ) -> tuple[list[Any], bool]:
        client = self._endpoints.client(service, region or self.region)
        method = _method(client, operation)
        if not client.can_paginate(method):
            found = list(self._ask(service, operation, parameters, region).get(key) or [])
            return found[:limit], len(found) > limit
        items: list[Any] = []
        try:
            for page in client.get_paginator(method).paginate(**parameters):
                items += page.get(key) or []
                if len(items) > limit:
                    return items[:limit], True
        except _ERRORS as error:
            raise self._failed(error, f"{service}:{operation}") from None
        return items, False

    async def wait(
        self, service: str, waiter: str, parameters: Mapping[str, Any], *, region: str = ""
    ) -> None:
        """Wait, with botocore's own waiter of that name, until the service says so. Raises CallFailed, Unavailable."""
        await asyncio.to_thread(self._wait, service, waiter, dict(parameters), region)

    async def pause(self, attempt: int) -> None:
        """Let some time pass before asking again."""
        await asyncio.sleep(min(0.2 * 1.5**attempt, 10.0))

    async def download(self, url: str, *, limit: int) -> bytes:
        """Fetch what an answer points to, without credentials. Raises CallFailed."""
        return await self._endpoints.download(url, limit)

    def _wait(self, service: str, waiter: str, parameters: dict[str, Any], region: str) -> None:
        client = self._endpoints.client(service, region or self.region)
        try:
            client.get_waiter(waiter).wait(**parameters)
        except _ERRORS as error:
            raise self._failed(error, f"{service}: {waiter}") from None

    def _failed(self, error: Exception, what: str) -> Exception:
        code = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
        if isinstance(error, ClientError) and error.operation_name in _RENEWING:
            # Whatever STS says of the role is no answer of the service: nothing is known of what was asked.
            return Unavailable(f"{what}: the gateway's AWS credentials cannot be renewed ({code})")
        if code in OF_SIGNER:
            self._endpoints.forget()
            return Unavailable(f"{what}: AWS refuses the gateway's own credentials ({code})")
        return _failed(error, what)


def _read(value: Any) -> Any:
    if not hasattr(value, "read"):
        return value
    data = value.read(LONGEST + 1)
    value.close()
    if len(data) > LONGEST:
        raise CallFailed("TooLarge", 413)
    return data


def _method(client: Any, operation: str) -> str:
    return next((m for m, o in client.meta.method_to_api_mapping.items() if o == operation), operation)


def _failed(error: Exception, what: str) -> Exception:
    """The same without anything that might repeat what was sent."""
    if isinstance(error, ResponseParserError):
        return CallFailed("UnreadableAnswer", 502)
    if isinstance(error, ClientError):
        told = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return CallFailed(str(told.get("Code", "Unknown")), int(status), str(told.get("Message", "")))
    if isinstance(error, ParamValidationError):
        return CallFailed("ParamValidation", 400)
    if isinstance(error, NoCredentialsError):
        return Misconfigured("the gateway has no AWS credentials of its own")
    if isinstance(error, WaiterError):
        return CallFailed("WaiterError", 504)
    return Unavailable(f"{what}: AWS did not answer ({type(error).__name__})")
