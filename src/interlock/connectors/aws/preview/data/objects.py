"""S3 objects: what is overwritten, and what is deleted, key by key.

Counts go no further than a share of them needs: `before` is a lower bound then, so that the share comes out too large, never too
small.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from interlock.connectors.aws.preview.found import Effects, items
from interlock.connectors.aws.preview.rows import rows
from interlock.connectors.aws.preview.survey import LIMIT, Survey, Unsure
from interlock.model.effect import ChangeKind, Effect
from interlock.model.operation import Resource

_PAGE = 1_000
_ASKED_ONE_BY_ONE = 20

Named = tuple[str, str]
"""A key and the version of it that is meant, or "" for the newest."""


def bucket_of(survey: Survey, name: str) -> Resource:
    return survey.resource("s3:bucket", survey.arn("s3", name, region=False, account=False))


async def is_versioned(survey: Survey, bucket: str) -> bool:
    status = (await survey.ask("s3", "GetBucketVersioning", {"Bucket": bucket})).get("Status", "")
    survey.rests_on(f"versioning of {bucket}", status)
    return bool(status == "Enabled")


async def count_objects(survey: Survey, bucket: str, needed: int = 1, prefix: str = "") -> tuple[int, bool]:
    """How many objects there are, as far as a share of `needed` of them is told; and whether there are more."""
    limit = min(LIMIT, max(_PAGE, 100 * needed))
    asked = {"Bucket": bucket, "Prefix": prefix}
    found, more = await survey.pages("s3", "ListObjectsV2", asked, key="Contents", limit=limit)
    return len(found), more


async def _head(survey: Survey, bucket: str, key: str, version: str = "") -> Mapping[str, Any] | None:
    asked = {"Bucket": bucket, "Key": key, **({"VersionId": version} if version else {})}
    found = await survey.find("s3", "HeadObject", asked)
    # What is there is known by its ETag and version; the value itself is never read.
    label = f"object {bucket}/{key}{'@' if version else ''}{version}"
    survey.rests_on(label, found and {name: found.get(name) for name in ("ETag", "VersionId")})
    return found


async def written(survey: Survey) -> Effects:
    """PutObject, CopyObject, CompleteMultipartUpload: one key, which may hold something."""
    bucket, key = survey.text("Bucket"), survey.text("Key")
    return [await write_of(survey, bucket, key)]


async def write_of(survey: Survey, bucket: str, key: str) -> Effect:
    where = bucket_of(survey, bucket)
    if survey.parameters.get("IfNoneMatch") == "*" or await _head(survey, bucket, key) is None:
        return items(where, ChangeKind.CREATED, 1)
    kept = await is_versioned(survey, bucket)
    detail = "overwritten; the earlier version is kept" if kept else "overwritten; no version is kept"
    before, more = await count_objects(survey, bucket)
    return items(where, ChangeKind.UPDATED, 1, max(1, before), more=more, detail=detail)


async def renamed(survey: Survey) -> Effects:
    """RenameObject (directory buckets): the source's name is gone, and what the new name held."""
    bucket = survey.text("Bucket")
    moved = items(bucket_of(survey, bucket), ChangeKind.MOVED, 1, detail="renamed")
    return [moved, await write_of(survey, bucket, survey.text("Key"))]


async def deleted(survey: Survey) -> Effects:
    named = (survey.text("Key"), survey.parameters.get("VersionId") or "")
    return await deletion_of(survey, survey.text("Bucket"), [named])


async def many_deleted(survey: Survey) -> Effects:
    wanted = (survey.parameters.get("Delete") or {}).get("Objects")
    if not isinstance(wanted, Sequence) or not all(
        isinstance(one, Mapping) and "Key" in one for one in wanted
    ):
        raise Unsure("the call doesn't say which objects")
    named = dict.fromkeys((one["Key"], one.get("VersionId") or "") for one in wanted)
    return await deletion_of(survey, survey.text("Bucket"), list(named))


async def deletion_of(survey: Survey, bucket: str, named: Sequence[Named]) -> Effects:
    there, exact = await _there(survey, bucket, named)
    if not there:
        return [items(bucket_of(survey, bucket), ChangeKind.DELETED, 0, detail="no such object")]
    before, more = await count_objects(survey, bucket, there)
    detail = await _how(survey, bucket, named) if exact else "at most so many: not all could be looked up"
    return [
        items(
            bucket_of(survey, bucket), ChangeKind.DELETED, there, max(there, before), more=more, detail=detail
        )
    ]


async def _how(survey: Survey, bucket: str, named: Sequence[Named]) -> str:
    if any(version for _, version in named):
        return "versions deleted for good"
    if await is_versioned(survey, bucket):
        return "behind delete markers; the versions stay"
    return "no version is kept"


async def _there(survey: Survey, bucket: str, named: Sequence[Named]) -> tuple[int, bool]:
    """How many of these exist; and whether that is exact (else it is at most so many)."""
    if len(named) <= _ASKED_ONE_BY_ONE:
        found = [await _head(survey, bucket, key, version) for key, version in named]
        return sum(one is not None for one in found), True
    plain = {key for key, version in named if not version}
    versions = len(named) - len(plain)
    asked = {"Bucket": bucket, "Prefix": _common_prefix(sorted(plain))}
    listed, more = await survey.pages("s3", "ListObjectsV2", asked, key="Contents")
    met = {one["Key"]: one.get("ETag") for one in listed if one["Key"] in plain}
    if more:
        return len(named), False
    survey.rests_on(f"objects of {bucket}", met)
    return len(met) + versions, not versions


def _common_prefix(ordered: Sequence[str]) -> str:
    if not ordered:
        return ""
    first, last = ordered[0], ordered[-1]
    length = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    return first[: length if length is not None else min(len(first), len(last))]


async def _begun(survey: Survey) -> Effects:
    """Parts are not an object until they are put together."""
    where = bucket_of(survey, survey.text("Bucket"))
    return [items(where, ChangeKind.CREATED, 0, detail="part of an upload that isn't complete")]


async def _given_up(survey: Survey) -> Effects:
    where = bucket_of(survey, survey.text("Bucket"))
    return [items(where, ChangeKind.UPDATED, 0, detail="an upload that isn't complete is given up")]


TABLE = {
    **rows("s3", "overwrite", PutObject=written, CopyObject=written, CompleteMultipartUpload=written),
    **rows("s3", "overwrite", RenameObject=renamed),
    **rows("s3", "expiry overwrite", DeleteObject=deleted, DeleteObjects=many_deleted),
    **rows("s3", CreateMultipartUpload=_begun, UploadPart=_begun, UploadPartCopy=_begun),
    **rows("s3", AbortMultipartUpload=_given_up),
}
