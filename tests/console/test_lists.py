"""Lists in the console: what is searched and how far, what a page asks the store, and how open pages are told."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from tests.console.conftest import MANY, ORIGIN, Api, enrolled, logged_in

from interlock.console.access import COOKIE
from interlock.console.web import events
from interlock.model.errors import Unavailable
from interlock.model.people import TicketKind
from interlock.runtime.stores.rows import listing

pytestmark = pytest.mark.anyio


async def page(api: Api, headers: dict[str, str], path: str, **query: str) -> httpx.Response:
    return await api.tcp.get(f"{ORIGIN}/console/{path}", params=query, headers=headers)


async def visitor(api: Api) -> dict[str, str]:
    return await logged_in(api, await enrolled(api, "dora", "sre"))


async def test_an_id_leads_to_its_change_however_it_is_typed(api: Api) -> None:
    change, headers = await api.held(), await visitor(api)
    short = change.id.removeprefix("CHG-")
    for typed in (change.id, change.id.lower(), short, short.lower(), f"  {short.lower()} "):
        answer = await page(api, headers, "changes", q=typed)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/console/changes/{change.id}")
    assert (await page(api, headers, "changes", q="CHG-00000000")).status_code == 200, (
        "there is no such change"
    )
    assert (await page(api, headers, "changes", q=short, agent="other")).status_code == 200, (
        "filters are meant"
    )


async def test_a_search_says_how_far_it_looked_and_goes_on(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "STRETCHES", (1, 1))
    headers = await visitor(api)
    held = await api.held()
    for n in range(3):
        await api.send([["put", "row/0000", f"value {n}"]])
    answer = await page(api, headers, "changes", q="delete_like")
    assert held.id not in answer.text
    assert "No change fits so far." in answer.text
    assert "Searched back to <time" in answer.text
    address = answer.text.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert "q=delete_like" in address
    assert held.id in (await api.tcp.get(f"{ORIGIN}{address}", headers=headers)).text
    whole = await page(api, headers, "changes", q="nothing-has-this", state="denied")
    assert "No change fits." in whole.text
    assert "Searched back" not in whole.text


@pytest.mark.parametrize("typed", ["operations", "measurement", '"state"'])
async def test_a_search_does_not_see_the_form_of_records(api: Api, typed: str) -> None:
    await api.held()
    assert "No change fits." in (await page(api, await visitor(api), "changes", q=typed)).text


async def test_the_api_pages_through_a_bounded_look(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "STRETCHES", (1, 1))
    held = await api.held()
    for n in range(3):
        await api.send([["put", "row/0000", f"value {n}"]])
    query = {"state": "held", "environment": "production", "target": "shop", "agent": "fixer"}
    found, before = [], ""
    while True:
        answer = await api.get("/api/v1/changes", **query, before=before)
        found += [change["id"] for change in answer["changes"]]
        if not (before := answer.get("next", "")):
            break
    assert found == [held.id]


@pytest.mark.parametrize("path", ["", "changes", "changes?q=orders&state=held", "proposals"])
async def test_a_page_asks_the_store_twice(api: Api, path: str) -> None:
    """Who comes, and everything on the page: one consistent view."""
    headers = await visitor(api)
    reads: list[str] = []
    api.runtime.store.on_done = lambda kind, seconds: reads.append(kind)
    assert (await page(api, headers, path)).status_code == 200
    assert reads == ["read", "read"]


async def test_waiting_changes_that_look_alike_are_shown_together(api: Api) -> None:
    """With their number; each is opened and signed by itself."""
    headers = await visitor(api)
    alike = [(await api.send([["delete_like", f"row/0{n}"]])).change for n in (0, 1)]
    other = (await api.send([["delete_like", "row/02"]], agent="other")).change
    last = (await api.send([*MANY, ["put", "row/0299", "x"]])).change
    assert other is not None
    assert last is not None
    for path in ("", "changes?state=held"):
        table = (await page(api, headers, path)).text.partition("<table")[2].partition("</table>")[0]
        groups = re.findall(r'<tbody class="alike">(.*?)</tbody>', table, re.DOTALL)
        assert len(groups) == 1, path
        assert "2 that look alike." in groups[0]
        ids = re.findall(r'href="/console/changes/(CHG-\w+)"', groups[0])
        assert ids == [c.id for c in reversed(alike) if c is not None]
        assert groups[0].count("100 of 300 rows deleted") == 2, "each with what it would do"
        assert table.count("/console/changes/CHG-") == 4
    first = alike[0]
    assert first is not None
    await api.runtime.changes.withdraw(first.id, "no", by="uid/0")
    assert 'class="alike"' not in (await page(api, headers, "changes")).text, (
        "what waits no more stands alone"
    )


async def test_the_overview_counts_today(api: Api) -> None:
    headers = await visitor(api)
    await api.held()
    for n in range(2):
        await api.send([["put", "row/0000", f"value {n}"]])
    text = (await page(api, headers, "")).text
    assert "<dt>changes</dt><dd>3</dd>" in text
    assert "3 changes since" in text, "the chart has the same numbers"


# -- open pages


class Page:
    """An open page: what it has heard."""

    def __init__(self, app: Any, headers: dict[str, str]) -> None:
        self._app, self._headers = app, headers
        self.heard, self.new, self.closed = "", asyncio.Event(), False

    async def run(self) -> None:
        asked = False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if asked:
                await asyncio.Event().wait()
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            self.heard += message.get("body", b"").decode()
            self.new.set()

        pairs = [(name.encode(), value.encode()) for name, value in self._headers.items()]
        scope = {
            "type": "http", "method": "GET", "path": "/console/events", "raw_path": b"/console/events", "query_string": b"",
            "root_path": "", "headers": [(b"host", b"localhost:8470"), *pairs], "scheme": "http",
        }  # fmt: skip
        try:
            await self._app(scope, receive, send)
        finally:
            self.closed = True
            self.new.set()

    async def until(self, fits: Callable[["Page"], bool]) -> None:
        async with asyncio.timeout(30):
            while not fits(self):
                self.new.clear()
                await self.new.wait()


@asynccontextmanager
async def opened(api: Api, headers: dict[str, str], number: int) -> AsyncIterator[list[Page]]:
    app = api.tcp._transport.app  # type: ignore[attr-defined]
    pages = [Page(app, headers) for _ in range(number)]
    tasks = [asyncio.create_task(page.run()) for page in pages]
    try:
        await asyncio.gather(*(page.until(lambda p: "event: moved" in p.heard) for page in pages))
        yield pages
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def lookers() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if task.get_name() == "console-events"]


async def all_hear(pages: list[Page], word: str) -> None:
    await asyncio.gather(*(page.until(lambda p: word in p.heard) for page in pages))


async def test_one_look_serves_all_open_pages(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOOK", 0.01)
    headers = await visitor(api)
    async with opened(api, headers, events.EACH) as pages:
        (looker,) = lookers()
        before = await api.runtime.store.read(lambda tx: tx.ledger_size())
        await api.applied()
        await asyncio.gather(*(page.until(lambda p: _size(p) > before) for page in pages))
        assert lookers() == [looker]
    await asyncio.gather(looker, return_exceptions=True)
    assert lookers() == [], "nobody looks when no page is open"


def _size(page: Page) -> int:
    return int(page.heard.rpartition("data: ")[2].strip() or 0)


async def test_a_logout_ends_open_pages_at_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by the next look: there is none."""
    headers = await visitor(api)
    monkeypatch.setattr(events, "LOOK", 3600)
    async with opened(api, headers, 2) as pages:
        await api.runtime.entrance.end_all("dora")
        await all_hear(pages, "event: over")
        await asyncio.gather(*(page.until(lambda p: p.closed) for page in pages))


async def _dropped(api: Api) -> None:
    def work(tx: Any) -> None:
        for ticket in tx.tickets(TicketKind.SESSION, "dora"):
            tx.drop_ticket(ticket.digest)

    await api.runtime.store.transact(work)


async def _disabled(api: Api) -> None:
    await api.runtime.people.disable("dora", by="uid/0")


@pytest.mark.parametrize("end", [_dropped, _disabled])
async def test_a_session_that_ends_elsewhere_ends_its_pages_and_no_others(
    api: Api, monkeypatch: pytest.MonkeyPatch, end: Callable[[Api], Awaitable[None]]
) -> None:
    monkeypatch.setattr(events, "LOOK", 0.01)
    monkeypatch.setattr(events, "SESSIONS", 0.0)
    headers = await visitor(api)
    other = await logged_in(api, await enrolled(api, "emil", "sre"))
    async with opened(api, headers, 1) as pages, opened(api, other, 1) as others:
        await end(api)
        await all_hear(pages, "event: over")
        before = _size(others[0])
        await api.applied()
        await others[0].until(lambda p: _size(p) > before)
        assert "event: over" not in others[0].heard


async def test_when_the_store_is_lost_streams_end_and_browsers_come_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "LOOK", 0.01)
    headers = await visitor(api)
    with monkeypatch.context() as patch:
        async with opened(api, headers, 2) as pages:

            async def lost(work: object) -> None:
                raise Unavailable("the store does not answer")

            patch.setattr(api.runtime.store, "read", lost)
            await asyncio.gather(*(page.until(lambda p: p.closed) for page in pages))
            assert all("event: over" not in page.heard for page in pages)
    async with opened(api, headers, 2) as pages:
        assert len(lookers()) == 1


async def test_nobody_opens_too_many(api: Api) -> None:
    headers = await visitor(api)
    async with opened(api, headers, events.EACH):
        more = await page(api, headers, "events")
        assert more.status_code == 503
    assert (await page(api, {"cookie": f"{COOKIE}=no"}, "events")).status_code == 401
