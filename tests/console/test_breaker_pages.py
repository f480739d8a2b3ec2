"""Breakers on pages: anybody opens one, and people reset them step by step, with a reason."""

import re
from urllib.parse import quote

import pytest
from tests.console.conftest import Api, logged_in, site_of
from tests.console.visitors import Visitor, main_of, visitor

from interlock.model.breaker import BreakerState
from interlock.testing.passkey import SoftPasskey
from interlock.testing.stores.signals import behaved_well

pytestmark = pytest.mark.anyio

SCOPES = [
    ("global", "/console/targets"),
    ("environment/staging", "/console/targets"),
    ("target/shop", "/console/targets"),
    ("agent/fixer", "/console/agents/fixer"),
]


def page_of(scope: str) -> str:
    return f"/console/breakers/one?scope={quote(scope, safe='')}"


def forms_of(page: str, move: str) -> list[str]:
    """The scopes of the forms that move breakers."""
    found = re.findall(rf'action="/console/breakers/{move}">(.*?)</form>', page, re.DOTALL)
    return [re.findall(r'name="scope" value="([^"]*)"', form)[0] for form in found]


@pytest.mark.parametrize(("scope", "path"), SCOPES)
async def test_a_breaker_is_opened_and_reset_step_by_step(api: Api, scope: str, path: str) -> None:
    dora = await visitor(api, "dora", "sre")
    assert scope in forms_of(await dora.read(path), "open")
    assert scope not in forms_of(await dora.read(path), "reset")
    for move, reason, state in (
        ("open", "a flood of <writes>", BreakerState.OPEN),
        ("reset", "it was a test", BreakerState.PROBATION),
        ("reset", "all is quiet", BreakerState.CLOSED),
    ):
        without = await dora.post(f"/console/breakers/{move}", scope=scope, reason="  ")
        assert without.status_code == 422, "not without a reason"
        if state is BreakerState.CLOSED:
            await api.runtime.store.transact(lambda tx: behaved_well(tx, scope))
        answer = await dora.post(f"/console/breakers/{move}", scope=scope, reason=reason)
        assert (answer.status_code, answer.headers["location"]) == (303, page_of(scope))
        (now,) = [b for b in await api.runtime.switches.list() if b.scope == scope]
        assert (now.state, now.reason, now.moved_by) == (state, reason, "session/dora")
        shown = await dora.read(path)
        assert (scope in forms_of(shown, "open")) == (state is not BreakerState.OPEN)
        assert (scope in forms_of(shown, "reset")) == (state is not BreakerState.CLOSED)
        overview = await dora.read("/console/")
        assert (scope in forms_of(overview, "reset")) == (state is not BreakerState.CLOSED)
        if state is BreakerState.OPEN:
            assert "a flood of &lt;writes&gt;" in shown
    assert (await dora.post("/console/breakers/reset", scope=scope, reason="again")).status_code == 409
    assert (await dora.post("/console/breakers/open", scope="no/such", reason="x")).status_code == 404


async def test_the_owner_does_not_reset_the_breaker_of_their_agent(api: Api) -> None:
    key = SoftPasskey(site_of(api))
    secret = await api.runtime.enrolments.invite("olga", (), by="uid/0")
    options = await api.runtime.enrolments.options(secret)
    waits = await api.runtime.enrolments.register(secret, key.registration(options["challenge"]), "")
    await api.runtime.enrolments.confirm("olga", waits.code, by="uid/0")
    olga = Visitor(api, await logged_in(api, key))
    assert (await olga.post("/console/breakers/open", scope="agent/fixer", reason="odd")).status_code == 303
    answer = await olga.post("/console/breakers/reset", scope="agent/fixer", reason="fine")
    assert answer.status_code == 422
    assert "someone else must reset agent/fixer" in main_of(answer.text)


async def test_a_sessions_breaker_is_opened_where_its_agent_is(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    gate = api.runtime.targets["shop"].gate
    known = gate.credential("fixer")
    assert known is not None
    principal = await gate.enter(known[0], lambda why: None)
    scope = f"session/{principal.session}"
    assert forms_of(await dora.read("/console/agents/fixer"), "open") == ["agent/fixer", scope]
    assert (await dora.post("/console/breakers/open", scope=scope, reason="odd")).status_code == 303
    assert forms_of(await dora.read("/console/"), "reset") == [scope]
    await gate.leave(principal)
