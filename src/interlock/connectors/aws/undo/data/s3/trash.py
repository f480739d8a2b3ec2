"""The bucket in which copies of objects are kept while their change can be undone."""

from typing import Any

from interlock.connectors.aws.undo.data.common import read
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Step

_HIDDEN = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


def bucket(calls: Here) -> str:
    """Its name: the target's own, else one for each account and region."""
    return calls.trash_bucket or f"interlock-trash-{calls.account}-{calls.region}"


def owner(calls: Here, member: str = "ExpectedBucketOwner") -> dict[str, Any]:
    """Names of buckets are everybody's: nothing is copied into one that another account was first to make."""
    return {member: calls.account} if calls.account else {}


async def made(calls: Here) -> tuple[Step, ...]:
    """The steps that make the bucket, if it isn't there. Raises CallFailed when it is somebody else's."""
    name = bucket(calls)
    if await read(calls, "s3", "HeadBucket", {"Bucket": name, **owner(calls)}) is not None:
        return ()
    block = {"Bucket": name, "PublicAccessBlockConfiguration": _HIDDEN, **owner(calls)}
    where = creation(name, calls.region)
    return (
        Step("s3", "CreateBucket", where, present_ok=True),
        Step("s3", "PutPublicAccessBlock", block),
    )


def creation(name: str, region: str) -> dict[str, Any]:
    """Parameters of CreateBucket: us-east-1 is named by no location (S3 API reference, "CreateBucket")."""
    if region == "us-east-1":
        return {"Bucket": name}
    return {"Bucket": name, "CreateBucketConfiguration": {"LocationConstraint": region}}
