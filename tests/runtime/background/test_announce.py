"""What operators read in the log: one line for each thing that people have to do with, and nothing that was written or stored."""

import asyncio
import json
from datetime import timedelta
from typing import Any

from structlog.testing import capture_logs

from interlock.model.change import ChangeState
from interlock.model.operation import Action
from interlock.runtime.rules.governance import TryOut
from interlock.runtime.service.deciding.changes import Changes
from interlock.runtime.service.people.principals import Agents, Grants, People
from interlock.runtime.service.stopping.switches import Switches
from interlock.sdk.connector import Held, Permitted
from interlock.testing import signing
from interlock.testing.installation import FEW, MANY, Installation


def events(logs: Any) -> list[str]:
    return [line["event"] for line in logs if line["log_level"] != "debug"]


def test_a_change_that_people_decide_about() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        service = Changes(made.core, {"shop": made.gate})
        with capture_logs() as logs:
            assert isinstance(await made.send(agent, FEW), Permitted)
        assert events(logs) == [], "what passes by itself is no news"
        with capture_logs() as logs:
            held = await made.send(agent, MANY)
            assert isinstance(held, Held)
            await made.send(agent, MANY)
            for name in ("ann", "bob"):
                words = await service.statement(held.change.id, name, reason="a secret reason")
                await service.opened(held.change.id, name)
                await service.speak(words, signing.signed(words, held.change.requested_at).signature)
            await service.apply(held.change.id, by="uid/0")
        assert events(logs) == [
            "change.held",
            "change.spoken",
            "change.spoken",
            "change.approved",
            "change.apply",
            "change.applied",
        ]
        assert logs[0]["waits_for"] == ["quorum:two-sre"]
        assert "secret reason" not in json.dumps(logs, default=str)
        assert (await service.get(held.change.id)).state is ChangeState.APPLIED

    asyncio.run(run())


def test_who_may_do_what() -> None:
    async def run() -> None:
        made = await Installation.make()
        mode = TryOut()
        with capture_logs() as logs:
            await People(made.core, mode).add("eve", ["sre"], signing.public_key_of("eve"), by="uid/1")
            new = await Agents(made.core, mode).add("other", "ann", by="uid/1")
            rotated = await Agents(made.core, mode).rotate("other", by="uid/1")
            until = made.core.directory.now() + timedelta(hours=1)
            grants = Grants(made.core, mode, lambda target: True)
            grant = await grants.add("other", "shop", [Action.READ], until, by="uid/1")
            await grants.revoke(grant.id, by="person/ann")
            await Agents(made.core, mode).disable("other", by="person/ann")
            await Switches(made.core, mode).open("target/shop", "why not", by="person/ann")
        assert events(logs) == [
            "person.added",
            "agent.added",
            "agent.rotated",
            "grant.added",
            "grant.revoked",
            "agent.disabled",
            "breaker.moved",
        ]
        assert all(line["by"] for line in logs)
        for token in (new.token, rotated.token):
            assert token not in json.dumps(logs, default=str)

    asyncio.run(run())
