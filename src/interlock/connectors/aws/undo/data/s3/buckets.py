"""Buckets, and each kind of their configuration."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.undo.data.common import filled, literal, read, some, step, undone, watch
from interlock.connectors.aws.undo.data.s3 import trash
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Check, Plan, Step


@dataclass(frozen=True, slots=True)
class Facet:
    """One kind of configuration: what reads, writes and removes it; where it is in the answer (`select`), and the parameter
    that it goes back into. Without `delete`, `empty` stands for none. With `each`, there are several, told apart by an id, and
    listed by `each`."""

    what: str
    get: str
    put: str
    delete: str
    member: str
    select: str = "@"
    wrap: str = ""
    empty: Any = None
    each: str = ""
    listed: str = ""
    caveat: str = ""

    def parameter(self, value: Any) -> dict[str, Any]:
        """The parameter that puts a value back."""
        return {self.member: {self.wrap: value} if self.wrap else value}


_STARTED = "objects that expired meanwhile are gone"

FACETS = (
    Facet("the policy", "GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy", "Policy", "Policy"),
    Facet(
        "the lifecycle rules",
        "GetBucketLifecycleConfiguration",
        "PutBucketLifecycleConfiguration",
        "DeleteBucketLifecycle",
        "LifecycleConfiguration",
        "Rules",
        "Rules",
        caveat=_STARTED,
    ),
    Facet(
        "the CORS rules",
        "GetBucketCors",
        "PutBucketCors",
        "DeleteBucketCors",
        "CORSConfiguration",
        "CORSRules",
        "CORSRules",
    ),
    Facet(
        "the tags",
        "GetBucketTagging",
        "PutBucketTagging",
        "DeleteBucketTagging",
        "Tagging",
        "sort_by(TagSet, &Key)",
        "TagSet",
    ),
    Facet(
        "the website", "GetBucketWebsite", "PutBucketWebsite", "DeleteBucketWebsite", "WebsiteConfiguration"
    ),
    Facet(
        "the encryption",
        "GetBucketEncryption",
        "PutBucketEncryption",
        "DeleteBucketEncryption",
        "ServerSideEncryptionConfiguration",
        "ServerSideEncryptionConfiguration",
    ),
    Facet(
        "the public access block",
        "GetPublicAccessBlock",
        "PutPublicAccessBlock",
        "DeletePublicAccessBlock",
        "PublicAccessBlockConfiguration",
        "PublicAccessBlockConfiguration",
    ),
    Facet(
        "the ownership of objects",
        "GetBucketOwnershipControls",
        "PutBucketOwnershipControls",
        "DeleteBucketOwnershipControls",
        "OwnershipControls",
        "OwnershipControls",
    ),
    Facet(
        "the versioning",
        "GetBucketVersioning",
        "PutBucketVersioning",
        "",
        "VersioningConfiguration",
        "Status",
        "Status",
        empty="Suspended",
    ),
    Facet(
        "the replication",
        "GetBucketReplication",
        "PutBucketReplication",
        "DeleteBucketReplication",
        "ReplicationConfiguration",
        "ReplicationConfiguration",
        caveat="what was written meanwhile is not replicated",
    ),
    Facet(
        "the notifications",
        "GetBucketNotificationConfiguration",
        "PutBucketNotificationConfiguration",
        "",
        "NotificationConfiguration",
        empty={},
        caveat="events of the meantime are not sent again",
    ),
    Facet(
        "the access logging",
        "GetBucketLogging",
        "PutBucketLogging",
        "",
        "BucketLoggingStatus",
        "{LoggingEnabled: LoggingEnabled}",
        empty={},
    ),
    Facet(
        "the transfer acceleration",
        "GetBucketAccelerateConfiguration",
        "PutBucketAccelerateConfiguration",
        "",
        "AccelerateConfiguration",
        "Status",
        "Status",
        empty="Suspended",
    ),
    Facet(
        "the payer",
        "GetBucketRequestPayment",
        "PutBucketRequestPayment",
        "",
        "RequestPaymentConfiguration",
        "Payer",
        "Payer",
        empty="BucketOwner",
    ),
    Facet(
        "the access list",
        "GetBucketAcl",
        "PutBucketAcl",
        "",
        "AccessControlPolicy",
        "{Owner: Owner, Grants: Grants}",
    ),
    Facet(
        "the object lock",
        "GetObjectLockConfiguration",
        "PutObjectLockConfiguration",
        "",
        "ObjectLockConfiguration",
        "ObjectLockConfiguration",
        empty={"ObjectLockEnabled": "Enabled"},
        caveat="objects that were locked meanwhile stay locked",
    ),
    *(
        Facet(
            f"the {word} configuration",
            f"GetBucket{name}Configuration",
            f"PutBucket{name}Configuration",
            f"DeleteBucket{name}Configuration",
            f"{name}Configuration",
            f"{name}Configuration",
            each=f"ListBucket{name}Configurations",
            listed=f"{name}ConfigurationList",
        )
        for word, name in (
            ("analytics", "Analytics"),
            ("inventory", "Inventory"),
            ("metrics", "Metrics"),
            ("tiering", "IntelligentTiering"),
        )
    ),
)

_OLD = {
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
}
"""Operations of earlier days that write the same."""

_BY_OPERATION = {name: facet for facet in FACETS for name in (facet.put, facet.delete) if name}


def operations() -> list[str]:
    """All that write a configuration."""
    return [*_BY_OPERATION, *_OLD]


async def configure(call: Call, calls: Here, nonce: str) -> Plan:
    """Any call that writes or removes a configuration."""
    facet = _BY_OPERATION[_OLD.get(call.operation, call.operation)]
    key = some(call.parameters, "Bucket Id")
    what = f"{facet.what} of bucket {key['Bucket']}"
    old, check = await watch(calls, what, "s3", facet.get, key, facet.select)
    caveats = [facet.caveat] if facet.caveat else []
    if facet.put == "PutBucketVersioning" and not old:
        caveats.append("versioning can be suspended, but not be as if it never was")
        return undone(_suspended(check), _back(facet, key, old), kind="new_id", caveats=caveats)
    return undone(check, _back(facet, key, old), caveats=caveats)


def _suspended(check: Check) -> Check:
    """Suspended and never on is the same to whoever writes objects."""
    return Check(
        check.what,
        check.service,
        check.operation,
        check.parameters,
        "Status == 'Enabled' || MFADelete == 'Enabled'",
        before=False,
    )


def _back(facet: Facet, key: dict[str, Any], old: Any) -> Step:
    empty = old is None or not filled(old if isinstance(old, dict) else {"": old})
    if empty and facet.delete:
        return step("s3", facet.delete, key, absent_ok=True)
    return step(
        "s3", facet.put, {**key, **facet.parameter(facet.empty if empty else filled_whole(facet, old))}
    )


def filled_whole(facet: Facet, old: Any) -> Any:
    """Members that are nothing are not written, but for those with an id, of which some are needed though they are empty."""
    return filled(old) if isinstance(old, dict) and not facet.each else old


async def create(call: Call, calls: Here, nonce: str) -> Plan:
    """CreateBucket. Making one's own bucket again changes nothing (in us-east-1; elsewhere it fails)."""
    name = call.parameters["Bucket"]
    exists, check = await watch(
        calls,
        f"bucket {name} and its objects",
        "s3",
        "ListObjectVersions",
        {"Bucket": name, "MaxKeys": 1},
        _CONTENT,
    )
    if exists is not None:
        return Plan("full", checks=(check,))
    return undone(check, step("s3", "DeleteBucket", {"Bucket": name}, absent_ok=True))


_CONTENT = "length([Versions, DeleteMarkers][]) || `0`"


async def delete(call: Call, calls: Here, nonce: str) -> Plan:
    """DeleteBucket, which works on empty buckets only."""
    name = call.parameters["Bucket"]
    exists, check = await watch(
        calls,
        f"bucket {name}",
        "s3",
        "ListObjectVersions",
        {"Bucket": name, "MaxKeys": 1},
        _CONTENT,
        after=None,
    )
    if exists is None:
        return Plan("full", checks=(check,))
    kept = [await _kept(facet, calls, name) for facet in FACETS]
    steps = [one for each in kept for one in each]
    checks = [check, *(each for _, each in steps)]
    caveats = ("somebody else may take its name meanwhile",)
    return undone(checks, await _again(calls, name), *(one for one, _ in steps), caveats=caveats)


async def _again(calls: Here, name: str) -> Step:
    where = await read(calls, "s3", "GetBucketLocation", {"Bucket": name}, "LocationConstraint")
    region = {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}.get(where, where)
    lock = await read(calls, "s3", "GetObjectLockConfiguration", {"Bucket": name})
    parameters = {**trash.creation(name, region), **({"ObjectLockEnabledForBucket": True} if lock else {})}
    # An access list can be put back only where the bucket takes one.
    owner = await read(
        calls,
        "s3",
        "GetBucketOwnershipControls",
        {"Bucket": name},
        "OwnershipControls.Rules[0].ObjectOwnership",
    )
    return Step(
        "s3",
        "CreateBucket",
        literal({**parameters, **({"ObjectOwnership": owner} if owner else {})}),
        region=region,
        present_ok=True,
    )


async def _kept(facet: Facet, calls: Here, name: str) -> Sequence[tuple[Step, Check]]:
    """The steps that configure it again, each with what it is compared by."""
    if facet.each:
        ids = await read(calls, "s3", facet.each, {"Bucket": name}, f"{facet.listed}[].Id") or []
        return [found for each in ids for found in await _one(facet, calls, {"Bucket": name, "Id": each})]
    return await _one(facet, calls, {"Bucket": name})


async def _one(facet: Facet, calls: Here, key: dict[str, Any]) -> Sequence[tuple[Step, Check]]:
    what = f"{facet.what} of bucket {key['Bucket']}"
    old, check = await watch(calls, what, "s3", facet.get, key, facet.select, after=None)
    whole = filled_whole(facet, old)
    if (
        whole in (None, "", {}, [])
        or whole == facet.empty
        or (facet.member == "AccessControlPolicy" and _usual(whole))
    ):
        return ()
    return ((step("s3", facet.put, {**key, **facet.parameter(whole)}), check),)


def _usual(acl: dict[str, Any]) -> bool:
    """Nobody but the owner has access."""
    grants, owner = acl.get("Grants", []), acl.get("Owner", {}).get("ID")
    return len(grants) == 1 and grants[0].get("Grantee", {}).get("ID") == owner
