"""What the pages are looked at with: agents that did something, people, a passkey that waits, a change that is held."""

from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from tests.real.conftest import FILL

from interlock.console.web.pages import PAGES
from interlock.model.breaker import Breaker
from interlock.model.message import Event, Message, MessageState
from interlock.model.operation import Action
from interlock.model.proposal import Founder
from interlock.model.signal import Mark, Signal, Trip
from interlock.pipeline.recorded import trips
from interlock.runtime.rules.governance import Proposed
from interlock.sdk.ports import Tx
from interlock.testing.gateway import BY, OWNER, Gateway
from interlock.testing.signing import public_key_of

NIGHTLY = "nightly"
ADDRESSES = {
    "/console/changes/{id}": "/console/changes/{held}",
    "/console/changes/{id}/sample": "/console/changes/{held}",  # goes there
    "/console/proposals/{id}": "/console/proposals/{proposal}",
    "/console/agents/{name}": f"/console/agents/{NIGHTLY}",
    "/console/people/{name}": "/console/people/{person}",
    "/console/ledger/{number}": "/console/ledger/7",
    "/console/breakers/one": "/console/breakers/one?scope=agent%2Frunaway",
}
"""Where a page with parameters is looked at."""


def addresses(held: str, person: str, proposal: str = "") -> dict[str, str]:
    """An address of each page that is read, by its path. KeyError for a page that nobody thought of here. Without a proposal its
    page leads to the change that is held."""
    named = {"held": held, "person": person, "proposal": proposal or held}
    paths = [page.path for page in PAGES if page.method == "GET"]
    where = {path: ADDRESSES[path] if "{" in path else ADDRESSES.get(path, path) for path in paths}
    return {path: address.format(**named) for path, address in where.items()}


def furnish(gateway: Gateway) -> str:
    """Make things happen to the first content of the shop; the id of a change that is held."""
    gateway.database.psql(FILL)
    gateway.run(_grants(gateway))
    with gateway.connect(NIGHTLY) as agent:
        agent.execute("SET interlock.reason = 'the nightly tidy-up'")
        agent.execute("UPDATE customers SET email = NULL WHERE id < 4")
        agent.execute("INSERT INTO notes (body) VALUES ('one'), ('two')")
        agent.execute("SET interlock.reason = 'payments of orders that were given up'")
        with pytest.raises(psycopg.Error):
            agent.execute("DELETE FROM payments WHERE id > 150 -- all that is old")
    held = gateway.held().id
    with gateway.connect("bot") as agent:
        agent.execute("UPDATE ten SET b = 'new' WHERE a = 1")
        with pytest.raises(psycopg.Error):
            agent.execute("DROP TABLE tempting")
    (other,) = (c for c in gateway.changes() if c.agent == "bot" and c.state.value == "held")
    gateway.deny(other.id)
    gateway.run(_stopped(gateway, held))
    gateway.ledger_ok()
    return held


LONG = "a schema with a name that is as long as names of schemas may be, sixty-three bytes"


async def _stopped(gateway: Gateway, held: str) -> None:
    """An agent on probation that tripped twice, a session and a group of a hostile name that are open."""
    switches = gateway.runtime.switches
    if await gateway.runtime.store.read(lambda tx: tx.agent("runaway")) is not None:
        return  # the gateway is one for all modules
    await gateway.runtime.agents.add("runaway", OWNER, by=BY)

    def trip(tx: Tx, scope: str, signal: Signal, steps: tuple[Mark, ...]) -> None:
        words = "7 destructive operations in ten minutes, and 5 may be"
        told = Trip(
            tx.now(),
            scope,
            signal,
            "runaway",
            "5f3a9c01d2",
            "production",
            gateway.target,
            words,
            steps,
        )
        assert trips.open_by_itself(tx, told, ("runaway",), None) is not None

    def flood(tx: Tx) -> tuple[Mark, ...]:
        ago = (540, 410, 300, 280, 95, 20, 0)
        sessions = ("5f3a9c01d2", "77be01aa42", "5f3a9c01d2")
        return tuple(
            Mark(
                tx.now() - timedelta(seconds=s),
                f"drop table public.orders_{n}",
                sessions[n % 3],
                held * (n % 2),
            )
            for n, s in enumerate(ago)
        )

    def work(tx: Tx) -> None:
        tx.put_breaker(Breaker("session/5f3a9c01d2"))
        trip(tx, "session/5f3a9c01d2", Signal.SAME_FAILURE, flood(tx)[:2])
        trip(tx, f"group/{gateway.target}/{LONG}<b>\u202e", Signal.GROUP_SHARE, ())
        trip(tx, "agent/runaway", Signal.DESTRUCTIVE, flood(tx))

    await gateway.runtime.store.transact(work)
    await switches.reset("agent/runaway", "it was the nightly job", by="person/ann")
    await gateway.runtime.store.transact(
        lambda tx: trip(tx, "agent/runaway", Signal.PROBATION, flood(tx)[-1:])
    )
    await switches.reset("agent/runaway", "the job is mended, we watch it", by="person/ann")
    row = await gateway.runtime.store.read(lambda tx: tx.breaker("agent/runaway"))
    assert row is not None
    halfway = msgspec.structs.replace(row, clean=7, trial=held)
    await gateway.runtime.store.transact(lambda tx: tx.note_breaker(halfway))


async def _grants(gateway: Gateway) -> None:
    runtime = gateway.runtime
    gateway.tokens[NIGHTLY] = (await runtime.agents.add(NIGHTLY, OWNER, by=BY)).token
    until = runtime.core.directory.now() + timedelta(days=2)
    wide = (Action.READ, Action.UPDATE, Action.DELETE, Action.ADMIN)
    tables = ("public.customers", "public.payments", "public.orders")
    await runtime.grants.add(
        NIGHTLY, gateway.target, wide, until, by="person/ann", max_rows=500, resources=tables
    )
    await runtime.grants.add(
        NIGHTLY, gateway.target, (Action.CREATE,), until, by=BY, resources=("public.notes",)
    )
    over = await runtime.grants.add(NIGHTLY, gateway.target, (Action.DELETE,), until, by=BY)
    await runtime.grants.revoke(over.id, by=BY)


async def give_up(gateway: Gateway, name: str, text: str, error: str, **data: str) -> None:
    """A message that no channel took."""
    at = gateway.runtime.core.directory.now()
    message = Message(
        name,
        "oncall",
        Event.HELD,
        text,
        at,
        at,
        MessageState.DEAD,
        data,
        attempts=8,
        error=error,
        settled_at=at,
    )
    await gateway.runtime.store.transact(lambda tx: tx.add_message(message))


RULE = """@id("{0}") @description("{1}")
forbid (principal, action == Action::"update", resource)
when {{ context.effects.rows_updated > {2} }};
"""


def govern(gateway: Gateway, admin: str) -> str:
    """Begin governed mode with ann and ben, make somebody an admin, and propose other policies: the id of that. Afterwards nothing
    loosens at once any more."""
    runtime = gateway.runtime
    founders = [Founder(name, public_key_of(name)) for name in ("ann", "ben")]
    gateway.run(runtime.governing.govern(founders, by=BY))
    gateway.approve(proposed(gateway, runtime.people.set_groups(admin, ("admin", "sre"), by=BY)))
    kept = RULE.format("few-updates", "Updates are small.", 50)
    texts = {"own.cedar": kept + RULE.format("no-bulk", "No bulk updates.", 500)}
    gateway.approve(proposed(gateway, runtime.governing.propose_policies(texts, by=BY)))
    texts = {"own.cedar": kept.replace("> 50", "> 2"), "more.cedar": RULE.format("none", "None at all.", 100)}
    return proposed(gateway, runtime.governing.propose_policies(texts, by="person/ann"))


def proposed(gateway: Gateway, work: Coroutine[Any, Any, object]) -> str:
    """What is held in the place of what was asked for."""
    with pytest.raises(Proposed) as found:
        gateway.run(work)
    return found.value.change.id
