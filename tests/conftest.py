"""Real PostgreSQL servers for every test that wants one, and hypothesis without a clock.

``pg18`` and ``pg15`` are one cluster each per test process; ``pg`` runs a test on every version there is, ``fresh_db`` gives
it a new database there. ``own_cluster`` makes clusters that a test may stop, kill and configure as it likes.

Every day most tests run on one of the versions only (`tests/everyday.py`); ``--thorough`` runs all of them on all.
"""

import datetime as dt
import ipaddress
import logging
import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests import everyday

from interlock.testing.peers.pg import PgCluster, PgDatabase
from interlock.testing.peers.pg_install import PgUnavailable, find_bindir

MakeCluster = Callable[..., PgCluster]

IN_MEMORY = Path("/dev/shm")
ROOM = 6 * 1024**3
"""Bytes that must be free, and in a file system of this name, for temporary files to lie in it."""


def _temporary_files_in_memory() -> None:
    """Databases are made, filled and dropped by the thousand, and none has to outlive the machine: on a disk that takes as long as
    all else. Where there is no room, or somebody says where (`TMPDIR`), they stay where they are."""
    if "TMPDIR" in os.environ or not IN_MEMORY.is_dir():
        return
    found = os.statvfs(IN_MEMORY)
    if (
        found.f_bavail * found.f_frsize >= ROOM
        and not found.f_flag & os.ST_NOEXEC
        and os.access(IN_MEMORY, os.W_OK)
    ):
        os.environ["TMPDIR"] = tempfile.tempdir = str(IN_MEMORY)


_temporary_files_in_memory()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--thorough", action="store_true", help="leave nothing out (see tests/everyday.py)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    named = any("::" in argument for argument in config.args)  # whoever names a test wants it
    if not named and not config.getoption("--thorough"):
        out = everyday.left_out(items)
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in set(out)]


# Timed examples would fail on a loaded machine, for no fault of the code. More: --hypothesis-profile=thorough
hypothesis.settings.register_profile("interlock", deadline=None)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=5_000)
hypothesis.settings.load_profile("interlock")

# Gateways in the background of a test process have something to say while a command's output is read.
structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """A command that runs in the test's own process sets logging up for a process of its own."""
    configured, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    if structlog.get_config() != configured:
        structlog.configure(**configured)
        root.handlers[:] = handlers
        root.setLevel(level)


def _shared(version: str) -> Iterator[PgCluster]:
    with PgCluster.start(version, fsync=False) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def pg18() -> Iterator[PgCluster]:
    """PostgreSQL 18. It comes with the locked packages, so its absence is an error."""
    yield from _shared("18")


@pytest.fixture(scope="session")
def pg15() -> Iterator[PgCluster]:
    """The distribution's PostgreSQL 15; the test is skipped without it."""
    try:
        find_bindir("15")
    except PgUnavailable as missing:
        pytest.skip(str(missing))
    yield from _shared("15")


@pytest.fixture(scope="session", params=everyday.VERSIONS)
def pg(request: pytest.FixtureRequest) -> PgCluster:
    """Each version in turn. The cluster is shared: use ``fresh_db``, and give roles names of your own."""
    cluster: PgCluster = request.getfixturevalue(f"pg{request.param}")
    return cluster


def _database(cluster: PgCluster) -> Iterator[PgDatabase]:
    database = cluster.create_database(f"t_{secrets.token_hex(6)}")
    yield database
    database.drop()


@pytest.fixture
def fresh_db(pg: PgCluster) -> Iterator[PgDatabase]:
    """A new, empty database on each version in turn, dropped after the test with whatever is connected to it."""
    yield from _database(pg)


@pytest.fixture
def fresh_db18(pg18: PgCluster) -> Iterator[PgDatabase]:
    """A new, empty database on PostgreSQL 18 only, for tests to which the version does not matter."""
    yield from _database(pg18)


@pytest.fixture
def own_cluster() -> Iterator[MakeCluster]:
    """A function as :meth:`PgCluster.start` (without fsync unless asked) whose clusters end with the test."""
    made: list[PgCluster] = []

    def make(version: str = "18", **options: object) -> PgCluster:
        made.append(PgCluster.start(version, **{"fsync": False, **options}))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for cluster in made:
        cluster.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path
