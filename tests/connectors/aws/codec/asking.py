"""Requests written by hand, in short."""

from urllib.parse import urlencode

from interlock.connectors.aws.codec import Asked

FORM = "application/x-www-form-urlencoded; charset=utf-8"
IAM = "2010-05-08"
EC2 = "2016-11-15"


def ask(
    method: str,
    target: str,
    body: bytes = b"",
    *,
    service: str = "s3",
    headers: tuple[tuple[str, str], ...] = (),
    host: str = "127.0.0.1:4566",
    streams: bool = False,
) -> Asked:
    """A request to a service's own endpoint."""
    path, _, query = target.partition("?")
    return Asked(method, path, query, headers, body, streams, "", "us-east-1", service, host)


def one_endpoint(
    method: str, target: str, body: bytes = b"", *, signed: str, headers: tuple[tuple[str, str], ...] = ()
) -> Asked:
    """A request to the endpoint for all services."""
    path, _, query = target.partition("?")
    return Asked(
        method, path, query, headers, body, signing_name=signed, region="us-east-1", host="127.0.0.1:4566"
    )


def form(body: str, service: str = "ec2", target: str = "/") -> Asked:
    """A request of the query protocols, with the body as it is."""
    return ask("POST", target, body.encode(), service=service, headers=(("content-type", FORM),))


def ec2(action: str, **parameters: str) -> Asked:
    """A call of EC2; two underscores stand for a dot."""
    pairs = {
        "Action": action,
        "Version": EC2,
        **{key.replace("__", "."): value for key, value in parameters.items()},
    }
    return form(urlencode(pairs))


def target(name: str, body: bytes, service: str = "dynamodb") -> Asked:
    """A request of the JSON protocol."""
    prefix = {"dynamodb": "DynamoDB_20120810", "sqs": "AmazonSQS", "kms": "TrentService"}[service]
    headers = (("x-amz-target", f"{prefix}.{name}"), ("content-type", "application/x-amz-json-1.0"))
    return ask("POST", "/", body, service=service, headers=headers)


def cbor(name: str, body: bytes) -> Asked:
    """A request of Smithy's RPC v2, to CloudWatch."""
    headers = (("smithy-protocol", "rpc-v2-cbor"), ("content-type", "application/cbor"))
    path = f"/service/GraniteServiceVersion20100801/operation/{name}"
    return ask("POST", path, body, service="cloudwatch", headers=headers)
