"""Who gets what: every operation of the API, asked by everybody there is, as one table.

Each request is whole: whoever may ask gets a 2xx, so that a "yes" is one. A route without a row is an error, and so is a row
without a route.
"""

import base64
import itertools
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from tests.console.conftest import MANY, Api, bearer, enrol, enrolled, sign
from tests.console.conftest import ROWS as ROWS_OF_THE_TARGET

from interlock.console.operations import Access
from interlock.console.routes import OPERATIONS
from interlock.control.deciding.passkey import to_base64url
from interlock.model.base import Value
from interlock.model.change import ChangeState
from interlock.model.message import Event, Message, MessageState
from interlock.model.proposal import LinkLogin
from interlock.runtime.core import Budgets
from interlock.runtime.service.deciding.insight import Insight
from interlock.sdk.connector import Held, Permitted
from interlock.testing.signing import key_of, public_key_of

pytestmark = pytest.mark.anyio

WHO = ("anonymous", "agent", "other", "person", "approver", "admin", "socket")
"""Nobody known; the agent whose change it is; another agent; a person of no group that decides; one of a quorum's group; an admin;
a process of the server's own user by the admin socket."""

TABLE = """
    operation            anonymous  agent  other  person  approver  admin  socket

    health               yes        yes    yes    yes     yes       yes    yes
    metrics              yes        yes    yes    yes     yes       yes    yes
    openapi              yes        yes    yes    yes     yes       yes    yes
    ledgerCheckpoint     yes        yes    yes    yes     yes       yes    yes

    ownChanges           401        yes    yes    404     404       404    404
    ownChange            401        yes    404    404     404       404    404
    withdrawOwnChange    401        yes    404    404     404       404    404

    targets              401        404    404    yes     yes       yes    yes
    report               401        404    404    yes     yes       yes    yes
    doctor               401        404    404    yes     yes       yes    yes
    proposals            401        404    404    yes     yes       yes    yes

    listChanges          401        404    404    yes     yes       yes    yes
    getChange            401        404    404    yes     yes       yes    yes
    getStatement         401        404    404    yes     yes       yes    yes
    speak                401        404    404    yes     yes       yes    yes
    applyChange          401        404    404    yes     yes       yes    yes
    withdrawChange       401        404    404    yes     yes       yes    yes
    getSample            401        404    404    yes     yes       yes    yes
    revealSample         401        404    404    403     yes       403    403
    getTimeline          401        404    404    yes     yes       yes    yes
    planRevert           401        404    404    yes     yes       yes    yes
    revertChange         401        404    404    yes     yes       yes    yes

    takeBackApproval     401        404    404    422     yes       422    yes
    listComments         401        404    404    yes     yes       yes    yes
    addComment           401        404    404    yes     yes       yes    yes
    getBreakGlassStatement 401      404    404    yes     yes       yes    yes
    breakGlass           401        404    404    yes     yes       yes    yes
    listBreakGlass       401        404    404    yes     yes       yes    yes
    getBreakGlass        401        404    404    yes     yes       yes    yes
    reviewBreakGlass     401        404    404    yes     yes       422    422

    listPeople           401        404    404    yes     yes       yes    yes
    invitePerson         401        404    404    403     403       yes    yes
    listEnrolments       401        404    404    yes     yes       yes    yes
    confirmPerson        401        404    404    403     403       yes    yes
    revokePasskey        401        404    404    yes     yes       yes    yes
    unlinkPerson         401        404    404    yes     yes       yes    yes
    setGroups            401        404    404    403     403       yes    yes
    recoverPerson        401        404    404    403     403       yes    yes
    giveAgent            401        404    404    403     403       yes    yes

    govern               401        404    404    403     403       403    yes
    proposePolicies      401        404    404    yes     yes       yes    yes
    proposeConfig        401        404    404    yes     yes       yes    yes
    proposeEnd           401        404    404    yes     yes       yes    yes

    listMessages         401        404    404    yes     yes       yes    yes
    retryMessage         401        404    404    yes     yes       yes    yes
    dropMessage          401        404    404    403     403       yes    yes
    testChannel          401        404    404    yes     yes       yes    yes

    addPerson            401        404    404    403     403       yes    yes
    disablePerson        401        404    404    yes     yes       yes    yes
    listAgents           401        404    404    yes     yes       yes    yes
    addAgent             401        404    404    403     403       yes    yes
    rotateAgent          401        404    404    403     403       yes    yes
    disableAgent         401        404    404    yes     yes       yes    yes
    listGrants           401        404    404    yes     yes       yes    yes
    addGrant             401        404    404    403     403       yes    yes
    revokeGrant          401        404    404    yes     yes       yes    yes

    listBreakers         401        404    404    yes     yes       yes    yes
    tuneBreakers         401        404    404    yes     yes       yes    yes
    getBreaker           401        404    404    yes     yes       yes    yes
    listTrips            401        404    404    yes     yes       yes    yes
    moveBreaker          401        404    404    yes     yes       yes    yes
    freeze               401        404    404    yes     yes       yes    yes
    thaw                 401        404    404    yes     yes       yes    yes
    getHalt              401        404    404    yes     yes       yes    yes
    halt                 401        404    404    yes     yes       yes    yes
    resume               401        404    404    yes     yes       yes    yes
    drillHalt            401        404    404    yes     yes       yes    yes
    protectTables        401        404    404    yes     yes       yes    yes
    unprotectTables      401        404    404    403     403       yes    yes
    listTrash            401        404    404    yes     yes       yes    yes
    emptyTrash           401        404    404    403     403       yes    yes

    ledgerHead           401        404    404    yes     yes       yes    yes
    ledgerEntries        401        404    404    yes     yes       yes    yes
    ledgerProof          401        404    404    yes     yes       yes    yes
    ledgerConsistency    401        404    404    yes     yes       yes    yes
    ledgerTile           401        404    404    yes     yes       yes    yes
"""

ROWS: Mapping[str, tuple[str, ...]] = {
    words[0]: tuple(words[1:]) for line in TABLE.splitlines() if (words := line.split())
}
HEADER = ROWS["operation"]
MATRIX = {operation: row for operation, row in ROWS.items() if operation != "operation"}
OF = {op.id: op for op in OPERATIONS}
PEOPLE = {"person": "pat", "approver": "ann", "admin": "adm"}
AGENTS = {"agent": "fixer", "other": "other"}
AT = datetime(2026, 3, 4, tzinfo=UTC)
_numbers = itertools.count()


class Ask(Value, frozen=True):
    """A whole request: what stands for the path's parameters, the query, the body."""

    path: dict[str, str] = {}  # noqa: RUF012  # msgspec copies mutable defaults
    query: dict[str, str] = {}  # noqa: RUF012
    body: Any = None


Make = Callable[[Api, str], Awaitable[Ask]]
"""Makes the request, and what it needs to be answered with a 2xx. It gets the name of the person who asks (`ann` for others)."""


def fixed(**more: Any) -> Make:
    async def make(api: Api, person: str) -> Ask:
        return Ask(**more)

    return make


def of_held(body: Any = None) -> Make:
    async def make(api: Api, person: str) -> Ask:
        return Ask({"id": (await held(api))}, body=body)

    return make


async def held(api: Api) -> str:
    """A held change of `fixer`'s that nobody has spoken about."""
    waiting = (await api.get("/api/v1/changes", state=["held", "approved"]))["changes"]
    for change in waiting:
        await api.post(f"/api/v1/changes/{change['id']}/withdraw", {})
    api.toy.rows = dict(ROWS_OF_THE_TARGET)  # what was applied before took some away
    api.runtime.core.budgets = Budgets(api.runtime.core.directory)  # more are held here than an agent may
    # Another content each time: one that was denied is answered with the denial.
    answer = await api.send([*MANY, ["put", "row/0299", f"held {next(_numbers)}"]])
    assert isinstance(answer, Held)
    assert answer.change.state is ChangeState.HELD
    return answer.change.id


async def applied(api: Api) -> str:
    answer = await api.send([["put", "row/0299", f"value {next(_numbers)}"]])
    assert isinstance(answer, Permitted)
    assert answer.change is not None
    return answer.change.id


async def statement(api: Api, person: str) -> Ask:
    return Ask({"id": await held(api)}, {"person": "ann", "verdict": "deny"})


async def speak(api: Api, person: str) -> Ask:
    """A denial counts from anyone who may say anything; an approval only from who is in the quorum's group."""
    change = await held(api)
    return Ask({"id": change}, body=await api.say(change, person, verdict="deny"))


async def apply(api: Api, person: str) -> Ask:
    change = await held(api)
    for name in ("ann", "bob"):
        await api.post(f"/api/v1/changes/{change}/approvals", await api.say(change, name))
    return Ask({"id": change}, body={})


async def reveal(api: Api, person: str) -> Ask:
    """The configuration names the group of the approvers."""
    api.runtime.insight = Insight(api.runtime.core, ("sre",))
    return Ask({"id": await held(api)}, body={})


async def plan(api: Api, person: str) -> Ask:
    return Ask({"id": await applied(api)})


async def revert(api: Api, person: str) -> Ask:
    change = await applied(api)
    nonce = secrets.token_urlsafe(24)
    asked = await api.get(f"/api/v1/changes/{change}/statement", person=person, revert="true", nonce=nonce)
    return Ask({"id": change}, body=sign(asked["statement"], key_of(person)))


async def new_person(api: Api, person: str) -> Ask:
    name = f"p{next(_numbers)}"
    return Ask(body={"name": name, "groups": [], "public_key": public_key_of(name)})


async def some_person(api: Api, person: str) -> Ask:
    body = (await new_person(api, person)).body
    await api.post("/api/v1/people", body, 201)
    return Ask({"name": body["name"]}, body={})


async def new_agent(api: Api, person: str) -> Ask:
    return Ask(body={"name": f"a{next(_numbers)}", "owner": "olga"})


async def some_agent(api: Api, person: str) -> Ask:
    body = (await new_agent(api, person)).body
    await api.post("/api/v1/agents", body, 201)
    return Ask({"name": body["name"]}, body={})


async def new_grant(api: Api, person: str) -> Ask:
    return Ask(body={"agent": "other", "target": "shop", "actions": ["read"], "seconds": 60})


async def some_grant(api: Api, person: str) -> Ask:
    grant = await api.post("/api/v1/grants", (await new_grant(api, person)).body, 201)
    return Ask({"id": grant["id"]})


async def tile(api: Api, person: str) -> Ask:
    await api.runtime.sign()
    size = (await api.get("/api/v1/ledger/head"))["signed"]
    return Ask({"path": f"0/000.p/{size}"})


async def proof(api: Api, person: str) -> Ask:
    await api.runtime.sign()
    return Ask(query={"index": "0"})


async def taken_back(api: Api, person: str) -> Ask:
    """Only who has approved has anything to take back; by the socket it is ann."""
    change = await held(api)
    await api.post(f"/api/v1/changes/{change}/approvals", await api.say(change, "ann"))
    return Ask({"id": change}, body={"person": person, "reason": "better not"})


async def glass_words(api: Api, person: str) -> Ask:
    about = {"person": "adm", "reason": "fire", "change": await held(api), "nonce": secrets.token_hex(16)}
    return Ask(query=about)


async def break_glass(api: Api, person: str) -> Ask:
    """What adm has signed may be brought by anybody who is known."""
    asked = await api.get("/api/v1/break-glass/statement", **(await glass_words(api, person)).query)
    return Ask(body=sign(asked["statement"], key_of("adm")))


async def broken(api: Api, person: str) -> Ask:
    glass = await api.post("/api/v1/break-glass", (await break_glass(api, person)).body, 201)
    return Ask({"id": glass["id"]})


async def glass_review(api: Api, person: str) -> Ask:
    """Not by who broke it. By the socket it needs a signature of its own."""
    glass = (await broken(api, person)).path
    return Ask(glass, body={"person": person, "sentence": "it was right"})


async def enrolment(api: Api, person: str) -> Ask:
    name = f"p{next(_numbers)}"
    return Ask({"name": name}, body={"code": (await enrol(api, name, "dev")).code})


async def some_passkey(api: Api, person: str) -> Ask:
    name = f"p{next(_numbers)}"
    key = await enrolled(api, name, "dev")
    return Ask({"name": name, "id": to_base64url(key.id)})


async def some_login(api: Api, person: str) -> Ask:
    """Of somebody who has a login at a provider."""
    name = f"p{next(_numbers)}"
    wanted = LinkLogin(name, ("dev",), "https://login.example", name)
    await api.runtime.governance.want(api.runtime.core, wanted, "uid/0")
    return Ask({"name": name}, body={"sub": name})


async def other_groups(api: Api, person: str) -> Ask:
    return Ask((await some_person(api, person)).path, body={"groups": ["dba"]})


async def other_key(api: Api, person: str) -> Ask:
    key = public_key_of(f"k{next(_numbers)}")
    return Ask((await some_person(api, person)).path, body={"public_key": key})


async def other_owner(api: Api, person: str) -> Ask:
    return Ask((await some_agent(api, person)).path, body={"owner": "bob"})


async def halted(api: Api, person: str) -> Ask:
    await api.post("/api/v1/halt", {"reason": "fire"})
    return Ask(body={})


FOUNDERS = {"admins": [{"name": name, "public_key": public_key_of(name)} for name in ("adm", "cleo")]}


def governed(**more: Any) -> Make:
    async def make(api: Api, person: str) -> Ask:
        if api.runtime.mode != "governed":
            await api.post("/api/v1/govern", FOUNDERS)
        body = {name: value(next(_numbers)) for name, value in more.items()}
        return Ask(body=body)

    return make


def deciding(number: int) -> str:
    count = number % 90 + 3
    quorums = {"two-sre": {"count": count, "group": "sre"}}
    told = {
        "api": {"public_url": "http://127.0.0.1:8470"},
        "environments": {"production": {}},
        "quorums": quorums,
    }
    return json.dumps(told)


async def dead(api: Api, person: str) -> Ask:
    name = f"msg_{next(_numbers)}"
    message = Message(
        name, "hook", Event.HELD, "a text", AT, AT, MessageState.DEAD, {"change": "CHG-00000000"}, attempts=8, error="HTTP 500"
    )  # fmt: skip
    await api.runtime.store.transact(lambda tx: tx.add_message(message))
    return Ask({"id": name}, body={})


async def dead_plain(api: Api, person: str) -> Ask:
    return Ask((await dead(api, person)).path)


REQUESTS: Mapping[str, Make] = {
    "ownChange": of_held(),
    "withdrawOwnChange": of_held({}),
    "getChange": of_held(),
    "getStatement": statement,
    "speak": speak,
    "applyChange": apply,
    "withdrawChange": of_held({}),
    "getSample": of_held(),
    "revealSample": reveal,
    "getTimeline": of_held(),
    "planRevert": plan,
    "revertChange": revert,
    "takeBackApproval": taken_back,
    "listComments": of_held(),
    "addComment": of_held({"text": "hm"}),
    "getBreakGlassStatement": glass_words,
    "breakGlass": break_glass,
    "getBreakGlass": broken,
    "reviewBreakGlass": glass_review,
    "invitePerson": fixed(path={"name": "newcomer"}, body={"groups": ["dev"]}),
    "confirmPerson": enrolment,
    "revokePasskey": some_passkey,
    "unlinkPerson": some_login,
    "setGroups": other_groups,
    "recoverPerson": other_key,
    "giveAgent": other_owner,
    "govern": fixed(body=FOUNDERS),
    "proposePolicies": governed(texts=lambda n: {"x.cedar": f"// {n}"}),
    "proposeConfig": governed(deciding=deciding),
    "proposeEnd": governed(reason=lambda n: f"over {n}"),
    "retryMessage": dead,
    "dropMessage": dead_plain,
    "testChannel": fixed(path={"name": "hook"}, body={}),
    "addPerson": new_person,
    "disablePerson": some_person,
    "addAgent": new_agent,
    "rotateAgent": some_agent,
    "disableAgent": some_agent,
    "addGrant": new_grant,
    "revokeGrant": some_grant,
    "moveBreaker": fixed(body={"scope": "target/shop", "move": "open", "reason": "smoke"}),
    "getBreaker": fixed(query={"scope": "agent/fixer"}),
    "freeze": fixed(path={"name": "production"}, body={"reason": "fire"}),
    "thaw": fixed(path={"name": "production"}, body={}),
    "halt": fixed(body={"reason": "fire"}),
    "resume": halted,
    "drillHalt": fixed(body={}),
    "protectTables": fixed(path={"name": "shop"}, body={"tables": ["orders"]}),
    "unprotectTables": fixed(path={"name": "shop"}, body={"tables": ["orders"]}),
    "listTrash": fixed(path={"name": "shop"}),
    "emptyTrash": fixed(path={"name": "shop"}, body={}),
    "ledgerConsistency": fixed(query={"old": "1", "new": "2"}),
    "ledgerProof": proof,
    "ledgerTile": tile,
}
"""Requests that need more than their path; the others are asked plainly."""


async def made(api: Api, operation: str, who: str) -> Ask:
    """The operation's request, for one of them."""
    return await REQUESTS.get(operation, fixed())(api, PEOPLE.get(who, "ann"))


async def send(api: Api, operation: str, who: str, ask: Ask) -> httpx.Response:
    """A request, sent by one of them."""
    op = OF[operation]
    path = op.openapi_path.format(**ask.path) + (f"?{urlencode(ask.query)}" if ask.query else "")
    if who in PEOPLE:
        return await api.signed(op.method, path, ask.body, person=PEOPLE[who])
    door = api.admin if who == "socket" else api.tcp
    headers = bearer(api.tokens[AGENTS[who]]) if who in AGENTS else {}
    if ask.body is None:
        return await door.request(op.method, path, headers=headers)
    return await door.request(op.method, path, headers=headers, json=ask.body)


@pytest.fixture
async def peopled(api: Api) -> Api:
    await api.runtime.people.add("pat", ["dev"], public_key_of("pat"), by="uid/0")
    return api


FOR_ONE = {"govern", "revealSample"}
"""By the admin socket alone; and by people of the groups that the configuration names."""


def test_every_operation_has_a_row_and_every_row_an_operation() -> None:
    assert set(MATRIX) == {op.id for op in OPERATIONS}
    assert set(REQUESTS) <= set(MATRIX)
    assert HEADER == WHO
    assert {operation for operation, row in MATRIX.items() if len(row) != len(WHO)} == set()
    assert {cell for row in MATRIX.values() for cell in row} <= {"yes", "401", "403", "404", "422"}


def test_the_table_says_what_the_routes_say() -> None:
    """The columns follow from the kind of access alone, but that another agent's change is not there, and that some things are for
    one of them only (422)."""
    kinds = {
        Access.PUBLIC: ("yes",) * 7,
        Access.AGENT: ("401", "yes", "yes", "404", "404", "404", "404"),
        Access.PERSON: ("401", "404", "404", "yes", "yes", "yes", "yes"),
        Access.ADMIN: ("401", "404", "404", "403", "403", "yes", "yes"),
    }
    for operation, row in MATRIX.items():
        op = OF[operation]
        expected = list(kinds[op.access])
        if op.access is Access.AGENT and op.parameters:
            expected[WHO.index("other")] = "404"
        closer = {"422", "403"} if operation in FOR_ONE else {"422"}
        expected = [said if said in closer else kind for said, kind in zip(row, expected, strict=True)]
        assert list(row) == expected, operation


@pytest.mark.parametrize("operation", list(OF))
async def test_who_gets_what(peopled: Api, operation: str) -> None:
    """From whoever may least to whoever may most, so that a request that got through by mistake shows."""
    found = {}
    nowhere = await peopled.tcp.get("/no/such/thing", headers=bearer(peopled.tokens["fixer"]))
    for who in WHO:
        response = await send(peopled, operation, who, await made(peopled, operation, who))
        found[who] = "yes" if response.is_success else str(response.status_code)
        if who in AGENTS and response.status_code == 404:
            assert response.content == nowhere.content, "what is there and not theirs is as what is not there"
        if response.status_code == 401:
            assert response.json()["code"] == "unauthenticated"
            assert "change" not in json.dumps(response.json())
    assert found == dict(zip(WHO, MATRIX[operation], strict=True))


async def test_what_was_refused_did_not_happen(peopled: Api) -> None:
    """For everything that changes something: nobody who was refused moved the ledger by a single entry."""
    # What only is there in governed mode comes last: afterwards nothing can be set up at once.
    for operation, row in sorted(MATRIX.items(), key=lambda item: item[0].startswith(("govern", "propose"))):
        if OF[operation].method == "GET":
            continue
        for who, cell in zip(WHO, row, strict=True):
            if cell == "yes":
                continue
            ask = await made(peopled, operation, who)
            before = await ledger_size(peopled)
            response = await send(peopled, operation, who, ask)
            assert not response.is_success
            assert await ledger_size(peopled) == before, (operation, who)


async def ledger_size(api: Api) -> int:
    return int(await api.runtime.store.read(lambda tx: tx.ledger_size()))


async def test_an_agents_own_list_holds_nothing_of_others(peopled: Api) -> None:
    own = await held(peopled)
    theirs = await peopled.send([["delete_like", "row/02"]], agent="other")
    assert theirs.change is not None
    for agent, change in (("fixer", own), ("other", theirs.change.id)):
        response = await peopled.tcp.get("/changes", headers=bearer(peopled.tokens[agent]))
        assert [each["id"] for each in response.json()["changes"]] == [change]


async def test_an_approval_is_not_the_word_of_whoever_carries_it(peopled: Api) -> None:
    """Any person may bring a signed statement; it counts for who signed it, and the agent's owner still does not count."""
    change = await held(peopled)
    said = await peopled.say(change, "bob")
    response = await peopled.signed("POST", f"/api/v1/changes/{change}/approvals", said, person="pat")
    assert response.status_code == 200
    assert response.json()["quorums"][0]["given"] == ["bob"]
    words = base64.b64encode(b"x" * 64).decode()
    forged = await peopled.signed(
        "POST", f"/api/v1/changes/{change}/approvals", {**said, "signature": words}, person="ann"
    )
    assert forged.status_code == 422
