"""Cases of S3."""

from typing import Any

from tests.connectors.aws.undo.rig import ACCOUNT, REGION, Case

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

POLICY = (
    '{"Version": "2012-10-17", "Statement": [{"Sid": "%s", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",'
    ' "Resource": "arn:aws:s3:::data/${aws:username}/*"}]}'
)
RULE = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30}}
BLOCK = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
TARGET = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"


def replication(prefix: str) -> dict[str, Any]:
    rule = {"ID": prefix, "Priority": 1, "Status": "Enabled", "Filter": {"Prefix": ""}}
    destination = {
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {"Bucket": "arn:aws:s3:::other"},
    }
    return {"ReplicationConfiguration": {"Role": ROLE, "Rules": [{**rule, **destination}]}}


def encryption(kind: str) -> dict[str, Any]:
    rules = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": kind}, "BucketKeyEnabled": False}]
    return {"ServerSideEncryptionConfiguration": {"Rules": rules}}


def logs(prefix: str) -> dict[str, Any]:
    return {"BucketLoggingStatus": {"LoggingEnabled": {"TargetBucket": "logs", "TargetPrefix": prefix}}}


def inventory(prefix: str) -> dict[str, Any]:
    destination = {"S3BucketDestination": {"Bucket": "arn:aws:s3:::other", "Format": "CSV", "Prefix": prefix}}
    rest = {"IsEnabled": True, "Id": "i", "IncludedObjectVersions": "All", "Schedule": {"Frequency": "Daily"}}
    return {"Id": "i", "InventoryConfiguration": {"Destination": destination, **rest}}


LOG_BUCKET = (
    ("s3", "CreateBucket", {"Bucket": "logs", "CreateBucketConfiguration": {"LocationConstraint": REGION}}),
    (
        "s3",
        "PutBucketAcl",
        {
            "Bucket": "logs",
            "GrantWrite": 'uri="http://acs.amazonaws.com/groups/s3/LogDelivery"',
            "GrantReadACP": 'uri="http://acs.amazonaws.com/groups/s3/LogDelivery"',
        },
    ),
)
QUEUE = ("sqs", "CreateQueue", {"QueueName": "q"})
OTHER = (
    ("s3", "CreateBucket", {"Bucket": "other", "CreateBucketConfiguration": {"LocationConstraint": REGION}}),
    ("s3", "PutBucketVersioning", {"Bucket": "other", "VersioningConfiguration": {"Status": "Enabled"}}),
)

SETTINGS: tuple[tuple[str, str, str, dict[str, Any], dict[str, Any], tuple[Any, ...], str], ...] = (
    (
        "GetBucketPolicy",
        "PutBucketPolicy",
        "DeleteBucketPolicy",
        {"Policy": POLICY % "old"},
        {"Policy": POLICY % "new"},
        (),
        "Policy",
    ),
    (
        "GetBucketLifecycleConfiguration",
        "PutBucketLifecycleConfiguration",
        "DeleteBucketLifecycle",
        {"LifecycleConfiguration": {"Rules": [RULE]}},
        {"LifecycleConfiguration": {"Rules": [{**RULE, "Expiration": {"Days": 1}, "ID": "new"}]}},
        (),
        "Rules",
    ),
    (
        "GetBucketCors",
        "PutBucketCors",
        "DeleteBucketCors",
        {"CORSConfiguration": {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://a"]}]}},
        {"CORSConfiguration": {"CORSRules": [{"AllowedMethods": ["PUT"], "AllowedOrigins": ["*"]}]}},
        (),
        "CORSRules",
    ),
    (
        "GetBucketTagging",
        "PutBucketTagging",
        "DeleteBucketTagging",
        {"Tagging": {"TagSet": [{"Key": "b", "Value": "1"}, {"Key": "a", "Value": "1@2"}]}},
        {"Tagging": {"TagSet": [{"Key": "c", "Value": "2"}]}},
        (),
        "sort_by(TagSet, &Key)",
    ),
    (
        "GetBucketWebsite",
        "PutBucketWebsite",
        "DeleteBucketWebsite",
        {"WebsiteConfiguration": {"IndexDocument": {"Suffix": "index.html"}}},
        {"WebsiteConfiguration": {"IndexDocument": {"Suffix": "evil.html"}}},
        (),
        "IndexDocument",
    ),
    (
        "GetBucketEncryption",
        "PutBucketEncryption",
        "DeleteBucketEncryption",
        encryption("aws:kms"),
        encryption("AES256"),
        (),
        "ServerSideEncryptionConfiguration",
    ),
    (
        "GetPublicAccessBlock",
        "PutPublicAccessBlock",
        "DeletePublicAccessBlock",
        {"PublicAccessBlockConfiguration": BLOCK},
        {"PublicAccessBlockConfiguration": {**BLOCK, "BlockPublicPolicy": False}},
        (),
        "PublicAccessBlockConfiguration",
    ),
    (
        "GetBucketOwnershipControls",
        "PutBucketOwnershipControls",
        "DeleteBucketOwnershipControls",
        {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}},
        {"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}},
        (),
        "OwnershipControls",
    ),
    (
        "GetBucketReplication",
        "PutBucketReplication",
        "DeleteBucketReplication",
        replication("a"),
        replication("b"),
        (VERSIONED, *OTHER),
        "ReplicationConfiguration",
    ),
    (
        "GetBucketNotificationConfiguration",
        "PutBucketNotificationConfiguration",
        "",
        {
            "NotificationConfiguration": {
                "QueueConfigurations": [{"Id": "n", "QueueArn": TARGET, "Events": ["s3:ObjectCreated:*"]}]
            }
        },
        {"NotificationConfiguration": {}},
        (QUEUE,),
        "QueueConfigurations",
    ),
    ("GetBucketLogging", "PutBucketLogging", "", logs("a"), logs("b"), LOG_BUCKET, "LoggingEnabled"),
    (
        "GetBucketAccelerateConfiguration",
        "PutBucketAccelerateConfiguration",
        "",
        {"AccelerateConfiguration": {"Status": "Enabled"}},
        {"AccelerateConfiguration": {"Status": "Suspended"}},
        (),
        "Status",
    ),
    ("GetBucketAcl", "PutBucketAcl", "", {"ACL": "public-read"}, {"ACL": "private"}, (), "Grants"),
    (
        "GetBucketVersioning",
        "PutBucketVersioning",
        "",
        {"VersioningConfiguration": {"Status": "Enabled"}},
        {"VersioningConfiguration": {"Status": "Suspended"}},
        (),
        "Status",
    ),
    (
        "GetBucketInventoryConfiguration",
        "PutBucketInventoryConfiguration",
        "",  # moto deletes none
        inventory("a"),
        inventory("b"),
        (),
        "InventoryConfiguration",
    ),
)


def settings() -> list[Case]:
    """Written over, removed, and written where there was none."""
    found: list[Case] = []
    for get, put_name, delete, old, new, given, select in SETTINGS:
        key = {**B, **({"Id": old["Id"]} if "Id" in old else {})}
        state = (("s3", get, key, select),)
        before = (MAKE, *given, ("s3", put_name, {**B, **old}))
        found.append(
            Case(name=f"{put_name} over", given=before, call=("s3", put_name, {**B, **new}), state=state)
        )
        if delete:
            new_call = ("s3", put_name, {**B, **new})
            found.append(Case(name=delete, given=before, call=("s3", delete, key), state=state))
            found.append(Case(name=f"{put_name} new", given=(MAKE, *given), call=new_call, state=state))
    return found


BUCKETS = (
    Case(
        name="CreateBucket",
        call=MAKE,
        state=(("s3", "ListBuckets", {}, "Buckets[].Name"),),
    ),
    Case(
        name="DeleteBucket",
        given=(
            MAKE,
            *(
                ("s3", put_name, {**B, **old})
                for _, put_name, _, old, _, _, _ in SETTINGS
                if put_name
                not in (
                    "PutBucketReplication",
                    "PutBucketNotificationConfiguration",
                    "PutBucketLogging",
                    "PutBucketOwnershipControls",
                )
            ),
        ),
        call=("s3", "DeleteBucket", B),
        state=(
            ("s3", "GetBucketLocation", B, "LocationConstraint"),
            *(
                ("s3", get, {**B, **({"Id": old["Id"]} if "Id" in old else {})}, select)
                for get, _, _, old, _, _, select in SETTINGS
            ),
        ),
    ),
    Case(
        name="versioning for the first time",
        kind="new_id",
        given=(MAKE,),
        call=VERSIONED,
        state=(("s3", "GetBucketVersioning", B, "Status"),),
        differs=(0,),
    ),
)

CASES = (*OBJECTS, *settings(), *BUCKETS)
