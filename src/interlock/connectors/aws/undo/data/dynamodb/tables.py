"""Tables: made, changed, deleted. A table is backed up before it is deleted, and restored under its name.

A restored table lacks streams, TTL, tags, point-in-time recovery, deletion protection, policies and scaling (DynamoDB developer
guide, "Restoring a DynamoDB table from a backup"): all but the last are set again.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.undo.compare import fingerprint
from interlock.connectors.aws.undo.data.common import final, literal, nothing, read, some, step, undone, watch
from interlock.connectors.aws.undo.data.dynamodb import copies
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Check, Plan, Step

_LOST = "its scaling policies, streams' unread records, restore points and alarms' history are lost"
_SHAPE = (
    "{Billing: BillingModeSummary.BillingMode, Read: ProvisionedThroughput.ReadCapacityUnits,"
    " Write: ProvisionedThroughput.WriteCapacityUnits, Stream: StreamSpecification, Class: TableClassSummary.TableClass,"
    " Protected: DeletionProtectionEnabled, Key: SSEDescription.KMSMasterKeyArn,"
    " Indexes: sort_by(GlobalSecondaryIndexes || `[]`, &IndexName)[].[IndexName, KeySchema, Projection,"
    " ProvisionedThroughput.ReadCapacityUnits, ProvisionedThroughput.WriteCapacityUnits]}"
)
_EMPTY = "Items[0] && `1` || `0`"


async def create(call: Call, calls: Here, nonce: str) -> Plan:
    """CreateTable, RestoreTableFromBackup, RestoreTableToPointInTime, and what else makes a table."""
    name = call.parameters.get("TableName") or call.parameters["TargetTableName"]
    asked = {"TableName": name, "Limit": 1}
    if await read(calls, "dynamodb", "DescribeTable", {"TableName": name}) is not None:
        return Plan("full")  # the call will fail
    check = Check(f"the items of table {name}", "dynamodb", "Scan", literal(asked), _EMPTY, before=None)
    return undone(
        check,
        step(
            "dynamodb",
            "DeleteTable",
            {"TableName": name},
            absent_ok=True,
            wait="table_not_exists",
            wait_for={"TableName": name},
        ),
    )


async def delete(call: Call, calls: Here, nonce: str) -> Plan:
    """DeleteTable."""
    name = call.parameters["TableName"].rsplit("/", 1)[-1]
    table = await read(calls, "dynamodb", "DescribeTable", {"TableName": name}, "Table")
    if table is None:
        return nothing()
    if table.get("Replicas"):
        return final("replicas of a global table cannot be restored in place", "remove the replica instead")
    settings = await _settings(calls, name, table)
    if await copies.backups(calls, name):
        return _from_backup(name, nonce, table, settings)
    return await _from_copies(calls, name, table, settings)


def _from_backup(name: str, nonce: str, table: Mapping[str, Any], settings: Sequence[Step]) -> Plan:
    backup = {"TableName": name, "BackupName": f"interlock-{nonce}-{name}"[:255]}
    ready = "BackupDescription.BackupDetails.BackupStatus == 'AVAILABLE'"
    prepare = (
        step("dynamodb", "CreateBackup", backup, saves={"backup": "BackupDetails.BackupArn"}),
        Step("dynamodb", "DescribeBackup", {"BackupArn": "${backup}"}, until=ready),
    )
    # A table that somebody made again in the meantime isn't the one that is restored.
    source = "Table && (Table.RestoreSummary.SourceBackupArn || 'another')"
    restored = _described(name, source, "${backup}")
    restore = Step(
        "dynamodb",
        "RestoreTableFromBackup",
        {
            "TargetTableName": name,
            "BackupArn": "${backup}",
            "BillingModeOverride": _billing(table),
            **{f"{member}Override": value for member, value in _encryption(table).items()},
        },
        unless=restored,
        wait="table_exists",
        wait_for={"TableName": name},
    )
    gone = Step("dynamodb", "DeleteBackup", {"BackupArn": "${backup}"}, absent_ok=True)
    inverse = (restore, *settings)
    return Plan("new_id", prepare, inverse, (restored, *_of(settings)), caveats=(_LOST,), discard=(gone,))


async def _from_copies(calls: Here, name: str, table: Mapping[str, Any], settings: Sequence[Step]) -> Plan:
    items = await copies.steps(calls, name)
    if items is None:
        return final("backups are not to be had, and its items are too many to be copied", "keep the table")
    again = step(
        "dynamodb",
        "CreateTable",
        definition(table),
        wait="table_exists",
        wait_for={"TableName": name},
        unless=_described(name, "Table.TableName", name),
    )
    counted = {"TableName": name, "Select": "COUNT", "ConsistentRead": True}
    count = Check(
        f"the items of table {name}", "dynamodb", "Scan", literal(counted), "Count", len(items), None
    )
    inverse = (again, *settings, *items)
    return Plan("new_id", (), inverse, (count, *_of(settings)), caveats=(_LOST,))


def _described(name: str, select: str, before: Any) -> Check:
    asked = literal({"TableName": name})
    return Check(f"table {name}", "dynamodb", "DescribeTable", asked, select, before, None)


def _of(settings: Sequence[Step]) -> tuple[Check, ...]:
    return tuple(each.unless for each in settings if each.unless is not None)


def _billing(table: Mapping[str, Any]) -> str:
    mode: str = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    return mode


def definition(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table's description as the parameters of CreateTable."""
    plain = some(
        table, "TableName AttributeDefinitions KeySchema DeletionProtectionEnabled StreamSpecification"
    )
    billing = _billing(table)
    found = {**plain, "BillingMode": billing, **_throughput(table, billing), **_encryption(table)}
    local = [
        some(index, "IndexName KeySchema Projection") for index in table.get("LocalSecondaryIndexes", [])
    ]
    whole = [index_definition(index, billing) for index in table.get("GlobalSecondaryIndexes", [])]
    kind = table.get("TableClassSummary", {}).get("TableClass")
    return {
        **found,
        **({"LocalSecondaryIndexes": local} if local else {}),
        **({"GlobalSecondaryIndexes": whole} if whole else {}),
        **({"TableClass": kind} if kind else {}),
    }


def index_definition(index: Mapping[str, Any], billing: str) -> dict[str, Any]:
    """An index's description as CreateTable and UpdateTable take it."""
    return {**some(index, "IndexName KeySchema Projection"), **_throughput(index, billing)}


def _throughput(thing: Mapping[str, Any], billing: str) -> dict[str, Any]:
    if billing != "PROVISIONED":
        return {}
    given = some(thing.get("ProvisionedThroughput", {}), "ReadCapacityUnits WriteCapacityUnits")
    return {"ProvisionedThroughput": given}


def _encryption(table: Mapping[str, Any]) -> dict[str, Any]:
    key = table.get("SSEDescription", {}).get("KMSMasterKeyArn")
    return {"SSESpecification": {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}} if key else {}


async def _settings(calls: Here, name: str, table: Mapping[str, Any]) -> list[Step]:
    """What a restored table lacks, each set only where it isn't so yet."""
    found: list[Step] = list(_updates(name, table))
    ttl = await read(calls, "dynamodb", "DescribeTimeToLive", {"TableName": name}, _TTL)
    if ttl:
        found.append(expiry(name, {"Enabled": True, "AttributeName": ttl}))
    if await read(calls, "dynamodb", "DescribeContinuousBackups", {"TableName": name}, _PITR):
        found.append(recovery(name, on=True))
    return [*found, *await _tags(calls, name, table["TableArn"])]


async def _tags(calls: Here, name: str, arn: str) -> list[Step]:
    asked, select = {"ResourceArn": arn}, "sort_by(Tags || `[]`, &Key)"
    tags = await read(calls, "dynamodb", "ListTagsOfResource", asked, select)
    if not tags:
        return []
    check = Check(
        f"the tags of table {name}", "dynamodb", "ListTagsOfResource", asked, select, fingerprint(tags), None
    )
    return [step("dynamodb", "TagResource", {"ResourceArn": arn, "Tags": tags}, unless=check)]


# Each of these finds nothing while it is off.
_PITR = "[ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus][?@ == 'ENABLED']|[0]"
_TTL = "[TimeToLiveDescription][?contains(TimeToLiveStatus, 'ENABL')]|[0].AttributeName"


def recovery(name: str, *, on: bool) -> Step:
    """Sets point-in-time recovery."""
    given = {"TableName": name, "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": on}}
    asked = literal({"TableName": name})
    what = f"the point-in-time recovery of table {name}"
    before = "ENABLED" if on else None
    unless = Check(what, "dynamodb", "DescribeContinuousBackups", asked, _PITR, before, None)
    return step("dynamodb", "UpdateContinuousBackups", given, unless=unless)


def expiry(name: str, specification: Mapping[str, Any]) -> Step:
    """Sets the time to live; the service fails when it is so already."""
    asked = literal({"TableName": name})
    before = specification["AttributeName"] if specification["Enabled"] else None
    unless = Check(
        f"the time to live of table {name}", "dynamodb", "DescribeTimeToLive", asked, _TTL, before, None
    )
    given = {"TableName": name, "TimeToLiveSpecification": dict(specification)}
    return step("dynamodb", "UpdateTimeToLive", given, unless=unless)


def _updates(name: str, table: Mapping[str, Any]) -> Iterable[Step]:
    """Settings that UpdateTable sets one at a time."""
    billing = _billing(table)
    yield _update(name, "BillingModeSummary.BillingMode || 'PROVISIONED'", billing, billing_of(table))
    if table.get("StreamSpecification", {}).get("StreamEnabled"):
        stream = table["StreamSpecification"]
        yield _update(name, "StreamSpecification.StreamEnabled", True, {"StreamSpecification": stream})
    kind = table.get("TableClassSummary", {}).get("TableClass")
    if kind and kind != "STANDARD":
        yield _update(name, "TableClassSummary.TableClass", kind, {"TableClass": kind})
    if table.get("DeletionProtectionEnabled"):
        yield _update(name, "DeletionProtectionEnabled", True, {"DeletionProtectionEnabled": True})


def billing_of(table: Mapping[str, Any]) -> dict[str, Any]:
    """Its billing mode as UpdateTable takes it, indexes included."""
    mode = _billing(table)
    if mode != "PROVISIONED":
        return {"BillingMode": mode}
    indexes = [
        {"Update": {"IndexName": index["IndexName"], **_throughput(index, mode)}}
        for index in table.get("GlobalSecondaryIndexes", [])
    ]
    updates = {"GlobalSecondaryIndexUpdates": indexes} if indexes else {}
    return {"BillingMode": mode, **_throughput(table, mode), **updates}


def _update(name: str, select: str, wanted: Any, given: Mapping[str, Any]) -> Step:
    """One UpdateTable, left out when it is so already: the service fails when there is nothing to change."""
    literally = json.dumps(wanted).replace("`", "\\`")
    as_it_was = f"[Table][?({select}) == `{literally}`]|[0].TableName"
    return step(
        "dynamodb",
        "UpdateTable",
        {"TableName": name, **given},
        unless=_described(name, as_it_was, name),
        wait="table_exists",
        wait_for={"TableName": name},
    )


async def update(call: Call, calls: Here, nonce: str) -> Plan:
    """UpdateTable: one kind of change at a time is put back, as the service demands."""
    name, given = call.parameters["TableName"], call.parameters
    if given.get("ReplicaUpdates"):
        return final("a replica's data is not brought back", "change one replica at a time")
    table = await read(calls, "dynamodb", "DescribeTable", {"TableName": name}, "Table")
    if table is None:
        return nothing()
    steps = list(_put_back(name, given, table))
    check = Check(
        f"the settings of table {name}",
        "dynamodb",
        "DescribeTable",
        literal({"TableName": name}),
        f"Table.{_SHAPE}",
        before=fingerprint(
            await read(calls, "dynamodb", "DescribeTable", {"TableName": name}, f"Table.{_SHAPE}")
        ),
    )
    lossy = any("Delete" in each for each in given.get("GlobalSecondaryIndexUpdates", []))
    caveats = ("an index that was deleted is built anew, which takes time",) if lossy else ()
    return undone(check, *steps, caveats=caveats)


def _put_back(name: str, given: Mapping[str, Any], table: Mapping[str, Any]) -> Iterable[Step]:
    if "BillingMode" in given or "ProvisionedThroughput" in given:
        wanted = [
            _billing(table),
            *_throughput(table, _billing(table)).get("ProvisionedThroughput", {}).values(),
        ]
        units = "ProvisionedThroughput.ReadCapacityUnits, ProvisionedThroughput.WriteCapacityUnits"
        on_demand = f"[BillingModeSummary.BillingMode || 'PROVISIONED', {units}]"
        select = on_demand if len(wanted) == 3 else "[BillingModeSummary.BillingMode]"
        yield _update(name, select, wanted, billing_of(table))
    for change in given.get("GlobalSecondaryIndexUpdates", []):
        yield from _index_back(name, change, table)
    if "StreamSpecification" in given:
        old = table.get("StreamSpecification", {"StreamEnabled": False})
        yield _update(
            name,
            "StreamSpecification.StreamEnabled || `false`",
            bool(old.get("StreamEnabled")),
            {"StreamSpecification": old},
        )
    if "DeletionProtectionEnabled" in given:
        was = bool(table.get("DeletionProtectionEnabled"))
        yield _update(name, "DeletionProtectionEnabled", was, {"DeletionProtectionEnabled": was})
    if "TableClass" in given:
        kind = table.get("TableClassSummary", {}).get("TableClass", "STANDARD")
        yield _update(name, "TableClassSummary.TableClass || 'STANDARD'", kind, {"TableClass": kind})
    if "SSESpecification" in given:
        yield step(
            "dynamodb",
            "UpdateTable",
            {
                "TableName": name,
                "SSESpecification": _encryption(table).get("SSESpecification", {"Enabled": False}),
            },
        )


def _index_back(name: str, change: Mapping[str, Any], table: Mapping[str, Any]) -> Iterable[Step]:
    (what,) = change
    index = change[what]["IndexName"]
    here = f"GlobalSecondaryIndexes[?IndexName=='{index}']|[0]"
    old = next((each for each in table.get("GlobalSecondaryIndexes", []) if each["IndexName"] == index), None)
    if old is None:
        updates = [{"Delete": {"IndexName": index}}]
        yield _update(name, f"{here}.IndexName", None, {"GlobalSecondaryIndexUpdates": updates})
    elif what == "Delete":
        definitions = {"AttributeDefinitions": table["AttributeDefinitions"]}
        updates = [{"Create": index_definition(old, _billing(table))}]
        yield _update(
            name, f"{here}.IndexName", index, {**definitions, "GlobalSecondaryIndexUpdates": updates}
        )
    else:
        throughput = _throughput(old, "PROVISIONED")
        wanted = list(throughput["ProvisionedThroughput"].values())
        units = f"{here}.[ProvisionedThroughput.ReadCapacityUnits, ProvisionedThroughput.WriteCapacityUnits]"
        updates = [{"Update": {"IndexName": index, **throughput}}]
        yield _update(name, units, wanted, {"GlobalSecondaryIndexUpdates": updates})


async def ttl(call: Call, calls: Here, nonce: str) -> Plan:
    """UpdateTimeToLive."""
    name, now = call.parameters["TableName"], call.parameters["TimeToLiveSpecification"]
    what = f"the time to live of table {name}"
    old, check = await watch(calls, what, "dynamodb", "DescribeTimeToLive", {"TableName": name}, _TTL)
    back = {"Enabled": bool(old), "AttributeName": old or now["AttributeName"]}
    caveats = (
        "items that expired meanwhile are gone",
        "the service takes one such change in an hour",
    )
    return undone(check, expiry(name, back), caveats=caveats)


async def backups(call: Call, calls: Here, nonce: str) -> Plan:
    """UpdateContinuousBackups."""
    name = call.parameters["TableName"]
    what = f"the point-in-time recovery of table {name}"
    old, check = await watch(calls, what, "dynamodb", "DescribeContinuousBackups", {"TableName": name}, _PITR)
    caveats = ("the restore points of before are lost",) if old else ()
    return undone(check, recovery(name, on=bool(old)), kind="new_id" if old else "full", caveats=caveats)


async def create_backup(call: Call, calls: Here, nonce: str) -> Plan:
    """CreateBackup."""
    gone = Step("dynamodb", "DeleteBackup", {"BackupArn": "${backup}"}, absent_ok=True)
    return Plan("full", inverse=(gone,), saves={"backup": "BackupDetails.BackupArn"})


async def delete_backup(call: Call, calls: Here, nonce: str) -> Plan:
    """DeleteBackup."""
    return final("a backup that was deleted is gone", "let it expire by a backup plan")
