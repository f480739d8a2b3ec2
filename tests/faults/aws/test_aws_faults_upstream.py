"""What AWS does at the worst moment: answers that are lost, late, errors or no HTTP at all, before the call ran and after."""

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.faults.aws.conftest import Place, told
from tests.faults.aws.faulty import Fault, Faulty, answer
from tests.real.conftest import until

from interlock.connectors.aws.target import live
from interlock.model.change import ChangeState
from interlock.testing.peers.moto import UPSTREAM_KEY, UPSTREAM_SECRET, AwsGateway, MotoServer

S = ChangeState
JSON = ("content-type", "application/x-amz-json-1.0")
ERROR = answer(500, b'{"__type":"InternalServerError","message":"oops"}', JSON)
NO_HTTP = b"220 SMTP ready\r\n\r\n"
LOST = [("cut", b""), ("garbage", NO_HTTP), ("hang", b""), ("answer", ERROR)]


def put(place: Place) -> None:
    place.client("dynamodb").put_item(TableName=place.name, Item={"id": {"S": "1"}, "v": {"S": "new"}})


@pytest.mark.parametrize(("do", "data"), LOST, ids=[do for do, _ in LOST])
def test_a_call_that_did_not_run_is_in_doubt_until_it_cannot_run_any_more(
    place: Place, monkeypatch: pytest.MonkeyPatch, do: str, data: bytes
) -> None:
    """What is as it was before may change yet, as long as the request may still arrive. Its approval is not given back (P4)."""
    place.table()
    place.aws.on("PutItem", Fault("before", do, data))  # type: ignore[arg-type]
    with pytest.raises(ClientError) as caught:
        put(place)
    assert told(caught)[:2] == ("InterlockInDoubt", 409)
    place.recover()
    (change,) = place.changes()
    assert change.state is S.IN_DOUBT
    assert "may still be carried out" in change.note
    monkeypatch.setattr(live, "TOO_LATE", timedelta(0))
    place.recover()
    (change,) = place.changes()
    assert change.state is S.FAILED
    assert "as it was before" in change.note
    assert place.item("1") == "old-1"
    assert len(place.aws.forwarded(place.name)) == 1


@pytest.mark.parametrize(("do", "data"), [*LOST, ("half", b"")], ids=[*(do for do, _ in LOST), "half"])
def test_a_call_that_ran_is_found_out_by_reading(place: Place, do: str, data: bytes) -> None:
    """The client hears that it was done, in words that no SDK takes for a reason to send it again."""
    place.table()
    place.aws.on("PutItem", Fault("after", do, data))  # type: ignore[arg-type]
    with pytest.raises(ClientError) as caught:
        put(place)
    code, status, whole = told(caught)
    assert (code, status) == ("InterlockAnswerLost", 409)
    (change,) = place.changes()
    assert change.state is S.APPLIED
    assert whole["ResponseMetadata"]["HTTPHeaders"]["x-interlock-change"] == change.id
    assert len(place.aws.forwarded(place.name)) == 1
    place.gateway.revert(change.id)
    assert place.item("1") == "old-1"


def test_a_copy_made_before_a_lost_answer_brings_it_back(place: Place) -> None:
    """The backup's name was in an answer of its own: it must not be lost with that of the call."""
    place.table()
    db = place.client("dynamodb")
    with pytest.raises(ClientError):
        db.delete_table(TableName=place.name)
    change = place.approved()
    place.aws.on("DeleteTable", Fault("after", "cut"))
    with pytest.raises(ClientError) as caught:
        db.delete_table(TableName=place.name)
    assert told(caught)[0] == "InterlockAnswerLost"
    place.gateway.revert(change)
    assert place.item("1") == "old-1"


def test_copies_stay_until_the_service_itself_says_no(place: Place) -> None:
    """A call that nobody answered may still be carried out; one that was refused is not."""
    table, db = place.table(), place.client("dynamodb")
    with pytest.raises(ClientError):
        db.delete_table(TableName=table)
    place.approved()

    def count() -> int:
        return len(place.direct("dynamodb").list_backups(TableName=table)["BackupSummaries"])

    busy = answer(400, b'{"__type":"ResourceInUseException","message":"busy"}', JSON)
    for fault, left in ((Fault("before", "answer", busy), 0), (Fault("before", "cut"), 1)):
        place.aws.on("DeleteTable", fault)
        with pytest.raises(ClientError):
            db.delete_table(TableName=table)
        assert count() == left
    assert place.item("1") == "old-1"


def test_what_cannot_be_read_back_stays_in_doubt(place: Place) -> None:
    """Nobody says that it failed, and nobody that it was done; and recovery, which can read again, finds out."""
    place.table()
    place.aws.on("PutItem", Fault("after", "cut"))
    place.aws.on("GetItem", Fault("before", "answer", ERROR), own=True, times=0)
    questions = place.aws.on("GetItem", Fault("before", "answer", ERROR), own=True, times=1000)
    questions.fits = lambda seen: (
        seen.own and b"GetItem" in seen.head and bool(place.aws.forwarded(place.name))
    )
    with pytest.raises(ClientError) as caught:
        put(place)
    assert told(caught)[:2] == ("InterlockInDoubt", 409)
    (change,) = place.changes()
    assert change.state is S.IN_DOUBT
    place.aws.heal()
    place.recover()
    assert place.gateway.change(change.id).state is S.APPLIED


def test_without_anything_to_read_it_stays_in_doubt(place: Place) -> None:
    """A message that was sent, or not: no question tells."""
    url = place.direct("sqs").create_queue(QueueName=place.name)["QueueUrl"]
    sqs = place.client("sqs")
    own = place.gateway.client("sqs", place.agent).get_queue_url(QueueName=place.name)["QueueUrl"]
    with pytest.raises(ClientError):
        sqs.send_message(QueueUrl=own, MessageBody="m")
    change = place.approved()
    place.aws.on("SendMessage", Fault("after", "cut"))
    with pytest.raises(ClientError) as caught:
        sqs.send_message(QueueUrl=own, MessageBody="m")
    assert told(caught)[0] == "InterlockInDoubt"
    assert place.gateway.change(change).state is S.IN_DOUBT
    place.recover()
    assert place.gateway.change(change).state is S.IN_DOUBT
    assert url


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_call_is_sent_once_even_on_a_stale_connection(place: Place, method: str) -> None:
    """HTTP libraries repeat PUT and DELETE by themselves: a versioned bucket would have two versions then."""
    bucket = place.bucket()
    place.direct("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    place.aws.on(f"{method} /{bucket}/k1", Fault("after", "cut"))
    s3 = place.client("s3")
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=bucket, Key="k1", Body=b"new") if method == "PUT" else s3.delete_object(
            Bucket=bucket, Key="k1"
        )
    assert told(caught)[0] == "InterlockAnswerLost"
    assert len(place.aws.forwarded(f"{method} /{bucket}/k1")) == 1


def test_nobody_there_is_a_failure_and_no_doubt(place: Place) -> None:
    """Nothing was sent, and so nothing done."""
    place.table()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    where = place.gateway.runtime.targets["cloud"].live.endpoints._where  # type: ignore[attr-defined]
    known = where.pop(("dynamodb", "us-east-1"), None)
    put(place)
    known = where["dynamodb", "us-east-1"]
    where["dynamodb", "us-east-1"] = type(known)(f"http://127.0.0.1:{port}", known.region, "dynamodb", True)
    try:
        with pytest.raises(ClientError) as caught:
            place.client("dynamodb").put_item(
                TableName=place.name, Item={"id": {"S": "2"}, "v": {"S": "new"}}
            )
    finally:
        where["dynamodb", "us-east-1"] = known
    assert told(caught)[0] == "InterlockFailed"
    assert place.changes()[0].state is S.FAILED
    assert "cannot be reached" in place.changes()[0].note


THROTTLED = [
    ("ProvisionedThroughputExceededException", 400),
    ("ThrottlingException", 400),
    ("RequestLimitExceeded", 503),
    ("SlowDown", 503),
]


@pytest.mark.parametrize(("code", "status"), THROTTLED)
def test_throttling_is_passed_on_as_it_is(place: Place, code: str, status: int) -> None:
    """The client's own retries know what to do; nothing is in doubt."""
    place.table()
    body = f'{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"slower"}}'.encode()
    place.aws.on("PutItem", Fault("before", "answer", answer(status, body, JSON)))
    with pytest.raises(ClientError) as caught:
        put(place)
    assert told(caught)[:2] == (code, status)
    assert [c.state for c in place.changes()] == [S.FAILED]
    place.client("dynamodb", retries={"total_max_attempts": 2, "mode": "standard"})
    put(place)
    assert [c.state for c in place.changes()] == [S.APPLIED, S.FAILED]


def test_clients_retry_throttling_through_the_gateway(place: Place) -> None:
    place.table()
    body = b'{"__type":"ThrottlingException","message":"slower"}'
    place.aws.on("PutItem", Fault("before", "answer", answer(400, body, JSON)), times=2)
    db = place.client("dynamodb", retries={"total_max_attempts": 4, "mode": "standard"})
    found = db.put_item(TableName=place.name, Item={"id": {"S": "1"}, "v": {"S": "new"}})
    assert found["ResponseMetadata"]["RetryAttempts"] == 2
    assert [c.state for c in place.changes()] == [S.APPLIED, S.FAILED, S.FAILED]


@pytest.mark.parametrize("do", ["cut", "garbage", "hang", "half"])
def test_a_read_that_breaks_is_an_error_and_records_nothing(place: Place, do: str) -> None:
    place.table()
    fault = Fault("after" if do == "half" else "before", do, NO_HTTP)  # type: ignore[arg-type]
    place.aws.on("GetItem", fault, times=2)
    with pytest.raises(ClientError) as caught:
        place.client("dynamodb").get_item(TableName=place.name, Key={"id": {"S": "1"}})
    assert told(caught)[:2] == ("InterlockUnavailable", 503)
    assert place.changes() == []


def test_a_read_is_asked_again_when_a_kept_connection_was_closed(place: Place) -> None:
    place.table()
    place.aws.on("GetItem", Fault("before", "cut"))
    found = place.client("dynamodb").get_item(TableName=place.name, Key={"id": {"S": "1"}})
    assert found["Item"]["v"]["S"] == "old-1"


def test_a_long_answer_that_breaks_off_is_seen_to(place: Place) -> None:
    """The status was sent already: the client must not take the half for the whole."""
    bucket = place.bucket(0)
    place.direct("s3").put_object(Bucket=bucket, Key="long", Body=bytes(3 << 20))
    place.aws.on(f"GET /{bucket}/long", Fault("after", "half"))
    with pytest.raises(Exception, match=r"(?i)incomplete|broken|reset|read"):
        place.client("s3").get_object(Bucket=bucket, Key="long")["Body"].read()


OURS = ["ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken"]


@pytest.mark.parametrize("code", OURS)
@pytest.mark.parametrize("kind", ["read", "write", "preview"])
def test_the_gateways_own_credentials_refused(place: Place, code: str, kind: str) -> None:
    """S3's error repeats key and token. The agent hears whose fault it is, and that it may try later: its own key is good."""
    bucket = place.bucket()
    body = (
        f"<Error><Code>{code}</Code><Message>no</Message><AWSAccessKeyId>{UPSTREAM_KEY}</AWSAccessKeyId>"
        f"<Token-0>token-of-the-gateway</Token-0></Error>"
    ).encode()
    text = {"read": f"GET /{bucket}/k1", "write": f"PUT /{bucket}/k1", "preview": f"/{bucket}/k1"}[kind]
    fault = Fault("before", "answer", answer(403, body, ("content-type", "application/xml")))
    place.aws.on(text, fault, own=kind == "preview", times=2)
    s3 = place.client("s3")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="k1") if kind == "read" else s3.put_object(
            Bucket=bucket, Key="k1", Body=b"new"
        )
    found, status, whole = told(caught)
    # What cannot be asked is not known, and what is not known waits for people.
    assert (found, status) == (("InterlockHeld", 403) if kind == "preview" else ("InterlockUnavailable", 503))
    for secret in (UPSTREAM_KEY, UPSTREAM_SECRET, "token-of-the-gateway"):
        assert secret not in str(whole)
    assert S.APPLIED not in [c.state for c in place.changes()]
    place.aws.heal()
    assert s3.get_object(Bucket=bucket, Key="k1")["Body"].read() == b"old-1"


def test_a_new_key_is_read_when_the_old_one_is_refused(place: Place, tmp_path: object) -> None:
    """A secret in a file was rotated: nobody need restart anything."""
    bucket, folder = place.bucket(), place.gateway.folder
    secret = folder / "upstream-secret"
    before = secret.read_text()
    body = b"<Error><Code>SignatureDoesNotMatch</Code></Error>"
    try:
        secret.write_text("rotated-secret")
        place.aws.on(f"GET /{bucket}/k1", Fault("before", "answer", answer(403, body)))
        with pytest.raises(ClientError):
            place.client("s3").get_object(Bucket=bucket, Key="k1")
        place.client("s3").get_object(Bucket=bucket, Key="k1")
        key = place.gateway.run(place.gateway.runtime.targets["cloud"].live.endpoints.key())  # type: ignore[attr-defined]
        assert key.secret_key == "rotated-secret"
    finally:
        secret.write_text(before)
        place.gateway.runtime.targets["cloud"].live.endpoints.forget()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("status", "code"), [(301, "PermanentRedirect"), (307, "TemporaryRedirect")])
def test_a_redirect_to_another_region_is_followed_by_nobody_here(
    place: Place, status: int, code: str
) -> None:
    """The client is told, and may ask for the right region through the gateway; the gateway goes nowhere."""
    bucket = place.bucket()
    body = (
        f"<Error><Code>{code}</Code><Endpoint>{bucket}.s3.eu-west-1.amazonaws.com</Endpoint></Error>".encode()
    )
    region = ("x-amz-bucket-region", "eu-west-1")
    where = ("location", "http://127.0.0.1:1/stolen")
    place.aws.on(f"PUT /{bucket}/k1", Fault("before", "answer", answer(status, body, region, where)), times=9)
    with pytest.raises(ClientError) as caught:
        place.client("s3").put_object(Bucket=bucket, Key="k1", Body=b"new")
    found, told_status, _ = told(caught)
    # botocore asks again for the region that it was told, which is none of this target's.
    assert (found, told_status) in [(code, status), ("InterlockForbidden", 403)]
    assert {c.state for c in place.changes()} == {S.FAILED}
    assert place.direct("s3").get_object(Bucket=bucket, Key="k1")["Body"].read() == b"old-1"


def test_the_client_asks_the_right_region_through_the_gateway(place: Place) -> None:
    """A bucket lies in another region of the target: SDKs sign again for the region that they are told."""
    bucket = place.bucket()
    body = b"<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>"
    there = ("x-amz-bucket-region", "eu-central-1")
    place.aws.on(f"PUT /{bucket}/k1", Fault("before", "answer", answer(301, body, there)))
    place.client("s3").put_object(Bucket=bucket, Key="k1", Body=b"new")
    assert [c.state for c in place.changes()] == [S.APPLIED, S.FAILED]
    sent = [seen.header("authorization") for seen in place.aws.forwarded(f"PUT /{bucket}/k1")]
    assert ["/us-east-1/s3/" in sent[0], "/eu-central-1/s3/" in sent[-1]] == [True, True]
    assert place.direct("s3").get_object(Bucket=bucket, Key="k1")["Body"].read() == b"new"


def test_an_error_inside_a_success_is_no_success(place: Place) -> None:
    """S3 begins the answer to a copy before it knows its end (CopyObject, "Response and special errors")."""
    bucket = place.bucket()
    body = b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code><Message>no</Message></Error>'
    place.aws.on(f"PUT /{bucket}/copy", Fault("before", "answer", answer(200, body)))
    with pytest.raises(ClientError):
        place.client("s3").copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k1")
    assert [c.state for c in place.changes()] == [S.FAILED]


def test_an_assumed_role_is_assumed_again_before_it_ends(moto: MotoServer, tmp_path: Path) -> None:
    """Credentials that end within a quarter of an hour are renewed for the next call; what signs is always the newest."""
    upstream = {
        "access_key_id": UPSTREAM_KEY, "secret_access_key": {"file": str(tmp_path / "gateway" / "upstream-secret")},
        "assume_role": {"role_arn": "arn:aws:iam::123456789012:role/interlock-gateway", "duration_s": 900},
    }  # fmt: skip
    with Faulty(moto.port) as aws:
        keys = {"upstream": {**upstream, "endpoint": aws.url}}
        with AwsGateway(aws.url, tmp_path / "gateway", keys=keys) as gateway:
            sqs = gateway.client("sqs")
            used = []
            for _ in range(2):
                aws.seen.clear()
                sqs.list_queues()
                assumed = [seen for seen in aws.seen if b"Action=AssumeRole" in seen.body]
                (listed,) = [seen for seen in aws.seen if b"ListQueues" in seen.head]
                assert len(assumed) == 1
                assert UPSTREAM_KEY.encode() not in listed.head
                assert b"x-amz-security-token" in listed.head.lower()
                used.append(listed.head.partition(b"Credential=")[2].partition(b"/")[0])
            assert used[0] != used[1]


def test_a_role_that_cannot_be_assumed_again(moto: MotoServer, tmp_path: Path) -> None:
    """Its credentials end, and STS has none: nothing is sent with what has ended, and it goes on when STS answers again."""
    upstream = {
        "access_key_id": UPSTREAM_KEY, "secret_access_key": {"file": str(tmp_path / "gateway" / "upstream-secret")},
        "assume_role": {"role_arn": "arn:aws:iam::123456789012:role/interlock-gateway", "duration_s": 900},
    }  # fmt: skip
    with Faulty(moto.port) as aws:
        keys = {"upstream": {**upstream, "endpoint": aws.url}}
        with AwsGateway(aws.url, tmp_path / "gateway", keys=keys) as gateway:
            sqs = gateway.client("sqs", retries={"total_max_attempts": 1})
            sqs.list_queues()
            ended = datetime.now(UTC) + timedelta(seconds=1)
            _expires(gateway, ended)
            no = b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code></Error></ErrorResponse>"
            aws.on("Action=AssumeRole", Fault("before", "answer", answer(403, no)), times=9)
            until(lambda: datetime.now(UTC) > ended)
            aws.seen.clear()
            for call in (sqs.list_queues, lambda: sqs.create_queue(QueueName="q")):
                with pytest.raises(ClientError) as caught:
                    call()
                assert told(caught)[:2] == ("InterlockUnavailable", 503)
            assert [seen.line for seen in aws.seen if b"AmazonSQS" in seen.head] == []
            assert gateway.changes(S.APPLIED) == []
            aws.heal()
            sqs.create_queue(QueueName="q")
            assert len(gateway.changes(S.APPLIED)) == 1


def _expires(gateway: AwsGateway, when: datetime) -> None:
    """Let what was assumed end then: moto's own last a quarter of an hour at least."""
    session = gateway.runtime.targets["cloud"].live.endpoints._session  # type: ignore[attr-defined]
    session.get_credentials()._expiry_time = when
