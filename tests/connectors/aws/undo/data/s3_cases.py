"""Cases of S3."""

from typing import Any

from tests.connectors.aws.undo.rig import REGION, Case

B = {"Bucket": "data"}
LARGE_PART = 5 << 20
"""The smallest part of an upload in parts."""
MAKE = ("s3", "CreateBucket", {**B, "CreateBucketConfiguration": {"LocationConstraint": REGION}})
VERSIONED = ("s3", "PutBucketVersioning", {**B, "VersioningConfiguration": {"Status": "Enabled"}})
SUSPENDED = ("s3", "PutBucketVersioning", {**B, "VersioningConfiguration": {"Status": "Suspended"}})


def put(key: str, body: bytes = b"old", **more: Any) -> tuple[str, str, dict[str, Any]]:
    return ("s3", "PutObject", {**B, "Key": key, "Body": body, **more})


RICH = put(
    "a",
    b"old",
    ContentType="text/x-odd",
    Metadata={"who": "me ${version}"},
    Tagging="team=a&x=y",
    StorageClass="STANDARD_IA",
    CacheControl="max-age=3",
)


def seen(key: str) -> tuple[tuple[str, str, dict[str, Any], str], ...]:
    place = {**B, "Key": key}
    head = "[ContentType, Metadata, StorageClass, CacheControl, ETag, ContentLength]"
    return (
        ("s3", "HeadObject", place, head),
        ("s3", "GetObject", place, "Body"),
        ("s3", "GetObjectTagging", place, "sort_by(TagSet, &Key)"),
        ("s3", "GetObjectAcl", place, "Grants"),
    )


VERSIONS = (
    "s3",
    "ListObjectVersions",
    B,
    "[Versions[].[Key, VersionId, IsLatest], DeleteMarkers[].[Key, VersionId, IsLatest]]",
)
CONTENT = ("s3", "ListObjectsV2", B, "Contents[].[Key, ETag, Size]")
NEW = {**B, "Key": "a", "Body": b"new"}
PUBLIC = ("s3", "PutObjectAcl", {**B, "Key": "a", "ACL": "public-read"})
THE_A = {**B, "Key": "a"}


def objects(*names: str) -> dict[str, Any]:
    return {**B, "Delete": {"Objects": [{"Key": name} for name in names]}}


OBJECTS = (
    Case(name="put new", given=(MAKE,), call=("s3", "PutObject", NEW), state=(CONTENT, *seen("a"))),
    Case(
        name="put over",
        kind="copy",
        given=(MAKE, RICH, PUBLIC),
        call=("s3", "PutObject", NEW),
        state=(CONTENT, *seen("a")),
    ),
    Case(
        name="put over versioned",
        given=(MAKE, VERSIONED, RICH),
        call=("s3", "PutObject", NEW),
        state=(VERSIONS, *seen("a")),
    ),
    Case(
        name="put new versioned",
        given=(MAKE, VERSIONED),
        call=("s3", "PutObject", NEW),
        state=(VERSIONS, *seen("a")),
    ),
    Case(
        name="put over what is older than versioning",
        given=(MAKE, RICH, VERSIONED),
        call=("s3", "PutObject", NEW),
        state=seen("a"),
    ),
    Case(
        name="put over while suspended, the version null",
        kind="copy",
        given=(MAKE, VERSIONED, SUSPENDED, RICH),
        call=("s3", "PutObject", NEW),
        state=seen("a"),
    ),
    Case(
        name="copy over",
        kind="copy",
        given=(MAKE, RICH, put("b", b"new")),
        call=("s3", "CopyObject", {**B, "Key": "a", "CopySource": {"Bucket": "data", "Key": "b"}}),
        state=(CONTENT, *seen("a")),
    ),
    Case(
        name="complete a multipart upload over",
        kind="copy",
        given=(
            MAKE,
            RICH,
            ("s3", "CreateMultipartUpload", THE_A, {"upload": "UploadId"}),
            (
                "s3",
                "UploadPart",
                {**THE_A, "UploadId": "${upload}", "PartNumber": 1, "Body": b"new"},
                {"etag": "ETag"},
            ),
        ),
        call=(
            "s3",
            "CompleteMultipartUpload",
            {
                **THE_A,
                "UploadId": "${upload}",
                "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": "${etag}"}]},
            },
        ),
        state=(CONTENT, *seen("a")[:3]),
    ),
    Case(
        name="delete",
        kind="copy",
        given=(MAKE, RICH, PUBLIC),
        call=("s3", "DeleteObject", THE_A),
        state=(CONTENT, *seen("a")),
    ),
    Case(
        name="delete nothing",
        given=(MAKE,),
        call=("s3", "DeleteObject", THE_A),
        state=(CONTENT,),
        changes=False,
    ),
    Case(
        name="delete versioned",
        given=(MAKE, VERSIONED, RICH),
        call=("s3", "DeleteObject", THE_A),
        state=(VERSIONS, *seen("a")),
    ),
    Case(
        name="delete while suspended, the version null",
        kind="copy",
        given=(MAKE, VERSIONED, SUSPENDED, RICH),
        call=("s3", "DeleteObject", THE_A),
        state=seen("a"),
    ),
    Case(
        name="delete the current version",
        kind="new_id",
        given=(MAKE, VERSIONED, (*RICH, {"version": "VersionId"})),
        call=("s3", "DeleteObject", {**THE_A, "VersionId": "${version}"}),
        state=seen("a"),
    ),
    Case(
        name="delete the marker",
        kind="new_id",
        given=(MAKE, VERSIONED, RICH, ("s3", "DeleteObject", THE_A, {"marker": "VersionId"})),
        call=("s3", "DeleteObject", {**THE_A, "VersionId": "${marker}"}),
        state=(CONTENT, *seen("a")),
    ),
    Case(
        name="delete many",
        kind="copy",
        given=(MAKE, RICH, PUBLIC, put("b/ü +%2F//${x}"), put("c", b"")),
        call=("s3", "DeleteObjects", objects("a", "b/ü +%2F//${x}", "c", "nothing")),
        state=(CONTENT, *seen("a"), *seen("c")),
    ),
    Case(
        name="delete many versioned, quietly",
        given=(MAKE, VERSIONED, RICH, put("b"), put("bb")),
        call=(
            "s3",
            "DeleteObjects",
            {**B, "Delete": {"Quiet": True, "Objects": [{"Key": "a"}, {"Key": "b"}]}},
        ),
        state=(VERSIONS, CONTENT, *seen("a")),
    ),
    Case(
        name="tag",
        given=(MAKE, RICH),
        call=("s3", "PutObjectTagging", {**THE_A, "Tagging": {"TagSet": [{"Key": "k", "Value": "v"}]}}),
        state=seen("a"),
    ),
    Case(name="untag", given=(MAKE, RICH), call=("s3", "DeleteObjectTagging", THE_A), state=seen("a")),
    Case(name="publish", given=(MAKE, RICH), call=PUBLIC, state=seen("a")),
    Case(
        name="start an upload",
        given=(MAKE,),
        call=("s3", "CreateMultipartUpload", THE_A),
        state=(("s3", "ListMultipartUploads", B, "Uploads[].UploadId"),),
    ),
)

CASES = OBJECTS
