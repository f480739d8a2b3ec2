"""A shop behind a gateway whose console is looked at with Chromium: each person is a browser of their own with a virtual
authenticator (W3C Web Authentication, "Virtual Authenticators")."""

import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, sync_playwright
from tests.real.conftest import FILL, SETUP

from interlock.console.app import doors
from interlock.testing.gateway import Gateway, prepare
from interlock.testing.peers.pg import PgCluster

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
SHOTS = os.environ.get("INTERLOCK_SCREENSHOTS")
"""A folder in which screenshots are kept, if given."""
ALONE = "gloria"
"""Who may break the glass."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Someone:
    """A person at a browser of their own."""

    def __init__(self, name: str, context: BrowserContext, origin: str) -> None:
        self.name, self.origin, self.context = name, origin, context
        self.page: Page = context.new_page()
        self.problems: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.cdp: CDPSession = context.new_cdp_session(self.page)
        self.cdp.send("WebAuthn.enable")
        self.authenticator: str = self.add_authenticator()

    def _console(self, message: Any) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.problems.append(message.text)

    def add_authenticator(self, **more: Any) -> str:
        options = {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": True, **more,
        }  # fmt: skip
        made: str = self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]
        return made

    def go(self, path: str) -> Page:
        self.page.goto(self.origin + path)
        return self.page

    def log_in(self, to: str = "/console/") -> None:
        self.go(f"/console/login?to={to}")
        self.page.get_by_role("button", name="Use a passkey").click()
        self.page.wait_for_url(self.origin + to)

    def sign(self) -> None:
        """Read to the end, and sign."""
        self.page.locator("#exact").evaluate("e => { e.scrollTop = e.scrollHeight; e.scrollIntoView(false) }")
        button = self.page.locator("#go")
        button.scroll_into_view_if_needed()
        button.click()

    def shot(self, name: str) -> None:
        """A screenshot of the whole page, where they are kept."""
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


class Console:
    """The gateway, its console, and whoever looks at it."""

    def __init__(self, gateway: Gateway, browser: Browser, origin: str) -> None:
        self.gateway, self.browser, self.origin = gateway, browser, origin
        self._here: list[Someone] = []

    def somebody(self, name: str = "", **options: Any) -> Someone:
        """A new browser; nobody is logged in."""
        found = Someone(name, self.browser.new_context(**options), self.origin)
        self._here.append(found)
        return found

    def invited(self, name: str, *groups: str) -> str:
        """A link."""
        secret = self.gateway.run(self.gateway.runtime.enrolments.invite(name, groups, by="uid/0"))
        return f"/console/enrol#{secret}"

    def enrolled(self, name: str, *groups: str, **options: Any) -> Someone:
        """Somebody with a passkey that was confirmed, logged in."""
        person = self.somebody(name, **options)
        page = person.go(self.invited(name, *groups))
        page.get_by_role("button", name="Make a passkey").click()
        code = page.locator("#code")
        code.wait_for(state="visible")
        self.gateway.run(self.gateway.runtime.enrolments.confirm(name, code.inner_text(), by="uid/0"))
        person.log_in()
        return person

    def leave(self) -> None:
        for person in self._here:
            person.context.close()
        self._here = []


@pytest.fixture(scope="module")
def shown(pg18: PgCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The gateway with its console on a name that passkeys may belong to."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not here")
    port = free_port()
    api = {"listen": f"127.0.0.1:{port}", "public_url": f"http://127.0.0.1:{port}"}
    database = pg18.create_database(f"t_{secrets.token_hex(6)}")
    prepare(database, SETUP)
    database.psql(FILL)
    # Nobody listens there, and nothing is told: a channel to look at.
    oncall = {
        "webhook": "http://127.0.0.1:9/",
        "name": "oncall",
        "secret": {"env": "NOT_GIVEN"},
        "events": ["break_glass"],
    }
    top = {"api": api, "break_glass": {"people": [ALONE], "minutes": 10}, "notify": [oncall]}
    gateway = Gateway(database, tmp_path_factory.mktemp("console"), top=top)
    gateway.make_app = doors()
    with gateway:
        yield gateway
    database.drop()


@pytest.fixture(scope="module")
def browser(shown: Gateway) -> Iterator[Browser]:
    """For one module: as long as it is there, an event loop runs in this thread, and no other can."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield found
        found.close()


@pytest.fixture(scope="module")
def console_of_all(shown: Gateway, browser: Browser) -> Console:
    site = shown.runtime.terms.site
    assert site is not None
    return Console(shown, browser, site.origin)


@pytest.fixture
def console(console_of_all: Console) -> Iterator[Console]:
    yield console_of_all
    console_of_all.leave()
    for change in console_of_all.gateway.changes():
        if change.state.value in ("held", "approved"):
            gateway = console_of_all.gateway
            gateway.run(gateway.runtime.changes.withdraw(change.id, "the test is over", by="uid/0"))
