"""Digests instead of floods: counted, the first few quoted, none missing; what is urgent is never joined."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.notify.kit import START, Kit, change, numbered, webhook
from tests.runtime.notify.receiver import Receiver

from interlock.control import outbox
from interlock.model.change import ChangeState
from interlock.model.message import Event, MessageState

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    return tmp_path / "secret"


def test_more_than_five_of_a_kind_in_a_minute_come_as_one(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret))
            for number in range(12):
                kit.post.held(numbered(number))
                await kit.later(SECOND)
            assert [c["type"] for c in receiver.contents] == ["interlock.held"] * 5, "the first few at once"
            await kit.later(MINUTE)
            assert len(receiver.taken) == 6
            digest = receiver.contents[-1]
            assert digest["type"] == "interlock.digest"
            assert digest["data"]["count"] == 7
            assert digest["data"]["counts"] == {"held": 7}
            assert [one["event"] for one in digest["data"]["first"]] == ["held"] * outbox.LISTED
            lines = digest["data"]["text"].splitlines()
            assert lines[0] == "7 messages (7 held); the first of them:"
            assert "console/changes/CHG-00000005" in lines[1]
            assert lines[-1] == "and 4 more: https://interlock.example/console"
            assert len(lines) == 1 + outbox.LISTED + 1
            states = [m.state for m in await kit.messages(Event.HELD)]
            assert states.count(MessageState.DELIVERED) == 5
            assert states.count(MessageState.JOINED) == 7

    run(work())


def test_exactly_five_are_not_joined_and_neither_are_different_kinds(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret))
            for number in range(5):
                kit.post.held(numbered(number))
                kit.post.moved(numbered(number, state=ChangeState.DENIED))
            await kit.deliver()
            await kit.later(MINUTE)
            kinds = [c["type"] for c in receiver.contents]
            assert kinds == ["interlock.held"] * 5 + ["interlock.decided"] * 5

    run(work())


def test_a_flood_that_goes_on_comes_once_a_minute(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret))
            for number in range(300):
                kit.post.held(numbered(number))
                await kit.later(SECOND)
            await kit.later(2 * MINUTE)
            assert len(receiver.taken) <= 5 + 6
            assert sum(c["data"].get("count", 1) for c in receiver.contents) == 300

    run(work())


def test_said_all_at_once_it_is_one_too(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret))
            for number in range(250):
                kit.post.held(numbered(number))
            await kit.deliver()
            await kit.later(MINUTE)
            assert sum(c["data"].get("count", 1) for c in receiver.contents) == 250
            assert len(receiver.taken) <= 8

    run(work())


def test_a_channel_with_a_digest_collects(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret, digest=10 * MINUTE))
            kit.post.held(numbered(1))
            await kit.deliver()
            await kit.later(4 * MINUTE)
            kit.post.moved(numbered(1, state=ChangeState.DENIED))
            await kit.later(5 * MINUTE)
            assert receiver.taken == []
            await kit.later(MINUTE)
            (content,) = receiver.contents
            assert content["data"]["counts"] == {"held": 1, "decided": 1}
            assert content["data"]["text"].startswith(
                "2 messages (1 held, 1 decided); the first of them:\n- fixer would"
            )
            assert "more" not in content["data"]["text"]
            kit.post.held(numbered(2))
            await kit.deliver()
            await kit.later(9 * MINUTE)
            assert len(receiver.taken) == 1
            await kit.later(MINUTE)
            assert receiver.contents[-1]["type"] == "interlock.held", "one alone is no digest"

    run(work())


def test_what_is_urgent_is_never_kept_back_or_joined(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret, digest=10 * MINUTE))
            for number in range(9):
                kit.post.held(numbered(number))
            for number in range(9):
                kit.post.break_glass(f"person{number}", None, "shop", START)
            await kit.deliver()
            assert [c["type"] for c in receiver.contents] == ["interlock.break_glass"] * 9
            await kit.later(10 * MINUTE)
            assert [c["type"] for c in receiver.contents[9:]] == ["interlock.digest"]

    run(work())


def test_a_digest_that_is_not_taken_is_the_same_the_next_time(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret, digest=10 * MINUTE))
            for number in range(3):
                kit.post.held(numbered(number))
            receiver.status = 500
            await kit.deliver()
            await kit.later(10 * MINUTE)
            kit.post.held(numbered(4))
            receiver.status = 200
            await kit.later(MINUTE)
            assert receiver.ids[0] == receiver.ids[1]
            assert receiver.taken[0][2] == receiver.taken[1][2]
            (digest,) = await kit.messages(Event.DIGEST)
            assert (digest.parts, digest.state, digest.attempts) == (3, MessageState.DELIVERED, 2)

    run(work())


def test_a_held_change_is_only_one_line_of_a_digest(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret, digest=10 * MINUTE))
            kit.post.held(change(reason="my own words\n- and a line"))
            kit.post.held(numbered(2))
            await kit.deliver()
            await kit.later(10 * MINUTE)
            text = receiver.contents[0]["data"]["text"]
            assert len(text.splitlines()) == 3
            assert "my own words" not in text

    run(work())
