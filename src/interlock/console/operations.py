"""What an operation of the API is: one row of the table that routes requests and writes the OpenAPI document."""

import enum
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar

from interlock.console.callers import Caller
from interlock.console.monitoring.metrics import Metrics
from interlock.console.waiting import Gone, Waiting
from interlock.model.base import Value
from interlock.runtime.runtime import Runtime

Q = TypeVar("Q")
B = TypeVar("B")
V1 = "/api/v1"
"""Where the operations for people are."""


class Access(enum.Enum):
    """Who may ask. Whoever may not know of a resource gets the answer that it does not exist."""

    PUBLIC = "public"
    """Anyone who reaches the port."""
    AGENT = "agent"
    """An agent with its token, about what is its own."""
    PERSON = "person"
    """An enabled person with a signed request, or the admin socket."""
    ADMIN = "admin"
    """A person of the group `admin` with a signed request, or the admin socket."""


class Nothing(Value, frozen=True):
    """No query parameters, or an empty body."""


class Call(Generic[Q, B]):
    """One request, decoded and with its caller known."""

    __slots__ = ("body", "caller", "gone", "metrics", "path", "query", "runtime", "waiting")

    def __init__(
        self,
        runtime: Runtime,
        metrics: Metrics,
        caller: Caller,
        path: Mapping[str, str],
        query: Q,
        body: B,
        *,
        waiting: Waiting,
        gone: Gone,
    ) -> None:
        self.runtime, self.metrics, self.caller = runtime, metrics, caller
        self.path, self.query, self.body = path, query, body
        self.waiting, self.gone = waiting, gone


class Raw(Value, frozen=True):
    """An answer that is not JSON, or whose bytes are fixed."""

    data: bytes
    media: str
    status: int = 200
    immutable: bool = False


class Operation(Value, frozen=True, kw_only=True):
    """One row. `id` is the operationId; `path` has `{name}` for a parameter and `{name:path}` for one that may hold slashes;
    `answer` is what a 2xx holds, None for an answer of `media` that is not JSON."""

    id: str
    method: str
    path: str
    access: Access
    summary: str
    handler: Callable[[Call[Any, Any]], Awaitable[object]]
    answer: Any = None
    media: str = "application/json"
    query: type[Value] = Nothing
    body: type[Value] | None = None
    status: int = 200
    tag: str = ""
    proposes: bool = False
    """Whether it loosens: in governed mode it may be held for admins, which is answered with 202 and a `schemas.governed.Held`."""
    light: bool = False
    """Whether it only tightens, comments, or carries its own signature: a session that began without a passkey suffices."""
    page: str = ""
    """Where people see it: a browser without credentials of an agent or a key that wants a page is sent there (303)."""
    also: tuple[int, ...] = ()
    """Statuses beyond the usual ones that answer with the same schema (health: 503)."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the path's parameters, in order."""
        return tuple(re.findall(r"\{(\w+)(?::path)?\}", self.path))

    @property
    def openapi_path(self) -> str:
        """The path as OpenAPI writes it."""
        return self.path.replace(":path}", "}")
