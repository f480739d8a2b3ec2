"""Templates and static files."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from interlock.console.callers import BySession
from interlock.console.web import words
from interlock.console.web.visit import Html, Visit
from interlock.control.change import alike
from interlock.model.visible import MARK, visible
from interlock.model.words import effect_words, remedy_words, verb_of
from interlock.runtime.rules.governance import GOVERNED, TRY_OUT
from interlock.runtime.runtime import Runtime
from interlock.runtime.service.people.names import person_of

MEDIA = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class Renderer:
    """Makes pages. Everything is escaped by default, and a name that a template doesn't know is an error."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._env = jinja2.Environment(
            loader=jinja2.PackageLoader("interlock.console"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.globals |= {"static": static_address, "version": runtime.version}
        self._env.filters |= {
            "time": _time,
            "plain": shown,
            "visible": visible,
            "effect": effect_words,
            "verb": verb_of,
            "who": person_of,
            "resource": lambda r: f"{r.kind} {r.name}".strip(),
            "decided": words.decision_words,
            "remedies": remedy_words,
            "number": lambda n: f"{n:,}",
            "state": words.state_words,
            "colour": words.colour,
            "actions": words.action_words,
            "alike": alike,
            "sql": words.highlighted,
            "cedar": words.cedar_highlighted,
        }

    def page(self, answer: Html, visit: Visit) -> Response:
        """A page, framed for its visitor."""
        caller = visit.caller
        about: Mapping[str, Any] = {
            "me": caller.person if isinstance(caller, BySession) else "",
            "admin": isinstance(caller, BySession) and caller.admin,
            "token": caller.token if isinstance(caller, BySession) else "",
            "try_out": self._runtime.mode == TRY_OUT,
            "governed": self._runtime.mode == GOVERNED,
            "halted": self._runtime.core.halted,
        }
        text = self._env.get_template(answer.template).render({**about, **answer.shown})
        return HTMLResponse(text, answer.status)


def shown(text: str) -> Markup:
    """A text of somebody else's: what hides, reorders or imitates is marked."""
    spelled = visible(text)
    parts, place = Markup(""), 0
    for found in MARK.finditer(spelled):
        parts += Markup.escape(spelled[place : found.start()])
        parts += Markup('<mark class="odd">{}</mark>').format(found[0])
        place = found.end()
    return parts + Markup.escape(spelled[place:])


def _time(at: datetime | None) -> Markup:
    """A time; a script shows it in the reader's zone."""
    if at is None:
        return Markup("–")
    exact = at.isoformat(timespec="seconds").replace("+00:00", "Z")
    return Markup('<time datetime="{}">{} UTC</time>').format(exact, at.strftime("%Y-%m-%d %H:%M"))


@cache
def _files() -> Mapping[str, bytes]:
    folder = resources.files("interlock.console") / "static"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def static_address(name: str) -> str:
    """Where a static file is; another content has another address."""
    return f"/console/static/{name}?v={hashlib.sha256(_files()[name]).hexdigest()[:12]}"


class Static:
    """Serves what is in `console/static`, and nothing else."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].removeprefix(scope.get("root_path", "")).strip("/")
        data = _files().get(name)
        if data is None or scope["method"] not in ("GET", "HEAD"):
            response = Response("There is no such file.\n", 404, media_type="text/plain")
        else:
            # Scripts import each other by their bare names: only an address that names its content may be kept.
            named = scope["query_string"] == static_address(name).partition("?")[2].encode()
            keep = "public, max-age=31536000, immutable" if named else "no-cache"
            media = MEDIA.get(name.rpartition(".")[2], "application/octet-stream")
            response = Response(data, 200, {"Cache-Control": keep}, media)
        await response(scope, receive, send)
