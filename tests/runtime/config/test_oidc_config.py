"""`oidc:` of the configuration: what is accepted, and that every complaint says where."""

from pathlib import Path

import pytest

from interlock.model.errors import Misconfigured
from interlock.runtime.config.document import Config, build
from interlock.runtime.config.yaml_source import Source
from interlock.runtime.governing import deciding
from interlock.runtime.oidc.settings import is_endpoint
from interlock.runtime.rules.in_force import config_entry

FULL = """\
store: sqlite:///interlock.db
api: {public_url: "https://interlock.example"}
targets: {}
oidc:
  issuer: https://login.example/realms/company
  client_id: interlock
  client_secret: {env: OIDC_SECRET}
  name: Example login
  scopes: [openid, profile, groups]
  groups_claim: groups
  groups: {"/teams/sre": sre, "DB admins": dba}
  trust_groups: false
"""


def read(text: str) -> Config:
    return build(Source("interlock.yaml", text), Path("/etc/interlock/interlock.yaml"))


def test_all_of_it() -> None:
    oidc = read(FULL).oidc
    assert oidc is not None
    assert (oidc.issuer, oidc.client_id, oidc.name) == (
        "https://login.example/realms/company",
        "interlock",
        "Example login",
    )
    assert oidc.scopes == ("openid", "profile", "groups")
    assert oidc.groups == {"/teams/sre": "sre", "DB admins": "dba"}
    assert oidc.mapped == {"sre", "dba"}
    assert not oidc.trust_groups


def test_little_is_needed() -> None:
    text = FULL[: FULL.index("  name:")]
    oidc = read(text).oidc
    assert oidc is not None
    assert (oidc.name, oidc.scopes, oidc.groups, oidc.trust_groups) == (
        "Company login",
        ("openid", "profile"),
        {},
        False,
    )
    assert read(text[: text.index("oidc:")]).oidc is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("client_id:", "clientid:", "yaml:6: oidc.clientid: unknown key; did you mean 'client_id'?"),
        ("  client_id: interlock\n", "", "yaml:4: oidc: the key 'client_id' is missing"),
        ("{env: OIDC_SECRET}", "hunter2", "yaml:7: oidc.client_secret: a secret is {env: NAME}"),
        ("https://login.example/", "http://login.example/", "yaml:5: oidc.issuer: expected https://"),
        (
            "https://login.example/",
            "https://a:hunter2@login.example/",
            "yaml:5: oidc.issuer: expected https://",
        ),
        ("realms/company", "realms/company?x=1", "yaml:5: oidc.issuer"),
        ("realms/company", "realms/company#x", "yaml:5: oidc.issuer"),
        ("https://login.example/realms/company", "7", "yaml:5: oidc.issuer: expected a text"),
        ("client_id: interlock", "client_id: ''", "yaml:6: oidc.client_id"),
        ("name: Example login", "name: '  '", "yaml:8: oidc.name: expected a short text"),
        ("name: Example login", f"name: {'x' * 41}", "yaml:8: oidc.name"),
        ("[openid, profile, groups]", "[profile]", "yaml:9: oidc.scopes: the scope 'openid' is missing"),
        ("[openid, profile, groups]", "openid", "yaml:9: oidc.scopes: expected a list"),
        ("[openid, profile, groups]", "['openid profile']", "yaml:9: oidc.scopes: expected a list"),
        ("  groups_claim: groups\n", "", "yaml:4: oidc: groups and groups_claim belong together"),
        ('"DB admins": dba', '"DB admins": "DB Admins"', "yaml:11: oidc.groups.DB admins: expected a group"),
        ('"DB admins": dba', '"DB admins": 7', "yaml:11: oidc.groups.DB admins: expected a group"),
        ("trust_groups: false", "trust_groups: maybe", "yaml:12: oidc.trust_groups: expected true or false"),
        ("https://interlock.example", "https://192.0.2.7", "yaml:4: oidc: logins need the console at a name"),
        (
            "https://interlock.example",
            "http://interlock.example",
            "yaml:4: oidc: logins need the console at a name",
        ),
    ],
)
def test_mistakes_are_named_with_their_place(old: str, new: str, said: str) -> None:
    assert old in FULL
    with pytest.raises(Misconfigured) as raised:
        read(FULL.replace(old, new, 1))
    assert said in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_who_is_an_admin_is_not_the_providers_to_say() -> None:
    """It may withhold that, and with `trust_groups` not even speak of it."""
    text = FULL.replace(": dba", ": admin")
    assert read(text).oidc is not None
    with pytest.raises(Misconfigured, match=r"yaml:11: oidc\.groups: with trust_groups, 'admin' is not"):
        read(text.replace("trust_groups: false", "trust_groups: true"))


def test_it_belongs_to_what_decides() -> None:
    """A changed mapping changes the recorded digest; where the secret comes from does not."""
    digest = config_entry(read(FULL))["digest"]
    assert config_entry(read(FULL.replace("env: OIDC_SECRET", "env: OTHER")))["digest"] == digest
    for old, new in (
        (": dba", ": sre"),
        ("trust_groups: false", "trust_groups: true"),
        ("realms/", "realm/"),
    ):
        assert config_entry(read(FULL.replace(old, new)))["digest"] != digest
    assert "login.example" not in str(config_entry(read(FULL)))


def test_admins_approve_all_of_it_but_where_the_secret_is() -> None:
    def approved(text: str) -> bytes:
        return deciding.deciding(read(text).source)

    assert approved(FULL.replace("env: OIDC_SECRET", "env: OTHER")) == approved(FULL)
    for old, new in (
        (": dba", ": sre"),
        ("trust_groups: false", "trust_groups: true"),
        ("realms/", "realm/"),
    ):
        assert approved(FULL.replace(old, new)) != approved(FULL)
    # A group of the provider's may be called as the kind of a reference is: it decides all the same.
    one = FULL.replace('{"/teams/sre": sre, "DB admins": dba}', "{file: sre}")
    assert approved(one) != approved(one.replace("{file: sre}", "{file: dba}"))
    kept = deciding.candidate(read(one.replace("{file: sre}", "{file: dba}")), approved(one)).oidc
    assert kept is not None
    assert kept.groups == {"file": "sre"}
    text = FULL.replace(": dba", ": sre").replace("env: OIDC_SECRET", "env: OTHER")
    held = deciding.candidate(read(text), approved(FULL)).oidc
    assert held is not None
    assert held.groups == {"/teams/sre": "sre", "DB admins": "dba"}


@pytest.mark.parametrize(
    ("url", "plain", "good"),
    [
        ("https://login.example/x", False, True),
        ("https://login.example:8443", False, True),
        ("http://127.0.0.1:8080/x", True, True),
        ("http://localhost:8080", True, True),
        ("http://127.0.0.1:8080/x", False, False),
        ("http://login.example", True, False),
        ("https://login.example?x", False, False),
        ("https://login.example/#x", False, False),
        ("https://a@login.example", False, False),
        ("https://login.example\\@evil.example", False, False),
        ("https://login.example:0", False, False),
        ("https://login.example:x", False, False),
        ("https://[::1", False, False),
        ("https:///x", False, False),
        ("https://login.example/a b", False, False),
        ("https://login.example/\n", False, False),
        ("https://login.éxample/", False, False),
        ("ftp://login.example", True, False),
        ("javascript:alert(1)", True, False),
        ("", True, False),
        ("https://login.example/" + "x" * 2000, False, False),
    ],
)
def test_addresses_that_are_spoken_to(url: str, plain: bool, good: bool) -> None:
    assert is_endpoint(url, plain=plain) is good
