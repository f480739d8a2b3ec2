"""The index: kept and loaded, and refused when it is something else."""

import msgspec
import pytest

from interlock.connectors.aws.codec import Index, dump, load
from interlock.connectors.aws.codec.index import FORMAT


def test_it_comes_back_the_same(index: Index) -> None:
    again = load(dump(index))
    assert (again.heads, again.packed) == (index.heads, index.packed)
    assert again.model("s3").operations == index.model("s3").operations


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"\x93\x01\x90\x90", msgspec.msgpack.encode([FORMAT + 1, [], []]), b"{}"]
)
def test_something_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="index"):
        load(data)


def test_a_cut_file_is_refused(index: Index) -> None:
    whole = dump(index)
    for length in range(0, len(whole), len(whole) // 50):
        with pytest.raises(ValueError, match="index"):
            load(whole[:length])


def test_services_are_found_by_the_names_that_requests_have(index: Index) -> None:
    assert set(index.signed_as("rds")) == {"rds", "docdb", "neptune"}
    assert set(index.signed_as("elasticloadbalancing")) == {"elb", "elbv2"}
    assert index.targeted("DynamoDB_20120810") == ("dynamodb",)
    assert index.signed_as("nothing") == ()


def test_models_are_unpacked_when_they_are_needed(index: Index) -> None:
    fresh = load(dump(index))
    assert fresh.model("kms") is fresh.model("kms")
    with pytest.raises(KeyError):
        fresh.model("nothing")
