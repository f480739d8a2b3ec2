"""Objects that are written over or deleted.

With versioning, what was there stays below; without, it is copied aside first. Versions that are deleted by their id are gone for
good, and come back, if they were the current one, as a new version.
"""

from collections.abc import Sequence
from typing import Any

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.undo import listing
from interlock.connectors.aws.undo.data.common import final, literal, read
from interlock.connectors.aws.undo.data.s3 import aside, trash
from interlock.connectors.aws.undo.data.s3.aside import Copy, Object, check, together
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import ANY, Check, Plan, Step
from interlock.connectors.aws.undo.steps import beside

_NEW_VERSION = "it comes back as a new version; older versions of it that were deleted don't"


async def versioning(calls: Here, bucket: str) -> str:
    """`Enabled`, `Suspended`, or empty."""
    return await read(calls, "s3", "GetBucketVersioning", {"Bucket": bucket}, "Status") or ""


async def overwrite(call: Call, calls: Here, nonce: str) -> Plan:
    """PutObject, CopyObject, CompleteMultipartUpload: what is at the key is written over."""
    bucket, key = call.parameters["Bucket"], call.parameters["Key"]
    if bucket == trash.bucket(calls):
        return _ours()
    status = await versioning(calls, bucket)
    old = await aside.look(calls, bucket, key, acls=status != "Enabled")
    place = {"Bucket": bucket, "Key": key}
    if status == "Enabled":
        gone = Step("s3", "DeleteObject", {**literal(place), "VersionId": "${version}"}, absent_ok=True)
        before = old.head.get("VersionId", "null") if old else None
        watched = check(bucket, key, "VersionId || 'null'", before, "${version}")
        return Plan("full", inverse=(gone,), checks=(watched,), saves={"version": "VersionId"})
    if old is None or (status == "Suspended" and old.head.get("VersionId", "null") != "null"):
        return _uncover(bucket, key, old, status, ANY)
    return await _aside(calls, nonce, [old], after=ANY)


def _uncover(bucket: str, key: str, old: Object | None, status: str, after: Any) -> Plan:
    """What is written lies beside what was there, or there was nothing: deleting it is enough."""
    version = {"VersionId": "null"} if status == "Suspended" else {}
    gone = Step("s3", "DeleteObject", literal({"Bucket": bucket, "Key": key, **version}), absent_ok=True)
    before = old.head.get("ETag") if old else None
    caveats = ("an older version `null` of it, if there is one, is lost",) if status and old else ()
    checks = (check(bucket, key, "ETag", before, after),)
    return Plan("new_id" if caveats else "full", inverse=(gone,), checks=checks, caveats=caveats)


async def delete(call: Call, calls: Here, nonce: str) -> Plan:
    """DeleteObject."""
    bucket, key = call.parameters["Bucket"], call.parameters["Key"]
    return await _delete(calls, bucket, [(key, call.parameters.get("VersionId", ""))], nonce)


async def delete_many(call: Call, calls: Here, nonce: str) -> Plan:
    """DeleteObjects: at most 1,000 in one call."""
    named = call.parameters.get("Delete", {}).get("Objects", [])
    keys = [(item["Key"], item.get("VersionId") or "") for item in named]
    return await _delete(calls, call.parameters["Bucket"], list(dict.fromkeys(keys)), nonce)


async def _delete(calls: Here, bucket: str, keys: Sequence[tuple[str, str]], nonce: str) -> Plan:
    if bucket == trash.bucket(calls):
        return _ours()
    status = await versioning(calls, bucket)
    if status and not any(version for _, version in keys):
        return await _hidden(calls, bucket, [key for key, _ in keys], status, nonce)
    if status:
        return await _versions(calls, bucket, keys, nonce)
    acls = await aside.has_acls(calls, bucket)
    found = await looked(calls, bucket, [key for key, _ in keys], acls=acls)
    return await _aside(calls, nonce, [thing for thing in found if thing], after=None)


async def looked(calls: Here, bucket: str, keys: Sequence[str], *, acls: bool) -> list[Object | None]:
    """Many objects as they are, in order."""
    known = await listing.etags(calls, bucket, keys)
    there = [key for key in keys if known.get(key, "") is not None]
    found = await beside(aside.look(calls, bucket, key, acls=acls) for key in there)
    things = dict(zip(there, found, strict=True))
    return [things.get(key) for key in keys]


async def keep(calls: Here, bucket: str, nonce: str, *, first: int = 0, limit: int = 10_000) -> Plan:
    """A plan that copies all objects of a bucket aside and back, for whatever takes the bucket away; `first` tells copies apart
    from others of the same plan. `kind` is `none` when they are more than `limit`. Raises CallFailed."""
    listed, more = await calls.pages("s3", "ListObjectsV2", {"Bucket": bucket}, key="Contents", limit=limit)
    if more:
        return final(f"it has more than {limit} objects", "empty it in parts")
    acls = await aside.has_acls(calls, bucket)
    found = await beside(aside.look(calls, bucket, each["Key"], acls=acls) for each in listed)
    return await _aside(calls, nonce, [thing for thing in found if thing], after=None, first=first)


async def _hidden(calls: Here, bucket: str, keys: Sequence[str], status: str, nonce: str) -> Plan:
    """Deleted by a delete marker: what was there stays below it (but for a version `null` while versioning is suspended)."""
    found = [thing for thing in await _current(calls, bucket, keys, status) if thing]
    nulls = [t for t in found if status == "Suspended" and t.head.get("VersionId", "null") == "null"]
    covered = [thing for thing in found if thing not in nulls]
    plan = await _aside(calls, nonce, nulls, after=None)
    checks = [_version_check(thing) for thing in covered]
    find = [
        _marker(thing, number, watch)
        for number, (thing, watch) in enumerate(zip(covered, checks, strict=True))
    ]
    gone = [
        _unmark(thing, number, watch)
        for number, (thing, watch) in enumerate(zip(covered, checks, strict=True))
    ]
    return Plan(
        plan.kind if nulls else "full",
        prepare=plan.prepare,
        inverse=(*find, *gone, *plan.inverse),
        checks=(*checks, *plan.checks),
        lost=plan.lost,
        reason=plan.reason,
        discard=plan.discard,
    )


async def _current(calls: Here, bucket: str, keys: Sequence[str], status: str) -> list[Object | None]:
    """The current versions, in order. Where none of them is copied it is enough to know which they are."""
    if status == "Suspended":
        return await looked(calls, bucket, keys, acls=await aside.has_acls(calls, bucket))
    known = await listing.versions(calls, bucket, keys)
    if not known.keys() >= set(keys):
        return await looked(calls, bucket, keys, acls=False)
    ids = ((key, known[key]) for key in keys)
    return [Object(bucket, key, {"VersionId": version}) if version else None for key, version in ids]


def _version_check(thing: Object) -> Check:
    before = thing.head.get("VersionId", "null")
    return check(thing.bucket, thing.key, "VersionId || 'null'", before, None)


def _marker(thing: Object, number: int, unless: Check) -> Step:
    """Find the marker: the answer of DeleteObjects may be quiet about it."""
    asked = literal({"Bucket": thing.bucket, "Prefix": thing.key, "MaxKeys": 1})
    saves = {f"marker{number}": "DeleteMarkers[?IsLatest]|[0].VersionId"}
    return Step("s3", "ListObjectVersions", asked, saves=saves, unless=unless, independent=True)


def _unmark(thing: Object, number: int, unless: Check) -> Step:
    marker = {**literal(thing.place), "VersionId": f"${{marker{number}}}"}
    return Step("s3", "DeleteObject", marker, unless=unless, independent=True, absent_ok=True)


async def _versions(calls: Here, bucket: str, keys: Sequence[tuple[str, str]], nonce: str) -> Plan:
    """Deleted by version, for good."""
    acls = await aside.has_acls(calls, bucket)
    saved: list[Object] = []
    lost: dict[str, str] = {}
    markers: list[str] = []
    for key, version in keys:
        current = await aside.look(calls, bucket, key, acls=acls)
        if current and (not version or current.head.get("VersionId", "null") == version):
            saved.append(current)
        elif current is None and await _is_marker(calls, bucket, key, version):
            markers.append(key)
        elif await aside.look(calls, bucket, key, version=version, acls=False):
            lost[arn(calls, bucket, key)] = "an older version cannot be put back below the current one"
    return await _returning(calls, nonce, saved, lost, markers, bucket)


async def _is_marker(calls: Here, bucket: str, key: str, version: str) -> bool:
    """Whether that version is the delete marker which hides the object now."""
    asked = {"Bucket": bucket, "Prefix": key, "MaxKeys": 1}
    found = await read(calls, "s3", "ListObjectVersions", asked, "DeleteMarkers[].[Key,VersionId,IsLatest]")
    return [key, version, True] in (found or [])


async def _returning(
    calls: Here, nonce: str, saved: list[Object], lost: dict[str, str], markers: list[str], bucket: str
) -> Plan:
    plan = await _aside(calls, nonce, saved, after=ANY, kind="new_id", caveats=(_NEW_VERSION,))
    lost = {**plan.lost, **lost}
    if lost and not plan.inverse and not markers:
        return Plan("none", reason=next(iter(lost.values())), gentler=_GENTLER)
    hide = [
        Step("s3", "DeleteObject", literal({"Bucket": bucket, "Key": key}), unless=_absent(bucket, key))
        for key in markers
    ]
    return Plan(
        "new_id",
        prepare=plan.prepare,
        inverse=(*plan.inverse, *hide),
        checks=(*plan.checks, *(check(bucket, key, "VersionId || 'null'", None, ANY) for key in markers)),
        lost=lost,
        caveats=(_NEW_VERSION,),
        discard=plan.discard,
    )


_GENTLER = "a delete without VersionId leaves a marker, and keeps all versions"


def _absent(bucket: str, key: str) -> Check:
    return check(bucket, key, "ETag", None, ANY)


async def _aside(
    calls: Here,
    nonce: str,
    things: Sequence[Object],
    *,
    after: Any,
    kind: str = "copy",
    caveats: Sequence[str] = (),
    first: int = 0,
) -> Plan:
    """Copy them aside and back. What cannot be copied is lost."""
    lost = {arn(calls, thing.bucket, thing.key): thing.lost for thing in things if thing.lost}
    good = [thing for thing in things if not thing.lost]
    if not good:
        return final(next(iter(lost.values())), "copy it elsewhere first") if lost else Plan("full")
    made = await trash.made(calls)
    copies: list[Copy] = [aside.copy(thing, calls, nonce, number) for number, thing in enumerate(good, first)]
    checks = [
        check(thing.bucket, thing.key, "ETag", f"${{{each.etag}}}", after)
        for thing, each in zip(good, copies, strict=True)
    ]
    return together(kind, copies, made, checks, lost=lost, caveats=tuple(caveats))


def arn(calls: Here, bucket: str, key: str) -> str:
    """The name of an object as a resource."""
    return f"arn:{calls.partition}:s3:::{bucket}/{key}"


def _ours() -> Plan:
    return final("it is the bucket in which copies for undoing are kept")
