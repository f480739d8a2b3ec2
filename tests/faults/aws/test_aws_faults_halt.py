"""The kill switch before an AWS account: sessions there have no connection that could be closed, so what is asked is answered."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.faults.aws.conftest import Place, told
from tests.faults.aws.faulty import Fault
from tests.real.conftest import until

from interlock.model.change import ChangeState
from interlock.testing.served import BY

HALTED = ("InterlockBreakerOpen", 403)
NEW = {"id": {"S": "1"}, "v": {"S": "new"}}


@pytest.fixture
def put(place: Place) -> Iterator[Any]:
    """A table, and a call that changes it; nothing is halted before and after."""
    place.table()
    client = place.client("dynamodb", read_timeout=60)
    yield lambda: client.put_item(TableName=place.name, Item=NEW)
    if place.gateway.run(place.gateway.runtime.switches.halts.state()).row.frozen:
        place.gateway.run(place.gateway.runtime.switches.halts.resume("over", by=BY))
    until(lambda: not place.gateway.runtime.core.halt.why)


def halt(place: Place) -> float:
    place.gateway.run(place.gateway.runtime.switches.halts.halt("a runaway", by=BY))
    return time.monotonic()


def get(place: Place) -> Any:
    client = place.client("dynamodb", read_timeout=60)
    return client.get_item(TableName=place.name, Key={"id": {"S": "1"}})


def refused(work: Any) -> str:
    with pytest.raises(ClientError) as caught:
        work()
    assert told(caught)[:2] == HALTED
    return str(caught.value)


def test_the_next_call_is_answered_with_an_error_and_no_session_begins(place: Place, put: Any) -> None:
    put()
    gate = place.gateway.runtime.targets[place.gateway.target].gate
    assert place.agent in [p.agent for p in gate.sessions]
    halt(place)
    assert gate.sessions == []
    before = len(place.aws.seen)
    assert "everything is halted: a runaway" in refused(put)
    refused(lambda: get(place))
    role = "arn:aws:iam::123456789012:role/x"
    refused(lambda: place.client("sts").assume_role(RoleArn=role, RoleSessionName="ab"))
    assert len(place.aws.seen) == before, "AWS is asked nothing"
    assert gate.sessions == []
    place.gateway.run(place.gateway.runtime.switches.halts.resume("over", by=BY))
    put()
    assert place.item("1") == "new"


def test_a_read_under_way_ends_with_an_error(place: Place, put: Any) -> None:
    put()
    rule = place.aws.on("GetItem", Fault("before", "hang"))
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(refused, lambda: get(place))
        assert rule.used.wait(30)
        begun = halt(place)
        reading.result(30)
        assert time.monotonic() - begun < 1.5, "not when AWS was given up"
    place.aws.heal()


def test_a_call_that_is_being_measured_is_given_up_and_never_sent(place: Place, put: Any) -> None:
    put()
    rule = place.aws.on("GetItem", Fault("before", "hang"), own=True)
    with ThreadPoolExecutor(1) as pool:
        putting = pool.submit(
            refused,
            lambda: place.client("dynamodb", read_timeout=60).delete_item(
                TableName=place.name, Key={"id": {"S": "1"}}
            ),
        )
        assert rule.used.wait(30)
        halt(place)
        putting.result(30)
    assert not any(b"DeleteItem" in seen.head for seen in place.aws.forwarded(place.name))
    assert place.item("1") == "new"


def test_a_call_that_was_sent_is_answered_with_what_became_of_it(place: Place, put: Any) -> None:
    """Told to be halted it would be a lie: it was done."""
    rule = place.aws.on("PutItem", Fault("after", "late"))
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(put)
        assert rule.used.wait(30)
        halt(place)
        place.aws.let_go()
        call.result(30)
    assert [c.state for c in place.changes()] == [ChangeState.APPLIED]
    assert place.item("1") == "new"


def test_an_intent_that_is_durable_is_not_sent(place: Place, put: Any) -> None:
    get(place)
    file = place.gateway.runtime.config.halt_file
    listeners = place.gateway.runtime.core.watch.listeners

    def moved(change: Any) -> None:
        if change.state is ChangeState.EXECUTING:
            file.touch()

    listeners.append(moved)
    try:
        with pytest.raises(ClientError):
            put()
    finally:
        listeners.remove(moved)
        file.unlink(missing_ok=True)
    assert [c.state for c in place.changes()] == [ChangeState.FAILED]
    assert not any(b"PutItem" in seen.head for seen in place.aws.forwarded(place.name))
    assert place.item("1") == "old-1"
