"""The keys of an AWS target, and the environment that agents are given."""

import configparser
from typing import Any

import pytest

from interlock.connectors.aws.config import parse, partition_of
from interlock.connectors.aws.environment import client_environment, profile
from interlock.model.errors import Misconfigured
from interlock.sdk.connector import Reach
from interlock.testing import suite

SMALLEST: dict[str, Any] = suite.example("aws")

WRONG: dict[str, dict[str, Any]] = {
    "account": {"account": "12"},
    "regions:": {"regions": []},
    "is no region": {"regions": ["europe"]},
    "belong together": {"upstream": {"access_key_id": "AKIA"}},
    "not both": {"upstream": {"profile": "p", "access_key_id": "A", "secret_access_key": {"env": "S"}}},
    "endpoint": {"upstream": {"endpoint": "localhost:5000"}},
    "did you mean 'assume_role'": {"upstream": {"asume_role": {}}},
    "did you mean 'names'": {"only": {"name": ["a"]}},
    "limits.items": {"limits": {"items": 0}},
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named(what: str) -> None:
    with pytest.raises(Misconfigured, match=what):
        parse("cloud", {**SMALLEST, **WRONG[what]})


def test_partitions() -> None:
    assert partition_of("cn-north-1") == "aws-cn"
    assert partition_of("us-gov-west-1") == "aws-us-gov"
    assert partition_of("eu-central-1") == "aws"


def test_every_service_has_an_endpoint_and_nothing_else_is_found() -> None:
    told = client_environment(Reach("127.0.0.1:8510", "cloud", "fixer", "ilk_t"))
    assert told["AWS_ENDPOINT_URL_DYNAMODB"] == "http://127.0.0.1:8510/~/dynamodb"
    assert told["AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2"] == "http://127.0.0.1:8510/~/elbv2"
    assert told["AWS_ENDPOINT_URL_S3_CONTROL"] == "http://127.0.0.1:8510/~/s3control"
    assert told["AWS_PROFILE"] is None
    assert told["AWS_SESSION_TOKEN"] is None
    assert sum(name.startswith("AWS_ENDPOINT_URL_") for name in told) > 400


def test_tls_and_addresses_of_ones_own() -> None:
    assert client_environment(Reach("h:1", "c", "a", "t", secure=True))["AWS_ENDPOINT_URL"] == "https://h:1"
    assert client_environment(Reach("https://gate", "c", "a", "t"))["AWS_ENDPOINT_URL"] == "https://gate"


def test_a_profile_has_the_same() -> None:
    lines = profile(Reach("127.0.0.1:8510", "cloud", "fixer", "ilk_t")).splitlines()
    assert lines[0] == "[profile interlock-cloud]"
    assert "  endpoint_url = http://127.0.0.1:8510/~/sqs" in lines
    parser = configparser.RawConfigParser(default_section="")
    parser.read_string("\n".join(lines))  # what is there twice is an error, as it is for botocore
    assert parser.sections() == ["profile interlock-cloud", "services interlock-cloud"]
