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
