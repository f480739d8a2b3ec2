"""The console as it is served, asked without a network: the real application over a real store, and somebody logged in."""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from interlock.console.access import COOKIE
from interlock.console.app import create_app
from interlock.model.people import Person
from interlock.runtime.config.document import load
from interlock.runtime.opening import open_configured
from interlock.runtime.runtime import Runtime
from interlock.runtime.service.people.entrance import Session, put_session
from interlock.sdk.ports import Tx
from interlock.testing.signing import public_key_of
from interlock.testing.toy import ToyConnector

HOST = "localhost:8470"
_CONFIG = """\
store: {store}
state_dir: var
api: {{public_url: "http://127.0.0.1:8470"}}
environments: {{production: {{}}, staging: {{protection: relaxed}}}}
targets: {{}}
quorums: {{two-sre: {{count: 2, group: sre}}}}
"""
PEOPLE = 25
"""As many as it takes for 200 open pages."""


@dataclass
class Site:
    """A running console. `reads` are the seconds of each read of the store."""

    runtime: Runtime
    app: Any
    cookies: list[str]
    reads: list[float] = field(default_factory=list)

    async def get(self, path: str) -> tuple[float, int, bytes]:
        """Milliseconds until the page is whole, its status, and the page."""
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        begun = time.perf_counter()
        await self.app(scope_of(path, self.cookies[0]), receive, send)
        took = (time.perf_counter() - begun) * 1000
        body = b"".join(m.get("body", b"") for m in sent if m["type"] == "http.response.body")
        return took, sent[0]["status"], body


def scope_of(path: str, cookie: str) -> dict[str, Any]:
    """A browser's request for a page, as ASGI has it."""
    plain, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": plain,
        "raw_path": plain.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", HOST.encode()), (b"cookie", f"{COOKIE}={cookie}".encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8470),
    }


def configured(folder: Path, store: str) -> Path:
    """A configuration for a store."""
    folder.mkdir(exist_ok=True)
    file = folder / "interlock.yaml"
    file.write_text(_CONFIG.format(store=store))
    return file


@asynccontextmanager
async def serving(file: Path) -> AsyncIterator[Site]:
    """Serve a configuration whose store was made before."""
    config = load(file)
    store = open_configured(config)
    connector = ToyConnector()
    runtime = Runtime(config, store, "bench", find=lambda name: connector)
    cookies = await store.transact(_people)
    await runtime.start()
    site = Site(runtime, create_app(runtime), cookies)
    store.on_done = lambda kind, seconds: site.reads.append(seconds)
    try:
        yield site
    finally:
        await runtime.stop(timedelta(seconds=5))
        await store.close()


def _people(tx: Tx) -> list[str]:
    made = []
    for number in range(PEOPLE):
        name, secret = f"person-{number}", secrets.token_urlsafe(32)
        tx.put_person(Person(name, ("sre", "admin"), public_key_of(name), tx.now()))
        put_session(tx, secret, Session(name, secrets.token_urlsafe(24), tx.now(), tx.now()))
        made.append(secret)
    return made
