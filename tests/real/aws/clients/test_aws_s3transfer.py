"""s3transfer and the ways in which bodies are sent: parts, checksums in trailers, signed and unsigned chunks, presigned URLs; and
keys that other programs would spell otherwise."""

import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from tests.real.aws.clients.rig import Cloud, Counted

from interlock.model.change import ChangeState

LARGE = 50 << 20
KEYS = (
    "plain",
    "a//b",
    "//two",
    "trailing/",
    "a/../b",
    "..",
    "./here",
    "a%2Fb",
    "100%",
    "a+b c",
    "ü/ñ/語/🙂",
    "q?x=1&y=2#z",
    "tab\tand'quote\"<&>",
    "~-_.!*()",
    "acl?",
    "a;b=c,d:e@f$g",
)


@pytest.fixture(scope="module")
def large() -> bytes:
    return os.urandom(LARGE)


# -- large bodies


def test_fifty_megabytes_go_up_and_down_in_parts(cloud: Cloud, large: bytes, tmp_path: Path) -> None:
    cloud.bucket("box")
    s3 = cloud.client("s3")
    counted = Counted(s3)
    (tmp_path / "large").write_bytes(large)
    s3.upload_file(str(tmp_path / "large"), "box", "large")
    assert counted.sent == 9  # create, seven parts, complete
    s3.download_file("box", "large", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == large
    assert cloud.objects("box") == {"large": large}
    assert cloud.verbs(ChangeState.APPLIED).count("s3:CompleteMultipartUpload") == 1


def test_fifty_megabytes_go_up_and_down_in_one_piece(cloud: Cloud, large: bytes) -> None:
    cloud.bucket("box")
    s3 = cloud.client("s3")
    whole = TransferConfig(multipart_threshold=LARGE + 1)
    s3.upload_fileobj(BytesIO(large), "box", "large", Config=whole)
    back = BytesIO()
    s3.download_fileobj("box", "large", back, Config=whole)
    assert back.getvalue() == large
    (change,) = cloud.changes(ChangeState.APPLIED)
    assert change.operations[0].verb == "s3:PutObject"


def test_an_upload_in_parts_that_overwrites_is_taken_back(cloud: Cloud) -> None:
    cloud.bucket("box", {f"k{n}": b"old" for n in range(12)})
    body = os.urandom(12 << 20)
    cloud.client("s3").upload_fileobj(BytesIO(body), "box", "k1")
    (change,) = cloud.changes(ChangeState.APPLIED)[:1]
    assert change.operations[0].verb == "s3:CompleteMultipartUpload"
    assert cloud.objects("box")["k1"] == body
    cloud.gateway.revert(change.id)
    assert cloud.objects("box")["k1"] == b"old"


def test_an_upload_that_is_given_up_leaves_nothing(cloud: Cloud) -> None:
    cloud.bucket("box")
    s3 = cloud.client("s3")
    upload = s3.create_multipart_upload(Bucket="box", Key="k")["UploadId"]
    s3.upload_part(Bucket="box", Key="k", UploadId=upload, PartNumber=1, Body=os.urandom(5 << 20))
    listed = s3.list_parts(Bucket="box", Key="k", UploadId=upload)["Parts"]
    assert [part["Size"] for part in listed] == [5 << 20]
    s3.abort_multipart_upload(Bucket="box", Key="k", UploadId=upload)
    assert cloud.direct("s3").list_multipart_uploads(Bucket="box").get("Uploads", []) == []
    assert cloud.objects("box") == {}


def test_a_source_that_breaks_off_is_aborted_by_s3transfer(cloud: Cloud) -> None:
    """Whatever becomes of the abort, no object is made."""

    class Breaks(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 10 << 20:
                raise OSError("the disk went away")
            return super().read(size)

    cloud.bucket("box")
    with pytest.raises(OSError, match="the disk went away"):
        cloud.client("s3").upload_fileobj(Breaks(os.urandom(30 << 20)), "box", "k")
    assert cloud.objects("box") == {}


# -- checksums and chunks

ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_checksums_go_with_what_they_are_of(cloud: Cloud, algorithm: str) -> None:
    cloud.bucket("box")
    s3 = cloud.client("s3")
    try:
        s3.put_object(Bucket="box", Key="k", Body=BytesIO(b"x" * 100_000), ChecksumAlgorithm=algorithm)
    except Exception as error:
        if "MissingDependency" in type(error).__name__:
            pytest.skip(f"botocore has no {algorithm} without another package")
        raise
    assert cloud.objects("box")["k"] == b"x" * 100_000


MODES: dict[str, dict[str, Any]] = {
    "trailer": {},
    "hash": {"request_checksum_calculation": "when_required"},
    "signed": {"s3": {"addressing_style": "path", "payload_signing_enabled": True}},
}


@pytest.mark.parametrize("mode", sorted(MODES))
@pytest.mark.parametrize("size", [0, 1, 65_536, 9 << 20])
def test_bodies_arrive_as_they_were_sent(cloud: Cloud, mode: str, size: int) -> None:
    cloud.bucket("box")
    body = os.urandom(size)
    cloud.client("s3", **MODES[mode]).put_object(Bucket="box", Key="k", Body=BytesIO(body))
    assert cloud.objects("box") == {"k": body}


def _seen(client: Any) -> list[dict[str, str]]:
    """The headers of what a client sends."""
    found: list[dict[str, str]] = []
    client.meta.events.register(
        "before-send",
        lambda request, **_: found.append(
            {k.lower(): v.decode() if isinstance(v, bytes) else str(v) for k, v in request.headers.items()}
        ),
    )
    return found


def test_the_usual_way_is_chunks_with_a_checksum_behind_them(cloud: Cloud) -> None:
    """What the tests above are of: over TLS botocore sends the trailer unsigned, without TLS it hashes the body first."""
    cloud.bucket("box")
    s3 = cloud.client("s3")
    seen = _seen(s3)
    s3.put_object(Bucket="box", Key="k", Body=BytesIO(b"1"))
    (headers,) = seen
    assert headers.get("x-amz-trailer") == "x-amz-checksum-crc32" or "x-amz-checksum-crc32" in headers


def test_another_body_than_was_signed_is_refused(cloud: Cloud) -> None:
    cloud.bucket("box")
    s3 = cloud.client("s3", request_checksum_calculation="when_required")

    def swap(request: Any, **_: Any) -> None:
        request.body = b"other"

    s3.meta.events.register("before-send", swap)
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket="box", Key="k", Body=b"12345")
    assert caught.value.response["Error"]["Code"] in (
        "XAmzContentSHA256Mismatch",
        "SignatureDoesNotMatch",
        "BadDigest",
    )
    assert cloud.objects("box") == {}


# -- keys


@pytest.mark.parametrize("key", KEYS)
def test_odd_keys_name_one_object(cloud: Cloud, key: str) -> None:
    """Writing, reading, listing and deleting by the same name, and no other object is touched."""
    cloud.bucket("box", {f"k{n}": b"" for n in range(12)})
    s3 = cloud.client("s3")
    s3.put_object(Bucket="box", Key=key, Body=b"1")
    assert cloud.objects("box").get(key) == b"1"
    assert s3.get_object(Bucket="box", Key=key)["Body"].read() == b"1"
    assert s3.head_object(Bucket="box", Key=key)["ContentLength"] == 1
    assert key in [each["Key"] for each in s3.list_objects_v2(Bucket="box")["Contents"]]
    s3.copy_object(Bucket="box", Key="copy", CopySource={"Bucket": "box", "Key": key})
    s3.delete_object(Bucket="box", Key=key)
    assert set(cloud.objects("box")) == {*(f"k{n}" for n in range(12)), "copy"}


# -- presigned URLs

V4 = {"signature_version": "s3v4"}
"""Without it botocore presigns for S3 with version 2 in old regions (`aws s3 presign` too)."""


def _http(method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
    with urlopen(Request(url, data=body, method=method, headers=headers or {}), timeout=60) as answer:
        data: bytes = answer.read()
        return data


def _refused(do: Callable[[], object]) -> str:
    with pytest.raises(HTTPError) as caught:
        do()
    assert caught.value.code == 403
    return caught.value.read().decode()


@pytest.mark.parametrize("key", ["k", "a b/ü+%2F//x"])
def test_presigned_urls_read_and_write(cloud: Cloud, key: str) -> None:
    cloud.bucket("box", {key: b"1", **{f"k{n}": b"" for n in range(12)}})
    s3 = cloud.client("s3", **V4)
    assert _http("GET", s3.generate_presigned_url("get_object", Params={"Bucket": "box", "Key": key})) == b"1"
    put = s3.generate_presigned_url("put_object", Params={"Bucket": "box", "Key": key})
    _http("PUT", put, b"2", {"content-type": "text/plain"})  # moto reads what urllib says else as a form
    assert cloud.objects("box")[key] == b"2"
    assert cloud.verbs(ChangeState.APPLIED) == ["s3:PutObject"]


def test_presigned_urls_are_gated_as_anything(cloud: Cloud) -> None:
    cloud.bucket("box", {"only": b"1"})
    s3 = cloud.client("s3", **V4)
    url = s3.generate_presigned_url("delete_object", Params={"Bucket": "box", "Key": "only"})
    said = _refused(lambda: _http("DELETE", url))
    assert "<Code>InterlockHeld</Code>" in said
    assert cloud.held().id in said
    read = s3.generate_presigned_url("get_object", Params={"Bucket": "box", "Key": "only"})
    assert "SignatureDoesNotMatch" in _refused(lambda: _http("GET", read.replace("/only", "/other")))
    assert "SignatureDoesNotMatch" in _refused(lambda: _http("PUT", read, b"2"))
    assert cloud.objects("box") == {"only": b"1"}


def test_a_presigned_post_is_refused(cloud: Cloud) -> None:
    """A form that browsers send: its signature covers a policy and not the request, and nobody could judge it."""
    cloud.bucket("box")
    made = cloud.client("s3", **V4).generate_presigned_post("box", "k")
    edge = "x-edge"
    fields = "".join(
        f'--{edge}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in {**made["fields"], "file": "1"}.items()
    )
    kind = {"content-type": f"multipart/form-data; boundary={edge}"}
    with pytest.raises(HTTPError) as caught:
        _http("POST", made["url"], f"{fields}--{edge}--\r\n".encode(), kind)
    assert 400 <= caught.value.code < 500
    assert cloud.objects("box") == {}


def test_presigned_urls_of_version_two_are_refused_with_the_way_out(cloud: Cloud) -> None:
    url = cloud.client("s3").generate_presigned_url("get_object", Params={"Bucket": "box", "Key": "k"})
    assert "Signature=" in url
    with pytest.raises(HTTPError) as caught:
        _http("GET", url)
    assert caught.value.code == 400
    assert b"Use AWS4-HMAC-SHA256" in caught.value.read()
