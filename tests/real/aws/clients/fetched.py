"""What these tests need that is no package of the project's: `python -m tests.real.aws.clients.fetched` fetches it below
`.cache/conformance/`, and `make conformance-aws` does so first. Tests skip what is not there.

The AWS SDK for JavaScript comes from npm; `tf`, with which a provider for terraform is written in Python, from PyPI. terraform (or
OpenTofu) itself is looked for on the PATH, and so is rclone (Debian's package), an S3 client in Go."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.real.conformance import sources
from tests.real.conformance.sources import CACHE, Unfetched
from tests.real.conformance.suite import Suite

JAVASCRIPT = CACHE / "aws-sdk-js"
PACKAGES = (
    "@aws-sdk/client-dynamodb@3.1169.0",
    "@aws-sdk/client-s3@3.1175.0",
    "@aws-sdk/client-sqs@3.1175.0",
    "@aws-sdk/client-sts@3.1177.0",
    "@aws-sdk/lib-storage@3.1175.0",
    "@aws-sdk/s3-request-presigner@3.1169.0",
)
PROVIDER = Suite("tf", "1.2.0", lambda run: {}, needs=("tf==1.2.0", "boto3"), fetched=False)
"""Only its environment is of use here."""


def node_modules() -> Path | None:
    """Where the JavaScript packages are; None where they have not been fetched, or there is no node."""
    folder = JAVASCRIPT / "node_modules"
    there = all((folder / name.rpartition("@")[0] / "package.json").exists() for name in PACKAGES)
    return folder if shutil.which("node") and there else None


def provider_python() -> Path | None:
    """The interpreter that can serve a provider; None where it has not been fetched."""
    return sources.python(PROVIDER) if sources.at_hand(PROVIDER) else None


def terraform() -> str | None:
    """The program."""
    return shutil.which("terraform") or shutil.which("tofu")


def _javascript() -> int:
    npm = shutil.which("npm")
    if npm is None:
        print("no npm here: the JavaScript SDK is left out", file=sys.stderr)
        return 1
    JAVASCRIPT.mkdir(parents=True, exist_ok=True)
    wanted = ("install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", *PACKAGES)
    return subprocess.run([npm, *wanted], cwd=JAVASCRIPT, check=False, stdin=subprocess.DEVNULL).returncode


def _provider() -> int:
    try:
        sources.python(PROVIDER)
    except Unfetched as missing:
        print(missing, file=sys.stderr)
        return 1
    return 0


def fetch() -> int:
    """Fetch all of it; how much of it cannot be had."""
    return (_javascript() and 1) + _provider()


if __name__ == "__main__":
    sys.exit(fetch())
