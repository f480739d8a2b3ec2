"""What goes into the codec and what comes out: a request as it came, what it was understood as, and why it was not."""

import re

from interlock.connectors.aws.call import Call
from interlock.model.base import Value
from interlock.model.errors import InterlockError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}", re.ASCII)
UNKNOWN = "UnknownOperationException"
MALFORMED = "SerializationException"


class Asked(Value, frozen=True):
    """A request as it came, its signature verified or not: sans-io."""

    method: str
    path: str
    """Raw, still percent-encoded, without the query."""
    query: str
    """Raw, without the question mark."""
    headers: tuple[tuple[str, str], ...]
    """Names in lower case, in the order in which they came."""
    body: bytes
    """Empty when `streams`."""
    streams: bool = False
    """The body was not read: it is long."""
    signing_name: str = ""
    """The service in the credential scope (AWS General Reference, "Signature Version 4")."""
    region: str = ""
    """The region in the credential scope."""
    endpoint: str = ""
    """botocore's name of the service, when the client used its own endpoint (base path `/~/<service>`, taken off already)."""
    host: str = ""
    """The Host header, with or without a port."""


class Understood(Value, frozen=True):
    """What a request is. `candidates` are the services for which the same request means the same (rds, docdb, neptune).

    `path` is the path of a REST request as it was read, still encoded: in S3's path style, whatever host named the bucket. What is
    sent on must be sent to this path, or be made of the parameters.
    """

    call: Call
    protocol: str
    candidates: tuple[str, ...]
    path: str = ""


class Unclear(InterlockError):
    """The request is refused because it has no meaning, or more than one.

    `code` is an AWS error code; `protocol` and `service` say in whose envelope to answer, and are empty when that isn't known.
    The message names members of the model and never a value.
    """

    def __init__(self, message: str, code: str = MALFORMED, protocol: str = "", service: str = "") -> None:
        super().__init__(message)
        self.code, self.protocol, self.service = code, protocol, service
        self.operation = ""
        self.rank: tuple[int, ...] | None = None
        """How specific the route to the operation was; None when there was no operation."""

    def of(
        self, protocol: str, service: str, operation: str = "", rank: tuple[int, ...] | None = None
    ) -> "Unclear":
        """The same, with what has become known meanwhile."""
        told = Unclear(str(self), self.code, self.protocol or protocol, self.service or service)
        told.operation, told.rank = operation, rank
        return told


def shown(name: str) -> str:
    """A name that the client chose, fit for a message: only what looks like a name of a model is repeated."""
    return f"`{name}`" if _NAME.fullmatch(name) else "of that name"
