"""Peers for checks of health: an HTTP server, one that speaks Prometheus's API, and one that sends whatever bytes it is told."""

import contextlib
import json
import math
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import msgspec

from interlock.model.health import CheckKind, Health
from interlock.pipeline.recorded.health import Found, Outcome
from interlock.runtime.health.asking import ask
from interlock.runtime.health.config import Asks, HealthConfig, HttpCheck, PrometheusCheck, SqlCheck
from interlock.runtime.health.web import Web
from interlock.runtime.runtime import Runtime
from interlock.sdk.ports import Tx
from interlock.testing.served import ServedGateway

SECOND = timedelta(seconds=1)


class Site(ThreadingHTTPServer):
    """Answers `status` and `body`; a Prometheus API below `/prom` gives `values` for every query but `wrong(`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.status, self.body = 200, b"fine"
        self.headers: dict[str, str] = {}
        self.values: list[Any] | None = [0.0]
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.go = threading.Event()
        """While it is not set, nothing is answered."""
        self.go.set()
        self.arrived = threading.Semaphore(0)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go.set()
        self.shutdown()
        self.server_close()
        self._thread.join(10)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is no news."""


class _Answer(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        site = self.server
        site.asked.append((self.path, dict(self.headers)))
        site.arrived.release()
        site.go.wait(30)
        parts = urlsplit(self.path)
        if parts.path == "/prom/api/v1/query":
            self._send(*_queried(parse_qs(parts.query).get("query", [""])[0], site.values), {})
        elif parts.path == "/elsewhere":
            self._send(200, b"fine", {})
        else:
            self._send(site.status, site.body, site.headers)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


def _queried(query: str, values: list[Any] | None) -> tuple[int, bytes]:
    """As https://prometheus.io/docs/prometheus/latest/querying/api/ describes it; None is a scalar of 1."""
    if query.startswith("wrong("):
        return 400, json.dumps({"status": "error", "errorType": "bad_data", "error": "parse error"}).encode()
    if values is None:
        data: dict[str, Any] = {"resultType": "scalar", "result": [1772600000.1, "1"]}
    else:
        samples = [
            {"metric": {"__name__": "m", "job": str(n)}, "value": [1772600000 + n / 8, _text(v)]}
            for n, v in enumerate(values)
        ]
        data = {"resultType": "vector", "result": samples}
    return 200, json.dumps({"status": "success", "data": data, "warnings": ["w"]}).encode()


def _text(value: Any) -> str:
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, str(value))


@contextlib.contextmanager
def raw_server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that hands each connection, once its request is read, to `answer`."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            with contextlib.suppress(OSError):
                answer(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(10)


def config(asks: Asks, *, within: timedelta = 5 * SECOND, name: str = "it") -> HealthConfig:
    """A check with what is asked."""
    match asks:
        case SqlCheck():
            kind = CheckKind.SQL
        case HttpCheck():
            kind = CheckKind.HTTP
        case PrometheusCheck():
            kind = CheckKind.PROMETHEUS
    return HealthConfig(name, kind, asks, "d", 15 * SECOND, within, 900 * SECOND, ())


async def outcome(asks: Asks, live: Any = None, *, within: timedelta = 5 * SECOND) -> Outcome:
    """Run a check once."""
    web = Web()
    try:
        return await ask(config(asks, within=within), live, web)
    finally:
        web.close()


# ---- a served gateway's checks, run when the test says so


def run_check(gateway: ServedGateway, check: str, target: str = "") -> Found:
    """Run a check now, whenever it would be due."""
    return gateway.run(run_check_in(gateway.runtime, check, target or gateway.target))


async def run_check_in(runtime: Runtime, check: str, target: str = "shop") -> Found:
    """The same in the gateway's loop. What the background is about is waited for."""
    await runtime.core.tasks.drain(60)
    runner = runtime.health_checks.runner
    one = runner.checks()[target, check]
    while True:
        task = runner._running.get((target, check))
        if task is not None:
            await task
        await runtime.store.transact(lambda tx: make_due(tx, target, check))
        found = await runner.run(one)
        if found is not None:
            return found


def make_due(tx: Tx, target: str, check: str) -> None:
    """As if its interval were over."""
    state: Health | None = tx.health(target, check)
    if state is not None:
        tx.put_health(msgspec.structs.replace(state, due_at=None))
