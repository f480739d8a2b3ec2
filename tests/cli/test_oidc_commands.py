"""People who log in with a provider, as administrators deal with them on the command line."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.cli.conftest import CONFIG, Place, free_port
from tests.console.oidc.provider import CLIENT, SECRET, Provider, running


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running() as found:
        yield found


@pytest.fixture
def company(provider: Provider, tmp_path: Path) -> Iterator[Place]:
    """A running server with the provider; nobody is enrolled."""
    made = Place(tmp_path, free_port(), inside=True)
    (tmp_path / "secret").write_text(SECRET)
    keys = f'issuer: "{provider.issuer}", client_id: "{CLIENT}", client_secret: {{file: secret}}'
    mapping = "groups_claim: teams, groups: {Reliability: sre}"
    text = f"{CONFIG.format(port=made.port)}oidc: {{{keys}, {mapping}}}\n"
    (tmp_path / "interlock.yaml").write_text(text)
    made.start()
    try:
        yield made
    finally:
        made.stop()


def page_after_login(place: Place) -> str:
    """What a browser sees, back from the provider."""
    site = f"http://localhost:{place.port}"
    with httpx.Client(verify=False, trust_env=False, timeout=60) as browser:  # loopback, plain http
        begun = browser.get(f"{site}/console/login/oidc")
        back = browser.get(begun.headers["location"]).headers["location"]
        kept = begun.headers["set-cookie"].partition(";")[0]
        return browser.get(back, headers={"cookie": kept}).text


def test_somebody_waits_is_confirmed_and_unlinked(company: Place, provider: Provider) -> None:
    provider.claims |= {"preferred_username": "Dora D.", "teams": ["Reliability"]}
    code = re.search(r'id="code">([^<]+)<', page_after_login(company))
    assert code
    told = company.ok("people", "waiting").out
    assert re.search(r"login +Dora D\. +sre", told)
    assert code[1] not in told
    assert company.ok("people", "waiting", "--json").json["enrolments"][0]["named"] == ["sre"]
    assert "--group (the provider says: sre)" in company.no("people", "confirm", "dora", code[1]).err
    told = company.ok("people", "confirm", "dora", code[1].lower(), "--group", "sre").out
    assert "dora is enrolled, in sre" in told
    assert "You are logged in" in page_after_login(company)
    assert not company.ok("people", "waiting", "--json").json.get("enrolments")
    (person,) = company.ok("people", "list", "--json").json["people"]
    sub = person["subjects"][0]["sub"]
    assert "dora has 0 logins left" in company.ok("people", "unlink", "dora", sub).out
    assert "no such login" in company.no("people", "unlink", "dora", sub).err
    assert "was removed" in page_after_login(company)
    assert SECRET not in (company.folder / "server.log").read_text()
