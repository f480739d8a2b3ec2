"""What a person sees of rows and definitions before deciding, and that seeing values is recorded, in a browser."""

import psycopg
import pytest
from playwright.sync_api import Page, expect
from tests.real.console.conftest import Console

from interlock.model.change import Change

UPDATE = "UPDATE customers SET name = upper(name), email = NULL WHERE id <= 60"
FUNCTION = """CREATE OR REPLACE FUNCTION cleanup() RETURNS bigint LANGUAGE sql AS
'DELETE FROM customers WHERE id > 0; SELECT 42::bigint'"""


def held(console: Console, sql: str) -> Change:
    with console.gateway.connect("bot") as agent, pytest.raises(psycopg.Error) as caught:
        agent.execute(sql)
    assert caught.value.sqlstate == "IL001"
    return console.gateway.held()


def viewings(console: Console, change: Change) -> list[str]:
    entries = console.gateway.entries("sample.viewed")
    return [e["body"]["person"] for e in entries if e["body"]["change"] == change.id]


def overflows(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


@pytest.fixture
def allowed(console: Console, monkeypatch: pytest.MonkeyPatch) -> Console:
    """People of `dba` may see values."""
    monkeypatch.setattr(console.gateway.runtime.insight, "_reveal", frozenset({"dba"}))
    return console


def test_values_are_masked_until_somebody_who_may_asks_for_them(allowed: Console) -> None:
    change = held(allowed, UPDATE)
    dora, dan = (
        allowed.enrolled("dora-s", "sre"),
        allowed.enrolled("dan-s", "dba", viewport={"width": 1280, "height": 900}),
    )
    page = dora.go(f"/console/changes/{change.id}")
    table = page.get_by_role("table", name="table public.customers: rows updated, 20 of 60")
    expect(table).to_be_visible()
    expect(table.get_by_role("columnheader", name="id (key)")).to_be_visible()
    first = table.locator("tbody tr").first
    expect(first).to_contain_text("changed")
    expect(first).to_contain_text("••• 4–15")
    expect(first).to_contain_text("NULL")
    expect(page.locator("#sample")).not_to_contain_text("customer 1")
    expect(page.get_by_role("button", name="Show the values")).to_have_count(0)
    dora.shot("sample-masked")
    page.set_viewport_size({"width": 360, "height": 740})
    assert not overflows(page)
    dora.shot("sample-masked-360")

    page = dan.go(f"/console/changes/{change.id}")
    address = page.url
    assert viewings(allowed, change) == []
    page.get_by_role("button", name="Show the values").click()
    sample = page.locator("#sample")
    expect(sample).to_contain_text("It is recorded in the ledger that dan-s saw them.")
    expect(sample.locator("tbody tr").first).to_contain_text("CUSTOMER")
    assert page.url == address
    assert viewings(allowed, change) == ["dan-s"]
    # What is recorded makes every page load itself again: this one keeps what it shows.
    expect(dora.page.locator(".steps")).to_contain_text("values shown")
    expect(sample).to_contain_text("@example.org")
    dan.shot("sample-revealed")
    assert dora.problems == dan.problems == []


def test_without_scripts_it_is_a_page_of_its_own(allowed: Console) -> None:
    change = held(allowed, UPDATE)
    dan = allowed.enrolled("dan-n", "dba")
    cookies = dan.context.cookies()
    plain = allowed.somebody("dan-n", java_script_enabled=False)
    plain.context.add_cookies(cookies)  # type: ignore[arg-type]
    page = plain.go(f"/console/changes/{change.id}")
    page.get_by_role("button", name="Show the values").click()
    expect(page.locator("#sample")).to_contain_text("CUSTOMER")
    assert viewings(allowed, change) == ["dan-n"]


def test_a_definition_is_compared_line_by_line_and_each_entry_has_its_proof(console: Console) -> None:
    change = held(console, FUNCTION)
    dora = console.enrolled("dora-d", "sre")
    console.gateway.run(console.gateway.runtime.sign())
    page = dora.go(f"/console/changes/{change.id}")
    diff = page.get_by_role("region", name="before and after")
    expect(diff.locator("del")).to_have_count(1)
    expect(diff.locator("ins")).to_have_count(1)
    expect(diff.locator("ins")).to_contain_text("WHERE id > 0")
    expect(page.locator(".grounds")).to_contain_text("Lifted by the approval of quorum two-sre")
    dora.shot("sample-definition")
    row = page.locator(".steps tbody tr").first
    expect(row).to_contain_text("held: people are asked")
    with page.expect_download() as download:
        row.get_by_role("link", name="Download").click()
    text = download.value.path().read_text()
    assert text.startswith("c2sp.org/tlog-proof@v1")
    assert download.value.suggested_filename.startswith(change.id)
    assert dora.problems == []
