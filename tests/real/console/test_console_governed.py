"""Governed mode in browsers: what one asks for is held, two admins sign it with their passkeys, and it is done."""

from playwright.sync_api import expect
from tests.real.console.conftest import Console
from tests.real.console.stage import proposed

from interlock.model.change import ChangeState
from interlock.model.proposal import Founder
from interlock.testing.gateway import BY
from interlock.testing.signing import public_key_of


def test_two_admins_thaw_by_passkey(console: Console) -> None:
    gateway, runtime = console.gateway, console.gateway.runtime
    dora, emil, sam = (console.enrolled(name, "sre") for name in ("dora", "emil", "sam"))
    assert dora.page.get_by_role("link", name="Proposals").count() == 0
    founders = [Founder(name, public_key_of(name)) for name in ("ann", "ben")]
    gateway.run(runtime.governing.govern(founders, by=BY))
    for name in ("dora", "emil"):
        gateway.approve(proposed(gateway, runtime.people.set_groups(name, ("admin",), by=BY)))
    gateway.freeze("an incident")

    page = sam.go("/console/targets")
    page.get_by_text("Thaw production").click()
    page.get_by_role("textbox", name="Why").last.fill("it is over")
    page.get_by_role("button", name="Let changes go on").click()
    expect(page.get_by_text("sam proposes: thaw production")).to_be_visible()
    change = page.url.rpartition("/")[2]
    sam.shot("proposal-thaw")

    for person in (dora, emil):
        page = person.go("/console/")
        page.get_by_role("link", name="Proposals").click()
        page.get_by_role("link", name=change).click()
        expect(page.get_by_text("frozen", exact=True)).to_be_visible()
        page.get_by_role("textbox", name="Why", exact=True).fill("agreed")
        page.get_by_role("button", name="Approve").click()
        person.sign()
        page.wait_for_url(f"{person.origin}/console/proposals/{change}")
        page.get_by_text(f"{person.name} approved", exact=True).wait_for()
    assert gateway.change(change).state is ChangeState.APPLIED
    emil.shot("proposal-done")
    page = emil.go("/console/proposals")
    expect(page.get_by_role("region", name="Over").get_by_role("link", name=change)).to_be_visible()
    with gateway.connect() as agent:
        agent.execute("UPDATE ten SET b = 'x' WHERE a = 1")

    # One denial ends it, by whoever it is: tightening needs one person.
    other = proposed(gateway, runtime.people.set_groups("ann", ("admin", "dba"), by=BY))
    page = sam.go(f"/console/proposals/{other}")
    page.get_by_role("textbox", name="Why", exact=True).fill("nobody asked for that")
    page.get_by_role("button", name="Deny").click()
    sam.sign()
    page.wait_for_url(f"{sam.origin}/console/proposals/{other}")
    assert gateway.change(other).state is ChangeState.DENIED
    assert dora.problems == emil.problems == sam.problems == []
