"""People, agents and grants."""

from interlock.console.callers import name_of
from interlock.console.operations import Call, Nothing
from interlock.console.schemas import (
    Agents,
    Connection,
    Empty,
    Grants,
    NewAgent,
    NewGrant,
    NewPerson,
    NewToken,
    People,
)
from interlock.model.people import Agent, Grant, Person


async def people(call: Call[Nothing, None]) -> People:
    """Everyone enrolled, disabled ones too."""
    return People(tuple(await call.runtime.store.read(lambda tx: tx.people())))


async def add_person(call: Call[Nothing, NewPerson]) -> Person:
    """Enrol a person."""
    new = call.body
    return await call.runtime.add_person(new.name, new.groups, new.public_key, name_of(call.caller))


async def disable_person(call: Call[Nothing, Empty]) -> Person:
    """Disable a person at once."""
    return await call.runtime.disable_person(call.path["name"], name_of(call.caller))


async def agents(call: Call[Nothing, None]) -> Agents:
    """All agents, disabled ones too. Nothing of their tokens."""
    return Agents(tuple(await call.runtime.store.read(lambda tx: tx.agents())))


async def add_agent(call: Call[Nothing, NewAgent]) -> NewToken:
    """Add an agent. The answer is the only place where its token ever is."""
    agent, token = await call.runtime.add_agent(call.body.name, call.body.owner, name_of(call.caller))
    return NewToken(agent, token, _connections(call, agent))


async def rotate_agent(call: Call[Nothing, Empty]) -> NewToken:
    """Give an agent a new token; the old one ends at once."""
    agent, token = await call.runtime.rotate_agent(call.path["name"], name_of(call.caller))
    return NewToken(agent, token, _connections(call, agent))


async def disable_agent(call: Call[Nothing, Empty]) -> Agent:
    """Disable an agent at once."""
    return await call.runtime.disable_agent(call.path["name"], name_of(call.caller))


def _connections(call: Call[Nothing, object], agent: Agent) -> tuple[Connection, ...]:
    return tuple(
        Connection(name, address) for name, address in sorted(call.runtime.addresses(agent.name).items())
    )


async def grants(call: Call[Nothing, None]) -> Grants:
    """All grants, ended ones too, and the time by the store's clock."""
    found, now = await call.runtime.store.read(lambda tx: (tx.grants(), tx.now()))
    return Grants(tuple(found), now)


async def add_grant(call: Call[Nothing, NewGrant]) -> Grant:
    """Let an agent do something on a target for some time."""
    return await call.runtime.add_grant(call.body, name_of(call.caller))


async def revoke_grant(call: Call[Nothing, None]) -> Grant:
    """Revoke a grant at once."""
    return await call.runtime.revoke_grant(call.path["id"], name_of(call.caller))
