"""DynamoDB tables: what goes with one, and which of its guards an update takes off."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from interlock.connectors.aws.preview.data.items import count_items, described_table, table_of
from interlock.connectors.aws.preview.found import (
    Effects,
    absent,
    emptied,
    items,
    lost,
    made,
    number,
    thing,
    unknown,
)
from interlock.connectors.aws.preview.rows import rows
from interlock.connectors.aws.preview.settings.engine import Rule, at, compared
from interlock.connectors.aws.preview.survey import LIMIT, Survey
from interlock.model.effect import ChangeKind, Effect

_FOREVER = timedelta(days=5 * 365)
"""Items that expired earlier than this are left alone (Amazon DynamoDB Developer Guide, "How DynamoDB Time to Live works")."""


async def table_lost(survey: Survey, name: str) -> Effects:
    """A table, its items and its indexes."""
    where = table_of(survey, name)
    found = await described_table(survey, name)
    if found is None:
        return [absent(where)]
    survey.rests_on(f"table {name}", {key: found.get(key) for key in ("TableId", "KeySchema")})
    if found.get("DeletionProtectionEnabled"):
        survey.note(f"Deletion protection of {name} is on: the service will refuse this.")
    count, more = await count_items(survey, name)
    said = f"about {found.get('ItemCount', 0):,} by the service's own count" if more else ""
    return [lost(where, _with(found)), *emptied(where, count, more=more, detail=said)]


def _with(found: Mapping[str, Any]) -> str:
    indexes = len(found.get("GlobalSecondaryIndexes") or []) + len(found.get("LocalSecondaryIndexes") or [])
    replicas = len(found.get("Replicas") or [])
    parts = [number(indexes, "index", "indexes")] if indexes else []
    parts += [number(replicas, "replica")] if replicas else []
    parts += ["its stream"] if (found.get("StreamSpecification") or {}).get("StreamEnabled") else []
    return f"with {', '.join(parts)}" if parts else ""


async def _deleted(survey: Survey) -> Effects:
    return await table_lost(survey, survey.text("TableName"))


async def _created(survey: Survey) -> Effects:
    return [made(table_of(survey, survey.text("TableName")))]


_UPDATE = (
    Rule("DeletionProtectionEnabled", "off", "deletion protection"),
    Rule("BillingMode", "setting", present="BillingModeSummary.BillingMode"),
    Rule("ProvisionedThroughput.ReadCapacityUnits", "lower"),
    Rule("ProvisionedThroughput.WriteCapacityUnits", "lower"),
    Rule("StreamSpecification.StreamEnabled", "off", "stream"),
    Rule("SSESpecification.Enabled", "off", "encryption by a key of yours", present="SSEDescription.Status"),
    Rule("SSESpecification.KMSMasterKeyId", "weakens", "key", present="SSEDescription.KMSMasterKeyArn"),
    Rule("TableClass", "setting", present="TableClassSummary.TableClass"),
    Rule("OnDemandThroughput", "weakens", "greatest throughput"),
    Rule("AttributeDefinitions", "ignored"),
    Rule("GlobalSecondaryIndexUpdates", "ignored"),
    Rule("ReplicaUpdates", "ignored"),
    Rule("TableName", "ignored"),
)


async def _updated(survey: Survey) -> Effects:
    name = survey.text("TableName")
    where = table_of(survey, name)
    found = await described_table(survey, name)
    if found is None:
        return [absent(where)]
    return [*compared(survey, where, survey.parameters, found, _UPDATE), *_parts(survey, name, found)]


def _slower(found: Mapping[str, Any], index: Mapping[str, Any]) -> bool:
    """Whether an index gets less throughput."""
    indexes = found.get("GlobalSecondaryIndexes") or []
    old: Mapping[str, Any] = next(
        (one for one in indexes if one.get("IndexName") == index.get("IndexName")), {}
    )
    names = ("ReadCapacityUnits", "WriteCapacityUnits")
    path = "ProvisionedThroughput"
    return any((at(index, f"{path}.{n}") or 0) < (at(old, f"{path}.{n}") or 0) for n in names)


def _parts(survey: Survey, name: str, found: Mapping[str, Any]) -> Iterator[Effect]:
    """Indexes and replicas that come and go by an update."""
    for update in survey.parameters.get("GlobalSecondaryIndexUpdates") or []:
        for verb, index in update.items():
            arn = f"{table_of(survey, name).name}/index/{index.get('IndexName', '')}"
            change = ChangeKind.WEAKENED if verb == "Update" and _slower(found, index) else _CHANGE[verb]
            yield thing(survey.resource("dynamodb:index", arn), change)
    for update in survey.parameters.get("ReplicaUpdates") or []:
        for verb, replica in update.items():
            region = replica.get("RegionName", "")
            parts = table_of(survey, name).name.split(":")
            arn = ":".join([*parts[:3], region, *parts[4:]])
            yield thing(survey.resource("dynamodb:table", arn), _CHANGE[verb], f"replica in {region}")


_CHANGE = {"Create": ChangeKind.CREATED, "Update": ChangeKind.UPDATED, "Delete": ChangeKind.DELETED}


async def _expiry(survey: Survey) -> Effects:
    """Items whose time is over go at once; without knowing what time it is, all that have one count."""
    name = survey.text("TableName")
    where = table_of(survey, name)
    present = await survey.find("dynamodb", "DescribeTimeToLive", {"TableName": name})
    if present is None:
        return [absent(where)]
    wanted = survey.parameters.get("TimeToLiveSpecification") or {}
    told = present.get("TimeToLiveDescription") or {}
    survey.rests_on(f"expiry of {name}", told)
    survey.shows(
        "time to live", told.get("TimeToLiveStatus"), "ENABLED" if wanted.get("Enabled") else "DISABLED"
    )
    effects = [thing(where, ChangeKind.SETTING, "time to live")]
    if wanted.get("Enabled"):
        effects += await _expired(survey, name, wanted.get("AttributeName", ""))
    return effects


async def _expired(survey: Survey, name: str, attribute: str) -> Effects:
    condition, values = "attribute_type(#ttl, :number)", {":number": {"S": "N"}}
    if survey.seen.now is not None:
        condition += " AND #ttl BETWEEN :oldest AND :now"
        values[":now"] = {"N": str(int(survey.seen.now.timestamp()))}
        values[":oldest"] = {"N": str(int((survey.seen.now - _FOREVER).timestamp()))}
    chosen = {
        "FilterExpression": condition,
        "ExpressionAttributeNames": {"#ttl": attribute},
        "ExpressionAttributeValues": values,
    }
    count, more = await count_items(survey, name, LIMIT, **chosen)
    where = table_of(survey, name)
    if not count:
        return [unknown(where, "not all items could be looked at")] if more else []
    before, beyond = await count_items(survey, name)
    detail = "expired already" if survey.seen.now else "have a time at which they expire"
    return [items(where, ChangeKind.DELETED, count, max(before, count), more=more or beyond, detail=detail)]


async def _recovery(survey: Survey) -> Effects:
    """UpdateContinuousBackups: point-in-time recovery."""
    name = survey.text("TableName")
    found = await survey.find("dynamodb", "DescribeContinuousBackups", {"TableName": name})
    told = ((found or {}).get("ContinuousBackupsDescription") or {}).get(
        "PointInTimeRecoveryDescription"
    ) or {}
    before = told.get("PointInTimeRecoveryStatus", "DISABLED")
    wanted = survey.parameters.get("PointInTimeRecoverySpecification") or {}
    after = "ENABLED" if wanted.get("PointInTimeRecoveryEnabled") else "DISABLED"
    survey.rests_on(f"recovery of {name}", before)
    survey.shows("point-in-time recovery", before, after)
    fewer = wanted.get("RecoveryPeriodInDays", 35) < told.get("RecoveryPeriodInDays", 0)
    worse = (before == "ENABLED" and after != "ENABLED") or fewer
    change = ChangeKind.WEAKENED if worse else ChangeKind.SETTING
    return [thing(table_of(survey, name), change, "point-in-time recovery")]


async def _backup_lost(survey: Survey) -> Effects:
    arn = survey.text("BackupArn")
    where = survey.resource("dynamodb:backup", arn)
    found = await survey.find("dynamodb", "DescribeBackup", {"BackupArn": arn})
    return [absent(where) if found is None else lost(where, "a backup")]


TABLE = {
    **rows("dynamodb", "overwrite", DeleteTable=_deleted, CreateTable=_created, DeleteBackup=_backup_lost),
    **rows("dynamodb", "guard capacity", UpdateTable=_updated),
    **rows("dynamodb", "expiry", UpdateTimeToLive=_expiry),
    **rows("dynamodb", "backup", UpdateContinuousBackups=_recovery),
}
