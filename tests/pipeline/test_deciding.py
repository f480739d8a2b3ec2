"""Deciding about held changes: quorums of several groups, and what people may still do before an approval is used."""

import asyncio

import pytest

from interlock.model.change import Change, ChangeState
from interlock.model.errors import Rejected
from interlock.model.people import Part, Quorum, Wider
from interlock.sdk.connector import Held, Permitted
from interlock.testing import signing
from interlock.testing.installation import MANY, Installation

S = ChangeState


async def held(made: Installation) -> Change:
    answer = await made.send(await made.principal(), MANY)
    assert isinstance(answer, Held)
    return answer.change


def test_one_of_sre_and_one_of_dba() -> None:
    async def story() -> None:
        both = {"two-sre": Quorum("two-sre", 1, "sre", also=(Part(1, "dba"),))}
        made = await Installation.make(quorums=both)
        await made.store.transact(lambda tx: tx.put_person(signing.person("dan", "dba", at=tx.now())))
        change = await held(made)
        assert (await made.approve(change, "ann", "bob")).state is S.HELD
        with pytest.raises(Rejected, match="it waits for people of dba, sre"):
            await made.speak(change, "dev")
        assert (await made.approve(change, "dan")).state is S.APPROVED
        assert isinstance(await made.send(await made.principal(), MANY), Permitted)

    asyncio.run(story())


def test_a_wide_change_waits_for_more_people() -> None:
    async def story() -> None:
        wide = {"two-sre": Quorum("two-sre", 2, "sre", wider=(Wider(3, rows=100),))}
        made = await Installation.make(quorums=wide)
        change = await held(made)
        assert (await made.approve(change, "ann", "bob")).state is S.HELD
        assert (await made.approve(change, "cho")).state is S.APPROVED

    asyncio.run(story())
