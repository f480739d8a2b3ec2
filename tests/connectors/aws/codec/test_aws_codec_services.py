"""Every operation of a few services, as botocore's own clients send it; `make conformance-aws` does the same with all services."""

import pytest
from tests.connectors.aws.codec.conftest import SERVICES
from tests.real.aws.conformance.compare import RIGHT, WRONG
from tests.real.aws.conformance.reasons import reason_of
from tests.real.aws.conformance.run import run, run_others

from interlock.connectors.aws.codec import Codec

SENT = (
    "apigatewayv2",
    "cloudformation",
    "cloudwatch",
    "docdb",
    "dynamodb",
    "iam",
    "kms",
    "lambda",
    "lex-models",
    "route53",
    "s3",
    "sqs",
    "sts",
)


@pytest.mark.parametrize("service", SENT)
def test_every_operation_is_read_as_it_was_meant(codec: Codec, service: str) -> None:
    assert service in SERVICES
    cases = [*run(codec, [service]), *run_others(codec, [service])]
    assert cases
    bad = [case for case in cases if case.outcome.kind != RIGHT and not reason_of(case)]
    assert not bad, bad[:10]
    assert not [case for case in cases if case.outcome.kind == WRONG]


def test_the_operations_of_ec2_at_its_own_endpoint(codec: Codec) -> None:
    cases = run(codec, ["ec2"], ways=(True,))
    assert len(cases) > 1_000
    assert not [case for case in cases if case.outcome.kind != RIGHT and not reason_of(case)]
