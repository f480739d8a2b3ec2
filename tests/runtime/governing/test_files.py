"""Policies and configuration: what admins have approved is in force, whatever the files say."""

from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs
from tests.runtime.governing.conftest import ANN, RULE, SOCKET, House, Make

from interlock.control.deciding.passkey import Site
from interlock.model.change import ChangeState
from interlock.model.decision import Target
from interlock.model.errors import Misconfigured, Rejected
from interlock.runtime import doctor
from interlock.runtime.config.document import load
from interlock.runtime.config.yaml_source import Source
from interlock.runtime.governing import deciding
from interlock.runtime.rules.policies import read_texts
from interlock.runtime.targets import connectors
from interlock.sdk.connector import Held, Permitted, Refused
from interlock.testing.stores.enforcing import FakeStore

pytestmark = pytest.mark.anyio

OTHER_RULE = RULE.replace("no-drops", "no-deletes").replace("objects_deleted > 0", "rows_deleted > 0")
SITE = Site("localhost", "http://localhost:8470")
DROP, DELETE = ["drop"], ["delete", "row/0000"]


def rules(house: House) -> set[str]:
    """The installation's own rules in force."""
    return {p.id for p in house.runtime.core.policies.engine.policies.values() if p.file == "own.cedar"}


def critical(logs: list[Any]) -> list[str]:
    return [log["event"] for log in logs if log["log_level"] == "critical"]


async def whats_wrong(house: House) -> dict[str, str]:
    """What health and doctor say of files."""
    health = {c.name: c.why for c in house.runtime.health() if c.name.startswith("approved/")}
    found = {f.check for f in await doctor.online(house.runtime) if f.check.startswith("approved-")}
    assert {name.replace("/", "-") for name in health} == found
    return health


# ---- policies


@pytest.mark.parametrize("how", ["altered", "removed", "added", "broken"])
async def test_policy_files_that_nobody_approved_are_refused_loudly(governed: House, how: str) -> None:
    own = governed.folder / "policies" / "own.cedar"
    match how:
        case "altered":
            own.write_text(OTHER_RULE)
        case "removed":
            own.unlink()
        case "added":
            (own.parent / "more.cedar").write_text(OTHER_RULE)
        case _:
            own.write_text("permit (everything")
    with capture_logs() as logs:
        await governed.runtime.governing.files.look()
        await governed.runtime.governing.files.look()
        await governed.runtime.reload()
    assert critical(logs) == ["governed.refused"]
    assert rules(governed) == {"no-drops"}
    name = "more.cedar" if how == "added" else "own.cedar"
    assert await whats_wrong(governed) == {
        "approved/policies": f"the policy files are not the approved ones: {name}"
    }
    (entry,) = await governed.entries("unapproved")
    assert (entry["what"], entry["differs"]) == ("policies", [name])
    assert isinstance(await governed.send(DROP), Refused)
    # Served from the store after a restart, too.
    with capture_logs() as logs:
        await governed.restart()
    assert "governed.refused" in critical(logs)
    assert rules(governed) == {"no-drops"}
    assert isinstance(await governed.send(DROP), Refused)
    assert len(await governed.entries("unapproved")) == 1


async def test_approved_files_put_back_are_well_again(governed: House) -> None:
    own = governed.folder / "policies" / "own.cedar"
    own.write_text(OTHER_RULE)
    await governed.runtime.governing.files.look()
    own.write_text(RULE)
    await governed.runtime.governing.files.look()
    assert await whats_wrong(governed) == {}
    own.write_text(OTHER_RULE)
    await governed.runtime.governing.files.look()
    assert len(await governed.entries("unapproved")) == 2


async def test_a_whole_folder_that_is_gone_changes_nothing(governed: House) -> None:
    (governed.folder / "policies" / "own.cedar").unlink()
    (governed.folder / "policies").rmdir()
    await governed.restart()
    assert rules(governed) == {"no-drops"}
    assert "there is no folder" in (await whats_wrong(governed))["approved/policies"]


async def test_only_an_approved_proposal_moves_the_policies(governed: House) -> None:
    assert isinstance(await governed.send(DELETE), Permitted)
    (governed.folder / "policies" / "own.cedar").write_text(OTHER_RULE)
    texts = read_texts(governed.folder / "policies")
    change = await governed.held(governed.runtime.governing.propose_policies(texts, by=SOCKET))
    assert rules(governed) == {"no-drops"}
    shown = "\n".join((await governed.runtime.changes.show(change.id)).statements or ())
    assert '-@id("no-drops")' in shown
    assert '+@id("no-deletes")' in shown
    assert "passes → refused" in shown
    assert "looked at: 1 changes of the last 14 days" in shown
    await governed.speak(change, "ann")
    assert (await governed.speak(change, "ben")).state is ChangeState.APPLIED
    await governed.runtime.core.tasks.drain(10)
    assert rules(governed) == {"no-deletes"}
    assert isinstance(await governed.send(["delete", "row/0001"]), Refused)
    assert await whats_wrong(governed) == {}


async def test_every_replica_takes_approved_policies(make: Make, pg_store: str) -> None:
    one, two = await make(store=pg_store).start(), await make(store=pg_store).start()
    await one.furnish()
    await one.govern()
    await one.agree(one.runtime.governing.propose_policies({"own.cedar": OTHER_RULE}, by=SOCKET))
    await two.runtime.core.directory.refresh()
    await two.runtime.core.tasks.drain(10)
    assert rules(two) == {"no-deletes"}
    assert (await two.entries("policy"))[-1]["digest"] == two.runtime.core.policies.engine.digest
    assert set(two.runtime.governing.files.problems) == {"policies"}, "its own files are the old ones"
    await one.stop()
    await two.stop()


async def test_proposals_that_alter_no_decision_say_so(governed: House) -> None:
    await governed.send(DELETE)
    texts = {"own.cedar": RULE + "// a word\n"}
    change = await governed.held(governed.runtime.governing.propose_policies(texts, by=SOCKET))
    shown = (await governed.runtime.changes.show(change.id)).statements or ()
    assert shown[-1] == "Past decisions it would alter:\n  looked at: 1 changes of the last 14 days"


async def test_the_same_policies_are_no_proposal(governed: House) -> None:
    with pytest.raises(Rejected, match="nothing would change"):
        await governed.runtime.governing.propose_policies({"own.cedar": RULE}, by=SOCKET)


# ---- configuration


TAMPERED = {
    "relaxed": ("production: {}", "production: {protection: relaxed}", "environments.production"),
    "observed": ("environment: production}", "environment: production, mode: observe}", "targets.shop.mode"),
    "moved": ("environment: production}", "environment: staging}", "targets.shop.environment"),
    "one is enough": ("count: 2", "count: 1", "quorums.two-sre.count"),
    "no guardrails": ("policies: policies", "policies: policies\nguardrails: none", "guardrails"),
    "trash for a second": ("policies: policies", "policies: policies\nretention: {trash: 1s}", "retention"),
    "no waiting": ("policies: policies", "policies: policies\npeople: {counts_after: none}", "people"),
    "another site": ("http://127.0.0.1:8470", "http://localhost:8471", "api.public_url"),
    "another host's passkeys": ("http://127.0.0.1:8470", "https://interlock.evil.example", "api.public_url"),
    "the usual site": (', public_url: "http://127.0.0.1:8470"', "", ""),
    "no policies": ("policies: policies\n", "", "policies"),
}


@pytest.mark.parametrize("how", TAMPERED)
async def test_a_configuration_that_nobody_approved_is_refused_loudly(governed: House, how: str) -> None:
    before, after, name = TAMPERED[how]
    governed.alter(before, after)
    with capture_logs() as logs:
        await governed.runtime.governing.files.look()
    with capture_logs() as again:
        await governed.restart()
    c = governed.runtime.config
    assert c.environments["production"].protection == "strict"
    assert (c.targets["shop"].environment, c.targets["shop"].mode) == ("production", "enforce")
    assert (c.quorums["two-sre"].count, c.guardrails, c.retention_trash.days) == (2, "default", 7)
    assert rules(governed) == {"no-drops"}
    assert isinstance(await governed.send(["delete_like", "row/01"]), Held)
    assert c.api.public_url == "http://127.0.0.1:8470"
    assert governed.runtime.terms.site == governed.runtime.terms.break_glass.site == SITE
    if how == "the usual site":  # the same, unsaid
        assert await whats_wrong(governed) == {}
        return
    if how == "no policies":  # where they are read from decides nothing: what they say does
        assert set(await whats_wrong(governed)) == {"approved/policies"}
        return
    assert critical(logs) == critical(again) == ["governed.refused"]
    why = (await whats_wrong(governed))["approved/config"]
    assert why.startswith(f"the configuration is not the approved one: {name}")
    (entry,) = await governed.entries("unapproved")
    assert entry["what"] == "config"


async def test_a_configuration_that_cannot_be_read_is_said(governed: House) -> None:
    governed.alter("targets:", "targetz:")
    await governed.runtime.governing.files.look()
    assert "cannot be read" in (await whats_wrong(governed))["approved/config"]


async def test_a_target_that_nobody_approved_is_not_served(governed: House) -> None:
    governed.alter("targets:", "targets:\n  extra: {connector: toy, environment: staging}")
    await governed.restart()
    assert sorted(governed.runtime.targets) == ["box", "shop"]


async def test_only_an_approved_proposal_moves_the_configuration(governed: House) -> None:
    governed.alter("count: 2", "count: 3")
    wanted = deciding.deciding(load(governed.file).source).decode()
    change = await governed.held(governed.runtime.governing.propose_config(wanted, by=ANN))
    (effect,) = change.measurement.effects
    assert (effect.resource.name, effect.detail) == ("quorums.two-sre.count", "2 → 3")
    statements = (await governed.runtime.changes.show(change.id)).statements or ()
    assert '+      "count": 3,' in statements[1]
    assert statements[2].startswith("It takes effect where a replica is started again")
    assert "looked at: 0 changes" in statements[3]
    with capture_logs() as logs:
        assert (await governed.speak(change, "ben")).state is ChangeState.APPLIED
        await governed.runtime.core.tasks.drain(10)
    assert "config.approved" in critical(logs)
    assert governed.runtime.config.quorums["two-sre"].count == 2, (
        "the one it began with holds until the restart"
    )
    assert "another configuration" in (await whats_wrong(governed))["approved/config"]
    await governed.restart()
    assert governed.runtime.config.quorums["two-sre"].count == 3
    assert await whats_wrong(governed) == {}


async def test_a_configuration_shows_the_decisions_it_would_alter(governed: House) -> None:
    await governed.send(*(["delete", f"row/{n:04d}"] for n in range(5)))
    governed.alter("policies: policies", "policies: policies\nlimits: {rows_deleted: 2}")
    wanted = deciding.deciding(load(governed.file).source).decode()
    change = await governed.held(governed.runtime.governing.propose_config(wanted, by=SOCKET))
    shown = (await governed.runtime.changes.show(change.id)).statements or ()
    assert "passes → waits for quorum:two-sre" in shown[-1]


async def test_a_replica_with_another_configuration_serves_the_approved_one(
    make: Make, pg_store: str
) -> None:
    one = await make(store=pg_store).start()
    await one.furnish()
    await one.govern()
    two = make(store=pg_store, alter=lambda text: text.replace("count: 2", "count: 1"))
    await two.start()
    assert two.runtime.config.quorums["two-sre"].count == 2
    assert set(two.runtime.governing.files.problems) == {"config"}
    await one.stop()
    await two.stop()


# ---- what of a configuration decides

SECRETS = """\
store: postgresql+psycopg://db/x
state_dir: var
api: {listen: "127.0.0.1:1"}
environments: {production: {}}
witness: [{url: "https://w", token: {env: W}}]
targets:
  shop:
    connector: postgres
    environment: production
    listen: "127.0.0.1:2"
    upstream:
      {dsn: "postgresql://a@db/shop", password: {env: SHOP}, agents: {bot: {dsn: "postgresql://b@db/shop", password: {file: x}}}}
"""


def part(text: str) -> bytes:
    return deciding.deciding(Source("x.yaml", text))


def test_secrets_and_addresses_do_not_decide() -> None:
    assert part(SECRETS) == (
        b'{"api":{"public_url":"http://127.0.0.1:8470"},"environments":{"production":{}},"targets":{"shop":{"connector":"postgres","environment":"production",'
        b'"upstream":{"agents":{"bot":{"dsn":"postgresql://b@db/shop","password":"(secret)"}},'
        b'"dsn":"postgresql://a@db/shop","password":"(secret)"}}}}'
    )
    assert part(SECRETS) == part(
        SECRETS.replace("env: SHOP", "command: [vault, read]").replace("127.0.0.1:2", "0.0.0.0:2")
    )
    assert part(SECRETS) != part(SECRETS.replace("a@db/shop", "a@db/other"))
    assert part(SECRETS) != part(SECRETS.replace(", password: {env: SHOP}", ""))
    assert part(SECRETS) != part(SECRETS + "anything_new: {x: 1}\n"), "a key that comes later decides"


def test_the_files_secrets_are_put_back_into_the_approved_part() -> None:
    tampered = SECRETS.replace("a@db/shop", "a@evil/shop").replace("env: SHOP", "env: OTHER")
    made = deciding.merged(Source("x.yaml", tampered), part(SECRETS))
    upstream = made["targets"]["shop"]["upstream"]
    assert upstream["dsn"] == "postgresql://a@db/shop"
    assert upstream["password"] == {"env": "OTHER"}
    assert upstream["agents"]["bot"]["password"] == {"file": "x"}
    assert made["targets"]["shop"]["listen"] == "127.0.0.1:2"
    assert made["witness"] == [{"url": "https://w", "token": {"env": "W"}}]


def test_a_secret_that_the_file_lacks_is_no_guess() -> None:
    for without in (
        SECRETS.replace("{env: SHOP}", '"(secret)"'),
        SECRETS.replace(", password: {env: SHOP}", ""),
    ):
        with pytest.raises(Misconfigured, match=r"targets\.shop\.upstream\.password"):
            deciding.merged(Source("x.yaml", without), part(SECRETS))


async def test_admins_move_the_site_of_passkeys(governed: House) -> None:
    governed.alter("http://127.0.0.1:8470", "https://interlock.example")
    wanted = deciding.deciding(load(governed.file).source).decode()
    change = await governed.held(governed.runtime.governing.propose_config(wanted, by=ANN))
    (effect,) = change.measurement.effects
    assert effect.resource.name == "api.public_url"
    assert effect.detail == '"http://127.0.0.1:8470" → "https://interlock.example"'
    assert (await governed.speak(change, "ben")).state is ChangeState.APPLIED
    assert governed.runtime.terms.site == SITE, "until the restart"
    await governed.restart()
    assert governed.runtime.terms.site == Site("interlock.example", "https://interlock.example")
    assert await whats_wrong(governed) == {}


def test_where_the_console_listens_does_not_decide() -> None:
    moved = 'api: {listen: "0.0.0.0:1", tls: {cert: c, key: k}, metrics: people}'
    text = SECRETS.replace('api: {listen: "127.0.0.1:1"}', moved)
    assert part(text) == part(SECRETS) == part(SECRETS.replace('api: {listen: "127.0.0.1:1"}\n', ""))
    made = deciding.merged(
        Source("x.yaml", text.replace("metrics:", "public_url: https://evil.example, metrics:")),
        part(SECRETS),
    )
    assert made["api"] == {
        "listen": "0.0.0.0:1",
        "tls": {"cert": "c", "key": "k"},
        "metrics": "people",
        "public_url": "http://127.0.0.1:8470",
    }


# What only looks like a reference to a secret: names that somebody may choose, which are those of the kinds of references.

UP, TOP = "    upstream:", "witness:"
SMUGGLED = {
    "an environment": ("{production: {}}", "{env: {X}}", "", "protection: relaxed"),
    "a target": (
        "  shop:\n    connector: postgres\n    environment: production",
        "  file:\n    X",
        "mode: enforce",
        "mode: observe",
    ),
    "a quorum": (TOP, "quorums: {file: {count: X, group: sre}}\nwitness:", "2", "1"),
    "who breaks the glass": (TOP, "break_glass: {command: [X]}\nwitness:", "ana", "mallory"),
    "an agent's role": (
        'agents: {bot: {dsn: "postgresql://b@',
        'agents: {env: {dsn: "postgresql://X@',
        "b",
        "superuser",
    ),
    "an agent's timers": (UP, "    limits: {agents: {env: {lock_timeout_ms: X}}}\n    upstream:", "1", "9"),
    "tags of a part of an account": (UP, "    only: {tags: {env: X}}\n    upstream:", "prod", "dev"),
    "endpoints": (UP, "    endpoints: {file: 'https://X.example'}\n    upstream:", "s3", "evil"),
    "groups of a provider": (TOP, "oidc: {groups: {env: X}}\nwitness:", "sre", "admin"),
    "who sees values": (TOP, "samples: {command: [X]}\nwitness:", "dba", "everybody"),
    "a secret with something beside it": ("{env: SHOP}", "{env: SHOP, x: X}", "1", "2"),
    "a secret of another form": ("{env: SHOP}", "{env: {x: X}}", "1", "2"),
    "a secret's name at the top": (TOP, "password: {env: X}\nwitness:", "ONE", "TWO"),
    "a secret's name for a target": (
        "  shop:\n    connector: postgres\n",
        "  password:\n    connector: X\n",
        "postgres",
        "aws",
    ),
    "another key of a target": (UP, "    more: {key: {env: X}}\n    upstream:", "ONE", "TWO"),
}
"""What stands somewhere, what takes its place, and two values of X in it."""


@pytest.mark.parametrize("how", SMUGGLED)
def test_what_only_looks_like_a_secret_decides(how: str) -> None:
    """It differs, and the approved value is what is in force whatever the file says."""
    place, other, good, bad = SMUGGLED[how]
    assert SECRETS.count(place) == 1
    approved, tampered = (SECRETS.replace(place, other.replace("X", x)) for x in (good, bad))
    assert part(approved) != part(tampered)
    assert deciding.changed_keys(part(approved), part(tampered))
    merged = deciding.merged(Source("x.yaml", tampered), part(approved))
    assert merged == deciding.merged(Source("x.yaml", approved), part(approved))


def test_the_word_for_a_secret_brings_nothing_else_from_the_file() -> None:
    """A proposal that has the word in another place would leave that place to whoever writes the file."""
    approved = part(SECRETS).replace(b'"environments":{"production":{}}', b'"environments":"(secret)"')
    made = deciding.merged(Source("x.yaml", SECRETS.replace("{production: {}}", "{env: NAME}")), approved)
    assert made["environments"] == "(secret)"


@pytest.mark.parametrize("connector", ["postgres", "aws"])
def test_connectors_call_their_secrets_by_known_names(connector: str) -> None:
    """Whatever a connector asks to be read as a secret stands in one of the places that do not decide."""
    one = {"dsn": "postgresql://a@db/shop", "password": {"env": "A"}}
    keys: dict[str, dict[str, Any]] = {
        "postgres": {
            "listen": "127.0.0.1:1",
            "upstream": {**one, "agents": {"bot": one}},
            "observer": one,
            "maintainer": one,
        },
        "aws": {
            "listen": "127.0.0.1:1",
            "account": "1" * 12,
            "regions": ["us-east-1"],
            "upstream": {
                "access_key_id": "A",
                "secret_access_key": {"env": "A"},
                "session_token": {"env": "A"},
            },
        },
    }
    asked: list[object] = []

    def secret(value: object) -> Any:
        asked.append(value)
        return lambda: "x"

    found = connectors.load(connector)
    target = Target("shop", connector, "production", True, False)
    found.configure("shop", target, keys[connector], secret)
    data = {
        "store": "x",
        "targets": {"shop": {"connector": connector, "environment": "production", **keys[connector]}},
    }
    decides = part(msgspec.json.encode(data).decode())
    assert asked
    assert decides.count(b'"(secret)"') == len(asked)
    assert b'"env"' not in decides


async def test_a_replica_on_a_configuration_that_was_never_approved_is_unfit(
    make: Make, pg_store: str
) -> None:
    """It ran in try-out mode, with other files than the replica where governed mode began."""
    one = await make(store=pg_store).start()
    two = make(store=pg_store, alter=lambda text: text.replace("count: 2", "count: 1"))
    await two.start()
    await one.furnish()
    await one.govern()
    await two.runtime.core.directory.refresh()
    await two.runtime.core.tasks.drain(10)
    (check,) = [c for c in two.runtime.health() if c.name == "approved/config"]
    assert (check.ok, check.vital) == (False, True)
    await two.restart()
    assert two.runtime.config.quorums["two-sre"].count == 2
    (check,) = [c for c in two.runtime.health() if c.name == "approved/config"]
    assert (check.ok, check.vital) == (False, False)
    await one.stop()
    await two.stop()


async def test_what_could_not_be_taken_over_is_tried_again(make: Make, pg_store: str) -> None:
    """A store that does not answer in that moment leaves the rules as they are, loudly, until it does."""
    one, two = await make(store=pg_store).start(), await make(store=pg_store).start()
    await one.furnish()
    await one.govern()
    await two.runtime.core.directory.refresh()
    await two.runtime.core.tasks.drain(10)
    files = two.runtime.governing.files
    await one.agree(one.runtime.governing.propose_policies({"own.cedar": OTHER_RULE}, by=SOCKET))
    core, real = two.runtime.core, two.runtime.core.store
    core.store = FakeStore()
    core.store.unavailable = True
    with capture_logs() as logs:
        await core.directory.refresh()
        await core.tasks.drain(10)
    assert critical(logs) == ["governed.not_adopted"]
    assert rules(two) == {"no-drops"}
    core.store = real
    await files.look()
    assert rules(two) == {"no-deletes"}
    await one.stop()
    await two.stop()
