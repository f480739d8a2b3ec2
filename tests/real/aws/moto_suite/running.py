"""moto's own suite, run to moto's server itself and through the gateway."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import moto
from tests.real.conformance import junit, sources
from tests.real.conformance.running import Both
from tests.real.conformance.suite import Outcome, Suite

from interlock.testing.peers.moto import REGION, AwsGateway, MotoServer

PATIENCE_S = 3_600
TEST_TIMEOUT_S = 600
_QUIET = {"MOTO_IAM_LOAD_MANAGED_POLICIES": "false"}
"""moto's default: they would be read again for every test."""


@dataclass(frozen=True, slots=True)
class Part:
    """The tests of one service: all files of its folder but those it goes `without`, or the files of `only`. `subset` are the
    files that every `make test` runs."""

    service: str
    without: Sequence[str] = ()
    only: Sequence[str] = ()
    subset: Sequence[str] = ()

    def files(self, source: Path, *, subset: bool = False) -> tuple[str, ...]:
        """What is run, as paths below the unpacked distribution."""
        folder = source / "tests" / f"test_{self.service}"
        named = self.subset if subset else self.only
        found = [folder / name for name in named] if named else sorted(folder.rglob("test_*.py"))
        return tuple(str(f.relative_to(source)) for f in found if f.name not in self.without)


def distribution() -> Suite:
    """moto's source distribution, of the version that is installed, and what its tests import beside moto."""
    return Suite("moto", moto.__version__, lambda run: {}, needs=("freezegun",))


def regions() -> tuple[str, ...]:
    """All that the suite's clients may name."""
    session = boto3.Session()
    found = {
        region
        for partition in ("aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b")
        for region in session.get_available_regions("ec2", partition)
    }
    return (REGION, *sorted(found - {REGION}))


def both(parts: Sequence[Part], folder: Path, *, subset: bool = False) -> Both:
    """Run them both ways; what the runs write is left in `folder`. Raises Unfetched."""
    source, beside = sources.source(distribution()), _beside()
    files = [file for part in parts for file in part.files(source, subset=subset)]
    found: list[Mapping[str, Outcome]] = []
    for way in ("direct", "gateway"):
        (folder / way).mkdir(parents=True, exist_ok=True)
        with MotoServer.start(_QUIET) as server, _place(server, folder / way, way) as variables:
            found.append(_run(source, files, folder / way, {**variables, "PYTHONPATH": beside}))
    return Both(*found)


def _beside() -> str:
    """The path on which the suite finds our plugin, and what it needs beside the packages that are here. Raises Unfetched."""
    (found,) = sources.python(distribution()).parents[1].glob("lib/python*/site-packages")
    return os.pathsep.join((str(Path(__file__).parent), str(found)))


@contextmanager
def _place(server: MotoServer, folder: Path, way: str) -> Iterator[dict[str, str]]:
    """The variables of a run. The gateway has an agent with every right, and no guardrails."""
    told = {"TEST_SERVER_MODE": "true", "TEST_SERVER_MODE_ENDPOINT": server.url}
    if way == "direct":
        yield told
        return
    top = {"guardrails": "none"}
    with AwsGateway(server, folder / "state", regions=regions(), top=top) as gateway:
        agent = gateway.environment()
        yield {
            **told,
            "INTERLOCK_SUITE_GATEWAY": f"http://127.0.0.1:{gateway.port}",
            "INTERLOCK_SUITE_KEY": agent["AWS_ACCESS_KEY_ID"],
            "INTERLOCK_SUITE_SECRET": agent["AWS_SECRET_ACCESS_KEY"],
        }
        assert gateway.changes(), "nothing of the suite came through the gateway"


def _run(source: Path, only: Sequence[str], folder: Path, variables: Mapping[str, str]) -> dict[str, Outcome]:
    report = folder / "junit.xml"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))}
    keys = {"AWS_ACCESS_KEY_ID": "server_key", "AWS_SECRET_ACCESS_KEY": "server_secret"}
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        f"--junitxml={report}",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
    ]
    words += [
        "-p",
        "plugin",
        f"--timeout={TEST_TIMEOUT_S}",
        "--continue-on-collection-errors",
        "--tb=short",
        *only,
    ]
    with (folder / "output.txt").open("wb") as output:
        subprocess.run(
            words,
            cwd=source,
            env={**kept, **keys, **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=PATIENCE_S,
        )
    assert report.exists(), f"the suite reported nothing; its output is in {folder}"
    return dict(junit.outcomes(report))
