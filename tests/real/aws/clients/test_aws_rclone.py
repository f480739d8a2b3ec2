"""rclone, an S3 client in Go (Debian's package)."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.real.aws.clients.rig import Cloud, Ran

from interlock.model.change import ChangeState

pytestmark = pytest.mark.skipif(shutil.which("rclone") is None, reason="rclone is not here")
Run = Callable[..., Ran]


@pytest.fixture
def rclone(cloud: Cloud, tmp_path: Path) -> Run:
    """`s3:` is the account, as the agent sees it."""

    def run(*words: str) -> Ran:
        told = {
            "RCLONE_CONFIG": str(tmp_path / "none.conf"),
            "RCLONE_CONFIG_S3_TYPE": "s3",
            "RCLONE_CONFIG_S3_PROVIDER": "Other",  # with AWS it wants a host for each bucket
            "RCLONE_CONFIG_S3_ENV_AUTH": "true",
            "RCLONE_CONFIG_S3_ENDPOINT": cloud.service_url("s3"),
            "RCLONE_CONFIG_S3_REGION": "us-east-1",
            "RCLONE_CONFIG_S3_FORCE_PATH_STYLE": "true",
            "RCLONE_CONFIG_S3_NO_CHECK_BUCKET": "true",
        }
        return cloud.run(["rclone", "--retries=1", *words], folder=tmp_path, environment=told)

    return run


def test_it_copies_both_ways(cloud: Cloud, rclone: Run, tmp_path: Path) -> None:
    cloud.bucket("box")
    here = tmp_path / "here"
    (here / "sub").mkdir(parents=True)
    content = {"a": b"1", "b c+d": b"2", "sub/ü": os.urandom(12 << 20)}
    for name, body in content.items():
        (here / name).write_bytes(body)
    # Afterwards it would look for version `null`, which moto tells of and doesn't know.
    ran = rclone("copy", "here", "s3:box", "--s3-upload-cutoff=8M", "--s3-chunk-size=5M", "--s3-no-head")
    assert ran.code == 0, ran.all
    assert cloud.objects("box") == content
    assert rclone("copy", "s3:box", "there").code == 0
    assert {name: (tmp_path / "there" / name).read_bytes() for name in content} == content
    assert rclone("check", "here", "s3:box").code == 0


def test_what_is_held_is_told(cloud: Cloud, rclone: Run) -> None:
    cloud.bucket("box", {"only": b"1"})
    ran = rclone("delete", "s3:box")
    assert ran.code != 0
    assert f"held: {cloud.held().id} waits for the approval" in ran.err
    assert cloud.objects("box") == {"only": b"1"}
    assert cloud.verbs(ChangeState.HELD) == ["s3:DeleteObject"]
