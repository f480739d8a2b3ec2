"""Deciding about changes, over the API."""

import pytest
from tests.console.conftest import CONFIG, Api, bearer

pytestmark = pytest.mark.anyio

BOTH = CONFIG.replace("{count: 2, group: sre}", "{count: 1, group: sre, also: [{count: 1, group: admin}]}")


@pytest.mark.parametrize("api", [BOTH], indirect=True)
async def test_a_quorum_tells_who_is_missing_of_which_group(api: Api) -> None:
    change = (await api.held()).id
    path = f"/api/v1/changes/{change}"
    (quorum,) = (await api.get(path))["quorums"]
    assert (quorum["count"], quorum["missing"]) == (2, 2)
    detail = await api.post(f"{path}/approvals", await api.say(change, "ann"))
    (quorum,) = detail["quorums"]
    assert quorum["parts"] == [
        {"groups": ["sre"], "count": 1, "given": ["ann"]},
        {"groups": ["admin"], "count": 1},
    ]
    assert (quorum["missing"], detail["change"]["state"]) == (1, "held")
    detail = await api.post(f"{path}/approvals", await api.say(change, "adm"))
    assert detail["change"]["state"] == "approved"


async def test_an_agent_reads_the_reason_of_a_denial_and_not_whose_it_was(api: Api) -> None:
    change = (await api.held()).id
    words = await api.say(change, "bob", verdict="deny", reason="not on\na Friday")
    await api.post(f"/api/v1/changes/{change}/approvals", words)
    response = await api.tcp.get(f"/changes/{change}", headers=bearer(api.tokens["fixer"]))
    shown = response.json()
    assert (shown["code"], shown["retry"]) == ("denied", False)
    assert shown["why"] == "People said no, and gave as the reason: not on a Friday"
    assert shown["expires_at"] > shown["updated_at"]
    assert "bob" not in response.text


async def test_people_take_their_own_approval_back(api: Api) -> None:
    change = (await api.held()).id
    path = f"/api/v1/changes/{change}/approvals"
    await api.post(path, await api.say(change, "ann"))
    await api.post(path, await api.say(change, "bob"))
    other = await api.signed("POST", f"{path}/withdraw", {"person": "bob"}, person="ann")
    assert (other.status_code, other.json()["code"]) == (403, "forbidden")
    own = await api.signed("POST", f"{path}/withdraw", {"reason": "read it again"}, person="ann")
    assert own.status_code == 200
    assert own.json()["change"]["state"] == "held"
    assert own.json()["quorums"][0]["given"] == ["bob"]
    assert (await api.signed("POST", f"{path}/withdraw", {}, person="ann")).status_code == 422
    await api.post(f"{path}/withdraw", {}, status=400)
    assert (await api.post(f"{path}/withdraw", {"person": "bob"}))["quorums"][0].get("given", []) == []


async def test_comments_are_shown_to_people_with_their_writer(api: Api) -> None:
    change = (await api.held()).id
    path = f"/api/v1/changes/{change}/comments"
    made = await api.signed("POST", path, {"text": "is the backup done?"}, person="ann")
    assert (made.status_code, made.json()["by"]) == (201, "person/ann")
    await api.post(path, {"text": "yes"}, status=201)
    found = (await api.get(path))["comments"]
    assert [(c["by"], c["text"]) for c in found] == [
        ("person/ann", "is the backup done?"),
        ("uid/1000", "yes"),
    ]
    assert (await api.get(f"/api/v1/changes/{change}"))["comments"] == found
    own = await api.tcp.get(f"/changes/{change}", headers=bearer(api.tokens["fixer"]))
    assert "backup" not in own.text
    await api.post(path, {"text": " "}, status=422)
    await api.post("/api/v1/changes/CHG-00000000/comments", {"text": "x"}, status=404)
