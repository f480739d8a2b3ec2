"""`interlock halt`, `resume`, `halt --file`, `halt --drill` and `freeze --remind`, as people use them."""

from typing import Any

from tests.cli.conftest import Place

PUT = {"agent": "fixer", "statements": [["put", "row/0000", "x"]]}


def findings(place: Place) -> Any:
    """What the doctor finds; its exit status is about other things as well."""
    return place.run("doctor", "--json").json["findings"]


def test_a_halt_stops_everything_until_a_resume(own_place: Place) -> None:
    place = own_place
    place.no("halt", code=2)
    place.no("halt", "--reason", " ", code=2)
    place.no("resume")
    said = place.ok("halt", "--reason", "a runaway", *place.signing("ann"), "--url", place.url)
    assert "Everything is halted" in said.out
    row = next(b for b in place.ok("breaker", "list", "--json").json["breakers"] if b["scope"] == "global")
    assert (row["frozen"], row["reason"], row["moved_by"]) == (True, "a runaway", "person/ann")
    first, why, *_ = place.ok("breaker", "list").out.splitlines()
    assert (first.split()[:2], why.strip()) == (["global", "halted"], "a runaway")
    health = findings(place)
    assert [f["what"] for f in health if f["check"] == "halt"] == ["everything is halted: a runaway"]
    assert "over" in place.ok("resume", "--reason", "found it").out
    assert place.ask(PUT)["answer"] == "permitted"
    assert place.ok("halt", "--reason", "again", "--json").json["frozen"] is True
    assert "frozen" not in place.ok("resume", "--json").json
    place.no("resume")


def test_the_file_needs_no_server_and_says_who_is_stopped(own_place: Place) -> None:
    place = own_place
    place.stop()
    told = place.no("halt", "--reason", "fire")
    assert "interlock halt --file" in told.err
    place.no("halt", "--file", code=2)
    path = place.folder / "var" / "halt"
    assert "remove" in place.ok("halt", "--file", "--reason", "fire").out
    assert place.ok("halt", "--file", "--reason", "more fire", "--json").json == {"file": str(path)}
    assert [line.split(" ", 1)[1] for line in path.read_text().splitlines()] == ["fire", "more fire"]
    place.start()
    place.ok("halt", "--reason", "and in the store")
    assert "A halt file still stops this gateway" in place.ok("resume").err
    path.unlink()


def test_a_file_that_cannot_be_made_is_an_error(own_place: Place) -> None:
    place = own_place
    (place.folder / "var" / "halt").mkdir()
    assert "cannot be made" in place.no("halt", "--file", "--reason", "fire").err
    (place.folder / "var" / "halt").rmdir()


def test_a_drill_tells_each_replica_and_the_doctor_knows(own_place: Place) -> None:
    place = own_place
    place.no("halt", "--drill", "--reason", "x", code=2)
    place.no("halt", "--drill", "--file", code=2)
    before = {f["check"]: f for f in findings(place)}
    assert (before["drill"]["level"], before["drill"]["fix"]) == ("warning", "interlock halt --drill")
    found = place.ok("halt", "--drill", "--json").json
    (replica,) = found["replicas"]
    assert found["ok"]
    assert replica["ok"]
    assert 0 < replica["ms"] <= 1000
    assert "The kill switch works." in place.ok("halt", "--drill").out
    after = {f["check"]: f for f in findings(place)}
    assert after["drill"]["level"] == "ok"
    assert place.ask(PUT)["answer"] == "permitted"


def test_a_drill_that_fails_has_another_exit_status(own_place: Place) -> None:
    place = own_place
    place.ok("halt", "--reason", "fire")
    assert "the drill failed" in place.no("halt", "--drill").err
    place.ok("resume")
    place.stop()
    assert "the drill failed" in place.no("halt", "--drill").err


def test_a_freeze_with_reminders(own_place: Place) -> None:
    place = own_place
    place.no("freeze", "production", "--reason", "x", "--remind", "soon", code=2)
    place.no("freeze", "production", "--reason", "x", "--remind", "5s")
    frozen = place.ok("freeze", "production", "--reason", "release", "--remind", "4h", "--json").json
    assert (frozen["frozen"], frozen["remind_s"]) == (True, 14_400)
    assert (
        "there is no environment nowhere (there is production)"
        in place.no("freeze", "nowhere", "--reason", "x").err
    )
    told = place.ok("freeze", "production", "--reason", "release").out
    assert "environment/production is frozen." in told
    assert "It goes on with: interlock thaw production" in told
    thawed = place.ok("thaw", "production", "--json").json
    assert not thawed.keys() & {"frozen", "remind_s"}, "both are as without a freeze"
