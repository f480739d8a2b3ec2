"""Timeouts that an agent may lower and not raise: each session begins with the gateway's, and a wish for more is answered with it.

They are the courteous part. What holds whatever a session's settings are is the gateway's own timers and `overstay`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from interlock.connectors.postgres.codec import build
from interlock.connectors.postgres.config import Timers
from interlock.connectors.postgres.session import control

if TYPE_CHECKING:
    from interlock.connectors.postgres.session.asked.items import Item
    from interlock.connectors.postgres.session.worker import Worker

_FACTORS = {"us": 0.001, "ms": 1.0, "s": 1_000.0, "min": 60_000.0, "h": 3_600_000.0, "d": 86_400_000.0}


def limits_ms(timers: Timers) -> dict[str, int]:
    """The most that a session may have, in milliseconds, by setting."""
    return {
        "lock_timeout": int(timers.lock_timeout_ms),
        "statement_timeout": int(timers.statement_timeout_s * 1_000),
        "idle_in_transaction_session_timeout": int(timers.idle_timeout_s * 1_000),
    }


def milliseconds(text: str) -> float | None:
    """A value of one of these settings (manual, section 19.1.1; without a unit, milliseconds); None for what makes no sense to the
    gateway: the server says what is wrong with it, or takes it for what the gateway must not let pass."""
    text = text.strip().strip("'")
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
    factor = _FACTORS.get(text[len(digits) :].strip() or "ms")
    try:
        number = float(digits)
    except ValueError:
        return None
    return None if factor is None or not 0 <= number < 1e12 else number * factor


def within(value: str, limit_ms: int) -> bool:
    """Whether a value is no more than the limit. 0 means no timeout, and so does what the server rounds to it."""
    wished = milliseconds(value)
    return wished is not None and 1 <= wished <= limit_ms


def at_start(wishes: Mapping[str, str], timers: Timers) -> dict[str, str]:
    """What a session begins with: its wishes where they are for less."""
    return {
        name: wishes[name] if name in wishes and within(wishes[name], limit) else f"{limit}ms"
        for name, limit in limits_ms(timers).items()
    }


async def perform(worker: "Worker", item: "Item") -> bool:
    """SET and RESET of one of them."""
    info = item.info
    assert info is not None
    assert info.setting is not None
    name, value = info.setting.name, info.setting.value
    limit = limits_ms(worker.channel.timers)[name]
    wished = 0.0 if value is None else milliseconds(value)
    sql, raised = info.text, False
    if value is not None and wished is not None and not within(value, limit):
        # What the server would not take (-1, 'soon') it refuses in its own words.
        sql, raised = f"SET {'LOCAL' if info.setting.local else 'SESSION'} {name} TO '{limit}ms'", True
    if not await control.begin_now(worker):
        return False
    batch = worker.channel.exchange.batch()
    reply = batch.once(sql)
    batch.sync()
    await worker.channel.exchange.run(batch)
    if reply.failed:
        worker.drop_completion()
        worker.write(reply.raw)
        return False
    if worker.tx is not None:
        worker.record(info, item.asked)
    worker.release()
    if raised:
        worker.write(
            build.notice_response("NOTICE", "00000", f"{name} stays at {limit}ms: the gateway allows no more")
        )
    worker.complete(reply.tag)
    return True
