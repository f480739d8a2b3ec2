"""Connections to real servers of both versions: every way to log in, lose, cancel and slow down."""

import asyncio
import socket

import pytest
from tests.connectors.postgres.wire.conftest import PASSWORD, Run
from tests.connectors.postgres.wire.peers import peer, read_startup, welcome

from interlock.connectors.postgres.client.config import SslMode, UpstreamConfig
from interlock.connectors.postgres.client.errors import Stage, UpstreamError
from interlock.connectors.postgres.codec import Framer, backend_limits, build, encode
from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.upstream import Upstream, open_upstream
from interlock.testing.peers.pg import PgCluster


def config(
    cluster: PgCluster, user: str = "postgres", password: str | None = PASSWORD, *, unix: bool = False
) -> UpstreamConfig:
    source = None if password is None else lambda: password
    return UpstreamConfig.parse(cluster.dsn(user=user, unix=unix), source)


async def answers(upstream: Upstream, sql: str) -> list[bytes]:
    """The whole messages that answer a simple query."""
    upstream.write(encode(f.Query(sql)))
    framer = Framer(backend_limits())
    messages: list[bytes] = []
    while not messages or messages[-1][:1] != b"Z":
        messages += [message for _, message in framer.feed(await upstream.receive())]
    return messages


def value(messages: list[bytes]) -> bytes:
    return next(message[11:] for message in messages if message[:1] == b"D")


@pytest.mark.parametrize(
    ("user", "unix"),
    [("trusty", False), ("md5er", False), ("plain", False), ("scrammer", False), ("scrammer", True)],
)
def test_every_way_to_log_in(roles: PgCluster, run: Run, user: str, unix: bool) -> None:
    async def work() -> None:
        upstream = await open_upstream(config(roles, user, unix=unix), {"application_name": "wire test"})
        assert value(await answers(upstream, "SELECT current_user")) == user.encode()
        assert value(await answers(upstream, "SHOW application_name")) == b"wire test"
        assert upstream.server_version[0] == int(roles.version)
        assert upstream.parameters["client_encoding"] == "UTF8"
        assert upstream.key is not None
        assert upstream.key.pid == int(value(await answers(upstream, "SELECT pg_backend_pid()")))
        assert upstream.tls is None
        await upstream.close()
        assert upstream.is_lost

    run(work())


def failure(run: Run, where: UpstreamConfig, startup: dict[str, str] | None = None) -> UpstreamError:
    async def work() -> None:
        await open_upstream(where, startup)

    with pytest.raises(UpstreamError) as caught:
        run(work())
    assert PASSWORD not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("user", ["md5er", "plain", "scrammer", "nobody"])
def test_wrong_password(roles: PgCluster, run: Run, user: str) -> None:
    error = failure(run, config(roles, user, "wrong"))
    assert (error.stage, error.sqlstate) == (Stage.AUTHENTICATE, "28P01")


def test_missing_password(roles: PgCluster, run: Run) -> None:
    assert "none is configured" in failure(run, config(roles, "scrammer", None)).message


def test_what_the_server_says_at_startup(roles: PgCluster, run: Run) -> None:
    error = failure(run, UpstreamConfig.parse(roles.dsn("nowhere", "trusty")))
    assert (error.stage, error.sqlstate) == (Stage.STARTUP, "3D000")
    assert error.message == 'database "nowhere" does not exist'
    assert failure(run, config(roles), {"no_such_setting": "1"}).sqlstate == "42704"


def test_a_password_that_was_changed_is_asked_for_again(roles: PgCluster, run: Run) -> None:
    def log_in(*given: str) -> int:
        asked: list[str] = []

        def source() -> str:
            asked.append(given[len(asked)])
            return asked[-1]

        async def work() -> None:
            upstream = await open_upstream(UpstreamConfig.parse(roles.dsn(user="rotated"), source))
            await upstream.close()

        if "new" in given:
            run(work())
        else:
            with pytest.raises(UpstreamError, match="28P01"):
                run(work())
        return len(asked)

    assert log_in("new") == 1
    assert log_in("old", "new") == 2
    assert log_in("old", "old") == 2
    assert log_in("old", "older") == 2


def test_the_second_source_is_asked_when_there_is_one(roles: PgCluster, run: Run) -> None:
    async def work() -> None:
        where = UpstreamConfig.parse(roles.dsn(user="rotated"), lambda: "old", lambda: "new")
        await (await open_upstream(where)).close()

    run(work())


def test_errors_of_the_password_source_come_through(roles: PgCluster, run: Run) -> None:
    def source() -> str:
        raise TimeoutError("the vault is closed")

    async def work() -> None:
        await open_upstream(UpstreamConfig.parse(roles.dsn(user="rotated"), source))

    with pytest.raises(TimeoutError, match="the vault is closed"):
        run(work())


def test_nobody_listens(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        error = failure(run, UpstreamConfig(host="127.0.0.1", port=port, user="ann", dbname="shop"))
    assert (error.stage, error.sqlstate) == (Stage.CONNECT, "08001")
    assert "refused" in error.message
    error = failure(run, UpstreamConfig(host="/nonexistent", user="ann", dbname="shop"))
    assert "No such file" in error.message


def test_a_silent_server_is_not_waited_for(run: Run) -> None:
    async def work() -> None:
        async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()

        async with peer(silence) as where:
            with pytest.raises(UpstreamError, match=r"no answer within 0\.2 s"):
                await open_upstream(where, timeout=0.2)

    run(work())


def test_a_server_that_hangs_up_during_login(run: Run) -> None:
    async def work() -> None:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_startup(reader)

        async with peer(hang_up) as where:
            with pytest.raises(UpstreamError, match="closed the connection") as caught:
                await open_upstream(where)
            assert caught.value.stage is Stage.AUTHENTICATE

    run(work())


def test_chunks_go_to_the_receiver_and_the_end_is_told(roles: PgCluster, run: Run) -> None:
    async def work() -> None:
        upstream = await open_upstream(config(roles))
        seen, ready, lost = bytearray(), asyncio.Event(), asyncio.get_running_loop().create_future()

        def receive(data: bytes) -> None:
            seen.extend(data)
            if b"Z\0\0\0\5" in seen:
                ready.set()

        upstream.set_receiver(receive, lost.set_result)
        upstream.write(encode(f.Query("SELECT 'x'")))
        await ready.wait()
        assert b"SELECT 1" in seen
        upstream.write(encode(f.Query("SELECT pg_terminate_backend(pg_backend_pid())")))
        assert await lost is None
        assert b"57P01" in seen
        assert upstream.is_lost
        upstream.write(encode(f.Query("SELECT 1")))
        with pytest.raises(UpstreamError):
            await upstream.drain()
        late = asyncio.get_running_loop().create_future()
        upstream.set_receiver(receive, late.set_result)
        assert await late is None
        upstream.pause_reading()
        upstream.resume_reading()
        upstream.abort()
        await upstream.close()

    run(work())


def test_what_came_before_the_receiver_is_handed_over(run: Run) -> None:
    async def work() -> None:
        go = asyncio.Event()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await welcome(reader, writer)
            await go.wait()
            for _ in range(64):
                writer.write(b"x" * 100_000)
                await writer.drain()

        async with peer(talk) as where:
            upstream = await open_upstream(where)
            go.set()
            first = await upstream.receive()
            got, lost = bytearray(first), asyncio.get_running_loop().create_future()
            # Until somebody takes it, little more than a megabyte is read.
            while upstream._inbox_size <= 1_048_576:  # noqa: ASYNC110
                await asyncio.sleep(0)
            upstream.set_receiver(got.extend, lost.set_result)
            await lost
            assert len(got) == 6_400_000

    run(work())


def test_reading_can_be_paused(roles: PgCluster, run: Run) -> None:
    async def work() -> None:
        upstream, other = await open_upstream(config(roles)), await open_upstream(config(roles))
        size, some, enough = 20_000_000, asyncio.Event(), asyncio.Event()
        got = 0

        def receive(data: bytes) -> None:
            nonlocal got
            got += len(data)
            if not some.is_set():
                upstream.pause_reading()
                some.set()
            if got > size:
                enough.set()

        upstream.set_receiver(receive, lambda error: None)
        upstream.write(encode(f.Query(f"SELECT repeat('x', {size})")))
        await some.wait()
        before = got
        wait_event = f"SELECT wait_event FROM pg_stat_activity WHERE pid = {upstream.key.pid}"  # type: ignore[union-attr]
        while b"ClientWrite" not in value(await answers(other, wait_event)):
            pass
        assert got == before < size
        upstream.resume_reading()
        upstream.resume_reading()
        await enough.wait()
        upstream.abort()
        await other.close()

    run(work())


def test_writing_waits_for_a_server_that_does_not_read(run: Run) -> None:
    async def work() -> None:
        go, total = asyncio.Event(), 64 * 1_000_000

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await welcome(reader, writer)
            await go.wait()
            await reader.readexactly(total)

        async with peer(slow) as where:
            upstream = await open_upstream(where)
            moods: list[bool] = []
            lost = asyncio.get_running_loop().create_future()
            upstream.set_receiver(lambda data: None, lost.set_result, moods.append)
            await upstream.drain()
            for _ in range(64):
                upstream.write(b"x" * 1_000_000)
            waiting = asyncio.ensure_future(upstream.drain())
            await asyncio.sleep(0)
            assert moods == [False]
            assert not waiting.done()
            go.set()
            await waiting
            assert moods == [False, True]
            assert await lost is None

    run(work())


def test_those_who_wait_to_write_learn_that_the_server_is_gone(run: Run) -> None:
    async def work() -> None:
        go = asyncio.Event()

        async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await welcome(reader, writer)
            await go.wait()
            writer.transport.abort()

        async with peer(leave) as where:
            upstream = await open_upstream(where)
            upstream.write(b"x" * 64_000_000)
            waiting = asyncio.ensure_future(upstream.drain())
            go.set()
            with pytest.raises(UpstreamError):
                await waiting

    run(work())


def test_cancel(roles: PgCluster, run: Run) -> None:
    async def work() -> None:
        upstream, other = await open_upstream(config(roles)), await open_upstream(config(roles))
        assert upstream.key is not None
        running = asyncio.ensure_future(answers(upstream, "SELECT pg_sleep(600)"))
        state = f"SELECT wait_event FROM pg_stat_activity WHERE pid = {upstream.key.pid}"
        while b"PgSleep" not in value(await answers(other, state)):
            pass
        await upstream.cancel()
        assert b"C57014\0" in (await running)[-2]
        running = asyncio.ensure_future(answers(upstream, "SELECT pg_sleep(600)"))
        while b"PgSleep" not in value(await answers(other, state)):
            pass
        await other.cancel(upstream.key)
        assert b"C57014\0" in (await running)[-2]
        await upstream.close()
        await other.close()

    run(work())


async def _until_lost(upstream: Upstream) -> None:
    while True:
        await upstream.receive()


@pytest.mark.parametrize("version", ["18", "15"])
def test_the_server_is_killed(version: str, run: Run, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(f"pg{version}")  # skips where there is no such server
    with PgCluster.start(version, fsync=False) as cluster:

        async def work() -> None:
            upstream = await open_upstream(config(cluster))
            with_receiver = await open_upstream(config(cluster))
            lost = asyncio.get_running_loop().create_future()
            with_receiver.set_receiver(lambda data: None, lost.set_result)
            waiting = asyncio.ensure_future(_until_lost(upstream))
            await asyncio.to_thread(cluster.kill)
            with pytest.raises(UpstreamError) as caught:
                await waiting
            assert caught.value.stage is Stage.SESSION
            await lost
            with pytest.raises(UpstreamError):
                await upstream.cancel()
            with pytest.raises(UpstreamError):
                await open_upstream(config(cluster))

        run(work())


def test_disabled_tls_is_not_asked_for(run: Run) -> None:
    async def work() -> None:
        packets: list[bytes] = []

        async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            packets.append(await read_startup(reader))

        async with peer(note, sslmode=SslMode.DISABLE) as where:
            with pytest.raises(UpstreamError):
                await open_upstream(where)
        assert packets[0][4:8] == b"\0\3\0\0"

    run(work())


@pytest.mark.parametrize(("second", "attempts"), [("same", 1), ("other", 2)])
def test_the_same_password_is_not_tried_twice(run: Run, second: str, attempts: int) -> None:
    """Servers count failures, and lock roles out."""

    async def work() -> None:
        seen = 0

        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal seen
            seen += 1
            await read_startup(reader)
            writer.write(build.error_response("FATAL", "28P01", "no"))

        async with peer(refuse, password=lambda: "same", password_again=lambda: second) as where:
            with pytest.raises(UpstreamError, match="28P01"):
                await open_upstream(where)
        assert seen == attempts

    run(work())


def test_both_sides_writing_do_not_wait_for_each_other(run: Run) -> None:
    async def work() -> None:
        go, size = asyncio.Event(), 64_000_000

        async def talk_then_listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await welcome(reader, writer)
            await go.wait()
            writer.write(b"x" * size)
            await writer.drain()
            await reader.readexactly(size)

        async with peer(talk_then_listen) as where:
            upstream = await open_upstream(where)
            go.set()
            while upstream._inbox_size <= 1_048_576:  # noqa: ASYNC110
                await asyncio.sleep(0)
            upstream.write(b"x" * size)
            await upstream.drain()
            upstream.abort()

    run(work())
