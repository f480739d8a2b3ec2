"""Agents that wait for their change: they hear of every move at once, from any replica, and are never too many."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from tests.console.conftest import Api, Reachable, Served, bearer

from interlock.console.waiting import EACH
from interlock.control.change import MACHINE
from interlock.model.change import Change, ChangeState
from interlock.model.errors import Unavailable
from interlock.runtime.opening import open_configured
from interlock.runtime.runtime import Runtime

pytestmark = pytest.mark.anyio

SOON = 30.0
"""Seconds within which an answer must come that is not to wait for the end of the poll's minute."""


async def ask(api: Api, change: str, query: str, agent: str = "fixer") -> httpx.Response:
    return await api.tcp.get(f"/changes/{change}{query}", headers=bearer(api.tokens[agent]))


@contextlib.asynccontextmanager
async def waiting(
    api: Api, change: str, query: str = "?wait=60", many: int = 1
) -> AsyncIterator[list["asyncio.Task[httpx.Response]"]]:
    """Polls that have begun to wait."""
    polls = [asyncio.create_task(ask(api, change, query)) for _ in range(many)]
    await waiting_at_last(api, change, many)
    yield polls
    for poll in polls:
        poll.cancel()
    await asyncio.gather(*polls, return_exceptions=True)


async def waiting_at_last(api: Api, change: str, many: int) -> None:
    events = api.runtime.core.watch._events
    async with asyncio.timeout(SOON):
        while len(events.get(change, ())) != many:  # noqa: ASYNC110  # nothing tells of it, and a look costs nothing
            await asyncio.sleep(0)


async def answered(poll: "asyncio.Task[httpx.Response]") -> httpx.Response:
    async with asyncio.timeout(SOON):
        return await poll


async def approve(api: Api, change: str, *people: str) -> None:
    for person in people:
        await api.post(f"/api/v1/changes/{change}/approvals", await api.say(change, person))


async def test_it_answers_when_the_change_moves(api: Api) -> None:
    change = await api.held()
    async with waiting(api, change.id) as (poll,):
        await approve(api, change.id, "ann")
        assert not poll.done()
        await approve(api, change.id, "bob")
        response = await answered(poll)
    assert response.status_code == 200
    assert (response.json()["state"], response.json()["retry"]) == ("approved", True)


async def test_no_move_is_missed_between_two_polls(api: Api) -> None:
    """It has moved before the second one comes, which says what the first one saw."""
    change = await api.held()
    assert (await ask(api, change.id, "")).json()["state"] == "held"
    await approve(api, change.id, "ann", "bob")
    async with asyncio.timeout(SOON):
        response = await ask(api, change.id, "?wait=60&state=held")
    assert response.json()["state"] == "approved"


async def test_it_waits_through_all_the_states_named(api: Api) -> None:
    change = await api.held()
    async with waiting(api, change.id, "?wait=60&state=held&state=approved") as (poll,):
        await approve(api, change.id, "ann", "bob")
        await waiting_at_last(api, change.id, 1)
        await api.post(f"/api/v1/changes/{change.id}/withdraw", {"reason": "no need"})
        assert (await answered(poll)).json()["state"] == "withdrawn"


async def test_the_time_is_over(api: Api) -> None:
    change = await api.held()
    async with asyncio.timeout(SOON):
        response = await ask(api, change.id, "?wait=1")
    assert (response.status_code, response.json()["state"]) == (200, "held")


@pytest.mark.parametrize("query", ["", "?wait=0", "?wait=0&state=held", "?state=held"])
async def test_without_a_wait_it_answers_at_once(api: Api, query: str) -> None:
    change = await api.held()
    async with asyncio.timeout(SOON):
        assert (await ask(api, change.id, query)).json()["state"] == "held"


@pytest.mark.parametrize(
    "query",
    [
        "?wait=61", "?wait=-1", "?wait=1.5", "?wait=60s", "?wait=", "?wait=1e1", "?wait=6_0", "?wait=١", "?wait=null",
        "?wait=5&wait=5", "?wait=true", "?wait=99999999999999999999", "?wait=5&state=nonsense", "?wait=5&state=",
        "?wait=5&more=1",
    ],
)  # fmt: skip
async def test_other_values_are_errors(api: Api, query: str) -> None:
    change = await api.held()
    async with asyncio.timeout(SOON):
        response = await ask(api, change.id, query)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")


async def test_what_cannot_move_any_more_is_not_waited_for(api: Api) -> None:
    change = await api.held()
    await api.post(f"/api/v1/changes/{change.id}/withdraw", {})
    assert MACHINE.terminal(ChangeState.WITHDRAWN)
    async with asyncio.timeout(SOON):
        assert (await ask(api, change.id, "?wait=60")).json()["state"] == "withdrawn"


async def test_another_agents_change_is_not_waited_for(api: Api) -> None:
    change = await api.held()
    async with asyncio.timeout(SOON):
        theirs = await ask(api, change.id, "?wait=60", agent="other")
        none = await ask(api, "CHG-00000000", "?wait=60", agent="other")
    assert theirs.status_code == 404
    assert theirs.content == none.content


@contextlib.asynccontextmanager
async def replica(api: Api) -> AsyncIterator[Runtime]:
    """Another gateway on the same store, of which the first one hears nothing."""
    store = await asyncio.to_thread(open_configured, api.runtime.config)
    connector = Reachable({"shop": api.toy})
    yield Runtime(api.runtime.config, store, "gw-2", find=lambda name: connector)
    await store.close()


async def test_a_move_at_another_replica_is_heard(api: Api) -> None:
    change = await api.held()
    async with replica(api) as other, waiting(api, change.id, many=3) as polls:
        await other.changes.withdraw(change.id, "no need", by="uid/0")
        for poll in polls:
            assert (await answered(poll)).json()["state"] == "withdrawn"


async def test_many_who_wait_are_one_look_at_the_store(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    change = await api.held()
    watch, states = api.runtime.core.watch, api.runtime.core.watch._states
    looks: list[tuple[str, ...]] = []
    twice = asyncio.Event()

    async def counted(ids: tuple[str, ...]) -> dict[str, ChangeState | None]:
        looks.append(ids)
        if len(looks) == 2:
            twice.set()
        return await states(ids)

    monkeypatch.setattr(watch, "_states", counted)
    async with waiting(api, change.id, many=EACH), asyncio.timeout(SOON):
        await twice.wait()
    assert set(looks) == {(change.id,)}
    tasks = [t for t in asyncio.all_tasks() if t.get_name() == "watch"]
    assert len(tasks) <= 1


async def test_an_agent_has_a_bounded_number(api: Api) -> None:
    change = await api.held()
    theirs = await api.send([["delete_like", "row/02"]], agent="other")
    assert theirs.change is not None
    async with waiting(api, change.id, many=EACH) as polls:
        over = await ask(api, change.id, "?wait=60")
        assert (over.status_code, over.json()["code"], over.json()["retry"]) == (429, "too_many", True)
        assert over.headers["retry-after"] == "1"
        # What does not wait is answered, and another agent has places of its own.
        assert (await ask(api, change.id, "")).status_code == 200
        assert (await ask(api, theirs.change.id, "?wait=1", agent="other")).status_code == 200
        await api.post(f"/api/v1/changes/{change.id}/withdraw", {})
        assert {(await answered(poll)).status_code for poll in polls} == {200}
    # The places are free again.
    again = await api.held()
    async with waiting(api, again.id, many=EACH) as polls:
        await api.post(f"/api/v1/changes/{again.id}/withdraw", {})
        assert {(await answered(poll)).status_code for poll in polls} == {200}


@pytest.mark.parametrize("what", ["disable", "rotate"])
async def test_an_agent_that_ends_meanwhile_hears_nothing(api: Api, what: str) -> None:
    change = await api.held()
    async with waiting(api, change.id) as (poll,):
        await api.post(f"/api/v1/agents/fixer/{what}", {})
        await api.post(f"/api/v1/changes/{change.id}/withdraw", {})
        response = await answered(poll)
    assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")


async def test_a_store_that_is_lost_is_said(api: Api) -> None:
    change = await api.held()
    async with waiting(api, change.id) as (poll,):
        await api.runtime.store.close()
        response = await answered(poll)
    assert (response.status_code, response.json()["retry"]) == (503, True)


async def test_a_watch_without_a_store_raises(api: Api) -> None:
    change = await api.held()
    await api.runtime.store.close()
    with pytest.raises(Unavailable):
        await api.runtime.core.watch.wait(change.id, timedelta(seconds=60))


# -- over real connections


async def begin(served: Served, change: Change) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await served.connect()
    token = served.tokens["fixer"]
    writer.write(
        f"GET /changes/{change.id}?wait=60 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )
    return reader, writer


async def test_who_goes_away_gives_the_place_back(served: Served) -> None:
    change = await served.held()
    clients = [await begin(served, change) for _ in range(EACH)]
    await waiting_at_last(served, change.id, EACH)
    for _, writer in clients:
        writer.transport.abort()
    await waiting_at_last(served, change.id, 0)
    assert (await ask(served, change.id, "?wait=1")).status_code == 200


async def test_a_shutdown_answers_all_who_wait(served: Served) -> None:
    change = await served.held()
    clients = [await begin(served, change) for _ in range(2)]
    await waiting_at_last(served, change.id, 2)
    assert served.server is not None
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await served.server.__aexit__()
    assert loop.time() - begun < SOON
    for reader, writer in clients:
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        assert json.loads(body)["state"] == "held"
        writer.close()
