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


def test_whoever_approves_one_after_the_other_is_slowed(furnished: Place) -> None:
    changes = [
        furnished.send(["delete_like", rows]) for rows in ("row/00", "row/01", "row/02", "row/0", "row/")
    ]
    for change in changes:
        furnished.ok("approve", change, *furnished.signing("ann"), "--yes")
    furnished.ok("withdraw", changes[0])
    last = furnished.send(["delete_like", "row"])
    told = furnished.no("approve", last, *furnished.signing("ann"), "--yes").err
    assert "within" in told
    assert "read it meanwhile" in told
