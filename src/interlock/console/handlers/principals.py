"""People, agents and grants."""

from datetime import timedelta

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
from interlock.console.schemas.people import (
    Confirmation,
    Enrolments,
    Invited,
    NewInvitation,
    Unlink,
    WaitingEnrolment,
)
from interlock.model.people import Agent, Grant, Person
from interlock.runtime.runtime import Runtime
from interlock.runtime.targets.reaching import TargetServer


async def people(call: Call[Nothing, None]) -> People:
    """Everyone enrolled, disabled ones too."""
    return People(tuple(await call.runtime.people.list()))


async def add_person(call: Call[Nothing, NewPerson]) -> Person:
    """Enrol a person."""
    new = call.body
    return await call.runtime.people.add(new.name, new.groups, new.public_key, by=name_of(call.caller))


async def disable_person(call: Call[Nothing, Empty]) -> Person:
    """Disable a person at once."""
    return await call.runtime.people.disable(call.path["name"], by=name_of(call.caller))


async def invite(call: Call[Nothing, NewInvitation]) -> Invited:
    """A link with which somebody makes a passkey. Its secret stands behind `#`, so that nothing on the way logs it."""
    person, site = call.path["name"], call.runtime.entrance.site
    secret = await call.runtime.enrolments.invite(person, call.body.groups, by=name_of(call.caller))
    return Invited(person, f"{site.origin}/console/enrol#{secret}")


async def enrolments(call: Call[Nothing, None]) -> Enrolments:
    """Passkeys and logins that nobody has confirmed yet."""
    found = await call.runtime.enrolments.waiting()
    keys = (
        WaitingEnrolment(
            e.invitation.person, e.key.label, e.key.created_at, e.invitation.groups, e.invitation.by
        )
        for e in found
    )
    logins = (
        WaitingEnrolment(w.person, w.calls, w.subject.created_at, w.groups, w.by, w.subject.digest, w.named)
        for w in await call.runtime.enrolments.logins()
    )
    return Enrolments((*keys, *logins))


async def confirm(call: Call[Nothing, Confirmation]) -> Person:
    """Let an enrolment count: whoever confirms was told the code by the person."""
    told, by = call.body, name_of(call.caller)
    return await call.runtime.enrolments.confirm(call.path["name"], told.code, told.groups, by=by)


async def unlink(call: Call[Nothing, Unlink]) -> Person:
    """A login lets nobody in any more, at once."""
    return await call.runtime.enrolments.unlink(call.path["name"], call.body.sub, by=name_of(call.caller))


async def revoke_passkey(call: Call[Nothing, None]) -> Person:
    """A passkey counts no more, at once."""
    return await call.runtime.enrolments.revoke(call.path["name"], call.path["id"], by=name_of(call.caller))


async def agents(call: Call[Nothing, None]) -> Agents:
    """All agents, disabled ones too. Nothing of their tokens."""
    return Agents(tuple(await call.runtime.agents.list()))


async def add_agent(call: Call[Nothing, NewAgent]) -> NewToken:
    """Add an agent. The answer is the only place where its token ever is."""
    new = await call.runtime.agents.add(call.body.name, call.body.owner, by=name_of(call.caller))
    return NewToken(new.agent, new.token, _connections(call.runtime, new.agent))


async def rotate_agent(call: Call[Nothing, Empty]) -> NewToken:
    """Give an agent a new token; the old one ends at once."""
    new = await call.runtime.agents.rotate(call.path["name"], by=name_of(call.caller))
    return NewToken(new.agent, new.token, _connections(call.runtime, new.agent))


async def disable_agent(call: Call[Nothing, Empty]) -> Agent:
    """Disable an agent at once."""
    return await call.runtime.agents.disable(call.path["name"], by=name_of(call.caller))


def _connections(runtime: Runtime, agent: Agent) -> tuple[Connection, ...]:
    """How the agent reaches each target. The word TOKEN stands for the token."""
    return tuple(
        Connection(
            name,
            _form(server)
            .replace("AGENT", agent.name)
            .replace("ADDRESS", server.address)
            .replace("TARGET", name),
        )
        for name, server in sorted(runtime.targets.items())
        if server.address
    )


def _form(server: TargetServer) -> str:
    """The connector's form of an address (`Connector.connection`), or the bare address."""
    return str(getattr(server.connector, "connection", "ADDRESS"))


async def grants(call: Call[Nothing, None]) -> Grants:
    """All grants, ended ones too, and the time by the store's clock."""
    found, now = await call.runtime.store.read(lambda tx: (tx.grants(), tx.now()))
    return Grants(tuple(found), now)


async def add_grant(call: Call[Nothing, NewGrant]) -> Grant:
    """Let an agent do something on a target for some time."""
    new = call.body
    now = await call.runtime.store.read(lambda tx: tx.now())
    return await call.runtime.grants.add(
        new.agent,
        new.target,
        new.actions,
        now + timedelta(seconds=new.seconds),
        by=name_of(call.caller),
        max_rows=new.max_rows,
        resources=new.resources,
    )


async def revoke_grant(call: Call[Nothing, None]) -> Grant:
    """Revoke a grant at once."""
    return await call.runtime.grants.revoke(call.path["id"], by=name_of(call.caller))
