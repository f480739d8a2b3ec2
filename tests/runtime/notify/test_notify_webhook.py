"""Webhooks: what is sent is signed as the specification says, and nothing of the answer but its status is believed."""

import asyncio
import base64
import json
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from tests.runtime.notify.kit import START, Kit, change, numbered, webhook
from tests.runtime.notify.receiver import SECRET, TOLERANCE, Receiver, Refused, verified

from interlock.model.message import Event, Message, MessageState
from interlock.runtime.config.secrets import parse
from interlock.runtime.notify.channels import by_webhook
from interlock.runtime.notify.channels.by_webhook import Webhook, key_of
from interlock.runtime.notify.channels.errors import NotTaken

NOW = START.timestamp()
MESSAGE = Message("msg_1", "hook", Event.HELD, "a text", START, START)


def test_a_held_change_is_told_and_signed(tmp_path: Path) -> None:
    async def work(receiver: Receiver) -> None:
        kit = Kit(webhook(receiver.url, tmp_path / "secret"))
        kit.post.held(change())
        await kit.deliver()
        await kit.deliver()

    with Receiver() as receiver:
        asyncio.run(work(receiver))
    ((path, headers, body),) = receiver.taken
    assert path == "/hook/in-the-path"
    content = verified(headers, body, SECRET, NOW)
    assert content["type"] == "interlock.held"
    assert content["timestamp"] == "2026-03-04T05:06:07.000Z"
    assert content["data"]["text"] == (
        "fixer would delete 1,204 rows of public·orders (shop, production) - waits for 2 of sre: "
        "https://interlock.example/console/changes/CHG-7K3F9Q2M"
    )
    assert content["data"]["url"] == "https://interlock.example/console/changes/CHG-7K3F9Q2M"
    assert (content["data"]["change"], content["data"]["waits_for"]) == ("CHG-7K3F9Q2M", ["quorum:two-sre"])
    assert content["data"]["totals"]["rows_deleted"] == 1204
    for late in (NOW + TOLERANCE + 1, NOW - TOLERANCE - 1):
        with pytest.raises(Refused, match="too old or too new"):
            verified(headers, body, SECRET, late)
    altered: list[tuple[dict[str, str], bytes]] = [
        (headers, body.replace(b"1,204", b"4")),
        ({**headers, "webhook-id": "msg_other"}, body),
        ({**headers, "webhook-timestamp": str(int(NOW) + 1)}, body),
    ]
    for other, data in altered:
        with pytest.raises(Refused, match="not ours"):
            verified(other, data, SECRET, NOW)
    assert json.loads(body) == content


def test_a_try_again_has_the_same_id_and_content_and_a_new_time(tmp_path: Path) -> None:
    async def work(receiver: Receiver) -> None:
        kit = Kit(webhook(receiver.url, tmp_path / "secret"))
        receiver.status = 500
        kit.post.held(change())
        await kit.deliver()
        receiver.status = 204
        await kit.later(timedelta(seconds=30))

    with Receiver() as receiver:
        asyncio.run(work(receiver))
    (_, first, body), (_, second, again) = receiver.taken
    assert first["webhook-id"] == second["webhook-id"]
    assert body == again
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 30
    assert first["webhook-signature"] != second["webhook-signature"]
    verified(second, again, SECRET, NOW + 30)


def hook(url: str, tmp_path: Path, secret: str = SECRET) -> Webhook:
    (tmp_path / "secret").write_text(secret)
    return Webhook(url, parse({"file": "secret"}, tmp_path))


@pytest.mark.parametrize("status", [301, 302, 307, 308, 304, 400, 401, 403, 404, 410, 422, 429, 500, 503])
def test_only_2xx_is_taken_and_no_redirect_is_followed(tmp_path: Path, status: int) -> None:
    with Receiver() as receiver, Receiver() as elsewhere:
        receiver.status = status
        receiver.headers_sent = {"Location": elsewhere.url, "Retry-After": "0"}
        with pytest.raises(NotTaken, match=f"HTTP {status}") as raised:
            hook(receiver.url, tmp_path).send(MESSAGE, NOW)
        assert elsewhere.taken == []
    assert len(receiver.taken) == 1
    assert raised.value.unreached is (status not in (400, 422))


def speaking(answer: Callable[[socket.socket], None]) -> tuple[socket.socket, str]:
    """A server that reads a request, and then does what it likes."""
    listening = socket.create_server(("127.0.0.1", 0))

    def speak() -> None:
        connection, _ = listening.accept()
        with connection:
            got = b""
            while b"a text" not in got:
                got += connection.recv(65536)
            answer(connection)

    threading.Thread(target=speak, daemon=True).start()
    return listening, f"http://127.0.0.1:{listening.getsockname()[1]}/hook/in-the-path"


@pytest.mark.parametrize(
    "answer",
    [b"", b"hunter2 is no http\r\n\r\n", b"HTTP/1.1 2", b"HTTP/1.1 hunter2 OK\r\n\r\n", b"\0" * 100_000],
)
def test_an_answer_that_is_none_is_no_success(tmp_path: Path, answer: bytes) -> None:
    listening, url = speaking(lambda connection: connection.sendall(answer))
    with closing(listening), pytest.raises(NotTaken) as raised:
        hook(url, tmp_path).send(MESSAGE, NOW)
    assert "hunter2" not in str(raised.value)
    assert "in-the-path" not in str(raised.value)
    assert raised.value.unreached


def test_one_that_never_ends_its_answer_is_left_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_webhook, "LONGEST", 0.3)
    ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        try:
            while True:
                connection.sendall(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100)
        except OSError:
            ended.set()

    listening, url = speaking(drip)
    with closing(listening), pytest.raises(NotTaken):
        hook(url, tmp_path).send(MESSAGE, NOW)
    assert ended.wait(30), "the connection was ended"


def test_one_that_says_nothing_is_left_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_webhook, "LONGEST", 0.05)
    with closing(socket.create_server(("127.0.0.1", 0))) as listening, pytest.raises(NotTaken):
        hook(f"http://127.0.0.1:{listening.getsockname()[1]}/", tmp_path).send(MESSAGE, NOW)


def test_nobody_there(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(NotTaken, match="ConnectionRefusedError"):
        hook(f"http://127.0.0.1:{port}/secret-path", tmp_path).send(MESSAGE, NOW)


def test_a_certificate_that_nobody_knows_gets_nothing(tmp_path: Path) -> None:
    from tests.runtime.notify.tls import self_signed

    with Receiver() as receiver:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self_signed(tmp_path))
        receiver.socket = context.wrap_socket(receiver.socket, server_side=True)
        with pytest.raises(NotTaken, match="SSLCertVerificationError"):
            hook(receiver.url.replace("http:", "https:"), tmp_path).send(MESSAGE, NOW)
    assert receiver.taken == []


@pytest.mark.parametrize(
    "secret",
    [
        "hunter2hunter2",
        "whsec_",
        "whsec_c2hvcnQ=",
        "whsec_not base64 at all!",
        "whsec_" + "QUJD" * 30,
        "MfKQ" * 8,
    ],
)
def test_a_secret_that_is_none_signs_nothing_and_is_not_shown(tmp_path: Path, secret: str) -> None:
    with Receiver() as receiver:
        with pytest.raises(NotTaken, match="its secret is not whsec_") as raised:
            hook(receiver.url, tmp_path, secret).send(MESSAGE, NOW)
        assert receiver.taken == []
    assert secret.removeprefix("whsec_") not in str(raised.value) or secret == "whsec_"


def test_a_secret_that_is_not_given_is_a_failed_try(tmp_path: Path) -> None:
    with Receiver() as receiver, pytest.raises(NotTaken, match="secret file"):
        Webhook(receiver.url, parse({"file": "none"}, tmp_path)).send(MESSAGE, NOW)


def test_a_secret_is_read_again_after_a_failure(tmp_path: Path) -> None:
    other = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()
    with Receiver() as receiver:
        channel = hook(receiver.url, tmp_path)
        for status, secret in ((200, SECRET), (401, SECRET), (200, other)):
            receiver.status = status
            (tmp_path / "secret").write_text(secret)
            if status == 200:
                channel.send(MESSAGE, NOW)
                _, headers, data = receiver.taken[-1]
                verified(headers, data, secret, NOW)
            else:
                with pytest.raises(NotTaken):
                    channel.send(MESSAGE, NOW)


def test_whether_one_can_be_reached_is_found_without_sending(tmp_path: Path) -> None:
    with Receiver() as receiver:
        assert hook(receiver.url, tmp_path).doubt() == ""
        assert receiver.taken == []
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = listening.getsockname()[1]
    assert hook(f"http://127.0.0.1:{port}/in-the-path", tmp_path).doubt() == (
        "it cannot be reached (ConnectionRefusedError)"
    )


def test_the_specifications_own_secret_is_one() -> None:
    assert len(key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")) == 24


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x",
        "https://user:pw@example.com/",
        "ftp://example.com/",
        "https://e.example/#x",
        "x",
    ],
)
def test_an_address_from_a_file_is_held_to_the_same(tmp_path: Path, url: str) -> None:
    (tmp_path / "url").write_text(url)
    (tmp_path / "secret").write_text(SECRET)
    channel = Webhook(parse({"file": "url"}, tmp_path), parse({"file": "secret"}, tmp_path))
    with pytest.raises(NotTaken) as raised:
        channel.send(MESSAGE, NOW)
    assert url not in str(raised.value) or url == "x"
    with pytest.raises(NotTaken):
        channel.doubt()


def test_content_that_one_will_not_have_keeps_the_others_not_back(tmp_path: Path) -> None:
    async def work(receiver: Receiver) -> list[Message]:
        kit = Kit(webhook(receiver.url, tmp_path / "secret"))
        receiver.status = 422
        for number in range(3):
            kit.post.held(numbered(number))
        await kit.deliver()
        return await kit.messages()

    with Receiver() as receiver:
        messages = asyncio.run(work(receiver))
    assert len(receiver.taken) == 3
    assert [(m.state, m.attempts, m.error) for m in messages] == [
        (MessageState.WAITING, 1, "answers HTTP 422")
    ] * 3


def test_one_that_takes_nothing_is_asked_once_for_all(tmp_path: Path) -> None:
    async def work(receiver: Receiver) -> list[Message]:
        kit = Kit(webhook(receiver.url, tmp_path / "secret"))
        receiver.status = 503
        for number in range(3):
            kit.post.held(numbered(number))
        await kit.deliver()
        return await kit.messages()

    with Receiver() as receiver:
        messages = asyncio.run(work(receiver))
    assert len(receiver.taken) == 1
    assert [(m.attempts, m.error) for m in messages] == [(1, "answers HTTP 503")] * 3
