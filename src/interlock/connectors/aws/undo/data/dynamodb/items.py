"""Items that are put, updated and deleted: each is read by its key first, and put back or deleted.

Tables are named by name or ARN (DynamoDB API reference). Items are data: no text for people has any of a key or value.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.undo.compare import fingerprint
from interlock.connectors.aws.undo.data.common import final, literal, step
from interlock.connectors.aws.undo.data.dynamodb import partiql
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Check, Plan, Step
from interlock.connectors.aws.undo.steps import beside


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item is."""

    table: str
    key: Mapping[str, Any]


async def put(call: Call, calls: Here, nonce: str) -> Plan:
    """PutItem."""
    item = await _of_item(calls, call.parameters["TableName"], call.parameters["Item"])
    return await planned(calls, [item])


async def keyed(call: Call, calls: Here, nonce: str) -> Plan:
    """UpdateItem, DeleteItem."""
    return await planned(calls, [Place(call.parameters["TableName"], call.parameters["Key"])])


async def batch(call: Call, calls: Here, nonce: str) -> Plan:
    """BatchWriteItem."""
    places: list[Place] = []
    for table, requests in call.parameters["RequestItems"].items():
        for request in requests:
            if "PutRequest" in request:
                places.append(await _of_item(calls, table, request["PutRequest"]["Item"]))
            else:
                places.append(Place(table, request["DeleteRequest"]["Key"]))
    return await planned(calls, places)


async def transact(call: Call, calls: Here, nonce: str) -> Plan:
    """TransactWriteItems."""
    places: list[Place] = []
    for action in call.parameters["TransactItems"]:
        for kind, what in action.items():
            if kind == "Put":
                places.append(await _of_item(calls, what["TableName"], what["Item"]))
            elif kind in ("Update", "Delete"):
                places.append(Place(what["TableName"], what["Key"]))
    return await planned(calls, places)


async def statement(call: Call, calls: Here, nonce: str) -> Plan:
    """ExecuteStatement."""
    return await _statements(calls, [call.parameters])


async def statements(call: Call, calls: Here, nonce: str) -> Plan:
    """BatchExecuteStatement, ExecuteTransaction."""
    return await _statements(
        calls, call.parameters.get("Statements") or call.parameters["TransactStatements"]
    )


async def _statements(calls: Here, asked: Iterable[Mapping[str, Any]]) -> Plan:
    places: list[Place] = []
    for one in asked:
        try:
            found = partiql.parse(one["Statement"], one.get("Parameters") or [])
        except partiql.NotUnderstood:
            return final(
                "which items the statement writes cannot be told from it", "PutItem, UpdateItem or DeleteItem"
            )
        if found is None:
            continue
        keys = await key_names(calls, found.table)
        if not all(name in found.values for name in keys):
            return final("which items the statement writes cannot be told from it", "name the whole key")
        places.append(Place(found.table, {name: found.values[name] for name in keys}))
    return await planned(calls, places)


async def key_names(calls: Here, table: str) -> list[str]:
    """The attributes of a table's key. Raises CallFailed."""
    found = await calls.ask("dynamodb", "DescribeTable", {"TableName": table})
    return [part["AttributeName"] for part in found["Table"]["KeySchema"]]


async def _of_item(calls: Here, table: str, item: Mapping[str, Any]) -> Place:
    return Place(table, {name: item[name] for name in await key_names(calls, table) if name in item})


async def planned(calls: Here, places: Sequence[Place]) -> Plan:
    """The plan for items at these places."""
    unique = list({(place.table, repr(sorted(place.key.items()))): place for place in places}.values())
    found = await beside(_one(calls, place) for place in unique)
    inverse = tuple(one for one, _ in found)
    return Plan("full", inverse=inverse, checks=tuple(_numbered([check for _, check in found])))


async def _one(calls: Here, place: Place) -> tuple[Step, Check]:
    asked = {"TableName": place.table, "Key": place.key, "ConsistentRead": True}
    old = (await calls.ask("dynamodb", "GetItem", asked)).get("Item")
    name = place.table.rsplit("/", 1)[-1]
    check = Check(
        f"an item of table {name}", "dynamodb", "GetItem", literal(asked), "Item", before=fingerprint(old)
    )
    if old is None:
        gone = {"TableName": place.table, "Key": place.key}
        return step("dynamodb", "DeleteItem", gone, independent=True), check
    return step("dynamodb", "PutItem", {"TableName": place.table, "Item": old}, independent=True), check


def _numbered(checks: Sequence[Check]) -> Iterable[Check]:
    """Told apart by their place in the call: keys are values."""
    if len(checks) == 1:
        return checks
    return [
        msgspec.structs.replace(check, what=f"{check.what} (the {number}. that the call writes)")
        for number, check in enumerate(checks, 1)
    ]
