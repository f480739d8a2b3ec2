"""What the parts of this connector pass to each other: a call that was understood, what it is, and questions to the account.

Nothing here does I/O: previews and undos ask through `Calls`, which `upstream` implements.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from interlock.model.base import Value
from interlock.model.effect import Effect
from interlock.model.errors import InterlockError
from interlock.model.operation import Operation, Resource


class Call(Value, frozen=True):
    """One API call, as the service's model names things.

    `service` is botocore's name of the service (`s3`, `elbv2`), `operation` the model's (`DeleteBucket`). `parameters` are
    the input members by name, as botocore takes them: structures and maps are dicts, lists are lists, blobs are bytes,
    timestamps are aware datetimes. `streaming` names the member that is the body when it streams (`Body` of PutObject); it
    isn't among the parameters, and `length` is its declared length in bytes (None when it isn't known)."""

    service: str
    operation: str
    region: str
    account: str = ""
    parameters: Mapping[str, Any] = {}
    streaming: str = ""
    length: int | None = None

    @property
    def name(self) -> str:
        """`s3:DeleteBucket`, as people read it."""
        return f"{self.service}:{self.operation}"


class Quiet(Value, frozen=True):
    """A row of the reviewed table that fits a call: it destroys, exposes or blinds without saying so. `kind` is one of
    `expiry`, `backup`, `versioning`, `capacity`, `routing`, `exposure`, `lockout`, `keys`, `audit`, `guard`, `replace`
    (drops what is omitted), `indirect` (runs something now or later), `tags`, `overwrite`, `outage`; `why` is one phrase
    for people, without values."""

    kind: str
    why: str


class Classified(Value, frozen=True):
    """What a call is. `level` is the access level by the service authorization reference (`Read`, `List`, `Write`,
    `Tagging`, `Permissions management`, or empty when no source knows it). `hands_out` tells that its answer holds
    credentials, `discloses` that it holds secrets; `refused` is a sentence when the call is never forwarded, whoever
    approves. `inside` are statements that the call carries (SQL), each an operation of its own."""

    call: Call
    operation: Operation
    level: str = ""
    quiet: tuple[Quiet, ...] = ()
    hands_out: bool = False
    discloses: bool = False
    refused: str = ""
    inside: tuple[Operation, ...] = ()

    @property
    def operations(self) -> tuple[Operation, ...]:
        """All that policy is asked about: the call, and the statements in it."""
        return (self.operation, *self.inside)

    @property
    def resource(self) -> Resource | None:
        """The resource that it is about, if it names one."""
        return self.operation.resources[0] if self.operation.resources else None


class Setting(Value, frozen=True):
    """One value that a call changes, before and after, as people are shown it; secrets are never in it."""

    name: str
    before: str
    after: str


class Described(Value, frozen=True):
    """What a preview found. `effects` have `planned` or `predicted` evidence (never `measured`), and say nothing of undo:
    that is `undo.Plan`'s to say. `state` is whatever of the resource's present state the effects rest on, as canonical JSON
    builtins: its digest is part of what people approve, so that a call whose resource changed meanwhile is held again.
    `notes` are sentences for people."""

    effects: tuple[Effect, ...]
    state: Any = None
    settings: tuple[Setting, ...] = ()
    notes: tuple[str, ...] = ()


class CallFailed(InterlockError):
    """The service answered with an error. `code` is its error code (`NoSuchBucket`, without the `Exception` of a shape's
    name only if the service leaves it out), `status` the HTTP status."""

    def __init__(self, code: str, status: int, message: str = "") -> None:
        super().__init__(f"the service answered {code} ({status})")
        self.code, self.status, self.message = code, status, message

    @property
    def missing(self) -> bool:
        """Whether it says that there is no such thing (404 and what services send in its place)."""
        return self.status == 404 or any(word in self.code for word in ("NotFound", "NoSuch", "NonExistent"))


class Calls(Protocol):
    """Calls of the gateway's own, with its own credentials, in the target's account."""

    region: str
    account: str
    partition: str

    async def ask(
        self, service: str, operation: str, parameters: Mapping[str, Any] | None = None, *, region: str = ""
    ) -> dict[str, Any]:
        """Make a call and return its answer as botocore parses it, without `ResponseMetadata`; a streaming member is read
        (at most 64 MiB; more is CallFailed("TooLarge", 413)). Raises CallFailed; Unavailable when no answer was had."""

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
        """All items under `key` (a member of the answer) of a paginated call, at most `limit` of them; True when there are more."""
