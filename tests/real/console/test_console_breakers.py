"""A breaker in a real browser: it is seen without a reload, opened and put back by hand and by keyboard alone."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import expect
from tests.real.console.conftest import Console

from interlock.model.breaker import Breaker, BreakerState
from interlock.model.signal import Mark, Signal, Trip
from interlock.pipeline.recorded import trips
from interlock.sdk.ports import Tx
from interlock.testing.stores.signals import behaved_well

SCOPE = "agent/bot"
PAGE = "/console/breakers/one?scope=agent%2Fbot"


@pytest.fixture
def closed(console: Console) -> Iterator[Console]:
    yield console

    def work(tx: Tx) -> None:
        row = tx.breaker(SCOPE)
        assert row is not None
        tx.put_breaker(type(row)(SCOPE, epoch=row.epoch + 1))

    console.gateway.run(console.gateway.runtime.store.transact(work))


def trip(console: Console, scope: str = SCOPE) -> None:
    def work(tx: Tx) -> None:
        steps = (Mark(tx.now(), "drop table public.orders", "S-1"),)
        told = Trip(
            tx.now(), scope, Signal.GUARD, "bot", "S-1", "production", "shop", "it touched the audit", steps
        )
        assert trips.open_by_itself(tx, told, ("bot",), None) is not None

    console.gateway.run(console.gateway.runtime.store.transact(work))


def state(console: Console) -> BreakerState:
    store = console.gateway.runtime.store
    row = console.gateway.run(store.read(lambda tx: tx.breaker(SCOPE)))
    assert row is not None
    found: BreakerState = row.state
    return found


def test_a_trip_is_seen_at_once_and_people_put_it_back(closed: Console) -> None:
    someone = closed.enrolled("gina", "sre")
    page = someone.go("/console/breakers")
    trip(closed)
    link = page.locator(".panel.bad").get_by_role("link", name=SCOPE, exact=True)
    expect(link).to_be_visible()
    link.click()
    page.wait_for_url("**" + PAGE)
    expect(
        page.get_by_role("img", name="1 operation within 10 s, then the breaker opened").first
    ).to_be_visible()
    expect(page.get_by_role("cell", name="drop table public.orders").first).to_be_visible()
    page.get_by_text("Put it on probation").click()
    button = page.get_by_role("button", name="Let small changes pass again")
    button.click()
    assert state(closed) is BreakerState.OPEN, "a reason is required"
    page.get_by_label("What you found").fill("it was I who asked for it")
    button.click()
    expect(page.locator("h1 .badge")).to_have_text("probation")
    assert state(closed) is BreakerState.PROBATION
    expect(page.locator("main")).to_contain_text("0 of 20 clean")
    closed.gateway.run(closed.gateway.runtime.store.transact(lambda tx: behaved_well(tx, SCOPE)))
    page.reload()
    page.get_by_text("Close it").click()
    page.get_by_label("What you found").fill("twenty were fine")
    page.get_by_role("button", name="Let changes pass again").click()
    expect(page.locator("h1 .badge")).to_have_text("closed")
    assert someone.problems == []


def test_a_breaker_is_opened_by_keyboard_alone(closed: Console) -> None:
    someone = closed.enrolled("hana", "sre")
    page = someone.go("/console/breakers")
    page.get_by_text("Open a breaker").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("agent/bot")
    page.keyboard.press("Tab")
    page.keyboard.type("it does not look right")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**" + PAGE)
    assert state(closed) is BreakerState.OPEN
    expect(page.locator("main")).to_contain_text("it does not look right")
    assert someone.problems == []


def test_without_scripts_the_page_says_the_same(closed: Console) -> None:
    someone = closed.enrolled("ivan", "sre")
    plain = closed.browser.new_context(
        storage_state=someone.context.storage_state(), java_script_enabled=False
    )
    trip(closed)
    page = plain.new_page()
    page.goto(closed.origin + PAGE)
    page.get_by_text("Put it on probation").click()
    page.get_by_label("What you found").fill("no scripts here")
    page.get_by_role("button", name="Let small changes pass again").click()
    expect(page.locator("h1 .badge")).to_have_text("probation")
    plain.close()


def test_what_is_stopped_fits_a_telephone(closed: Console) -> None:
    """Whatever it is called: the id of a session has no place to break at."""
    someone = closed.enrolled("jade", "sre")
    scope = "session/4c5d1e10ec974dd0a4a624be3ac30016"
    store = closed.gateway.runtime.store
    closed.gateway.run(store.transact(lambda tx: tx.put_breaker(Breaker(scope))))
    trip(closed, scope)
    someone.page.set_viewport_size({"width": 420, "height": 900})
    try:
        for path in (
            "/console/",
            "/console/breakers",
            f"/console/breakers/one?scope={quote(scope, safe='')}",
        ):
            page = someone.go(path)
            expect(page.locator("main")).to_contain_text(scope)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 420, path
        page = someone.go("/console/")
        page.get_by_role("link", name=scope).click()
        expect(page.locator("main")).to_contain_text("What to do: look at what led there")
    finally:
        closed.gateway.run(store.transact(lambda tx: tx.drop_breaker(scope)))
    assert someone.problems == []
