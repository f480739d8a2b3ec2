"""A whole gateway on a real SQLite store, with the toy target and a small app behind both doors."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from interlock.model.change import ChangeState
from interlock.model.errors import Misconfigured
from interlock.model.operation import Action
from interlock.runtime.config.document import load
from interlock.runtime.opening import only_server, open_configured
from interlock.runtime.serve import Server
from interlock.runtime.serving.http import peer_uid
from interlock.sdk.connector import Finding, Held, Listener, Permitted
from interlock.testing import signing
from interlock.testing.installation import FEW, MANY, ROWS
from interlock.testing.toy import ToyConnector, ToyLive, ToyTarget, work_of

CONFIG = """
store: sqlite:///var/interlock.db
state_dir: var
api: {listen: "127.0.0.1:0"}
environments: {production: {protection: strict}, sandbox: {protection: relaxed}}
targets:
  shop: {connector: toy, environment: production}
quorums: {two-sre: {count: 2, group: sre}}
"""


class Reachable(ToyConnector):
    """The toy with an address, behind which nobody speaks."""

    def listener(self, live: Any) -> Listener:
        return Listener("127.0.0.1", 0)


def write(folder: Path, text: str = CONFIG) -> Path:
    path = folder / "interlock.yaml"
    path.write_text(text)
    return path


def app_for(runtime: Any, on_socket: bool) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = json.dumps({"uid": scope.get("state", {}).get("uid"), "version": runtime.version}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return app


@asynccontextmanager
async def serving(folder: Path, toy: ToyTarget | None = None, text: str = CONFIG) -> AsyncIterator[Server]:
    config = load(write(folder, text))
    if not (folder / "var").exists():
        await (await asyncio.to_thread(lambda: open_configured(config, create=True))).close()
    target = toy or ToyTarget(ROWS)
    connector = Reachable(dict.fromkeys(config.targets, target))
    async with Server(config, app_for, find=lambda name: connector) as server:
        yield server


async def furnish(server: Server) -> str:
    runtime = server.runtime
    for name in ("olga", "ann", "bob"):
        await runtime.people.add(name, ["sre"], signing.public_key_of(name), by="uid/1")
    token = (await runtime.agents.add("fixer", "olga", by="uid/1")).token
    expires = runtime.core.directory.now() + timedelta(hours=1)
    actions = [Action.READ, Action.CREATE, Action.UPDATE, Action.DELETE]
    await runtime.grants.add("fixer", "shop", actions, expires, by="uid/1")
    return token


def test_serves_holds_approves_applies_reverts_and_remembers(tmp_path: Path) -> None:
    async def run() -> None:
        toy = ToyTarget(ROWS)
        async with serving(tmp_path, toy) as server:
            runtime = server.runtime
            assert [s.serving for s in runtime.statuses()] == [True]
            assert all(check.ok for check in runtime.health())
            await furnish(server)
            gate = runtime.targets["shop"].gate
            known = gate.credential("fixer")
            assert known is not None
            agent = await gate.enter(known[0], lambda why: None)
            live = runtime.targets["shop"].live
            assert isinstance(live, ToyLive)
            done = await gate.admit(work_of(agent, FEW), live.unit(FEW))
            assert isinstance(done, Permitted)
            held = await gate.admit(work_of(agent, MANY), live.unit(MANY))
            assert isinstance(held, Held)
            for name in ("ann", "bob"):
                words = await runtime.changes.statement(held.change.id, name)
                await runtime.changes.opened(held.change.id, name)
                signed = signing.signed(words, held.change.requested_at)
                spoken = await runtime.changes.speak(words, signed.signature)
            assert spoken.change.state is ChangeState.APPROVED
            view = await runtime.changes.show(held.change.id)
            assert view.statements == ("delete_like row/01",)
            assert view.tallies[0].given == ("ann", "bob")
            applied = await runtime.changes.apply(held.change.id, by="uid/1")
            assert isinstance(applied, Permitted)
            await runtime.core.tasks.drain(10)
            assert toy.rows is not None
            assert len(toy.rows) == 200
            words = await runtime.changes.revert_statement(held.change.id, "ann")
            signed = signing.signed(words, held.change.requested_at)
            reverted = await runtime.changes.revert(words, signed.signature)
            assert isinstance(reverted, Permitted)
            await runtime.core.tasks.drain(10)
            assert toy.rows == {**ROWS, "row/0000": "new"}
            assert (await runtime.changes.get(held.change.id)).state is ChangeState.REVERTED
            await gate.leave(agent)
            await runtime.sign()
            report = await runtime.store.verify()
            assert report.ok, report.findings
        async with serving(tmp_path, toy) as server:
            assert (await server.runtime.changes.get(held.change.id)).state is ChangeState.REVERTED

    asyncio.run(run())


def test_doors_tell_who_asks(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(tmp_path) as server:
            path, address = server.addresses
            assert oct(os.stat(path).st_mode & 0o777) == "0o600"
            transport = httpx.AsyncHTTPTransport(uds=path)
            async with httpx.AsyncClient(transport=transport) as local, httpx.AsyncClient() as remote:
                answer = await local.get("http://interlock/")
                assert answer.json()["uid"] == os.getuid()
                headers = {"X-Forwarded-For": "uid:0"}
                assert (await remote.get(f"http://{address}/", headers=headers)).json()["uid"] is None

    asyncio.run(run())


def test_the_kernel_tells_the_uid() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer_uid(ours.fileno()) == os.getuid()


def test_only_one_server_for_a_state_directory(tmp_path: Path) -> None:
    with only_server(tmp_path), pytest.raises(Misconfigured, match="running"), only_server(tmp_path):
        pass


def test_open_state_directory_is_refused(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(tmp_path):
            pass
        (tmp_path / "var").chmod(0o755)
        with pytest.raises(Misconfigured, match="chmod 700"):
            async with serving(tmp_path):
                pass

    asyncio.run(run())


def test_strict_target_whose_gate_could_be_passed_is_not_served(tmp_path: Path) -> None:
    class Defeated(ToyLive):
        async def doctor(self) -> Any:
            return [Finding("error", "role", "the upstream role is a superuser", "ALTER ROLE … NOSUPERUSER")]

    class Connector(Reachable):
        def configure(self, name: str, target: Any, raw: Any, secret: Any) -> ToyLive:
            return Defeated(ToyTarget(ROWS, fingerprint=name))

    async def run() -> None:
        text = CONFIG.replace("quorums:", "  box: {connector: toy, environment: sandbox}\nquorums:")
        config = load(write(tmp_path, text))
        await (await asyncio.to_thread(lambda: open_configured(config, create=True))).close()
        async with Server(config, None, find=lambda name: Connector()) as server:
            box, shop = server.runtime.statuses()
            assert (box.name, box.serving) == ("box", True)
            assert (shop.name, shop.serving) == ("shop", False)
            assert "superuser" in shop.why
            assert "NOSUPERUSER" in shop.why

    asyncio.run(run())


def test_two_names_of_one_system_share_the_stricter_rules(tmp_path: Path) -> None:
    async def run() -> None:
        text = CONFIG.replace(
            "quorums:", "  box: {connector: toy, environment: sandbox, mode: observe}\nquorums:"
        )
        async with serving(tmp_path, text=text) as server:
            assert [(s.name, s.strict, s.observe) for s in server.runtime.statuses()] == [
                ("box", True, False),
                ("shop", True, False),
            ]

    asyncio.run(run())


def test_a_target_that_was_stopped_is_not_served_again(tmp_path: Path) -> None:
    """What tries unreachable targets again may do so while a shutdown waits for a commit."""

    async def run() -> None:
        async with serving(tmp_path) as server:
            target = server.runtime.targets["shop"]
            await target.stop(timedelta(seconds=5))
            await target.reach()
            await target.serve()
            assert (target.reached, target.serving, target.why) == (False, False, "stopped")

    asyncio.run(run())
