"""What the API does, beyond who may: approvals, paging, limits, strictness, headers, ledger, metrics."""

import base64
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from tests.console.conftest import FEW, MANY, URL, Api, client, sign

from interlock.control.deciding import approval as approvals
from interlock.ledger import note, tiles
from interlock.ledger.proof import parse_proof, verify_proof
from interlock.ledger.verify import PAYLOADS_PATH, verify_export
from interlock.model.change import Change
from interlock.testing.signing import key_of

pytestmark = pytest.mark.anyio


async def approve(api: Api, change: str, *people: str) -> Any:
    for person in people:
        detail = await api.post(f"/api/v1/changes/{change}/approvals", await api.say(change, person))
    return detail


async def test_two_people_approve_and_the_server_applies(api: Api) -> None:
    change = await api.held()
    first = await approve(api, change.id, "ann")
    assert first["change"]["state"] == "held"
    assert first["quorums"] == [
        {
            "name": "two-sre",
            "count": 2,
            "group": "sre",
            "given": ["ann"],
            "missing": 1,
            "parts": [{"groups": ["sre"], "count": 2, "given": ["ann"]}],
        }
    ]
    second = await approve(api, change.id, "bob")
    assert second["change"]["state"] == "approved"
    done = await api.post(f"/api/v1/changes/{change.id}/apply", {})
    assert (done["done"], done["code"], done["change"]["state"]) == (True, "done", "applied")
    assert len(api.toy.rows or ()) == 200


async def test_an_applied_change_is_reverted_by_one_person(api: Api) -> None:
    before = dict(api.toy.rows or {})
    change = await api.applied()
    assert api.toy.rows != before
    wish = await api.say(change.id, "ann", revert="true", nonce="n" * 24)
    done = await api.post(f"/api/v1/changes/{change.id}/revert", wish)
    assert done["done"] is True
    assert api.toy.rows == before
    assert (await api.get(f"/api/v1/changes/{change.id}"))["change"]["state"] == "reverted"
    again = await api.admin.post(f"/api/v1/changes/{change.id}/revert", json=wish)
    assert again.status_code in (409, 422) or again.json()["done"] is False


async def test_what_outgrew_its_approval_is_not_done(api: Api) -> None:
    change = await api.held()
    await approve(api, change.id, "ann", "bob")
    api.toy.rows = {**(api.toy.rows or {}), "row/0199x": "newcomer"}
    done = await api.post(f"/api/v1/changes/{change.id}/apply", {})
    assert (done["done"], done["code"]) == (False, "held")
    assert done["grown"]
    assert len(api.toy.rows) == 301


async def test_the_owner_cannot_approve(api: Api) -> None:
    """She is told before she signs, and refused when she signs all the same."""
    change = await api.held()
    path = f"/api/v1/changes/{change.id}"
    before = await api.admin.get(f"{path}/statement", params={"person": "olga", "verdict": "approve"})
    words = (await api.get(f"{path}/statement", person="ann"))["statement"]
    said = sign({**words, "person": "olga"}, key_of("olga"))
    after = await api.admin.post(f"{path}/approvals", json=said)
    for response in (before, after):
        assert (response.status_code, response.json()["code"]) == (422, "rejected")
        assert "owns the agent" in response.json()["detail"]


async def test_nobody_counts_twice(api: Api) -> None:
    change = await api.held()
    said = await api.say(change.id, "ann")
    path = f"/api/v1/changes/{change.id}/approvals"
    await api.post(path, said)
    for again in (said, await api.say(change.id, "ann", reason="and again")):
        response = await api.admin.post(path, json=again)
        assert response.status_code == 409
    assert (await api.get(f"/api/v1/changes/{change.id}"))["change"]["state"] == "held"


async def test_one_denial_ends_it(api: Api) -> None:
    change = await api.held()
    detail = await api.post(
        f"/api/v1/changes/{change.id}/approvals", await api.say(change.id, "bob", verdict="deny")
    )
    assert detail["change"]["state"] == "denied"


@pytest.mark.parametrize(
    "field",
    [
        "purpose",
        "origin",
        "version",
        "target",
        "fingerprint",
        "subject",
        "verdict",
        "nonce",
        "expires",
        "reason",
    ],
)
async def test_no_part_of_a_statement_can_be_altered(api: Api, field: str) -> None:
    change = await api.held()
    said = await api.say(change.id, "ann")
    said["statement"][field] = "deny" if field == "verdict" else "2030-01-01T00:00:00.000Z"
    response = await api.admin.post(f"/api/v1/changes/{change.id}/approvals", json=said)
    assert response.status_code == 422
    assert "does not hold" in response.json()["detail"]


async def test_an_approval_is_for_one_change(api: Api) -> None:
    change = await api.held()
    other = (await api.send([["delete_like", "row/02"]])).change
    assert other is not None
    said = await api.say(change.id, "ann")
    response = await api.admin.post(f"/api/v1/changes/{other.id}/approvals", json=said)
    assert response.status_code == 422
    said["statement"]["change"] = other.id
    assert (await api.admin.post(f"/api/v1/changes/{other.id}/approvals", json=said)).status_code == 422


async def test_signing_with_anothers_key_does_not_help(api: Api) -> None:
    change = await api.held()
    said = await api.say(change.id, "ann")
    forged = sign(said["statement"], key_of("olga"))
    response = await api.admin.post(f"/api/v1/changes/{change.id}/approvals", json=forged)
    assert response.status_code == 422


async def test_the_statement_can_be_recomputed_from_its_answer(api: Api) -> None:
    change = await api.held()
    asked = await api.get(f"/api/v1/changes/{change.id}/statement", person="ann", reason="fine")
    own = msgspec.convert(asked["change"], Change)
    assert approvals.binding(own) == asked["statement"]["subject"]
    assert asked["connector"] == "toy"
    assert msgspec.json.decode(base64.b64decode(asked["payload"])) == MANY
    assert asked["statements"] == ["delete_like row/01"]


async def test_changes_are_paged_by_key(api: Api) -> None:
    for number in range(5):
        await api.send([["put", f"row/{number:04d}", "new"]])
    seen: list[str] = []
    before = ""
    while True:
        page = await api.get("/api/v1/changes", limit=2, **({"before": before} if before else {}))
        seen += [c["id"] for c in page["changes"]]
        before = page.get("next", "")
        if not before:
            break
    assert len(seen) == 5
    assert seen == sorted(seen, reverse=True)


async def test_changes_are_filtered(api: Api) -> None:
    held = await api.held()
    applied = await api.applied()
    for query, expected in (
        ({"state": "held"}, [held.id]),
        ({"state": ["held", "applied"]}, [applied.id, held.id]),
        ({"agent": "other"}, []),
        ({"target": "shop", "environment": "production"}, [applied.id, held.id]),
        ({"since": "2100-01-01T00:00:00Z"}, []),
    ):
        page = await api.get("/api/v1/changes", **query)
        assert [c["id"] for c in page["changes"]] == expected


@pytest.mark.parametrize(
    "query", ["limit=2&limit=3", "unknown=1", "state=nonsense", "since=yesterday", "before=x%00"]
)
async def test_queries_are_strict(api: Api, query: str) -> None:
    assert (await api.admin.get(f"/api/v1/changes?{query}")).status_code in (400, 404)


@pytest.mark.parametrize(
    ("content", "media", "status"),
    [
        (b'{"name": "x", "owner": "olga", "more": 1}', "application/json", 400),
        (b'{"name": 1, "owner": "olga"}', "application/json", 400),
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b'{"name": "x", "owner": "olga"}', "text/plain", 415),
        (b"name=x&owner=olga", "application/x-www-form-urlencoded", 415),
        (b'{"name": "\xff", "owner": "olga"}', "application/json", 400),
        (b'{"name": "' + b"x" * 300_000 + b'"}', "application/json", 413),
    ],
)
async def test_bodies_are_strict_and_bounded(api: Api, content: bytes, media: str, status: int) -> None:
    response = await api.admin.post("/api/v1/agents", content=content, headers={"content-type": media})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert len((await api.get("/api/v1/agents"))["agents"]) == 2


async def test_a_body_where_none_belongs_is_refused(api: Api) -> None:
    response = await api.admin.request("GET", "/api/v1/agents", content=b"{}")
    assert response.status_code == 400


async def test_long_addresses_are_refused(api: Api) -> None:
    response = await api.admin.get(f"/api/v1/changes?agent={'a' * 9000}")
    assert response.status_code == 413


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/api/v1/people"])
async def test_answers_say_how_they_may_be_used(api: Api, path: str) -> None:
    headers = (await api.tcp.get(path)).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["referrer-policy"] == "no-referrer"


async def test_a_token_is_given_once_and_kept_nowhere(
    api: Api, tmp_path: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    new = await api.post("/api/v1/agents", {"name": "helper", "owner": "olga"}, 201)
    token = new["token"]
    (connection,) = new["connections"]
    assert connection["target"] == "shop"
    assert connection["address"].startswith("toy://helper:TOKEN@127.0.0.1:")
    await api.runtime.store.sign()
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert token.encode() not in stored
    out, err = capfd.readouterr()
    assert token not in out + err


async def test_an_error_of_our_own_tells_nothing(api: Api, capfd: pytest.CaptureFixture[str]) -> None:
    async def breaks() -> None:
        raise RuntimeError("secret: the text of an unforeseen error")

    api.runtime.people.list = breaks  # type: ignore[assignment,method-assign]  # a bug cannot be caused from outside
    response = await api.admin.get("/api/v1/people")
    out, err = capfd.readouterr()
    assert (response.status_code, response.json()["code"]) == (500, "internal")
    assert "secret" not in response.text + out + err
    assert "RuntimeError" in out + err
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_while_the_store_is_gone_nothing_is_promised(api: Api) -> None:
    await api.runtime.store.close()
    response = await api.admin.get("/api/v1/changes")
    assert (response.status_code, response.json()["code"], response.json()["retry"]) == (
        503,
        "unavailable",
        True,
    )
    assert "interlock_check_ok" in (await api.tcp.get("/metrics")).text


class OverHttp:
    """The log as anyone with access reads it."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def paths(self) -> Iterable[str]:
        return self._files

    def read(self, path: str) -> bytes | None:
        return self._files.get(path)


async def test_the_log_verifies_from_what_is_served(api: Api) -> None:
    await approve(api, (await api.held()).id, "ann", "bob")
    await api.runtime.sign()
    checkpoint = (await api.tcp.get("/ledger/checkpoint")).content
    key = note.parse_vkey((await api.get("/api/v1/ledger/head"))["vkey"])
    size = note.open_checkpoint(checkpoint, key).size
    files = {tiles.CHECKPOINT_PATH: checkpoint}
    for tile in (*tiles.hash_tiles(size), *tiles.entry_bundles(size)):
        response = await api.admin.get(f"/ledger/{tile.path}")
        assert "immutable" in response.headers["cache-control"]
        files[tile.path] = response.content
    report = verify_export(OverHttp(files), key)
    # Payloads are not served; their digests are all that is missed.
    assert {f.problem.value for f in report.findings} <= {"payload"}
    assert PAYLOADS_PATH not in files


@pytest.mark.parametrize(
    "path", ["tile/0/000", "tile/entries/000", "tile/9/000", "tile/0/../x", "tile/0/000.p/0", "payloads"]
)
async def test_tiles_that_are_not_there_are_not_there(api: Api, path: str) -> None:
    assert (await api.admin.get(f"/ledger/{path}")).status_code == 404


async def test_an_entry_is_proven(api: Api) -> None:
    await api.runtime.sign()
    key = note.parse_vkey((await api.get("/api/v1/ledger/head"))["vkey"])
    (entry,) = (await api.get("/api/v1/ledger/entries", start=2, limit=1))["entries"]
    proof = parse_proof((await api.admin.get("/api/v1/ledger/proof", params={"index": 2})).content)
    assert verify_proof(proof, base64.b64decode(entry["entry"]), key).size > 2


async def test_metrics_count(api: Api) -> None:
    await api.held()
    await api.applied()
    text = (await api.tcp.get("/metrics")).text
    assert 'interlock_changes_open{state="held",target="shop"} 1.0' in text
    assert 'interlock_changes_moved_total{state="applied",target="shop"} 1.0' in text
    assert 'interlock_check_ok{check="store"} 1.0' in text
    assert 'interlock_sessions{target="shop"} 0.0' in text
    assert 'interlock_decisions_total{target="shop",verdict="held"} 1.0' in text
    assert 'interlock_decisions_total{target="shop",verdict="permitted"} 1.0' in text
    assert (
        float(next(line for line in text.splitlines() if 'seconds_count{kind="write"}' in line).split()[1])
        > 0
    )
    assert "fixer" not in text


async def test_both_doors_count_together(api: Api) -> None:
    from interlock.console.app import doors

    make = doors()
    make(api.runtime, True)
    second = client(make(api.runtime, False))
    await api.applied()
    text = (await second.get(f"{URL}/metrics")).text
    assert 'interlock_changes_moved_total{state="applied",target="shop"} 1.0' in text


async def test_the_same_sent_again_tells_the_same_change(api: Api) -> None:
    change = await api.held()
    again = await api.send(MANY)
    assert again.change is not None
    assert again.change.id == change.id
    assert FEW != MANY
