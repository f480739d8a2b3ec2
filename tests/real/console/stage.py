"""What the pages are looked at with: agents that did something, people, a passkey that waits, a change that is held."""

from datetime import timedelta

import psycopg
import pytest

from interlock.console.web.pages import PAGES
from interlock.model.operation import Action
from interlock.testing.gateway import BY, OWNER, Gateway

NIGHTLY = "nightly"
ADDRESSES = {
    "/console/changes/{id}": "/console/changes/{held}",
    "/console/changes/{id}/sample": "/console/changes/{held}",  # goes there
    "/console/agents/{name}": f"/console/agents/{NIGHTLY}",
    "/console/people/{name}": "/console/people/{person}",
    "/console/ledger/{number}": "/console/ledger/7",
}
"""Where a page with parameters is looked at."""


def addresses(held: str, person: str) -> dict[str, str]:
    """An address of each page that is read, by its path. KeyError for a page that nobody thought of here."""
    return {
        page.path: (ADDRESSES[page.path] if "{" in page.path else page.path).format(held=held, person=person)
        for page in PAGES
        if page.method == "GET"
    }


def furnish(gateway: Gateway) -> str:
    """Make things happen; the id of a change that is held."""
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
    gateway.ledger_ok()
    return held


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
