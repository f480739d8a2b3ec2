"""Our side of SCRAM against the real other side: libpq as client, PostgreSQL as server."""

import asyncio

import psycopg
import pytest
from tests.connectors.postgres.wire.conftest import Certificates, Run
from tests.connectors.postgres.wire.peers import AgentServer, peer

from interlock.connectors.postgres.auth.scram import SCRAM, SCRAM_PLUS, Verifier, make_verifier
from interlock.connectors.postgres.client.config import UpstreamConfig
from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.upstream import open_upstream
from interlock.testing.peers.pg import PgCluster

PASSWORD = "tökén \u00ad\u2168"
AGENTS = {"ann": make_verifier(PASSWORD)}


async def connect(
    where: UpstreamConfig, user: str = "ann", password: str = PASSWORD, **options: object
) -> None:
    def dial() -> None:
        settings = {"host": where.host, "port": where.port, "user": user, "password": password, **options}
        psycopg.connect(dbname="shop", connect_timeout=30, **settings).close()  # type: ignore[arg-type]

    await asyncio.to_thread(dial)


@pytest.mark.parametrize(
    ("options", "mechanism"),
    [
        ({"sslmode": "disable"}, SCRAM),
        ({"sslmode": "require"}, SCRAM_PLUS),
        ({"sslmode": "require", "channel_binding": "require"}, SCRAM_PLUS),
        ({"sslmode": "require", "channel_binding": "disable"}, SCRAM),
    ],
)
def test_libpq_logs_in(run: Run, certificates: Certificates, options: dict[str, str], mechanism: str) -> None:
    async def work() -> None:
        server = AgentServer(AGENTS, (certificates.server, certificates.key))
        async with peer(server) as where:
            await connect(where, **options)
        assert server.mechanism == mechanism

    run(work())


def test_libpq_sees_no_difference_between_wrong_passwords_and_unknown_users(run: Run) -> None:
    async def work() -> None:
        texts = []
        async with peer(AgentServer(AGENTS)) as where:
            for user, password in (("ann", "wrong"), ("bob", PASSWORD), ("bob", "wrong")):
                with pytest.raises(psycopg.OperationalError) as caught:
                    await connect(where, user, password)
                texts.append(str(caught.value))
        assert len(set(texts)) == 1
        assert "authentication failed" in texts[0]

    run(work())


@pytest.mark.parametrize(
    ("newest", "key"), [(f.VERSION_3_0, b"abcd"), (f.VERSION_3_2, b"abcd"), (f.VERSION_3_2, b"k" * 256)]
)
def test_libpq_accepts_what_is_negotiated(run: Run, newest: int, key: bytes) -> None:
    if psycopg.pq.version() < 180000:
        pytest.skip("this libpq does not know version 3.2")

    async def work() -> None:
        server = AgentServer(AGENTS, newest=newest, key=key)
        async with peer(server) as where:
            await connect(where, max_protocol_version="3.2")
        assert server.version == f.VERSION_3_2

    run(work())


# Each takes another way through SASLprep: ASCII, mapped, prohibited, unassigned, both directions.
@pytest.mark.parametrize(
    "password", ["plain", "a\u00a0b\u00ad", "ctrl\u0007é", "é\u0378", "a\u0627b", "\u0627\u0628", "ﬁ"]
)
def test_the_server_stores_what_we_compute_and_lets_us_in(pg: PgCluster, run: Run, password: str) -> None:
    with pg.connect(autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS saslprepped")
        connection.execute("SET password_encryption = 'scram-sha-256'")
        connection.execute(f"CREATE ROLE saslprepped LOGIN PASSWORD '{password}'")
        (stored,) = connection.execute(
            "SELECT rolpassword FROM pg_authid WHERE rolname = 'saslprepped'"
        ).fetchone() or ("",)
        connection.execute("DROP ROLE saslprepped")
    verifier = Verifier.parse(stored)
    assert str(make_verifier(password, verifier.iterations, verifier.salt)) == stored


def test_the_server_takes_our_verifier(roles: PgCluster, run: Run) -> None:
    async def work() -> None:
        where = UpstreamConfig.parse(roles.dsn(user="made_here"), lambda: PASSWORD)
        await (await open_upstream(where)).close()

    roles.psql(f"DROP ROLE IF EXISTS made_here; CREATE ROLE made_here LOGIN PASSWORD '{AGENTS['ann']}'")
    run(work())
