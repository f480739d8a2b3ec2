"""P4 and P5 at AWS: an approval is for exactly one call with exactly its parameters and body, and for the account as it was."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.faults.aws.conftest import Place, told

from interlock.model.change import ChangeState

S = ChangeState
Call = Callable[[Place], Any]


def held(place: Place, call: Call) -> str:
    with pytest.raises(ClientError) as caught:
        call(place)
    assert told(caught)[0] == "InterlockHeld", caught.value
    return place.approved()


def deletes(*numbers: int, version: str = "") -> Call:
    one = {"VersionId": version} if version else {}
    return lambda place: place.client("s3").delete_objects(
        Bucket=place.name, Delete={"Objects": [{"Key": f"k{n}", **one} for n in numbers]}
    )


OTHERS: dict[str, Call] = {
    "one key more": deletes(*range(21)),
    "one key less": deletes(*range(19)),
    "another key": deletes(*range(19), 25),
    "another order": deletes(*reversed(range(20))),
    "versions": deletes(*range(20), version="null"),
    "another bucket": lambda place: place.client("s3").delete_objects(
        Bucket=place.name + "-b", Delete={"Objects": [{"Key": f"k{n}"} for n in range(20)]}
    ),
    "another operation": lambda place: place.client("s3").delete_bucket_policy(Bucket=place.name),
    "the bucket": lambda place: place.client("s3").delete_bucket(Bucket=place.name),
}


@pytest.mark.parametrize("other", OTHERS)
def test_an_approval_is_for_one_content(place: Place, other: str) -> None:
    place.bucket(30)
    if other == "another bucket":
        s3 = place.direct("s3")
        s3.create_bucket(Bucket=place.name + "-b")
        for number in range(30):
            s3.put_object(Bucket=place.name + "-b", Key=f"k{number}", Body=b"x")
    change = held(place, deletes(*range(20)))
    before = place.stored()
    with pytest.raises(ClientError) as caught:
        OTHERS[other](place)
    assert told(caught)[0] in ("InterlockHeld", "InterlockForbidden", "BucketNotEmpty")
    assert place.stored() == before
    assert place.gateway.change(change).state is S.APPROVED
    deletes(*range(20))(place)
    assert len(place.stored()) == 10
    for number in range(20):
        place.direct("s3").put_object(Bucket=place.name, Key=f"k{number}", Body=b"again")
    with pytest.raises(ClientError) as caught:
        deletes(*range(20))(place)  # it was for once
    assert told(caught)[0] == "InterlockHeld"


def test_another_body_is_another_call(place: Place) -> None:
    """A streamed body is bound by its hash."""
    bucket = place.bucket()
    s3 = place.client("s3")
    statement = '{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::%s/%s"}'
    policy = f'{{"Version":"2012-10-17","Statement":[{statement}]}}'
    change = held(place, lambda p: s3.put_bucket_policy(Bucket=bucket, Policy=policy % (bucket, "a*")))
    with pytest.raises(ClientError) as caught:
        s3.put_bucket_policy(Bucket=bucket, Policy=policy % (bucket, "*"))
    assert told(caught)[0] == "InterlockHeld"
    s3.put_bucket_policy(Bucket=bucket, Policy=policy % (bucket, "a*"))
    assert place.gateway.change(change).state is S.APPLIED


def test_an_agent_uses_its_own_approvals_only(place: Place) -> None:
    place.bucket(30)
    held(place, deletes(*range(20)))
    first = place.agent
    place.agent = first + "-other"
    place.gateway.add_agent(place.agent)
    with pytest.raises(ClientError) as caught:
        deletes(*range(20))(place)
    assert told(caught)[0] == "InterlockHeld"
    assert len(place.stored()) == 30


def test_one_approval_is_none(place: Place) -> None:
    place.bucket(30)
    with pytest.raises(ClientError):
        deletes(*range(20))(place)
    place.gateway.approve(place.held().id, "ann")
    with pytest.raises(ClientError) as caught:
        deletes(*range(20))(place)
    assert told(caught)[0] == "InterlockHeld"
    assert len(place.stored()) == 30


def test_a_table_that_grew_since_it_was_approved(place: Place) -> None:
    """P5: it was approved with twenty items; with two thousand it is asked again, with the difference shown."""
    table = place.table(20)
    drop: Call = lambda p: p.client("dynamodb").delete_table(TableName=table)  # noqa: E731
    change = held(place, drop)
    for number in range(20, 60):
        place.direct("dynamodb").put_item(TableName=table, Item={"id": {"S": str(number)}, "v": {"S": "x"}})
    with pytest.raises(ClientError) as caught:
        drop(place)
    assert told(caught)[0] == "InterlockHeld"
    assert "held again" in str(caught.value)
    assert "60" in str(caught.value)
    assert place.item("1") == "old-1"
    assert place.gateway.change(change).state is not S.APPLIED
    place.approved()
    drop(place)
    assert table not in place.direct("dynamodb").list_tables()["TableNames"]


def test_a_setting_that_was_changed_since_it_was_approved(place: Place) -> None:
    """What people saw beside the new value is not there any more."""
    bucket = place.bucket()
    rule = {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}

    def expire(days: int, client: Any) -> Any:
        rules = {"Rules": [{**rule, "Expiration": {"Days": days}}]}
        return client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=rules)

    change = held(place, lambda p: expire(1, p.client("s3")))
    expire(365, place.direct("s3"))
    with pytest.raises(ClientError) as caught:
        expire(1, place.client("s3"))
    assert told(caught)[0] == "InterlockHeld"
    assert place.gateway.change(change).state is not S.APPLIED


def test_apply_measures_again_too(place: Place) -> None:
    table = place.table(20)
    change = held(place, lambda p: p.client("dynamodb").delete_table(TableName=table))
    for number in range(20, 60):
        place.direct("dynamodb").put_item(TableName=table, Item={"id": {"S": str(number)}, "v": {"S": "x"}})
    answer = place.gateway.apply(change)
    assert type(answer).__name__ == "Held"
    assert place.item("1") == "old-1"


def _objects(place: Place) -> tuple[Sequence[Callable[[], Any]], Callable[[], int]]:
    bucket, s3 = place.bucket(9), place.client("s3", max_pool_connections=9)
    calls = [partial(s3.delete_object, Bucket=bucket, Key=f"k{n}") for n in range(9)]
    return calls, lambda: len(place.stored())


def _items(place: Place) -> tuple[Sequence[Callable[[], Any]], Callable[[], int]]:
    table, db = place.table(9), place.client("dynamodb", max_pool_connections=9)
    calls = [partial(db.delete_item, TableName=table, Key={"id": {"S": str(n)}}) for n in range(9)]
    return calls, lambda: sum(place.item(str(n)) is not None for n in range(9))


@pytest.mark.parametrize("what", [_objects, _items])
def test_many_at_once_do_not_empty_what_none_of_them_may(
    place: Place, what: Callable[[Place], tuple[Sequence[Callable[[], Any]], Callable[[], int]]]
) -> None:
    """Each alone leaves eight others; together they would leave nothing."""
    calls, left = what(place)
    with ThreadPoolExecutor(len(calls)) as pool:
        said = [future.exception() for future in [pool.submit(call) for call in calls]]
    codes = [error.response["Error"]["Code"] for error in said if isinstance(error, ClientError)]
    assert codes == ["InterlockHeld"]
    assert sum(error is None for error in said) == 8
    assert left() == 1
