"""Webhooks: what is sent is signed as the specification says, and nothing of the answer but its status is believed."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.runtime.notify.kit import START, Kit, change, webhook
from tests.runtime.notify.receiver import SECRET, TOLERANCE, Receiver, Refused, verified

NOW = START.timestamp()


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
    with pytest.raises(Refused, match="not ours"):
        verified(headers, body.replace(b"1,204", b"4"), SECRET, NOW)
    with pytest.raises(Refused, match="not ours"):
        verified({**headers, "webhook-id": "msg_other"}, body, SECRET, NOW)
    with pytest.raises(Refused, match="not ours"):
        verified({**headers, "webhook-timestamp": str(int(NOW) + 1)}, body, SECRET, NOW)
    assert json.loads(body) == content
