"""P1 and P8 at AWS: no transaction shows that a call changes nothing, so it is recorded and admitted like any other."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.faults.aws.conftest import Place, told

from interlock.model.change import ChangeState

S = ChangeState


def no_item(place: Place) -> Any:
    place.table()
    return place.client("dynamodb").delete_item(TableName=place.name, Key={"id": {"S": "none"}})


def no_object(place: Place) -> Any:
    place.bucket()
    return place.client("s3").delete_object(Bucket=place.name, Key="none")


def part(place: Place) -> Any:
    place.bucket()
    return place.client("s3").create_multipart_upload(Bucket=place.name, Key="some")


@pytest.mark.parametrize("call", [no_item, no_object, part])
def test_a_call_that_would_change_nothing_is_recorded(place: Place, call: Any) -> None:
    """By the time that it is made there may be something: what happens then must have its intent."""
    call(place)
    (change,) = place.changes()
    assert change.state is S.APPLIED
    assert change.id in str(place.gateway.entries("intent"))


def test_nor_does_it_pass_an_open_breaker(place: Place) -> None:
    place.table()
    place.gateway.freeze()
    try:
        with pytest.raises(ClientError) as caught:
            place.client("dynamodb").delete_item(TableName=place.name, Key={"id": {"S": "none"}})
    finally:
        place.gateway.thaw()
    assert told(caught)[0] == "InterlockBreakerOpen"
    assert [seen for seen in place.aws.forwarded("DeleteItem") if seen.says(place.name)] == []
