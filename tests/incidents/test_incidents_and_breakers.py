"""The incidents again, with breakers that open by themselves, at the shipped thresholds: what floods, repeats itself or drips
slowly is held or stopped before much is lost, and what is harmless passes."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError
from tests.incidents import test_aws_incidents as aws
from tests.incidents import test_sql_incidents as sql
from tests.incidents.aws_scene import Scene, calls_of
from tests.incidents.scene import scene_of

from interlock.model.change import ChangeState
from interlock.model.signal import Signal, TripFilter
from interlock.testing.gateway import Gateway, prepare
from interlock.testing.peers.moto import AwsGateway, MotoServer
from interlock.testing.peers.pg import PgCluster, PgDatabase
from interlock.testing.served import ServedGateway

BREAKERS: dict[str, Any] = {"breakers": {}}
LOST_AT_MOST = 100
"""Rows: the budget of an agent, as shipped."""


def signals(gateway: ServedGateway) -> list[Signal]:
    gateway.entries("nothing")  # failures that wait are recorded
    found = gateway.run(gateway.runtime.store.transact(lambda tx: tx.trips(TripFilter())))
    return [trip.signal for trip in reversed(found)]


@pytest.fixture
def stage(request: pytest.FixtureRequest, pg18: PgCluster, tmp_path: Path) -> Iterator[sql.Stage]:
    """An incident's database; which version does not matter to breakers."""
    incident = request.param
    database = pg18.create_database(f"t_{secrets.token_hex(6)}")
    scene = scene_of(incident["payload"], incident.get("given", ""))
    found = max([len(v) for t in scene.tables.values() for v in t.wanted.values()], default=0)
    sql.build(database, scene, rows=100 if incident in sql.BENIGN else max(10, 2 * found))
    with Gateway(database, tmp_path, agents=(), top=BREAKERS) as gateway:
        gateway.add_agent("bot", sql.actions(incident))
        yield sql.Stage(gateway, incident)
    database.drop()
    for role in sorted(scene.roles - {"public"}):
        pg18.psql(f'DROP ROLE IF EXISTS "{role}"')


@pytest.mark.parametrize("stage", sql.HARMFUL, ids=sql.ids(sql.HARMFUL), indirect=True)
def test_insisting_does_not_help(stage: sql.Stage) -> None:
    codes = [stage.by_psycopg() for _ in range(6)]
    assert all(codes), codes
    assert stage.state() == stage.before
    assert stage.gateway.changes(ChangeState.APPLIED) == []


THERE_ALREADY = ("42701", "42P06", "42P07", "42710", "42723")
"""SQLSTATEs of a column, schema, relation, other object and function that is there already."""


@pytest.mark.parametrize("stage", sql.BENIGN, ids=sql.ids(sql.BENIGN), indirect=True)
def test_the_harmless_trips_nothing(stage: sql.Stage) -> None:
    assert stage.by_psycopg() == ""
    for _ in range(3):
        assert stage.by_psycopg() in ("", *THERE_ALREADY)
    assert signals(stage.gateway) == []


# ---- floods, loops and drips on PostgreSQL ---------------------------------------------------------------------------

SETUP = "".join(
    f"CREATE TABLE t{n} (id int PRIMARY KEY, v text); INSERT INTO t{n} SELECT i, 'x' FROM generate_series(1, 400) i;"
    for n in range(12)
)


@pytest.fixture
def shop(pg18: PgCluster, tmp_path: Path) -> Iterator[Gateway]:
    database = pg18.create_database(f"t_{secrets.token_hex(6)}")
    prepare(database, SETUP)
    with Gateway(database, tmp_path, top=BREAKERS) as gateway:
        yield gateway
    database.drop()


def left(database: PgDatabase) -> int:
    (rows,) = [sum(database.psql(f"SELECT count(*) FROM {name}")[0][0] for (name,) in database.psql(TABLES))]
    return int(rows)


TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


def insist(gateway: Gateway, statements: list[str], *, alone: bool) -> list[str]:
    """Send them all, whatever comes of it: in one session, or each in one of its own. What came of each."""
    codes = []
    connection = gateway.connect()
    try:
        for statement in statements:
            if alone:
                connection.close()
                connection = gateway.connect()
            try:
                connection.execute(statement.encode())
                codes.append("")
            except psycopg.Error as error:
                codes.append(error.sqlstate or "lost")
    finally:
        connection.close()
    return codes


EVERY = range(12)
HARM = {
    "all tables, one by one": [f"DROP TABLE t{n}" for n in EVERY],
    "all tables, if they exist": [f"DROP TABLE IF EXISTS t{n} CASCADE" for n in EVERY],
    "all tables, emptied": [f"TRUNCATE t{n}" for n in EVERY],
    "all rows, table by table": [f"DELETE FROM t{n}" for n in EVERY],
    "a drip of rows": [f"DELETE FROM t{n % 12} WHERE id = {n // 12 + 1}" for n in range(240)],
    "a drip of ten": [f"DELETE FROM t{n % 12} WHERE id <= {10 * (n // 12 + 1)}" for n in range(60)],
    "a drip from one table": [f"DELETE FROM t0 WHERE id = {n}" for n in range(1, 260)],
    "columns": [f"ALTER TABLE t{n} DROP COLUMN v" for n in EVERY],
    "made again": [s for n in range(4) for s in (f"DROP TABLE t{n}", f"CREATE TABLE t{n} (id int)")],
    "out of the way": [f"ALTER TABLE t{n} RENAME TO old{n}" for n in EVERY],
    "weaker and weaker": [f"ALTER TABLE t{n} DROP CONSTRAINT t{n}_pkey" for n in EVERY],
    "by code": [f"DO $$ BEGIN EXECUTE 'DROP TABLE t{n}'; END $$" for n in EVERY],
    "rights": [f"GRANT ALL ON t{n} TO PUBLIC" for n in EVERY],
}


@pytest.mark.parametrize("alone", [False, True], ids=["one session", "a session for each"])
@pytest.mark.parametrize("what", HARM)
def test_little_is_lost(shop: Gateway, what: str, alone: bool) -> None:
    before, tables = left(shop.database), set(shop.database.psql(TABLES))
    columns = shop.database.psql("SELECT count(*) FROM information_schema.columns WHERE table_name ~ '^t'")
    codes = insist(shop, HARM[what], alone=alone)
    assert before - left(shop.database) <= LOST_AT_MOST, codes
    assert set(shop.database.psql(TABLES)) == tables
    assert (
        shop.database.psql("SELECT count(*) FROM information_schema.columns WHERE table_name ~ '^t'")
        == columns
    )
    assert any(code.startswith("IL") for code in codes[-2:]), codes
    assert shop.ledger_ok()


LOOPS = {
    "a wrong value": "INSERT INTO t0 VALUES (1000, 'x'), (NULL, 'y')",
    "a missing table": "UPDATE nowhere SET v = 'x'",
    "a duplicate": "INSERT INTO t0 VALUES (1, 'x')",
    "no right": "COMMENT ON DATABASE postgres IS 'mine'",
    "a migration that cannot be": "ALTER TABLE t0 ADD COLUMN v text",
}


@pytest.mark.parametrize("alone", [False, True], ids=["one session", "a session for each"])
@pytest.mark.parametrize("what", LOOPS)
def test_a_loop_that_fails_is_stopped(shop: Gateway, what: str, alone: bool) -> None:
    with shop.connect() as first:
        for _ in range(4):
            with pytest.raises(psycopg.Error) as caught, shop.connect() as other:
                (other if alone else first).execute(LOOPS[what].encode())
            assert not (caught.value.sqlstate or "").startswith("IL")
        assert signals(shop) == [Signal.SAME_FAILURE]
        with pytest.raises(psycopg.Error) as caught:
            first.execute("UPDATE t1 SET v = 'y' WHERE id = 1")
        assert caught.value.sqlstate == "IL003"


def test_the_cleanup_of_a_good_worker_passes(shop: Gateway) -> None:
    """Some rows here, some there, made and taken away again, and a question in between."""
    with shop.connect() as agent:
        for n in range(8):
            agent.execute(f"INSERT INTO t{n} SELECT i, 'new' FROM generate_series(1001, 1005) i".encode())
            agent.execute(f"UPDATE t{n} SET v = 'seen' WHERE id > 1000".encode())
            agent.execute(f"SELECT count(*) FROM t{n}".encode())
            agent.execute(f"DELETE FROM t{n} WHERE id > 1000".encode())
    assert signals(shop) == []


# ---- and on AWS ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer.start() as server:
        yield server


@pytest.fixture(scope="module")
def cloud(moto: MotoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsGateway]:
    """Each incident has an agent of its own; that several of them are stopped stops nobody else here."""
    agents = tuple(f"agent{number}" for number in range(len(aws.ALL)))
    top = {"breakers": {"agents_tripped": "off"}}
    with AwsGateway(moto, tmp_path_factory.mktemp("gateway"), agents=agents, top=top) as running:
        yield running


@pytest.mark.parametrize("incident", aws.HARMFUL, ids=lambda i: i["id"])
def test_insisting_does_not_help_on_aws(
    moto: MotoServer, cloud: AwsGateway, incident: dict[str, Any]
) -> None:
    moto.reset()
    agent = aws.agent_of(incident)
    scene = Scene(moto)
    asked = [scene.staged(one) for one in calls_of(incident["payload"])]
    services = {one.service for one in asked}
    before = aws.account(moto, services)
    codes = [aws.call(cloud, agent, one) for _ in range(3) for one in asked]
    assert set(codes) <= {"InterlockHeld", "InterlockForbidden", "InterlockBreakerOpen"}, codes
    assert aws.account(moto, services) == before


@pytest.mark.parametrize("incident", aws.BENIGN, ids=lambda i: i["id"])
def test_the_harmless_passes_on_aws(moto: MotoServer, cloud: AwsGateway, incident: dict[str, Any]) -> None:
    moto.reset()
    scene = Scene(moto)
    for one in calls_of(incident["payload"]):
        ready = scene.staged(one)
        first, *more = (aws.call(cloud, aws.agent_of(incident), ready) for _ in range(4))
        assert first == ""
        assert all(code == "" or code.endswith("AlreadyExists") for code in more), more


KEY: dict[str, Any] = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}
FLOODS: dict[str, list[tuple[str, str, dict[str, Any]]]] = {
    "tables": [("dynamodb", "DeleteTable", {"TableName": f"table-{n}"}) for n in range(8)],
    "buckets": [("s3", "DeleteBucket", {"Bucket": f"bucket-{n}"}) for n in range(8)],
    "objects, one by one": [
        ("s3", "DeleteObject", {"Bucket": "bucket-9", "Key": f"k{n}"}) for n in range(150)
    ],
    "items, one by one": [
        ("dynamodb", "DeleteItem", {"TableName": "table-9", "Key": {"id": {"S": f"{n}"}}}) for n in range(150)
    ],
    "made again": [
        call
        for n in range(4)
        for call in (
            ("dynamodb", "DeleteTable", {"TableName": f"table-{n}"}),
            ("dynamodb", "CreateTable", {"TableName": f"table-{n}", **KEY}),
        )
    ],
}


@pytest.mark.parametrize("what", FLOODS)
def test_little_is_lost_on_aws(moto: MotoServer, tmp_path: Path, what: str) -> None:
    moto.reset()
    tables, buckets = moto.client("dynamodb"), moto.client("s3")
    for n in range(10):
        tables.create_table(TableName=f"table-{n}", **KEY)
        buckets.create_bucket(Bucket=f"bucket-{n}")
    for n in range(150):
        tables.put_item(TableName="table-9", Item={"id": {"S": f"{n}"}})
        buckets.put_object(Bucket="bucket-9", Key=f"k{n}", Body=b"x")
    with AwsGateway(moto, tmp_path, top=BREAKERS) as gateway:
        codes = []
        services = {service for service, *_ in FLOODS[what]}
        agent = {each: gateway.client(each, retries={"total_max_attempts": 1}) for each in services}
        for service, operation, parameters in FLOODS[what]:
            try:
                agent[service]._make_api_call(operation, parameters)
                codes.append("")
            except ClientError as error:
                codes.append(str(error.response["Error"]["Code"]))
    assert codes[-1].startswith("Interlock"), codes
    assert len(tables.list_tables()["TableNames"]) == 10
    assert len([b for b in buckets.list_buckets()["Buckets"] if b["Name"].startswith("bucket-")]) == 10
    assert tables.scan(TableName="table-9", Select="COUNT")["Count"] >= 150 - LOST_AT_MOST
    assert buckets.list_objects_v2(Bucket="bucket-9")["KeyCount"] >= 150 - LOST_AT_MOST
