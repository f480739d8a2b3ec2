"""Deciding about changes, over the API."""

import sqlite3
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from tests.console.conftest import CONFIG, Api, bearer, sign

from interlock.sdk.connector import Permitted
from interlock.testing.signing import key_of

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


async def test_whoever_fetches_the_statement_has_the_effect_before_them(api: Api) -> None:
    change = (await api.held()).id
    path = f"/api/v1/changes/{change}"

    async def fetch(person: str, by: str, **more: str) -> dict[str, Any]:
        query = urlencode({"person": person, **more})
        asked = await api.signed("GET", f"{path}/statement?{query}", person=by)
        assert asked.status_code == 200
        return sign(asked.json()["statement"], key_of(person))

    # Somebody else's looking, and looking to deny, are not the person's looking to approve.
    words = await fetch("ann", by="bob")
    await fetch("ann", by="ann", verdict="deny")
    refused = await api.signed("POST", f"{path}/approvals", words, person="ann")
    assert (refused.status_code, "ann has not looked" in refused.json()["detail"]) == (422, True)
    words = await fetch("ann", by="ann")
    given = await api.signed("POST", f"{path}/approvals", words, person="ann")
    assert given.status_code == 200


HASTY = CONFIG.replace("per_hour: 1000, median_s: 0", "per_hour: 1")
assert HASTY != CONFIG


@pytest.mark.parametrize("api", [HASTY], indirect=True)
async def test_a_hasty_approval_is_shown_as_one(api: Api) -> None:
    first, second = (await api.held()).id, (await api.send([["delete_like", "row/02"]])).change.id  # type: ignore[union-attr]
    await api.post(f"/api/v1/changes/{first}/approvals", await api.say(first, "ann"))
    detail = await api.post(f"/api/v1/changes/{second}/approvals", await api.say(second, "ann"))
    (quorum,) = detail["quorums"]
    assert (quorum["hasty"], quorum["count"], quorum["missing"]) == (["ann"], 3, 2)


async def test_waiting_changes_that_look_alike_have_one_group(api: Api) -> None:
    await api.send([["delete_like", "row/01"]])
    await api.send([["delete_like", "row/01"]], agent="other")
    await api.send([["delete_like", "row/02"]])
    listed = (await api.get("/api/v1/changes", state="held"))["changes"]
    groups = {c["agent"]: c["group"] for c in listed}
    assert len(listed) == 3
    assert len({c["group"] for c in listed}) == 2
    assert [c["group"] for c in listed if c["agent"] == "fixer"] == [groups["fixer"]] * 2


async def break_it(api: Api, **about: str) -> httpx.Response:
    query = urlencode({"person": "adm", "reason": "the shop is down", "nonce": "n" * 32, **about})
    asked = await api.signed("GET", f"/api/v1/break-glass/statement?{query}", person="adm")
    assert asked.status_code == 200, asked.text
    words = sign(asked.json()["statement"], key_of("adm"))
    return await api.signed("POST", "/api/v1/break-glass", words, person="adm")


async def test_the_glass_is_broken_for_a_change_and_reviewed(api: Api) -> None:
    change = (await api.held()).id
    made = await break_it(api, change=change)
    assert made.status_code == 201, made.text
    glass = made.json()["id"]
    detail = await api.get(f"/api/v1/changes/{change}")
    assert (detail["change"]["state"], detail["change"]["break_glass"]) == ("approved", glass)
    assert (await api.get("/api/v1/changes", state="approved"))["changes"][0]["break_glass"] == glass
    assert (await api.post(f"/api/v1/changes/{change}/apply", {}))["done"]
    path = f"/api/v1/break-glass/{glass}"
    own = await api.signed("POST", f"{path}/review", {"person": "adm", "sentence": "fine"}, person="adm")
    assert (own.status_code, "they broke it" in own.json()["detail"]) == (422, True)
    owner = await api.signed("POST", f"{path}/review", {"person": "olga", "sentence": "fine"}, person="olga")
    assert (owner.status_code, "owns the agent" in owner.json()["detail"]) == (422, True)
    assumed = await api.signed("POST", f"{path}/review", {"person": "bob", "sentence": "fine"}, person="ann")
    assert assumed.status_code == 422
    assert "reviewed_by" not in (await api.get(path))
    done = await api.signed("POST", f"{path}/review", {"person": "ann", "sentence": "right"}, person="ann")
    assert (done.status_code, done.json()["reviewed_by"]) == (200, "ann")
    assert [g["review"] for g in (await api.get("/api/v1/break-glass"))["break_glasses"]] == ["right"]


async def test_the_glass_is_broken_for_a_target(api: Api) -> None:
    made = await break_it(api, target="shop")
    assert made.status_code == 201, made.text
    answer = await api.send([["delete_like", "row/01"]])
    assert isinstance(answer, Permitted)
    assert answer.change is not None
    assert answer.change.break_glass == made.json()["id"]
    assert (await break_it(api, target="shop")).status_code == 201  # other words: another end


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"person": "adm", "reason": "x"}, 422),
        ({"person": "adm", "reason": "x", "change": "CHG-00000000", "target": "shop"}, 422),
        ({"person": "adm", "reason": "x", "change": "CHG-00000000"}, 404),
        ({"person": "adm", "reason": "x", "target": "other"}, 404),
        ({"person": "adm", "reason": " ", "target": "shop"}, 422),
        ({"person": "ann", "reason": "x", "target": "shop"}, 422),
    ],
)
async def test_what_cannot_be_signed_is_said_before(api: Api, query: dict[str, str], status: int) -> None:
    assert (await api.admin.get("/api/v1/break-glass/statement", params=query)).status_code == status


async def test_who_looked_is_forgotten_after_the_retention_but_never_within_a_day(api: Api) -> None:
    """What people approved within a day tells whether they are hasty: a shorter retention must not make them slow again."""
    change = (await api.held()).id
    await api.runtime.changes.opened(change, "ann")
    await api.runtime.changes.withdraw(change, "never mind", by="uid/0")
    core = api.runtime.core

    async def looked() -> bool:
        return await api.runtime.store.read(lambda tx: tx.review(change, "ann")) is not None

    await core.forget_reviews(core.directory.now() + timedelta(days=1))
    await api.runtime._retain()  # it is called by the clock
    assert await looked()
    ended = int((core.directory.now() - timedelta(days=31)).timestamp() * 1000)
    with sqlite3.connect(api.runtime.config.store.removeprefix("sqlite:///")) as raw:
        raw.execute("UPDATE changes SET updated_at = ? WHERE id = ?", (ended, change))
    await api.runtime._retain()
    assert not await looked()
