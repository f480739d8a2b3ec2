"""Logins with a provider in governed mode: who they let in is for admins to decide, and the provider decides nothing."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.console.oidc.provider import CLIENT, SECRET, Provider, running
from tests.runtime.governing.conftest import ANN, SOCKET, House, Make

from interlock.model.change import Change, ChangeState
from interlock.model.errors import Rejected
from interlock.runtime import doctor
from interlock.runtime.governing import deciding
from interlock.runtime.oidc.links import Link
from interlock.runtime.oidc.login import Arrived

pytestmark = pytest.mark.anyio


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running() as found:
        yield found


@pytest.fixture
async def governed(make: Make, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """In governed mode, with a provider whose groups are mapped."""
    monkeypatch.setenv("OIDC_SECRET", SECRET)
    keys = f'issuer: "{provider.issuer}", client_id: "{CLIENT}", client_secret: {{env: OIDC_SECRET}}'
    mapping = "groups_claim: teams, groups: {Reliability: sre, Heads: admin}"
    made = await make(alter=lambda text: f"{text}oidc: {{{keys}, {mapping}}}\n").start()
    await made.furnish()
    await made.govern()
    yield made
    await made.stop()


async def login(house: House, invitation: str = "") -> Arrived | Link:
    """There and back."""
    service = house.runtime.oidc
    assert service is not None
    begun = await service.begin("", invitation)
    async with httpx.AsyncClient(verify=False, trust_env=False) as browser:  # loopback, plain http
        back = (await browser.get(begun.address)).headers["location"]
    said = {name: value for name, (value,) in parse_qs(urlsplit(back).query).items()}
    return await service.answer(begun.kept, said)


async def say(house: House, change: Change, *names: str) -> Change:
    """They look at it, and approve."""
    for name in names or ("ann", "ben"):
        await house.runtime.changes.opened(change.id, name)
        change = await house.speak(change, name)
    return change


async def agree(house: House, work: Any, *names: str) -> Change:
    """Have it held and approved."""
    return await say(house, await house.held(work), *names)


async def code(house: House, invitation: str = "") -> str:
    waits = await login(house, invitation)
    assert isinstance(waits, Link)
    return waits.code


async def linked(house: House, name: str, *admins: str) -> None:
    """Somebody enrolled has a login, as admins have agreed."""
    secret = await house.runtime.enrolments.invite(name, (), by=SOCKET)
    told = await code(house, secret)
    await agree(house, house.runtime.enrolments.confirm(name, told, by=SOCKET), *admins)


async def test_somebody_new_is_for_two_admins(governed: House, provider: Provider) -> None:
    provider.claims["teams"] = ["Reliability"]
    told = await code(governed)
    change = await governed.held(governed.runtime.enrolments.confirm("dora", told, ["sre"], by=SOCKET))
    assert await governed.person("dora") is None
    assert isinstance(await login(governed), Link)
    change = await say(governed, change)
    assert change.state is ChangeState.APPLIED, change.note
    dora = await governed.person("dora")
    assert dora is not None
    assert ([s.sub for s in dora.subjects], dora.groups) == (["0815"], ("sre",))
    assert dora.counts_from is not None  # as anybody new
    assert isinstance(await login(governed), Arrived)


async def test_what_is_proposed_is_shown(governed: House) -> None:
    told = await code(governed)
    change = await governed.held(governed.runtime.enrolments.confirm("dora", told, ["sre"], by=SOCKET))
    shown = "\n".join((await governed.runtime.changes.show(change.id)).statements or ())
    assert "in sre, with the login '0815' at http://127.0.0.1" in shown


async def test_a_code_is_confirmed_once(governed: House) -> None:
    told = await code(governed)
    await governed.held(governed.runtime.enrolments.confirm("dora", told, ["sre"], by=SOCKET))
    with pytest.raises(Rejected, match="has this code"):
        await governed.runtime.enrolments.confirm("emil", told, ["sre"], by=SOCKET)


async def test_two_proposals_for_one_login(governed: House) -> None:
    """It waits twice: whoever is agreed to first has it, and the other proposal fails."""
    changes = []
    for name in ("dora", "emil"):
        told = await code(governed)
        changes.append(
            await governed.held(governed.runtime.enrolments.confirm(name, told, ["sre"], by=SOCKET))
        )
    for change in changes:
        last = await say(governed, change)
    assert last.state is ChangeState.FAILED
    assert await governed.person("emil") is None


async def test_a_login_of_somebody_enrolled_is_for_admins_too(governed: House, provider: Provider) -> None:
    provider.claims["teams"] = ["Reliability"]
    await linked(governed, "sam")
    sam = await governed.person("sam")
    assert sam is not None
    assert ([s.sub for s in sam.subjects], sam.groups) == (["0815"], ("sre",))


async def test_nobody_confirms_themself(governed: House) -> None:
    secret = await governed.runtime.enrolments.invite("ann", (), by=SOCKET)
    told = await code(governed, secret)
    with pytest.raises(Rejected, match="somebody else must confirm ann"):
        await governed.runtime.enrolments.confirm("ann", told, by=ANN)
    ann = await governed.person("ann")
    assert ann is not None
    assert not ann.subjects


async def test_the_provider_gives_nothing_and_withholds_at_once(governed: House, provider: Provider) -> None:
    """No proposal is needed for what tightens, and none is made of what would loosen."""
    provider.claims["teams"] = ["Reliability", "Heads"]
    await linked(governed, "sam")
    assert isinstance(await login(governed), Arrived)
    sam = await governed.person("sam")
    assert sam is not None
    assert (sam.groups, sam.withheld) == (("sre",), ())
    provider.claims["teams"] = ["Heads"]
    assert isinstance(await login(governed), Arrived)
    sam = await governed.person("sam")
    assert sam is not None
    assert (sam.groups, sam.withheld) == ((), ("sre",))


async def test_admins_decide_anew(governed: House, provider: Provider) -> None:
    """Groups that admins agreed to are not mixed with what was withheld before."""
    await linked(governed, "sam")
    await login(governed)
    await agree(governed, governed.runtime.people.set_groups("sam", ["dba"], by=SOCKET))
    provider.claims["teams"] = ["Reliability"]
    await login(governed)
    sam = await governed.person("sam")
    assert sam is not None
    assert (sam.groups, sam.withheld) == (("dba",), ())


async def test_the_last_admin_stays_one(governed: House, provider: Provider) -> None:
    """Whatever the provider says: somebody must be left who can recover the others."""
    provider.claims["teams"] = ["Heads"]
    await agree(governed, governed.runtime.people.set_groups("sue", ["admin"], by=SOCKET))
    for name, admins in (("ann", ("ben", "sue")), ("ben", ("ann", "sue")), ("sue", ("ann", "ben"))):
        provider.claims["sub"] = name
        await linked(governed, name, *admins)
    provider.claims["teams"] = []
    for name, groups in (("ann", ()), ("ben", ()), ("sue", ("admin",))):
        provider.claims["sub"] = name
        assert isinstance(await login(governed), Arrived)
        found = await governed.person(name)
        assert found is not None
        assert found.groups == groups, name


async def test_the_provider_is_part_of_what_admins_approve(governed: House, provider: Provider) -> None:
    """Another issuer, or claims that are trusted, in the file alone change nothing."""
    part = deciding.deciding(governed.runtime.config.source).decode()
    assert provider.issuer in part
    assert "OIDC_SECRET" not in part
    governed.alter("groups_claim: teams", "trust_groups: false, groups_claim: other")
    await governed.restart()
    service = governed.runtime.oidc
    assert service is not None
    assert service.settings.groups_claim == "teams"
    assert await service.provider.metadata()


OTHERS: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
    "another mapping": lambda keys: keys | {"groups": {"Others": "sre"}},
    "another issuer": lambda keys: keys | {"issuer": "https://login.example"},
    "none": lambda keys: None,
}


@pytest.mark.parametrize("how", OTHERS)
async def test_a_provider_that_admins_have_replaced_lets_nobody_in(
    governed: House, provider: Provider, how: str
) -> None:
    """This process goes on with the configuration that it began with, says that it has to be started again, and until then asks
    nobody of whom admins have said no more."""
    provider.claims["teams"] = ["Reliability"]
    await linked(governed, "sam")
    service = governed.runtime.oidc
    assert service is not None
    under_way = await service.begin("")
    decides = json.loads(deciding.deciding(governed.runtime.config.source))
    after = OTHERS[how](decides.pop("oidc"))
    decides |= {"oidc": after} if after else {}
    await agree(governed, governed.runtime.governing.propose_config(json.dumps(decides), by=SOCKET))
    await governed.runtime.core.tasks.drain(10)
    assert governed.runtime.oidc is service
    for ask in (service.begin(""), service.answer(under_way.kept, {"code": "x", "state": "x"})):
        with pytest.raises(Rejected, match="has to be started again"):
            await ask
    (check,) = [c for c in governed.runtime.health() if c.name == "approved/config" and not c.ok]
    assert "another configuration" in check.why
    assert "the configuration is not the approved one: oidc" in check.why, "the file is as before"
    found = [f for f in await doctor.online(governed.runtime) if f.check == "approved-config"]
    assert "restart this replica" in [f.fix for f in found]
    await governed.restart()
    now = governed.runtime.oidc
    assert (now is None) == (after is None)
    if now is not None:
        assert now is not service
        assert after is not None
        assert (now.settings.issuer, now.settings.groups) == (after["issuer"], after["groups"])
    if how == "another mapping":
        provider.claims["teams"] = ["Others"]
        assert isinstance(await login(governed), Arrived)


async def test_another_part_of_the_configuration_leaves_logins_alone(
    governed: House, provider: Provider
) -> None:
    provider.claims["teams"] = ["Reliability"]
    await linked(governed, "sam")
    decides = json.loads(deciding.deciding(governed.runtime.config.source))
    decides["quorums"]["two-sre"]["count"] = 3
    await agree(governed, governed.runtime.governing.propose_config(json.dumps(decides), by=SOCKET))
    await governed.runtime.core.tasks.drain(10)
    assert governed.runtime.governing.files.restart
    assert isinstance(await login(governed), Arrived)
