"""What the provider's groups do here: they withhold what was given, and give nothing unless that was configured."""

from typing import Any

import pytest
from tests.console.conftest import Api
from tests.console.oidc.conftest import Browser, code_of, entries, known, person
from tests.console.oidc.provider import Provider

from interlock.model.change import Verdict
from interlock.model.errors import Rejected

pytestmark = pytest.mark.anyio

MAPPED = ", groups_claim: teams, groups: {Site Reliability: sre, Databases: dba}"
TRUSTED = f"{MAPPED}, trust_groups: true"
mapped = pytest.mark.parametrize("api", [MAPPED], indirect=True)
trusted = pytest.mark.parametrize("api", [TRUSTED], indirect=True)


async def groups(api: Api, name: str = "dora") -> tuple[list[str], list[str]]:
    """What they are in, and what is withheld."""
    found = await person(api, name)
    return sorted(found.groups), sorted(found.withheld)


async def regroupings(api: Api) -> list[dict[str, Any]]:
    return [e for e in await entries(api, "person") if e["what"] == "groups"]


@mapped
async def test_the_claim_withholds_what_was_given_and_gives_it_back(
    api: Api, provider: Provider, browser: Browser
) -> None:
    provider.claims["teams"] = ["Site Reliability"]
    await known(api, browser, "dora", "sre", "dba", "oncall")
    await browser.login()
    assert await groups(api) == (["oncall", "sre"], ["dba"])
    assert api.runtime.core.directory.snapshot.people["dora"].groups == ("sre", "oncall")
    provider.claims["teams"] = ["Databases", "Something else"]
    await browser.login()
    assert await groups(api) == (["dba", "oncall"], ["sre"])
    provider.claims["teams"] = ["Databases", "Site Reliability"]
    await browser.login()
    assert await groups(api) == (["dba", "oncall", "sre"], [])
    said = await regroupings(api)
    assert [(sorted(e["groups"]), e.get("withheld", []), e["by"]) for e in said] == [
        (["oncall", "sre"], ["dba"], "oidc"),
        (["dba", "oncall"], ["sre"], "oidc"),
        (["dba", "oncall", "sre"], [], "oidc"),
    ]
    await browser.login()
    assert len(await regroupings(api)) == 3


@mapped
async def test_the_claim_gives_nothing_by_itself(api: Api, provider: Provider, browser: Browser) -> None:
    """Whoever the provider calls an engineer: a quorum counts people whom somebody here put into its group."""
    provider.claims["teams"] = ["Site Reliability", "Databases"]
    page = await browser.login()
    assert "sre" not in page.text
    (waits,) = (await api.get("/api/v1/enrolments"))["enrolments"]
    assert waits["named"] == ["dba", "sre"]
    told = await api.post("/api/v1/people/dora/confirm", {"code": code_of(page)}, 422)
    assert "--group (the provider says: dba, sre)" in told["detail"]
    await api.post("/api/v1/people/dora/confirm", {"code": code_of(page), "groups": ["guests"]})
    await browser.login()
    assert await groups(api) == (["guests"], [])
    assert not await regroupings(api)


@mapped
async def test_without_the_claim_nothing_that_it_speaks_of_stays(
    api: Api, provider: Provider, browser: Browser
) -> None:
    """Most providers leave it out for who is in no group."""
    await known(api, browser, "dora", "sre", "oncall")
    await browser.login()
    assert await groups(api) == (["oncall"], ["sre"])


@mapped
async def test_what_an_admin_gives_anew_is_not_mixed_with_what_was_withheld(
    api: Api, provider: Provider, browser: Browser
) -> None:
    """Somebody put into other groups does not get the old ones back by the provider's word."""
    await known(api, browser, "dora", "sre", "dba")
    await browser.login()
    assert await groups(api) == ([], ["dba", "sre"])
    await api.runtime.people.set_groups("dora", ["dba"], by="uid/0")
    provider.claims["teams"] = ["Databases", "Site Reliability"]
    await browser.login()
    assert await groups(api) == (["dba"], [])


@mapped
@pytest.mark.parametrize(
    "claim", [{"sre": True}, 7, ["Site Reliability", 7], ["x"] * 2001, True], ids=lambda c: str(c)[:20]
)
async def test_a_claim_that_is_no_list_takes_and_gives_nothing(
    api: Api, provider: Provider, browser: Browser, claim: object
) -> None:
    await known(api, browser)
    provider.claims["teams"] = claim
    told = await browser.login()
    assert "no list of groups" in told.text
    assert not browser.is_in
    assert await groups(api) == (["sre"], [])


@mapped
async def test_a_claim_that_was_left_out_for_its_size(api: Api, provider: Provider, browser: Browser) -> None:
    """Distributed claims: absent here does not mean that they are in no group."""
    await known(api, browser)
    provider.claims |= {
        "_claim_names": {"teams": "src1"},
        "_claim_sources": {"src1": {"endpoint": "https://x"}},
    }
    told = await browser.login()
    assert "left the claim" in told.text
    assert await groups(api) == (["sre"], [])


@mapped
async def test_one_group_as_a_text(api: Api, provider: Provider, browser: Browser) -> None:
    provider.claims["teams"] = "Site Reliability"
    await known(api, browser)
    await browser.login()
    assert await groups(api) == (["sre"], [])


@trusted
async def test_a_trusted_claim_gives_and_takes(api: Api, provider: Provider, browser: Browser) -> None:
    provider.claims["teams"] = ["Site Reliability"]
    code = code_of(await browser.login())
    await api.post("/api/v1/people/dora/confirm", {"code": code, "groups": ["oncall"]})
    await browser.login()
    assert await groups(api) == (["oncall", "sre"], [])
    provider.claims["teams"] = ["Databases"]
    await browser.login()
    assert await groups(api) == (["dba", "oncall"], [])
    assert [e["by"] for e in await regroupings(api)] == ["oidc"]


@mapped
async def test_who_is_not_in_the_group_any_more_does_not_count(
    api: Api, provider: Provider, browser: Browser
) -> None:
    """The group is gone for what decides as well: an approval of theirs is one of nobody in it."""
    provider.claims["teams"] = ["Site Reliability"]
    await known(api, browser, "dora", "sre")
    await browser.login()
    change = await api.held()
    signed = await api.runtime.changes.statement(change.id, "dora", Verdict.APPROVE)
    assert signed.person == "dora"
    provider.claims["teams"] = []
    await browser.login()
    with pytest.raises(Rejected, match="sre"):
        await api.runtime.changes.statement(change.id, "dora", Verdict.APPROVE)


async def test_without_a_mapping_groups_stay(api: Api, provider: Provider, browser: Browser) -> None:
    provider.claims |= {"groups": ["admin"], "teams": 7}
    await known(api, browser, "dora", "sre")
    await browser.login()
    assert await groups(api) == (["sre"], [])
