"""Around every page: the right host, the visitor, the form with its token, the headers, and errors as pages."""

import hmac
from collections.abc import Mapping
from typing import Any, assert_never
from urllib.parse import parse_qsl, quote, urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Receive, Scope, Send

from interlock.console import problems
from interlock.console.access import COOKIE, Doorkeeper, own_origin, strong_enough
from interlock.console.callers import BySession, Nobody
from interlock.console.problems import KNOWN, Refusal
from interlock.console.web.events import Events
from interlock.console.web.render import Renderer, Static
from interlock.console.web.visit import Answer, Away, Data, GoTo, Html, Page, Visit, Who
from interlock.runtime.oidc.login import WITHIN
from interlock.runtime.rules.governance import Proposed
from interlock.runtime.runtime import Runtime

HOME = "/console/"
BEGUN = "__Host-interlock-login"
"""The cookie of a login that went to the login provider, for as long as it may take."""
MAX_FORM = 64 * 1024
"""Longest form or script's message in bytes."""
MOST_FIELDS = 100
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), microphone=()",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers call the origin of a form "null" (Fetch section 3.2)
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


def routes(runtime: Runtime, keeper: Doorkeeper) -> list[BaseRoute]:
    """Everything under `/console/`, and the way there."""
    from interlock.console.web.pages import PAGES

    renderer = Renderer(runtime)
    by_path: dict[str, dict[str, Page]] = {}
    for page in PAGES:
        by_path.setdefault(page.path, {})[page.method] = page
    found: list[BaseRoute] = [
        Route(path, Frame(runtime, keeper, renderer, pages)) for path, pages in by_path.items()
    ]
    return [
        Route("/", lambda _: RedirectResponse(HOME)),
        Route("/console", lambda _: RedirectResponse(HOME)),
        Mount("/console/static", Static()),
        Route("/console/events", Events(runtime, keeper)),
        *found,
    ]


class Frame:
    """The ASGI endpoint of one path."""

    def __init__(
        self, runtime: Runtime, keeper: Doorkeeper, renderer: Renderer, pages: Mapping[str, Page]
    ) -> None:
        self._runtime, self._keeper, self._renderer, self.pages = runtime, keeper, renderer, pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        page = self.pages.get("GET" if request.method == "HEAD" else request.method)
        caller: BySession | Nobody = Nobody()
        try:
            if away := self._elsewhere(request):
                await away(scope, receive, send)
                return
            caller = await self._keeper.visitor(request)
            response = await self._answer(request, page, caller)
        except Exception as error:  # noqa: BLE001  # every error ends as a page; an unforeseen one is logged
            response = await self._error(request, error, page, caller)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        await response(scope, receive, send)

    def _elsewhere(self, request: Request) -> Response | None:
        """The console answers under its own name only: what Host says is the sender's word (DNS rebinding). A loopback address
        is sent to the name that passkeys belong to."""
        site, host = self._runtime.terms.site, request.headers.get("host", "")
        public = urlsplit(self._runtime.config.api.public_url).netloc
        if site is None:
            if host != public:
                raise Refusal("not_found", "the console is not reached under this name")
            return None
        if host == urlsplit(site.origin).netloc:
            return None
        if host == public and request.method == "GET":
            return RedirectResponse(site.origin + request.url.path, 307)
        raise Refusal("not_found", "the console is not reached under this name")

    async def _answer(self, request: Request, page: Page | None, caller: BySession | Nobody) -> Response:
        if page is None:
            raise Refusal("method_not_allowed", headers={"Allow": ", ".join(sorted(self.pages))})
        if page.who is not Who.ANYONE and isinstance(caller, Nobody):
            if page.method != "GET":
                raise Refusal("unauthenticated")
            return RedirectResponse(f"/console/login?to={quote(request.url.path, safe='/')}", 303)
        if page.who is Who.ADMIN and not (isinstance(caller, BySession) and caller.admin):
            raise Refusal("forbidden", "only people of the group 'admin' may do this")
        strong_enough(caller, page.method, light=page.light or page.who is Who.ANYONE)
        form = await self._form(request, page, caller) if page.method == "POST" else {}
        query = _once(request.query_params.multi_items())
        begun = request.cookies.get(BEGUN, "")
        visit = Visit(self._runtime, caller, request.path_params, query, form, begun)
        try:
            answer = await page.handler(visit)
        except Proposed as error:
            answer = GoTo(f"/console/proposals/{error.change.id}")
        return self._respond(visit, answer)

    async def _form(self, request: Request, page: Page, caller: BySession | Nobody) -> Mapping[str, Any]:
        """What was sent. The page that sends it is ours (Origin), and the form was made for this session (its token)."""
        if self._runtime.terms.site is not None:
            own_origin(request, self._runtime.terms.site)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MAX_FORM:
                raise Refusal("too_large", headers={"Connection": "close"})
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != ("application/json" if page.json else "application/x-www-form-urlencoded"):
            raise Refusal("unsupported_media_type")
        if page.json:
            return msgspec.json.decode(body, type=dict[str, Any])
        fields = _fields(body)
        if isinstance(caller, BySession) and not hmac.compare_digest(fields.get("token", ""), caller.token):
            raise Refusal("forbidden", "this form is of another session: load the page again")
        return fields

    def _respond(self, visit: Visit, answer: Answer) -> Response:
        match answer:
            case Html():
                page = _with_cookie(self._renderer.page(answer, visit), answer.cookie)
                return _with_begun(page, answer.begun)
            case Away(address, begun):
                return _with_begun(RedirectResponse(address, 303), begun)
            case GoTo(address, cookie):
                return _with_cookie(RedirectResponse(address, 303), cookie)
            case Data(value, cookie, begun):
                told = Response(msgspec.json.encode(value), media_type="application/json")
                return _with_begun(_with_cookie(told, cookie), begun)
            case _:
                assert_never(answer)

    async def _error(
        self, request: Request, error: Exception, page: Page | None, caller: BySession | Nobody
    ) -> Response:
        known = isinstance(error, (Refusal, *KNOWN))
        told = problems.of_error(error) if known else await problems.unforeseen(request, error)
        if page is not None and page.json:
            return told
        problem = msgspec.json.decode(told.body, type=dict[str, Any])
        visit = Visit(self._runtime, caller, {}, {}, {})
        response = self._renderer.page(Html("error.html", {"problem": problem}, told.status_code), visit)
        response.headers.update({k: v for k, v in told.headers.items() if k in ("allow", "connection")})
        return response


def _with_cookie(response: Response, secret: str | None) -> Response:
    if secret:
        response.set_cookie(COOKIE, secret, path="/", secure=True, httponly=True, samesite="strict")
    elif secret is not None:
        response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
    return response


def _fields(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Refusal("invalid", f"at most {MOST_FIELDS} fields, please") from None
    return _once(pairs)


def _with_begun(response: Response, kept: str | None) -> Response:
    """The provider's site sends the browser back here: a cookie that is `strict` would not come along."""
    if kept:
        response.set_cookie(BEGUN, kept, path="/", max_age=WITHIN, secure=True, httponly=True, samesite="lax")
    elif kept is not None:
        response.delete_cookie(BEGUN, path="/", secure=True, httponly=True, samesite="lax")
    return response


def _once(pairs: list[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise Refusal("invalid", "a field is given twice")
        found[name] = value
    return found
