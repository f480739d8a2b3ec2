"""Runs the sans-io parts of the connector on a session's connection, and on the observer's beside it."""

from collections.abc import Sequence
from typing import TypeVar

from interlock.connectors.postgres.queries import Ask, QueryFailed, Rows, Statement, Steps
from interlock.connectors.postgres.session.channel import Channel
from interlock.connectors.postgres.target.run import run

T = TypeVar("T")


async def run_steps(channel: Channel, steps: Steps[T]) -> T:
    """Run a part: what it asks the agent's connection inside the open transaction, what it asks the observer beside."""

    async def asker(ask: Ask) -> list[Rows]:
        if ask.on == "agent":
            return await ask_agent(channel, ask.statements)
        assert ask.on == "observer", "a preview asks nobody else"
        return await channel.server.observe(ask.statements)

    return await run(steps, asker)


async def ask_agent(channel: Channel, statements: Sequence[Statement]) -> list[Rows]:
    """Run statements of ours on the agent's connection. Raises QueryFailed, Lost."""
    exchange = channel.exchange
    batch = exchange.batch()
    # To parse and plan what is asked for each transaction costs the server more than to run it.
    replies = [
        batch.own(sql, params) if exchange.comes_again(sql) else batch.once(sql, params)
        for sql, params in statements
    ]
    batch.sync()
    await channel.exchange.run(batch)
    for reply in replies:
        if reply.error is not None:
            raise QueryFailed(reply.error.sqlstate, reply.error.message)
    return [reply.texts() for reply in replies]
