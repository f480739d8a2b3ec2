"""Checks on a served gateway: who is blamed, what is stopped, and the revert that is proposed."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from tests.runtime.health.health_kit import Site, make_due, run_check

from interlock.console.app import doors
from interlock.control import breaker
from interlock.model.breaker import BreakerState
from interlock.model.change import Change, ChangeState
from interlock.model.errors import Rejected
from interlock.model.message import Event, MessageFilter
from interlock.model.signal import Signal, TripFilter
from interlock.sdk.connector import Permitted, Refused
from interlock.sdk.ports import Tx
from interlock.testing.gateway import Gateway, prepare
from interlock.testing.peers.pg import PgDatabase

SETUP = "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT i, 0 FROM generate_series(1, 50) i;"
SLOWLY = {"every": "1h", "watch": "8h"}
"""The test says when a check runs."""


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as made:
        yield made


def gateway_of(
    database: PgDatabase, folder: Path, site: Site, *checks: dict[str, Any], **more: Any
) -> Gateway:
    health = [*checks] or [{"http": f"{site.url}/healthz", "name": "web"}]
    keys = {"health": [{**SLOWLY, **check} for check in health], **more.pop("keys", {})}
    return Gateway(database, folder, keys=keys, agents=("bot", "other"), **more)


@pytest.fixture
def gateway(fresh_db18: PgDatabase, tmp_path: Path, site: Site) -> Iterator[Gateway]:
    prepare(fresh_db18, SETUP)
    with gateway_of(fresh_db18, tmp_path, site) as made:
        yield made


def write(gateway: Gateway, agent: str = "bot", value: int = 1, row: int = 1) -> Change:
    """A small change that passes; as it is once its outcome is recorded."""
    with gateway.connect(agent) as connection:
        connection.execute("UPDATE t SET v = %s WHERE id = %s", (value, row))
    return next(c for c in gateway.changes(ChangeState.APPLIED) if c.agent == agent)


def state(gateway: Gateway, scope: str) -> BreakerState:
    rows = gateway.run(gateway.runtime.switches.list())
    return next((row.state for row in rows if row.scope == scope), BreakerState.CLOSED)


BOT = breaker.agent_in("production", "bot")
OTHER = breaker.agent_in("production", "other")
PRODUCTION = breaker.environment("production")


def unwell(gateway: Gateway, site: Site, check: str = "web") -> None:
    site.status = 500
    run_check(gateway, check)
    run_check(gateway, check)


def refused(gateway: Gateway, agent: str) -> str:
    with gateway.connect(agent) as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute("UPDATE t SET v = 9 WHERE id = 9")
    assert caught.value.sqlstate == "IL003"
    return str(caught.value)


def test_two_failures_in_a_row_stop_the_agent_and_its_revert_waits_for_one_person(
    gateway: Gateway, site: Site
) -> None:
    run_check(gateway, "web")
    change = write(gateway)
    site.status = 500
    found = run_check(gateway, "web")
    assert not found.blames
    assert state(gateway, BOT) is BreakerState.CLOSED
    write(gateway, value=2, row=2)  # after the first failure: nobody knows yet, and it is not blamed
    found = run_check(gateway, "web")
    (blame,) = found.blames
    assert blame.changes == (change.id,)
    assert state(gateway, BOT) is BreakerState.OPEN
    assert "web" in refused(gateway, "bot")
    assert change.id in refused(gateway, "bot")
    with gateway.connect("bot") as connection:  # reads go on
        assert connection.execute("SELECT v FROM t WHERE id = 1").fetchone() == (1,)
    write(gateway, "other", row=3)  # nobody else is stopped

    revert = gateway.held()
    assert (revert.reverts, revert.requested_by, revert.agent) == (change.id, "health", "bot")
    assert gateway.database.psql("SELECT v FROM t WHERE id = 1") == [(1,)]  # held, never executed by itself
    with pytest.raises(Rejected):
        gateway.apply(revert.id)
    gateway.approve(revert.id, "cho")
    answer = gateway.apply(revert.id)
    assert isinstance(answer, Permitted), answer
    assert state(gateway, BOT) is BreakerState.OPEN  # reverts have their own way
    assert gateway.database.psql("SELECT v FROM t WHERE id = 1") == [(0,)]
    assert gateway.change(change.id).state is ChangeState.REVERTED
    events = [entry["body"]["event"] for entry in gateway.entries("health")]
    assert events == ["unwell", "blamed", "proposed"]
    (opened,) = [e["body"] for e in gateway.entries("breaker") if e["body"]["scope"] == BOT]
    assert (opened["state"], opened["by"], opened["signal"]) == ("open", "interlock", "health")
    assert (opened["agent"], opened["changes"]) == ("bot", [change.id])
    (told,) = gateway.run(gateway.runtime.switches.trips(TripFilter()))
    assert (told.scope, told.signal, [step.change for step in told.steps]) == (
        BOT,
        Signal.HEALTH,
        [change.id],
    )
    assert gateway.ledger_ok()


def test_the_owner_does_not_count_for_the_proposed_revert(gateway: Gateway, site: Site) -> None:
    run_check(gateway, "web")
    write(gateway)
    unwell(gateway, site)
    revert = gateway.held()
    with pytest.raises(Rejected, match="owns the agent"):
        gateway.approve(revert.id, "olga")
    assert gateway.approve(revert.id, "ann").state is ChangeState.APPROVED


def test_what_failed_before_the_change_blames_nobody(gateway: Gateway, site: Site) -> None:
    run_check(gateway, "web")
    site.status = 500
    run_check(gateway, "web")
    write(gateway)
    for _ in range(3):
        assert not run_check(gateway, "web").blames
    assert state(gateway, BOT) is BreakerState.CLOSED
    assert not gateway.changes(ChangeState.HELD)


def test_without_a_good_result_before_nobody_is_blamed(
    fresh_db18: PgDatabase, tmp_path: Path, site: Site
) -> None:
    prepare(fresh_db18, SETUP)
    site.status = 500
    with gateway_of(fresh_db18, tmp_path, site) as gateway:
        write(gateway)
        for _ in range(3):
            assert not run_check(gateway, "web").blames


def test_a_failure_between_good_results_is_no_evidence(gateway: Gateway, site: Site) -> None:
    run_check(gateway, "web")
    write(gateway)
    for status in (500, 200, 500, 200):
        site.status = status
        assert not run_check(gateway, "web").blames
    assert state(gateway, BOT) is BreakerState.CLOSED


def test_a_change_that_is_not_under_watch_any_more_is_not_blamed(gateway: Gateway, site: Site) -> None:
    run_check(gateway, "web")
    change = write(gateway)

    def older(tx: Tx) -> None:
        watched, state = tx.watched_change(change.id), tx.health("shop", "web")
        assert watched is not None
        assert watched.applied_at is not None
        assert state is not None
        by = timedelta(hours=8)
        good = msgspec.structs.replace(state.runs[0], ended=state.runs[0].ended - by)
        tx.put_health(msgspec.structs.replace(state, runs=(good,)))
        times = {"intended_at": watched.intended_at - by, "applied_at": watched.applied_at - by}
        tx.put_watched(msgspec.structs.replace(watched, **times))

    gateway.run(gateway.runtime.store.transact(older))
    unwell(gateway, site)
    assert state(gateway, BOT) is BreakerState.CLOSED


def test_two_agents_stop_all_agents_of_the_environment(gateway: Gateway, site: Site) -> None:
    run_check(gateway, "web")
    changes = {write(gateway, "bot").id, write(gateway, "other", row=2).id}
    unwell(gateway, site)
    assert [state(gateway, scope) for scope in (BOT, OTHER, PRODUCTION)] == [BreakerState.OPEN] * 3
    held = gateway.changes(ChangeState.HELD)
    assert {c.reverts for c in held} == changes
    for revert in held:  # and all of them can be undone meanwhile
        gateway.approve(revert.id, "ann")
        assert isinstance(gateway.apply(revert.id), Permitted)
    assert gateway.database.psql("SELECT count(*) FROM t WHERE v <> 0") == [(0,)]


def test_who_puts_it_back_is_not_overruled_by_the_same_failure(gateway: Gateway, site: Site) -> None:
    run_check(gateway, "web")
    write(gateway)
    unwell(gateway, site)
    gateway.run(gateway.runtime.switches.reset(BOT, "looked at it", by="person/ann"))
    assert not run_check(gateway, "web").blames
    assert state(gateway, BOT) is BreakerState.PROBATION
    write(gateway, row=4)
    site.status = 200
    run_check(gateway, "web")
    write(gateway, row=5)
    unwell(gateway, site)
    assert state(gateway, BOT) is BreakerState.OPEN


def test_the_owner_does_not_close_it(gateway: Gateway, site: Site) -> None:
    run_check(gateway, "web")
    write(gateway)
    unwell(gateway, site)
    with pytest.raises(Rejected, match="owns bot"):
        gateway.run(gateway.runtime.switches.reset(BOT, "mine", by="person/olga"))


def test_a_restart_between_two_failures_forgets_nothing(gateway: Gateway, site: Site) -> None:
    run_check(gateway, "web")
    change = write(gateway)
    site.status = 500
    run_check(gateway, "web")
    gateway.stop()
    gateway.start()
    (blame,) = run_check(gateway, "web").blames
    assert blame.changes == (change.id,)
    assert gateway.held().reverts == change.id


def test_an_unreachable_database_is_failing_and_the_revert_is_proposed_once_it_is_back(
    own_cluster: Any, tmp_path: Path, site: Site
) -> None:
    cluster = own_cluster()
    database = cluster.create_database("t")
    prepare(database, SETUP)
    sql = {"sql": "SELECT count(*) FROM t", "expect": 50, "name": "rows"}
    with gateway_of(database, tmp_path, site, sql) as gateway:
        assert run_check(gateway, "rows").health.last.ok  # type: ignore[union-attr]
        change = write(gateway)
        cluster.stop()
        assert not run_check(gateway, "rows").blames
        (blame,) = run_check(gateway, "rows").blames
        assert blame.changes == (change.id,)
        assert state(gateway, BOT) is BreakerState.OPEN
        assert not gateway.changes(ChangeState.HELD)
        cluster.resume()
        proposals = gateway.runtime.health_checks.proposals
        gateway.run(proposals._propose({change.id}))
        assert gateway.held().reverts == change.id


def test_a_revert_that_cannot_be_is_said_so_once(gateway: Gateway, site: Site) -> None:
    run_check(gateway, "web")
    change = write(gateway)
    gateway.database.psql("UPDATE t SET v = 77 WHERE id = 1")  # somebody else touched the row since
    unwell(gateway, site)
    assert state(gateway, BOT) is BreakerState.OPEN
    assert not gateway.changes(ChangeState.HELD)
    said = [e["body"] for e in gateway.entries("health") if e["body"]["event"] == "not_proposed"]
    assert [(body["change"], body["revert"]) for body in said] == [(change.id, "")]
    assert not gateway.run(gateway.runtime.store.read(lambda tx: tx.blamed()))


def test_a_target_that_only_observes_stops_nobody(fresh_db18: PgDatabase, tmp_path: Path, site: Site) -> None:
    prepare(fresh_db18, SETUP)
    with gateway_of(fresh_db18, tmp_path, site, keys={"mode": "observe"}) as gateway:
        run_check(gateway, "web")
        write(gateway)
        site.status = 500
        run_check(gateway, "web")
        (blame,) = run_check(gateway, "web").blames
        assert not blame.opened
        assert state(gateway, BOT) is BreakerState.CLOSED
        assert not gateway.changes(ChangeState.HELD)
        (blamed,) = [e["body"] for e in gateway.entries("health") if e["body"]["event"] == "blamed"]
        assert blamed["observed"] is True


def test_an_approved_revert_is_not_watched_itself(gateway: Gateway, site: Site) -> None:
    run_check(gateway, "web")
    change = write(gateway)
    assert isinstance(gateway.revert(change.id), Permitted)
    unwell(gateway, site)
    refusal = gateway.run(gateway.runtime.switches.list())
    assert {row.scope for row in refusal if row.state is BreakerState.OPEN} == {BOT}
    events = [e["body"] for e in gateway.entries("health")]
    blamed = [body for body in events if body["event"] == "blamed"]
    assert [body["changes"] for body in blamed] == [[change.id]]
    # It is undone already: there is nothing to propose.
    assert [body["event"] for body in events] == ["unwell", "blamed", "not_proposed"]


def test_under_the_global_halt_a_proposed_revert_waits_as_well(gateway: Gateway, site: Site) -> None:
    run_check(gateway, "web")
    write(gateway)
    unwell(gateway, site)
    revert = gateway.held()
    gateway.approve(revert.id, "ann")
    gateway.run(gateway.runtime.switches.open(breaker.GLOBAL, "halt", by="person/ann"))
    answer = gateway.apply(revert.id)
    assert isinstance(answer, Refused)
    assert answer.code == "breaker"


def test_the_background_runs_checks_by_itself(fresh_db18: PgDatabase, tmp_path: Path, site: Site) -> None:
    prepare(fresh_db18, SETUP)
    with gateway_of(fresh_db18, tmp_path, site, {"http": site.url, "every": "1s"}) as gateway:
        assert site.arrived.acquire(timeout=30)
        assert site.arrived.acquire(timeout=30)
        (status,) = gateway.run(gateway.runtime.health_checks.statuses())
        assert (status.check, status.state) == ("http-1", "well")


def test_one_replica_at_a_time_runs_a_check_and_all_see_its_results(
    fresh_db18: PgDatabase, tmp_path: Path, site: Site, pg18: Any
) -> None:
    store = pg18.create_database(f"s_{fresh_db18.name[-8:]}")
    prepare(fresh_db18, SETUP)
    key = tmp_path / "key"
    key.write_text(base64.b64encode(bytes(range(32))).decode())
    key.chmod(0o600)
    shared: dict[str, Any] = {
        "store": store.dsn().replace("postgresql://", "postgresql+psycopg://"),
        "master_key": key,
    }
    try:
        with gateway_of(fresh_db18, tmp_path / "one", site, **shared) as one:
            two = gateway_of(fresh_db18, tmp_path / "two", site, furnish=False, **shared)
            with two:
                run_check(one, "web")
                change = write(one)
                site.status = 500
                run_check(one, "web")
                # The second in a row is another replica's, and what it finds holds for all.
                (blame,) = run_check(two, "web").blames
                assert blame.changes == (change.id,)
                assert state(one, BOT) is BreakerState.OPEN
                refused(one, "bot")
                # While one asks, the other leaves it alone.
                site.status = 200
                site.go.clear()
                before = len(site.asked)
                one.run(one.runtime.store.transact(lambda tx: make_due(tx, one.target, "web")))
                one.run(one.runtime.health_checks.runner.look())
                assert site.arrived.acquire(timeout=30)
                two.run(two.runtime.health_checks.runner.look())
                checked = two.runtime.health_checks.runner.checks()[two.target, "web"]
                assert two.run(two.runtime.health_checks.runner.run(checked)) is None
                assert len(site.asked) == before + 1
                site.go.set()
    finally:
        store.drop()


def test_the_command_line_shows_it_and_tells_by_its_exit_status(
    fresh_db18: PgDatabase, tmp_path: Path, site: Site
) -> None:
    prepare(fresh_db18, SETUP)
    made = gateway_of(fresh_db18, tmp_path, site, {"http": f"{site.url}/healthz?key=hush", "name": "web"})
    made.make_app = doors()

    def said(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "interlock", *words, "-c", str(made.file)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    with made as gateway:
        run_check(gateway, "web")
        assert said("targets", "health", "shop").returncode == 0
        unwell(gateway, site)
        shown = said("targets", "health", "shop", "--json")
        assert shown.returncode == 1
        (check,) = json.loads(shown.stdout)
        assert (check["check"], check["state"], check["results"]) == ("web", "unwell", 2)
        assert check["why"] == "answers HTTP 500, not 200"
        table = said("targets", "health")
        assert table.returncode == 0
        assert "unwell" in table.stdout
        found = said("doctor", "--json").stdout
        assert "the check web fails, 2 times in a row: answers HTTP 500, not 200" in found
        assert "hush" not in "".join((shown.stdout, table.stdout, found))
        assert "hush" not in json.dumps(gateway.entries())


def test_a_secret_is_nowhere_and_a_check_without_it_is_said_not_to_run(
    fresh_db18: PgDatabase, tmp_path: Path, site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    prepare(fresh_db18, SETUP)
    file = tmp_path / "token"
    check = {"http": site.url, "name": "web", "headers": {"X-Token": {"file": str(file)}}}
    with gateway_of(fresh_db18, tmp_path, site, check) as gateway:
        write(gateway)
        for _ in range(3):
            found = run_check(gateway, "web")
            assert found.health.trouble
            assert found.health.last is None
        assert state(gateway, BOT) is BreakerState.CLOSED
        (finding,) = gateway.run(gateway.runtime.health_checks.findings())
        assert finding.level == "warning"
        assert "the check web cannot be run: the secret file" in finding.what
        file.write_text("s3cret-token-of-the-check")
        assert run_check(gateway, "web").health.last is not None
        (finding,) = gateway.run(gateway.runtime.health_checks.findings())
        assert finding.level == "ok"
        site.status = 500
        write(gateway, row=2)
        run_check(gateway, "web")
        assert run_check(gateway, "web").blames
        everything = json.dumps(gateway.entries()) + repr(
            gateway.run(gateway.runtime.store.read(lambda tx: tx.healths()))
        )
    assert site.asked[-1][1]["X-Token"] == "s3cret-token-of-the-check"
    assert "s3cret" not in everything
    assert "s3cret" not in "".join(capfd.readouterr())


def test_people_are_told_with_the_reverts_that_wait(
    fresh_db18: PgDatabase, tmp_path: Path, site: Site
) -> None:
    prepare(fresh_db18, SETUP)
    channel = {
        "webhook": "http://127.0.0.1:9/",
        "secret": {"env": "NO_SUCH"},
        "name": "hook",
        "groups": ["sre"],
    }
    with gateway_of(fresh_db18, tmp_path, site, top={"notify": [channel]}) as gateway:
        run_check(gateway, "web")
        change = write(gateway)
        unwell(gateway, site)
        revert = gateway.held()
        gateway.run(gateway.runtime.office.post.flush())
        messages = gateway.run(
            gateway.runtime.store.read(lambda tx: tx.messages(MessageFilter(channel="hook")))
        )
        told = {message.event: message for message in messages}
        assert len(messages) == len(told), "the opening is told once"
        assert "the target's health fails after its changes" in told[Event.BREAKER].text
        assert set(told) == {Event.BREAKER, Event.HELD, Event.HEALTH}
        text = told[Event.HEALTH].text
        for part in ("shop is unwell", "web", change.id, revert.id, f"/console/changes/{revert.id}"):
            assert part in text
        assert told[Event.HEALTH].data["reverts"] == [revert.id]
        assert "waits for 1 of any group" in told[Event.HELD].text
        assert "health would revert" in told[Event.HELD].text


def test_what_a_dead_replica_left_is_proposed_by_another(gateway: Gateway, site: Site) -> None:
    run_check(gateway, "web")
    change = write(gateway)
    checks = gateway.runtime.health_checks
    lost: list[object] = []

    async def killed(blames: object) -> None:
        lost.append(blames)

    checks.runner._blamed = killed
    unwell(gateway, site)
    assert lost
    gateway.stop()
    gateway.start()
    assert not gateway.changes(ChangeState.HELD)
    gateway.run(gateway.runtime.store.transact(lambda tx: age(tx, change.id)))
    gateway.run(gateway.runtime.health_checks.proposals.look())
    assert gateway.held().reverts == change.id
    gateway.run(gateway.runtime.health_checks.proposals.look())
    assert len(gateway.changes(ChangeState.HELD)) == 1


def age(tx: Tx, change_id: str) -> None:
    """As if it had been blamed an hour ago."""
    watched = tx.watched_change(change_id)
    assert watched is not None
    assert watched.blamed_at is not None
    tx.put_watched(msgspec.structs.replace(watched, blamed_at=watched.blamed_at - timedelta(hours=1)))


def test_many_changes_are_proposed_newest_first_beyond_what_an_agent_may_have_waiting(
    gateway: Gateway, site: Site
) -> None:
    run_check(gateway, "web")
    changes = [write(gateway, row=n, value=n).id for n in range(1, 8)]
    unwell(gateway, site)
    held = gateway.changes(ChangeState.HELD)  # newest first
    assert [change.reverts for change in held] == changes
    assert gateway.ledger_ok()
