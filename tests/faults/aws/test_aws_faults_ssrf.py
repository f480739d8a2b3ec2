"""Whatever an agent writes, the gateway speaks to its configured endpoints only."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError
from tests.faults.aws.conftest import Place
from tests.faults.aws.faulty import Fault, answer
from tests.faults.aws.raw import Raw, written


class Trap:
    """A port that nobody should ever knock at."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def check(self) -> None:
        """Nobody has."""
        self.listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            self.listener.accept()


@pytest.fixture
def trap() -> Iterator[Trap]:
    """Looked at when the test is over."""
    made = Trap()
    with made.listener:
        yield made
        made.check()


@pytest.fixture
def raw(place: Place) -> Raw:
    return Raw(place.gateway, place.agent)


HOSTS = [
    "127.0.0.1:{port}", "localhost:{port}", "169.254.169.254", "[::1]:{port}", "evil.example", "metadata.google.internal",
    "s3.amazonaws.com", "sts.us-east-1.amazonaws.com", "localhost.evil.example", "evil.localhost",
]  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_the_host_header_leads_nowhere(place: Place, raw: Raw, trap: Trap, host: str) -> None:
    """It is signed by the agent, and good for naming a bucket at most."""
    place.bucket()
    told = host.format(port=trap.port)
    for target in (f"/{place.name}/k1", f"/~/s3/{place.name}/k1"):
        before = len(place.aws.seen)
        found = raw.one(raw.request("GET", target, host=told))
        assert found.status in (200, 400, 403, 404, 405)
        for seen in place.aws.seen[before:]:
            assert seen.header("host") == f"127.0.0.1:{place.aws.port}"
        assert found.status != 200 or found.body == b"old-1"


PATHS = [
    "//127.0.0.1:{port}/k", "///127.0.0.1:{port}/k", "/http://127.0.0.1:{port}/k", "/@127.0.0.1:{port}/k",
    "/%2f%2f127.0.0.1:{port}",
    "/~/http://127.0.0.1:{port}/", "/~/127.0.0.1:{port}/", "/~/@127.0.0.1:{port}/", "/~/s3@127.0.0.1:{port}/", "/~/../~/s3/",
    "/~/%73%33/", "/~/S3/", "/~/nothing/", "/~/", "/~", "/~//", "/~/s3%2f..%2fiam/", "/~/s3/../../etc", "/~/s3.amazonaws.com/",
    "/~/s3%00/", "/~/s3%0d%0aHost:%20evil/", "/~/s3/?x-id=GetObject&endpoint=http://127.0.0.1:{port}",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_paths_lead_nowhere(place: Place, raw: Raw, trap: Trap, path: str) -> None:
    """A base path names a service of botocore's, or nothing."""
    before = len(place.aws.seen)
    for method in ("GET", "PUT"):
        found = raw.one(raw.request(method, path.format(port=trap.port)))
        assert found.status in (200, 400, 403, 404, 405, 409), found
        if found.status != 200:
            assert b"Code" in found.body or b"<html" in found.body.lower() or not found.body
    for seen in place.aws.seen[before:]:
        assert seen.header("host") == f"127.0.0.1:{place.aws.port}"


def test_presigned_urls_of_another_host_lead_nowhere(place: Place, raw: Raw, trap: Trap) -> None:
    """A presigned address made for one host does not hold at another; and one of the gateway's leads to AWS only."""
    place.bucket()
    s3 = place.client("s3", signature_version="s3v4")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": place.name, "Key": "k1"})
    target = url.partition(raw.host)[2]
    assert raw.one(written("GET", target, [("host", raw.host)])).body == b"old-1"
    other = raw.one(written("GET", target, [("host", f"127.0.0.1:{trap.port}")]))
    assert other.status == 403
    assert "SignatureDoesNotMatch" in other.text


def test_addresses_in_parameters_are_aws_own_business(place: Place, trap: Trap) -> None:
    """What a call names as an address is never fetched by the gateway: a queue's, a template's, a copy's source."""
    place.bucket()
    address = f"http://127.0.0.1:{trap.port}/x"
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("sqs", "get_queue_attributes", {"QueueUrl": address, "AttributeNames": ["All"]}),
        ("sqs", "send_message", {"QueueUrl": address, "MessageBody": "m"}),
        ("cloudformation", "create_stack", {"StackName": place.name, "TemplateURL": address}),
        ("cloudformation", "validate_template", {"TemplateURL": address}),
        ("s3", "copy_object", {"Bucket": place.name, "Key": "c", "CopySource": f"//127.0.0.1:{trap.port}/x"}),
    ]
    for service, operation, parameters in calls:
        with contextlib.suppress(ClientError):
            getattr(place.client(service), operation)(**parameters)


def test_a_redirect_is_never_followed(place: Place, trap: Trap) -> None:
    place.bucket()
    where = ("location", f"http://127.0.0.1:{trap.port}/")
    place.aws.on(f"GET /{place.name}/k1", Fault("before", "answer", answer(307, b"", where)), times=3)
    raw = Raw(place.gateway, place.agent)
    assert raw.one(raw.request("GET", f"/~/s3/{place.name}/k1")).status == 307


def test_a_key_that_is_an_address(place: Place, trap: Trap) -> None:
    """A key may look like anything."""
    bucket = place.bucket(0)
    key = f"http://127.0.0.1:{trap.port}/@x"
    place.direct("s3").put_object(Bucket=bucket, Key=key, Body=b"here")
    raw = Raw(place.gateway, place.agent)
    found = raw.one(raw.request("GET", f"/~/s3/{bucket}/{quote(key, safe='')}"))
    other = place.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert other == b"here"
    assert found.status in (200, 400)  # an encoded slash may be refused
