"""The running server: held changes and breakers are told, nothing secret gets anywhere, people see and mend what was given up."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs
from tests.console.conftest import FEW, MANY, Api, Reachable, _furnish, client
from tests.runtime.notify.receiver import SECRET, Receiver, verified

from interlock.console.app import Door, create_app
from interlock.console.monitoring.metrics import Metrics
from interlock.control import outbox
from interlock.model.errors import Misconfigured
from interlock.model.message import Event, MessageFilter
from interlock.runtime.config.document import load
from interlock.runtime.doctor import offline, online
from interlock.runtime.notify import office
from interlock.runtime.opening import open_configured
from interlock.runtime.runtime import Runtime
from interlock.runtime.serving.http import with_uid
from interlock.sdk.connector import Held, Permitted
from interlock.sdk.ports import Tx
from interlock.testing.toy import ToyTarget

ROWS = {f"row/{n:04d}": "old" for n in range(300)}


def write(folder: Path, notify: str) -> Path:
    """A configuration with channels, and the secret of its webhooks."""
    (folder / "hook-secret").write_text(SECRET)
    file = folder / "interlock.yaml"
    file.write_text(
        f"""\
store: sqlite:///interlock.db
state_dir: var
api: {{public_url: "http://127.0.0.1:8470"}}
environments: {{production: {{}}, staging: {{protection: relaxed}}}}
targets: {{shop: {{connector: toy, environment: production}}}}
quorums: {{two-sre: {{count: 2, group: sre}}}}
notify: {notify}
"""
    )
    return file


@asynccontextmanager
async def serving(file: Path, *, create: bool = True) -> AsyncIterator[Api]:
    config = load(file)
    store = open_configured(config, create=create)
    try:
        toy = ToyTarget(ROWS)
        connector = Reachable({"shop": toy})
        runtime = Runtime(config, store, "gw", find=lambda name: connector)
        await runtime.start()
        metrics = Metrics(runtime)
        admin = client(with_uid(create_app(runtime, Door.SOCKET, metrics), 1000))
        made = Api(runtime, toy, client(create_app(runtime, Door.TCP, metrics)), admin)
        if create:
            await _furnish(made)
        yield made
        await admin.aclose()
        await made.tcp.aclose()
        await runtime.stop(timedelta(seconds=5))
    finally:
        await store.close()


def hook(receiver: Receiver, **keys: Any) -> str:
    return json.dumps([{"webhook": receiver.url, "name": "hook", "secret": {"file": "hook-secret"}, **keys}])


async def told(receiver: Receiver) -> Any:
    """The next thing that the receiver is told."""
    return await asyncio.to_thread(receiver.next)


def test_the_way_of_a_held_change_is_told(tmp_path: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            async with serving(write(tmp_path, hook(receiver))) as api:
                assert isinstance(await api.send(FEW), Permitted)
                change = await api.held()
                first = await told(receiver)
                assert first["type"] == "interlock.held", "what passes by itself is no news"
                assert first["data"]["text"] == (
                    "fixer would delete 100 rows of toy·rows (shop, production) - waits for 2 of sre: "
                    f"http://127.0.0.1:8470/console/changes/{change.id}"
                )
                for name in ("ann", "bob"):
                    await api.post(f"/api/v1/changes/{change.id}/approvals", await api.say(change.id, name))
                assert (await told(receiver))["data"]["text"].startswith("Approved: fixer would ")
                await api.post(f"/api/v1/changes/{change.id}/apply", {})
                assert (await told(receiver))["data"]["text"].startswith("Applied: fixer ")
                wish = await api.say(change.id, "ann", revert="true", nonce="n" * 24)
                await api.post(f"/api/v1/changes/{change.id}/revert", {**wish, "force": False})
                reverted = await told(receiver)
                assert reverted["type"] == "interlock.reverted"
                assert f"ann reverted {change.id} of fixer" in reverted["data"]["text"]
                await api.post("/api/v1/environments/production/freeze", {"reason": "somebody's words"})
                frozen = await told(receiver)
                assert frozen["data"]["text"].startswith(
                    "FROZEN: no agent changes anything in production until people thaw it, by uid/1000"
                )
                assert "somebody's words" not in json.dumps(frozen)
            for _, headers, body in receiver.taken:
                verified(headers, body, SECRET, float(headers["webhook-timestamp"]))

    asyncio.run(work())


def test_no_channel_can_make_an_agent_wait_or_fail(tmp_path: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            receiver.go.clear()
            nobody = {"webhook": "http://127.0.0.1:9/", "secret": {"env": "NOT_GIVEN"}, "name": "none"}
            channels = [*json.loads(hook(receiver)), nobody, "json://127.0.0.1:9/"]
            async with serving(write(tmp_path, json.dumps(channels))) as api:
                for _ in range(3):
                    answer = await api.send(MANY)
                    assert isinstance(answer, Held)
                assert isinstance(await api.send(FEW), Permitted)
                assert receiver.taken == []
                receiver.go.set()
                (change,) = (await api.get("/api/v1/changes", state="held"))["changes"]
                assert (await told(receiver))["data"]["change"] == change["id"]

    asyncio.run(work())


def test_what_was_queued_before_a_crash_is_delivered_after_it(tmp_path: Path) -> None:
    async def before(receiver: Receiver, file: Path) -> str:
        config = load(file)
        store = open_configured(config, create=True)
        runtime = Runtime(config, store, "gw", find=lambda name: Reachable({"shop": ToyTarget(ROWS)}))
        await runtime.start()
        await runtime._tickers.stop()  # nothing is delivered, as in a process that is killed here
        toy = ToyTarget(ROWS)
        api = Api(runtime, toy, httpx.AsyncClient(), httpx.AsyncClient())
        await _furnish(api)
        change = await api.held()
        # Not even queued: only the record of the hold is durable.
        assert await store.read(lambda tx: tx.messages(MessageFilter())) == []
        await asyncio.to_thread(store._close)
        return change.id

    async def after(receiver: Receiver, file: Path, change: str) -> None:
        async with serving(file, create=False):
            assert (await told(receiver))["data"]["change"] == change
        assert len(receiver.taken) == 1

    with Receiver() as receiver:
        file = write(tmp_path, hook(receiver))
        change = asyncio.run(before(receiver, file))
        asyncio.run(after(receiver, file, change))


def test_stopping_queues_what_was_said_last_and_waits_for_no_receiver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office, "PATIENCE", 0.05)

    async def work(receiver: Receiver) -> None:
        async with serving(write(tmp_path, hook(receiver))) as api:
            receiver.go.clear()
            await api.held()
        assert receiver.taken == []

    with Receiver() as receiver:
        asyncio.run(work(receiver))
        with sqlite3.connect(tmp_path / "interlock.db") as connection:
            assert connection.execute("SELECT event, state FROM outbox").fetchall() == [("held", "waiting")]


# -- secrets


def test_no_secret_of_a_channel_gets_anywhere(tmp_path: Path) -> None:
    """Planted in every address and secret; looked for in the store, the ledger, the log, all answers and errors."""
    planted = ["plantedinpath", "plantedinuser", "plantedinquery", "plantedinfile", SECRET[6:]]

    async def work(receiver: Receiver) -> str:
        port = receiver.server_port
        (tmp_path / "url").write_text(f"json://127.0.0.1:{port}/plantedinfile")
        channels = [
            {
                "webhook": f"http://127.0.0.1:{port}/plantedinpath?q=plantedinquery",
                "secret": {"file": "hook-secret"},
            },
            f"json://plantedinuser:plantedinuser@127.0.0.1:{port}/plantedinpath?-k=plantedinquery",
            {"url": {"file": "url"}, "name": "late"},
        ]
        seen = ""
        receiver.status = 500
        async with serving(write(tmp_path, json.dumps(channels))) as api:
            await api.held()
            for _ in channels:
                await told_any(receiver)
            for _ in range(200):
                if all(d.why for d in api.runtime.office.all):
                    break
                await asyncio.sleep(0)
                await api.runtime.store.read(lambda tx: tx.now())
            for path in ("/api/v1/messages?state=waiting", "/api/v1/doctor", "/healthz", "/metrics"):
                seen += (await api.admin.get(path)).text
            for name in ("1-webhook", "2-json", "late"):
                answer = await api.admin.post(f"/api/v1/channels/{name}/test", json={})
                assert answer.status_code == 200
                assert answer.json()["taken"] is False
                seen += answer.text
            seen += repr(api.runtime.config) + repr(api.runtime.office.__dict__)
        return seen

    async def told_any(receiver: Receiver) -> None:
        await asyncio.to_thread(receiver.arrived.get, timeout=30)

    with Receiver() as receiver, capture_logs() as logs:
        seen = asyncio.run(work(receiver))
    assert any(entry["event"] == "notify.not_taken" for entry in logs)
    sent = b"".join(body for _, _, body in receiver.taken).decode()
    stored = b"".join(file.read_bytes() for file in tmp_path.glob("interlock.db*"))
    with sqlite3.connect(tmp_path / "interlock.db") as connection:
        ledger = repr(connection.execute("SELECT data FROM ledger_entries").fetchall())
        assert connection.execute("SELECT count(*) FROM outbox").fetchone() == (3,)
    for secret in planted:
        assert secret not in repr(logs)
        assert secret not in seen
        assert secret.encode() not in stored
        assert secret not in ledger
        assert secret not in sent
    assert "tidy up" not in sent, "the agent's own words"


# -- people


def test_what_was_given_up_is_seen_retried_and_dropped(tmp_path: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            async with serving(write(tmp_path, hook(receiver, events=["held"]))) as api:
                change = await api.held()
                await told(receiver)

                def give_up(tx: Tx) -> None:
                    for number in range(2):
                        made = outbox.given_up(dead(tx, number), "answers HTTP 500", tx.now())
                        tx.add_message(made)

                def dead(tx: Tx, number: int) -> Any:
                    from interlock.model.message import Message

                    return Message(
                        f"msg_{number}", "hook", Event.HELD, f"text {number}", tx.now(), tx.now(), attempts=7
                    )

                await api.runtime.store.transact(give_up)
                found = await api.get("/api/v1/messages")
                assert [m["id"] for m in found["messages"]] == ["msg_0", "msg_1"]
                assert found["messages"][0]["error"] == "answers HTTP 500"
                (channel,) = found["channels"]
                assert (channel["name"], channel["dead"], channel["events"]) == ("hook", 2, ["held"])
                findings = [f for f in await online(api.runtime) if f.check == "notify"]
                assert any("2 messages to the channel hook were given up" in f.what for f in findings)
                retried = await api.post("/api/v1/messages/msg_0/retry", {})
                assert (retried.get("state", "waiting"), retried.get("attempts", 0)) == ("waiting", 0)
                assert (await told(receiver))["data"]["text"] == "text 0"
                await api.post("/api/v1/messages/msg_0/retry", {}, 409)
                refused = await api.signed("DELETE", "/api/v1/messages/msg_1", person="ann")
                assert refused.status_code == 403
                dropped = await api.signed("DELETE", "/api/v1/messages/msg_1", person="adm")
                assert dropped.status_code == 200
                assert (await api.get("/api/v1/messages"))["messages"] == []
                assert (await api.admin.delete("/api/v1/messages/msg_1")).status_code == 404
                waiting = await api.get("/api/v1/messages", state=["delivered"])
                assert change.id in json.dumps(waiting)
                delivered = waiting["messages"][0]["id"]
                assert (await api.admin.delete(f"/api/v1/messages/{delivered}")).status_code == 422

    asyncio.run(work())


def test_a_channel_is_tried_out(tmp_path: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            async with serving(write(tmp_path, hook(receiver, digest="10m"))) as api:
                tried = await api.post("/api/v1/channels/hook/test", {})
                assert tried == {"channel": "hook", "taken": True, "why": ""}
                content = await told(receiver)
                assert content["type"] == "interlock.test"
                assert content["data"]["text"].startswith("A test of the channel hook, by uid/1000")
                receiver.status = 500
                tried = await api.post("/api/v1/channels/hook/test", {})
                assert tried == {"channel": "hook", "taken": False, "why": "answers HTTP 500"}
                assert (await api.get("/api/v1/messages", state=["waiting", "dead", "delivered"]))[
                    "messages"
                ] == []

    asyncio.run(work())


def test_metrics_health_and_doctor_tell_of_a_channel_that_fails(tmp_path: Path) -> None:
    async def work() -> None:
        with Receiver() as receiver:
            async with serving(write(tmp_path, hook(receiver))) as api:
                await api.held()
                await told(receiver)
                receiver.status = 503
                await api.post(
                    "/api/v1/breakers", {"scope": "target/shop", "move": "open", "reason": "smoke"}
                )
                await told(receiver)
                (delivery,) = api.runtime.office.all
                while not delivery.why:
                    await api.runtime.store.read(lambda tx: tx.now())
                text = (await api.admin.get("/metrics")).text
                assert 'interlock_messages_total{channel="hook",outcome="delivered"} 1.0' in text
                assert 'interlock_messages_total{channel="hook",outcome="failed"} 1.0' in text
                assert 'interlock_messages_total{channel="hook",outcome="dead"} 0.0' in text
                health = (await api.admin.get("/healthz")).json()
                assert health["ok"], "an unreachable channel is no outage"
                assert health["degraded"]
                (check,) = [c for c in health["checks"] if c["name"] == "notify/hook"]
                assert (check["ok"], check["why"], check["vital"]) == (False, "answers HTTP 503", False)
                findings = [f for f in await online(api.runtime) if f.check == "notify"]
                assert any("took no message lately: answers HTTP 503" in f.what for f in findings)

    asyncio.run(work())


@pytest.mark.parametrize(
    ("channel", "level", "said"),
    [
        (
            {"webhook": "https://h.example/", "name": "a", "secret": {"env": "NOT_GIVEN"}},
            "error",
            "NOT_GIVEN is not set",
        ),
        (
            {"webhook": "https://h.example/", "name": "a", "secret": {"file": "bad"}},
            "error",
            "its secret is not whsec_",
        ),
        (
            {"webhook": "http://127.0.0.1:9/", "name": "a", "secret": {"file": "hook-secret"}},
            "warning",
            "cannot be reached",
        ),
        ({"url": {"file": "none"}, "name": "a"}, "error", "secret file"),
        ({"url": {"file": "bad"}, "name": "a"}, "error", "Apprise knows no such service"),
        ({"url": "json://h.example/", "name": "a"}, "warning", "can be read on the way: use jsons://"),
        ({"url": "jsons://h.example/", "name": "a"}, "ok", "has what it needs"),
    ],
)
def test_doctor_examines_channels(tmp_path: Path, channel: dict[str, Any], level: str, said: str) -> None:
    (tmp_path / "bad").write_text("hunter2hunter2")

    async def work() -> None:
        async with serving(write(tmp_path, json.dumps([channel]))) as api:
            (finding,) = [
                f for f in await online(api.runtime) if f.check == "notify" and "channel a" in f.what
            ]
            assert (finding.level, said in finding.what) == (level, True), finding
            assert "hunter2" not in finding.what

    asyncio.run(work())


def test_doctor_sees_addresses_that_others_can_read(tmp_path: Path) -> None:
    file = write(tmp_path, '["json://h.example/"]')
    file.chmod(0o644)
    assert "can be read by others, and addresses of channels stand in it" in repr(list(offline(load(file))))
    file.chmod(0o600)
    assert "can be read by others" not in repr(list(offline(load(file))))


def test_an_address_that_apprise_does_not_know_stops_the_start_with_its_place(tmp_path: Path) -> None:
    file = write(tmp_path, "[json://a, nothing://hunter2]")
    store = open_configured(load(file), create=True)
    with pytest.raises(
        Misconfigured, match=r"interlock.yaml:7: notify.1: Apprise knows no such service"
    ) as raised:
        Runtime(load(file), store, "gw", find=lambda name: Reachable({"shop": ToyTarget(ROWS)}))
    assert "hunter2" not in str(raised.value)
    asyncio.run(store.close())
