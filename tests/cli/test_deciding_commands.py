"""Taking an approval back, commenting and breaking the glass, as people use them."""

from tests.cli.conftest import Place
from tests.cli.test_commands import held


def test_an_approval_is_taken_back_by_its_person(furnished: Place) -> None:
    change = held(furnished)
    for name in ("ann", "bob"):
        furnished.ok("approve", change, *furnished.signing(name), "--yes")
    assert "olga has not approved" in furnished.no("unapprove", change, "--as", "olga").err
    told = furnished.ok(
        "unapprove", change, *furnished.signing("ann"), "--url", furnished.url, "--reason", "oh"
    ).out
    assert f"Taken back. {change} is held." in told
    assert "two-sre: 1 of 2 of group sre: bob" in told
    furnished.no("apply", change)
    again = furnished.ok("unapprove", change, "--as", "bob", "--json").json
    assert "given" not in again["quorums"][0]


def test_comments_are_shown_with_the_change(furnished: Place) -> None:
    change = held(furnished)
    furnished.ok("comment", change, "is the backup done?", *furnished.signing("ann"), "--url", furnished.url)
    furnished.ok("comment", change, "yes")
    shown = furnished.ok("show", change).out
    assert "Comments" in shown
    assert "is the backup done?" in shown
    assert "ann" in shown
    assert "from 1 to 4000 characters" in furnished.no("comment", change, " ").err


def test_waiting_changes_that_look_alike_are_named_together(furnished: Place) -> None:
    first = furnished.send(["delete_like", "row/01"])
    second = furnished.send(["delete_like", "row/02"])
    listed = " ".join(furnished.ok("changes").out.split())
    assert f"2 that wait look alike, each is decided by itself: {second}, {first}" in listed


def test_the_glass_is_broken_for_a_change_and_reviewed_by_another(furnished: Place) -> None:
    change, other = held(furnished), furnished.send(["delete_like", "row/02"])
    why = ("--reason", "the shop is down")
    furnished.no("break-glass", change, *furnished.signing("bob"), *why, stdin="n\n")
    furnished.no("apply", change)
    told = furnished.ok("break-glass", change, *furnished.signing("bob"), *why, "--yes").out
    assert f"BREAK THE GLASS FOR {change}" in told
    assert "delete_like row/01" in told
    assert f"The glass is broken for {change} until" in told
    assert "break-glass" in furnished.ok("show", change).out
    assert "Done" in furnished.ok("apply", change).out
    furnished.no("apply", other)
    listed = furnished.ok("break-glass", "list", "--json").json["break_glasses"]
    assert [(g["approval"]["statement"]["reason"], "reviewed_by" in g) for g in listed] == [
        ("the shop is down", False)
    ]
    assert "UNREVIEWED" in furnished.ok("break-glass", "list").out
    glass, fine = listed[0]["id"], ("--reason", "it was right", "--yes")
    assert (
        "they broke it" in furnished.no("break-glass", "review", glass, *furnished.signing("bob"), *fine).err
    )
    assert (
        f"{glass} is reviewed by ann"
        in furnished.ok("break-glass", "review", glass, *furnished.signing("ann"), *fine).out
    )
    assert "UNREVIEWED" not in furnished.ok("break-glass", "list").out
    assert furnished.ok("ledger", "verify").out


def test_the_glass_is_broken_for_a_target(own_place: Place) -> None:
    why = ("--target", "shop", "--reason", "the shop is down", "--yes")
    assert "not named" in own_place.no("break-glass", *own_place.signing("ann"), *why).err
    told = own_place.ok("break-glass", *why, *own_place.signing("bob"), "--url", own_place.url).out
    assert "BREAK THE GLASS FOR ALL CHANGES ON shop" in told
    before = own_place.ask("rows")
    own_place.send(["delete_like", "row/01"])
    assert len(own_place.ask("rows")) < len(before)


def test_break_glass_is_for_one_thing_and_needs_a_reason(furnished: Place) -> None:
    who = furnished.signing("bob")
    furnished.no("break-glass", *who, "--reason", "x", "--yes", code=2)
    furnished.no("break-glass", "CHG-00000000", "--target", "shop", *who, "--reason", "x", "--yes", code=2)
    furnished.no("break-glass", "CHG-00000000", *who, "--yes", code=2)
    assert (
        "there is no change"
        in furnished.no("break-glass", "CHG-00000000", *who, "--reason", "x", "--yes").err
    )
