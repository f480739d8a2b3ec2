"""`interlock serve` as a whole process, for tests that kill it."""

import json
import queue
import signal
import subprocess
import sys
import threading
from types import TracebackType
from typing import Any, Self

import psycopg

from interlock.testing.gateway import PATIENCE_S, Gateway, address


class GatewayProcess:
    """`interlock serve` as a process of its own, on the folder of a :class:`Gateway` that was furnished and stopped."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.events: list[dict[str, Any]] = []
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "interlock", "serve", "-c", str(gateway.file)],
            cwd=gateway.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, name="gateway-log", daemon=True).start()
        self.port = int(self.wait_for("target.served")["address"].rpartition(":")[2])

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                self._lines.put(json.loads(line))
            except json.JSONDecodeError:
                self._lines.put({"event": line.rstrip()})
        self._lines.put(None)

    def wait_for(self, event: str) -> dict[str, Any]:
        """The next log line of that event. AssertionError when the process ends before."""
        while (line := self._lines.get(timeout=PATIENCE_S)) is not None:
            self.events.append(line)
            if line.get("event") == event:
                return line
        raise AssertionError(f"the server ended (no {event}): {self.events[-10:]}")

    def dsn(self, agent: str = "bot", **options: str) -> str:
        return address(self.port, agent, self.gateway.tokens[agent], self.gateway.target, **options)

    def connect(self, agent: str = "bot", **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.dsn(agent), **{"autocommit": True, **options})

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        self._process.kill()
        self._process.wait(PATIENCE_S)

    def hang_up(self) -> None:
        """SIGHUP: policies are read again."""
        self._process.send_signal(signal.SIGHUP)

    def terminate(self) -> int:
        """SIGTERM; the exit status."""
        self._process.terminate()
        return self._process.wait(PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.kill()
