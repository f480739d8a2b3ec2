"""Who may ask for what: agents see their own changes and nothing else, people sign, nobody else gets past what is public."""

import asyncio
import base64
import json

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.console.conftest import URL, Api, Reachable, bearer, client

from interlock.console.app import create_app
from interlock.console.operations import Access, Operation
from interlock.console.routes import OPERATIONS
from interlock.runtime.opening import open_configured
from interlock.runtime.runtime import Runtime
from interlock.testing.signing import key_of

pytestmark = pytest.mark.anyio

PROTECTED = [op for op in OPERATIONS if op.access in (Access.PERSON, Access.ADMIN)]


def path_of(op: Operation) -> str:
    names = {"id": "CHG-00000000", "name": "fixer", "path": "0/000"}
    found = op.path.replace(":path}", "}")
    for name, value in names.items():
        found = found.replace(f"{{{name}}}", value)
    return found


def by_id(ops: list[Operation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("op", ops, ids=lambda op: op.id)


@by_id(PROTECTED)
async def test_without_credentials_nothing_is_told(api: Api, op: Operation) -> None:
    response = await api.tcp.request(op.method, path_of(op))
    assert response.status_code == 401
    assert response.json()["code"] == "unauthenticated"
    assert "Signature" in response.headers["www-authenticate"]


@by_id(PROTECTED)
async def test_an_agents_token_opens_nothing_but_its_own_changes(api: Api, op: Operation) -> None:
    response = await api.tcp.request(op.method, path_of(op), headers=bearer(api.tokens["fixer"]))
    nowhere = await api.tcp.request(op.method, "/no/such/thing", headers=bearer(api.tokens["fixer"]))
    assert response.status_code == nowhere.status_code == 404
    assert response.content == nowhere.content


async def test_an_agent_reads_its_own_change(api: Api) -> None:
    change = await api.held()
    response = await api.tcp.get(f"/changes/{change.id}", headers=bearer(api.tokens["fixer"]))
    assert response.status_code == 200
    shown = response.json()
    assert (shown["id"], shown["code"], shown["retry"]) == (change.id, "held", False)
    assert shown["totals"]["rows_deleted"] == 100
    assert "people" in shown["next"].lower()
    for secret in ("nonce", "approvals", "fingerprint", "decision", "binding"):
        assert secret not in shown


async def test_an_agent_lists_its_own_changes(api: Api) -> None:
    held, applied = await api.held(), await api.applied()
    token, other = bearer(api.tokens["fixer"]), bearer(api.tokens["other"])

    async def listed(headers: dict[str, str], **query: str) -> list[str]:
        response = await api.tcp.get("/changes", params=query, headers=headers)
        assert response.status_code == 200, response.text
        return [change["id"] for change in response.json()["changes"]]

    assert await listed(token) == [applied.id, held.id]
    assert await listed(token, target="shop", limit="1") == [applied.id]
    assert await listed(token, state="held") == [held.id]
    assert await listed(token, target="elsewhere") == []
    assert await listed(other) == []
    # Nothing names another agent.
    assert (await api.tcp.get("/changes", params={"agent": "fixer"}, headers=other)).status_code == 400


async def test_an_agent_withdraws_its_own_changes_alone(api: Api) -> None:
    change = await api.held()
    path = f"/changes/{change.id}/withdraw"
    theirs = await api.tcp.post(path, json={}, headers=bearer(api.tokens["other"]))
    assert theirs.status_code == 404
    assert (await api.get(f"/api/v1/changes/{change.id}"))["change"]["state"] == "held"
    own = await api.tcp.post(path, json={"reason": "no need"}, headers=bearer(api.tokens["fixer"]))
    assert (own.status_code, own.json()["state"], own.json()["note"]) == (200, "withdrawn", "no need")
    again = await api.tcp.post(path, json={}, headers=bearer(api.tokens["fixer"]))
    assert again.status_code == 409


async def test_another_agents_change_is_no_change(api: Api) -> None:
    change = await api.held()
    token = bearer(api.tokens["other"])
    theirs = await api.tcp.get(f"/changes/{change.id}", headers=token)
    none = await api.tcp.get("/changes/CHG-00000000", headers=token)
    malformed = await api.tcp.get("/changes/x", headers=token)
    assert theirs.status_code == 404
    assert theirs.content == none.content == malformed.content
    assert theirs.headers.raw == none.headers.raw == malformed.headers.raw


@pytest.mark.parametrize("token", ["wrong", "", "ilk_" + "A" * 43])
async def test_a_wrong_token_is_refused(api: Api, token: str) -> None:
    change = await api.held()
    response = await api.tcp.get(f"/changes/{change.id}", headers=bearer(token))
    assert response.status_code == 401


async def test_a_disabled_agents_token_is_refused(api: Api) -> None:
    change = await api.held()
    await api.post("/api/v1/agents/fixer/disable", {})
    response = await api.tcp.get(f"/changes/{change.id}", headers=bearer(api.tokens["fixer"]))
    assert response.status_code == 401


async def test_a_rotated_token_is_refused(api: Api) -> None:
    change = await api.held()
    new = await api.post("/api/v1/agents/fixer/rotate", {})
    path = f"/changes/{change.id}"
    assert (await api.tcp.get(path, headers=bearer(api.tokens["fixer"]))).status_code == 401
    assert (await api.tcp.get(path, headers=bearer(new["token"]))).status_code == 200


async def test_people_read_with_their_key(api: Api) -> None:
    response = await api.signed("GET", "/api/v1/people")
    assert response.status_code == 200
    assert {p["name"] for p in response.json()["people"]} == {"ann", "bob", "olga", "adm"}


async def test_only_admins_widen_from_afar(api: Api) -> None:
    new = {"name": "helper", "owner": "olga"}
    refused = await api.signed("POST", "/api/v1/agents", new, person="ann")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (await api.signed("POST", "/api/v1/agents", new, person="adm")).status_code == 201


async def test_anyone_tightens(api: Api) -> None:
    assert (await api.signed("POST", "/api/v1/agents/fixer/disable", {}, person="ann")).status_code == 200
    frozen = await api.signed(
        "POST", "/api/v1/environments/production/freeze", {"reason": "fire"}, person="bob"
    )
    assert frozen.json()["frozen"] is True
    assert frozen.json()["moved_by"] == "person/bob"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_signed_request_is_good_once(api: Api, method: str) -> None:
    body: object = None if method == "GET" else {}
    path = "/api/v1/people" if method == "GET" else "/api/v1/agents/other/disable"
    nonce = "n" * 24
    kept: dict[str, str] = {}

    def keep(headers: dict[str, str]) -> dict[str, str]:
        kept.update(headers)
        return headers

    assert (await api.signed(method, path, body, nonce=nonce, alter=keep)).status_code == 200
    again = await api.signed(method, path, body, alter=lambda _: kept)
    assert (again.status_code, again.json()["code"]) == (401, "bad_signature")
    assert "used already" in again.json()["detail"]
    same_nonce = await api.signed(method, path, body, nonce=nonce)
    assert same_nonce.status_code == 401


async def test_of_many_copies_at_once_one_is_taken(api: Api) -> None:
    send = [api.signed("POST", "/api/v1/agents/other/disable", {}, nonce="n" * 24) for _ in range(10)]
    answers = await asyncio.gather(*send)
    assert sorted(a.status_code for a in answers) == [200] + [401] * 9


async def test_another_replica_takes_no_copy_either(api: Api) -> None:
    kept: dict[str, str] = {}

    def keep(headers: dict[str, str]) -> dict[str, str]:
        kept.update(headers)
        return headers

    path = "/api/v1/agents/other/disable"
    assert (await api.signed("POST", path, {}, alter=keep)).status_code == 200
    config = api.runtime.config
    store = await asyncio.to_thread(open_configured, config)
    connector = Reachable({"shop": api.toy})
    replica = client(create_app(Runtime(config, store, "gw-2", find=lambda name: connector)))
    headers = {**kept, "content-type": "application/json"}
    again = await replica.post(path, content=b"{}", headers=headers)
    await replica.aclose()
    await store.close()
    assert (again.status_code, again.json()["code"]) == (401, "bad_signature")


async def test_a_nonce_counts_for_its_person_alone(api: Api) -> None:
    nonce = "n" * 24
    assert (await api.signed("GET", "/api/v1/people", nonce=nonce, person="ann")).status_code == 200
    assert (await api.signed("GET", "/api/v1/people", nonce=nonce, person="bob")).status_code == 200


async def test_a_refused_request_uses_no_nonce_up(api: Api) -> None:
    nonce = "n" * 24
    bad = await api.signed("POST", "/api/v1/agents/other/disable", {}, nonce=nonce, sent=b"{ }")
    assert bad.status_code == 401
    assert (await api.signed("POST", "/api/v1/agents/other/disable", {}, nonce=nonce)).status_code == 200


async def test_a_tampered_body_is_refused(api: Api) -> None:
    body = {"name": "helper", "owner": "olga"}
    response = await api.signed(
        "POST", "/api/v1/agents", body, person="adm", sent=b'{"name": "evil", "owner": "olga"}'
    )
    assert (response.status_code, response.json()["code"]) == (401, "bad_signature")
    assert [a["name"] for a in (await api.get("/api/v1/agents"))["agents"]] == ["fixer", "other"]


async def test_a_signature_is_for_one_address(api: Api) -> None:
    for uri in (f"{URL}/api/v1/agents", "http://elsewhere/api/v1/people", f"{URL}/api/v1/people?limit=1"):
        response = await api.signed("GET", "/api/v1/people", uri=uri)
        assert response.status_code == 401


@pytest.mark.parametrize(
    ("person", "key"),
    [("ann", key_of("bob")), ("nobody", key_of("nobody")), ("ann", Ed25519PrivateKey.generate())],
)
async def test_a_wrong_key_is_refused(api: Api, person: str, key: Ed25519PrivateKey) -> None:
    response = await api.signed("GET", "/api/v1/people", person=person, key=key)
    assert (response.status_code, response.json()["code"]) == (401, "bad_signature")


async def test_a_disabled_person_is_refused(api: Api) -> None:
    await api.post("/api/v1/people/ann/disable", {})
    assert (await api.signed("GET", "/api/v1/people", person="ann")).status_code == 401


async def test_token_and_signature_together_are_refused(api: Api) -> None:
    token = bearer(api.tokens["fixer"])
    response = await api.signed("GET", "/api/v1/people", alter=lambda headers: {**headers, **token})
    assert response.status_code == 401


async def test_headers_do_not_make_anyone_local(api: Api) -> None:
    claims = {"x-forwarded-for": "127.0.0.1", "x-uid": "0", "forwarded": "for=unix", "host": "interlock"}
    assert (await api.tcp.get("/api/v1/people", headers=claims)).status_code == 401


async def test_who_asked_is_recorded(api: Api) -> None:
    await api.post("/api/v1/agents/other/disable", {})
    entries = (await api.get("/api/v1/ledger/entries", start=0, limit=500))["entries"]
    last = [json.loads(base64.b64decode(e["entry"])) for e in entries][-1]
    assert (last["kind"], last["body"]["what"], last["body"]["by"]) == ("agent", "disabled", "uid/1000")


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/openapi.json", "/ledger/checkpoint"])
async def test_what_is_public_is_public(api: Api, path: str) -> None:
    assert (await api.tcp.get(path)).status_code == 200


async def test_metrics_can_be_kept_for_people(api: Api) -> None:
    config = api.runtime.config
    api.runtime.config = msgspec.structs.replace(
        config, api=msgspec.structs.replace(config.api, metrics="people")
    )
    assert (await api.tcp.get("/metrics")).status_code == 401
    assert (await api.signed("GET", "/metrics")).status_code == 200


def test_the_list_of_what_is_public_is_short() -> None:
    assert {op.id for op in OPERATIONS if op.access is Access.PUBLIC} == {
        "health", "metrics", "openapi", "ledgerCheckpoint",
    }  # fmt: skip
