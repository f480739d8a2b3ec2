"""What the gateway's own calls may offer besides `Calls`; and such calls in the region of the original one."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from interlock.connectors.aws.call import CallFailed, Calls


@runtime_checkable
class Waits(Protocol):
    """Calls that can wait: nothing here has a clock."""

    async def wait(
        self, service: str, waiter: str, parameters: Mapping[str, Any], *, region: str = ""
    ) -> None:
        """Wait as botocore's waiter of that name does. Raises CallFailed when it gives up."""

    async def pause(self, attempt: int) -> None:
        """Let some time pass before asking again, for the `attempt`-th time (from 0); longer from time to time."""


@runtime_checkable
class Downloads(Protocol):
    """Calls that can fetch what an answer points to (the code of a function)."""

    async def download(self, url: str, *, limit: int) -> bytes:
        """Fetch a presigned address of the provider, without credentials. Raises CallFailed, also when it is more than `limit`
        bytes (`TooLarge`)."""


@runtime_checkable
class Keeps(Protocol):
    """Calls of a target that names its own bucket for copies of objects."""

    trash_bucket: str


class Here:
    """Calls in one region, when they name no other."""

    def __init__(self, calls: Calls, region: str) -> None:
        self.calls = calls
        self.region = region or calls.region
        self.account, self.partition = calls.account, calls.partition
        self.trash_bucket = calls.trash_bucket if isinstance(calls, Keeps) else ""

    async def ask(
        self, service: str, operation: str, parameters: Mapping[str, Any] | None = None, *, region: str = ""
    ) -> dict[str, Any]:
        """As `Calls.ask`."""
        return await self.calls.ask(service, operation, parameters, region=region or self.region)

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
        """As `Calls.pages`."""
        where = region or self.region
        return await self.calls.pages(service, operation, parameters, key=key, limit=limit, region=where)

    async def download(self, url: str, *, limit: int) -> bytes:
        """As `Downloads.download`. Raises CallFailed when these calls offer none."""
        if not isinstance(self.calls, Downloads):
            raise CallFailed("NotOffered", 501)
        return await self.calls.download(url, limit=limit)

    async def wait(
        self, service: str, waiter: str, parameters: Mapping[str, Any], *, region: str = ""
    ) -> None:
        """As `Waits.wait`."""
        await _waits(self.calls).wait(service, waiter, parameters, region=region or self.region)

    async def pause(self, attempt: int) -> None:
        """As `Waits.pause`."""
        await _waits(self.calls).pause(attempt)


def _waits(calls: object) -> Waits:
    if not isinstance(calls, Waits):
        raise CallFailed("CannotWait", 501)
    return calls
