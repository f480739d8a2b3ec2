"""Calls on their way to a service, and its answers, over real connections: what is kept, what is read, and what is lost."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.connectors.aws.upstream.server import Peer, Service, always, saying, several
from tests.runtime.notify.tls import self_signed

from interlock.connectors.aws.upstream import Forwarder, Lost, Reply, pool
from interlock.connectors.aws.upstream.link import HIGH_WATER, Link
from interlock.connectors.aws.upstream.pool import Origin

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Name: v\xe9\r\n\r\nhi"
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
CLOSES = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Late: v\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
Body = bytes | AsyncIterator[bytes] | None


def forwarder(**more: Any) -> Forwarder:
    return Forwarder(**{"connect_s": 10, "answer_s": 10, **more})


def run(work: Callable[[], Awaitable[None]]) -> None:
    """On the loop that the gateway has."""

    async def within() -> None:
        async with asyncio.timeout(60):
            await work()

    uvloop.run(within())


async def ask(
    sender: Forwarder, origin: Origin, method: str = "GET", body: Body = None, **headers: str
) -> Reply:
    named = [("host", origin.host), *((name.replace("_", "-"), value) for name, value in headers.items())]
    return await sender.send(method, origin, "/p?q=1", named, body)


async def answer(sender: Forwarder, origin: Origin, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    reply = await ask(sender, origin, method, None, **headers)
    try:
        return reply.status, await reply.whole(1 << 20)
    finally:
        reply.close()


READ = {
    "length": (always(OK), "GET", (200, b"hi")),
    "chunks": (always(CHUNKED), "GET", (200, b"hi")),
    "until the end": (saying(b"HTTP/1.1 200 OK\r\n\r\nhi"), "GET", (200, b"hi")),
    "no content": (always(b"HTTP/1.1 204 No Content\r\n\r\n"), "GET", (204, b"")),
    "not modified": (always(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), "GET", (304, b"")),
    "HEAD": (always(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), "HEAD", (200, b"")),
    "HEAD of chunks": (always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), "HEAD", (200, b"")),
    "after hints": (always(HINTS + HINTS + OK), "GET", (200, b"hi")),
}
ONE = {"until the end"}
"""After which the connection is over."""


@pytest.mark.parametrize("name", READ)
def test_answers_are_read_as_they_are_framed_and_connections_kept(name: str) -> None:
    talk, method, wanted = READ[name]

    async def work() -> None:
        async with Service(talk) as service:
            sender = forwarder()
            for _ in range(3):
                assert await answer(sender, service.origin, method) == wanted
            assert (service.connections == 1) is (name not in ONE)
            await sender.close()

    run(work)


def test_what_is_sent_is_what_was_given_byte_for_byte() -> None:
    """Header values are bytes, as Latin-1: others than these would not be what was signed."""
    seen: list[bytes] = []

    async def talk(peer: Peer) -> None:
        seen.append(await peer.reader.readexactly(len(sent)))
        await peer.say(OK)

    sent = b"PUT /p?q=1 HTTP/1.1\r\nhost: 127.0.0.1\r\nx-amz-meta-n: \xc3\xa9\r\ncontent-length: 2\r\n\r\nhi"

    async def work() -> None:
        async with Service(talk) as service:
            sender = forwarder()
            reply = await ask(sender, service.origin, "PUT", b"hi", x_amz_meta_n="Ã©", content_length="2")
            assert seen == [sent]
            assert reply.headers == (("content-length", "2"), ("x-name", "vé"))
            assert (reply.header("x-name"), reply.header("none")) == ("vé", "")
            reply.close()
            await sender.close()

    run(work)


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\ny", "a\ry"])
def test_no_value_becomes_a_header(value: str) -> None:
    async def work() -> None:
        async with Service(always(OK)) as service:
            with pytest.raises(ValueError, match="not a header"):
                await ask(forwarder(), service.origin, x_odd=value)
            assert service.connections == 0

    run(work)


@pytest.mark.parametrize("sized", [True, False])
def test_bodies_go_out_as_they_come(sized: bool) -> None:
    async def talk(peer: Peer) -> None:
        head = (await peer.head()).lower()
        assert (b"transfer-encoding: chunked" in head) is not sized
        wanted = b"onetwo" if sized else b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
        assert await peer.reader.readexactly(len(wanted)) == wanted
        await peer.say(OK)

    async def work() -> None:
        async with Service(talk, always(b"HTTP/1.1 500 No\r\n\r\n")) as service:
            length = {"content_length": "6"} if sized else {}
            reply = await ask(forwarder(), service.origin, "PUT", several(b"one", b"", b"two"), **length)
            assert (reply.status, await reply.whole(9)) == (200, b"hi")
            reply.close()

    run(work)


LOST = {
    "ended": (b"", True),
    "reset in the head": (b"HTTP/1.1 200 OK\r\nConte", True),
    "no HTTP": (b"220 SMTP ready\r\n\r\n", False),
    "another protocol": (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", False),
}


@pytest.mark.parametrize("name", LOST)
def test_an_answer_that_never_comes_is_lost_and_may_have_been_carried_out(name: str) -> None:
    told, stale = LOST[name]

    async def work() -> None:
        async with Service(saying(told), always(OK)) as service:
            sender = forwarder()
            with pytest.raises(Lost) as caught:
                await ask(sender, service.origin)
            assert (caught.value.sent, caught.value.stale) == (True, stale)
            assert await answer(sender, service.origin) == (200, b"hi")

    run(work)


@pytest.mark.parametrize("told", [OK[:-1], CHUNKED[:-20], CHUNKED[:-2]], ids=["length", "chunk", "trailer"])
def test_half_a_body_is_no_body(told: bytes) -> None:
    async def work() -> None:
        async with Service(saying(told), always(OK)) as service:
            sender = forwarder()
            with pytest.raises(Lost, match="broke off"):
                await answer(sender, service.origin)
            assert await answer(sender, service.origin) == (200, b"hi")

    run(work)


def test_nobody_there_was_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        origin = Origin(False, "127.0.0.1", closed.getsockname()[1])

    async def work() -> None:
        for where in (origin, Origin(False, "no-such-host.invalid", 80)):
            with pytest.raises(Lost, match="cannot be reached") as caught:
                await ask(forwarder(), where)
            assert not caught.value.sent

    run(work)


def test_silence_ends_it_but_not_that_of_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that uploads slowly is waited for; the service is not."""
    looked = asyncio.Event()
    look = Link._look

    def looking(link: Link) -> None:
        look(link)
        looked.set()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"on"
        for _ in range(3):  # longer than the service may be silent
            looked.clear()
            await looked.wait()
        yield b"e"

    monkeypatch.setattr(Link, "_look", looking)

    async def talk(peer: Peer) -> None:
        await peer.head()
        await peer.reader.readexactly(3)
        await peer.say(OK)
        await peer.head()
        await peer.ended()

    async def work() -> None:
        async with Service(talk) as service:
            sender = forwarder(answer_s=0.3)
            reply = await ask(sender, service.origin, "PUT", slowly(), content_length="3")
            assert await reply.whole(9) == b"hi"
            reply.close()
            with pytest.raises(Lost, match="Silent") as caught:
                await ask(sender, service.origin)
            assert (caught.value.sent, caught.value.stale) == (True, False)
            assert service.connections == 1

    run(work)


def test_a_body_that_breaks_off_did_nothing() -> None:
    ended = asyncio.Event()

    async def broken() -> AsyncIterator[bytes]:
        yield b"one"
        raise RuntimeError("the client is gone")

    async def talk(peer: Peer) -> None:
        await peer.head()
        assert await peer.reader.readexactly(3) == b"one"
        assert await peer.ended()
        ended.set()

    async def work() -> None:
        async with Service(talk) as service:
            with pytest.raises(Lost, match="the body broke off") as caught:
                await ask(forwarder(), service.origin, "PUT", broken(), content_length="6")
            assert not caught.value.sent
            await ended.wait()

    run(work)


def test_an_early_answer_is_had_and_the_connection_ends_with_it() -> None:
    """A refusal before all of the body was sent: what the service has not read must not become its next request."""
    stop = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"one"
        await stop.wait()
        yield b"two"

    async def work() -> None:
        async with Service(
            saying(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", OK), always(OK)
        ) as service:
            sender = forwarder()
            reply = await ask(sender, service.origin, "PUT", endless(), content_length="6")
            assert (reply.status, await reply.whole(9)) == (403, b"no")
            reply.close()
            assert await answer(sender, service.origin) == (200, b"hi")
            assert service.connections == 2

    run(work)


def test_a_long_answer_waits_for_whoever_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays flat: the service is made to wait."""
    size, waits = 64 << 20, asyncio.Event()
    received = Link.data_received

    def receiving(link: Link, data: bytes) -> None:
        received(link, data)
        if link._paused:
            waits.set()

    async def talk(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size >> 20):
            await peer.say(bytes(1 << 20))

    async def work() -> None:
        async with Service(talk) as service:
            reply = await ask(forwarder(), service.origin)
            await waits.wait()
            assert HIGH_WATER < reply._link._size < HIGH_WATER + (1 << 20)
            most, taken = 0, 0
            async for piece in reply.pieces():
                most, taken = max(most, reply._link._size), taken + len(piece)
            assert (taken, most < HIGH_WATER + (1 << 20)) == (size, True)

    monkeypatch.setattr(Link, "data_received", receiving)
    run(work)


def test_more_than_is_kept_is_refused() -> None:
    async def work() -> None:
        async with Service(always(OK)) as service:
            reply = await ask(forwarder(), service.origin)
            with pytest.raises(Lost, match="larger"):
                await reply.whole(1)
            reply.close()

    run(work)


def test_a_kept_connection_that_was_ended_is_not_used_again() -> None:
    async def work() -> None:
        async with Service(saying(OK), always(OK)) as service:
            sender = forwarder()
            assert await answer(sender, service.origin) == (200, b"hi")
            (kept,) = sender._pool._kept[service.origin]
            if not kept.lost:
                await kept._more()
            assert kept.lost
            assert await answer(sender, service.origin) == (200, b"hi")
            assert service.connections == 2

    run(work)


def test_what_nobody_asked_for_ends_the_connection() -> None:
    """An answer too many, or a body where none may be, must not become a part of the next answer."""
    one = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"

    async def work() -> None:
        for told, method, got in ((OK + OK, "GET", b"hi"), (one + b"hi", "HEAD", b""), (one, "HEAD", b"")):
            async with Service(saying(told, OK), always(EMPTY)) as service:
                sender = forwarder()
                assert await answer(sender, service.origin, method) == (200, got)
                kept = told is one
                assert await answer(sender, service.origin) == (200, b"hi" if kept else b"")

    run(work)


def test_an_answer_that_was_not_taken_is_not_the_next_ones() -> None:
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"

    async def work() -> None:
        async with Service(always(long), always(EMPTY)) as service:
            sender = forwarder()
            reply = await ask(sender, service.origin)
            reply.close()
            reply.close()
            assert await answer(sender, service.origin) == (200, b"")

    run(work)


def test_whoever_gives_up_leaves_no_connection_behind() -> None:
    gone = asyncio.Event()

    async def talk(peer: Peer) -> None:
        await peer.head()
        assert await peer.ended()
        gone.set()

    async def work() -> None:
        async with Service(talk, always(EMPTY)) as service:
            sender = forwarder(connections=1)
            asking = asyncio.create_task(ask(sender, service.origin))
            await service.came.get()
            asking.cancel()
            await gone.wait()
            assert await answer(sender, service.origin) == (200, b"")

    run(work)


def test_no_more_connections_than_allowed() -> None:
    async def work() -> None:
        async with Service(always(OK)) as service:
            sender = forwarder(connections=2, connect_s=0.3)
            replies = [await ask(sender, service.origin) for _ in range(2)]
            with pytest.raises(Lost, match=r"cannot be reached \(TimeoutError\)") as caught:
                await ask(sender, service.origin)
            assert not caught.value.sent
            waiting = asyncio.create_task(answer(sender, service.origin))
            await asyncio.sleep(0)
            for reply in replies:
                await reply.whole(9)
                reply.close()
            assert await waiting == (200, b"hi")
            assert service.connections == 2

    run(work)


def test_connections_are_opened_ahead_of_calls_that_follow_each_other() -> None:
    """Where the service ends each after its answer. A single call opens none for nobody."""

    async def work() -> None:
        async with Service(saying(CLOSES)) as service:
            sender = forwarder()
            assert await answer(sender, service.origin) == (200, b"hi")
            assert not sender._pool._opening
            for _ in range(3):
                assert await answer(sender, service.origin) == (200, b"hi")
                (opening,) = sender._pool._opening.values()
                await opening
            for _ in range(5):
                await service.came.get()
            await sender.close()

    run(work)


def test_idle_connections_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "KEPT_S", 0.1)
    monkeypatch.setattr(pool, "AHEAD_S", 0.1)
    ended = asyncio.Event()

    async def talk(peer: Peer) -> None:
        await peer.head()
        await peer.say(OK)
        assert await peer.ended()
        ended.set()

    async def work() -> None:
        async with Service(talk) as service:
            sender = forwarder()
            await answer(sender, service.origin)
            await ended.wait()
            assert not sender._pool._kept

    run(work)


def test_services_are_who_their_certificate_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate of nobody's is refused, and one of another name; nothing is sent then."""
    file = self_signed(tmp_path)
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(file)

    async def work() -> None:
        async with Service(always(OK), tls=own) as service:
            here, other = service.origin, service.origin._replace(host="localhost")
            with pytest.raises(Lost, match="SSLCertVerificationError") as caught:
                await ask(forwarder(), here)
            assert not caught.value.sent
            known = ssl.create_default_context(cafile=str(file))
            monkeypatch.setattr(pool, "_tls", lambda: known)
            assert await answer(forwarder(), here) == (200, b"hi")
            with pytest.raises(Lost, match="SSLCertVerificationError"):
                await ask(forwarder(), other)

    run(work)


def test_a_name_with_several_addresses_is_tried_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one does not answer."""
    with socket.create_server(("127.0.0.2", 0)) as closed:
        dead = closed.getsockname()

    async def found(host: str, port: int) -> list[Any]:
        assert host == "two.example"
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, dead), (*kind, ("127.0.0.1", port))]

    monkeypatch.setattr(pool, "_addresses", found)

    async def work() -> None:
        async with Service(always(OK)) as service:
            assert await answer(forwarder(), service.origin._replace(host="two.example")) == (200, b"hi")

    run(work)


def test_closing_ends_all() -> None:
    async def work() -> None:
        async with Service(always(OK)) as service:
            sender = forwarder()
            await answer(sender, service.origin)
            reply = await ask(sender, service.origin)
            await sender.close()
            reply.close()
            assert not sender._pool._kept

    run(work)
