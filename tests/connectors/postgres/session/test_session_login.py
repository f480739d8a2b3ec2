"""How sessions begin: encryption, who it is, what is asked for at the start; and what ends them."""

import asyncio
import datetime
import ipaddress
import ssl
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from structlog.testing import capture_logs
from tests.connectors.postgres.session.conftest import SETUP, Twins
from tests.connectors.postgres.session.rawclient import (
    GSSENC_REQUEST,
    SSL_REQUEST,
    Closed,
    RawClient,
    raw,
    short,
)

from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.codec import frontend as f
from interlock.testing.gateway import BY, Gateway, prepare
from interlock.testing.peers.pg import PgCluster


@pytest.fixture
def port(twins: Twins) -> int:
    return twins.gateway.port


@pytest.fixture
def token(twins: Twins) -> str:
    return twins.gateway.tokens["bot"]


def said_to(client: RawClient) -> list[str]:
    """What is said up to the end of the connection."""
    said: list[Any] = []
    while True:
        try:
            said.append(client.read())
        except Closed:
            return short(said)


def test_requests_for_encryption_are_answered(port: int, token: str) -> None:
    client = RawClient(port)
    for request in (GSSENC_REQUEST, SSL_REQUEST):
        client.send(request)
        assert client.exactly(1) == b"N"
    assert short(client.login("bot", token))[-1] == "Z I" or client.key is not None
    client.close()


def test_bytes_behind_a_request_for_encryption_end_it(port: int) -> None:
    for request in (SSL_REQUEST, GSSENC_REQUEST):
        client = RawClient(port)
        client.send(request + request)
        assert "08P01" in " ".join(said_to(client))


def test_greeting(twins: Twins, port: int, token: str) -> None:
    """Parameters as the server gives them, but for those that the gateway keeps for itself."""
    with raw(
        port, "bot", token, application_name="me", options="-c DateStyle=German -cwork_mem=8MB"
    ) as client:
        through = client.parameters
        assert client.key is not None
        assert client.query("SELECT pg_backend_pid()")[1] == f"D {client.key.pid}"
        assert client.query("SHOW work_mem") == ["T work_mem:25:0", "D 8MB", "C SHOW", "Z I"]
    direct = RawClient(twins.direct.cluster.port)
    direct.login("il_agent", database=twins.direct.name, application_name="me", options="-c DateStyle=German")
    assert through == {**direct.parameters, "session_authorization": "il_agent"}
    assert through["default_transaction_read_only"] == "off"
    assert through["DateStyle"] == "German, DMY"
    direct.close()


TEXT = "authentication failed: unknown agent, wrong token, or no right to this target"


def test_whatever_is_wrong_the_answer_is_the_same(twins: Twins, port: int, token: str) -> None:
    gateway = twins.gateway
    gateway.add_agent("without-grant", ())
    gateway.add_agent("disabled")
    gateway.run(gateway.runtime.agents.disable("disabled", by=BY))
    tried = [
        ("bot", "wrong", "shop"),
        ("bot", "", "shop"),
        ("nobody", token, "shop"),
        ("bot", token, "other"),
        ("bot", token, twins.gateway.database.name),
        ("without-grant", gateway.tokens["without-grant"], "shop"),
        ("disabled", gateway.tokens["disabled"], "shop"),
        ("il_agent", "", "shop"),
        ("postgres", "", "postgres"),
    ]
    answers = []
    for agent, given, database in tried:
        client = RawClient(port)
        said = short(client.login(agent, given or "empty", database))
        assert said[-1] == f"FATAL 28P01 {TEXT}"
        answers.append([line for line in said if not line.startswith("FATAL")])
        with pytest.raises(Closed):
            client.read()
        client.close()
    assert all(answer == answers[0] for answer in answers), "each takes the same steps"
    with pytest.raises(psycopg.OperationalError, match="authentication failed") as caught:
        psycopg.connect(gateway.dsn(token="wrong"))
    assert "wrong" not in str(caught.value).replace("wrong token", "")


def test_operators_learn_of_a_refused_login(port: int, token: str) -> None:
    with capture_logs() as logs:
        client = RawClient(port)
        client.login(token, "wrong")  # a name may be a token by mistake: it is not written
        with pytest.raises(Closed):
            client.read()
        client.close()
    (line,) = [line for line in logs if line["event"] == "postgres.login_refused"]
    assert (line["sqlstate"], line["peer"].split(":")[0]) == ("28P01", "127.0.0.1")
    assert token not in str(logs)


def test_salts_of_unknown_agents_stay_the_same(port: int) -> None:
    """Who asks twice must not find out that there is no such agent."""

    def challenge(agent: str) -> bytes:
        client = RawClient(port)
        client.start(agent)
        client.read()
        client.send(f.SASLInitialResponse("SCRAM-SHA-256", b"n,,n=,r=" + b"x" * 24))
        answer = client.read()
        client.close()
        assert isinstance(answer, b.AuthenticationSASLContinue)
        return answer.data.split(b",")[1]

    assert challenge("nobody") == challenge("nobody")
    assert challenge("nobody") != challenge("somebody")


def test_replication_is_refused(port: int, token: str) -> None:
    for value in ("true", "database", "on", "1"):
        client = RawClient(port)
        said = short(client.login("bot", token, replication=value))
        assert said == ["FATAL 0A000 replication connections do not go through Interlock"]
        client.close()
    with raw(port, "bot", token, replication="false") as client:
        assert client.query("SELECT 1")[-1] == "Z I"


@pytest.mark.parametrize(
    "options",
    [
        "-c standard_conforming_strings=off",
        "-c session_replication_role=replica",
        "--role=postgres",
        "-c nope=1",
        "-c track_counts=off",
        "-d 5",
        "-c",
        "-c work_mem",
        "-f s",
    ],
)
def test_options_that_are_refused(port: int, token: str, options: str) -> None:
    client = RawClient(port)
    (line,) = short(client.login("bot", token, options=options))
    assert line.startswith("FATAL 22023"), line
    client.close()


def test_settings_that_cannot_be_begun_with(port: int, token: str) -> None:
    for name, value in (
        ("role", "postgres"),
        ("client_encoding", "LATIN1"),
        ("standard_conforming_strings", "off"),
    ):
        client = RawClient(port)
        (line,) = short(client.login("bot", token, **{name: value}))
        assert line.startswith("FATAL 22023"), line
        client.close()
    # What the server itself refuses is told in the server's words.
    client = RawClient(port)
    said = short(client.login("bot", token, DateStyle="Nonsense"))
    assert said[-1].startswith("FATAL "), said
    client.close()
    with raw(port, "bot", token, client_encoding="'utf-8'", options="-c interlock.wait=5s") as ready:
        assert ready.query("SHOW interlock.wait")[1] == "D 5s"
        assert ready.query("SHOW client_encoding")[1] == "D UTF8"


def test_newer_protocols_are_negotiated(port: int, token: str) -> None:
    client = RawClient(port)
    client.start("bot", "shop", f.VERSION_3_2, **{"_pq_.future": "1"})
    negotiated = client.read()
    assert isinstance(negotiated, b.NegotiateProtocolVersion)
    assert (negotiated.version & 0xFFFF, negotiated.unknown_options) == (0, ("_pq_.future",))
    assert isinstance(client.authenticate("bot", token)[-1], b.AuthenticationSASLFinal | b.ReadyForQuery)
    client.close()


def test_sessions_are_recorded(twins: Twins, port: int, token: str) -> None:
    before = len(twins.gateway.entries("session.opened"))
    with raw(port, "bot", token):
        opened = twins.gateway.entries("session.opened")
        assert len(opened) == before + 1
        assert opened[-1]["body"]["agent"] == "bot"
    said = RawClient(port)
    said.login("bot", "wrong")
    said.close()
    assert len(twins.gateway.entries("session.opened")) == before + 1


# -- TLS


def certificate(folder: Path) -> tuple[str, str]:
    """A self-signed certificate for this machine, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    paths[1].chmod(0o600)
    return str(paths[0]), str(paths[1])


@pytest.fixture(scope="module")
def encrypted(pg18: PgCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, str]]:
    """A gateway that speaks TLS, and its certificate."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = certificate(folder)
    database = pg18.create_database("behind_tls")
    prepare(database, SETUP)
    with Gateway(database, folder / "gateway", keys={"tls": {"cert": cert, "key": key}}) as gateway:
        yield gateway, cert
    database.drop()


def test_tls_with_channel_binding(encrypted: tuple[Gateway, str]) -> None:
    gateway, cert = encrypted
    for binding in ("require", "disable"):
        dsn = gateway.dsn(sslmode="verify-full", sslrootcert=cert, channel_binding=binding)
        with psycopg.connect(dsn, autocommit=True) as agent:
            assert agent.pgconn.ssl_in_use
            assert agent.execute("SELECT 1").fetchone() == (1,)
            agent.execute("INSERT INTO t VALUES (1000, 'x') ON CONFLICT DO NOTHING")


def test_psql_over_tls(encrypted: tuple[Gateway, str], pg15: PgCluster) -> None:
    """That of 18 here is built without TLS."""
    gateway, cert = encrypted
    dsn = gateway.dsn(sslmode="verify-ca", sslrootcert=cert)
    command = [str(pg15.bin("psql")), "-XAtc", "SELECT 40 + 2", dsn]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr


def test_tls_is_not_optional_where_it_is_configured(encrypted: tuple[Gateway, str]) -> None:
    gateway, _ = encrypted
    with pytest.raises(psycopg.OperationalError, match="TLS only"):
        psycopg.connect(gateway.dsn(sslmode="disable"))


def test_bytes_before_the_handshake_end_it(encrypted: tuple[Gateway, str]) -> None:
    """What comes in the clear behind the request must not be taken for what comes encrypted (CVE-2021-23214)."""
    gateway, _ = encrypted
    client = RawClient(gateway.port)
    client.send(SSL_REQUEST, f.StartupMessage(f.VERSION_3_0, (("user", "bot"), ("database", "shop"))))
    assert "08P01" in " ".join(said_to(client))


def test_a_broken_handshake_harms_nobody(encrypted: tuple[Gateway, str]) -> None:
    gateway, _ = encrypted
    client = RawClient(gateway.port)
    client.send(SSL_REQUEST)
    assert client.exactly(1) == b"S"
    client.send(b"\x16\x03\x01 this is no handshake")
    client.socket.settimeout(30)
    while True:
        try:
            if not client.socket.recv(4096):
                break
        except ConnectionError:
            break
    with psycopg.connect(gateway.dsn(sslmode="require")) as agent:
        assert agent.execute("SELECT 1").fetchone() == (1,)


def test_raw_tls_session(encrypted: tuple[Gateway, str]) -> None:
    gateway, cert = encrypted
    client = RawClient(gateway.port)
    client.send(SSL_REQUEST)
    assert client.exactly(1) == b"S"
    context = ssl.create_default_context(cafile=cert)
    client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
    client.login("bot", gateway.tokens["bot"])
    assert client.query("SELECT 1")[-1] == "Z I"
    client.close()


# -- the end


def test_a_terminated_session_leaves_nothing(twins: Twins, port: int, token: str) -> None:
    twins.fill()
    with raw(port, "bot", token) as client:
        client.query("BEGIN")
        client.query("DELETE FROM t")
        client.send(f.Terminate())
        assert said_to(client) == []
    assert twins.gateway.database.psql("SELECT count(*) FROM t") == [(20,)]


def test_async_clients(twins: Twins) -> None:
    async def run() -> Any:
        async with await psycopg.AsyncConnection.connect(twins.gateway.dsn(), autocommit=True) as agent:
            async with agent.transaction():
                await agent.execute("UPDATE t SET b = 'async' WHERE a = %s", (1,))
            cursor = await agent.execute("SELECT b FROM t WHERE a = %s", (1,))
            return await cursor.fetchone()

    twins.fill()
    assert asyncio.run(run()) == ("async",)
