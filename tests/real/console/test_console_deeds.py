"""What people do on the pages: confirm somebody, stop an agent, freeze, try a policy, verify the ledger by themselves."""

import re

import psycopg
import pytest
from playwright.sync_api import expect
from tests.real.console.conftest import ALONE, Console
from tests.real.console.stage import NIGHTLY, furnish

from interlock.console.web.render import static_address
from interlock.model.breaker import BreakerState


def has_ledger_script() -> bool:
    try:
        return bool(static_address("ledger.js"))
    except KeyError:
        return False


EVENTS = """
window.EventSource = class extends EventTarget {
  constructor() { super(); window.moved = () => this.dispatchEvent(new Event("moved")); }
};
"""
"""The stream of events, in the hand of the test."""


def test_a_page_loads_itself_again_but_not_under_somebodys_hands(console: Console) -> None:
    dora = console.enrolled("dunja", "admin", "sre")
    dora.context.add_init_script(EVENTS)
    page = dora.go("/console/agents/bot")
    page.evaluate("moved()")  # the first tells how things are
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url) if "/static/" not in request.url else None)
    page.get_by_text("Disable this agent").click()
    page.evaluate("document.activeElement.blur(); moved()")
    page.get_by_text("Disable this agent").click()
    page.evaluate("moved()")  # the focus is on what opens and closes
    page.evaluate("document.activeElement.blur()")
    with page.expect_response("**/console/agents/bot") as response:
        page.evaluate("moved()")
    response.value.finished()
    assert len(loaded) == 1
    page = dora.go("/console/people")
    page.evaluate("moved()")
    page.get_by_role("textbox", name="Name").fill("half a na")
    page.evaluate("document.activeElement.blur(); moved()")
    page.get_by_role("textbox", name="Name").fill("")
    page.evaluate("document.activeElement.blur()")
    with page.expect_response("**/console/people"):
        page.evaluate("moved()")
    assert loaded.count(dora.origin + "/console/people") == 2  # opened, and loaded again once


def test_one_invites_and_confirms_another(console: Console) -> None:
    root, zoe = console.enrolled("root", "admin"), console.somebody("zoe")
    page = root.go("/console/people")
    page.get_by_role("textbox", name="Name").fill("zoe")
    page.get_by_role("combobox", name="Groups").fill("sre")
    page.get_by_role("button", name="Make a link").click()
    link = page.locator("#link").inner_text()
    root.shot("invited")
    zoe.page.goto(link)
    zoe.page.get_by_role("textbox").fill("phone")
    zoe.page.get_by_role("button", name="Make a passkey").click()
    zoe.page.locator("#code").wait_for(state="visible")
    code = zoe.page.locator("#code").inner_text()
    page = root.go("/console/people")
    expect(page.get_by_text("made a passkey, called phone")).to_be_visible()
    assert code not in page.content()
    page.get_by_role("textbox", name="The code").fill(code)
    page.get_by_role("button", name="Confirm zoe").click()
    page.wait_for_url("**/console/people/zoe")
    zoe.log_in()
    expect(zoe.page.get_by_role("heading", name="Overview")).to_be_visible()
    assert root.problems == zoe.problems == []


def test_one_stops_everything_and_an_admin_lets_it_go_on(console: Console) -> None:
    gateway, dora, root = (
        console.gateway,
        console.enrolled("halina", "sre"),
        console.enrolled("radka", "admin"),
    )
    with gateway.connect() as agent:
        agent.execute("SELECT 1")
        page = dora.go("/console/")
        page.get_by_text("Stop everything", exact=True).click()
        page.get_by_role("textbox", name="Why").fill("a runaway")
        dora.shot("halting")
        page.get_by_role("button", name="Stop everything now").click()
        assert not page.evaluate("document.querySelector('[name=confirm]').validity.valid"), (
            "not without the tick"
        )
        page.get_by_role("checkbox").check()
        page.get_by_role("button", name="Stop everything now").click()
        expect(page.get_by_role("heading", name="Everything is halted")).to_be_visible()
        dora.shot("halted")
        with pytest.raises(psycopg.OperationalError):
            agent.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="a runaway"):
        gateway.connect()
    page = root.go("/console/")
    page.get_by_text("Let everything go on").click()
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Everything is halted")).to_have_count(0)
    with gateway.connect() as agent:
        agent.execute("SELECT 1")
    assert dora.problems == root.problems == []


def test_one_stops_an_agent_and_an_environment_at_once(console: Console) -> None:
    gateway, dora = console.gateway, console.enrolled("dagny", "sre")
    gateway.add_agent("astray")
    with gateway.connect("astray") as agent:
        agent.execute("SELECT 1")
        page = dora.go("/console/agents/astray")
        expect(page.get_by_text("connected")).to_be_visible()
        page.get_by_text("Disable this agent").click()
        page.get_by_role("button", name="Disable astray now").click()
        expect(page.get_by_text("disabled", exact=True)).to_be_visible()
        with pytest.raises(psycopg.OperationalError):
            agent.execute("SELECT 1")
    page = dora.go("/console/targets")
    page.get_by_text("Freeze production").click()
    page.get_by_role("textbox", name="Why").fill("an incident")
    page.get_by_role("button", name="Stop all changes now").click()
    expect(page.get_by_text("an incident")).to_be_visible()
    dora.shot("frozen")
    with gateway.connect() as agent, pytest.raises(psycopg.Error) as caught:
        agent.execute("UPDATE ten SET b = 'x' WHERE a = 1")
    assert caught.value.sqlstate == "IL003"
    gateway.thaw()
    assert all(
        b.state is BreakerState.CLOSED
        for b in gateway.run(gateway.runtime.switches.list())
        if b.scope.startswith(("environment/", "target/"))
    )
    assert dora.problems == []


def test_one_tries_a_policy_on_a_past_change(console: Console) -> None:
    held = furnish(console.gateway)
    dora = console.enrolled("dana", "sre")
    page = dora.go("/console/policy")
    page.get_by_role("link", name="Try a change of shipped/rows.cedar").click()
    page.get_by_role("combobox", name="Change").fill(held)
    text = page.locator("textarea").input_value()
    assert "rows-deleted" in text
    page.locator("textarea").fill(re.sub(r"> \d+ \}", "> 5000 }", text))
    page.get_by_role("button", name="Decide again").click()
    expect(page.get_by_text("The edited text decides otherwise.")).to_be_visible()
    dora.shot("simulated")
    edited = page.get_by_label("With the edited text", exact=True)
    expect(edited).to_contain_text("Policy lets it pass.")
    expect(page.get_by_label("With the rules in force", exact=True)).to_contain_text("rows-deleted-share")
    page = dora.go(f"/console/changes/{held}")
    page.get_by_role("link", name="rows-deleted", exact=True).click()
    expect(page.locator("#rows-deleted")).to_be_in_viewport()
    page = dora.go(f"/console/agents/{NIGHTLY}")
    expect(page.get_by_text("rights unused").first).to_be_visible()
    assert dora.problems == []


@pytest.mark.skipif(not has_ledger_script(), reason="the verifier is not here")
def test_one_verifies_the_ledger_in_the_browser(console: Console) -> None:
    gateway, dora = console.gateway, console.enrolled("dina", "sre")
    gateway.ledger_ok()
    page = dora.go("/console/ledger")
    page.get_by_role("button", name="Verify in this browser").click()
    told = page.locator("#told")
    expect(told).to_contain_text("It holds:")
    expect(told).to_contain_text("had verified nothing of it before")
    gateway.freeze("something new")
    gateway.thaw()
    gateway.ledger_ok()
    page = dora.go("/console/ledger")  # remembered beyond the page
    page.get_by_role("button", name="Verify in this browser").click()
    expect(told).to_contain_text("It still begins with the")
    dora.shot("verified")
    page.locator("#key").fill(page.locator("#key").input_value()[:-4] + "AAA=")
    page.get_by_role("button", name="Verify in this browser").click()
    expect(told).to_contain_text("It does not hold:")
    assert dora.problems == []


@pytest.mark.skipif(not has_ledger_script(), reason="the verifier is not here")
def test_a_ledger_that_was_altered_does_not_hold(console: Console) -> None:
    """The bytes that the browser gets are not those that were signed."""
    console.gateway.ledger_ok()
    dora = console.enrolled("dita", "sre")

    def altered(route: object) -> None:
        answer = route.fetch()  # type: ignore[attr-defined]
        route.fulfill(response=answer, body=answer.body().replace(b"olga", b"ogla"))  # type: ignore[attr-defined]

    dora.page.route("**/ledger/tile/entries/**", altered)
    page = dora.go("/console/ledger")
    page.get_by_role("button", name="Verify in this browser").click()
    expect(page.locator("#told")).to_contain_text(
        "It does not hold: the entries do not lead to the signed root"
    )
    dora.shot("not-verified")
    page = dora.go("/console/ledger/3")
    page.get_by_role("button", name="Verify this entry").click()
    expect(page.locator("#told")).to_contain_text("It does not hold:")


@pytest.mark.skipif(not has_ledger_script(), reason="the verifier is not here")
def test_an_entry_is_what_the_page_shows(console: Console) -> None:
    console.gateway.ledger_ok()
    dora = console.enrolled("dolf", "sre")
    page = dora.go("/console/ledger/3")
    page.get_by_role("button", name="Verify this entry").click()
    expect(page.locator("#told")).to_contain_text("It holds: entry 3")
    page.evaluate("document.getElementById('raw').textContent += ' '")
    page.get_by_role("button", name="Verify this entry").click()
    expect(page.locator("#told")).to_contain_text("what this page shows is not what the log has there")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the proof").click()
    assert download.value.suggested_filename == "entry-3.proof"
    assert download.value.path().read_text("utf-8").startswith("c2sp.org/tlog-proof@v1")


def test_one_breaks_the_glass_for_a_target_and_another_reviews_it(console: Console) -> None:
    gateway = console.gateway
    alone, dora = console.enrolled(ALONE, "oncall"), console.enrolled("daria", "sre")
    expect(dora.go("/console/targets").get_by_text("Break the glass for")).to_have_count(0)
    page = alone.go("/console/targets")
    page.get_by_text(f"Break the glass for {gateway.target}").click()
    page.get_by_role("textbox", name="Why it cannot wait").fill("orders are lost each minute")
    alone.shot("glass_target")
    page.get_by_role("button", name="Break the glass …").click()
    expect(page.locator("#exact")).to_contain_text(f"FOR EVERY CHANGE ON {gateway.target}")
    alone.shot("glass_sign")
    alone.sign()
    page.wait_for_url("**/console/targets")
    stands = page.get_by_role("alert").filter(has_text="broke the glass")
    expect(stands).to_contain_text("orders are lost each minute")
    alone.shot("glass_broken")
    with gateway.connect() as agent:
        agent.execute("DELETE FROM payments WHERE id > 150")
    (passed,) = (c for c in gateway.changes() if c.break_glass)
    page = dora.go(f"/console/changes/{passed.id}")
    expect(page.get_by_role("alert")).to_contain_text("broke the glass")
    page = alone.go("/console/")
    expect(page.get_by_role("heading", name="Broken glass that nobody has reviewed")).to_be_visible()
    expect(page.get_by_role("button", name="Review")).to_have_count(0)
    page = dora.go("/console/")
    page.get_by_role("textbox", name="What you think of it").fill("it was right")
    page.get_by_role("button", name="Review").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_role("heading", name="Broken glass that nobody has reviewed")).to_have_count(0)
    expect(dora.go("/console/targets").get_by_role("alert")).to_contain_text("reviewed by daria")
    # Whoever stops them ends it at once: nothing of theirs holds any more.
    gateway.run(gateway.runtime.people.disable(ALONE, by="person/daria"))
    with gateway.connect() as agent, pytest.raises(psycopg.Error):
        agent.execute("DELETE FROM payments")
    gateway.ledger_ok()
    assert alone.problems == dora.problems == []
