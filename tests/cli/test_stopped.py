"""Commands that a breaker, a freeze or the halt refuses say what is open, who ends it, and how."""

from tests.cli.conftest import Place, Said

EMPTIED = ["delete_like", "row/"]


def words(said: Said) -> str:
    """What is shown, however it is folded."""
    return " ".join((said.out + said.err).split())


def done(place: Place, row: str = "row/0000") -> str:
    """A change that took effect."""
    return place.send(["put", row, "x"])


def approved(place: Place) -> str:
    change = place.send(EMPTIED)
    for person in ("ann", "bob"):
        place.ok("approve", change, *place.signing(person), "--yes")
    return change


def test_apply_says_who_ends_what_refuses_it(own_place: Place) -> None:
    place = own_place
    change = approved(place)
    page = f"{place.url}/console/breakers/one?scope="
    place.ok("breaker", "open", "environment/production", "--reason", "odd writes")
    told = words(place.no("apply", change))
    for part in (
        "Not done: changes are stopped for environment/production: odd writes.",
        "It is put back by a person who owns none of the agents that it is about: "
        "interlock breaker reset environment/production --reason TEXT.",
        f"What led there: {page}environment%2Fproduction",
    ):
        assert part in told, told
    found = place.no("apply", change, "--json").json
    assert (found["code"], found["retry"]) == ("breaker", False)
    assert found["next"].endswith("interlock breaker reset environment/production --reason TEXT")
    assert found["see"] == f"{page}environment%2Fproduction"
    place.ok("breaker", "reset", "environment/production", "--reason", "found it")
    told = words(place.no("apply", change))
    assert "on probation, only small revertible changes pass" in told
    assert "interlock breaker reset environment/production" in told


def test_a_freeze_says_how_it_is_thawed(own_place: Place) -> None:
    place = own_place
    change = approved(place)
    place.ok("freeze", "production", "--reason", "the fair")
    told = words(place.no("apply", change))
    assert "changes are frozen for environment/production: the fair" in told
    assert "It is ended by any person: interlock thaw production --reason TEXT." in told
    place.ok("thaw", "production")
    assert "Done" in place.ok("apply", change).out


def test_a_halt_says_how_it_is_ended(own_place: Place) -> None:
    place = own_place
    change, other = approved(place), done(place)
    place.ok("halt", "--reason", "fire")
    way = "interlock resume --reason TEXT, and a halt file by removing it"
    for command in (
        ("apply", change),
        ("revert", other, *place.signing("ann"), "--yes"),
        ("postgres", "protect", "shop", "orders"),
    ):
        told = words(place.no(*command))
        assert "everything is halted: fire" in told, told
        assert way in told, told
    place.ok("resume")


def test_a_revert_says_who_ends_what_refuses_it(own_place: Place) -> None:
    """It passes every breaker but the global one."""
    place = own_place
    first, other = done(place), done(place, "row/0001")
    place.ok("breaker", "open", "environment/production", "--reason", "odd")
    place.ok("revert", other, *place.signing("ann"), "--yes")
    place.ok("breaker", "open", "global", "--reason", "very odd")
    told = words(place.no("revert", first, *place.signing("ann"), "--yes"))
    assert "changes are stopped for global: very odd" in told
    assert "interlock breaker reset global --reason TEXT" in told
    assert "scope=global" in told
