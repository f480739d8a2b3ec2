"""The whole way in browsers: two people enrol, an agent's transaction is held, both approve, the agent's retry commits, one
reverts it."""

import psycopg
import pytest
from tests.real.console.conftest import Console

from interlock.model.change import ChangeState

S = ChangeState
DELETE = "DELETE FROM payments WHERE id > 100"


def test_two_people_approve_in_two_browsers_and_one_reverts(console: Console) -> None:
    dora, emil = console.enrolled("dora", "sre"), console.enrolled("emil", "sre")
    with console.gateway.connect("bot") as agent:
        agent.execute("SET interlock.reason = 'old payments are not needed'")
        with pytest.raises(psycopg.Error) as caught:
            agent.execute(DELETE)
        assert caught.value.sqlstate == "IL001"
        change = console.gateway.held()
        dora.page.get_by_role("link", name=change.id).first.wait_for()  # live, without loading the page again
        dora.shot("overview")
        for person in (dora, emil):
            page = person.go(f"/console/changes/{change.id}")
            assert page.get_by_text("table public.payments").first.is_visible()
            assert page.get_by_text("which nobody has checked").is_visible()
            person.shot(f"change-{person.name}")
            page.get_by_role("textbox", name="Why").fill("agreed")
            page.get_by_role("button", name="Approve").click()
            assert page.locator("#go").is_disabled() or page.locator("#exact").bounding_box() is not None
            person.shot(f"sign-{person.name}")
            person.sign()
            page.wait_for_url(f"**/console/changes/{change.id}")
            page.get_by_text(f"{person.name} approved", exact=True).wait_for()
        assert console.gateway.change(change.id).state is S.APPROVED
        agent.execute(DELETE)
    assert console.gateway.change(change.id).state is S.APPLIED
    assert console.gateway.database.psql("SELECT count(*) FROM payments") == [(100,)]
    page = emil.go(f"/console/changes/{change.id}")
    page.get_by_role("button", name="Revert").click()
    assert page.get_by_text("What the revert would do now").is_visible()
    emil.shot("revert")
    emil.sign()
    page.wait_for_url(f"**/console/changes/{change.id}")
    assert console.gateway.change(change.id).state is S.REVERTED
    assert console.gateway.database.psql("SELECT count(*) FROM payments") == [(300,)]
    emil.shot("reverted")
    emil.go("/console/changes")
    emil.shot("changes")
    assert dora.problems == emil.problems == []
    assert console.gateway.ledger_ok()
