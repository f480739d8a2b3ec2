"""What agents are given, used as it is printed: over TLS, with a narrower key, and on a part of an account."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from interlock.testing.peers.moto import REGION, AwsGateway, MotoServer
from interlock.testing.peers.production import BUCKET, key


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer.start() as server:
        bucket = server.client("s3")
        for name in (BUCKET, "staging-data"):
            bucket.create_bucket(Bucket=name)
            bucket.put_object(Bucket=name, Key=key(1), Body=b"data")
        yield server


def told(gateway: AwsGateway, form: str, address: str) -> str:
    """What the command prints."""
    words = ("agents", "aws-env", "bot", "--target", "cloud", "--address", address, "--format", form)
    done = subprocess.run(
        [sys.executable, "-m", "interlock", *words],
        env={**os.environ, "INTERLOCK_TOKEN": gateway.tokens["bot"]},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def test_over_tls_as_a_profile(moto: MotoServer, tmp_path: Path, certificate: Path) -> None:
    tls = {"cert": str(certificate), "key": str(certificate)}
    with AwsGateway(moto, tmp_path / "gateway", keys={"tls": tls}) as gateway:
        config = tmp_path / "config"
        config.write_text(told(gateway, "profile", f"https://127.0.0.1:{gateway.port}"))
        script = (
            "import boto3; s = boto3.Session(profile_name='interlock-cloud', region_name='us-east-1');"
            f"print(s.client('s3').get_object(Bucket='{BUCKET}', Key='{key(1)}')['Body'].read())"
        )
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**kept, "AWS_CONFIG_FILE": str(config), "AWS_CA_BUNDLE": str(certificate)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.stdout.strip() == "b'data'", done.stderr


def test_in_a_shell(moto: MotoServer, tmp_path: Path) -> None:
    with AwsGateway(moto, tmp_path / "gateway") as gateway:
        lines = told(gateway, "shell", f"http://127.0.0.1:{gateway.port}")
        done = subprocess.run(
            ["sh", "-c", f"{lines}\n{sys.executable} -m awscli s3 ls {BUCKET}/2025/ --region {REGION}"],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_PROFILE": "gone"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert key(1).partition("/")[2] in done.stdout, done.stderr


def narrower(gateway: AwsGateway, service: str, policy: str) -> Any:
    """A client with the key that AssumeRole gives under a session policy."""
    sts = gateway.client("sts")
    given = sts.assume_role(
        RoleArn="arn:aws:iam::123456789012:role/ci", RoleSessionName="ci", Policy=policy, DurationSeconds=900
    )["Credentials"]
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=f"http://127.0.0.1:{gateway.port}/~/{service}",
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )


READ_ONLY = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:List*"],"Resource":"*"}]}'
)


def test_a_narrower_key_does_less(moto: MotoServer, tmp_path: Path) -> None:
    with AwsGateway(moto, tmp_path / "gateway") as gateway:
        bucket = narrower(gateway, "s3", READ_ONLY)
        assert bucket.get_object(Bucket=BUCKET, Key=key(1))["Body"].read() == b"data"
        with pytest.raises(ClientError, match="session policy") as caught:
            bucket.put_object(Bucket=BUCKET, Key="new", Body=b"x")
        assert caught.value.response["Error"]["Code"] == "InterlockForbidden"
        # It ends with the token that it came from.
        gateway.run(gateway.runtime.agents.rotate("bot", by="uid/0"))
        with pytest.raises(ClientError, match=r"InvalidToken|InvalidAccessKeyId"):
            bucket.get_object(Bucket=BUCKET, Key=key(1))


def test_a_part_of_an_account(moto: MotoServer, tmp_path: Path) -> None:
    keys = {"only": {"names": ["arn:aws:s3:::staging-*"]}}
    with AwsGateway(moto, tmp_path / "gateway", keys=keys) as gateway:
        bucket = gateway.client("s3")
        assert bucket.get_object(Bucket="staging-data", Key=key(1))["Body"].read() == b"data"
        bucket.put_object(Bucket="staging-data", Key="new", Body=b"x")
        calls: tuple[Callable[[], object], ...] = (
            lambda: bucket.get_object(Bucket=BUCKET, Key=key(1)),
            lambda: bucket.put_object(Bucket=BUCKET, Key="new", Body=b"x"),
            lambda: bucket.copy_object(Bucket=BUCKET, Key="new", CopySource=f"staging-data/{key(1)}"),
            lambda: gateway.client("iam").create_user(UserName="mallory"),
        )
        for call in calls:
            with pytest.raises(ClientError) as caught:
                call()
            assert caught.value.response["Error"]["Code"] == "InterlockForbidden"


def test_other_credentials_than_the_accounts_are_not_served(moto: MotoServer, tmp_path: Path) -> None:
    with AwsGateway(moto, tmp_path / "gateway", keys={"account": "210987654321"}) as gateway:
        status = gateway.runtime.statuses()[0]
        assert not status.serving
        assert "account" in status.why


def test_an_agent_without_a_signing_key_is_a_stranger(moto: MotoServer, tmp_path: Path) -> None:
    with AwsGateway(moto, tmp_path / "gateway", agents=()) as gateway:
        gateway.tokens["bot"] = "ilk_never-issued"
        with pytest.raises(ClientError, match="InvalidAccessKeyId"):
            gateway.client("s3").list_buckets()
