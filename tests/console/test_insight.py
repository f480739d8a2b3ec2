"""Looking into a change: masked samples, recorded viewing, the timeline with its proofs, and the policies that decided."""

import json
from typing import Any

import httpx
import msgspec
import pytest
from tests.console.conftest import MANY, Api, bearer, enrolled, logged_in

from interlock.ledger.proof import parse_proof, verify_proof
from interlock.model.change import Change, ChangeState
from interlock.runtime.service.deciding.insight import Insight

pytestmark = pytest.mark.anyio
SECRET = "planted-value-of-a-row"


def allow(api: Api, *groups: str) -> None:
    api.runtime.insight = Insight(api.runtime.core, groups)


async def planted(api: Api) -> Change:
    """A held change that deletes rows with a value that must not show."""
    assert api.toy.rows is not None
    api.toy.rows = dict.fromkeys(api.toy.rows, SECRET)
    return await api.held()


async def kinds(api: Api) -> list[dict[str, Any]]:
    return [json.loads(e) for e in await api.runtime.store.entries(0, 10_000)]


async def viewings(api: Api) -> list[dict[str, Any]]:
    return [e["body"] for e in await kinds(api) if e["kind"] == "sample.viewed"]


async def page(api: Api, person: str, path: str, data: dict[str, str] | None = None) -> httpx.Response:
    key = await enrolled(api, person, "sre")
    headers = {**await logged_in(api, key), "host": "localhost:8470"}
    if data is None:
        return await api.tcp.get(path, headers=headers)
    seen = await api.tcp.get(path.removesuffix("/sample"), headers=headers)
    token = seen.text.split('name="token" value="')[1].split('"')[0]
    return await api.tcp.post(path, data={"token": token, **data}, headers=headers)


async def test_by_default_nobody_sees_values(api: Api) -> None:
    change = await planted(api)
    path = f"/api/v1/changes/{change.id}/sample"
    told = (await api.signed("GET", path)).json()
    assert told["parts"][0]["rows"][0]["before"][1] == {"text": "••• 16–63", "masked": True}
    assert told["parts"][0]["of"] == 100
    assert len(told["parts"][0]["rows"]) == 20
    refused = await api.signed("POST", path, {})
    assert refused.status_code == 403, refused.text
    assert SECRET not in json.dumps(told) + refused.text
    assert await viewings(api) == []


async def test_values_are_recorded_before_they_leave(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    change = await planted(api)
    allow(api, "sre")
    path = f"/api/v1/changes/{change.id}/sample"
    told = await api.signed("POST", path, {})
    assert told.json()["revealed"] is True
    assert told.json()["parts"][0]["rows"][0]["before"][1]["text"] == SECRET
    (seen,) = await viewings(api)
    assert (seen["person"], seen["change"], seen["resources"], seen["revealed"]) == (
        "ann",
        change.id,
        ["table toy.rows"],
        True,
    )
    # What cannot be recorded is not shown.
    transact = api.runtime.store.transact

    async def lost(work: Any, *, later: bool = False) -> Any:
        await transact(work, later=later)
        raise httpx.ReadError("the store was lost")

    monkeypatch.setattr(api.runtime.store, "transact", lost)
    failed = await api.admin.get(path)
    assert failed.status_code == 200  # masked needs no record
    with pytest.raises(httpx.ReadError):
        await api.runtime.insight.sample(change.id, "ann", reveal=True)


async def test_a_masked_look_is_not_recorded(api: Api) -> None:
    change = await planted(api)
    allow(api, "sre")
    for _ in range(3):
        await api.signed("GET", f"/api/v1/changes/{change.id}/sample")
    assert await viewings(api) == []


@pytest.mark.parametrize("groups", [("admin",), ("owners", "admin")])
async def test_another_group_is_not_enough(api: Api, groups: tuple[str, ...]) -> None:
    change = await planted(api)
    allow(api, *groups)
    path = f"/api/v1/changes/{change.id}/sample"
    assert not (await api.signed("POST", path, {})).is_success
    assert (await api.signed("POST", path, {}, person="adm")).is_success
    assert [v["person"] for v in await viewings(api)] == ["adm"]


async def test_not_by_the_socket_and_never_for_agents(api: Api) -> None:
    """Whoever uses the socket is known by a number only; an agent learns not even that there is such a thing."""
    change = await planted(api)
    allow(api, "sre", "admin")
    path = f"/api/v1/changes/{change.id}/sample"
    assert not (await api.admin.post(path, json={})).is_success
    for method in ("GET", "POST"):
        answer = await api.tcp.request(method, path, headers=bearer(api.tokens["fixer"]))
        assert answer.status_code == 404
        assert SECRET not in answer.text
    nobody = await api.tcp.get(path)
    assert nobody.status_code == 401
    assert await viewings(api) == []


async def test_a_disabled_person_sees_no_values_any_more(api: Api) -> None:
    change = await planted(api)
    allow(api, "sre")
    await api.runtime.people.disable("ann", by="uid/0")
    with pytest.raises(Exception, match="people of the groups"):
        await api.runtime.insight.sample(change.id, "ann", reveal=True)


async def test_an_agents_view_has_no_sample(api: Api) -> None:
    change = await planted(api)
    told = await api.tcp.get(f"/changes/{change.id}", headers=bearer(api.tokens["fixer"]))
    assert "sample" not in told.text
    assert SECRET not in told.text


async def test_the_page_masks_and_reveals(api: Api) -> None:
    change = await planted(api)
    seen = await page(api, "dora", f"/console/changes/{change.id}")
    assert "••• 16–63" in seen.text
    assert SECRET not in seen.text
    assert "Show the values" not in seen.text
    assert "rows deleted, 20 of 100" in seen.text
    allow(api, "sre")
    seen = await page(api, "emil", f"/console/changes/{change.id}/sample", {})
    assert seen.status_code == 200
    assert SECRET in seen.text
    assert "data-revealed" in seen.text
    assert [v["person"] for v in await viewings(api)] == ["emil"]


async def test_the_page_needs_its_token(api: Api) -> None:
    change = await planted(api)
    allow(api, "sre")
    key = await enrolled(api, "dora", "sre")
    headers = {**await logged_in(api, key), "host": "localhost:8470"}
    path = f"/console/changes/{change.id}/sample"
    assert (await api.tcp.post(path, data={"token": "x"}, headers=headers)).status_code == 403
    evil = {**headers, "origin": "http://evil.example"}
    assert (await api.tcp.post(path, data={"token": "x"}, headers=evil)).status_code == 403
    again = await api.tcp.get(path, headers=headers)
    assert (again.status_code, again.headers["location"]) == (303, f"/console/changes/{change.id}")
    assert await viewings(api) == []


async def test_values_cannot_be_markup(api: Api) -> None:
    evil = "<script>alert(1)</script>"
    assert api.toy.rows is not None
    api.toy.rows = dict.fromkeys(api.toy.rows, evil)
    change = await api.held()
    allow(api, "sre")
    seen = await page(api, "dora", f"/console/changes/{change.id}/sample", {})
    assert evil not in seen.text
    assert "&lt;script&gt;" in seen.text


async def test_the_sample_is_in_no_entry(api: Api) -> None:
    change = await planted(api)
    allow(api, "sre")
    await api.signed("POST", f"/api/v1/changes/{change.id}/sample", {})
    assert SECRET not in json.dumps(await kinds(api))
    (held,) = [e["body"] for e in await kinds(api) if e["kind"] == "change.held"]
    assert set(held["payloads"]) == {"content", "sample"}


async def test_a_broken_sample_says_so(api: Api) -> None:
    change = await planted(api)
    await api.runtime.store.transact(lambda tx: tx.put_payload(change.id, "sample", b"{"))
    with pytest.raises(Exception, match="cannot be read"):
        await api.runtime.insight.sample(change.id, "")


# ---- The timeline


async def test_the_way_of_a_change_from_request_to_revert(api: Api) -> None:
    change = await api.held()
    for person in ("ann", "bob"):
        await api.runtime.changes.opened(change.id, person)
        await api.runtime.changes.speak(*await _signed(api, change, person))
    await api.send(MANY)
    words = await api.say(change.id, "ann", revert="true")
    answer = await api.signed("POST", f"/api/v1/changes/{change.id}/revert", {**words})
    assert answer.is_success, answer.text
    await api.runtime.core.tasks.drain(10)
    await api.runtime.sign()
    told = await api.get(f"/api/v1/changes/{change.id}/timeline")
    found = [(step["kind"], step.get("who", "")) for step in told["steps"]]
    assert found == [
        ("change.held", ""), ("approval", "ann"), ("approval", "bob"), ("change.moved", "quorum"), ("intent", ""), ("outcome", ""),
        ("approval", "ann"), ("revert", "ann"),
    ]  # fmt: skip
    assert told["steps"][-1]["other"] == (await api.runtime.changes.get(change.id)).reverted_by
    assert told["steps"][-2]["what"] == "wished to revert"
    assert told["signed"] > told["steps"][-1]["index"]
    assert [s["index"] for s in told["steps"]] == sorted(s["index"] for s in told["steps"])
    assert (await api.runtime.changes.get(change.id)).state is ChangeState.REVERTED
    of_revert = await api.get(f"/api/v1/changes/{told['steps'][-1]['other']}/timeline")
    assert [s["kind"] for s in of_revert["steps"]] == ["intent", "outcome", "revert"]


async def _signed(api: Api, change: Change, person: str) -> tuple[Any, str]:
    from interlock.testing import signing

    words = await api.runtime.changes.statement(change.id, person)
    return words, signing.signed(words, api.runtime.core.directory.now()).signature


async def test_each_entry_has_a_proof_to_take_along(api: Api) -> None:
    change = await api.held()
    await api.runtime.sign()
    seen = await page(api, "dora", f"/console/changes/{change.id}")
    ((index, data),) = await api.runtime.store.read(lambda tx: tx.entries_of(change.id))
    link = f'/api/v1/ledger/proof?index={index}" download="{change.id}-{index}.tlog-proof"'
    assert link in seen.text
    proof = await api.signed("GET", f"/api/v1/ledger/proof?index={index}")
    assert verify_proof(parse_proof(proof.content), data, api.runtime.store.verifier).size > index


async def test_what_is_not_signed_yet_has_no_proof_yet(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signer may be another replica, and late."""
    await api.runtime.sign()
    old = await api.runtime.store.checkpoint()

    async def checkpoint() -> bytes:
        return old

    monkeypatch.setattr(api.runtime.store, "checkpoint", checkpoint)
    change = await api.held()
    told = await api.get(f"/api/v1/changes/{change.id}/timeline")
    assert told["steps"][0]["index"] >= told["signed"]
    seen = await page(api, "dora", f"/console/changes/{change.id}")
    assert "when it is signed" in seen.text
    assert ".tlog-proof" not in seen.text


async def test_there_is_no_such_change(api: Api) -> None:
    for part in ("timeline", "sample"):
        answer = await api.admin.get(f"/api/v1/changes/CHG-00000000/{part}")
        assert answer.status_code == 404
        assert (await api.admin.get(f"/api/v1/changes/nonsense/{part}")).status_code == 404


# ---- The policies that decided


async def test_policies_in_plain_words_with_what_lifts_them(api: Api) -> None:
    change = await api.held()
    grounds = {ground.id: ground for ground in api.runtime.insight.grounds(change)}
    assert set(grounds) == set(change.decision.reasons)
    share = grounds["rows-deleted-share"]
    assert share.words == "More than 10 % of a table of 10 rows or more are deleted."
    assert share.remedies == ("quorum:two-sre",)
    seen = await page(api, "dora", f"/console/changes/{change.id}")
    assert share.words in seen.text
    assert "Lifted by the approval of quorum two-sre" in seen.text


async def test_a_policy_that_is_gone_and_one_that_nothing_lifts(api: Api) -> None:
    change = await api.held()
    other = msgspec.structs.replace(
        change, decision=msgspec.structs.replace(change.decision, reasons=("gone-since", "interlock-schema"))
    )
    gone, final = api.runtime.insight.grounds(other)
    assert (gone.words, gone.final) == ("", False)
    assert (final.words, final.final) == (
        "Agents never act on Interlock's own schema, not even to read.",
        True,
    )
