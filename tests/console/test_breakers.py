"""Breakers in the console and by the API: what is stopped and why, what was spent, what led to a trip, and the way back."""

import asyncio
import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from tests.console.conftest import CONFIG, FEW, Api, bearer
from tests.console.visitors import Visitor, main_of, visitor

from interlock.control import breaker, budget
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.budget import Amounts, Spending
from interlock.model.change import ChangeFilter
from interlock.model.signal import Mark, Signal, Trip
from interlock.pipeline.recorded import trips
from interlock.sdk.connector import Refused
from interlock.sdk.ports import Tx
from interlock.testing.signing import public_key_of
from interlock.testing.stores.signals import behaved_well
from interlock.testing.toy import Statement, work_of

pytestmark = pytest.mark.anyio

FOUNDERS = {"admins": [{"name": n, "public_key": public_key_of(n)} for n in ("adm", "cleo")]}
PAGE, ONE = "/console/breakers", "/console/breakers/one"
HOSTILE = 'group/shop/a/b?c&d=e#f%2F"><script>alert(1)</script>\u202egnp.evil'
"""What a schema may be called."""


def trip_of(tx: Tx, scope: str, signal: Signal = Signal.DESTRUCTIVE, *, agent: str = "fixer") -> Trip:
    now = tx.now()
    steps = (
        Mark(now - timedelta(seconds=45), "delete table <b>public.orders</b>", "S-1", "CHG-00000001"),
        Mark(now - timedelta(seconds=30), "delete table public.notes", "S-2", "CHG-00000002"),
        Mark(now, "delete schema \u202eevil", "S-1"),
    )
    words = "3 destructive operations in a minute, and 2 may be"
    return Trip(now, scope, signal, agent, "S-1", "production", "shop", words, steps)


async def tripped(api: Api, scope: str, signal: Signal = Signal.DESTRUCTIVE, agent: str = "fixer") -> Trip:
    """It opened by itself."""
    opened = await api.runtime.store.transact(
        lambda tx: trips.open_by_itself(tx, trip_of(tx, scope, signal, agent=agent), (agent,), None)
    )
    assert opened is not None
    return opened


async def state(api: Api, scope: str) -> BreakerState:
    row = await api.runtime.store.read(lambda tx: tx.breaker(scope))
    assert row is not None
    return row.state


def one(scope: str) -> str:
    return f"{ONE}?scope={quote(scope, safe='')}"


# ---- The list


async def test_those_that_refuse_come_first_with_why_and_whose(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    assert "Nothing: every breaker is closed." in main_of(await dora.read(PAGE))
    await tripped(api, "agent/fixer")
    await api.runtime.switches.open("agent/other", "odd <i>work</i>", by="person/ann")
    await api.runtime.switches.reset("agent/other", "seen", by="person/bob")
    await api.runtime.switches.freeze("staging", "the fair", by="person/ann")
    page = await dora.read(PAGE)
    main = main_of(page)
    head = main.partition("Budgets")[0]
    assert head.index("agent/fixer") < head.index("environment/staging") < head.index("agent/other")
    assert "agent/fixer open too many destructive operations 3 destructive operations in a minute" in head
    assert "work of fixer" in head
    assert "by interlock" in head
    assert "frozen the fair" in head
    assert "probation seen 0 of 20 clean" in head
    assert "by bob" in head
    heads = ["Everything", "Environments", "Targets", "Agents"]
    assert [h for h in heads if f'colspan="4">{h}</th>' in page] == heads
    assert "fixer" in page.partition('<h2 id="trips">')[2].partition("</section>")[0]
    assert "style=" not in page


async def test_what_is_closed_and_passing_is_not_listed(api: Api) -> None:
    def work(tx: Tx) -> None:
        for scope in ("session/over", "change/CHG-1", "group/shop/main"):
            tx.put_breaker(Breaker(scope))
        for n in range(130):
            tx.put_breaker(Breaker(f"group/shop/g{n:03d}"))
        tx.put_breaker(Breaker("session/odd", BreakerState.OPEN, reason="odd"))

    await api.runtime.store.transact(work)
    main = main_of(await (await visitor(api, "dora", "sre")).read(PAGE))
    assert "session/odd" in main
    assert "session/over" not in main
    assert "CHG-1" not in main
    assert "group/shop/g100" not in main
    assert "group/shop/g099" in main
    assert "And 31 more." in main


async def test_a_change_whose_approval_was_gone_beyond_is_linked(api: Api) -> None:
    await tripped(api, "change/CHG-00000001", Signal.BEYOND_APPROVED)
    dora = await visitor(api, "dora", "sre")
    assert "change/CHG-00000001" in main_of(await dora.read(PAGE))
    assert 'href="/console/changes/CHG-00000001"' in await dora.read(one("change/CHG-00000001"))


BUDGETS = CONFIG + "budgets: {window: 1h, agent: {rows_updated: 4}, owner: {rows_updated: 0}}\n"


@pytest.mark.parametrize("api", [BUDGETS], indirect=True)
async def test_budgets_are_bars_with_numbers_the_fullest_first(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    assert "Nothing was spent in the last hour." in main_of(await dora.read(PAGE))

    def spend(tx: Tx) -> None:
        at = budget.slice_of(tx.now(), timedelta(hours=1))
        tx.spend(
            [
                Spending("agent/fixer", "shop", Amounts(rows_updated=3)),
                Spending("owner/olga", "shop", Amounts(rows_updated=1)),
                Spending("table/table public.<b>x</b>", "shop", Amounts(rows_deleted=50, rows_created=7)),
            ],
            at,
            at,
        )

    await api.runtime.store.transact(spend)
    page = await dora.read(PAGE)
    main = main_of(page).partition("Budgets")[2]
    assert (
        main.index("all agents of olga")
        < main.index("agent fixer")
        < main.index("all agents in table public")
    )
    assert "rows updated 1 of 0" in main
    assert "rows updated 3 of 4" in main
    assert "rows deleted 50 of 200" in main
    assert "rows created 7 of 2,000,000" in main
    assert '<rect class="bar-good" width="75" height="8"/>' in page
    assert '<rect class="bar-bad" width="100" height="8"/>' in page
    assert "public.&lt;b&gt;x&lt;/b&gt;" in page
    own = main_of(await dora.read(one("agent/fixer")))
    assert "Spent in the last hour" in own
    assert "rows updated 3 of 4" in own
    assert "all agents of olga" in own
    assert "public." not in own, "of others"


@pytest.mark.parametrize("api", [BUDGETS.replace("owner: {rows_updated: 0}", "")], indirect=True)
async def test_on_probation_a_tenth_is_the_limit(api: Api) -> None:
    await api.send(FEW)
    await api.runtime.switches.open("agent/fixer", "odd", by="uid/0")
    await api.runtime.switches.reset("agent/fixer", "seen", by="uid/0")
    dora = await visitor(api, "dora", "sre")
    assert "rows updated 1 of 0" in main_of(await dora.read(one("agent/fixer")))
    answer = await api.get("/api/v1/breaker", scope="agent/fixer")
    (mine,) = [use for use in answer["budgets"] if use["scope"] == "agent/fixer"]
    assert (mine["spent"]["rows_updated"], mine["limit"]["rows_updated"]) == (1, 0)
    assert answer["window"] == 3600


LIMITS = """breakers:
  groups_written_ten_minutes: 9
  quorum: two-sre
  environments: {staging: {failures: 7, errors: off, guard: off}}
  agents: {fixer: {destructive_minute: 30}, other: off}
"""


@pytest.mark.parametrize("api", [CONFIG.replace('breakers: "off"\n', LIMITS)], indirect=True)
async def test_thresholds_stand_there_in_words(api: Api) -> None:
    main = main_of(await (await visitor(api, "dora", "sre")).read(PAGE)).partition("From where on")[2]
    production, _, staging = main.partition(" staging ")
    assert (
        "production In work that nobody approved; about what is the first of its kind two-sre is asked"
        in production
    )
    assert "more than 3 destructive operations in a minute the session stops" in production
    assert "writes in more than 9 groups in ten minutes the agent stops" in production
    share = "more than 30 % of a group gone within a day, of a group of 10 or more the agent stops; no approval lifts that"
    assert share in production
    assert (
        "fixer is judged in another way in production: more than 30 destructive operations in a minute"
        in production
    )
    assert "other is judged in another way in production: no signal counts for it." in production
    assert "the same failing 7 times in a row the session stops" in staging
    assert "… % of the last changes failing (of the last 10) nothing (off)" in staging
    assert "own records unapproved nothing (off)" in staging


async def test_signals_that_are_off_are_said_to_be(api: Api) -> None:
    main = main_of(await (await visitor(api, "dora", "sre")).read(PAGE))
    assert "Never: signals are off in the configuration" in main


RELAXED = CONFIG.replace('breakers: "off"\n', "")


@pytest.mark.parametrize("api", [RELAXED], indirect=True)
async def test_where_nothing_trips_says_so(api: Api) -> None:
    main = main_of(await (await visitor(api, "dora", "sre")).read(PAGE))
    assert "staging No breaker opens by itself there." in main


async def test_the_list_and_a_breaker_are_each_one_view_of_the_store(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes, and everything on the page. Chores read as well meanwhile: they are tasks of their own."""
    dora = await visitor(api, "dora", "sre")
    await tripped(api, "agent/fixer")
    me, read, reads = asyncio.current_task(), api.runtime.store.read, 0

    async def counted(work: Any) -> Any:
        nonlocal reads
        reads += asyncio.current_task() is me
        return await read(work)

    monkeypatch.setattr(api.runtime.store, "read", counted)
    for path in (PAGE, one("agent/fixer")):
        reads = 0
        await dora.read(path)
        assert reads == 2, path


# ---- One breaker


async def test_a_breaker_without_a_name_is_the_list(api: Api) -> None:
    answer = await (await visitor(api, "dora", "sre")).get(ONE)
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)


async def test_the_operations_before_a_trip_are_drawn_and_listed(api: Api) -> None:
    await tripped(api, "agent/fixer")
    page = await (await visitor(api, "dora", "sre")).read(one("agent/fixer"))
    main = main_of(page)
    assert "too many destructive operations" in main
    assert "The work of fixer on shop (production), session S-1 ." in main
    rows = main.partition("When 45 s")[2] or main.partition("Session When")[2]
    assert re.search(
        r"delete table .*public\.orders.*CHG-00000001.*S-1.*30 s delete table public\.notes", rows
    )
    assert "none came of it" in rows
    assert 'href="/console/changes/CHG-00000002"' in page
    drawing = page.partition('<svg class="way"')[2].partition("</svg>")[0]
    assert drawing.count('<line class="step"') == 3
    assert drawing.count('<line class="opened"') == 1
    assert 'aria-label="3 operations within 45 s, then the breaker opened at ' in drawing
    assert 'viewBox="0 0 960 52"' in drawing, "two sessions, two lanes"
    places = [float(x) for x in re.findall(r'class="step" x1="([\d.]+)"', drawing)]
    assert places == [12.0, 318.0, 930.0]
    assert "<b>public" not in page
    assert "\u202e" not in page
    assert "U+202E" in main


async def test_a_hostile_name_is_shown_and_nothing_else(api: Api) -> None:
    await tripped(api, HOSTILE, Signal.GROUP_SHARE)
    dora = await visitor(api, "dora", "sre")
    page = await dora.read(PAGE)
    link = page.partition('class="scope"><a href="')[2].partition('"')[0].replace("&amp;", "&")
    assert link == one(HOSTILE)
    shown = await dora.read(link)
    for text in (page, shown):
        assert "<script>alert" not in text
        # But for what the forms send, exact as it must be.
        assert "\u202e" not in re.sub(r'<input type="hidden"[^>]*>', "", text)
    assert "too large a part of a group would be gone" in main_of(shown)
    answer = await dora.post("/console/breakers/reset", scope=HOSTILE, reason="it was I who asked")
    assert (answer.status_code, answer.headers["location"]) == (303, link)
    assert await state(api, HOSTILE) is BreakerState.PROBATION


async def test_what_is_not_there_is_not_found(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    for scope in ("agent/nobody", "global/", "../../etc", HOSTILE, "session/over"):
        assert (await dora.get(one(scope))).status_code == 404, scope
        answer = await dora.post("/console/breakers/open", scope=scope, reason="odd")
        assert answer.status_code == 404, scope


async def test_a_session_that_is_over_keeps_its_trips(api: Api) -> None:
    def work(tx: Tx) -> None:
        tx.put_breaker(Breaker("session/S-1"))
        assert trips.open_by_itself(tx, trip_of(tx, "session/S-1"), ("fixer",), None) is not None
        tx.drop_breaker("session/S-1")

    await api.runtime.store.transact(work)
    main = main_of(await (await visitor(api, "dora", "sre")).read(one("session/S-1")))
    assert "session/S-1 over" in main
    assert "its session has ended" in main
    assert "3 destructive operations in a minute" in main


# ---- The way back


async def test_people_put_it_back_step_by_step_and_say_why(api: Api) -> None:
    await tripped(api, "agent/fixer")
    dora = await visitor(api, "dora", "sre")
    for reason in ("", "   ", "x" * 501):
        answer = await dora.post("/console/breakers/reset", scope="agent/fixer", reason=reason)
        assert answer.status_code == 422
        assert "a reset needs a reason" in main_of(answer.text)
        assert (
            await dora.post("/console/breakers/open", scope="agent/other", reason=reason)
        ).status_code == 422
    page = main_of(await dora.read(one("agent/fixer")))
    assert "Let small changes pass again" in page
    assert "put back by a person who owns none of the agents that it is about (not by olga)" in page
    answer = await dora.post("/console/breakers/reset", scope="agent/fixer", reason="the job was mine")
    assert answer.headers["location"] == one("agent/fixer")
    page = main_of(await dora.read(one("agent/fixer")))
    assert "by dora" in page
    assert "the job was mine" in page
    assert "0 of 20 clean" in page
    assert "It can be closed when 20 changes have ended well." in page
    assert "Let changes pass again" not in page
    assert (await dora.post("/console/breakers/reset", scope="agent/fixer", reason="now")).status_code == 422
    await api.runtime.store.transact(lambda tx: behaved_well(tx, "agent/fixer"))
    assert "20 of 20 clean" in main_of(await dora.read(one("agent/fixer")))
    await dora.post("/console/breakers/reset", scope="agent/fixer", reason="it behaves")
    assert await state(api, "agent/fixer") is BreakerState.CLOSED
    await dora.post("/console/breakers/open", scope="agent/fixer", reason="odd again")
    assert await state(api, "agent/fixer") is BreakerState.OPEN
    entries = await api.runtime.store.newest_entries(10**6, kind="breaker", limit=4, within=10**6)
    assert [b'"by":"session/dora"' in data for _, data in entries] == [True, True, True, False]


async def test_its_owner_does_not_put_it_back(api: Api) -> None:
    olga = Visitor(api, (await visitor(api, "olive", "sre")).headers)
    await api.runtime.agents.give_to("fixer", "olive", by="uid/0")
    for scope in ("agent/fixer", "environment/production"):
        await tripped(api, scope)
        page = await olga.read(one(scope))
        assert "You answer for what stopped there" in page
        assert 'action="/console/breakers/reset"' not in page
        answer = await olga.post("/console/breakers/reset", scope=scope, reason="all is well")
        assert answer.status_code == 422
        assert "olive owns fixer: someone else must reset" in main_of(answer.text)
        assert await state(api, scope) is BreakerState.OPEN
    await api.runtime.store.transact(lambda tx: tx.put_breaker(Breaker("session/S-1")))
    await tripped(api, "session/S-1")
    await olga.post("/console/breakers/reset", scope="session/S-1", reason="my own session")
    assert await state(api, "session/S-1") is BreakerState.PROBATION


async def test_in_governed_mode_a_reset_is_a_proposal(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    await tripped(api, "environment/production")
    await api.post("/api/v1/govern", FOUNDERS)
    answer = await dora.post("/console/breakers/reset", scope="environment/production", reason="over")
    assert answer.status_code == 303, main_of(answer.text)
    assert re.fullmatch(r"/console/proposals/CHG-\w+", answer.headers["location"])
    assert "reset breaker" in main_of(await dora.read(answer.headers["location"]))
    assert await state(api, "environment/production") is BreakerState.OPEN
    page = main_of(await dora.read(one("environment/production")))
    assert "put back by admins, to whom it is proposed, who own none of the agents that it is about" in page
    told = await api.get("/api/v1/breaker", scope="environment/production")
    assert told["closed_by"].startswith("admins, ")
    for scope in ("agent/fixer", "environment/production/agent/fixer", "change/CHG-00000001"):
        await tripped(api, scope)
        assert "put back by a person who owns none" in main_of(await dora.read(one(scope)))
        answer = await dora.post("/console/breakers/reset", scope=scope, reason="looked")
        assert answer.headers["location"] == one(scope), "one person suffices at a browser as well"
        assert await state(api, scope) is BreakerState.PROBATION
    await dora.post("/console/breakers/open", scope="target/shop", reason="to be sure")
    assert await state(api, "target/shop") is BreakerState.OPEN, "tightening needs one person"


# ---- The API


async def test_the_api_says_what_opened_by_itself_and_why(api: Api) -> None:
    first = await tripped(api, "agent/fixer")
    await api.runtime.store.transact(lambda tx: tx.put_breaker(Breaker("session/S-1")))
    await tripped(api, "session/S-1", Signal.ERRORS, "other")
    rows = {row["scope"]: row for row in (await api.get("/api/v1/breakers"))["breakers"]}
    assert rows["agent/fixer"]["signal"] == "destructive"
    assert rows["agent/fixer"]["agents"] == ["fixer"]
    every = (await api.get("/api/v1/breakers/trips"))["trips"]
    assert [t["scope"] for t in every] == ["session/S-1", "agent/fixer"]
    assert [s["change"] for s in every[1]["steps"] if "change" in s] == ["CHG-00000001", "CHG-00000002"]
    after = (first.at + timedelta(milliseconds=1)).isoformat()
    for query, found in (
        ({"scope": "agent/fixer"}, ["agent/fixer"]),
        ({"environment": "production", "limit": 1}, ["session/S-1"]),
        ({"environment": "staging"}, []),
        ({"since": after, "scope": "agent/fixer"}, []),
        ({"since": first.at.isoformat(), "scope": "agent/fixer"}, ["agent/fixer"]),
    ):
        asked = await api.get("/api/v1/breakers/trips", **query)
        assert [t["scope"] for t in asked["trips"]] == found, query
    detail = await api.get("/api/v1/breaker", scope="agent/fixer")
    assert detail["breaker"]["state"] == "open"
    assert detail["trips"][0]["words"] == first.words
    assert detail["owners"] == ["olga"]


async def test_the_api_takes_no_reset_without_a_reason(api: Api) -> None:
    await tripped(api, "agent/fixer")
    for body in ({}, {"reason": " "}):
        asked = {"scope": "agent/fixer", "move": "reset", **body}
        answer = await api.post("/api/v1/breakers", asked, 422)
        assert "a reset needs a reason" in answer["detail"]
    mine = await api.signed(
        "POST", "/api/v1/breakers", {"scope": "agent/fixer", "move": "reset", "reason": "x"}, person="olga"
    )
    assert mine.status_code == 422
    assert "olga owns fixer" in mine.json()["detail"]
    assert await state(api, "agent/fixer") is BreakerState.OPEN


async def test_agents_learn_nothing_of_breakers_there(api: Api) -> None:
    await tripped(api, "agent/fixer")
    for path in ("/api/v1/breakers", "/api/v1/breakers/trips", "/api/v1/breaker?scope=agent/fixer"):
        answer = await api.tcp.get(path, headers=bearer(api.tokens["fixer"]))
        assert answer.status_code == 404
        assert "fixer" not in answer.text


# ---- All together


@pytest.mark.parametrize(
    "api", [CONFIG.replace('breakers: "off"', "breakers: {destructive_minute: 1}")], indirect=True
)
async def test_a_flood_is_stopped_and_its_way_is_on_the_page(api: Api) -> None:
    """An agent's session that destroys again and again: what it did is on the page of its breaker."""
    gate, live = api.runtime.targets["shop"].gate, api.runtime.core.lives["shop"]
    await api.runtime.core.directory.refresh()
    known = gate.credential("fixer")
    assert known is not None
    principal = await gate.enter(known[0], lambda why: None)
    for rows in ("row/01", "row/02"):
        many: list[Statement] = [["delete_like", rows]]
        await gate.admit(work_of(principal, many, "tidy up"), live.unit(many))  # type: ignore[attr-defined]
    answer = await gate.admit(work_of(principal, FEW, "tidy up"), live.unit(FEW))  # type: ignore[attr-defined]
    assert isinstance(answer, Refused)
    assert answer.code == "breaker"
    scope = breaker.session(principal.session)
    assert answer.why == (
        f"changes are stopped for {scope}: 2 destructive operations in a minute, and 1 may be"
    )
    assert answer.next.startswith("Stop writing: trying again does not help until it is put back by a person")
    assert answer.see == f"http://127.0.0.1:8470/console/breakers/one?scope=session%2F{principal.session}"
    assert await state(api, scope) is BreakerState.OPEN
    dora = await visitor(api, "dora", "sre")
    assert scope in main_of(await dora.read(PAGE))
    page = await dora.read(one(scope))
    assert page.count('<line class="step"') == 2
    held = await api.runtime.store.read(lambda tx: tx.changes(ChangeFilter()))
    assert [f"/console/changes/{change.id}" in page for change in held] == [True, True]
    metrics = (await api.tcp.get("/metrics")).text
    assert 'interlock_breaker_trips_total{signal="destructive"} 1.0' in metrics
    assert 'interlock_breaker_trips_total{signal="guard"} 0.0' in metrics
    assert 'interlock_breakers_open{kind="session"} 1.0' in metrics
    assert 'interlock_breakers_open{kind="agent"} 0.0' in metrics
    assert "interlock_breakers_refusing 1.0" in metrics
    assert "fixer" not in metrics
    told = await dora.read(f"/console/changes/{held[0].id}")
    assert f"opened {scope}: too many destructive operations" in main_of(told)
    assert f'href="/console/breakers/one?scope={scope}"' in told
    steps = (await api.get(f"/api/v1/changes/{held[1].id}/timeline"))["steps"]
    assert [step["scope"] for step in steps if step["kind"] == "breaker"] == [scope]
    listed = main_of(await dora.read("/console/ledger?kind=breaker"))
    assert "signal too many destructive operations" in listed
    number = next(step["index"] for step in steps if step["kind"] == "breaker")
    entry = await dora.read(f"/console/ledger/{number}")
    assert "opened by itself too many destructive operations" in main_of(entry)
    assert all(f'href="/console/changes/{change.id}"' in entry for change in held)


@pytest.mark.parametrize("how", ["open", "frozen", "both", "probation"])
async def test_a_refused_agent_is_told_who_ends_it(api: Api, how: str) -> None:
    switches, scope = api.runtime.switches, "environment/production"
    if how in ("open", "both", "probation"):
        await switches.open(scope, "smoke", by="uid/0")
    if how in ("frozen", "both"):
        await switches.freeze("production", "the fair", by="uid/0")
    if how == "probation":
        await switches.reset(scope, "seen", by="uid/0")
    answer = await api.send([["delete_like", "row/0001"]] if how == "probation" else FEW)
    assert isinstance(answer, Refused)
    assert (answer.code, answer.retry) == ("breaker", False)
    expected = {
        "open": "until it is put back by a person who owns none of the agents",
        "frozen": "until people have ended the freeze",
        "both": "until it is put back by",
        "probation": "until it is put back by",
    }
    assert expected[how] in answer.next
    assert answer.see == f"http://127.0.0.1:8470/console/breakers/one?scope={quote(scope, safe='')}"
    assert scope in answer.why
    way = "interlock thaw production" if how == "frozen" else f"interlock breaker reset {scope}"
    assert f": {way} --reason TEXT" in answer.people
    assert {"frozen": "frozen", "open": "smoke", "both": "stopped", "probation": "on probation"}[
        how
    ] in answer.why
