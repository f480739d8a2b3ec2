"""The models of a few services of each protocol, with those that share names."""

import pytest
from tests.real.aws.conformance import models

from interlock.connectors.aws.codec import Codec, Index, dump, load

SERVICES = (
    "apigatewayv2",
    "amplify",
    "arc-region-switch",
    "cloudformation",
    "cloudwatch",
    "docdb",
    "dynamodb",
    "ec2",
    "elb",
    "elbv2",
    "iam",
    "kms",
    "lambda",
    "lex-models",
    "lex-runtime",
    "lexv2-models",
    "lexv2-runtime",
    "neptune",
    "rds",
    "route53",
    "s3",
    "s3control",
    "sqs",
    "sts",
)


@pytest.fixture(scope="session")
def index() -> Index:
    # There and back, so that what is stored is what is tried.
    return load(dump(models.of(SERVICES)))


@pytest.fixture(scope="session")
def codec(index: Index) -> Codec:
    return Codec(index, hosts=("gateway.internal",))
