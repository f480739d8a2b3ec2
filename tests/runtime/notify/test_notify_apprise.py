"""Apprise: its own `json://` and `form://` against a real server; texts stay texts; nothing of an address gets out."""

import asyncio
import html
import io
import json
import logging
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from apprise import Apprise, NotifyFormat
from tests.runtime.notify.kit import START, Kit, change, configured, deleted
from tests.runtime.notify.receiver import Receiver

from interlock.model.change import Measurement
from interlock.model.message import Event, Message, MessageState
from interlock.runtime.config.secrets import parse
from interlock.runtime.notify import deliver
from interlock.runtime.notify.channels.by_apprise import Apprised, _asset
from interlock.runtime.notify.channels.errors import NotTaken, Unfit

NOW = START.timestamp()
MESSAGE = Message("msg_1", "chat", Event.HELD, "a <b>text</b> *of* [ours](x) :smile: \\t", START, START)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def address(receiver: Receiver, service: str = "json", more: str = "") -> str:
    return f"{service}://user:hunter2@127.0.0.1:{receiver.server_port}/in-the-path{more}"


def test_json_gets_the_text_as_it_is(receiver: Receiver) -> None:
    Apprised(address(receiver)).send(MESSAGE, NOW)
    ((path, _, body),) = receiver.taken
    assert path.startswith("/in-the-path")
    content = json.loads(body)
    assert content["message"] == MESSAGE.text
    assert (content["title"], content["type"]) == ("Interlock: held", "info")


def test_form_gets_it_too_and_what_is_urgent_is_a_warning(receiver: Receiver) -> None:
    Apprised(address(receiver, "form")).send(
        Message("msg_1", "chat", Event.BREAK_GLASS, "all", START, START, urgent=True), NOW
    )
    ((_, _, body),) = receiver.taken
    content = parse_qs(body.decode())
    assert (content["message"], content["type"]) == (["all"], ["warning"])


def test_services_that_read_markup_get_it_escaped(receiver: Receiver) -> None:
    Apprised(address(receiver, more="?format=html")).send(MESSAGE, NOW)
    Apprised(address(receiver, more="?format=markdown")).send(MESSAGE, NOW)
    page, markdown = (c["message"] for c in receiver.contents)
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    assert "\\*of\\*" in markdown
    assert "\\[ours\\]" in markdown


@pytest.mark.parametrize("status", [301, 308, 400, 404, 500])
def test_a_refusal_is_no_success_and_no_redirect_is_followed(receiver: Receiver, status: int) -> None:
    with Receiver() as elsewhere:
        receiver.status, receiver.headers_sent = status, {"Location": elsewhere.url}
        with pytest.raises(NotTaken, match="did not take it"):
            Apprised(address(receiver)).send(MESSAGE, NOW)
        assert elsewhere.taken == []


def test_nobody_there() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(NotTaken, match="did not take it"):
        Apprised(f"json://127.0.0.1:{port}/").send(MESSAGE, NOW)


def test_one_that_hangs_is_left_and_not_asked_again_meanwhile(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "LONGEST", 0.2)
    receiver.go.clear()

    async def work() -> list[Message]:
        kit = Kit(*configured(f'["{address(receiver)}"]'))
        kit.post.held(change())
        await kit.deliver()
        (first,) = await kit.messages()
        assert first.error == "does not answer in time"
        await kit.later(first.due_at - kit.store.time)
        return await kit.messages()

    (message,) = asyncio.run(work())
    assert (message.state, message.attempts) == (MessageState.WAITING, 2)
    assert message.error == "is still busy with an earlier message"


@pytest.mark.parametrize(
    "url", ["nothing://hunter2", "slack://hunter2", "json://", "json://127.0.0.1/ json://127.0.0.2/"]
)
def test_an_address_that_is_none_is_said_without_it(url: str, tmp_path: Path) -> None:
    with pytest.raises(Unfit) as raised:
        Apprised(url)
    assert "hunter2" not in str(raised.value)
    (tmp_path / "url").write_text(url)
    late = Apprised(parse({"file": "url"}, tmp_path))  # not read before it is needed
    with pytest.raises(NotTaken) as refused:
        late.send(MESSAGE, NOW)
    assert "hunter2" not in str(refused.value)


def test_an_address_in_a_file_is_read_when_needed_and_again_after_a_failure(
    receiver: Receiver, tmp_path: Path
) -> None:
    channel = Apprised(parse({"file": "url"}, tmp_path))
    with pytest.raises(NotTaken, match="secret file"):
        channel.send(MESSAGE, NOW)
    (tmp_path / "url").write_text(address(receiver))
    channel.send(MESSAGE, NOW)
    with Receiver() as other:
        (tmp_path / "url").write_text(address(other))
        channel.send(MESSAGE, NOW)
        assert (len(receiver.taken), len(other.taken)) == (2, 0), "a command need not run for each message"
        receiver.status = 401
        with pytest.raises(NotTaken):
            channel.send(MESSAGE, NOW)
        channel.send(MESSAGE, NOW)
        assert len(other.taken) == 1


def test_one_address_is_one_channel(receiver: Receiver) -> None:
    """Apprise would make two of it."""
    with Receiver() as other:
        both = f"{address(receiver)},{address(other)}"
        with suppress(Unfit, NotTaken):
            Apprised(both).send(MESSAGE, NOW)
        assert other.taken == []


def test_its_logs_say_nothing(receiver: Receiver) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    try:
        receiver.status = 500
        for url in (address(receiver), "json://user:hunter2@127.0.0.1:1/in-the-path"):
            with pytest.raises(NotTaken):
                Apprised(url).send(MESSAGE, NOW)
        with pytest.raises(Unfit):
            Apprised("slack://hunter2")
    finally:
        logging.getLogger().removeHandler(handler)
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("json://127.0.0.1/", ""),
        ("json://localhost/", ""),
        ("jsons://example.com/", ""),
        ("json://example.com/", "use jsons://"),
        ("gotify://example.com/token", "use gotifys://"),
        ("ntfy://example.com/topic", "use ntfys://"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general", ""),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", ""),
    ],
)
def test_what_others_can_read_is_said(url: str, said: str) -> None:
    why = Apprised(url).doubt()
    assert said in why if said else why == ""


HOSTILE = [
    "evil.example",
    "http://evil.example/login",
    "<!channel>",
    "@everyone",
    "[click](https://evil.example)",
    "<a href='https://evil.example'>x</a>",
    "*bold* _it_ ~gone~ `code` ||hidden||",
    ":white_check_mark:",
    "a\nApproved: fixer deleted",
    "www.evil.example",
    "mail@evil.example",
    "evil\u3002example",
]


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("format_", [NotifyFormat.TEXT, NotifyFormat.HTML, NotifyFormat.MARKDOWN])
def test_what_an_agent_calls_its_tables_is_no_link_markup_or_call(
    hostile: str, format_: NotifyFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As each kind of service gets it, after Apprise's own escaping."""

    text = Kit().words.held(change(measurement=Measurement((deleted(3, hostile),)))).text
    plugin = Apprise.instantiate("json://127.0.0.1/?format=" + format_.value, asset=_asset())
    seen: list[str] = []
    assert plugin is not None

    def send(body: str, **_: object) -> bool:
        seen.append(body)
        return True

    monkeypatch.setattr(plugin, "send", send)
    sender = Apprise(asset=_asset())
    sender.add(plugin)
    assert sender.notify(body=text, body_format=NotifyFormat.TEXT)
    (sent,) = seen
    for dangerous in (
        "evil.example", "://", "<!", "@everyone", "](", "<a", "*bold*", "~gone~", "`code`", "||", ":white", "\nApproved",
        "@evil", "\u3002",
    ):  # fmt: skip
        assert dangerous not in sent, (dangerous, sent)
    assert "delete 3 rows of" in html.unescape(sent).replace("\u00a0", " ")
