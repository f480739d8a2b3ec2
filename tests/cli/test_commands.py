"""The commands against a running server: what they do, print, and exit with."""

import itertools
import json
import re
import urllib.error
import urllib.request

import pytest
from tests.cli.conftest import Place

NUMBERS = itertools.count(10)


def held(place: Place, reason: str = "") -> str:
    """A change that waits: each call deletes other rows."""
    number = next(NUMBERS)
    return place.send(["delete_like", "row/01"], ["put", f"new/{number}", "x"], reason=reason)


def test_two_people_approve_and_it_is_applied_and_reverted(furnished: Place) -> None:
    before = furnished.ask("rows")
    change = held(furnished, "tidy up")
    assert change.startswith("CHG-")
    assert [c["id"] for c in furnished.ok("changes", "--state", "held", "--json").json["changes"]] == [change]
    first = furnished.ok("approve", change, *furnished.signing("ann"), "--yes", "--reason", "they are old")
    assert "delete_like row/01" in first.out
    assert "table toy.rows" in first.out
    assert "the agent's own words" in first.out
    assert f"{change} is held" in first.out
    furnished.no("apply", change)
    second = furnished.ok("approve", change, *furnished.signing("bob"), "--yes", "--json").json
    assert second["change"]["state"] == "approved"
    assert "Done" in furnished.ok("apply", change).out
    assert len(furnished.ask("rows")) == 201
    reverted = furnished.ok("revert", change, *furnished.signing("ann"), "--yes", "--json").json
    assert (reverted["done"], reverted["change"]["state"]) == (True, "applied")
    assert furnished.ask("rows") == before
    shown = furnished.ok("show", change).out
    assert "reverted by" in shown
    assert "they are old" in shown


def test_the_owner_is_told_why_not(furnished: Place) -> None:
    said = furnished.no("approve", held(furnished), *furnished.signing("olga"), "--yes")
    assert "owns the agent" in said.err


def test_nobody_approves_twice(furnished: Place) -> None:
    change = held(furnished)
    furnished.ok("approve", change, *furnished.signing("ann"), "--yes")
    furnished.no("approve", change, *furnished.signing("ann"), "--yes")
    assert furnished.ok("show", change, "--json").json["change"]["state"] == "held"


def test_a_denial_ends_it(furnished: Place) -> None:
    change = held(furnished)
    assert "denied" in furnished.ok("deny", change, *furnished.signing("bob"), "--yes", "--reason", "no").out
    furnished.no("approve", change, *furnished.signing("ann"), "--yes")


def test_without_a_yes_nothing_is_signed(furnished: Place) -> None:
    change = held(furnished)
    furnished.no("approve", change, *furnished.signing("ann"), stdin="n\n")
    furnished.no("approve", change, *furnished.signing("ann"))
    assert "approvals" not in furnished.ok("show", change, "--json").json
    furnished.ok("approve", change, *furnished.signing("ann"), stdin="y\n")
    assert len(furnished.ok("show", change, "--json").json["approvals"]) == 1


def test_anothers_key_does_not_do(furnished: Place) -> None:
    change = held(furnished)
    said = furnished.no("approve", change, "--as", "ann", "--key", "bob", "--yes")
    assert "does not hold" in said.err


def test_disguises_are_shown(furnished: Place) -> None:
    change = furnished.send(
        ["delete_like", "row/01"], ["put", "\u043erders\u202e", "\x1b[2J"], reason="approved\u200b!"
    )
    for said in (
        furnished.ok("show", change),
        furnished.ok("approve", change, *furnished.signing("ann"), "--yes"),
    ):
        assert "⟨U+043E⟩rders⟨U+202E⟩" in said.out
        assert "⟨U+001B⟩[2J" in said.out
        assert "approved⟨U+200B⟩!" in said.out
        assert "\x1b" not in said.out


def test_over_the_api_with_a_key(furnished: Place) -> None:
    change = held(furnished)
    remote = ["--url", furnished.url]
    ann, bob = furnished.signing("ann"), furnished.signing("bob")
    assert furnished.ok("show", change, *remote, *ann, "--json").json["change"]["id"] == change
    furnished.ok("approve", change, *remote, *ann, "--yes")
    furnished.ok("approve", change, *remote, *bob, "--yes")
    assert furnished.ok("apply", change, *remote, *ann, "--json").json["done"] is True
    furnished.ok("revert", change, *remote, *ann, "--yes")


def test_over_the_api_only_admins_widen(furnished: Place) -> None:
    remote = ["--url", furnished.url]
    said = furnished.no("agents", "add", "helper", "--owner", "olga", *remote, *furnished.signing("ann"))
    assert "admin" in said.err
    new = furnished.ok(
        "agents", "add", "helper", "--owner", "olga", *remote, *furnished.signing("adm"), "--json"
    ).json
    assert new["agent"]["name"] == "helper"
    furnished.ok("agents", "disable", "helper", *remote, *furnished.signing("ann"))


def test_over_the_api_nobody_gets_far_without_a_key(furnished: Place) -> None:
    furnished.no("changes", "--url", furnished.url, code=2)
    furnished.no("changes", "--url", furnished.url, "--as", "ann", code=2)
    furnished.no("changes", "--url", furnished.url, "--as", "ann", "--key", "bob")
    furnished.no(
        "changes", "--url", furnished.url.replace("127.0.0.1", "localhost"), *furnished.signing("ann")
    )
    for wrong in ("ftp://x", "http://192.0.2.1:8470", "https://", "nonsense"):
        furnished.no("changes", "--url", wrong, *furnished.signing("ann"))


def test_a_token_is_printed_once_with_how_to_connect(furnished: Place) -> None:
    said = furnished.ok("agents", "add", "printed", "--owner", "olga").out
    token = re.search(r"ilk_[\w-]{43}", said)
    assert token
    assert f"toy://printed:{token[0]}@127.0.0.1:" in said
    again = furnished.ok("agents", "rotate", "printed", "--json").json
    assert again["token"] != token[0]
    log = (furnished.folder / "server.log").read_text()
    for secret in (token[0], again["token"]):
        assert secret not in furnished.ok("agents", "list", "--json").out
        assert secret not in log
        assert secret.encode() not in (furnished.folder / "interlock.db").read_bytes()
    with pytest.raises(urllib.error.HTTPError) as refused:
        _get(furnished, "/changes/CHG-00000000", token[0])
    assert refused.value.code == 401
    refused.value.close()


def _get(place: Place, path: str, token: str) -> object:
    request = urllib.request.Request(place.url + path, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_people(furnished: Place) -> None:
    furnished.person("dora", "sre", "dba")
    (dora,) = [p for p in furnished.ok("people", "list", "--json").json["people"] if p["name"] == "dora"]
    assert dora["groups"] == ["sre", "dba"]
    assert "dora" in furnished.ok("people", "list").out
    furnished.no("people", "add", "dora", "--group", "sre", "--pubkey", "dora.pub")
    furnished.no("people", "add", "doppel", "--group", "sre", "--pubkey", "dora.pub")
    furnished.ok("people", "disable", "dora")
    said = furnished.no("approve", held(furnished), *furnished.signing("dora"), "--yes")
    assert "disabled" in said.err
    furnished.no("people", "disable", "nobody")


def test_grants(furnished: Place) -> None:
    grant = furnished.ok(
        *[
            "grants",
            "add",
            "--agent",
            "other",
            "--target",
            "shop",
            "--actions",
            "read,update",
            "--expires",
            "30m",
            "--max-rows",
            "7",
        ],
        *("--resources", "toy.rows,toy.*", "--json"),
    ).json
    assert (grant["max_rows"], grant["resources"]) == (7, ["toy.rows", "toy.*"])
    assert grant["id"] in furnished.ok("grants", "list").out
    furnished.ok("grants", "revoke", grant["id"])
    assert grant["id"] not in furnished.ok("grants", "list").out
    assert grant["id"] in furnished.ok("grants", "list", "--all").out
    furnished.no("grants", "revoke", "G-NOTHING")
    for wrong in (["--actions", "fly"], ["--expires", "soon"], ["--expires", "0h"], ["--max-rows", "0"]):
        words = {"--agent": "other", "--target": "shop", "--actions": "read", "--expires": "1h"} | {
            wrong[0]: wrong[1]
        }
        furnished.no("grants", "add", *itertools.chain(*words.items()), code=2)
    furnished.no(
        *["grants", "add", "--agent", "other", "--target", "nowhere", "--actions", "read", "--expires", "1h"]
    )


def test_messages_that_were_given_up_and_channels(furnished: Place) -> None:
    for number in (1, 2):
        furnished.ask({"given_up": f"msg_{number}"})
    listed = furnished.ok("notify", "list").out
    assert "hook" in listed
    assert "msg_1" in listed
    assert "answers HTTP 500" in listed
    found = furnished.ok("notify", "list", "--waiting", "--json").json
    assert [m["id"] for m in found["messages"]] == ["msg_1", "msg_2"]
    assert "msg_1 to hook is tried again" in furnished.ok("notify", "retry", "msg_1").out
    assert furnished.ok("notify", "drop", "msg_2", "--json").json["id"] == "msg_2"
    assert furnished.ok("notify", "list", "--json").json["messages"] == []
    assert "no such message" in furnished.no("notify", "drop", "msg_2").err
    assert "no such message" in furnished.no("notify", "retry", "msg_2", "--json").err
    said = furnished.no("notify", "test", "hook")
    assert "the channel hook did not take it: the environment variable NOT_GIVEN is not set" in said.err
    assert furnished.no("notify", "test", "hook", "--json").json["taken"] is False
    assert "no channel of that name (known: hook)" in furnished.no("notify", "test", "other").err
    furnished.no("notify", "test", code=2)


def test_breakers_stop_and_go_back_by_steps(furnished: Place) -> None:
    change = {"agent": "other", "statements": [["put", "row/0000", "x"]]}
    furnished.no("breaker", "open", "agent/other", code=2)
    assert furnished.ok("breaker", "open", "agent/other", "--reason", "odd", "--json").json["state"] == "open"
    assert furnished.ask(change)["answer"] == "refused"
    first, why, *_ = furnished.ok("breaker", "list").out.splitlines()
    assert first.split()[:2] == ["agent/other", "open"]
    assert why.strip() == "odd"
    shown = " ".join(furnished.ok("breaker", "show", "agent/other").out.split())
    assert "put back by a person who owns none of the agents that it is about (not olga)" in shown
    assert "put back with interlock breaker reset agent/other --reason TEXT" in shown
    told = furnished.ok("breaker", "reset", "agent/other", "--reason", "seen").out
    assert "agent/other is on probation." in told
    assert "When 20 have ended well, close it with: interlock breaker reset agent/other --reason TEXT" in told
    first, why, *_ = furnished.ok("breaker", "list").out.splitlines()
    assert " ".join(first.split()).startswith("agent/other on probation (0 of 20 clean) ")
    assert why.strip() == "seen"
    furnished.no("breaker", "reset", "agent/other", code=2)
    assert "a reset needs a reason" in furnished.no("breaker", "reset", "agent/other", "--reason", " ").err
    assert "0 of 20" in furnished.no("breaker", "reset", "agent/other", "--reason", "fine").err
    furnished.ask({"behaved_well": "agent/other"})
    assert "closed" in furnished.ok("breaker", "reset", "agent/other", "--reason", "fine").out
    assert furnished.ask(change)["answer"] == "permitted"
    furnished.no("breaker", "reset", "agent/other", "--reason", "again")
    furnished.no("breaker", "open", "agent/nobody", "--reason", "odd")


def test_what_opened_by_itself_is_told_with_what_led_there(furnished: Place) -> None:
    held = furnished.ask({"agent": "fixer", "statements": [["delete_like", "row/01"]]})["change"]
    furnished.ask({"trip": "agent/fixer", "agent": "fixer", "change": held})
    furnished.ask({"spend": "agent/fixer", "objects": 1000})
    row, why, whose, closed, *_ = furnished.ok("breaker", "list").out.splitlines()
    assert row.split()[:2] == ["agent/fixer", "open"]
    assert why.strip() == "too many destructive operations: 4 of them, and 3 may be"
    assert whose.strip() == "work of fixer"
    assert closed.startswith("closed: global, ")
    shown = " ".join(furnished.ok("breaker", "show", "agent/fixer").out.split())
    assert "signal too many destructive operations (destructive) work of fixer" in shown
    assert f"before change operation 0s {held} delete table main 0s delete table main session: S-1" in shown
    assert "Spent in the last 1h" in shown
    assert "agent/fixer shop objects 1,000 1,000 full" in shown
    assert (
        furnished.ok("breaker", "show", "agent/fixer", "--json").json["trips"][0]["steps"][0]["change"]
        == held
    )
    listed = " ".join(furnished.ok("breaker", "trips", "--since", "8h").out.split())
    assert (
        "agent/fixer fixer on shop (production) too many destructive operations: 4 of them, and 3 may be (after 2 operations)"
        in listed
    )
    for more in (["--scope", "agent/other"], ["--env", "staging"]):
        assert furnished.ok("breaker", "trips", *more, "--json").json["trips"] == []
    found = furnished.ok("breaker", "trips", "--scope", "agent/fixer", "--env", "production", "--json").json
    assert [t["signal"] for t in found["trips"]] == ["destructive"]
    assert "there is no breaker agent/nobody" in furnished.no("breaker", "show", "agent/nobody").err
    furnished.no("breaker", "trips", "--since", "soon", code=2)
    index = furnished.ask({"newest": "breaker"})
    furnished.ask("sign")
    proved = " ".join(furnished.ok("ledger", "prove", str(index)).out.split())
    assert (
        f"The breaker agent/fixer opened by itself after {held}: too many destructive operations." in proved
    )
    assert "opened by itself" not in furnished.ok("ledger", "prove", "0").out
    furnished.ask({"put_back": "agent/fixer"})


def test_a_freeze_stops_an_environment(furnished: Place) -> None:
    furnished.ok("freeze", "production", "--reason", "release")
    assert furnished.ask({"agent": "fixer", "statements": [["put", "row/0000", "y"]]})["answer"] == "refused"
    assert "frozen" not in furnished.ok("thaw", "production").out
    assert (
        furnished.ask({"agent": "fixer", "statements": [["put", "row/0000", "y"]]})["answer"] == "permitted"
    )
    furnished.no("freeze", "nowhere", "--reason", "x")


def test_the_ledger_is_shown_proven_exported_and_verified(furnished: Place) -> None:
    furnished.ok("approve", held(furnished), *furnished.signing("ann"), "--yes")
    furnished.ask("sign")
    head = furnished.ok("ledger", "head", "--json").json
    assert head["signed"] > 10
    verified = furnished.ok("ledger", "verify", "--json").json
    assert (verified["ok"], verified["findings"]) == (True, [])
    assert verified["signatures"] > 0
    assert "proof" in furnished.ok("ledger", "prove", "0", "-o", "entry.tlog-proof", "--json").json
    assert (furnished.folder / "entry.tlog-proof").read_text().startswith("c2sp.org/tlog-proof@v1")
    furnished.no("ledger", "prove", "1000000")
    exported = furnished.ok("ledger", "export", "export", "--json").json
    assert exported["vkey"] == head["vkey"]
    furnished.no("ledger", "export", "export")
    furnished.ok("ledger", "verify", "--export", "export", "--vkey", head["vkey"])
    furnished.no("ledger", "verify", "--export", "export", "--vkey", "x+y+z", code=2)
    bundle = furnished.folder / "export/tile/entries/000.p" / str(exported["size"])
    bundle.write_bytes(bundle.read_bytes().replace(b'"person":"ann"', b'"person":"bob"', 1))
    said = furnished.no("ledger", "verify", "--export", "export", "--vkey", head["vkey"])
    assert re.search(r"entry \d+ is altered", said.out)


def test_doctor_asks_the_server(furnished: Place) -> None:
    found = furnished.run("doctor", "--json").json["findings"]
    assert "mode" in {f["check"] for f in found}
    assert "server" not in {f["check"] for f in found}


def test_the_report_and_the_proposals(furnished: Place) -> None:
    report = furnished.ok("report", "--since", "1h", "--json").json
    assert report["changes"] >= 0
    assert furnished.ok("proposals", "--json").json == {}
    furnished.no("report", "--since", "ever", code=2)


def test_what_would_have_tripped_is_told(own_place: Place) -> None:
    held(own_place)
    found = own_place.ok("breaker", "tune", "--since", "1h", "--json").json
    assert (found["changes"], found["complete"], found["snippet"]) == (1, True, "")
    said = own_place.ok("breaker", "tune").out
    assert "1 change" in said
    assert "too little happened to learn from" in said
    own_place.no("breaker", "tune", "--since", "ever", code=2)


def test_ids_are_forgiving_and_wrong_ones_are_usage(furnished: Place) -> None:
    change = held(furnished)
    assert furnished.ok("show", change.lower().removeprefix("chg-"), "--json").json["change"]["id"] == change
    furnished.no("show", "nonsense!", code=2)
    furnished.no("show", "CHG-00000000")


def test_output_is_for_eighty_columns_without_colour(furnished: Place) -> None:
    change = held(furnished, "because " * 40)
    for words in (
        ["changes"],
        ["show", change],
        ["breaker", "list"],
        ["breaker", "show", "global"],
        ["breaker", "trips"],
        ["notify", "list", "--waiting"],
        ["grants", "list", "--all"],
        ["doctor"],
    ):
        said = furnished.run(*words)
        assert "\x1b" not in said.out
        assert max(map(len, said.out.splitlines())) <= 80


def test_a_key_with_a_passphrase_signs(furnished: Place) -> None:
    (furnished.folder / "words").write_text("open sesame\n")
    furnished.ok("keys", "new", "eve", "--passphrase-file", "words")
    furnished.ok("people", "add", "eve", "--group", "sre", "--pubkey", "eve.pub")
    change = held(furnished)
    assert "--passphrase-file" in furnished.no("approve", change, *furnished.signing("eve"), "--yes").err
    (furnished.folder / "wrong").write_text("open barley\n")
    said = furnished.no("approve", change, *furnished.signing("eve"), "--passphrase-file", "wrong", "--yes")
    assert "passphrase does not open" in said.err
    furnished.ok("approve", change, *furnished.signing("eve"), "--passphrase-file", "words", "--yes")
    furnished.ok("people", "disable", "eve")


def test_what_waits_can_be_withdrawn(furnished: Place) -> None:
    change = held(furnished)
    furnished.ok("approve", change, *furnished.signing("ann"), "--yes")
    assert f"{change} is withdrawn." in furnished.ok("withdraw", change, "--reason", "not needed").out
    said = furnished.ok("show", change, "--json").json["change"]
    assert (said["state"], said["note"]) == ("withdrawn", "not needed")
    # Nobody can go on with it, and nothing is asked before that is said.
    assert "withdrawn" in furnished.no("approve", change, *furnished.signing("bob")).err
    assert "withdrawn" in furnished.no("withdraw", change).err
    assert "withdrawn" in furnished.no("apply", change).err


def test_what_was_used_of_budgets_is_told(own_place: Place) -> None:
    for n in range(3):
        own_place.send(["put", f"row/{n:04d}", "x"])
    own_place.send(*(["put", f"row/{n:04d}", "y"] for n in range(3)))
    found = own_place.ok("breaker", "tune", "--json").json["budgets"]
    used = {(u["scope"], u["field"]): (u["windows"], u["highest"], u["usual"]) for u in found["used"]}
    assert used["agent", "rows_updated"] == (1, 6, 6)
    assert (found["seconds"], found["waits_now"], found["now"], found["proposals"]) == (3600, 0, [], [])
    said = " ".join(own_place.ok("breaker", "tune").out.split())
    assert "What was used of budgets without anybody's approval, in windows of" in said
    assert "Under the budgets in force 0 changes would have waited for people." in said
