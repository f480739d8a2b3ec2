"""The server process: open, start, wait for a signal, stop in order."""

import asyncio
import gc
import signal
from collections.abc import Callable

import structlog
import uvloop

from interlock.model.errors import InterlockError
from interlock.runtime.config.document import Config
from interlock.runtime.config.identity import check_socket
from interlock.runtime.governing.files import approved_config
from interlock.runtime.opening import check_state_dir, gateway_name, only_server, open_configured
from interlock.runtime.runtime import Runtime
from interlock.runtime.serving import http
from interlock.runtime.targets import connectors
from interlock.sdk.connector import Connector

_log = structlog.get_logger(__name__)

MakeApp = Callable[[Runtime, bool], http.App]
"""Builds the API for a runtime; the second argument tells whether it is for the admin socket."""


class Server:
    """A gateway with its API. `async with` starts and stops it; tests and the demo run it so."""

    def __init__(
        self, config: Config, make_app: MakeApp | None, *, find: Callable[[str], Connector] = connectors.load
    ) -> None:
        self._config, self._make_app, self._find = config, make_app, find
        self._doors: list[http.HttpServer] = []
        self.runtime: Runtime

    async def __aenter__(self) -> "Server":
        """Raises Misconfigured or Unavailable."""
        config = self._config
        store = await asyncio.to_thread(open_configured, config)
        try:
            config = await approved_config(config, store)
            check_socket(config.identity)
            self.runtime = Runtime(config, store, gateway_name(config.state_dir), find=self._find)
            await self.runtime.start()
            await self._open_doors()
        except BaseException:
            await self._close(store)
            raise
        return self

    async def _open_doors(self) -> None:
        if self._make_app is None:
            return
        api, path = self._config.api, self._config.admin_socket
        allowed = self.runtime.config.identity.admitted()
        self._doors.append(http.on_socket(self._make_app(self.runtime, True), path, allowed))
        self._doors.append(http.on_tcp(self._make_app(self.runtime, False), api))
        for door in self._doors:
            await door.start()
            _log.info("api.served", address=door.address)

    @property
    def addresses(self) -> list[str]:
        """Where the API is reached: the admin socket, then TCP."""
        return [door.address for door in self._doors]

    async def __aexit__(self, *_: object) -> None:
        await self._close(self.runtime.store)

    async def _close(self, store: object) -> None:
        if hasattr(self, "runtime"):
            self.runtime.closing.set()
        for door in self._doors:
            await door.stop()
        if hasattr(self, "runtime"):
            await self.runtime.stop()
        await store.close()  # type: ignore[attr-defined]


def serve(
    config: Config,
    make_app: MakeApp | None,
    *,
    ready: Callable[[Server], None] | None = None,
    find: Callable[[str], Connector] = connectors.load,
) -> None:
    """Run until SIGTERM or SIGINT. Raises Misconfigured or Unavailable when it cannot begin. `ready` is called once it serves."""
    check_state_dir(config.state_dir)
    with only_server(config.state_dir), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(Server(config, make_app, find=find), ready))


async def _run(made: Server, ready: Callable[[Server], None] | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    reloading: set[asyncio.Task[None]] = set()
    async with made as server:

        def reload() -> None:
            task = asyncio.create_task(_reload(server.runtime))
            reloading.add(task)
            task.add_done_callback(reloading.discard)

        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        loop.add_signal_handler(signal.SIGHUP, reload)
        if ready is not None:
            ready(server)
        # What is there now stays: the collector need not go through all of it again and again while sessions wait.
        gc.collect()
        gc.freeze()
        await stop.wait()
        _log.info("shutdown.begun")
    _log.info("shutdown.done")


async def _reload(runtime: Runtime) -> None:
    try:
        await runtime.reload()
    except InterlockError as error:
        _log.error("reload.failed", why=str(error))
