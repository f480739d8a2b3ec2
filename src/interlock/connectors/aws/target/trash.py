"""Copies that the gateway made in the account before calls: found by their names, until a revert needs them no more.

All copies of one unit are one item, named `interlock-` and the name that the unit's nonces begin with (`session.judged.Nonces`).
A service that the gateway may not ask, or that isn't there, has none of them: it could not have made any.
"""

import asyncio
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from interlock.connectors.aws.call import CallFailed, Calls
from interlock.connectors.aws.undo.data.s3 import trash as bucket
from interlock.connectors.aws.undo.means import Here
from interlock.model.base import Value
from interlock.model.errors import Unavailable
from interlock.sdk.connector import TrashItem

UNIQUE = 7
"""Bytes by which the units of a target differ."""
_OURS = re.compile(r"interlock-([0-9a-f]{20})[0-9a-f]{4}", re.ASCII)
"""Begins the name of each copy: the unit that made it, and which of its calls."""
_NAMED = "interlock-"
_MOST = 1_000_000
_AT_ONCE = 1_000
"""Keys in one DeleteObjects (S3 API reference)."""
_GIB = 1 << 30


class Kind(Value, frozen=True):
    """How copies of a kind are listed, what their names, sizes (of `unit` bytes) and dates are called, and how one is removed."""

    word: str
    service: str
    lists: str
    key: str
    name: str
    made: str
    remove: str
    by: str
    called: str
    """The parameter of `remove` that takes the member `by`."""
    asked: Mapping[str, Any] = {}
    size: str = ""
    unit: int = 1
    more: Mapping[str, Any] = {}


_MANUAL = {"SnapshotType": "manual"}
KINDS = (
    Kind("table backup", "dynamodb", "ListBackups", "BackupSummaries", "BackupName", "BackupCreationDateTime",
         "DeleteBackup", "BackupArn", "BackupArn", size="BackupSizeBytes"),
    Kind("image", "ec2", "DescribeImages", "Images", "Name", "CreationDate", "DeregisterImage", "ImageId", "ImageId",
         {"Owners": ["self"], "Filters": [{"Name": "name", "Values": ["interlock-*"]}]},
         more={"DeleteAssociatedSnapshots": True}),
    Kind("disk snapshot", "ec2", "DescribeSnapshots", "Snapshots", "Description", "StartTime",
         "DeleteSnapshot", "SnapshotId", "SnapshotId",
         {"OwnerIds": ["self"], "Filters": [{"Name": "description", "Values": ["interlock-*"]}]}, "VolumeSize", _GIB),
    Kind("database snapshot", "rds", "DescribeDBSnapshots", "DBSnapshots", "DBSnapshotIdentifier", "SnapshotCreateTime",
         "DeleteDBSnapshot", "DBSnapshotIdentifier", "DBSnapshotIdentifier", _MANUAL, "AllocatedStorage", _GIB),
    Kind("cluster snapshot", "rds", "DescribeDBClusterSnapshots", "DBClusterSnapshots", "DBClusterSnapshotIdentifier",
         "SnapshotCreateTime", "DeleteDBClusterSnapshot", "DBClusterSnapshotIdentifier", "DBClusterSnapshotIdentifier",
         _MANUAL, "AllocatedStorage", _GIB),
    Kind("warehouse snapshot", "redshift", "DescribeClusterSnapshots", "Snapshots", "SnapshotIdentifier",
         "SnapshotCreateTime", "DeleteClusterSnapshot", "SnapshotIdentifier", "SnapshotIdentifier", _MANUAL,
         "TotalBackupSizeInMegaBytes", 1 << 20),
    Kind("parameter", "ssm", "DescribeParameters", "Parameters", "Name", "LastModifiedDate",
         "DeleteParameter", "Name", "Name",
         {"ParameterFilters": [{"Key": "Name", "Option": "BeginsWith", "Values": ["interlock-"]}]}),
)  # fmt: skip
_NOT_THERE = (
    "AccessDenied",
    "Unauthorized",
    "OptInRequired",
    "NotImplemented",
    "InvalidAction",
    "UnknownOperation",
)


class Copy(Value, frozen=True):
    """One copy in the account, and the unit that made it."""

    unit: str
    word: str
    size: int
    made: datetime
    service: str
    remove: str
    parameters: Mapping[str, Any]


def unit(target: str, unique: str) -> str:
    """What names a unit: its target first, as several may share one account, and each must leave the others' copies alone."""
    return hashlib.sha256(target.encode()).hexdigest()[: 20 - 2 * UNIQUE] + unique


async def items(places: Iterable[Calls], target: str) -> list[TrashItem]:
    """The copies of each unit of a target's together, oldest first; `places` is one `Calls` for each region. Raises
    Unavailable."""
    found: dict[str, list[Copy]] = {}
    for copy in [copy for calls in places for copy in await _copies(calls)]:
        if copy.unit.startswith(unit(target, "")):
            found.setdefault(copy.unit, []).append(copy)
    return sorted((_item(unit, copies) for unit, copies in found.items()), key=lambda item: item.kept_at)


async def empty(places: Iterable[Calls], names: Sequence[str]) -> None:
    """Remove all copies in these items. Raises Unavailable; what was removed by then stays so."""
    units = {name.removeprefix(_NAMED) for name in names}
    for calls in places:
        ours = [copy for copy in await _copies(calls) if copy.unit in units]
        objects = [copy.parameters for copy in ours if copy.word == "object"]
        for step in [copy for copy in ours if copy.word != "object"]:
            await _remove(calls, step.service, step.remove, step.parameters)
        where = Here(calls, "")
        for start in range(0, len(objects), _AT_ONCE):
            some = [dict(each) for each in objects[start : start + _AT_ONCE]]
            gone = {
                "Bucket": bucket.bucket(where),
                "Delete": {"Objects": some, "Quiet": True},
                **bucket.owner(where),
            }
            await _remove(calls, "s3", "DeleteObjects", gone)


def _item(unit: str, copies: Sequence[Copy]) -> TrashItem:
    counts = Counter(copy.word for copy in copies)
    words = ", ".join(f"{n:,} {word}{'s' if n != 1 else ''}" for word, n in sorted(counts.items()))
    first = min(copy.made for copy in copies)
    return TrashItem(_NAMED + unit, words, len(copies), sum(copy.size for copy in copies), first, unit)


async def _copies(calls: Calls) -> list[Copy]:
    found = await asyncio.gather(*(_of(kind, calls) for kind in KINDS), _objects(Here(calls, "")))
    return [copy for kind in found for copy in kind]


async def _of(kind: Kind, calls: Calls) -> list[Copy]:
    listed = await _listed(calls, kind.service, kind.lists, kind.asked, kind.key)
    return [
        Copy(
            unit, kind.word, int(each.get(kind.size) or 0) * kind.unit, _date(each.get(kind.made)), kind.service, kind.remove,
            {kind.called: each[kind.by], **kind.more},
        )
        for unit, each in _ours(listed, kind.name)
    ]  # fmt: skip


async def _objects(calls: Here) -> list[Copy]:
    """The versions in the bucket for copies, delete markers too: removing those by their ids leaves nothing."""
    asked = {"Bucket": bucket.bucket(calls), "Prefix": "interlock-", **bucket.owner(calls)}
    found = []
    for key in ("Versions", "DeleteMarkers"):
        listed = await _listed(calls, "s3", "ListObjectVersions", asked, key)
        for unit, each in _ours(listed, "Key"):
            which = {"Key": each["Key"], "VersionId": each["VersionId"]}
            made = _date(each.get("LastModified"))
            found.append(Copy(unit, "object", int(each.get("Size") or 0), made, "s3", "DeleteObjects", which))
    return found


async def _listed(
    calls: Calls, service: str, operation: str, asked: Mapping[str, Any], key: str
) -> list[dict[str, Any]]:
    try:
        found, _ = await calls.pages(service, operation, dict(asked), key=key, limit=_MOST)
    except CallFailed as error:
        if error.status in (403, 404, 501) or error.code.startswith(_NOT_THERE):
            return []
        raise Unavailable(f"the copies cannot be listed: {error}") from None
    return found


def _ours(listed: Iterable[dict[str, Any]], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in listed:
        if match := _OURS.match(str(each.get(name, ""))):
            yield match[1], each


async def _remove(calls: Calls, service: str, operation: str, parameters: Mapping[str, Any]) -> None:
    try:
        told = await calls.ask(service, operation, parameters)
    except CallFailed as error:
        if error.missing:
            return
        raise Unavailable(f"a copy cannot be removed: {error}") from None
    if told.get("Errors"):
        raise Unavailable(f"copies cannot be removed: {told['Errors'][0].get('Code', 'refused')}")


def _date(value: Any) -> datetime:
    """A time of the service's; one that is missing is long ago."""
    if isinstance(value, str):
        value = msgspec.convert(value, datetime, strict=False)
    if not isinstance(value, datetime):
        return datetime.fromtimestamp(0, UTC)
    return value if value.tzinfo else value.replace(tzinfo=UTC)
