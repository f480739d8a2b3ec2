"""Many questions about objects, answered by pages of a listing in the place of one question each.

A listing says of each key whether it is there, its ETag, and which version is the current one, as HeadObject does; and it shows
what is at that moment (S3 user guide, "Amazon S3 data consistency model"). Nothing else of an object is taken from it: what a copy
needs (encryption, redirect, access list) only the object itself tells."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from interlock.connectors.aws.call import CallFailed, Calls
from interlock.connectors.aws.undo import compare
from interlock.connectors.aws.undo.means import Here, Keeps
from interlock.connectors.aws.undo.names import fill
from interlock.connectors.aws.undo.plan import Check
from interlock.model.errors import Rejected

FEW = 20
"""Objects that are asked for one by one."""
_SAME = ("GetBucketOwnershipControls", "GetBucketVersioning")
"""Questions about a whole bucket, whose answer is the same for each of its objects."""


async def etags(
    calls: Calls, bucket: str, keys: Collection[str], region: str = ""
) -> Mapping[str, str | None]:
    """The ETags of those keys of which a listing tells; None of one that is not there. What is left out must be asked for one by
    one: there are few, the listing is too long, or it may not be had. Raises Unavailable."""
    return await _listed(calls, bucket, keys, region, _ETAGS)


async def versions(
    calls: Calls, bucket: str, keys: Collection[str], region: str = ""
) -> Mapping[str, str | None]:
    """Likewise the current versions (`null` where it has no id)."""
    return await _listed(calls, bucket, keys, region, _VERSIONS)


class _Way(NamedTuple):
    """How something is listed: the operation, where its items are, and which member of one tells it."""

    operation: str
    items: str
    tells: str


_ETAGS = _Way("ListObjectsV2", "Contents", "ETag")
_VERSIONS = _Way("ListObjectVersions", "Versions", "VersionId")
_COMPARED = {"ETag": _ETAGS, "VersionId || 'null'": _VERSIONS}
"""What checks of objects compare."""


async def _listed(
    calls: Calls, bucket: str, keys: Collection[str], region: str, way: _Way
) -> Mapping[str, str | None]:
    wanted = set(keys)
    if len(wanted) <= FEW:
        return {}
    asked = {"Bucket": bucket, "Prefix": common_prefix(wanted)}
    try:
        listed, more = await calls.pages("s3", way.operation, asked, key=way.items, region=region)
    except CallFailed:
        return {}
    current = (one for one in listed if one["Key"] in wanted and one.get("IsLatest", True))
    found = {one["Key"]: one[way.tells] for one in current}
    return found if more else {**dict.fromkeys(wanted), **found}


def common_prefix(keys: Iterable[str]) -> str:
    """What all keys begin with."""
    ordered = sorted(keys)
    first, last = ordered[0], ordered[-1]
    length = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    return first[: length if length is not None else min(len(first), len(last))]


class _Place(NamedTuple):
    """One object, and what of it a check compares."""

    way: _Way
    region: str
    bucket: str
    key: str


class Looks:
    """Looks at checks as `compare.look` does. What listings answer of them is asked for beforehand, by `of`."""

    def __init__(self, calls: Calls, saved: Mapping[str, Any], known: Mapping[_Place, str | None]) -> None:
        self._calls, self._saved, self._known = calls, saved, known

    @classmethod
    async def of(cls, checks: Iterable[Check], calls: Calls, saved: Mapping[str, Any]) -> "Looks":
        """For these checks. Raises Unavailable."""
        together: dict[tuple[_Way, str, str], list[str]] = {}
        for place in (_place(check, saved) for check in checks):
            if place is not None:
                together.setdefault(place[:3], []).append(place.key)
        known: dict[_Place, str | None] = {}
        for (way, region, bucket), keys in together.items():
            found = await _listed(calls, bucket, keys, region, way)
            known |= {_Place(way, region, bucket, key): told for key, told in found.items()}
        return cls(calls, saved, known)

    async def look(self, check: Check) -> Any:
        """What it compares, as it is now. Raises CallFailed, Rejected, Unavailable."""
        place = _place(check, self._saved)
        if place is not None and place in self._known:
            return self._known[place]
        return await compare.look(check, self._calls, self._saved)


def _place(check: Check, saved: Mapping[str, Any]) -> _Place | None:
    """None for what no listing answers."""
    way = _COMPARED.get(check.select)
    if way is None or (check.service, check.operation) != ("s3", "HeadObject"):
        return None
    try:
        asked = fill(check.parameters, saved)
    except Rejected:
        return None
    if asked.keys() != {"Bucket", "Key"}:
        return None
    return _Place(way, check.region, asked["Bucket"], asked["Key"])


class Absent(NamedTuple):
    """An object that is known not to be there."""

    region: str
    bucket: str
    key: str


class Moment:
    """Calls that only ask, for as long as one moment counts as now: what is true of a whole bucket is asked once, and what is
    known to be `absent` is not asked for."""

    def __init__(self, calls: Calls, absent: Collection[Absent] = ()) -> None:
        self._calls, self._absent = calls, absent
        self._told: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.region, self.account, self.partition = calls.region, calls.account, calls.partition
        inner = calls.calls if isinstance(calls, Here) else calls
        self.trash_bucket = inner.trash_bucket if isinstance(inner, Keeps) else ""

    async def ask(
        self, service: str, operation: str, parameters: Mapping[str, Any] | None = None, *, region: str = ""
    ) -> dict[str, Any]:
        """As `Calls.ask`."""
        asked, where = parameters or {}, region or self.region
        bucket, key = str(asked.get("Bucket", "")), str(asked.get("Key", ""))
        exact = (service, operation, *sorted(asked)) == ("s3", "HeadObject", "Bucket", "Key")
        if exact and Absent(where, bucket, key) in self._absent:
            raise CallFailed("404", 404)
        if service != "s3" or operation not in _SAME or asked.keys() != {"Bucket"}:
            return await self._calls.ask(service, operation, asked, region=region)
        question = where, operation, bucket
        if question not in self._told:
            self._told[question] = await self._calls.ask(service, operation, asked, region=region)
        return dict(self._told[question])

    async def pages(
        self,
        service: str,
        operation: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        key: str,
        limit: int = 10_000,
        region: str = "",
    ) -> tuple[list[Any], bool]:
        """As `Calls.pages`."""
        return await self._calls.pages(service, operation, parameters, key=key, limit=limit, region=region)

    async def download(self, url: str, *, limit: int) -> bytes:
        """As `means.Downloads`. Raises CallFailed."""
        return await Here(self._calls, self.region).download(url, limit=limit)
