"""The three ways to one upstream: to itself, through mitmproxy as a reverse proxy, through Interlock."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import psutil

from bench.measure import DIRECT, GATEWAY, PROXY
from interlock.testing.gateway import Gateway
from interlock.testing.peers.moto import AwsGateway
from interlock.testing.peers.process import GatewayProcess

HOST = "127.0.0.1"
_OWN = Path(".cache") / "mitmproxy" / "bin" / "mitmdump"
"""In an environment of its own, as its dependencies are not ours: ``python -m venv .cache/mitmproxy``, and pip there."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where clients connect, with which key, and the process in between (None for the upstream itself). ``based`` tells that each
    service has its own base path."""

    port: int
    key: tuple[str, str]
    process: psutil.Process | None = None
    based: bool = False

    def url(self, service: str) -> str:
        return f"http://{HOST}:{self.port}" + (f"/~/{service}" if self.based else "")

    def computed(self) -> float:
        """Seconds of processor time that the process in between took so far."""
        return sum(self.process.cpu_times()[:2]) if self.process is not None else 0.0


def find_proxy() -> Path | None:
    """mitmdump: our own copy, or the system's."""
    if _OWN.exists():
        return _OWN.resolve()
    found = shutil.which("mitmdump")
    return Path(found) if found else None


@contextlib.contextmanager
def backend() -> Iterator[int]:
    """The upstream that does nothing; its port."""
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "bench.aws.backend", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield port
        finally:
            process.kill()


@contextlib.contextmanager
def ways(upstream: int, folder: Path) -> Iterator[dict[str, Way]]:
    """All ways to an upstream on this machine; the proxy's only where it is installed."""
    made = AwsGateway(f"http://{HOST}:{upstream}", folder)
    with made:
        told = made.environment()
    key = told["AWS_ACCESS_KEY_ID"], told["AWS_SECRET_ACCESS_KEY"]
    with contextlib.ExitStack() as stack:
        found = {DIRECT: Way(upstream, key)}
        proxy = find_proxy()
        if proxy is not None:
            found[PROXY] = stack.enter_context(_proxied(proxy, upstream, key))
        # It needs the configuration, the folder and the tokens only, whatever the target.
        served = stack.enter_context(GatewayProcess(cast(Gateway, made)))
        found[GATEWAY] = Way(served.port, key, psutil.Process(served.pid), based=True)
        yield found


@contextlib.contextmanager
def _proxied(program: Path, upstream: int, key: tuple[str, str]) -> Iterator[Way]:
    port = free_port()
    mode = f"reverse:http://{HOST}:{upstream}"
    words = ["-q", "--mode", mode, "--listen-host", HOST, "-p", str(port), "--set", "stream_large_bodies=1m"]
    process = subprocess.Popen(
        [program, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_clean(),
    )
    try:
        _await_port(port, process)
        yield Way(port, key, psutil.Process(process.pid))
    finally:
        process.kill()
        process.wait()


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _await_port(port: int, process: "subprocess.Popen[bytes]", seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


def free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
