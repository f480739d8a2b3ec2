"""The commands that need no server: set-up, keys, policies, and the store as a file."""

import json
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import CONFIG, Place, free_port


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def installed(place: Place) -> Place:
    """As `init` leaves it, on a port of its own."""
    place.ok("init")
    place.port = free_port()
    file = place.folder / "interlock.yaml"
    file.write_text(file.read_text().replace("8470", str(place.port)))
    return place


def test_init_writes_what_works(place: Place) -> None:
    said = place.ok("init", "new/place", "--json").json
    folder = place.folder / "new/place"
    assert len(said["written"]) == 3
    assert mode(folder / "var") == 0o700
    assert {mode(path) & 0o077 for path in (folder / "var").iterdir()} == {0}
    place.env["INTERLOCK_CONFIG"] = str(folder / "interlock.yaml")
    assert place.ok("policy", "check", "--json").json == {"findings": []}
    assert {r["passed"] for r in place.ok("policy", "test", "--json").json["results"]} == {True}
    assert place.ok("ledger", "verify", "--json").json["size"] == 1


def test_init_overwrites_nothing(installed: Place) -> None:
    before = {path: path.read_bytes() for path in installed.folder.rglob("*") if path.is_file()}
    again = installed.ok("init", "--json").json
    assert again["written"] == []
    assert {path: path.read_bytes() for path in before} == before
    (installed.folder / "interlock.yaml").unlink()
    installed.no("init")
    assert not (installed.folder / "interlock.yaml").exists()


def test_init_makes_the_store_of_a_configuration_that_is_there(place: Place) -> None:
    (place.folder / "interlock.yaml").write_text("store: sqlite:///deep.db\ntargets: {}\n")
    place.ok("init")
    assert mode(place.folder / "deep.db") == 0o600


def test_the_configuration_is_found_in_three_ways(installed: Place, tmp_path: Path) -> None:
    elsewhere = Place(tmp_path / "elsewhere", inside=True)
    elsewhere.folder.mkdir()
    said = elsewhere.no("ledger", "verify")
    assert "interlock init" in said.err
    file = str(installed.folder / "interlock.yaml")
    elsewhere.ok("ledger", "verify", "-c", file)
    elsewhere.ok("ledger", "verify", "--config", file)
    elsewhere.env["INTERLOCK_CONFIG"] = file
    elsewhere.ok("ledger", "verify")


def test_a_wrong_configuration_names_the_line(installed: Place) -> None:
    file = installed.folder / "interlock.yaml"
    file.write_text(file.read_text().replace("quorums:", "quorum:"))
    said = installed.no("doctor")
    assert "quorums" in said.err
    assert "interlock.yaml:" in said.err


def test_keys(place: Place) -> None:
    made = place.ok("keys", "new", "ann", "--json").json
    assert (place.folder / "ann.pub").read_text().strip() == made["public_key"]
    assert mode(place.folder / "ann") == 0o600
    place.no("keys", "new", "ann")
    (place.folder / "words").write_text("open sesame\n")
    place.ok("keys", "new", "bob", "--passphrase-file", "words")
    assert "ENCRYPTED" in (place.folder / "bob").read_text()
    assert "open sesame" not in (place.folder / "bob").read_text()
    place.no("keys", "new", "cho", "--passphrase-file", "nothing")
    place.no("keys", "new", "cho", "--passphrase", "--passphrase-file", "words", code=2)
    (place.folder / "empty").write_text("\n")
    place.no("keys", "new", "cho", "--passphrase-file", "empty")
    assert not (place.folder / "cho").exists()


def test_policy_problems_are_found(installed: Place) -> None:
    bad = installed.folder / "policies/bad.cedar"
    bad.write_text(
        '@id("a")\n@remedy("quorum:two-sre")\n@description("x")\nforbid (principal, action, resource);\n'
    )
    found = installed.no("policy", "check", "--json").json["findings"]
    assert "remedy-without-condition" in {f["check"] for f in found}
    bad.write_text("forbid (")
    assert "bad.cedar" in installed.no("policy", "check").out
    bad.unlink()
    cases = installed.folder / "policies/payments.toml"
    cases.write_text(cases.read_text().replace('expect = "permit"', 'expect = "forbid"'))
    results = installed.no("policy", "test", "--json").json["results"]
    assert [r["passed"] for r in results] == [True, False]
    assert "expected forbid, got permit" in installed.no("policy", "test").out
    installed.no("policy", "test", "nowhere.toml")


def test_without_a_server_commands_say_where_they_looked(installed: Place) -> None:
    said = installed.no("changes")
    assert "admin.sock" in said.err
    assert "interlock serve" in said.err
    assert "admin.sock" in installed.no("trash", "list", "shop").err
    said = installed.no("postgres", "grants-sql", "shop")
    assert "no postgres target 'shop'" in said.err


def test_doctor_looks_without_a_server(installed: Place) -> None:
    found = installed.no("doctor", "--json").json["findings"]
    by_check = {f["check"]: f["level"] for f in found}
    assert by_check["server"] == "warning"
    assert [f["level"] for f in found if f["check"] == "quorum"] == ["error", "warning"], (
        "nobody asks for the second"
    )
    assert by_check["mode"] == "warning"
    (installed.folder / "var").chmod(0o755)
    found = installed.no("doctor", "--offline", "--json").json["findings"]
    assert {f["check"] for f in found if f["level"] == "error"} >= {"state-dir"}


def serve(place: Place) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "interlock", "serve"],
        cwd=place.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def serving(place: Place) -> subprocess.Popen[str]:
    """Started, and seen to serve by its own log."""
    server = serve(place)
    assert server.stderr is not None
    seen = ""
    while '"event": "ready"' not in seen:
        line = server.stderr.readline()
        assert line, seen
        seen += line
    return server


def end(server: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> int:
    server.send_signal(number)
    _, log = server.communicate(timeout=30)
    assert "Traceback" not in log
    return server.returncode


def test_serve_begins_loudly_and_ends_in_order(installed: Place) -> None:
    server = serving(installed)
    try:
        assert mode(installed.folder / "var/admin.sock") & 0o077 == 0
        assert installed.ok("changes", "--json").json == {"changes": []}
        assert installed.ok("people", "list").out
        second = serve(installed)
        _, log = second.communicate(timeout=30)
        assert second.returncode == 1
        assert "already" in log
        for words in (["migrate"], ["restore", "x", "--yes"]):
            assert "running" in installed.no(*words).err
    finally:
        assert end(server) == 0
    assert "admin.sock" in installed.no("changes").err
    server = serving(installed)
    assert end(server, signal.SIGINT) == 0


def test_serve_refuses_what_is_not_in_order(installed: Place) -> None:
    installed.inside = False
    (installed.folder / "var").chmod(0o750)
    assert "chmod 700" in installed.no("serve").err
    (installed.folder / "var").chmod(0o700)
    (installed.folder / "var/interlock.db").unlink()
    assert "interlock init" in installed.no("serve").err


def test_a_store_is_backed_up_while_it_serves_and_restored_after(installed: Place) -> None:
    server = serving(installed)
    try:
        installed.person("ann")
        installed.ok("backup", "safe.db")
        installed.no("backup", "safe.db")
        installed.person("bob")
    finally:
        end(server)
    assert mode(installed.folder / "safe.db") == 0o600
    installed.no("restore", "safe.db", stdin="n\n")
    done = installed.ok("restore", "safe.db", "--yes", "--json").json
    assert done["entries"] < done["seen"]
    assert installed.ok("ledger", "verify", "--json").json["size"] <= done["entries"]
    server = serving(installed)
    try:
        assert [p["name"] for p in installed.ok("people", "list", "--json").json["people"]] == ["ann"]
    finally:
        end(server)
    assert all(Path(kept).exists() for kept in done["kept"])


def test_only_a_store_of_this_installation_is_restored(installed: Place, tmp_path: Path) -> None:
    other = Place(tmp_path / "other", inside=True)
    other.folder.mkdir()
    other.ok("init")
    other.ok("backup", str(tmp_path / "foreign.db"))
    before = (installed.folder / "var/interlock.db").read_bytes()
    assert "master key" in installed.no("restore", str(tmp_path / "foreign.db"), "--yes").err
    (tmp_path / "garbage.db").write_bytes(b"no database at all" * 1000)
    installed.no("restore", str(tmp_path / "garbage.db"), "--yes")
    installed.no("restore", str(tmp_path / "nothing.db"), "--yes")
    assert (installed.folder / "var/interlock.db").read_bytes() == before
    assert not list((installed.folder / "var").glob(".*restoring*"))


def test_a_postgresql_store_has_its_own_tools(place: Place) -> None:
    (place.folder / "interlock.yaml").write_text(
        CONFIG.format(port=1).replace("sqlite:///interlock.db", "postgresql+psycopg://i@127.0.0.1:1/i")
    )
    (place.folder / "var").mkdir(mode=0o700)
    assert "pg_dump" in place.no("backup", "x.db").err
    assert "pg_restore" in place.no("restore", "x.db", "--yes").err


def test_migrate_leaves_a_current_store_as_it_is(installed: Place) -> None:
    assert installed.ok("migrate", "--json").json == {"entries": 1}


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["people"],
        ["people", "add"],
        ["approve", "CHG-00000000"],
        ["ledger", "prove", "-1"],
        ["report", "--since"],
    ],
)
def test_wrong_usage_is_two(place: Place, words: list[str]) -> None:
    place.inside = False
    said = place.run(*words)
    assert said.code == 2
    assert said.out + said.err


def test_help_and_version(place: Place) -> None:
    place.inside = False
    assert place.ok("--version").out.strip().count(".") == 2
    assert "approve" in place.ok("--help").out
    assert json.loads(place.ok("keys", "new", "k", "--json").out)
