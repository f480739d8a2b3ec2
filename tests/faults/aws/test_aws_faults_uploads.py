"""Uploads of which only a part comes, or another than was signed: S3 must not take the part for the whole, and nobody says that
it was done."""

import hashlib
import socket
from datetime import UTC, datetime

import pytest
from tests.faults.aws.conftest import Place
from tests.faults.aws.faulty import Fault, answer
from tests.faults.aws.raw import Raw, first, written
from tests.real.conftest import until

from interlock.model.change import ChangeState

S = ChangeState
LONG = 24 << 20
"""Half of it is more than is kept of a body before it is sent on."""
PIECE = bytes(range(256)) * 256


@pytest.fixture
def raw(place: Place) -> Raw:
    place.bucket()
    return Raw(place.gateway, place.agent)


def begin(raw: Raw, target: str, length: int, hashed: str) -> socket.socket:
    """The head of an upload and half of its body."""
    headers = [*raw.headers("PUT", target, hashed=hashed), ("content-length", str(length))]
    connection = raw.connect()
    connection.sendall(written("PUT", target, headers))
    for _ in range(length // len(PIECE) // 2):
        connection.sendall(PIECE)
    return connection


def settled(place: Place) -> list[ChangeState]:
    until(lambda: not place.executing())
    return [c.state for c in place.changes()]


@pytest.mark.parametrize("hashed", ["UNSIGNED-PAYLOAD", "0" * 64])
@pytest.mark.parametrize("key", ["new", "k1"])
def test_a_client_that_goes_away_in_the_middle(place: Place, raw: Raw, hashed: str, key: str) -> None:
    target = f"/~/s3/{place.name}/{key}"
    connection = begin(raw, target, LONG, hashed)
    until(place.executing)
    connection.close()
    assert settled(place) == [S.FAILED]
    assert not [seen for seen in place.aws.forwarded(f"PUT /{place.name}/{key}") if seen.complete]
    assert sorted(place.stored()) == ["k0", "k1", "k2"]
    assert place.direct("s3").get_object(Bucket=place.name, Key="k1")["Body"].read() == b"old-1"


def test_a_short_upload_of_which_half_comes(place: Place, raw: Raw) -> None:
    """Short bodies are sent on when all of them is there: nothing was begun, and nothing is recorded."""
    connection = begin(raw, f"/~/s3/{place.name}/new", 1 << 20, "UNSIGNED-PAYLOAD")
    connection.close()
    assert place.client("s3").head_bucket(Bucket=place.name)
    assert place.changes() == []
    assert place.aws.forwarded(f"PUT /{place.name}/new") == []


def test_a_long_body_that_is_not_the_signed_one(place: Place, raw: Raw) -> None:
    """The hash is known at the end only: the last piece is kept back until then."""
    target = f"/~/s3/{place.name}/new"
    body = PIECE * (LONG // len(PIECE))
    right = hashlib.sha256(body).hexdigest()
    with raw.connect() as connection:
        headers = [*raw.headers("PUT", target, hashed=right), ("content-length", str(len(body)))]
        connection.sendall(written("PUT", target, headers, body[:-1] + b"!"))
        found = first(connection)
    assert (found.status, "XAmzContentSHA256Mismatch" in found.text) == (400, True)
    assert settled(place) == [S.FAILED]
    assert "new" not in place.stored()
    with raw.connect() as connection:
        connection.sendall(written("PUT", target, headers, body))
        assert first(connection).status == 200
    assert "new" in place.stored()


def test_a_wrong_checksum_in_the_trailer(place: Place, raw: Raw) -> None:
    target = f"/~/s3/{place.name}/new"
    size = LONG
    more = [("content-encoding", "aws-chunked"), ("x-amz-decoded-content-length", str(size)),
            ("x-amz-trailer", "x-amz-checksum-crc32"), ("transfer-encoding", "chunked")]  # fmt: skip
    kept = [item for item in more if item[0] != "transfer-encoding"]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(PIECE), PIECE) for _ in range(size // len(PIECE)))
    framed += b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
    headers = raw.headers("PUT", target, hashed="STREAMING-UNSIGNED-PAYLOAD-TRAILER", headers=kept)
    with raw.connect() as connection:
        connection.sendall(written("PUT", target, [*headers, ("content-length", str(len(framed)))], framed))
        found = first(connection)
    assert (found.status, "BadDigest" in found.text) == (400, True)
    assert settled(place) == [S.FAILED]
    assert "new" not in place.stored()


def test_a_part_of_a_multipart_upload_that_breaks_off(place: Place, raw: Raw) -> None:
    """The others stay, and the upload can be completed without it."""
    s3 = place.client("s3")
    upload = s3.create_multipart_upload(Bucket=place.name, Key="multi")["UploadId"]
    one = s3.upload_part(Bucket=place.name, Key="multi", UploadId=upload, PartNumber=1, Body=bytes(5 << 20))
    target = f"/~/s3/{place.name}/multi?partNumber=2&uploadId={upload}"
    connection = begin(raw, target, LONG, "UNSIGNED-PAYLOAD")
    connection.close()
    until(lambda: any(not seen.complete for seen in place.aws.forwarded("partNumber=2")))
    assert settled(place) == [S.FAILED, S.APPLIED, S.APPLIED]
    parts = place.direct("s3").list_parts(Bucket=place.name, Key="multi", UploadId=upload)["Parts"]
    assert [part["PartNumber"] for part in parts] == [1]
    assert one["ETag"] == parts[0]["ETag"]


def test_the_service_refuses_before_the_body_is_through(place: Place, raw: Raw) -> None:
    """Its answer counts, and comes back."""
    body = b"<Error><Code>EntityTooLarge</Code><Message>too large</Message></Error>"
    place.aws.on(f"PUT /{place.name}/new", Fault("before", "answer", answer(400, body)))
    target = f"/~/s3/{place.name}/new"
    data = PIECE * (LONG // len(PIECE))
    with raw.connect() as connection:
        headers = [*raw.headers("PUT", target, hashed="UNSIGNED-PAYLOAD"), ("content-length", str(len(data)))]
        connection.sendall(written("PUT", target, headers, data))
        assert "EntityTooLarge" in first(connection).text
    assert settled(place) == [S.FAILED]


def test_an_old_signature(place: Place, raw: Raw) -> None:
    """A quarter of an hour, as at AWS."""
    head = raw.request("GET", f"/~/s3/{place.name}/k1")
    stale = head.replace(f"{datetime.now(UTC):%Y%m%dT}".encode(), b"20200101T")
    assert raw.one(stale).status in (400, 403)


def test_an_upload_that_is_never_completed(place: Place) -> None:
    """It is no object: nothing is to be seen of it. Each call is recorded, and reverting its beginning removes its parts."""
    place.bucket()
    s3, direct = place.client("s3"), place.direct("s3")
    upload = s3.create_multipart_upload(Bucket=place.name, Key="k1")["UploadId"]
    for number in (1, 2):
        asked = {"Bucket": place.name, "Key": "k1", "UploadId": upload, "PartNumber": number}
        s3.upload_part(**asked, Body=bytes(5 << 20))
    assert direct.get_object(Bucket=place.name, Key="k1")["Body"].read() == b"old-1"
    changes = place.changes()
    assert [change.state for change in changes] == [S.APPLIED] * 3
    assert [op.verb for change in changes for op in change.operations] == [
        "s3:UploadPart", "s3:UploadPart", "s3:CreateMultipartUpload"
    ]  # fmt: skip
    assert len(direct.list_parts(Bucket=place.name, Key="k1", UploadId=upload)["Parts"]) == 2
    place.gateway.revert(changes[-1].id)
    assert "Uploads" not in direct.list_multipart_uploads(Bucket=place.name)


def test_an_upload_that_is_completed_over_an_object(place: Place) -> None:
    """Only its end changes an object: that is what people are asked about, and what a revert takes back."""
    place.bucket()
    s3, direct = place.client("s3"), place.direct("s3")
    upload = s3.create_multipart_upload(Bucket=place.name, Key="k1")["UploadId"]
    asked = {"Bucket": place.name, "Key": "k1", "UploadId": upload}
    part = s3.upload_part(**asked, PartNumber=1, Body=b"new")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(**asked, MultipartUpload=parts)
    assert direct.get_object(Bucket=place.name, Key="k1")["Body"].read() == b"new"
    place.gateway.revert(place.changes()[0].id)
    assert direct.get_object(Bucket=place.name, Key="k1")["Body"].read() == b"old-1"


def test_an_upload_that_is_given_up(place: Place) -> None:
    """As transfer managers do by themselves when a part fails: it passes, it is recorded, and it is not taken back."""
    place.bucket()
    s3 = place.client("s3")
    upload = s3.create_multipart_upload(Bucket=place.name, Key="new")["UploadId"]
    s3.abort_multipart_upload(Bucket=place.name, Key="new", UploadId=upload)
    assert "Uploads" not in place.direct("s3").list_multipart_uploads(Bucket=place.name)
    given_up = place.changes()[0]
    assert (given_up.operations[0].verb, given_up.state) == ("s3:AbortMultipartUpload", S.APPLIED)
    assert given_up.measurement.undo_how == "none"
