"""Whatever an agent writes stays text: statements, reasons, names of tables and columns, notes; on every page, in a browser."""

from collections.abc import Iterator

import psycopg
import pytest
from playwright.sync_api import Dialog
from tests.real.console.conftest import Console, Someone
from tests.real.console.stage import addresses, give_up

from interlock.model.errors import InterlockError
from interlock.testing.gateway import BY

IMG = "<img src=x onerror=alert(1)>"
SCRIPT = "</pre></main><script>window.pwned=1;alert(2)</script>"
ATTRIBUTE = '" onfocus="alert(3)" autofocus x=\''
LINK = "javascript:alert(4)"
TEMPLATE, WORKED_OUT = "{{7919*7907}}{%x%}${7919*7907}", "62615533"
TABLE, COLUMN, OTHER = IMG, f"{LINK} {TEMPLATE}", '"><svg onload=alert(5)>'
REASON = f"{IMG} {SCRIPT} {ATTRIBUTE} {LINK} {TEMPLATE}"
NAMES = [IMG, SCRIPT, ATTRIBUTE, LINK, TEMPLATE, "a/b", "..", "a\nb", "\u202ebot"]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class Hostile:
    """An agent that writes what it can, and somebody who looks."""

    def __init__(self, console: Console) -> None:
        self.console, gateway = console, console.gateway
        with gateway.connect("bot") as agent:
            agent.execute(f"CREATE TABLE {quoted(TABLE)} ({quoted(COLUMN)} int, {quoted(OTHER)} text)")
            agent.execute(f"INSERT INTO {quoted(TABLE)} SELECT i, '{IMG}' FROM generate_series(1, 20) i")
            agent.execute(psycopg.sql.SQL("SET interlock.reason = {}").format(REASON))
            agent.execute(f"UPDATE {quoted(TABLE)} SET {quoted(COLUMN)} = 1 WHERE {quoted(COLUMN)} = 1")
            for statement in (
                f"DELETE FROM {quoted(TABLE)} -- {SCRIPT}{IMG}",
                f"DROP TABLE {quoted(TABLE)} /* {REASON} */",
            ):
                with pytest.raises(psycopg.Error):
                    agent.execute(statement)
        dropped, deleted = [c for c in gateway.changes() if c.state.value == "held"][:2]
        gateway.run(gateway.runtime.changes.withdraw(dropped.id, REASON, by="agent/bot"))
        gateway.run(gateway.runtime.switches.freeze("production", REASON, by="person/ann"))
        gateway.run(give_up(gateway, "m1", REASON, REASON, change=IMG))
        gateway.ledger_ok()
        self.held, self.withdrawn = deleted.id, dropped.id
        self.person: Someone = console.enrolled("dora", "admin", "sre")
        self.dialogs: list[str] = []
        self.person.page.on("dialog", self._dialog)

    def _dialog(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def inert(self) -> None:
        """Nothing of it became markup or ran."""
        page = self.person.page
        page.mouse.move(300, 300)
        assert page.evaluate("window.pwned") is None
        assert (
            page.locator('img, [onerror], [onfocus], [onload], [autofocus], a[href^="javascript:"]').count()
            == 0
        )
        assert page.locator("script:not([src]):not([type='application/json'])").count() == 0
        assert self.dialogs == []
        assert self.person.problems == []

    def text(self) -> str:
        """What is to be read, the marks of odd characters apart."""
        return self.person.page.locator("body").inner_text()


@pytest.fixture(scope="module")
def hostile(console_of_all: Console) -> Iterator[Hostile]:
    made = Hostile(console_of_all)
    yield made
    console_of_all.leave()
    console_of_all.gateway.thaw()


def test_every_page_is_inert(hostile: Hostile) -> None:
    places = {
        **addresses(hostile.held, "dora"),
        "agent": "/console/agents/bot",
        "withdrawn": f"/console/changes/{hostile.withdrawn}",
    }
    for address in places.values():
        hostile.person.go(address)
        hostile.inert()


def test_the_change_shows_all_of_it_as_text(hostile: Hostile) -> None:
    hostile.person.go(f"/console/changes/{hostile.held}")
    text = hostile.text()
    for written in (f"table public.{IMG}", f"-- {SCRIPT}{IMG}", *REASON.split()):
        assert written in text, written
    assert WORKED_OUT not in text
    hostile.person.go(f"/console/changes/{hostile.withdrawn}")
    assert f"note\n{REASON}" in hostile.text()


def test_what_is_signed_shows_all_of_it_as_text(hostile: Hostile) -> None:
    page = hostile.person.go(f"/console/changes/{hostile.held}")
    page.get_by_role("textbox", name="Why").fill(REASON)
    page.get_by_role("button", name="Deny").click()
    page.locator("#exact").wait_for()
    hostile.inert()
    assert SCRIPT in page.locator("#exact").inner_text()


def test_lists_and_the_agents_page_show_it_as_text(hostile: Hostile) -> None:
    for address in ("/console/", "/console/changes", "/console/agents/bot"):
        hostile.person.go(address)
        assert IMG in hostile.text(), address
    hostile.person.go("/console/targets")
    assert SCRIPT in hostile.text()


def test_ledger_entries_show_it_as_text(hostile: Hostile) -> None:
    gateway = hostile.console.gateway
    entries = gateway.entries()
    for number, entry in enumerate(entries):
        if entry["kind"] in ("intent", "change.held", "change.moved", "freeze"):
            page = hostile.person.go(f"/console/ledger/{number}")
            hostile.inert()
            page.locator("summary").click()
            assert (
                page.locator("#raw").inner_text() == gateway.run(gateway.runtime.store.entry(number)).decode()
            )
    hostile.person.go("/console/ledger?kind=freeze")
    assert IMG in hostile.text()


def test_the_simulator_shows_it_as_text(hostile: Hostile) -> None:
    page = hostile.person.go("/console/policy/simulator")
    page.get_by_role("combobox", name="Change").fill(hostile.held)
    note = '@id("<img src=x onerror=alert(6)>") @description("</textarea><script>alert(7)</script>") '
    page.locator("textarea").fill(note + "forbid (principal, action, resource);")
    page.get_by_role("button", name="Decide again").click()
    page.get_by_role("heading", name="With the edited text").wait_for()
    hostile.inert()
    assert "</textarea><script>alert(7)</script>" in hostile.text()
    assert IMG in hostile.text()
    page.locator("textarea").fill("</textarea><script>alert(8)</script>")
    page.get_by_role("button", name="Decide again").click()
    page.get_by_text("The text cannot be loaded").wait_for()
    hostile.inert()
    assert page.locator("textarea").input_value() == "</textarea><script>alert(8)</script>"


@pytest.mark.parametrize("name", NAMES)
def test_no_agent_and_nobody_is_called_so(console_of_all: Console, name: str) -> None:
    runtime = console_of_all.gateway.runtime
    for making in (
        lambda: runtime.agents.add(name, "ann", by=BY),
        lambda: runtime.enrolments.invite(name, ["sre"], by=BY),
        lambda: runtime.enrolments.invite("new", [name], by=BY),
    ):
        with pytest.raises(InterlockError):
            console_of_all.gateway.run(making())


def test_a_search_is_shown_as_text(hostile: Hostile) -> None:
    page = hostile.person.go("/console/changes")
    page.get_by_role("searchbox").fill(ATTRIBUTE + IMG)
    page.get_by_role("button", name="Show").click()
    page.wait_for_load_state()
    hostile.inert()
    assert page.get_by_role("searchbox").input_value() == ATTRIBUTE + IMG
