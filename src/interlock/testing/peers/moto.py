"""moto's server, in a process of its own: an AWS account that exists for a test, and a gateway in front of it.

>>> with MotoServer.start() as moto, AwsGateway(moto, tmp_path) as gateway:
...     gateway.client("s3").create_bucket(Bucket="b")
"""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.request import Request, urlopen

import boto3
from botocore.config import Config

from interlock.connectors.aws.environment import client_environment
from interlock.connectors.aws.upstream import routing_index
from interlock.runtime.opening import make_state_dir
from interlock.sdk.connector import Reach
from interlock.testing.served import PATIENCE_S, ServedGateway

ACCOUNT = "123456789012"
"""moto's own account."""
REGION = "us-east-1"
TARGET = "cloud"
UPSTREAM_KEY, UPSTREAM_SECRET = "AKIAUPSTREAMKEY00000", "upstream-secret-planted-5531"
"""The gateway's own key: no agent may ever see it."""


CACHE = Path(".cache") / "aws"
"""Below the working directory, which git ignores."""


class MotoServer:
    """A running server. `reset` empties the account."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self._process, self.port = process, port
        self.url = f"http://127.0.0.1:{port}"

    @classmethod
    @contextmanager
    def start(cls, environment: Mapping[str, str] | None = None) -> Iterator[Self]:
        """Start it, wait until it answers, and end it afterwards."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        of_awss_own = {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true", "MOTO_EC2_LOAD_DEFAULT_AMIS": "true"}
        variables = {**os.environ, **of_awss_own, **(environment or {})}
        process = subprocess.Popen(
            [sys.executable, "-m", "interlock.testing.peers.moto_process", "-H", "127.0.0.1", "-p", str(port)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=variables,
        )  # fmt: skip
        try:
            _wait_for(process, port)
            yield cls(process, port)
        finally:
            process.kill()
            process.wait()

    def reset(self) -> None:
        """Forget everything in the account."""
        urlopen(Request(f"{self.url}/moto-api/reset", method="POST"), timeout=30).close()

    def client(self, service: str, region: str = REGION) -> Any:
        """boto3 past the gateway, with rights of its own: what administrators and other programs do."""
        return boto3.client(
            service, region_name=region, endpoint_url=self.url,
            aws_access_key_id="AKIADIRECT0000000000", aws_secret_access_key="direct",
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )  # fmt: skip


def _wait_for(process: "subprocess.Popen[bytes]", port: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError("moto's server did not start")
        time.sleep(0.05)


def _answers(port: int) -> bool:
    try:
        urlopen(f"http://127.0.0.1:{port}/moto-api/data.json", timeout=5).close()
    except OSError:
        return False
    return True


class AwsGateway(ServedGateway):
    """A gateway in front of moto (or of anything else at `endpoint`). `keys` are merged over the target's keys; `more` is
    `ServedGateway`'s."""

    def __init__(
        self,
        moto: MotoServer | str,
        folder: Path,
        *,
        regions: Sequence[str] = (REGION, "eu-central-1"),
        keys: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        secret = folder / "upstream-secret"
        folder.mkdir(parents=True, exist_ok=True)
        secret.write_text(UPSTREAM_SECRET, "ascii")
        protected: dict[str, Any] = {
            "connector": "aws",
            "environment": "production",
            "listen": "127.0.0.1:0",
            "account": ACCOUNT,
            "regions": list(regions),
            "upstream": {
                "access_key_id": UPSTREAM_KEY,
                "secret_access_key": {"file": str(secret)},
                "endpoint": moto if isinstance(moto, str) else moto.url,
            },
        }
        super().__init__(folder, TARGET, {**protected, **(keys or {})}, **more)
        self._cached(folder / "var")

    def _cached(self, state: Path) -> None:
        """Making the routing index takes twenty seconds: it is made once, and shared by all tests on this checkout."""
        make_state_dir(state)
        CACHE.mkdir(parents=True, exist_ok=True)
        asyncio.run(routing_index(str(CACHE)))
        for file in CACHE.glob("aws-index-*.bin"):
            shutil.copy(file, state)

    def environment(self, agent: str = "bot") -> dict[str, str]:
        """What a program needs to work as an agent, beside what the machine's environment holds."""
        reach = Reach(f"127.0.0.1:{self.port}", self.target, agent, self.tokens[agent])
        found = client_environment(reach)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {**kept, "AWS_DEFAULT_REGION": REGION, **{n: v for n, v in found.items() if v is not None}}

    def client(self, service: str, agent: str = "bot", *, region: str = REGION, **config: Any) -> Any:
        """boto3 as an agent, through the service's own endpoint."""
        told = self.environment(agent)
        endpoints = {name: value for name, value in told.items() if name.startswith("AWS_ENDPOINT_URL_")}
        url = next((u for u in endpoints.values() if u.endswith(f"/~/{service}")), told["AWS_ENDPOINT_URL"])
        settings: dict[str, Any] = {
            "s3": {"addressing_style": "path"}, "inject_host_prefix": False, **config
        }  # fmt: skip
        return boto3.client(
            service, region_name=region, endpoint_url=url,
            aws_access_key_id=told["AWS_ACCESS_KEY_ID"], aws_secret_access_key=told["AWS_SECRET_ACCESS_KEY"],
            config=Config(**settings),
        )  # fmt: skip
