"""The OpenAPI document describes the API that is there: every route, every answer."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from openapi_spec_validator import validate
from starlette.routing import Route
from tests.console.conftest import Api, bearer, enrol, enrolled, sign

from interlock.console.app import create_app
from interlock.console.openapi import document
from interlock.console.operations import Access
from interlock.console.problems import CODES
from interlock.console.routes import OPERATIONS
from interlock.control.deciding.passkey import to_base64url
from interlock.model.message import Event, Message, MessageState
from interlock.model.proposal import LinkLogin
from interlock.runtime.service.deciding.insight import Insight
from interlock.testing.signing import key_of, public_key_of

pytestmark = pytest.mark.anyio

AT = datetime(2026, 3, 4, tzinfo=UTC)

DOCUMENT = document(OPERATIONS, "1")
OF = {op.id: op for op in OPERATIONS}


async def test_the_document_is_valid(api: Api) -> None:
    served = await api.tcp.get("/openapi.json")
    validate(served.json())
    assert served.json()["paths"] == json.loads(json.dumps(DOCUMENT["paths"]))


async def test_every_route_is_an_operation_and_every_operation_a_route(api: Api) -> None:
    routed = {
        (route.path.replace(":path}", "}"), method)
        for route in create_app(api.runtime).routes
        if isinstance(route, Route) and not route.path.startswith("/console") and route.path != "/"
        for method in route.endpoint.methods  # type: ignore[attr-defined]  # ours is no plain function
    }
    described = {(path, method.upper()) for path, item in DOCUMENT["paths"].items() for method in item}
    assert routed == described
    assert len(described) == len(OPERATIONS) == len({op.id for op in OPERATIONS})


@pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.id)
async def test_no_other_method_is_answered(api: Api, op: Any) -> None:
    path = op.openapi_path.replace("{", "").replace("}", "")
    taken = {other.method for other in OPERATIONS if other.path == op.path}
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH"} - taken:
        door = api.admin if op.access is not Access.AGENT else api.tcp
        response = await door.request(
            method, path, headers=bearer(api.tokens["fixer"]) if door is api.tcp else {}
        )
        assert response.status_code == 405
        assert set(response.headers["allow"].split(", ")) == taken


def check(op_id: str, response: httpx.Response, status: int) -> None:
    """The answer is as the document says for its status."""
    op = OF[op_id]
    assert response.status_code == status, response.text
    said = DOCUMENT["paths"][op.openapi_path][op.method.lower()]["responses"][str(status)]["content"]
    media = response.headers["content-type"].partition(";")[0]
    assert [m.partition(";")[0] for m in said] == [media]
    if media.endswith("json"):
        (content,) = said.values()
        schema = {**content["schema"], "components": DOCUMENT["components"]}
        Draft202012Validator(schema).validate(response.json())


Ask = Callable[[Api], Awaitable[httpx.Response]]


def get(path: str, **query: Any) -> Ask:
    return lambda api: api.admin.get(path, params=query)


def post(path: str, body: object) -> Ask:
    return lambda api: api.admin.post(path, json=body)


async def own_change(api: Api) -> httpx.Response:
    change = await api.held()
    return await api.tcp.get(f"/changes/{change.id}", headers=bearer(api.tokens["fixer"]))


async def own_changes(api: Api) -> httpx.Response:
    await api.held()
    await api.applied()
    return await api.tcp.get("/changes", params={"limit": "2"}, headers=bearer(api.tokens["fixer"]))


async def withdraw_own(api: Api) -> httpx.Response:
    change = await api.held()
    headers = bearer(api.tokens["fixer"])
    return await api.tcp.post(f"/changes/{change.id}/withdraw", json={"reason": "no need"}, headers=headers)


async def sample(api: Api) -> httpx.Response:
    change = await api.held()
    return await api.admin.get(f"/api/v1/changes/{change.id}/sample")


async def reveal(api: Api) -> httpx.Response:
    change = await api.held()
    api.runtime.insight = Insight(api.runtime.core, ("sre",))
    return await api.signed("POST", f"/api/v1/changes/{change.id}/sample", {})


async def timeline(api: Api) -> httpx.Response:
    change = await api.applied()
    return await api.admin.get(f"/api/v1/changes/{change.id}/timeline")


async def withdraw(api: Api) -> httpx.Response:
    change = await api.held()
    return await api.admin.post(f"/api/v1/changes/{change.id}/withdraw", json={"reason": "not now"})


async def list_changes(api: Api) -> httpx.Response:
    await api.held()
    await api.applied()
    return await api.admin.get("/api/v1/changes", params={"state": ["held", "applied"], "limit": "2"})


async def get_change(api: Api) -> httpx.Response:
    change = await api.held()
    await api.post(f"/api/v1/changes/{change.id}/approvals", await api.say(change.id, "ann"))
    return await api.admin.get(f"/api/v1/changes/{change.id}")


async def get_statement(api: Api) -> httpx.Response:
    change = await api.held()
    return await api.admin.get(
        f"/api/v1/changes/{change.id}/statement", params={"person": "ann", "reason": "ok"}
    )


async def speak(api: Api) -> httpx.Response:
    change = await api.held()
    return await api.admin.post(
        f"/api/v1/changes/{change.id}/approvals", json=await api.say(change.id, "ann")
    )


async def take_back(api: Api) -> httpx.Response:
    change = await api.held()
    path = f"/api/v1/changes/{change.id}/approvals"
    await api.post(path, await api.say(change.id, "ann"))
    return await api.admin.post(f"{path}/withdraw", json={"person": "ann", "reason": "read again"})


async def add_comment(api: Api) -> httpx.Response:
    change = await api.held()
    return await api.admin.post(f"/api/v1/changes/{change.id}/comments", json={"text": "is there a backup?"})


async def list_comments(api: Api) -> httpx.Response:
    change = await api.held()
    await api.post(f"/api/v1/changes/{change.id}/comments", {"text": "is there a backup?"}, status=201)
    return await api.admin.get(f"/api/v1/changes/{change.id}/comments")


async def apply_change(api: Api) -> httpx.Response:
    change = await api.held()
    for name in ("ann", "bob"):
        await api.post(f"/api/v1/changes/{change.id}/approvals", await api.say(change.id, name))
    return await api.admin.post(f"/api/v1/changes/{change.id}/apply", json={})


async def revert_change(api: Api) -> httpx.Response:
    change = await api.applied()
    wish = await api.say(change.id, "ann", revert="true", nonce="n" * 24)
    return await api.admin.post(f"/api/v1/changes/{change.id}/revert", json={**wish, "force": False})


async def plan_revert(api: Api) -> httpx.Response:
    change = await api.applied()
    return await api.admin.get(f"/api/v1/changes/{change.id}/revert", params={"force": "true"})


async def revoke_grant(api: Api) -> httpx.Response:
    grants = await api.get("/api/v1/grants")
    return await api.admin.delete(f"/api/v1/grants/{grants['grants'][0]['id']}")


async def tile(api: Api) -> httpx.Response:
    await api.runtime.sign()
    size = (await api.get("/api/v1/ledger/head"))["signed"]
    return await api.admin.get(f"/ledger/tile/entries/000.p/{size}")


async def proof(api: Api) -> httpx.Response:
    await api.runtime.sign()
    return await api.admin.get("/api/v1/ledger/proof", params={"index": 1})


async def confirm_person(api: Api) -> httpx.Response:
    code = (await enrol(api, "new", "sre")).code
    return await api.admin.post("/api/v1/people/new/confirm", json={"code": code})


async def list_enrolments(api: Api) -> httpx.Response:
    await enrol(api, "new", "sre")
    return await api.admin.get("/api/v1/enrolments")


async def revoke_passkey(api: Api) -> httpx.Response:
    key = await enrolled(api, "new", "sre")
    return await api.admin.delete(f"/api/v1/people/new/passkeys/{to_base64url(key.id)}")


async def unlink(api: Api) -> httpx.Response:
    wanted = LinkLogin("new", ("sre",), "https://login.example", "248289761001")
    await api.runtime.governance.want(api.runtime.core, wanted, "uid/0")
    return await api.admin.post("/api/v1/people/new/unlink", json={"sub": "248289761001"})


async def glass_words(api: Api) -> httpx.Response:
    change = await api.held()
    query = {"person": "adm", "reason": "fire", "change": change.id, "nonce": "n" * 32}
    return await api.admin.get("/api/v1/break-glass/statement", params=query)


async def break_glass(api: Api) -> httpx.Response:
    words = (await glass_words(api)).json()["statement"]
    return await api.admin.post("/api/v1/break-glass", json=sign(words, key_of("adm")))


async def list_glass(api: Api) -> httpx.Response:
    await break_glass(api)
    return await api.admin.get("/api/v1/break-glass")


async def get_glass(api: Api) -> httpx.Response:
    return await api.admin.get(f"/api/v1/break-glass/{(await break_glass(api)).json()['id']}")


async def review_glass(api: Api) -> httpx.Response:
    path = f"/api/v1/break-glass/{(await break_glass(api)).json()['id']}/review"
    return await api.signed("POST", path, {"person": "ann", "sentence": "it was right"})


DEAD = Message(
    "msg_1", "hook", Event.HELD, "a text", AT, AT, MessageState.DEAD, {"change": "CHG-00000000"}, attempts=8, error="HTTP 500"
)  # fmt: skip


def with_dead(ask: Ask) -> Ask:
    """Ask when a message has been given up."""

    async def asked(api: Api) -> httpx.Response:
        await api.runtime.store.transact(lambda tx: tx.add_message(DEAD))
        return await ask(api)

    return asked


FOUNDERS = {"admins": [{"name": name, "public_key": public_key_of(name)} for name in ("adm", "cleo")]}


def governed(ask: Ask) -> Ask:
    """The same in governed mode."""

    async def asked(api: Api) -> httpx.Response:
        await api.post("/api/v1/environments/production/freeze", {"reason": "fire"})
        await api.post("/api/v1/govern", FOUNDERS)
        return await ask(api)

    return asked


async def resume(api: Api) -> httpx.Response:
    await api.post("/api/v1/halt", {"reason": "fire"})
    return await post("/api/v1/resume", {})(api)


def delete(path: str) -> Ask:
    async def ask(api: Api) -> httpx.Response:
        return await api.admin.delete(path)

    return ask


CASES: dict[str, tuple[Ask, int]] = {
    "health": (get("/healthz"), 200),
    "metrics": (get("/metrics"), 200),
    "openapi": (get("/openapi.json"), 200),
    "targets": (get("/api/v1/targets"), 200),
    "report": (get("/api/v1/report", seconds=60), 200),
    "tuneBreakers": (get("/api/v1/breakers/tune", seconds=60), 200),
    "doctor": (get("/api/v1/doctor"), 200),
    "proposals": (get("/api/v1/proposals"), 200),
    "govern": (post("/api/v1/govern", FOUNDERS), 200),
    "proposePolicies": (governed(post("/api/v1/proposals/policies", {"texts": {"x.cedar": "// none"}})), 202),
    "proposeConfig": (
        governed(
            post(
                "/api/v1/proposals/config",
                {
                    "deciding": json.dumps(
                        {
                            "api": {"public_url": "http://127.0.0.1:8470"},
                            "environments": {"production": {}},
                            "quorums": {"two-sre": {"count": 3, "group": "sre"}},
                        }
                    )
                },
            )
        ),
        202,
    ),
    "proposeEnd": (governed(post("/api/v1/proposals/end", {"reason": "over"})), 202),
    "setGroups": (post("/api/v1/people/bob/groups", {"groups": ["dba"]}), 200),
    "recoverPerson": (post("/api/v1/people/bob/recover", {"public_key": public_key_of("bob again")}), 200),
    "giveAgent": (post("/api/v1/agents/fixer/owner", {"owner": "bob"}), 200),
    "ownChange": (own_change, 200),
    "ownChanges": (own_changes, 200),
    "withdrawOwnChange": (withdraw_own, 200),
    "withdrawChange": (withdraw, 200),
    "listChanges": (list_changes, 200),
    "getChange": (get_change, 200),
    "getStatement": (get_statement, 200),
    "speak": (speak, 200),
    "takeBackApproval": (take_back, 200),
    "listComments": (list_comments, 200),
    "addComment": (add_comment, 201),
    "applyChange": (apply_change, 200),
    "planRevert": (plan_revert, 200),
    "revertChange": (revert_change, 200),
    "getBreakGlassStatement": (glass_words, 200),
    "breakGlass": (break_glass, 201),
    "listBreakGlass": (list_glass, 200),
    "getBreakGlass": (get_glass, 200),
    "reviewBreakGlass": (review_glass, 200),
    "getSample": (sample, 200),
    "revealSample": (reveal, 200),
    "getTimeline": (timeline, 200),
    "listPeople": (get("/api/v1/people"), 200),
    "addPerson": (
        post("/api/v1/people", {"name": "new", "groups": [], "public_key": public_key_of("new")}),
        201,
    ),
    "invitePerson": (post("/api/v1/people/new/invitation", {"groups": ["sre"]}), 201),
    "listEnrolments": (list_enrolments, 200),
    "confirmPerson": (confirm_person, 200),
    "revokePasskey": (revoke_passkey, 200),
    "unlinkPerson": (unlink, 200),
    "disablePerson": (post("/api/v1/people/bob/disable", {}), 200),
    "listAgents": (get("/api/v1/agents"), 200),
    "addAgent": (post("/api/v1/agents", {"name": "new", "owner": "olga"}), 201),
    "rotateAgent": (post("/api/v1/agents/fixer/rotate", {}), 200),
    "disableAgent": (post("/api/v1/agents/fixer/disable", {}), 200),
    "listGrants": (get("/api/v1/grants"), 200),
    "addGrant": (
        post(
            "/api/v1/grants",
            {"agent": "fixer", "target": "shop", "actions": ["read"], "seconds": 60, "max_rows": 5},
        ),
        201,
    ),
    "revokeGrant": (revoke_grant, 200),
    "listBreakers": (get("/api/v1/breakers"), 200),
    "getBreaker": (get("/api/v1/breaker", scope="agent/fixer"), 200),
    "listTrips": (get("/api/v1/breakers/trips", since="2026-03-04T00:00:00Z", limit=5), 200),
    "moveBreaker": (
        post("/api/v1/breakers", {"scope": "target/shop", "move": "open", "reason": "smoke"}),
        200,
    ),
    "freeze": (post("/api/v1/environments/production/freeze", {"reason": "fire"}), 200),
    "thaw": (post("/api/v1/environments/production/thaw", {}), 200),
    "getHalt": (get("/api/v1/halt"), 200),
    "halt": (post("/api/v1/halt", {"reason": "fire"}), 200),
    "resume": (resume, 200),
    "drillHalt": (post("/api/v1/halt/drill", {}), 200),
    "protectTables": (post("/api/v1/targets/shop/protect", {"tables": ["orders"]}), 200),
    "unprotectTables": (post("/api/v1/targets/shop/unprotect", {"tables": ["orders"]}), 200),
    "listTrash": (get("/api/v1/targets/shop/trash", older_than="7d"), 200),
    "emptyTrash": (post("/api/v1/targets/shop/trash/empty", {}), 200),
    "listMessages": (with_dead(get("/api/v1/messages", state=["dead", "waiting"])), 200),
    "retryMessage": (with_dead(post("/api/v1/messages/msg_1/retry", {})), 200),
    "dropMessage": (with_dead(delete("/api/v1/messages/msg_1")), 200),
    "testChannel": (post("/api/v1/channels/hook/test", {}), 200),
    "ledgerHead": (get("/api/v1/ledger/head"), 200),
    "ledgerEntries": (get("/api/v1/ledger/entries", start=0, limit=10), 200),
    "ledgerProof": (proof, 200),
    "ledgerConsistency": (get("/api/v1/ledger/consistency", old=1, new=3), 200),
    "ledgerCheckpoint": (get("/ledger/checkpoint"), 200),
    "ledgerTile": (tile, 200),
}


@pytest.mark.parametrize("op_id", [op.id for op in OPERATIONS])
async def test_every_answer_is_as_described(api: Api, op_id: str) -> None:
    ask, status = CASES[op_id]
    check(op_id, await ask(api), status)


LOOSENING = [op.id for op in OPERATIONS if op.proposes]


@pytest.mark.parametrize("op_id", sorted({*LOOSENING} - {"moveBreaker", "emptyTrash"}))
async def test_what_loosens_is_answered_with_a_proposal(api: Api, op_id: str) -> None:
    """The same requests as in try-out mode; nothing of what they ask for is done."""
    response = await governed(CASES[op_id][0])(api)
    check(op_id, response, 202)
    held = response.json()
    assert held["proposal"] in held["says"]
    assert [c["id"] for c in (await api.get("/api/v1/proposals"))["proposals"]] == [held["proposal"]]


def test_everything_that_loosens_says_so() -> None:
    assert set(LOOSENING) == {
        "addPerson", "addAgent", "addGrant", "moveBreaker", "thaw", "resume", "unprotectTables",
        "emptyTrash",
        "setGroups", "recoverPerson", "giveAgent", "confirmPerson",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("op_id", "ask", "status"),
    [
        ("proposeEnd", post("/api/v1/proposals/end", {}), 422),
        ("govern", post("/api/v1/govern", {"admins": []}), 422),
        ("getChange", get("/api/v1/changes/CHG-00000000"), 404),
        ("getSample", get("/api/v1/changes/CHG-00000000/sample"), 404),
        ("getTimeline", get("/api/v1/changes/nonsense/timeline"), 404),
        ("listChanges", get("/api/v1/changes", limit=0), 422),
        ("listChanges", get("/api/v1/changes", limit="many"), 400),
        ("addPerson", post("/api/v1/people", {"name": "x"}), 400),
        ("addPerson", post("/api/v1/people", {"name": "NO!", "groups": [], "public_key": "x"}), 422),
        (
            "moveBreaker",
            post("/api/v1/breakers", {"scope": "target/shop", "move": "reset", "reason": "x"}),
            409,
        ),
        ("moveBreaker", post("/api/v1/breakers", {"scope": "target/shop", "move": "reset"}), 422),
        ("getBreaker", get("/api/v1/breaker", scope="agent/nobody"), 404),
        ("getBreaker", get("/api/v1/breaker"), 400),
        ("listTrips", get("/api/v1/breakers/trips", limit=0), 400),
        ("freeze", post("/api/v1/environments/nowhere/freeze", {"reason": "fire"}), 404),
        ("freeze", post("/api/v1/environments/production/freeze", {"reason": "x", "remind_s": 1}), 422),
        ("freeze", post("/api/v1/environments/production/freeze", {"reason": "x", "remind_s": -60}), 422),
        ("halt", post("/api/v1/halt", {"reason": " "}), 422),
        ("resume", post("/api/v1/resume", {}), 422),
        ("protectTables", post("/api/v1/targets/shop/protect", {"tables": ["no_such"]}), 422),
        ("protectTables", post("/api/v1/targets/nowhere/protect", {"tables": ["orders"]}), 404),
        ("listTrash", get("/api/v1/targets/nowhere/trash"), 404),
        ("listTrash", get("/api/v1/targets/shop/trash", older_than="soon"), 422),
        ("emptyTrash", post("/api/v1/targets/shop/trash/empty", {"change": "x"}), 422),
        ("listMessages", get("/api/v1/messages", state="lost"), 400),
        ("retryMessage", post("/api/v1/messages/msg_0/retry", {}), 404),
        ("dropMessage", delete("/api/v1/messages/msg_0"), 404),
        ("testChannel", post("/api/v1/channels/none/test", {}), 404),
        ("ledgerProof", get("/api/v1/ledger/proof", index=10**6), 404),
        ("ledgerTile", get("/ledger/tile/0/999"), 404),
    ],
)
async def test_every_problem_is_as_described(api: Api, op_id: str, ask: Ask, status: int) -> None:
    response = await ask(api)
    check(op_id, response, status)
    assert CODES[response.json()["code"]][0] == status


async def test_health_that_is_not_is_described_too(api: Api) -> None:
    api.runtime.config.halt_file.touch()
    response = await api.tcp.get("/healthz")
    check("health", response, 503)
    (bad,) = [c for c in response.json()["checks"] if not c["ok"]]
    assert bad["name"] == "halt"
    assert bad["why"]
