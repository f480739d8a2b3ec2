"""S3 buckets: what a deleted one holds, and what expires by a lifecycle rule."""

from collections.abc import Iterable, Mapping
from typing import Any

from interlock.connectors.aws.preview.data.objects import bucket_of, count_objects
from interlock.connectors.aws.preview.found import Effects, absent, emptied, items, lost, made, number, thing
from interlock.connectors.aws.preview.rows import rows
from interlock.connectors.aws.preview.survey import LIMIT, Survey, Unsure
from interlock.model.effect import ChangeKind


async def bucket_lost(survey: Survey, name: str) -> Effects:
    """A bucket and all that is in it, earlier versions included."""
    where = bucket_of(survey, name)
    found = await survey.find("s3", "GetBucketVersioning", {"Bucket": name})
    if found is None:
        return [absent(where)]
    count, more = await _contents(survey, name, versioned=bool(found.get("Status")))
    return [lost(where), *emptied(where, count, more=more, detail="objects and versions in the bucket")]


async def _contents(survey: Survey, name: str, *, versioned: bool) -> tuple[int, bool]:
    if not versioned:
        return await count_objects(survey, name, LIMIT)
    versions, more = await survey.pages("s3", "ListObjectVersions", {"Bucket": name}, key="Versions")
    return len(versions), more


async def _deleted(survey: Survey) -> Effects:
    effects = await bucket_lost(survey, survey.text("Bucket"))
    if len(effects) > 1:
        survey.note("The bucket isn't empty: the service will refuse this until it is.")
    return effects


async def _created(survey: Survey) -> Effects:
    return [made(bucket_of(survey, survey.text("Bucket")))]


async def _lifecycle(survey: Survey) -> Effects:
    """Whatever a new or changed rule matches will be gone, without a call for any of it."""
    bucket = survey.text("Bucket")
    where = bucket_of(survey, bucket)
    old = await _rules(survey, bucket)
    new = (survey.parameters.get("LifecycleConfiguration") or {}).get("Rules") or []
    survey.shows("lifecycle rules", [_said(rule) for rule in old], [_said(rule) for rule in new])
    known = [_bare(rule) for rule in old]
    expiring = [rule for rule in new if _expires(rule) and _bare(rule) not in known]
    effects = [thing(where, ChangeKind.SETTING, "lifecycle rules")]
    for rule in expiring:
        effects.extend(await _expiring(survey, bucket, rule))
    return effects


async def _rules(survey: Survey, bucket: str) -> list[Mapping[str, Any]]:
    found = await survey.find("s3", "GetBucketLifecycleConfiguration", {"Bucket": bucket})
    rules = list((found or {}).get("Rules") or [])
    survey.rests_on(f"lifecycle of {bucket}", rules)
    return rules


async def _unset(survey: Survey) -> Effects:
    bucket = survey.text("Bucket")
    old = await _rules(survey, bucket)
    survey.shows("lifecycle rules", [_said(rule) for rule in old], [])
    return [thing(bucket_of(survey, bucket), ChangeKind.SETTING, "no lifecycle rules any more")]


def _bare(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule without its name, and with its prefix in one place (`Prefix` of a rule is the old form)."""
    kept = {name: value for name, value in rule.items() if name not in ("ID", "Prefix", "Filter")}
    return {**kept, "prefix": _prefix(rule), "filter": sorted(_filters(rule), key=repr)}


def _expires(rule: Mapping[str, Any]) -> bool:
    expiration = rule.get("Expiration") or {}
    by_age = "Days" in expiration or "Date" in expiration
    return rule.get("Status") == "Enabled" and (by_age or bool(rule.get("NoncurrentVersionExpiration")))


def _said(rule: Mapping[str, Any]) -> str:
    when = {name: rule[name] for name in ("Expiration", "NoncurrentVersionExpiration") if rule.get(name)}
    days = ", ".join(f"{name} {value}" for part in when.values() for name, value in sorted(part.items()))
    return f"{rule.get('Status', '')}: {_prefix(rule) or 'everything'}: {days or 'nothing expires'}"


def _filters(rule: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    chosen = rule.get("Filter") or {}
    return [*chosen.items(), *(chosen.get("And") or {}).items()]


def _prefix(rule: Mapping[str, Any]) -> str:
    given = [value for name, value in _filters(rule) if name == "Prefix"]
    return str(rule.get("Prefix") or (given[0] if given else "") or "")


def _of_size(rule: Mapping[str, Any], size: int) -> bool:
    limits = dict(_filters(rule))
    above, below = limits.get("ObjectSizeGreaterThan"), limits.get("ObjectSizeLessThan")
    return (above is None or size > above) and (below is None or size < below)


async def _expiring(survey: Survey, bucket: str, rule: Mapping[str, Any]) -> Effects:
    """Tags are not looked at: that would take a call for each object. So it is at most so many."""
    if set(dict(_filters(rule))) - _KNOWN_FILTERS:
        raise Unsure("the lifecycle rule has a filter that isn't known here")
    noncurrent = not ({"Days", "Date"} & set(rule.get("Expiration") or {}))
    operation, key = ("ListObjectVersions", "Versions") if noncurrent else ("ListObjectsV2", "Contents")
    asked = {"Bucket": bucket, "Prefix": _prefix(rule)}
    listed, more = await survey.pages("s3", operation, asked, key=key)
    met = [
        one for one in listed if _of_size(rule, one.get("Size", 0)) and not (noncurrent and one["IsLatest"])
    ]
    if not met:
        return []
    before, beyond = await count_objects(survey, bucket, LIMIT)
    detail = f"{number(len(met), 'object', more=more)} expire by a lifecycle rule"
    change = ChangeKind.DELETED
    where = bucket_of(survey, bucket)
    return [items(where, change, len(met), max(before, len(met)), more=beyond or more, detail=detail)]


_KNOWN_FILTERS = {"Prefix", "Tag", "Tags", "And", "ObjectSizeGreaterThan", "ObjectSizeLessThan"}

TABLE = {
    **rows("s3", DeleteBucket=_deleted, CreateBucket=_created),
    **rows(
        "s3",
        "expiry replace",
        PutBucketLifecycleConfiguration=_lifecycle,
        PutBucketLifecycle=_lifecycle,
        DeleteBucketLifecycle=_unset,
    ),
}
