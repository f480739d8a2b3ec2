"""Messages to people that were given up: seen, tried again, dropped; and channels tried out."""

import asyncio
import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.console.conftest import CONFIG, Api, installed
from tests.console.visitors import main_of, visitor

from interlock.model.message import Event, Message, MessageState

pytestmark = pytest.mark.anyio

AT = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
DEAD = MessageState.DEAD


async def add(api: Api, name: str, **more: Any) -> Message:
    given = {
        "state": DEAD, "attempts": 8, "error": "the server answered 503", "settled_at": AT,
        "data": {"change": "CHG-7K3F9Q2M"}, "due_at": AT, **more,
    }  # fmt: skip
    message = Message(name, "hook", Event.HELD, "fixer would delete <b>12</b> rows", AT, **given)
    await api.runtime.store.transact(lambda tx: tx.add_message(message))
    return message


async def stored(api: Api, name: str) -> Message | None:
    return await api.runtime.store.read(lambda tx: tx.message(name))


async def test_what_was_given_up_is_shown_with_why_and_when(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    assert "None was given up." in main_of(await dora.read("/console/messages"))
    await add(api, "m1")
    await add(api, "m2", state=MessageState.WAITING, attempts=3, settled_at=None)
    raw = await dora.read("/console/messages")
    page = main_of(raw)
    assert "hook" in page
    assert "tells of break glass" in page
    assert "wait 1" in page
    assert "given up 1" in page
    listed = page.partition("over a day")[2]
    assert (
        "hook held fixer would delete &lt;b&gt;12&lt;/b&gt; rows CHG-7K3F9Q2M the server answered 503 8"
        in listed
    )
    assert raw.count("2026-03-04T05:06:00Z") == 2, "queued and given up"
    assert "/console/messages/m1/retry" in raw
    assert "m2" not in raw
    assert "/drop" not in raw, "for admins"
    still = await dora.read("/console/messages?state=waiting")
    assert "the server answered 503 3" in main_of(still)
    assert "/retry" not in still
    assert (await dora.get("/console/messages?state=delivered")).status_code == 400


async def test_one_is_tried_again_as_if_it_were_new(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    await add(api, "m1")
    answer = await dora.post("/console/messages/m1/retry")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/messages")
    again = await stored(api, "m1")
    assert again is not None
    assert again.state is not DEAD
    assert (await dora.post("/console/messages/m1/retry")).status_code == 409
    assert (await dora.post("/console/messages/nothing/retry")).status_code == 404


async def test_admins_drop_one(api: Api) -> None:
    dora, root = await visitor(api, "dora", "sre"), await visitor(api, "root", "admin")
    await add(api, "m1")
    await add(api, "m2", state=MessageState.WAITING, attempts=2)
    assert (await dora.post("/console/messages/m1/drop")).status_code == 403
    assert "/console/messages/m1/drop" in await root.read("/console/messages")
    assert (await root.post("/console/messages/m1/drop")).status_code == 303
    assert await stored(api, "m1") is None
    assert (await root.post("/console/messages/m2/drop")).status_code == 422, "it still can be delivered"


async def taking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A receiver of webhooks that takes everything."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.partition(b":")[2]))
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


async def test_a_channel_is_tried_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOT_GIVEN", "whsec_" + base64.b64encode(bytes(32)).decode())
    server = await asyncio.start_server(taking, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, installed(tmp_path, CONFIG.replace("127.0.0.1:9/", f"127.0.0.1:{port}/")) as api:
        dora = await visitor(api, "dora", "sre")
        answer = await dora.post("/console/channels/hook/test")
        assert answer.status_code == 200
        assert "hook took the test." in main_of(answer.text)


async def test_a_channel_that_does_not_take_it_says_why(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    answer = await dora.post("/console/channels/hook/test")
    assert answer.status_code == 200
    assert "hook did not take the test: " in main_of(answer.text)
    assert (await dora.post("/console/channels/nothing/test")).status_code == 404


@pytest.mark.parametrize("api", [CONFIG.partition("notify:")[0]], indirect=True)
async def test_without_a_channel_it_is_said_that_nobody_is_told(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    assert "nobody is told anything" in main_of(await dora.read("/console/messages"))
