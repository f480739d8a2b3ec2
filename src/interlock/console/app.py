"""The HTTP API as an ASGI application: one door each for the admin socket and for TCP, over one table of operations."""

import enum
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from interlock.console import browsers, problems, web
from interlock.console.access import Doorkeeper, admit, strong_enough
from interlock.console.handlers.governing import held
from interlock.console.monitoring.metrics import Metrics
from interlock.console.operations import Access, Call, Operation, Raw
from interlock.console.problems import Refusal
from interlock.console.routes import OPERATIONS
from interlock.console.schemas import MODE
from interlock.console.waiting import Waiting
from interlock.model.base import Value
from interlock.runtime.rules.governance import Proposed
from interlock.runtime.runtime import Runtime

MAX_BODY = 256 * 1024
"""Largest request body in bytes."""
MAX_TARGET = 8 * 1024
"""Longest path and query in bytes."""
MAX_HEAD = 32 * 1024
"""Largest head in bytes, as names and values."""

_TOO_LARGE = f"a body of at most {MAX_BODY} bytes, please"
_CLOSE = {"Connection": "close"}
_NUMBER = re.compile("-?[0-9]{1,18}", re.ASCII)
_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


class Door(enum.Enum):
    """Where requests come in. On the socket the runtime has checked the peer's user id already."""

    SOCKET = "socket"
    TCP = "tcp"


def create_app(runtime: Runtime, door: Door = Door.TCP, metrics: Metrics | None = None) -> Starlette:
    """The API for one door. Both doors have the same operations (and share `metrics`); only who asks is found out differently."""
    numbers = metrics or Metrics(runtime)
    site = runtime.terms.site
    keeper = Doorkeeper(
        runtime.store, runtime.config.api.public_url, door is Door.SOCKET, runtime.entrance, site
    )
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    waiting = Waiting(runtime)
    routes: list[BaseRoute] = [
        Route(path, _Resource(runtime, numbers, keeper, waiting, methods))
        for path, methods in by_path.items()
    ]
    if door is Door.TCP:
        routes += web.routes(runtime, keeper)
    app = Starlette(
        routes=routes,
        exception_handlers={404: _not_found, Exception: problems.unforeseen},
    )
    # A redirect to the path with or without its last slash would go to whatever Host says.
    app.router.redirect_slashes = False
    app.add_middleware(_SecurityHeaders)
    return app


def doors() -> Callable[[Runtime, bool], Starlette]:
    """What `runtime.serve` builds the API with: both doors of a replica count into the same metrics."""
    made: list[Metrics] = []

    def make(runtime: Runtime, socket: bool) -> Starlette:
        if not made:
            made.append(Metrics(runtime))
        return create_app(runtime, Door.SOCKET if socket else Door.TCP, made[0])

    return make


class _Resource:
    """The ASGI endpoint of one path."""

    def __init__(
        self,
        runtime: Runtime,
        metrics: Metrics,
        keeper: Doorkeeper,
        waiting: Waiting,
        methods: Mapping[str, Operation],
    ) -> None:
        self._runtime, self._metrics, self._keeper = runtime, metrics, keeper
        self._waiting, self.methods = waiting, methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return  # in the middle of its body: nobody is left to answer
        except Exception as error:  # noqa: BLE001  # every error ends as a problem; an unforeseen one is logged
            known = isinstance(error, (Refusal, *problems.KNOWN))
            response = problems.of_error(error) if known else await problems.unforeseen(request, error)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        operation = self.methods.get(request.method)
        body = await _body(request)
        if (
            operation is not None
            and (page := browsers.page_of(request, operation))
            and not self._keeper.socket
        ):
            return RedirectResponse(page, 303)
        caller = await self._keeper.caller(request, body)
        # Who may not know the resource learns nothing of its methods either.
        known = operation or next(iter(self.methods.values()))
        admit(caller, self._access(known))
        strong_enough(caller, request.method, light=known.light)
        if operation is None:
            raise Refusal("method_not_allowed", headers={"Allow": ", ".join(sorted(self.methods))})
        query = _query(request, operation)
        call = Call(
            self._runtime,
            self._metrics,
            caller,
            request.path_params,
            query,
            _decode(request, operation, body),
            waiting=self._waiting,
            gone=lambda: _gone(request),
        )
        try:
            response = _respond(await operation.handler(call), operation)
        except Proposed as error:
            response = Response(msgspec.json.encode(held(error)), 202, media_type="application/json")
        response.headers[MODE] = self._runtime.mode
        return response

    def _access(self, operation: Operation) -> Access:
        """Who may ask: as the table says, but for the metrics, which a configuration may keep for people."""
        if operation.id == "metrics" and self._runtime.config.api.metrics == "people":
            return Access.PERSON
        return operation.access


def _respond(answer: object, operation: Operation) -> Response:
    if isinstance(answer, Raw):
        headers = {"Cache-Control": "private, max-age=31536000, immutable"} if answer.immutable else {}
        return Response(answer.data, answer.status, headers, answer.media)
    return Response(msgspec.json.encode(answer), operation.status, media_type=operation.media)


def _query(request: Request, operation: Operation) -> object:
    """The query as the operation's type. A parameter given twice is an error, except where the type takes a list."""
    given: dict[str, str | list[str]] = {}
    lists, numbers = _forms(operation.query)
    for name, value in request.query_params.multi_items():
        if name in numbers and not _NUMBER.fullmatch(value):
            raise Refusal("invalid", f"{name!r} is a whole number in decimal digits")
        if name in lists:
            given.setdefault(name, [])
            given[name] += [value]  # type: ignore[operator]  # a list by the line above
        elif name in given:
            raise Refusal("invalid", f"the query names {name!r} twice")
        else:
            given[name] = value
    return msgspec.convert(given, operation.query, strict=False)


@cache
def _forms(query: type[Value]) -> tuple[frozenset[str], frozenset[str]]:
    """Names of the parameters that may be given more than once, and of those that are numbers (msgspec would take `1e1` for one as
    well)."""
    kinds = {f.encode_name: msgspec.inspect.type_info(f.type) for f in msgspec.structs.fields(query)}
    many = (msgspec.inspect.ListType, msgspec.inspect.VarTupleType)
    lists = frozenset(name for name, kind in kinds.items() if isinstance(kind, many))
    return lists, frozenset(n for n, kind in kinds.items() if isinstance(kind, msgspec.inspect.IntType))


def _decode(request: Request, operation: Operation, body: bytes) -> object:
    if operation.body is None:
        if body:
            raise Refusal("invalid", "this operation takes no body")
        return None
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise Refusal("unsupported_media_type")
    try:
        return msgspec.json.decode(body, type=operation.body)
    except UnicodeDecodeError:
        raise Refusal("invalid", "the body is not UTF-8") from None


_ONCE = ("authorization", "content-length", "content-type", "transfer-encoding")


def _unambiguous(request: Request) -> None:
    """Refuse what this server and one before it could read in two ways (RFC 9112 section 6.1, RFC 9110 section 5.3)."""
    headers = request.headers
    if sum(len(name) + len(value) for name, value in headers.raw) > MAX_HEAD:
        raise Refusal("too_large", f"headers of at most {MAX_HEAD} bytes, please", _CLOSE)
    if twice := [name for name in _ONCE if len(headers.getlist(name)) > 1]:
        raise Refusal("invalid", f"{twice[0]} is given more than once", _CLOSE)
    if "transfer-encoding" in headers and "content-length" in headers:
        raise Refusal("invalid", "a length and a transfer coding, not both", _CLOSE)
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(
            "unsupported_media_type", "the body is taken as it is, without a content coding", _CLOSE
        )
    length = headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and int(length) > MAX_BODY:
        raise Refusal("too_large", _TOO_LARGE, _CLOSE)


async def _body(request: Request) -> bytes:
    if len(request.scope.get("raw_path") or b"") + len(request.scope["query_string"]) > MAX_TARGET:
        raise Refusal("too_large", f"a path and query of at most {MAX_TARGET} bytes, please")
    _unambiguous(request)
    size, parts = 0, []
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise Refusal("too_large", _TOO_LARGE, _CLOSE)
        parts.append(part)
    return b"".join(parts)


async def _gone(request: Request) -> None:
    """Returns when the client has gone away. Only after the body was read: there is nothing else to come then."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _not_found(request: Request, error: Exception) -> Response:
    return problems.respond("not_found")


class _SecurityHeaders:
    """Adds the headers that keep browsers and caches from doing more with an answer than showing it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_missing(message["headers"])]}
            await send(message)

        await self._app(scope, receive, sending if scope["type"] == "http" else send)


def _missing(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    present = {name.lower() for name, _ in headers}
    return [pair for pair in _HEADERS if pair[0] not in present]
