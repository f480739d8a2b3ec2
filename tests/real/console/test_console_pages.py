"""Each page in a real browser: narrow and wide, light and dark, by keyboard, without scripts, and as axe sees it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import psycopg
import pytest
from playwright.sync_api import BrowserContext, Page
from tests.real.console import axe
from tests.real.console.conftest import SHOTS, Console
from tests.real.console.stage import NIGHTLY, addresses, furnish, give_up, govern

from interlock.console.web.pages import PAGES

READ = sorted(
    {page.path for page in PAGES if page.method == "GET" and not page.path.startswith("/console/login/oidc")}
)
"""What people look at; the pages of a login elsewhere are ways through (`test_console_oidc.py`)."""
VIEWS: list[tuple[int, Literal["light", "dark"]]] = [
    (360, "light"), (360, "dark"), (1600, "light"), (1600, "dark"),
]  # fmt: skip
OUTLINED = "e => { const s = getComputedStyle(e); return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 }"
FOCUSABLE = """() => {
  const all = document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]');
  const shown = (e) => e.checkVisibility() && !e.disabled
    && e.type !== 'hidden' && e.closest('details:not([open]) > :not(summary)') === null;
  return Array.from(all).filter(shown).map((e, place) => { e.dataset.place = place; return place; });
}"""
"""What can be used on the page, in the order of the document; each is marked with its place."""


class Stage:
    """The pages with something on them, and one session in as many browsers as are wanted."""

    def __init__(self, console: Console) -> None:
        self.console, self.held = console, furnish(console.gateway)
        self.ask_again()
        self.admin = console.enrolled("dora", "sre")
        link = console.invited("fred", "sre")
        waits = console.somebody("fred")
        waits.go(link).get_by_role("button", name="Make a passkey").click()
        waits.page.locator("#code").wait_for(state="visible")
        self.state: Any = self.admin.context.storage_state()
        self.stop_and_give_up()
        self.addresses = addresses(self.held, "dora", govern(console.gateway, "dora"))
        self._open: list[BrowserContext] = []

    def ask_again(self) -> None:
        """Two changes that look alike wait."""
        with self.console.gateway.connect(NIGHTLY) as agent, pytest.raises(psycopg.Error):
            agent.execute("DELETE FROM payments WHERE id > 140")

    def stop_and_give_up(self) -> None:
        """A breaker that is open, an agent's session, messages that nobody got."""
        gateway = self.console.gateway
        self.session = gateway.connect(NIGHTLY)
        gateway.run(gateway.runtime.switches.open("agent/bot", "a flood of deletes", by="person/ann"))
        told = "nightly would delete 150 rows of payments (shop, production) - waits for 2 of sre"
        for name, why in (("m1", "the server answered 503"), ("m2", "nobody answered within 10 s")):
            gateway.run(
                give_up(
                    gateway,
                    name,
                    f"{told}: {self.console.origin}/console/changes/{self.held}",
                    why,
                    change=self.held,
                )
            )

    def context(self, **options: Any) -> BrowserContext:
        """Another browser with the same session."""
        made = self.console.browser.new_context(storage_state=self.state, **options)
        self._open.append(made)
        return made

    def close(self) -> None:
        for context in self._open:
            context.close()
        self.session.close()


@pytest.fixture(scope="module")
def stage(console_of_all: Console) -> Iterator[Stage]:
    made = Stage(console_of_all)
    yield made
    made.close()
    console_of_all.leave()


@pytest.fixture(scope="module")
def views(stage: Stage) -> dict[str, tuple[Page, list[str]]]:
    """A page of each width and colour scheme, with what its browser complained of."""
    found = {}
    for width, scheme in VIEWS:
        page = stage.context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
        found[f"{width}-{scheme}"] = (page, listen(page))
    return found


def listen(page: Page) -> list[str]:
    """Errors of scripts, of the content policy, of whatever could not be loaded."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


def go(stage: Stage, page: Page, path: str) -> None:
    answer = page.goto(stage.console.origin + stage.addresses[path])
    assert answer is not None
    assert answer.status == 200, stage.addresses[path]


@pytest.mark.parametrize("path", READ)
def test_fits_every_screen_without_complaint(
    stage: Stage, views: dict[str, tuple[Page, list[str]]], path: str
) -> None:
    for view, (page, complaints) in views.items():
        go(stage, page, path)
        wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        if SHOTS:
            name = path.removeprefix("/console/").replace("/", "-") or "overview"
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=f"{SHOTS}/{name}-{view}.png", full_page=True)
        assert wide[0] <= wide[1], f"{view}: the page scrolls sideways"
        assert complaints == [], view


@pytest.mark.parametrize("path", READ)
def test_axe_finds_nothing(stage: Stage, views: dict[str, tuple[Page, list[str]]], path: str) -> None:
    if not axe.SCRIPT.exists():
        pytest.skip("axe-core is not here: python -m tests.real.console.axe")
    for view, (page, _) in views.items():
        go(stage, page, path)
        page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
        assert axe.violations(page) == [], view


@pytest.mark.parametrize("path", READ)
def test_everything_is_reached_by_keyboard_in_order(
    stage: Stage, views: dict[str, tuple[Page, list[str]]], path: str
) -> None:
    page, _ = views["1600-light"]
    go(stage, page, path)
    expected: list[int] = page.evaluate(FOCUSABLE)
    assert expected
    visited: list[int] = []
    for _ in range(3 * len(expected) + 20):
        page.keyboard.press("Tab")
        place = page.evaluate("document.activeElement?.dataset?.place ?? null")
        if place is None:
            if page.evaluate("document.activeElement === document.body"):
                break
            continue
        if visited and int(place) == visited[-1]:
            continue  # a date has several parts
        assert page.locator(":focus").evaluate(OUTLINED), f"no visible focus on {place}"
        if int(place) in visited:
            break
        visited.append(int(place))
    assert visited == expected
    assert page.evaluate("document.querySelector('[data-place=\"0\"]').matches('.skip')")


@pytest.mark.parametrize("path", READ)
def test_reads_the_same_without_scripts(
    stage: Stage, views: dict[str, tuple[Page, list[str]]], path: str
) -> None:
    plain = stage.context(java_script_enabled=False).new_page()
    scripted, _ = views["1600-light"]
    for page in (plain, scripted):
        go(stage, page, path)
    shown = {word for word in words(scripted) if word.isalpha() and word.islower()}  # but for times
    assert shown <= words(plain)
    assert len(shown) > 5
    plain.close()


def words(page: Page) -> set[str]:
    """What stands on the page, but for what a script said meanwhile."""
    text: str = page.locator("main").inner_text()
    said = page.locator("main [role=status]").all_inner_texts()
    return set(text.split()) - set(" ".join(said).split())
