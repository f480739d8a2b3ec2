"""`health:` of the configuration: what it may say, and where a mistake is."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from interlock.model.errors import Misconfigured
from interlock.model.health import CheckKind
from interlock.runtime.config import document as configuration
from interlock.runtime.config.document import Config
from interlock.runtime.config.yaml_source import Source
from interlock.runtime.governing import deciding
from interlock.runtime.health.config import HealthConfig, HttpCheck, PrometheusCheck, SqlCheck
from interlock.runtime.targets import connectors
from interlock.testing.toy import ToyConnector

URL = "https://shop.example/healthz"
PROMETHEUS = {"prometheus": "http://prometheus.example:9090", "query": "errors", "above": 0.05}


def loaded(health: object, **target: Any) -> Config:
    keys = {"connector": "toy", "environment": "production", "health": health, **target}
    data = {"store": "sqlite:///x.db", "environments": {"production": {}}, "targets": {"shop": keys}}
    return configuration.build(
        Source("interlock.yaml", yaml.safe_dump(data, sort_keys=False)), Path("/x/i.yaml")
    )


def read(*checks: Mapping[str, Any]) -> tuple[HealthConfig, ...]:
    return loaded([dict(check) for check in checks]).targets["shop"].health


def test_what_is_not_given_is_as_usual() -> None:
    sql, web, metric = read({"sql": "SELECT 1"}, {"http": URL}, PROMETHEUS)
    assert [check.name for check in (sql, web, metric)] == ["sql-1", "http-2", "prometheus-3"]
    for check in (sql, web, metric):
        assert (check.every, check.timeout) == (timedelta(seconds=15), timedelta(seconds=5))
        assert check.watch == timedelta(minutes=15)
    assert sql.asks == SqlCheck("SELECT 1")
    assert web.asks == HttpCheck(URL, {}, 200, "")
    assert metric.asks == PrometheusCheck("http://prometheus.example:9090", {}, "errors", above=0.05)
    assert "health" not in loaded([{"http": URL}]).targets["shop"].own
    assert loaded(None).targets["shop"].health == ()


@pytest.mark.parametrize(
    ("expect", "expected"),
    [(5, ("5",)), ("up", ("up",)), (True, ("true",)), (False, ("false",)), (None, (None,)), (1.5, ("1.5",))],
)
def test_what_a_statement_is_expected_to_give(expect: object, expected: tuple[str | None, ...]) -> None:
    (check,) = read({"sql": "SELECT 1", "expect": expect})
    assert check.asks == SqlCheck("SELECT 1", expected)


WRONG = [
    ({}, "a check is {sql: STATEMENT"),
    ({"sql": "SELECT 1", "http": URL}, "a check is {sql: STATEMENT"),
    ({"htp": URL}, "a check is {sql: STATEMENT"),
    ({"http": URL, "expect": 5}, "unknown key"),
    ({"http": URL, "statuss": 5}, "did you mean 'status'?"),
    ({"sql": ""}, "expected a text"),
    ({"sql": "SELECT 1", "expect": [1]}, "expected a text, a number"),
    ({"http": URL, "status": "200"}, "expected a status"),
    ({"http": URL, "status": True}, "expected a status"),
    ({"http": "ftp://x.example/"}, "expected http(s)"),
    ({"http": "https://user:hunter2@x.example/"}, "without user"),
    ({"http": "https://x.example/#hunter2"}, "fragment"),
    ({"http": "https://x.example/ hunter2"}, "expected http(s)"),
    ({"http": URL, "every": "15"}, "not a length of time"),
    ({"http": URL, "every": "2h"}, "longer than 3600 s"),
    ({"http": URL, "timeout": "2m"}, "longer than 60 s"),
    ({"http": URL, "watch": "2d"}, "longer than 86400 s"),
    ({"http": URL, "watch": "20s"}, "would never blame a change"),
    ({"http": URL, "name": "A b"}, "a name has"),
    ({"http": URL, "headers": {"Host": "x"}}, "not a header"),
    ({"http": URL, "headers": {"X": "a\nb"}}, "printable ASCII"),
    ({"http": URL, "headers": {"X": {"nev": "A"}}}, "a secret is"),
    ({"http": "http://x.example/", "headers": {"X": {"env": "A"}}}, "over https"),
    ({"prometheus": "http://p.example", "query": "x"}, "expected above or below"),
    ({**PROMETHEUS, "above": "much"}, "expected a number"),
    ({**PROMETHEUS, "above": True}, "expected a number"),
    ({**PROMETHEUS, "above": float("nan")}, "expected a number"),
    ({**PROMETHEUS, "no_data": "bad"}, "well or unwell"),
    ({**PROMETHEUS, "prometheus": "http://p.example/?x=1"}, "without a query"),
    ({"prometheus": "http://p.example", "above": 1}, "expected a text"),
]


@pytest.mark.parametrize(("check", "why"), WRONG)
def test_mistakes_are_told_with_their_place(check: dict[str, Any], why: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        read({"http": URL}, check)
    said = str(caught.value)
    assert why in said
    assert "interlock.yaml:" in said
    assert "targets.shop.health.1" in said
    assert "hunter2" not in said


def test_names_are_given_once_and_checks_are_bounded() -> None:
    with pytest.raises(Misconfigured, match="another check of this target has that name"):
        read({"http": URL, "name": "a"}, {"sql": "SELECT 1", "name": "a"})
    with pytest.raises(Misconfigured, match="20 checks at most"):
        read(*[{"http": URL}] * 21)
    with pytest.raises(Misconfigured, match="expected a list"):
        loaded({"http": URL})


def test_a_secret_to_a_loopback_address_may_go_by_plain_http() -> None:
    (check,) = read({"http": "http://127.0.0.1:80/", "headers": {"X": {"env": "A"}, "Y": "z"}})
    assert isinstance(check.asks, HttpCheck)
    assert "Secret(env)" in repr(check.asks)


def test_another_question_is_another_definition_and_a_renewed_secret_is_not() -> None:
    def of(**keys: Any) -> str:
        return read({"http": URL, **keys})[0].definition

    assert of() != of(status=204) != of(contains="x")
    assert of(headers={"X": {"env": "A"}}) == of(headers={"X": {"env": "B"}}) == of(every="30s")


def test_a_connector_that_runs_no_statements_refuses_them_when_it_is_loaded() -> None:
    config = loaded([{"http": URL}, {"sql": "SELECT 1"}])
    with pytest.raises(Misconfigured, match=r"targets\.shop\.health\.1\.sql: the connector toy runs no SQL"):
        connectors.configured(config, "shop", ToyConnector())
    connectors.configured(loaded([{"http": URL}]), "shop", ToyConnector())


def test_the_aws_connector_runs_no_sql() -> None:
    pytest.importorskip("botocore")
    upstream = {"access_key_id": "AKIAEXAMPLE", "secret_access_key": {"env": "NO_SUCH"}}
    own = {
        "account": "123456789012",
        "regions": ["eu-central-1"],
        "listen": "127.0.0.1:0",
        "upstream": upstream,
    }
    config = loaded([{"sql": "SELECT 1"}], connector="aws", **own)
    from interlock.connectors.aws import CONNECTOR

    with pytest.raises(Misconfigured, match="the connector aws runs no SQL"):
        connectors.configured(config, "shop", CONNECTOR)


def test_what_admins_approve_holds_a_threshold_as_it_is() -> None:
    config = loaded([PROMETHEUS, {"http": URL, "headers": {"X": {"env": "A"}}}])
    approved = deciding.deciding(config.source)
    assert b'"above":"0.05"' in approved
    assert b'"(secret)"' in approved
    again = deciding.candidate(config, approved)
    assert again.targets["shop"].health[0].asks == config.targets["shop"].health[0].asks
    assert deciding.in_force(config, approved, {}).targets == config.targets
    loosened = loaded([{**PROMETHEUS, "above": 99}])
    held = deciding.in_force(loosened, deciding.deciding(loaded([PROMETHEUS]).source), {})
    (check,) = held.targets["shop"].health
    assert isinstance(check.asks, PrometheusCheck)
    assert (check.kind, check.asks.above) == (CheckKind.PROMETHEUS, 0.05)
    assert msgspec.structs.asdict(check)["name"] == "prometheus-1"
