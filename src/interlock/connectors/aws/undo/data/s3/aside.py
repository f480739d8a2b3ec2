"""Copying objects aside before they are overwritten or deleted, and back.

CopyObject takes metadata, headers and tags along (S3 API reference, "CopyObject"), but neither the access list, nor the storage
class, encryption and redirect: these are named. It copies at most 5 GiB; more goes in parts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from interlock.connectors.aws.call import CallFailed
from interlock.connectors.aws.undo.data.common import literal, read, some
from interlock.connectors.aws.undo.data.s3 import trash
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Check, Plan, Step

LARGEST_COPY = 5 << 30
"""Bytes that one CopyObject or UploadPartCopy copies at most."""
_ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")
_HEADERS = "CacheControl ContentDisposition ContentEncoding ContentLanguage ContentType Metadata"
_CHOICES = "StorageClass ServerSideEncryption SSEKMSKeyId BucketKeyEnabled WebsiteRedirectLocation"


@dataclass(frozen=True, slots=True)
class Object:
    """An object as it is (`head`: HeadObject's answer). `grants` is its access list when that isn't the usual one. `lost` says
    why it cannot be copied."""

    bucket: str
    key: str
    head: Mapping[str, Any]
    version: str = ""
    grants: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[Mapping[str, str]] = ()
    lost: str = ""

    @property
    def place(self) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.key}

    @property
    def source(self) -> dict[str, str]:
        return {**self.place, **({"VersionId": self.version} if self.version else {})}

    @property
    def size(self) -> int:
        return int(self.head.get("ContentLength", 0))


@dataclass(frozen=True, slots=True)
class Copy:
    """The steps of one copy aside: made, put back, removed; and the name under which the copy's ETag is saved."""

    prepare: tuple[Step, ...]
    back: tuple[Step, ...]
    discard: Step
    etag: str


async def look(calls: Here, bucket: str, key: str, *, version: str = "", acls: bool = True) -> Object | None:
    """The object as it is; None when there is none. Raises CallFailed."""
    place = {"Bucket": bucket, "Key": key, **({"VersionId": version} if version else {})}
    try:
        head = await read(calls, "s3", "HeadObject", place)
    except CallFailed as error:
        if error.status == 405:  # a delete marker, asked for by its version
            return None
        if error.status == 400:  # only who has the key may even look (S3 user guide, "SSE-C")
            return Object(bucket, key, {}, version, lost="it is encrypted with a key of the client's")
        raise
    if head is None:
        return None
    if head.get("StorageClass") in _ARCHIVED and 'ongoing-request="false"' not in head.get("Restore", ""):
        return Object(
            bucket, key, head, version, lost="it is archived, and cannot be copied before it is restored"
        )
    acl = await _grants(calls, place) if acls else {}
    tags = await _tags(calls, place) if head.get("ContentLength", 0) > LARGEST_COPY else ()
    return Object(bucket, key, head, version, acl, tags)


async def has_acls(calls: Here, bucket: str) -> bool:
    """Whether access lists of objects mean anything in this bucket."""
    path = "OwnershipControls.Rules[0].ObjectOwnership"
    return bool(
        await read(calls, "s3", "GetBucketOwnershipControls", {"Bucket": bucket}, path)
        != "BucketOwnerEnforced"
    )


async def _grants(calls: Here, place: Mapping[str, Any]) -> dict[str, str]:
    """The access list as parameters of the call that copies back; none when it is only the owner's."""
    found = await read(calls, "s3", "GetObjectAcl", place) or {}
    grants = grants_of(found)
    usual = {"GrantFullControl": f'id="{found.get("Owner", {}).get("ID")}"'}
    return {} if grants == usual else grants


def grants_of(acl: Mapping[str, Any]) -> dict[str, str]:
    """An access list as the parameters of calls that write objects or their lists."""
    found: dict[str, list[str]] = {}
    for grant in acl.get("Grants", []):
        found.setdefault(_GRANT[grant["Permission"]], []).append(_grantee(grant["Grantee"]))
    return {name: ", ".join(who) for name, who in found.items()}


_GRANT = {
    "FULL_CONTROL": "GrantFullControl",
    "READ": "GrantRead",
    "READ_ACP": "GrantReadACP",
    "WRITE_ACP": "GrantWriteACP",
}


def _grantee(grantee: Mapping[str, str]) -> str:
    return f'id="{grantee["ID"]}"' if "ID" in grantee else f'uri="{grantee["URI"]}"'


async def _tags(calls: Here, place: Mapping[str, Any]) -> Sequence[Mapping[str, str]]:
    return await read(calls, "s3", "GetObjectTagging", place, "TagSet") or ()


def copy(thing: Object, calls: Here, nonce: str, number: int) -> Copy:
    """The steps that copy it aside and back. `number` tells copies of one call apart."""
    kept = {"Bucket": trash.bucket(calls), "Key": f"interlock-{nonce}/{number}"}
    etag, aside_owner = f"aside{number}", trash.owner(calls)
    source_owner = trash.owner(calls, "ExpectedSourceBucketOwner")
    prepare = _copying(thing, thing.source, {**kept, **aside_owner}, {}, f"u{number}", etag)
    back = _copying(thing, kept, {**thing.place, **thing.grants}, source_owner, f"b{number}", "")
    return Copy(
        prepare,
        back,
        Step("s3", "DeleteObject", literal({**kept, **aside_owner}), independent=True, absent_ok=True),
        etag,
    )


def _copying(
    thing: Object,
    source: Mapping[str, str],
    into: Mapping[str, Any],
    extra: Mapping[str, Any],
    name: str,
    etag: str,
) -> tuple[Step, ...]:
    if thing.size > LARGEST_COPY:
        return _in_parts(thing, source, into, extra, name, etag)
    parameters = {**into, "CopySource": source, **_choices(thing), **extra}
    saves = {etag: "CopyObjectResult.ETag"} if etag else {}
    return (Step("s3", "CopyObject", literal(parameters), saves=saves, independent=True),)


def _choices(thing: Object) -> dict[str, Any]:
    return some(thing.head, _CHOICES)


def _in_parts(
    thing: Object,
    source: Mapping[str, str],
    into: Mapping[str, Any],
    extra: Mapping[str, Any],
    name: str,
    etag: str,
) -> tuple[Step, ...]:
    upload = literal({**into, **_choices(thing), **some(thing.head, _HEADERS)})
    if thing.tags:
        upload["Tagging"] = literal(_query(thing.tags))
    target = {**literal(into), "UploadId": f"${{{name}}}"}
    starts = range(0, thing.size, LARGEST_COPY)
    parts = tuple(
        Step(
            "s3",
            "UploadPartCopy",
            {
                **target,
                **literal({"CopySource": source, **extra}),
                "PartNumber": number,
                "CopySourceRange": f"bytes={start}-{min(start + LARGEST_COPY, thing.size) - 1}",
            },
            saves={f"{name}p{number}": "CopyPartResult.ETag"},
        )
        for number, start in enumerate(starts, 1)
    )
    whole = [{"PartNumber": n, "ETag": f"${{{name}p{n}}}"} for n in range(1, len(parts) + 1)]
    return (
        Step("s3", "CreateMultipartUpload", upload, saves={name: "UploadId"}),
        *parts,
        Step(
            "s3",
            "CompleteMultipartUpload",
            {**target, "MultipartUpload": {"Parts": whole}},
            saves={etag: "ETag"} if etag else {},
        ),
    )


def _query(tags: Sequence[Mapping[str, str]]) -> str:
    return urlencode([(tag["Key"], tag["Value"]) for tag in tags])


def check(bucket: str, key: str, select: str, before: Any, after: Any, what: str = "") -> Check:
    """Compares an object by a member of its head."""
    return Check(
        what or f"object {key} of bucket {bucket}",
        "s3",
        "HeadObject",
        literal({"Bucket": bucket, "Key": key}),
        select,
        before,
        after,
    )


def together(
    kind: str, copies: Sequence[Copy], made: tuple[Step, ...], checks: Sequence[Check], **rest: Any
) -> Plan:
    """A plan that brings copies back."""
    return Plan(
        kind,
        prepare=(*made, *(step for each in copies for step in each.prepare)),
        inverse=tuple(step for each in copies for step in each.back),
        discard=tuple(each.discard for each in copies),
        checks=tuple(checks),
        **rest,
    )
