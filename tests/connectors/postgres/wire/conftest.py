"""Event loops, certificates, and servers for the tests of the wire layer."""

import asyncio
import datetime
import ipaddress
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from interlock.testing.peers.pg import PgCluster
from interlock.testing.peers.pg_install import PgUnavailable, find_bindir, server_user

Run = Callable[[Awaitable[Any]], Any]
PASSWORD = "pencil größe"

_HBA = """
local all postgres trust
local all all scram-sha-256
host all postgres,trusty 127.0.0.1/32 trust
host all md5er 127.0.0.1/32 md5
host all plain 127.0.0.1/32 password
host all all 127.0.0.1/32 scram-sha-256
"""
_ROLES = f"""
CREATE ROLE trusty LOGIN;
SET password_encryption = 'md5';
CREATE ROLE md5er LOGIN PASSWORD '{PASSWORD}';
SET password_encryption = 'scram-sha-256';
CREATE ROLE plain LOGIN PASSWORD '{PASSWORD}';
CREATE ROLE scrammer LOGIN PASSWORD '{PASSWORD}';
CREATE ROLE rotated LOGIN PASSWORD 'new';
"""


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine to its end on each kind of event loop; a hang is an error after a minute."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def go(work: Awaitable[Any]) -> Any:
        async def limited() -> Any:
            async with asyncio.timeout(60):
                return await work

        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(limited())

    return go


@pytest.fixture(scope="session", params=["18", "15"])
def roles(request: pytest.FixtureRequest) -> Iterator[PgCluster]:
    """A server of each version with one role for each way to authenticate."""
    try:
        find_bindir(request.param)
    except PgUnavailable as missing:
        pytest.skip(str(missing))
    with PgCluster.start(request.param, fsync=False, hba=_HBA) as cluster:
        cluster.psql(_ROLES)
        yield cluster


class Certificates(NamedTuple):
    """PEM files. ``server`` is for 127.0.0.1, signed by ``root``; ``stranger`` is another root."""

    root: Path
    stranger: Path
    server: Path
    key: Path


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=12))
    )


def _root(name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    return key, builder.sign(key, hashes.SHA256())


def _pem(thing: x509.Certificate) -> bytes:
    return thing.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Made anew for each run. The server's is signed with SHA-384, so that its hash is not always SHA-256."""
    folder = tmp_path_factory.mktemp("certificates")
    made = Certificates(*(folder / f"{name}.pem" for name in Certificates._fields))
    root_key, root = _root("test root")
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    server = _builder("server", "test root", key).add_extension(names, False).sign(root_key, hashes.SHA384())
    made.root.write_bytes(_pem(root))
    made.stranger.write_bytes(_pem(_root("stranger")[1]))
    made.server.write_bytes(_pem(server))
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return made


@pytest.fixture(scope="session")
def tls_cluster(certificates: Certificates) -> Iterator[PgCluster]:
    """PostgreSQL 15 with TLS (the packaged 18 is built without); roles only get in over TLS, the superuser without too."""
    try:
        find_bindir("15")
    except PgUnavailable as missing:
        pytest.skip(str(missing))
    hba = """
    host all postgres 127.0.0.1/32 trust
    hostssl all plain 127.0.0.1/32 password
    hostssl all all 127.0.0.1/32 scram-sha-256
    """
    with PgCluster.start("15", fsync=False, hba=hba) as cluster:
        for source, target in ((certificates.server, "server.crt"), (certificates.key, "server.key")):
            path = cluster.data / target
            path.touch(mode=0o600)
            path.write_bytes(source.read_bytes())
            server_user().own(path)
        cluster.psql(_ROLES)
        cluster.psql("ALTER SYSTEM SET ssl = on")
        cluster.restart()
        yield cluster
