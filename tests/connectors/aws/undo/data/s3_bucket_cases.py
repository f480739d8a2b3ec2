"""Cases of buckets and their configurations."""

from typing import Any

from tests.connectors.aws.undo.data.s3_cases import MAKE, VERSIONED, B, put
from tests.connectors.aws.undo.rig import ACCOUNT, REGION, Case

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

LOCKED = ("s3", "CreateBucket", {**MAKE[2], "ObjectLockEnabledForBucket": True})
LOCK = ("s3", "GetObjectLockConfiguration", B, "ObjectLockConfiguration")
A = {**B, "Key": "a"}
HOLD = ("s3", "PutObjectLegalHold", {**A, "LegalHold": {"Status": "ON"}})
HELD = ("s3", "GetObjectLegalHold", A, "LegalHold.Status == 'ON'")


def retained(days: int) -> dict[str, Any]:
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": days}}
    return {**B, "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", "Rule": rule}}


LOCKS = (
    Case(
        name="lock for less",
        given=(LOCKED, ("s3", "PutObjectLockConfiguration", retained(30))),
        call=("s3", "PutObjectLockConfiguration", retained(1)),
        state=(LOCK,),
    ),
    Case(name="hold", given=(LOCKED, put("a")), call=HOLD, state=(HELD,)),
    Case(
        name="hold no more",
        given=(LOCKED, put("a"), HOLD),
        call=("s3", "PutObjectLegalHold", {**A, "LegalHold": {"Status": "OFF"}}),
        state=(HELD,),
    ),
)

CASES = (*settings(), *BUCKETS, *LOCKS)
