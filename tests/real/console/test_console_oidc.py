"""Login with an OpenID provider in a browser: there and back between two sites, with the cookies that a browser really sends."""

import re
import secrets
from collections.abc import Iterator

import httpx
import psycopg
import pytest
from tests.console.oidc.provider import CLIENT, SECRET, Provider, running
from tests.real.conftest import FILL, SETUP
from tests.real.console.conftest import CHROMIUM, Console, free_port

from interlock.console.app import doors
from interlock.model.change import ChangeState
from interlock.testing.gateway import Gateway, prepare
from interlock.testing.peers.pg import PgCluster

BUTTON = "Example login"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def shown(pg18: PgCluster, provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The gateway of `conftest`, with the provider."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not here")
    port, folder = free_port(), tmp_path_factory.mktemp("console")
    (folder / "secret").write_text(SECRET)
    top = {
        "api": {"listen": f"127.0.0.1:{port}", "public_url": f"http://127.0.0.1:{port}"},
        "oidc": {
            "issuer": provider.issuer,
            "client_id": CLIENT,
            "client_secret": {"file": "secret"},
            "name": BUTTON,
        },
    }
    database = pg18.create_database(f"t_{secrets.token_hex(6)}")
    prepare(database, SETUP)
    database.psql(FILL)
    gateway = Gateway(database, folder, top=top)
    gateway.make_app = doors()
    with gateway:
        yield gateway
    database.drop()


def test_somebody_new_logs_in_looks_and_needs_a_passkey_to_sign(console: Console, provider: Provider) -> None:
    provider.claims = {"sub": "4711", "preferred_username": "fay"}
    fay = console.somebody("fay")
    page = fay.go("/console/changes")
    fay.shot("login")
    page.get_by_role("link", name=BUTTON).click()
    page.get_by_text("You are not enrolled yet").wait_for()
    assert "not enrolled" in page.locator("h1").inner_text()
    fay.shot("login-waits")
    code = page.locator("#code").inner_text()
    gateway = console.gateway
    gateway.run(gateway.runtime.enrolments.confirm("fay", code, ["sre"], by="uid/0"))
    page = fay.go("/console/changes")
    page.get_by_role("link", name=BUTTON).click()
    page.wait_for_url(f"{fay.origin}/console/changes")  # where they wanted to
    assert page.get_by_role("button", name="Log out").is_visible()
    names = {cookie.get("name"): cookie for cookie in fay.context.cookies()}
    assert set(names) == {"__Host-interlock"}
    assert names["__Host-interlock"].get("sameSite") == "Strict"
    with gateway.connect("bot") as agent, pytest.raises(psycopg.Error) as caught:
        agent.execute("DELETE FROM payments WHERE id > 100")
    assert caught.value.sqlstate == "IL001"
    change = gateway.held()
    page = fay.go(f"/console/changes/{change.id}")
    page.get_by_role("button", name="Approve").click()
    assert page.get_by_text("You have no passkey").is_visible()
    told = page.evaluate(
        """async (id) => (await fetch(`/api/v1/changes/${id}/apply`, {method: "POST", body: "{}",
        headers: {"Content-Type": "application/json"}})).status""",
        change.id,
    )
    assert told == 403
    assert gateway.change(change.id).state is ChangeState.HELD
    page = fay.go("/console/")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(re.compile("/console/login"))
    assert not fay.context.cookies()
    assert fay.problems == []


def test_an_invitation_is_used_for_a_login(console: Console, provider: Provider) -> None:
    provider.claims = {"sub": "4712", "preferred_username": "gil"}
    gil = console.somebody("gil")
    page = gil.go(console.invited("gil", "sre"))
    gil.shot("enrol-with-provider")
    page.get_by_role("button", name=BUTTON).click()
    page.get_by_text("Almost done").wait_for()
    code = page.locator("#code").inner_text()
    assert page.get_by_text(f"interlock people confirm gil {code}").is_visible()
    gateway = console.gateway
    gateway.run(gateway.runtime.enrolments.confirm("gil", code, by="uid/0"))
    page = gil.go("/console/login")
    page.get_by_role("link", name=BUTTON).click()
    page.wait_for_url(f"{gil.origin}/console/")
    assert gil.problems == []


def test_an_answer_in_another_browser_gets_nobody_in(console: Console, provider: Provider) -> None:
    """Login CSRF: whoever opens an attacker's answer stays outside, also when they have begun a login themselves."""
    provider.claims = {"sub": "4713", "preferred_username": "mallory"}
    with httpx.Client(verify=False, trust_env=False) as mallory:  # loopback, plain http
        begun = mallory.get(f"{console.origin}/console/login/oidc")
        answer = mallory.get(begun.headers["location"]).headers["location"]
    victim = console.somebody("victim")
    page = victim.go(answer.removeprefix(victim.origin))
    assert page.get_by_text("not begun in this browser").is_visible()
    assert not victim.context.cookies()
    provider.replies["/authorize"] = 200, {"Content-Type": "text/html"}, b"<title>Who are you?</title>"
    victim.go("/console/login/oidc").wait_for_url(f"{provider.issuer}/authorize?*")
    provider.replies.clear()
    assert {cookie.get("name") for cookie in victim.context.cookies()} == {"__Host-interlock-login"}
    page = victim.go(answer.removeprefix(victim.origin))
    assert page.get_by_text("not begun in this browser").is_visible()
    assert {cookie.get("name") for cookie in victim.context.cookies()} == {"__Host-interlock-login"}
