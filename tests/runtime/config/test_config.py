"""`interlock.yaml`: what is accepted, and that every complaint says file, line, key and the nearest known one."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.model.errors import Misconfigured
from interlock.model.people import Quorum
from interlock.runtime.config.addresses import address, is_loopback
from interlock.runtime.config.document import Config, FileWitness, HttpWitness, build, load
from interlock.runtime.config.durations import parse
from interlock.runtime.config.yaml_source import Source

FULL = """\
store: sqlite:///var/interlock.db
state_dir: var
api: {listen: "127.0.0.1:8470", public_url: "http://127.0.0.1:8470"}
environments: {production: {protection: strict}, staging: {protection: relaxed}, other: {}}
targets:
  shop:
    connector: postgres
    environment: production
    mode: enforce
    listen: "127.0.0.1:6543"
    upstream: {dsn: "postgresql://agent_rw@db/shop", password: {env: SHOP_PASSWORD}}
quorums: {two-sre: {count: 2, group: sre}, two-admins: {count: 2, group: admin}}
policies: policies/
limits: {rows_deleted: 50}
retention: {payloads: 30d, trash: 7d}
notify: []
master_key: {env: MASTER}
witness: [{file: seen}, {url: "https://witness.example/interlock", token: {env: WITNESS_TOKEN}}]
"""


def read(text: str) -> Config:
    return build(Source("interlock.yaml", text), Path("/etc/interlock/interlock.yaml"))


def complaint(text: str) -> str:
    with pytest.raises(Misconfigured) as raised:
        read(text)
    return str(raised.value)


def test_the_designs_example_is_read() -> None:
    config = read(FULL)
    assert config.store == "sqlite:////etc/interlock/var/interlock.db"
    assert config.state_dir == Path("/etc/interlock/var")
    assert config.admin_socket == Path("/etc/interlock/var/admin.sock")
    assert config.policies == Path("/etc/interlock/policies")
    assert config.quorums["two-sre"] == Quorum("two-sre", 2, "sre")
    assert config.environments["other"].protection == "strict"
    assert set(config.targets["shop"].own) == {"listen", "upstream"}
    assert (config.limits.rows_deleted, config.limits.rows_updated) == (50, 1000)
    assert config.witness[0] == FileWitness(Path("/etc/interlock/seen"))
    assert isinstance(config.witness[1], HttpWitness)
    assert config.witness[1].url == "https://witness.example/interlock"
    assert (config.retention_payloads, config.retention_trash) == (timedelta(days=30), timedelta(days=7))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("store:", "stor:", "interlock.yaml:1: stor: unknown key; did you mean 'store'?"),
        ("  listen:", "  listens:", ""),
        (
            "public_url",
            "public_ur",
            "interlock.yaml:3: api.public_ur: unknown key; did you mean 'public_url'?",
        ),
        (
            "protection: relaxed",
            "protecting: relaxed",
            "yaml:4: environments.staging.protecting: unknown key",
        ),
        (
            "protection: relaxed",
            "protection: lax",
            "yaml:4: environments.staging.protection: Invalid enum value",
        ),
        (
            "environment: production",
            "environment: prod",
            "yaml:8: targets.shop.environment: there is no environment",
        ),
        ("mode: enforce", "mode: maybe", "yaml:9: targets.shop.mode: Invalid enum value"),
        ("count: 2, group: sre", "count: 0, group: sre", "yaml:12: quorums.two-sre.count: a quorum needs"),
        ("count: 2, group: sre", "count: two, group: sre", "yaml:12: quorums.two-sre.count: a quorum needs"),
        ("payloads: 30d", "payloads: 30", "yaml:15: retention.payloads"),
        ("payloads: 30d", "payloads: soon", "yaml:15: retention.payloads: 'soon' is not a length of time"),
        ("rows_deleted: 50", "rows_deleted: -1", "yaml:14: limits"),
        ("notify: []", "notify: x", "yaml:16: notify: expected a list"),
        ("notify: []", "notify: [mailto]", "yaml:16: notify.0: expected SERVICE://…"),
        ("{env: MASTER}", "hunter2", "yaml:17: master_key: a secret is {env: NAME}"),
        ("{env: MASTER}", "{env: MASTER, file: x}", "yaml:17: master_key"),
        ("127.0.0.1:8470", "0.0.0.0:8470", "yaml:3: api.listen: without tls only a loopback"),
        ("127.0.0.1:8470", "8470", "yaml:3: api.listen"),
        ("state_dir: var", "state_dir: var\nstate_dir: war", "yaml:3: state_dir: is given twice"),
        ("  shop:", "  Shop!:", "yaml:6: targets.Shop!: a name has"),
        ("store: sqlite:///var/interlock.db", "store: here", "yaml:1: store: expected sqlite"),
        ("notify: []", "notify: [", "not valid YAML"),
        ("notify: []", "<<: {a: b}", "keys are plain words"),
        ("notify: []", "notify: &a [*a]", "no aliases"),
        ("notify: []", "notify: !!python/object:os.system []", "not valid YAML"),
        ("targets:\n", "targets: 7\nx:\n", "unknown key"),
        ("witness: [", "witness: 7 # [", "yaml:18: witness: expected a list"),
        ("{file: seen}", "{fil: seen}", "yaml:18: witness.0.fil: unknown key; did you mean 'file'?"),
        ("{file: seen}", "seen", "yaml:18: witness.0: expected keys and values"),
        ("{file: seen}", "{file: 7}", "yaml:18: witness.0.file: expected a text"),
        ("{file: seen}", "{file: seen, token: {env: X}}", "yaml:18: witness.0: a witness is {file: PATH} or"),
        ("{file: seen}", "{}", "yaml:18: witness.0: a witness is"),
        (", token: {env: WITNESS_TOKEN}", "", "yaml:18: witness.1: a witness is"),
        ("{env: WITNESS_TOKEN}", "hunter2", "yaml:18: witness.1.token: a secret is {env: NAME}"),
    ],
)
def test_mistakes_are_named_with_their_place(old: str, new: str, said: str) -> None:
    text = FULL.replace(old, new, 1) if old != "  listen:" else FULL
    if not said:
        assert "listens" in read(FULL.replace("    listen:", "    listens:")).targets["shop"].own
        return
    assert said in complaint(text)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://witness.example/interlock", "plain http is accepted for a loopback address only"),
        ("ftp://witness.example/", "expected https://"),
        ("witness.example/interlock", "expected https://"),
        ("https:///interlock", "expected https://"),
        ("https://witness.example:0/", "expected https://"),
        ("https://witness.example:x/", "not a URL"),
        ("https://[::1/", "not a URL"),
        ("https://ann:hunter2@witness.example/", "expected https://"),
        ("https://witness.example/?token=hunter2", "expected https://"),
        ("https://witness.example/#a", "expected https://"),
        ("https://witness.example/a b", "expected https://"),
        ("https://witness.example/\\r\\nA: b", "expected https://"),
    ],
)
def test_addresses_of_witnesses(url: str, said: str) -> None:
    text = complaint(FULL.replace("https://witness.example/interlock", url))
    assert text.startswith("interlock.yaml:18: witness.1.url: ")
    assert said in text
    assert "hunter2" not in text


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/w", "http://[::1]/", "https://w.example"])
def test_witnesses_on_loopback_need_no_tls(url: str) -> None:
    config = read(FULL.replace("https://witness.example/interlock", url))
    assert [w.url for w in config.witness if isinstance(w, HttpWitness)] == [url]


def test_a_written_secret_is_never_repeated() -> None:
    assert "hunter2" not in complaint(FULL.replace("{env: MASTER}", "hunter2"))


@pytest.mark.parametrize("needed", ["store", "targets"])
def test_what_is_needed(needed: str) -> None:
    text = "store: sqlite:///x\n" if needed == "targets" else "targets: {}\n"
    assert f"the key '{needed}' is missing" in complaint(text)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="interlock init"):
        load(tmp_path / "interlock.yaml")


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    # No text has all that is needed by chance.
    assert complaint(text).startswith("interlock.yaml:")


@pytest.mark.parametrize(
    ("text", "found"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:0", ("::1", 0)), ("db.local:65535", ("db.local", 65535))],
)
def test_addresses(text: str, found: tuple[str, int]) -> None:
    assert address(text) == found


@pytest.mark.parametrize("text", ["", ":1", "x", "x:", "x:y", "x:65536", "x:-1", "x:१"])
def test_no_addresses(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        address(text)


def test_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org")))


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("8h", 28800), ("7d", 604800), ("2w", 1209600)]
)
def test_lengths_of_time(text: str, seconds: int) -> None:
    assert parse(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "90", "s", "1.5h", "-1h", "0s", "1y", "٣d", "999999999w", "1h30m"])
def test_no_lengths_of_time(text: str) -> None:
    with pytest.raises(ValueError, match="length of time"):
        parse(text)


def test_certificates_of_targets_lie_beside_the_configuration() -> None:
    given = 'listen: "127.0.0.1:6543"'
    config = read(FULL.replace(given, f"{given}\n    tls: {{cert: tls.crt, key: /elsewhere/tls.key}}"))
    assert config.targets["shop"].own["tls"] == {
        "cert": "/etc/interlock/tls.crt",
        "key": "/elsewhere/tls.key",
    }


def test_budgets_follow_the_guardrails_unless_given() -> None:
    usual = read(FULL).budgets
    assert usual is not None
    assert (usual.agent.rows_deleted, usual.owner.rows_deleted, usual.agent.rows_updated) == (50, 100, 1000)
    assert usual.window == timedelta(hours=1)
    given = read(FULL + "budgets: {window: 30m, quorum: two-admins, table: {rows_deleted: 7}}\n").budgets
    assert given is not None
    assert (given.window, given.remedy) == (timedelta(minutes=30), "quorum:two-admins")
    assert (given.table.rows_deleted, given.table.rows_updated, given.agent.rows_deleted) == (7, 2000, 50)
    assert read(FULL + "budgets: none\n").budgets is None
    assert read(FULL + "guardrails: none\n").budgets is None
    assert read(FULL + "guardrails: none\nbudgets: {window: 1h}\n").budgets is not None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("budgets: {agnet: {}}", "did you mean 'agent'?"),
        ("budgets: {agent: {rows_delete: 1}}", "did you mean 'rows_deleted'?"),
        ("budgets: {agent: {rows_deleted: -1}}", "expected a whole number of 0 or more"),
        ("budgets: {agent: {rows_deleted: true}}", "expected a whole number of 0 or more"),
        ("budgets: {agent: {rows_deleted: 99999999999999999999}}", "must be a whole number"),
        ("budgets: {window: soon}", "is not a length of time"),
        ("budgets: {window: 60d}", "between a minute and 31 days"),
        ("budgets: {quorum: nobody}", "there is no quorum 'nobody'"),
        ("budgets: {quorum: 3}", "expected the name of a quorum"),
        ("budgets: [1]", "expected keys and values"),
    ],
)
def test_budgets_that_are_wrong_are_complained_about(given: str, says: str) -> None:
    text = complaint(f"{FULL}{given}\n")
    assert says in text
    assert text.startswith("interlock.yaml:19: budgets")


def test_by_default_nobody_sees_values_of_samples() -> None:
    assert read("store: sqlite:///a.db\ntargets: {}\n").reveal == ()
    named = "store: sqlite:///a.db\ntargets: {}\nsamples: {reveal: [dba, security, dba]}\n"
    assert read(named).reveal == ("dba", "security")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("samples: {reveal: dba}", "samples"),
        ("samples: {reveals: [dba]}", "reveal"),
        ("samples: {reveal: ['']}", "a name has small letters"),
        ("samples: {reveal: ['*']}", "a name has small letters"),
        ("samples: [dba]", "samples"),
    ],
)
def test_who_sees_values_is_no_guess(text: str, said: str) -> None:
    assert said in complaint(f"store: sqlite:///a.db\ntargets: {{}}\n{text}\n")
