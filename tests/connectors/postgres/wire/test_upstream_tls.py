"""TLS to a real server, as libpq's sslmode says, and what somebody in between cannot do."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.connectors.postgres.wire.conftest import PASSWORD, Certificates, Run
from tests.connectors.postgres.wire.peers import peer, read_startup, server_context, welcome

from interlock.connectors.postgres.auth.scram import ChannelBinding
from interlock.connectors.postgres.client.config import SslMode, UpstreamConfig
from interlock.connectors.postgres.client.errors import Stage, UpstreamError
from interlock.connectors.postgres.client.sql import SqlConnection
from interlock.connectors.postgres.codec import build, encode
from interlock.connectors.postgres.codec.backend import BackendKeyData
from interlock.connectors.postgres.upstream import Upstream, open_upstream, read_certificate
from interlock.testing.peers.pg import PgCluster


def config(
    cluster: PgCluster, user: str = "scrammer", host: str = "127.0.0.1", **options: Any
) -> UpstreamConfig:
    return UpstreamConfig(
        host=host, port=cluster.port, user=user, dbname="postgres", password=lambda: PASSWORD, **options
    )


async def used_tls(where: UpstreamConfig) -> bool:
    async with await SqlConnection.connect(where) as connection:
        result = await connection.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        told = result.rows == [(b"t",)]
        assert told == (connection.upstream.tls is not None)
        return told


@pytest.mark.parametrize("user", ["scrammer", "plain"])
@pytest.mark.parametrize("mode", [SslMode.PREFER, SslMode.REQUIRE])
def test_tls_without_verification(tls_cluster: PgCluster, run: Run, mode: SslMode, user: str) -> None:
    assert run(used_tls(config(tls_cluster, user, sslmode=mode)))


@pytest.mark.parametrize("mode", [SslMode.REQUIRE, SslMode.VERIFY_CA, SslMode.VERIFY_FULL])
def test_tls_with_verification(
    tls_cluster: PgCluster, run: Run, certificates: Certificates, mode: SslMode
) -> None:
    assert run(used_tls(config(tls_cluster, sslmode=mode, sslrootcert=str(certificates.root))))


def test_channel_binding_to_a_sha384_certificate(
    tls_cluster: PgCluster, run: Run, certificates: Certificates
) -> None:
    for binding in ChannelBinding:
        assert run(used_tls(config(tls_cluster, channel_binding=binding)))


def test_clear_text_is_not_bound_to_the_channel(tls_cluster: PgCluster, run: Run) -> None:
    error = failure(run, config(tls_cluster, "plain", channel_binding=ChannelBinding.REQUIRE))
    assert "channel binding is required" in error.message


def failure(run: Run, where: UpstreamConfig) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        run(used_tls(where))
    assert PASSWORD not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("mode", [SslMode.REQUIRE, SslMode.VERIFY_CA, SslMode.VERIFY_FULL])
def test_a_stranger_is_not_accepted(
    tls_cluster: PgCluster, run: Run, certificates: Certificates, mode: SslMode
) -> None:
    error = failure(run, config(tls_cluster, sslmode=mode, sslrootcert=str(certificates.stranger)))
    assert error.stage is Stage.TLS
    assert "certificate is not accepted" in error.message


def test_the_name_must_fit_only_when_verified_in_full(
    tls_cluster: PgCluster, run: Run, certificates: Certificates
) -> None:
    root = str(certificates.root)
    assert run(used_tls(config(tls_cluster, host="localhost", sslmode=SslMode.VERIFY_CA, sslrootcert=root)))
    error = failure(run, config(tls_cluster, host="localhost", sslmode=SslMode.VERIFY_FULL, sslrootcert=root))
    assert error.stage is Stage.TLS
    assert "localhost" in error.message


def test_the_systems_roots_do_not_know_a_private_one(tls_cluster: PgCluster, run: Run) -> None:
    assert failure(run, config(tls_cluster, sslmode=SslMode.VERIFY_FULL)).stage is Stage.TLS


def test_a_missing_root_is_said(tls_cluster: PgCluster, run: Run, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    error = failure(run, config(tls_cluster, sslmode=SslMode.VERIFY_CA, sslrootcert=missing))
    assert "a certificate file cannot be used" in error.message


def test_without_tls_where_the_server_wants_it(tls_cluster: PgCluster, run: Run) -> None:
    error = failure(run, config(tls_cluster, sslmode=SslMode.DISABLE))
    assert error.sqlstate == "28000"
    assert not run(used_tls(config(tls_cluster, "postgres", sslmode=SslMode.DISABLE)))


@pytest.mark.parametrize("mode", [SslMode.REQUIRE, SslMode.VERIFY_FULL])
def test_a_server_without_tls(roles: PgCluster, run: Run, mode: SslMode) -> None:
    error = failure(run, config(roles, sslmode=mode))
    assert "does not offer TLS" in error.message


def test_prefer_does_without_when_there_is_none(roles: PgCluster, run: Run) -> None:
    assert not run(used_tls(config(roles, sslmode=SslMode.PREFER)))


def test_cancel_goes_over_tls_too(tls_cluster: PgCluster, run: Run) -> None:
    async def work() -> None:
        async with await SqlConnection.connect(config(tls_cluster, sslmode=SslMode.REQUIRE)) as connection:
            running = asyncio.ensure_future(connection.query("SELECT pg_sleep(600)"))
            async with await SqlConnection.connect(config(tls_cluster, "postgres")) as other:
                assert connection.upstream.key is not None
                pid = connection.upstream.key.pid
                asleep = "SELECT wait_event FROM pg_stat_activity WHERE pid = $1"
                while (await other.query(asleep, (pid,))).rows != [(b"PgSleep",)]:
                    pass
            await connection.cancel()
            with pytest.raises(Exception, match="57014"):
                await running

    run(work())


def test_a_cancel_key_is_not_sent_in_clear_when_the_session_had_tls(
    run: Run, certificates: Certificates
) -> None:
    """Somebody in between answers N this time; ``prefer`` would go on in clear."""

    async def work() -> None:
        context = server_context(certificates.server, certificates.key)
        after: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        connections = 0

        async def first_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            await read_startup(reader)
            if connections > 1:
                writer.write(b"N")
                after.set_result(await reader.read())
                return
            writer.write(b"S")
            await writer.start_tls(context)
            await read_startup(reader)
            writer.write(build.AUTHENTICATION_OK + encode(BackendKeyData(7, b"abcd")) + build.ready("I"))
            await reader.read()

        async with peer(first_only, sslmode=SslMode.PREFER) as where:
            upstream = await open_upstream(where)
            assert upstream.tls is not None
            with pytest.raises(UpstreamError, match="does not offer TLS"):
                await upstream.cancel()
            assert await after == b""
            await upstream.close()

    run(work())


def test_what_is_put_behind_the_answer_is_not_taken_for_the_servers(run: Run) -> None:
    """CVE-2021-23222: clear text right after S must not be read as if it had come through TLS."""

    async def work() -> None:
        async def inject(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_startup(reader)
            writer.write(b"SR\0\0\0\x08\0\0\0\0Z\0\0\0\5I")
            await reader.read()

        async with peer(inject, sslmode=SslMode.REQUIRE) as where:
            with pytest.raises(UpstreamError) as caught:
                await open_upstream(where)
            assert caught.value.stage is Stage.TLS

    run(work())


@pytest.mark.parametrize("answer", [b"E\0\0\0\x08SERR", b"R", b""])
def test_other_answers_to_the_request(run: Run, answer: bytes) -> None:
    async def work() -> None:
        async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_startup(reader)
            writer.write(answer)

        async with peer(odd, sslmode=SslMode.PREFER) as where:
            with pytest.raises(UpstreamError, match="did not answer the request for TLS"):
                await open_upstream(where)

    run(work())


def test_a_plain_login_on_loopback(run: Run) -> None:
    async def work() -> None:
        async with peer(welcome) as where:
            upstream = await open_upstream(where)
            assert isinstance(upstream, Upstream)
            assert upstream.key is None
            with pytest.raises(UpstreamError, match="no key"):
                await upstream.cancel()
            await upstream.close()

    run(work())


def test_a_certificate_file_is_read_as_the_peer_sends_it(
    tls_cluster: PgCluster, run: Run, certificates: Certificates
) -> None:
    async def work() -> None:
        upstream = await open_upstream(config(tls_cluster))
        assert upstream.tls is not None
        assert upstream.tls.getpeercert(binary_form=True) == read_certificate(str(certificates.server))
        await upstream.close()

    run(work())
