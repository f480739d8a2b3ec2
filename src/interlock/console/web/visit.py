"""One visit of a page: who comes, with what; and what a page answers."""

import enum
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from interlock.console.callers import BySession, Nobody
from interlock.console.problems import Refusal
from interlock.model.base import Value
from interlock.runtime.runtime import Runtime


class Who(enum.Enum):
    """Who may see a page."""

    ANYONE = "anyone"
    PERSON = "person"
    ADMIN = "admin"


class Visit:
    """A request of a browser, with its visitor known. `query` and `form` have each name once."""

    def __init__(
        self,
        runtime: Runtime,
        caller: BySession | Nobody,
        path: Mapping[str, str],
        query: Mapping[str, str],
        form: Mapping[str, str],
        begun: str = "",
    ) -> None:
        self.runtime, self.caller = runtime, caller
        self.path, self.query, self.form = path, query, form
        self.begun = begun
        """What the browser keeps of a login that went to the login provider."""

    @property
    def person(self) -> str:
        """Who is logged in. Raises Refusal when nobody is."""
        if isinstance(self.caller, Nobody):
            raise Refusal("unauthenticated")
        return self.caller.person

    @property
    def by(self) -> str:
        """How they are written in records."""
        return f"session/{self.person}"

    async def signing(self) -> dict[str, Any]:
        """What a page needs for a passkey to sign: the site, and which passkeys the person has. Raises Rejected without a site."""
        person = await self.runtime.store.read(lambda tx: tx.person(self.person))
        keys = [key.id for key in person.passkeys if key.revoked_at is None] if person else []
        return {"rp": self.runtime.entrance.site.rp_id, "keys": keys}


class Html(Value, frozen=True):
    """A page: a template and what it shows."""

    template: str
    shown: dict[str, Any]
    status: int = 200
    cookie: str | None = None
    """As for `GoTo`."""
    begun: str | None = None
    """What to keep of a login that goes to the login provider; empty to forget it."""


class GoTo(Value, frozen=True):
    """Another page, to be read (303). Only ever an address of the console's own."""

    address: str
    cookie: str | None = None
    """A session's secret to keep; empty to forget it."""


class Away(Value, frozen=True):
    """The page of the configured login provider (303), and no other site's."""

    address: str
    begun: str


class Data(Value, frozen=True):
    """JSON for a script of ours."""

    value: Any
    cookie: str | None = None
    begun: str | None = None


Answer: TypeAlias = Html | GoTo | Away | Data
Handler: TypeAlias = Callable[[Visit], Awaitable[Answer]]


class Page(Value, frozen=True, kw_only=True):
    """One row of the table of pages. A page that is posted to takes a form, or with `json` what a script sends."""

    method: str = "GET"
    path: str
    who: Who = Who.PERSON
    handler: Handler
    json: bool = False
    light: bool = False
    """As `operations.Operation.light`: for who logged in without a passkey as well."""
