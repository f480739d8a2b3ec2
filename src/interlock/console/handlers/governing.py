"""Governed mode: its beginning, and proposals of changes of what decides."""

from typing import NoReturn

from interlock.console.callers import Local, name_of
from interlock.console.handlers.changes import summary
from interlock.console.operations import Call, Nothing
from interlock.console.problems import Refusal
from interlock.console.schemas import Reason
from interlock.console.schemas.governed import (
    DecidingConfig,
    FoundingAdmins,
    Held,
    NewGroups,
    NewKey,
    NewOwner,
    PolicyTexts,
    ProposalQuery,
    Proposals,
)
from interlock.control.deciding import approval
from interlock.model.people import Agent, Person
from interlock.model.proposal import Founded, words_of
from interlock.runtime.rules.governance import Proposed


async def proposals(call: Call[ProposalQuery, None]) -> Proposals:
    """Proposed changes of what decides. In try-out mode nothing is proposed: there are no admins to approve it."""
    found = await call.runtime.governing.proposals(call.query.state)
    return Proposals(tuple(summary(change) for change in found))


async def govern(call: Call[Nothing, FoundingAdmins]) -> Founded:
    """Begin governed mode, once and for all. By the admin socket only: afterwards it can do nothing of the kind any more."""
    if not isinstance(call.caller, Local):
        raise Refusal("forbidden", "governed mode is begun on the server's own machine, by the admin socket")
    return await call.runtime.governing.govern(call.body.admins, by=name_of(call.caller))


async def end(call: Call[Nothing, Reason]) -> NoReturn:
    """Propose to end governed mode."""
    await call.runtime.governing.end(call.body.reason, by=name_of(call.caller))


async def policies(call: Call[Nothing, PolicyTexts]) -> NoReturn:
    """Propose other policies."""
    await call.runtime.governing.propose_policies(call.body.texts, by=name_of(call.caller))


async def config(call: Call[Nothing, DecidingConfig]) -> NoReturn:
    """Propose another configuration."""
    await call.runtime.governing.propose_config(call.body.deciding, by=name_of(call.caller))


async def groups(call: Call[Nothing, NewGroups]) -> Person:
    """Give a person other groups."""
    return await call.runtime.people.set_groups(call.path["name"], call.body.groups, by=name_of(call.caller))


async def recover(call: Call[Nothing, NewKey]) -> Person:
    """Give a person who lost their key another one."""
    return await call.runtime.people.recover(call.path["name"], call.body.public_key, by=name_of(call.caller))


async def owner(call: Call[Nothing, NewOwner]) -> Agent:
    """Give an agent another owner."""
    return await call.runtime.agents.give_to(call.path["name"], call.body.owner, by=name_of(call.caller))


def held(error: Proposed) -> Held:
    """The answer in place of what was asked for, when admins are needed first."""
    change = error.change
    return Held(change.id, str(error), words_of(error.wanted), approval.remedies(change), change.expires_at)
