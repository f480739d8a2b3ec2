"""What the console's pages show, and what their forms do."""

import html
import re
from datetime import timedelta

import msgspec
import pytest
from tests.console.conftest import CONFIG, MANY, Api, bearer, enrol, enrolled, logged_in
from tests.console.visitors import Visitor, main_of, visitor
from tests.runtime.health.health_kit import run_check_in

from interlock.console.web import words
from interlock.control.breaker import agent_in
from interlock.control.deciding import shown
from interlock.model.change import ChangeState
from interlock.model.operation import Action
from interlock.model.people import Grant
from interlock.runtime.service.deciding import simulation
from interlock.sdk.connector import Finding
from interlock.testing.passkey import SoftPasskey
from interlock.testing.signing import public_key_of

pytestmark = pytest.mark.anyio

_CHECK = "health: [{http: 'http://127.0.0.1:9/', name: web, every: 1h, watch: 8h}]"
CHECKED = CONFIG.replace("environment: production}", f"environment: production, {_CHECK}}}")
"""With a check that nobody answers."""
DROPPED = """@id("nothing-is-deleted") @description("No.") forbid (principal, action == Action::"delete", resource);"""


# ---- Overview


async def test_the_overview_names_active_agents_and_colours(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    assert "None." in main_of(await dora.read("/console/"))
    await api.applied()
    page = main_of(await dora.read("/console/"))
    assert "fixer 1 change, the last" in page
    assert "other" not in page.partition("Agents active")[2]
    assert "refused, denied, failed, in doubt" in page


async def test_who_is_connected_is_active_though_it_asks_for_nothing(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    gate = api.runtime.targets["shop"].gate
    known = gate.credential("other")
    assert known is not None
    principal = await gate.enter(known[0], lambda why: None)
    active = main_of(await dora.read("/console/")).partition("Agents active")[2]
    assert "other connected no change asked for" in active
    assert "connected" in main_of(await dora.read("/console/agents"))
    await gate.leave(principal)


# ---- Agents


async def grant(api: Api, agent: str, *actions: Action, by: str = "person/ann", **more: object) -> Grant:
    until = api.runtime.core.directory.now() + timedelta(hours=3)
    return await api.runtime.grants.add(agent, "shop", actions, until, by=by, **more)  # type: ignore[arg-type]


async def test_an_agents_page_puts_use_beside_right(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    await grant(api, "fixer", Action.UPDATE, Action.DELETE, resources=("toy.*", "other.*"), max_rows=200)
    unused = await grant(api, "fixer", Action.ADMIN, resources=("toy.rows",))
    await api.applied()
    held = await api.held()
    page = main_of(await dora.read("/console/agents/fixer"))
    assert held.id in page
    assert "It may update and delete toy.*, other.* on shop, at most 200 rows in one transaction." in page
    assert (
        "by 1 change, with 1 row at most (it may touch 200) rights unused delete patterns unused other.*"
        in page
    )
    assert re.search(rf"{unused.id} on shop unused", page)
    assert "update table toy.rows shop 1 0" in page
    assert "delete table toy.rows shop 0 1" in page  # asked for, and held


async def test_a_grant_is_revoked_at_once(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    given = await grant(api, "fixer", Action.ADMIN)
    answer = await dora.post(f"/console/grants/{given.id}/revoke")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/agents/fixer")
    (now,) = [g for g in await api.runtime.grants.list() if g.id == given.id]
    assert now.revoked_at is not None
    assert f"{given.id}: It may administer" in main_of(await dora.read("/console/agents/fixer"))


async def test_an_agent_is_disabled_at_once(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    answer = await dora.post("/console/agents/fixer/disable")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/agents/fixer")
    assert (await api.tcp.get("/changes", headers=bearer(api.tokens["fixer"]))).status_code == 401
    page = await dora.read("/console/agents/fixer")
    assert "disabled" in main_of(page)
    assert "/disable" not in page
    assert "It has no grant in force" in main_of(page)


@pytest.mark.parametrize(
    "path",
    [
        "agents/nobody",
        "people/nobody",
        "ledger/999999",
        "ledger/x",
        "changes/CHG-00000000",
        "policy/simulator?file=../etc",
    ],
)
async def test_what_is_not_there_is_said_so(api: Api, path: str) -> None:
    dora = await visitor(api, "dora", "sre")
    assert (await dora.get(f"/console/{path}")).status_code == 404


# ---- People


async def test_a_person_is_invited_enrols_and_is_confirmed(api: Api) -> None:
    root = await visitor(api, "root", "admin")
    answer = await root.post("/console/invitations", person="zoe", groups="sre, dba")
    assert answer.status_code == 200
    (link,) = re.findall(r"http://localhost:8470/console/enrol#([\w-]+)", answer.text)
    assert link not in await root.read("/console/people")
    options = await api.runtime.enrolments.options(link)
    key = SoftPasskey(api.runtime.entrance.site)
    waits = await api.runtime.enrolments.register(link, key.registration(options["challenge"]), "blue key")
    page = await root.read("/console/people")
    assert "zoe made a passkey, called blue key" in main_of(page)
    assert waits.code not in page  # whoever confirms must be told it by zoe
    wrong = await root.post("/console/people/zoe/confirm", code="0000-0000")
    assert wrong.status_code == 422
    done = await root.post("/console/people/zoe/confirm", code=waits.code.lower())
    assert (done.status_code, done.headers["location"]) == (303, "/console/people/zoe")
    shown = main_of(await root.read("/console/people/zoe"))
    assert "groups sre, dba" in shown
    assert "blue key" in shown


async def test_who_is_no_admin_sees_no_forms_that_loosen(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    await enrol(api, "zoe", "sre")
    page = await dora.read("/console/people")
    assert "zoe made a passkey" in main_of(page)
    assert 'action="/console/invitations"' not in page
    assert "/confirm" not in page


async def test_ones_own_passkey_is_revoked_and_ends_the_session(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    person = await api.runtime.store.read(lambda tx: tx.person("dora"))
    assert person is not None
    answer = await dora.post(f"/console/people/dora/passkeys/{person.passkeys[0].id}/revoke")
    assert answer.status_code == 303
    assert (await dora.get("/console/")).headers["location"].startswith("/console/login")


async def test_a_person_is_disabled_at_once(api: Api) -> None:
    dora, emil = await visitor(api, "dora", "sre"), await visitor(api, "emil", "sre")
    assert (await dora.post("/console/people/emil/disable")).status_code == 303
    assert (await emil.get("/console/")).status_code == 303
    assert "disabled" in main_of(await dora.read("/console/people/emil"))


async def test_a_persons_page_shows_what_keeps_them_from_approving(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    given = await grant(api, "fixer", Action.DELETE, by="person/olga")
    page = main_of(await dora.read("/console/people/olga"))
    assert "fixer" in page
    assert "other" in page
    assert given.id not in page
    assert "It may delete anything on shop." in page


# ---- Targets


async def test_targets_show_whether_they_are_served_and_what_was_found(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    server = api.runtime.targets["shop"]
    server.findings = [
        Finding("warning", "durability", "fsync is off", "set fsync = on"),
        Finding("ok", "fine", "all well"),
    ]
    page = main_of(await dora.read("/console/targets"))
    assert "production strict shop served" in page
    assert "staging relaxed No target lies in it." in page
    assert "warning durability : fsync is off To mend it: set fsync = on" in page
    assert "all well" not in page
    await server.stop(timedelta(seconds=1))
    assert "shop not served stopped" in main_of(await dora.read("/console/targets"))


@pytest.mark.parametrize("api", [CHECKED], indirect=True)
async def test_targets_show_their_health_and_which_agents_are_stopped(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    for _ in range(2):
        await run_check_in(api.runtime, "web")
    fixer = agent_in("production", "fixer")
    await api.runtime.switches.open(fixer, "shop is unwell <b>", by="person/dora")
    text = await dora.read("/console/targets")
    page = main_of(text)
    assert re.search(r"Health unwell web: \d in a row since", page)
    assert "it does not answer as it should (ConnectionRefusedError)" in page
    assert "The breaker environment/production/agent/fixer is open since" in page
    assert "shop is unwell &lt;b&gt;" in text
    metrics = (await api.tcp.get("/metrics")).text
    assert 'interlock_target_well{check="web",target="shop"} 0.0' in metrics
    assert 'interlock_health_checks_total{check="web",outcome="unwell",target="shop"}' in metrics


async def test_an_environment_is_frozen_and_thawed_by_anybody(api: Api) -> None:
    """As by the command line and the API; in governed mode to thaw a strict one is a proposal."""
    dora, emil = await visitor(api, "dora", "sre"), await visitor(api, "emil", "dev")
    assert (await dora.post("/console/environments/production/freeze")).status_code == 422  # without a reason
    answer = await dora.post("/console/environments/production/freeze", reason="look <first>")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/targets")
    page = await dora.read("/console/targets")
    assert "by dora: look &lt;first&gt;" in main_of(page)
    assert "/environments/production/thaw" in page
    assert "/environments/production/thaw" in await dora.read("/console/"), "where it is said, too"
    assert (await emil.post("/console/environments/production/thaw")).status_code == 303
    assert "No change passes" not in main_of(await emil.read("/console/targets"))


async def test_everything_is_halted_by_anybody_who_means_it_and_goes_on_by_anybody(api: Api) -> None:
    """As by the command line and the API; in governed mode to go on is a proposal."""
    dora, emil = await visitor(api, "dora", "sre"), await visitor(api, "emil", "dev")
    page = await dora.read("/console/")
    assert 'action="/console/halt"' in page
    assert 'name="confirm" value="halt" required' in page
    for form in ({"confirm": "halt"}, {"reason": "fire"}, {"reason": "fire", "confirm": "yes"}):
        assert (await dora.post("/console/halt", form)).status_code == 422, form
    assert not api.runtime.core.halt.why
    answer = await dora.post("/console/halt", reason="<fire>", confirm="halt")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/")
    page = main_of(await dora.read("/console/"))
    assert "Everything is halted Since" in page
    assert "by dora: &lt;fire&gt;" in page
    assert "The kill switch is set" in await dora.read("/console/changes")
    assert 'action="/console/halt"' not in await dora.read("/console/")
    assert 'action="/console/resume"' in await emil.read("/console/")
    assert "Admins must agree" not in main_of(await emil.read("/console/"))
    assert (await emil.post("/console/resume", reason="out")).status_code == 303
    assert "Everything is halted" not in main_of(await emil.read("/console/"))


async def test_in_governed_mode_to_go_on_is_a_proposal(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    founders = [{"name": name, "public_key": public_key_of(name)} for name in ("adm", "cleo")]
    await api.post("/api/v1/govern", {"admins": founders})
    await dora.post("/console/halt", reason="fire", confirm="halt")
    assert "Admins must agree" in main_of(await dora.read("/console/"))
    answer = await dora.post("/console/resume", reason="out")
    assert answer.headers["location"].startswith("/console/proposals/CHG-")
    assert "Everything is halted" in main_of(await dora.read("/console/"))


async def test_a_halt_file_is_shown_as_what_it_is(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    api.runtime.config.halt_file.touch()
    page = main_of(await dora.read("/console/"))
    assert "There is a halt file in the state directory" in page
    assert "Stop everything" in page, "the others go on"
    api.runtime.config.halt_file.unlink()


async def test_reminders_of_a_freeze_are_chosen_with_it(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    path = "/console/environments/production/freeze"
    assert (await dora.post(path, reason="release", remind="soon")).status_code == 422
    assert (await dora.post(path, reason="release", remind="4h")).status_code == 303
    assert "people are reminded of it" in main_of(await dora.read("/console/targets"))
    (row,) = [b for b in await api.runtime.switches.list() if b.scope == "environment/production"]
    assert row.remind_s == 14_400


async def test_the_doctor_examines_now(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    page = main_of(await dora.read("/console/doctor"))
    assert "checks found something" in page
    assert "warning mode : try-out mode" in page
    assert re.search(r"warning grant : grant G-\w+ of fixer on shop has no limit", page)


# ---- Policy


async def test_every_policy_and_grant_is_there_in_words_and_in_cedar_by_its_id(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    limited = await grant(api, "other", Action.DELETE, max_rows=7, resources=("toy.rows",))
    page = await dora.read("/console/policy")
    engine = api.runtime.core.policies.engine
    for policy in engine.policies.values():
        (article,) = re.findall(rf'<article class="rule" id="{policy.id}".*?</article>', page, re.DOTALL)
        assert policy.description in main_of(f"<main>{article}</main>").replace("&#39;", "'")
        assert "forbid" in article
    assert f'id="grant:{limited.id}"' in page
    assert 'id="limit:other@shop"' in page
    assert "other : It may delete toy.rows on shop, at most 7 rows in one transaction." in main_of(page)
    held = await api.held()
    for reason in held.decision.reasons:
        assert f'href="/console/policy#{reason}"' in await dora.read(f"/console/changes/{held.id}")
        assert f'id="{reason}"' in page


# ---- The simulator


async def tried(who: Visitor, change: str, text: str, file: str = simulation.NEW_FILE) -> tuple[int, str]:
    answer = await who.post("/console/policy/simulator", change=change, file=file, text=text)
    return answer.status_code, main_of(answer.text)


async def test_the_simulator_shows_the_decision_now_and_under_the_edited_text(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    held = await api.held()
    engine, size = api.runtime.core.policies.engine, await api.runtime.store.read(lambda tx: tx.ledger_size())
    status, page = await tried(dora, held.id, DROPPED)
    assert status == 200
    assert "The edited text decides otherwise." in page
    now, edited = page.partition("With the edited text")[::2]
    assert "Policy holds it for people. It waits for the approval of quorum two-sre. rows-deleted" in now
    assert "Policy forbids it" in edited
    assert "nothing-is-deleted : No." in edited
    assert api.runtime.core.policies.engine is engine
    assert "nothing-is-deleted" not in engine.policies
    assert await api.runtime.store.read(lambda tx: tx.ledger_size()) == size
    assert (
        await api.send([["delete", "row/0000"]])
    ).change is not None  # decided by the rules in force still


async def test_a_shipped_guardrail_can_be_edited_away(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    held = await api.held()
    status, page = await tried(dora, held.id, "", "shipped/rows.cedar")
    assert status == 200
    assert "Policy lets it pass." in page.partition("With the edited text")[2]
    assert "Policy holds it for people." in page.partition("With the edited text")[0]
    assert "rows-deleted" in api.runtime.core.policies.engine.policies


async def test_the_invariants_cannot_be_edited_away(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    held = await api.held()
    assert "shipped/invariants.cedar" not in await dora.read("/console/policy/simulator")
    assert (await tried(dora, held.id, "", "shipped/invariants.cedar"))[0] == 404


async def test_the_same_rules_decide_the_same(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    for change in (await api.held(), await api.applied()):
        text = api.runtime.simulation.texts()["shipped/doubt.cedar"]
        status, page = await tried(dora, change.id, text, "shipped/doubt.cedar")
        assert status == 200
        assert "The edited text decides the same." in page


async def test_the_agents_rights_are_those_it_had_then(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    held = await api.held()
    for given in await api.runtime.grants.list():
        await api.runtime.grants.revoke(given.id, by="uid/0")
    await api.runtime.agents.disable("fixer", by="uid/0")
    _, page = await tried(dora, held.id, DROPPED)
    assert "no grant covers" not in page
    assert "Policy holds it for people." in page.partition("With the edited text")[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("forbid (principal, action", "edited.cedar"),
        ('forbid (principal, action, resource) when { resource.colour == "red" };', "colour"),
        ("forbid (principal, action, resource);", "a policy has no id"),
        ('@id("x") permit (principal, action, resource);', "a policy file can only forbid"),
        ('@id("rows-deleted") forbid (principal, action, resource);', "the id is used 2 times"),
        ('@id("x") @remedy("quorum:none") forbid (principal, action, resource);', "is not configured"),
        ('@id("x") forbid (principal, action, resource) when {' + "(" * 3000 + "true", "nested too deep"),
        ('@id("x") forbid (principal, action, resource) when {' + "!" * 1900 + "true};", "too many occurrences"),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_text_is_shown(api: Api, text: str, said: str) -> None:
    dora = await visitor(api, "dora", "sre")
    held = await api.held()
    status, page = await tried(dora, held.id, text)
    assert status == 422
    assert "The text cannot be loaded" in page
    assert said in page
    assert not api.runtime.core.policies.broken


async def test_the_simulator_has_bounds(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    dora = await visitor(api, "dora", "sre")
    held = await api.held()
    for text in ("/" * (simulation.MOST_TEXT + 1), ";" * (simulation.MOST_POLICIES + 1)):
        status, page = await tried(dora, held.id, text)
        assert status == 422
        assert "can be tried at a time" in page
    assert (await tried(dora, held.id, "/" * (70 * 1024)))[0] == 413
    monkeypatch.setattr(simulation, "MOST_SECONDS", -1.0)
    assert "simplify the text" in (await tried(dora, held.id, DROPPED))[1]
    monkeypatch.setattr(simulation, "MOST_QUESTIONS", 0)
    assert "more than are simulated" in (await tried(dora, held.id, DROPPED))[1]


async def test_a_change_that_is_none_is_said_so(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    assert (await tried(dora, "nonsense!", DROPPED))[0] == 422
    status, page = await tried(dora, "CHG-00000000", DROPPED)
    assert status == 422
    assert "CHG-00000000" in page


# ---- Ledger


async def test_entries_come_newest_first_by_pages_and_by_kind(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    for n in range(60):
        await api.runtime.switches.freeze("staging", f"turn {n}", by="uid/0")
    page = await dora.read("/console/ledger")
    numbers = [int(n) for n in re.findall(r'href="/console/ledger/(\d+)"', page)]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == 50
    (older,) = re.findall(r'rel="next" href="([^"]+)"', page)
    rest = [
        int(n)
        for n in re.findall(r'href="/console/ledger/(\d+)"', await dora.read(older.replace("&amp;", "&")))
    ]
    assert numbers + rest == list(range(numbers[0], -1, -1))[: len(numbers + rest)]
    only = await dora.read("/console/ledger?kind=login")
    assert re.findall(r"<td><code>([\w.]+)</code>", only) == ["login"]
    assert (await dora.get("/console/ledger?kind=what")).status_code == 400


async def test_one_entry_is_shown_as_it_is_hashed(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    held = await api.held()
    await api.runtime.sign()
    size = await api.runtime.store.read(lambda tx: tx.ledger_size())
    found = [n for n in range(size) if b'"change.held"' in await api.runtime.store.entry(n)]
    page = await dora.read(f"/console/ledger/{found[-1]}")
    assert "A change waits for people" in main_of(page)
    assert f'href="/console/changes/{held.id}"' in page
    (raw,) = re.findall(r'<pre id="raw"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert html.unescape(raw).encode() == await api.runtime.store.entry(found[-1])
    proof = await dora.get(f"/api/v1/ledger/proof?index={found[-1]}")
    assert proof.status_code == 200
    assert f'href="/api/v1/ledger/proof?index={found[-1]}"' in page


async def test_what_is_not_signed_yet_offers_no_proof(api: Api) -> None:
    dora = await visitor(api, "dora", "sre")
    await api.runtime.sign()
    await api.runtime.switches.freeze("staging", "wait", by="uid/0")
    size = await api.runtime.store.read(lambda tx: tx.ledger_size())
    assert "No checkpoint covers it yet" in main_of(await dora.read(f"/console/ledger/{size - 1}"))


def test_states_are_all_in_the_legend() -> None:
    said = ", ".join(meaning for _, meaning in words.legend())
    assert all(words.state_words(state) in said for state in ChangeState)


# ---- break-glass, and what looks alike


BROKEN = CONFIG.replace("break_glass: {people: [adm]}", "break_glass: {people: [dora]}")


@pytest.mark.parametrize("api", [BROKEN], indirect=True)
async def test_broken_glass_is_red_until_somebody_else_has_reviewed_it(api: Api) -> None:
    key = await enrolled(api, "dora", "oncall")
    dora = Visitor(api, await logged_in(api, key))
    words = await api.runtime.break_glass.statement("dora", "it burns", target="shop")
    words = msgspec.structs.replace(words, shown=shown.digest(shown.text_of_target(words, "production")))
    assertion, signature = key.sign(words)
    glass, _ = await api.runtime.break_glass.use(words, signature, assertion)
    passed = await api.send(MANY)
    assert passed.change is not None
    change = f"/console/changes/{passed.change.id}"
    red = {
        "/console/": "Broken glass that nobody has reviewed</h2>",
        "/console/targets": '<p class="banner bad" role="alert"><strong>dora</strong> broke the glass',
        "/console/ledger?kind=break_glass": '<span class="badge bad">unreviewed</span>',
        change: '<p class="banner bad" role="alert">dora broke the glass for all of shop: it burns',
    }
    assert [path for path, mark in red.items() if mark not in await dora.read(path)] == []
    await api.runtime.break_glass.review(glass.id, "ann", "it was right", by="person/ann")
    # A target stays red for as long as the glass is broken.
    assert [path for path, mark in red.items() if mark in await dora.read(path)] == ["/console/targets"]
    assert "reviewed by ann: it was right" in main_of(await dora.read(change))
    assert "reviewed by ann" in main_of(await dora.read("/console/targets"))
