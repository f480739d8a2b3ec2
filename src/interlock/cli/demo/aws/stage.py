"""What the demo stands on: moto with a production environment, a server of Interlock's, people and an agent that uses boto3."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from interlock.cli.demo.stage import Place, free_port, initialised, people, ready, serving
from interlock.testing.peers.moto import ACCOUNT, REGION, MotoServer
from interlock.testing.peers.production import furnish

TARGET = "cloud"
_CONFIG = """\
store: sqlite:///{folder}/interlock.db
state_dir: {folder}/var
api: {{listen: "127.0.0.1:{api}", public_url: "http://127.0.0.1:{api}"}}
environments: {{production: {{protection: strict}}}}
targets:
  cloud:
    connector: aws
    environment: production
    listen: "127.0.0.1:{port}"
    account: "{account}"
    regions: [{region}]
    upstream: {{access_key_id: AKIAGATEWAY000000000, secret_access_key: {{file: secret}}, endpoint: "{endpoint}"}}
quorums: {{two-sre: {{count: 2, group: sre}}, two-admins: {{count: 2, group: admin}}}}
"""


@dataclass(slots=True, kw_only=True)
class Cloud(Place):
    """The account behind it."""

    moto: MotoServer

    def environment(self, agent: str) -> dict[str, str]:
        """What `interlock agents aws-env` prints for an agent."""
        os.environ["INTERLOCK_TOKEN"] = self.tokens[agent]
        told: dict[str, str | None] = self.must(
            "agents", "aws-env", agent, "--target", TARGET, "--json"
        ).json()
        return {name: value for name, value in told.items() if value is not None}

    def client(self, service: str, environment: dict[str, str]) -> Any:
        """boto3 with what that says, and nothing else."""
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=environment[f"AWS_ENDPOINT_URL_{service.upper()}"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            config=Config(s3={"addressing_style": "path"}),
        )


@contextmanager
def stage() -> Iterator[Cloud]:
    """Build it, and take it down again."""
    with tempfile.TemporaryDirectory(prefix="interlock-demo-") as name, MotoServer.start() as moto:
        folder = Path(name)
        furnish(moto)
        (folder / "secret").touch(mode=0o600)
        (folder / "secret").write_text("known-to-the-gateway-alone")
        api, port = free_port(), free_port()
        config = _CONFIG.format(
            folder=folder, api=api, port=port, account=ACCOUNT, region=REGION, endpoint=moto.url
        )
        initialised(folder, config)
        server: subprocess.Popen[bytes] = serving(folder)
        made = Cloud(folder, server, port, api, moto=moto)
        with ready(made):
            people(made, TARGET, {"kiro": ()}, "read,create,update,delete,admin")
            yield made
