"""SQL inside calls, through the gateway: moto answers with queued results, and runs none of it."""

import itertools
import json
from typing import Any
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ClientError

from interlock.model.change import ChangeState
from interlock.model.effect import Evidence
from interlock.model.operation import Action
from interlock.testing.peers.moto import AwsGateway, MotoServer

CLUSTER = "arn:aws:rds:us-east-1:123456789012:cluster:shop"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:s-abcdef"
_NUMBER = itertools.count()


@pytest.fixture
def gateway(_gateway: AwsGateway, moto: MotoServer) -> AwsGateway:
    queued = {"results": [{"records": [[{"stringValue": "answer"}]]}]}
    body = json.dumps({**queued, "region": "us-east-1"}).encode()
    url = f"{moto.url}/moto-api/static/rds-data/statement-results"
    urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=30).close()
    return _gateway


@pytest.fixture
def agent(gateway: AwsGateway) -> str:
    name = f"sql{next(_NUMBER)}"
    gateway.add_agent(name)
    return name


def run(gateway: AwsGateway, agent: str, text: str) -> Any:
    client = gateway.client("rds-data", agent)
    return client.execute_statement(resourceArn=CLUSTER, secretArn=SECRET, database="shop", sql=text)


def test_a_select_passes_and_is_no_change(gateway: AwsGateway, agent: str) -> None:
    before = len(gateway.changes())
    found = run(gateway, agent, "SELECT name FROM orders WHERE id = :id")
    assert found["records"] == [[{"stringValue": "answer"}]]
    assert len(gateway.changes()) == before


def test_a_delete_is_held_with_its_table(gateway: AwsGateway, agent: str) -> None:
    with pytest.raises(ClientError) as caught:
        run(gateway, agent, "DELETE FROM sales.orders")
    assert caught.value.response["Error"]["Code"] == "InterlockHeld"
    change = gateway.changes(ChangeState.HELD)[0]
    assert (Action.DELETE, f"{CLUSTER}/shop/sales.orders") in {
        (o.action, r.name) for o in change.operations for r in o.resources
    }
    assert {e.evidence for e in change.measurement.effects} == {Evidence.UNKNOWN}
    gateway.approve(change.id)
    gateway.apply(change.id)
    assert gateway.change(change.id).state is ChangeState.APPLIED


@pytest.mark.parametrize("text", ["SELECT cleanup()", "SELECT 1; SELECT cleanup()", "no SQL at all"])
def test_what_nobody_can_look_through_is_refused(gateway: AwsGateway, agent: str, text: str) -> None:
    with pytest.raises(ClientError) as caught:
        run(gateway, agent, text)
    assert caught.value.response["Error"]["Code"] != "InterlockHeld"
    assert not [c for c in gateway.changes(ChangeState.HELD) if c.agent == agent]


def test_who_may_only_read_may_not_delete_within_a_select(gateway: AwsGateway) -> None:
    name = f"sql{next(_NUMBER)}"
    gateway.add_agent(name, (Action.READ,))
    assert run(gateway, name, "SELECT 1 FROM orders")["records"]
    with pytest.raises(ClientError) as caught:
        run(gateway, name, "WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d")
    assert "InterlockHeld" not in str(caught.value)


def test_athena_reads_pass(gateway: AwsGateway, agent: str) -> None:
    athena = gateway.client("athena", agent)
    assert athena.start_query_execution(QueryString="SHOW TABLES", WorkGroup="primary")["QueryExecutionId"]
    with pytest.raises(ClientError):
        athena.start_query_execution(QueryString="DROP TABLE logs", WorkGroup="primary")
