"""What must not count, done in a browser: another content, a word that comes too late, another's passkey, a login that is over."""

import re
from typing import Any

import msgspec
import psycopg
import pytest
from playwright.sync_api import Route, expect
from tests.real.console.conftest import Console, Someone

from interlock.model.change import Change, ChangeState
from interlock.model.people import Ticket, TicketKind
from interlock.runtime.service.people.entrance import IDLE, Session
from interlock.sdk.ports import Tx

EVENTS = "window.EventSource = class extends EventTarget {};"
"""A page that hears nothing of what happens meanwhile: as one whose stream is cut."""
SIGNERS = iter(range(100))


@pytest.fixture
def held(console: Console) -> Change:
    with console.gateway.connect("bot") as agent, pytest.raises(psycopg.Error):
        agent.execute(f"DELETE FROM payments WHERE id > {100 + next(SIGNERS)}")
    return console.gateway.held()


def about_to_sign(console: Console, change: Change, name: str, what: str = "Approve") -> Someone:
    """Somebody with the exact text on screen."""
    person = console.enrolled(name, "sre")
    person.context.add_init_script(EVENTS)
    read(person, change, what)
    return person


def read(person: Someone, change: Change, what: str = "Approve") -> None:
    page = person.go(f"/console/changes/{change.id}")
    page.get_by_role("textbox", name="Why", exact=True).fill("looked at")
    page.get_by_role("button", name=what).click()
    expect(page.locator("#exact")).to_be_visible()


def refusals(console: Console, change: Change) -> list[str]:
    bodies = [entry["body"] for entry in console.gateway.entries("approval.refused")]
    return [body["why"] for body in bodies if body["change"] == change.id]


def said(console: Console, change: Change) -> list[str]:
    """Whose words count for something."""
    view = console.gateway.run(console.gateway.runtime.changes.show(change.id))
    return [approval.statement.person for approval in view.approvals]


def test_a_new_version_of_the_change_is_not_what_was_read(console: Console, held: Change) -> None:
    """It is measured anew while somebody reads; the page's hash is of the old text. Read again, it can be signed."""
    dora = about_to_sign(console, held, "dora1")
    (effect, *rest) = held.measurement.effects
    grown = msgspec.structs.replace(effect, count=effect.count + 1)
    measurement = msgspec.structs.replace(held.measurement, effects=(grown, *rest))

    def work(tx: Tx) -> Change:
        return tx.save_change(msgspec.structs.replace(held, measurement=measurement))

    console.gateway.run(console.gateway.runtime.store.transact(work))
    dora.sign()
    expect(dora.page.locator("#said")).to_have_text("what was on screen is not this change as it is now.")
    dora.shot("refused-another-version")
    assert refusals(console, held) == ["what was on screen is not this change as it is now"]
    assert said(console, held) == []
    page = dora.go(f"/console/changes/{held.id}")
    page.get_by_role("button", name="Approve").click()
    dora.sign()
    page.get_by_text("dora1 approved", exact=True).wait_for()
    assert said(console, held) == ["dora1"]


def test_an_approval_after_somebody_elses_denial(console: Console, held: Change) -> None:
    dora = about_to_sign(console, held, "dora2")
    console.gateway.deny(held.id, "ann", reason="not today")
    dora.sign()
    expect(dora.page.locator("#said")).to_contain_text("denied")
    dora.shot("refused-denied-meanwhile")
    assert said(console, held) == ["ann"]
    assert console.gateway.change(held.id).state is ChangeState.DENIED
    page = dora.go(f"/console/changes/{held.id}")
    expect(page.get_by_text("There is nothing to decide.")).to_be_visible()


def credentials(person: Someone) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = person.cdp.send(
        "WebAuthn.getCredentials", {"authenticatorId": person.authenticator}
    )["credentials"]
    return found


def asks_for_any_passkey(route: Route) -> None:
    """What the browser would hinder, the server must."""
    answer = route.fetch()
    route.fulfill(response=answer, body=re.sub(r'data-keys="[^"]*"', 'data-keys=" "', answer.text()))


def test_another_persons_passkey(console: Console, held: Change) -> None:
    """It lies in the same device: the page asks for the person's own only, and the server takes no other."""
    emil, dora = console.enrolled("emil3", "sre"), console.enrolled("dora3", "sre")
    (own,), (other,) = credentials(dora), credentials(emil)
    for command, more in (
        ("removeCredential", {"credentialId": own["credentialId"]}),
        ("addCredential", {"credential": other}),
    ):
        dora.cdp.send(f"WebAuthn.{command}", {"authenticatorId": dora.authenticator, **more})
    dora.page.route("**/sign", asks_for_any_passkey)
    read(dora, held)
    dora.sign()
    expect(dora.page.locator("#said")).to_contain_text(
        "it was signed with a passkey that is not the person's"
    )
    dora.shot("refused-anothers-passkey")
    assert said(console, held) == []
    assert len(refusals(console, held)) == 1


def over(person: str) -> Any:
    def work(tx: Tx) -> None:
        for ticket in tx.tickets(TicketKind.SESSION, person):
            tx.put_ticket(idle(ticket))

    return work


def idle(ticket: Ticket) -> Ticket:
    session = msgspec.json.decode(ticket.data, type=Session)
    older = msgspec.structs.replace(session, seen_at=session.seen_at - 2 * IDLE)
    return msgspec.structs.replace(ticket, data=msgspec.json.encode(older).decode())


@pytest.mark.parametrize("what", ["Approve", "Deny"])
def test_a_login_that_ends_while_somebody_reads(console: Console, held: Change, what: str) -> None:
    name = f"dora-{what.lower()}"
    dora = about_to_sign(console, held, name, what)
    console.gateway.run(console.gateway.runtime.store.transact(over(name)))
    dora.sign()
    expect(dora.page.locator("#said")).to_have_text("Your login is over, and nothing was said. Log in again")
    dora.shot(f"refused-login-over-{what.lower()}")
    assert said(console, held) == []
    assert console.gateway.change(held.id).state is ChangeState.HELD
    page = dora.page
    page.get_by_role("link", name="Log in again").click()
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{dora.origin}/console/changes/{held.id}")
    page.get_by_role("textbox", name="Why", exact=True).fill("looked at")
    page.get_by_role("button", name=what).click()
    dora.sign()
    page.wait_for_url(f"{dora.origin}/console/changes/{held.id}")
    assert said(console, held) == [name]


def test_an_open_page_leads_to_the_login_and_back(console: Console, held: Change) -> None:
    """Logged out elsewhere: the page is told at once."""
    dora = console.enrolled("dora5", "sre")
    dora.page.goto("about:blank")  # so that the stream below is this page's
    with dora.page.expect_response("**/console/events"):
        page = dora.go(f"/console/changes/{held.id}")
    console.gateway.run(console.gateway.runtime.entrance.end_all("dora5"))
    page.wait_for_url(re.compile("/console/login"))
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{dora.origin}/console/changes/{held.id}")


def test_the_address_that_an_agent_was_told_leads_people_to_the_page(console: Console, held: Change) -> None:
    told = console.gateway.runtime.core.link(held.id)
    nobody = console.somebody()
    nobody.page.goto(told)
    assert nobody.page.url == f"{nobody.origin}/console/login?to=/console/changes/{held.id}"
    dora = console.enrolled("dora6", "sre")
    dora.page.goto(told)
    assert dora.page.url == f"{dora.origin}/console/changes/{held.id}"
    expect(dora.page.get_by_role("heading", name=held.id)).to_be_visible()
    assert dora.problems == []
