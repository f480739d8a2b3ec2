"""What people are told of freezes and of the kill switch, on which channels, and once."""

from pathlib import Path

import pytest
from tests.runtime.notify.kit import Kit, webhook
from tests.runtime.notify.receiver import Receiver
from tests.runtime.notify.test_notify_post import run, secret

from interlock.model.breaker import Breaker
from interlock.model.message import Event
from interlock.runtime.core import Notifiers
from interlock.sdk.ports import Tx
from interlock.testing.stores.enforcing import FakeStore

__all__ = ["secret"]  # the fixture

NOW = FakeStore().time
FROZEN = Breaker(
    "environment/production", frozen=True, epoch=3, moved_at=NOW, moved_by="person/ann", remind_s=60
)
HALTED = Breaker("global", frozen=True, epoch=5, moved_at=NOW, moved_by="person/ann", reason="<b>@here</b>")


def told(receiver: Receiver) -> list[tuple[str, str]]:
    return [
        (c["type"].removeprefix("interlock."), c["data"]["text"].partition(": https")[0])
        for c in receiver.contents
    ]


def test_each_in_its_words_and_never_the_reason(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret))
            kit.post._environment_of = lambda scope: scope.partition("/")[2]
            all_of_them = Notifiers((kit.post,))
            all_of_them.freeze(FROZEN, "person/ann")
            all_of_them.still_frozen(FROZEN, NOW)
            all_of_them.freeze(Breaker("environment/production", epoch=4), "person/bob")
            all_of_them.halt(HALTED, "person/ann")
            all_of_them.halt(Breaker("global", epoch=6), "person/bob")
            all_of_them.drill_failed(Breaker("drill", epoch=9), ["gw-1", "*bold*"])
            await kit.deliver()
            assert sorted(told(receiver)) == sorted(
                [
                    (
                        "freeze",
                        "FROZEN: no agent changes anything in production until people thaw it, by person/ann",
                    ),
                    (
                        "freeze",
                        "production is still frozen since 2026-03-04 05:06 UTC, by person/ann: thaw it when it may go on",
                    ),
                    ("freeze", "production is thawed, by person/bob"),
                    ("halt", "HALTED: everything is stopped and all agents are disconnected, by person/ann"),
                    ("halt", "The halt is over: agents may work again, by person/bob"),
                    (
                        "halt",
                        'The drill of the kill switch failed on gw-1, "⟨U+002A⟩bold⟨U+002A⟩": '
                        "a halt would come late there, or not at all",
                    ),
                ]
            )
            assert "@here" not in str(receiver.contents)

    run(work())


def test_a_halt_goes_to_every_channel_and_a_freeze_to_those_of_its_environment(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(
                webhook(
                    receiver.url, secret, environments=("staging",), events=(Event.HELD,), groups=("dba",)
                )
            )
            kit.post._environment_of = lambda scope: scope.partition("/")[2]
            kit.post.freeze(FROZEN, "person/ann")
            kit.post.halt(HALTED, "person/ann")
            await kit.deliver()
            assert [kind for kind, _ in told(receiver)] == ["halt"]

    run(work())


@pytest.mark.parametrize("event", ["freeze", "halt"])
def test_channels_may_choose_them(secret: Path, event: str) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret, events=(Event(event),), groups=("dba",)))
            kit.post.freeze(FROZEN, "person/ann")
            kit.post.halt(HALTED, "person/ann")
            await kit.deliver()
            assert event in [kind for kind, _ in told(receiver)]

    run(work())


def test_what_stands_is_found_and_told_once_and_a_drill_is_none_of_it(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret))

            def record(tx: Tx) -> None:
                for row in (FROZEN, HALTED, Breaker("drill", frozen=True, epoch=2)):
                    tx.put_breaker(row)

            await kit.store.transact(record)
            kit.post.halt(HALTED, "person/ann")
            for _ in range(2):
                await kit.post.catch_up()
                await kit.deliver()
            assert sorted(kind for kind, _ in told(receiver)) == ["freeze", "halt"]

    run(work())


def test_each_reminder_is_another_message(secret: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            kit = Kit(webhook(receiver.url, secret))
            for minute in (0, 1, 1):
                kit.post.still_frozen(FROZEN, NOW.replace(minute=minute))
            await kit.deliver()
            assert len(receiver.contents) == 2

    run(work())
