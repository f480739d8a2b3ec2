"""The guard itself in trouble, or at work: no store, a full one, a halt, an open breaker, agents that lose their rights, replicas
that race. Reads go on where they may; nothing is sent that was not recorded."""

import base64
import contextlib
import os
import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError
from tests.faults.aws.conftest import Place, told
from tests.faults.aws.faulty import Fault, Faulty
from tests.real.conftest import until

from interlock.connectors.aws.target import live
from interlock.model.change import ChangeState
from interlock.model.errors import Unavailable
from interlock.testing.peers.moto import AwsGateway, MotoServer
from interlock.testing.peers.process import GatewayProcess
from interlock.testing.served import BY

S = ChangeState


class Made(NamedTuple):
    """Something in the account, the call that deletes it, a text in that call, and whether it is there."""

    service: str
    operation: str
    parameters: dict[str, Any]
    text: str
    there: Callable[[], bool]

    def call(self, client: Any) -> object:
        return getattr(client, self.operation)(**self.parameters)


NEW = {"id": {"S": "1"}, "v": {"S": "new"}}


def refused(place: Place) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        place.client("dynamodb").put_item(TableName=place.name, Item=NEW)
    assert place.item("1") == "old-1"
    assert not any(b"PutItem" in seen.head for seen in place.aws.forwarded(place.name))
    return told(caught)[:2]


def reads(place: Place) -> bool:
    found = place.client("dynamodb").get_item(TableName=place.name, Key={"id": {"S": "1"}})
    return bool(found["Item"]["v"]["S"] == "old-1")


def test_the_halt_file(place: Place) -> None:
    place.table()
    halt = place.gateway.folder / "var" / "halt"
    halt.touch()
    try:
        assert refused(place) == ("InterlockBreakerOpen", 403)
        with pytest.raises(ClientError) as caught:
            reads(place)
        assert told(caught)[:2] == ("InterlockBreakerOpen", 403)
    finally:
        halt.unlink()
    until(lambda: not place.gateway.runtime.core.halt.why)
    place.client("dynamodb").put_item(TableName=place.name, Item=NEW)
    assert place.item("1") == "new"


def test_a_freeze(place: Place) -> None:
    """Even what people approved does not pass (P8)."""
    place.table()
    db = place.client("dynamodb")
    with pytest.raises(ClientError):
        db.delete_table(TableName=place.name)
    change = place.approved()
    place.gateway.freeze()
    try:
        assert refused(place) == ("InterlockBreakerOpen", 403)
        with pytest.raises(ClientError) as caught:
            db.delete_table(TableName=place.name)
        assert told(caught)[0] == "InterlockBreakerOpen"
        assert reads(place)
    finally:
        place.gateway.thaw()
    db.delete_table(TableName=place.name)
    assert place.gateway.change(change).state is S.APPLIED


@pytest.mark.parametrize("lost", ["disk I/O error", "database or disk is full"])
def test_a_store_that_takes_nothing(place: Place, monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
    """Nothing is sent on that could not be recorded (P1, P2)."""
    place.table()
    place.client("dynamodb").get_item(TableName=place.name, Key={"id": {"S": "0"}})  # its session is recorded

    async def broken(*_: object, **__: object) -> None:
        raise Unavailable(f"the store: {lost}")

    with monkeypatch.context() as patch:
        patch.setattr(place.gateway.runtime.core.store, "transact", broken)
        assert refused(place) == ("InterlockUnavailable", 503)
        assert reads(place)
    assert place.changes() == []
    place.client("dynamodb").put_item(TableName=place.name, Item=NEW)


def test_an_agent_that_is_disabled(place: Place) -> None:
    place.table()
    assert reads(place)
    place.gateway.run(place.gateway.runtime.agents.disable(place.agent, by=BY))
    for call in (reads, lambda p: p.client("dynamodb").put_item(TableName=p.name, Item=NEW)):
        with pytest.raises(ClientError) as caught:
            call(place)
        assert told(caught)[:2] == ("InvalidClientTokenId", 403)
    assert place.item("1") == "old-1"


def test_a_token_that_is_rotated(place: Place) -> None:
    """The old key ends at once, the new one works, and what it narrowed is gone."""
    place.table()
    old = place.client("dynamodb")
    narrow = place.client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/x", RoleSessionName="ab")
    place.gateway.tokens[place.agent] = place.gateway.run(
        place.gateway.runtime.agents.rotate(place.agent, by=BY)
    ).token
    with pytest.raises(ClientError) as caught:
        old.get_item(TableName=place.name, Key={"id": {"S": "1"}})
    assert told(caught)[:2] == ("SignatureDoesNotMatch", 403)
    assert reads(place)
    assert narrow["Credentials"]["SessionToken"] not in str(place.gateway.entries())


def test_a_token_that_is_rotated_while_a_call_is_under_way(place: Place) -> None:
    """It was decided and recorded before: it ends as it would have, and is recorded."""
    place.table()
    rule = place.aws.on("PutItem", Fault("after", "late"))
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(place.client("dynamodb").put_item, TableName=place.name, Item=NEW)
        assert rule.used.wait(30)
        place.gateway.run(place.gateway.runtime.agents.disable(place.agent, by=BY))
        place.aws.let_go()
        call.result(30)
    assert [c.state for c in place.changes()] == [S.APPLIED]


def test_nobody_answers_a_stranger(place: Place) -> None:
    """A key of nobody's, a wrong secret: refused alike, and nothing is asked."""
    place.table()
    before = len(place.aws.seen)
    for agent in ("nobody", place.agent):
        token = place.gateway.tokens.get(agent)
        place.gateway.tokens[agent] = "guess"
        try:
            with pytest.raises(ClientError) as caught:
                place.gateway.client("dynamodb", agent).list_tables()
        finally:
            if token:
                place.gateway.tokens[agent] = token
        assert told(caught)[1] == 403
    assert len(place.aws.seen) == before


# ---- A gateway that dies -------------------------------------------------------------------------------------------------


@pytest.fixture
def mortal(moto: MotoServer, tmp_path: Path) -> Iterator[tuple[Place, AwsGateway]]:
    """A gateway that is furnished and stopped, to be served by a process."""
    with Faulty(moto.port) as aws:
        gateway = AwsGateway(aws.url, tmp_path / "gateway")
        place = Place(moto, aws, gateway)
        with gateway:
            place.renew()
            environment = gateway.environment(place.agent)
        place.environment = environment
        yield place, gateway
        aws.heal()


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_between_intent_and_outcome(
    mortal: tuple[Place, AwsGateway], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """The next one asks the account, and writes down what was done."""
    monkeypatch.setattr(live, "TOO_LATE", timedelta(0))
    place, gateway = mortal
    place.table()
    rule = place.aws.on("PutItem", Fault(when, "hang"))  # type: ignore[arg-type]
    with GatewayProcess(gateway) as process:  # type: ignore[arg-type]
        db = place.client_at(process.port, "dynamodb")
        call = threading.Thread(target=lambda: _ignored(lambda: db.put_item(TableName=place.name, Item=NEW)))
        call.start()
        assert rule.used.wait(30)
        process.kill()
        call.join(30)
    place.aws.heal()
    done = when == "after"
    with gateway:
        until(lambda: place.changes()[0].state in (S.APPLIED, S.FAILED))
        (change,) = place.changes()
        assert change.state is (S.APPLIED if done else S.FAILED)
        assert place.item("1") == ("new" if done else "old-1")
        assert gateway.ledger_ok()
        if done:
            gateway.revert(change.id, force=True)
            assert place.item("1") == "old-1"


def _table(place: Place) -> Made:
    table = place.table()

    def there() -> bool:
        return table in place.direct("dynamodb").list_tables()["TableNames"] and place.item("1") == "old-1"

    return Made("dynamodb", "delete_table", {"TableName": table}, "DeleteTable", there)


def _objects(place: Place) -> Made:
    place.bucket(30)
    many = {"Bucket": place.name, "Delete": {"Objects": [{"Key": f"k{n}"} for n in range(20)]}}
    return Made("s3", "delete_objects", many, f"POST /{place.name}?delete", lambda: len(place.stored()) == 30)


@pytest.mark.parametrize("make", [_table, _objects])
def test_killed_after_something_was_deleted_of_which_a_copy_was_made(
    mortal: tuple[Place, AwsGateway], make: Callable[[Place], Made]
) -> None:
    """The copy was named in an answer that died with the gateway. What was promised to come back must come back (P6)."""
    place, gateway = mortal
    made = make(place)
    with gateway:
        with pytest.raises(ClientError):
            made.call(place.client(made.service))
        change = place.approved()
    rule = place.aws.on(made.text, Fault("after", "hang"))
    with GatewayProcess(gateway) as process:  # type: ignore[arg-type]
        client = place.client_at(process.port, made.service)
        call = threading.Thread(target=lambda: _ignored(lambda: made.call(client)))
        call.start()
        assert rule.used.wait(30)
        assert not made.there()
        process.kill()
        call.join(30)
    place.aws.heal()
    with gateway:
        until(lambda: gateway.change(change).state is S.APPLIED)
        gateway.revert(change, force=True)
        assert made.there()


def _ignored(call: object) -> None:
    try:
        call()  # type: ignore[operator]
    except Exception:  # noqa: BLE001  # the gateway dies under it
        return


# ---- Replicas ------------------------------------------------------------------------------------------------------------


def test_an_approval_is_used_once_by_two_replicas(moto: MotoServer, tmp_path: Path) -> None:
    """Both find the change approved at the same time; one makes the call (P4)."""
    key = tmp_path / "master"
    key.write_bytes(base64.b64encode(secrets.token_bytes(32)))
    store = f"sqlite:///{tmp_path}/shared.db"
    with Faulty(moto.port) as aws, AwsGateway(aws.url, tmp_path / "one", store=store, master_key=key) as one:
        two = AwsGateway(aws.url, tmp_path / "two", store=store, master_key=key, furnish=False)
        with two:
            place = Place(moto, aws, one)
            place.renew()
            two.tokens = one.tokens
            bucket = place.bucket(30)
            many = {"Objects": [{"Key": f"k{n}"} for n in range(20)]}
            with pytest.raises(ClientError):
                place.client("s3").delete_objects(Bucket=bucket, Delete=many)
            change = place.approved()
            until(lambda: two.runtime.core.directory.fresh)
            clients = [
                gateway.client("s3", place.agent, retries={"total_max_attempts": 1}) for gateway in (one, two)
            ]
            with ThreadPoolExecutor(2) as pool:
                calls = [pool.submit(c.delete_objects, Bucket=bucket, Delete=many) for c in clients]
            ended = [call.exception() for call in calls]
            assert len([e for e in ended if e is None]) == 1, ended
            (lost,) = [e for e in ended if e is not None]
            assert isinstance(lost, ClientError)
            assert str(lost.response["Error"]["Code"]).startswith("Interlock")
            assert len([s for s in aws.forwarded(bucket) if "delete" in s.line]) == 1
            assert one.change(change).state is S.APPLIED


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of a few megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can be mounted by root only")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_is_full(moto: MotoServer, small_disk: Path) -> None:
    """The store's disk is full for real: what cannot be recorded is not sent (P1), reads go on, and so does all else when there is
    room again."""
    moto.reset()
    db = moto.client("dynamodb")
    keys = {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST"}
    db.create_table(
        TableName="full", AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], **keys
    )
    item = {"id": {"S": "1"}, "v": {"S": "x"}}
    with AwsGateway(moto, small_disk) as gateway:
        agent = gateway.client("dynamodb", retries={"total_max_attempts": 1})
        agent.put_item(TableName="full", Item=item)
        before = len(gateway.changes())
        filler = small_disk / "filler"
        _fill(filler)
        with pytest.raises(ClientError) as caught:  # noqa: PT012  # what is left of the last page may take some
            for number in range(50):
                agent.put_item(TableName="full", Item={**item, "id": {"S": f"more-{number}"}})
        assert told(caught)[:2] == ("InterlockUnavailable", 503)
        assert agent.get_item(TableName="full", Key={"id": {"S": "1"}})["Item"] == item
        filler.unlink()
        stored = db.scan(TableName="full", Select="COUNT")["Count"]
        assert stored == len(gateway.changes(S.APPLIED)), "each that was made is recorded"
        agent.put_item(TableName="full", Item={**item, "id": {"S": "last"}})
        assert len(gateway.changes(S.APPLIED)) == stored + 1 >= before
        assert gateway.ledger_ok()


def _fill(file: Path) -> None:
    """Until nothing more fits."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as out:
        while out.write(bytes(4096)):
            pass
