"""P9: by token, as a user of this machine, or by a name, an agent reaches nothing of what decides. (By SQL: tests/promises.)"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.runtime.governing.conftest import SOCKET, House, Make
from tests.runtime.governing.test_proposals import LOOSENING, decides

from interlock.console.operations import Access, Operation
from interlock.console.routes import OPERATIONS
from interlock.model.change import ChangeState
from interlock.model.errors import Misconfigured, Rejected
from interlock.runtime.config.document import load
from interlock.runtime.serving import http
from interlock.testing.signing import public_key_of

pytestmark = pytest.mark.anyio

BODIES: dict[str, Any] = {
    "govern": {"admins": [{"name": n, "public_key": public_key_of(n)} for n in ("ann", "ben")]},
    "proposePolicies": {"texts": {}},
    "proposeConfig": {"deciding": "{}"},
    "proposeEnd": {"reason": "x"},
    "setGroups": {"groups": ["admin"]},
    "recoverPerson": {"public_key": public_key_of("mallory")},
    "giveAgent": {"owner": "sam"},
    "confirmPerson": {"code": "AAAA-AAAA"},
    "addPerson": {"name": "mallory", "groups": ["admin"], "public_key": public_key_of("mallory")},
    "addAgent": {"name": "mallory", "owner": "olga"},
    "addGrant": {"agent": "fixer", "target": "shop", "actions": ["delete"], "seconds": 3600},
    "thaw": {"reason": "x"},
    "freeze": {"reason": "x"},
    "halt": {"reason": "x"},
    "resume": {"reason": "x"},
    "moveBreaker": {"scope": "global", "move": "reset", "reason": "x"},
    "unprotectTables": {"tables": ["orders"]},
    "emptyTrash": {},
}
FOR_PEOPLE = [op for op in OPERATIONS if op.access in (Access.PERSON, Access.ADMIN)]


@pytest.mark.parametrize("op", FOR_PEOPLE, ids=lambda op: op.id)
async def test_an_agents_token_opens_no_operation_of_people(governed: House, op: Operation) -> None:
    proposal = await governed.held(LOOSENING["add person"][1](governed, SOCKET))
    before, entries = await decides(governed), len(await governed.entries("proposal", "approval", "denial"))
    path = op.path.replace("{id}", proposal.id).replace("{name}", "fixer").replace("{path:path}", "0/000")
    headers = {"authorization": f"Bearer {governed.tokens['fixer']}"}
    async with governed.by_network() as client:
        for more in ({}, {"x-uid": "0", "x-remote-user": "ann"}):
            sent = await client.request(
                op.method, path, headers={**headers, **more}, json=BODIES.get(op.id, {})
            )
            assert sent.status_code == 404, (op.id, sent.text)
        nobody = await client.request(op.method, path, json=BODIES.get(op.id, {}))
        assert nobody.status_code == 401
    assert await decides(governed) == before
    assert len(await governed.entries("proposal", "approval", "denial")) == entries
    assert (await governed.change(proposal)).state is ChangeState.HELD


async def test_a_proposal_is_no_agents_own_change(governed: House) -> None:
    """Whoever asked: proposals are listed under who proposed, in a form that no agent's name has."""
    proposals = [
        await governed.held(LOOSENING["add person"][1](governed, by)) for by in (SOCKET, "person/sam")
    ]
    headers = {"authorization": f"Bearer {governed.tokens['fixer']}"}
    async with governed.by_network() as client:
        assert (await client.get("/changes", headers=headers)).json() == {"changes": []}
        for proposal in proposals:
            for method, path in (("GET", ""), ("POST", "/withdraw")):
                sent = await client.request(
                    method,
                    f"/changes/{proposal.id}{path}",
                    headers=headers,
                    json={"reason": "x"} if path else None,
                )
                assert sent.status_code == 404
    for name in ("uid/1000", "person/sam", "interlock/x"):
        with pytest.raises(Rejected, match="a name of"):
            await governed.runtime.agents.add(name, "olga", by=SOCKET)


async def test_an_agent_has_no_session_on_interlock_itself(governed: House) -> None:
    live = governed.runtime.core.lives["interlock"]
    with pytest.raises(Rejected):
        live.session(None)  # type: ignore[arg-type]
    with pytest.raises(Rejected, match="there is no target interlock"):
        await governed.grant("fixer", "interlock", by="person/ann")


@pytest.mark.parametrize("section", ["environments", "targets"])
async def test_nothing_else_is_called_interlock(make: Make, section: str) -> None:
    house = make(alter=lambda text: text.replace("production: {}", "production: {}, interlock: {}"))
    if section == "targets":
        house = make(alter=lambda text: text.replace("  shop:", "  interlock:"))
    with pytest.raises(Misconfigured, match="stands for Interlock itself"):
        load(house.file)


# ---- the admin socket


async def test_the_socket_reads_tightens_and_proposes_only(governed: House) -> None:
    """Every operation of the table, with a body that would do something: what it is answered with, and what it changed."""
    proposal = await governed.held(LOOSENING["add person"][1](governed, SOCKET))
    await governed.runtime.switches.freeze("production", "incident", by=SOCKET)
    await governed.runtime.switches.open("global", "incident", by=SOCKET)
    await governed.runtime.switches.halts.halt("incident", by=SOCKET)
    async with governed.by_socket() as client:
        for op in FOR_PEOPLE:
            if not op.proposes and not op.id.startswith("propose"):
                continue
            before = await decides(governed)
            path = op.path.replace("{id}", proposal.id)
            of = {"thaw": "production", "unprotectTables": "shop", "emptyTrash": "shop", "giveAgent": "fixer"}
            path = path.replace("{name}", of.get(op.id, "sam"))
            body = BODIES.get(op.id, {})
            sent = await client.request(op.method, path, json=body if op.body else None)
            others = {"emptyTrash": 200, "proposals": 200, "proposeConfig": 422, "confirmPerson": 422}
            wanted = others.get(op.id, 202)
            assert sent.status_code == wanted, (op.id, sent.text)
            assert await decides(governed) == before, op.id


_CONNECT = """\
import os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
s = socket.socket(socket.AF_UNIX); s.settimeout(10); s.connect(sys.argv[1])
try:
    s.sendall(b"GET /healthz HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
    print(s.recv(100).split(b" ")[1].decode())
except (ConnectionError, IndexError):
    print("cut off")
"""


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
async def test_the_socket_refuses_uids_that_agents_run_as(make: Make, tmp_path: Path) -> None:
    """Even where the folder's rights would let them come."""
    import asyncio

    house = make(
        alter=lambda text: text + "agent_uids: [1001, 0]\nsocket_uids: [1002, 1003]\n".replace(", 0", "")
    )
    identity = load(house.file).identity
    assert identity.admitted() == {1002, 1003}
    path = Path("/tmp") / f"il-{os.getpid()}.sock"
    door = http.on_socket(_answer, path, identity.admitted())
    await door.start()
    try:
        path.chmod(0o666)

        def came(uid: int) -> str:
            words = [sys.executable, "-c", _CONNECT, str(path), str(uid)]
            return subprocess.run(
                words, capture_output=True, text=True, check=True, timeout=30
            ).stdout.strip()

        with capture_logs() as logs:
            said = {uid: await asyncio.to_thread(came, uid) for uid in (1001, 1002, 0, 4242)}
        assert said == {1001: "cut off", 1002: "200", 0: "cut off", 4242: "cut off"}
        assert sorted(log["uid"] for log in logs if log["event"] == "admin_socket.refused") == [0, 1001, 4242]
    finally:
        await door.stop()
        path.unlink()
