"""Our errors as botocore reads them, over HTTP: code, message, members beside them, and whether the call is tried again."""

import datetime as dt
import http.server
import json
import threading
import time
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.real.aws.conformance.capture import session_speaking

from interlock.connectors.aws import answer
from interlock.connectors.aws.answer import Answer
from interlock.model.change import Change, ChangeState, Measurement
from interlock.model.decision import Hold, Permit
from interlock.model.effect import ChangeKind, Effect, Evidence, Unit
from interlock.model.operation import Resource
from interlock.sdk.connector import Held, Refused

SERVICES = [
    ("query", "iam", "delete_user", {"UserName": "u"}),
    ("ec2", "ec2", "terminate_instances", {"InstanceIds": ["i-1"]}),
    ("json", "dynamodb", "delete_table", {"TableName": "t"}),
    ("json", "sqs", "delete_queue", {"QueueUrl": "q"}),
    ("rest-json", "lambda", "delete_function", {"FunctionName": "f"}),
    ("rest-xml", "s3", "delete_bucket", {"Bucket": "b"}),
    ("rest-xml", "s3", "put_object", {"Bucket": "b", "Key": "k", "Body": b"data"}),
    ("rest-xml", "route53", "delete_hosted_zone", {"Id": "z"}),
    ("rest-xml", "cloudfront", "delete_distribution", {"Id": "d"}),
    ("smithy-rpc-v2-cbor", "cloudwatch", "delete_alarms", {"AlarmNames": ["a"]}),
]
MESSAGE = 'held: chg_1 waits; 3 <rows> & "more" é'
DETAILS = {
    "change": "chg_1",
    "effect": "bucket b: 3 objects deleted",
    "next": "wait",
    "retry": "after-approval",
}


class Server:
    """Answers everything alike, and counts."""

    def __init__(self) -> None:
        self.answer = Answer(200, (), b"")
        self.asked = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _reply(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                outer.asked += 1
                self.send_response(outer.answer.status)
                for name, value in outer.answer.headers:
                    self.send_header(name, value)
                if self.command != "HEAD":
                    self.send_header("content-length", str(len(outer.answer.body)))
                self.end_headers()
                self.wfile.write(outer.answer.body)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _reply

            def log_message(self, *_: object) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def client(server: Server, service: str, mode: str = "standard") -> Any:
    # botocore would rather speak JSON to CloudWatch.
    return session_speaking("smithy-rpc-v2-cbor" if service == "cloudwatch" else "").create_client(
        service,
        region_name="us-east-1",
        endpoint_url=server.url,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="example",
        config=Config(
            retries={"mode": mode, "max_attempts": 3},
            inject_host_prefix=False,
            request_checksum_calculation="when_required",
        ),
    )


def failed(
    server: Server, service: str, call: str, parameters: dict[str, Any], mode: str = "standard"
) -> ClientError:
    with pytest.raises(ClientError) as caught:
        getattr(client(server, service, mode), call)(**parameters)
    return caught.value


@pytest.mark.parametrize(("protocol", "service", "call", "parameters"), SERVICES)
def test_botocore_reads_code_message_and_details(
    server: Server, protocol: str, service: str, call: str, parameters: dict[str, Any]
) -> None:
    server.answer = answer.error(protocol, service, answer.HELD, MESSAGE, 403, "req-1", DETAILS)
    error = failed(server, service, call, parameters)
    told = error.response["Error"]
    assert (told["Code"], told["Message"]) == ("InterlockHeld", MESSAGE)
    about = error.response["ResponseMetadata"]
    assert (about["HTTPStatusCode"], about["RequestId"]) == (403, "req-1")
    assert about["HTTPHeaders"]["x-interlock-change"] == "chg_1"
    assert about["HTTPHeaders"]["x-interlock-retry"] == "after-approval"


@pytest.mark.parametrize(("protocol", "service", "call", "parameters"), SERVICES[:2] + SERVICES[5:6])
def test_details_are_members_in_xml(
    server: Server, protocol: str, service: str, call: str, parameters: dict[str, Any]
) -> None:
    server.answer = answer.error(protocol, service, answer.HELD, MESSAGE, 403, "req-1", DETAILS)
    told: dict[str, Any] = dict(failed(server, service, call, parameters).response["Error"])
    if (
        protocol != "ec2"
    ):  # botocore takes what is beside code and message only where it is not two levels deep
        assert told["InterlockEffect"] == "bucket b: 3 objects deleted"
    assert b"<InterlockChange>chg_1</InterlockChange>" in server.answer.body


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
@pytest.mark.parametrize(
    ("protocol", "service", "call", "parameters"),
    SERVICES[:1] + SERVICES[2:3] + SERVICES[5:6] + SERVICES[-1:],
)
def test_what_is_decided_is_not_tried_again(
    server: Server, mode: str, protocol: str, service: str, call: str, parameters: dict[str, Any]
) -> None:
    made = client(server, service, mode)
    for number, code in enumerate(
        (answer.HELD, answer.FORBIDDEN, answer.BREAKER, answer.IN_DOUBT, answer.FAILED), 1
    ):
        server.answer = answer.error(protocol, service, code, "no", answer.STATUSES[code], "req-1")
        with pytest.raises(ClientError, match=code):
            getattr(made, call)(**parameters)
        assert server.asked == number


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
@pytest.mark.parametrize(
    ("protocol", "service", "call", "parameters"), SERVICES[:1] + SERVICES[2:3] + SERVICES[-1:]
)
def test_what_is_unavailable_is_tried_again(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    protocol: str,
    service: str,
    call: str,
    parameters: dict[str, Any],
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)  # botocore's pauses
    server.answer = answer.error(protocol, service, answer.UNAVAILABLE, "later", 503, "req-1")
    failed(server, service, call, parameters, mode)
    assert server.asked > 1


def test_the_answer_to_head_has_no_body(server: Server) -> None:
    server.answer = answer.error(
        "rest-xml", "s3", answer.FORBIDDEN, "no", 403, "req-1", {"change": "chg_1"}, head=True
    )
    assert server.answer.body == b""
    error = failed(server, "s3", "head_object", {"Bucket": "b", "Key": "k"})
    assert error.response["ResponseMetadata"]["HTTPHeaders"]["x-interlock-change"] == "chg_1"


@pytest.mark.parametrize(
    "protocol", ["query", "ec2", "json", "rest-json", "rest-xml", "smithy-rpc-v2-cbor", ""]
)
def test_texts_that_would_break_the_envelope_do_not(protocol: str) -> None:
    hostile = "a\r\nx-evil: 1\0\x1b</Message><Code>Other</Code>\ud800\ufffe]]>"
    made = answer.error(protocol, "s3", answer.HELD, hostile, 403, "req-1", {"change": hostile})
    if dict(made.headers)["content-type"] == "text/xml":
        assert b"</Message><Code>Other" not in made.body
        ElementTree.fromstring(made.body)
    for name, value in made.headers:
        assert name.isascii()
        assert value.isprintable()


def test_credentials_of_the_gateways_own(server: Server) -> None:
    until = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    keys = {"AccessKeyId": "AKIDNARROW", "SecretAccessKey": "s/+&<", "SessionToken": "t", "Expiration": until}
    user = {"AssumedRoleId": "AROA:x", "Arn": "arn:aws:sts::1:assumed-role/r/x"}
    server.answer = answer.success(
        "query", "sts", "AssumeRole", {"Credentials": keys, "AssumedRoleUser": user}, "req-1"
    )
    sts = client(server, "sts")
    found = sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/r", RoleSessionName="xx")
    assert {**found["Credentials"]} == keys
    assert found["AssumedRoleUser"] == user
    server.answer = answer.success("query", "sts", "GetSessionToken", {"Credentials": keys}, "req-2")
    found = sts.get_session_token()
    assert (found["Credentials"], found["ResponseMetadata"]["RequestId"]) == (keys, "req-2")
    server.answer = answer.success(
        "query", "sts", "GetCallerIdentity", {"UserId": "u", "Account": "1", "Arn": "a"}
    )
    assert sts.get_caller_identity()["Arn"] == "a"


def test_nothing_else_is_answered_with_success() -> None:
    with pytest.raises(ValueError, match="not answered"):
        answer.success("json", "sqs", "ListQueues", {})


def change(state: ChangeState = ChangeState.HELD, decision: Any = None) -> Change:
    effect = Effect(Resource("bucket", "prod"), ChangeKind.DELETED, 3, Unit.ROWS, evidence=Evidence.PREDICTED)
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    return Change(
        id="chg_1", agent="a", owner="o", target="t", environment="e", fingerprint="f", state=state, version=1, content="c",
        operations=(), measurement=Measurement((effect,)), decision=decision or Hold(("quorum:sre",)),
        requested_at=now, updated_at=now,
    )  # fmt: skip


def test_a_held_change_says_what_it_waits_for(server: Server) -> None:
    server.answer = answer.held(Held(change()), "rest-xml", "s3", "req-1")
    told: dict[str, Any] = dict(failed(server, "s3", "delete_bucket", {"Bucket": "b"}).response["Error"])
    assert told["Code"] == "InterlockHeld"
    for part in (
        "chg_1",
        "the approval of quorum sre",
        "nothing was changed",
        "bucket prod",
        "interlock apply chg_1",
    ):
        assert part in told["Message"]
    assert told["InterlockRetry"] == "after-approval"


@pytest.mark.parametrize(
    ("state", "code", "retry"),
    [
        (ChangeState.DENIED, "InterlockForbidden", "no"),
        (ChangeState.EXPIRED, "InterlockHeld", "asks-anew"),
        (ChangeState.WITHDRAWN, "InterlockHeld", "asks-anew"),
        (ChangeState.APPLIED, "InterlockHeld", "look-first"),
        (ChangeState.IN_DOUBT, "InterlockHeld", "look-first"),
    ],
)
def test_a_change_that_waits_no_more_is_not_called_held(state: ChangeState, code: str, retry: str) -> None:
    made = answer.held(Held(change(state)), "json", "dynamodb", "req-1")
    assert (dict(made.headers)["x-amzn-errortype"], dict(made.headers)["x-interlock-retry"]) == (code, retry)
    assert b"waits for" not in made.body


@pytest.mark.parametrize("refused", [False, True])
def test_a_denial_comes_with_its_reason_and_its_end(server: Server, refused: bool) -> None:
    until = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    denied = msgspec.structs.replace(change(ChangeState.DENIED), denial="not on a Friday", expires_at=until)
    server.answer = (
        answer.refused(Refused("forbidden", "x", change=denied), "rest-xml", "s3", "req-1")
        if refused
        else answer.held(Held(denied), "rest-xml", "s3", "req-1")
    )
    told: dict[str, Any] = dict(failed(server, "s3", "delete_bucket", {"Bucket": "b"}).response["Error"])
    assert told["Code"] == "InterlockForbidden"
    assert (
        "people said no to chg_1; nothing was changed. The reason given: not on a Friday." in told["Message"]
    )
    assert "The same can be asked again after 2026-01-02 00:00 UTC" in told["Message"]
    assert (told["InterlockReason"], told["InterlockRetry"]) == ("not on a Friday", "no")


@pytest.mark.parametrize(
    ("code", "status", "named", "retry"),
    [
        ("forbidden", 403, "InterlockForbidden", False),
        ("breaker", 403, "InterlockBreakerOpen", False),
        ("unavailable", 503, "InterlockUnavailable", True),
        ("in_doubt", 409, "InterlockInDoubt", False),
        ("failed", 409, "InterlockFailed", True),
        ("something new", 503, "InterlockUnavailable", False),
    ],
)
def test_refusals_have_a_code_each(code: str, status: int, named: str, retry: bool) -> None:
    made = answer.refused(
        Refused(code, "because", retry, change(decision=Permit(("p",)))), "json", "dynamodb", "req-1"
    )
    headers = dict(made.headers)
    assert (made.status, headers["x-amzn-errortype"], headers["x-interlock-retry"]) == (
        status,
        named,
        "yes" if retry else "no",
    )
    assert b"refused (chg_1): because" in made.body


@pytest.mark.parametrize(("protocol", "service", "call", "parameters"), SERVICES)
def test_a_breaker_says_what_helps_who_ends_it_and_where(
    server: Server, protocol: str, service: str, call: str, parameters: dict[str, Any]
) -> None:
    advice = (
        "Stop writing: trying again does not help until it is put back by somebody else. Tell your people"
    )
    see = "https://gate.example/console/breakers/one?scope=agent%2Ffixer"
    refused = Refused("breaker", "changes are stopped for agent/fixer: 4 of them", next=advice, see=see)
    server.answer = answer.refused(refused, protocol, service, "req-1", link=link)
    error = failed(server, service, call, parameters).response
    assert error["Error"]["Code"] == "InterlockBreakerOpen"
    assert error["Error"]["Message"] == (
        f"refused: changes are stopped for agent/fixer: 4 of them. {advice}. They do it at {see}"
    )
    headers = error["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-interlock-url"] == see
    assert headers["x-interlock-next"] == advice
    assert headers["x-interlock-retry"] == "no"


def test_one_at_a_time_can_be_tried_again() -> None:
    made = answer.refused(
        Refused("breaker", "on probation, one at a time", retry=True), "json", "dynamodb", "req-1"
    )
    assert "It can be tried again later." in json.loads(made.body)["message"]


def link(change_id: str) -> str:
    return f"https://gate.example/changes/{change_id}"


URL = "https://gate.example/changes/chg_1"


@pytest.mark.parametrize(("protocol", "service", "call", "parameters"), SERVICES)
def test_whatever_names_a_change_says_where_it_is_read(
    server: Server, protocol: str, service: str, call: str, parameters: dict[str, Any]
) -> None:
    for made in (
        answer.held(Held(change()), protocol, service, "req-1", link=link),
        answer.held(Held(change(ChangeState.DENIED)), protocol, service, "req-1", link=link),
        answer.refused(
            Refused("forbidden", "no", change=change(ChangeState.REFUSED)), protocol, service, "r", link=link
        ),
        answer.lost("chg_1", protocol, service, "req-1", link=link),
    ):
        server.answer = made
        error = failed(server, service, call, parameters).response
        assert error["ResponseMetadata"]["HTTPHeaders"]["x-interlock-url"] == URL
        assert error["Error"]["Message"].endswith(f" What becomes of it: {URL}")
        assert b"InterlockUrl" in made.body


def test_a_long_message_keeps_the_address_beside_it() -> None:
    grown = ("x" * 700,)
    made = answer.held(Held(change(), grown=grown), "json", "dynamodb", "req-1", link=link)
    told = json.loads(made.body)
    assert told["InterlockUrl"] == URL
    assert URL not in told["message"]


def test_what_names_no_change_names_no_address() -> None:
    for made in (
        answer.refused(Refused("forbidden", "no"), "json", "dynamodb", "req-1", link=link),
        answer.lost("", "json", "dynamodb", "req-1", link=link),
        answer.held(Held(change()), "json", "dynamodb", "req-1", link=lambda _: ""),
    ):
        assert b"InterlockUrl" not in made.body
        assert "x-interlock-url" not in dict(made.headers)
