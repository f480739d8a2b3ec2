"""DynamoDB items: looked up by their keys, so that one knows which are there already.

A write to a key that holds nothing creates, whatever it is called: `PutItem` overwrites, `UpdateItem` inserts.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from interlock.connectors.aws.call import CallFailed
from interlock.connectors.aws.preview.found import Effects, absent, items
from interlock.connectors.aws.preview.rows import rows
from interlock.connectors.aws.preview.survey import LIMIT, Survey, Unsure, digest, plain
from interlock.model.base import Value, canonical
from interlock.model.effect import ChangeKind, Effect
from interlock.model.operation import Resource

_BATCH = 100
"""The most keys of a BatchGetItem."""
_TRIES = 5


class Write(Value, frozen=True):
    """One item that is written. `key` holds its key attributes, `deletes` says that it goes."""

    table: str
    key: Mapping[str, Any]
    deletes: bool = False


def table_of(survey: Survey, name: str) -> Resource:
    """`name` may be an ARN already."""
    arn = name if name.startswith("arn:") else survey.arn("dynamodb", f"table/{name}")
    return survey.resource("dynamodb:table", arn.split("/index/")[0])


async def described_table(survey: Survey, name: str) -> Mapping[str, Any] | None:
    found = await survey.find("dynamodb", "DescribeTable", {"TableName": name})
    return None if found is None else found["Table"]


async def count_items(survey: Survey, table: str, most: int = LIMIT, **chosen: Any) -> tuple[int, bool]:
    """How many items there are, by counting: DescribeTable's number is hours old. At most `most` are looked at (reading costs the
    table capacity); and whether there are more."""
    counted, looked_at, start = 0, 0, dict[str, Any]()
    while True:
        asked = {"TableName": table, "Select": "COUNT", "Limit": most + 1 - looked_at, **start, **chosen}
        page = await survey.ask("dynamodb", "Scan", asked)
        counted += page.get("Count", 0)
        looked_at += page.get("ScannedCount", page.get("Count", 0))
        if looked_at > most or not page.get("LastEvaluatedKey"):
            return min(counted, most), looked_at > most
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


async def effects_of(survey: Survey, writes: Sequence[Write]) -> Effects:
    """By table: how many are created, updated, deleted."""
    there = await _there(survey, writes)
    counts = Counter((one.table, _change(one, present)) for one, present in zip(writes, there, strict=True))
    effects = []
    for (table, change), count in sorted(counts.items(), key=lambda pair: (pair[0][0], pair[0][1].value)):
        effects.append(await _counted(survey, table, change, count))
    nothing = [one for one, present in zip(writes, there, strict=True) if one.deletes and not present]
    return effects if len(nothing) < len(writes) else [_no_item(survey, writes[0].table)]


def _no_item(survey: Survey, table: str) -> Effect:
    return items(table_of(survey, table), ChangeKind.DELETED, 0, detail="no such item")


def _change(one: Write, present: bool) -> ChangeKind:
    if one.deletes:
        return ChangeKind.DELETED
    return ChangeKind.UPDATED if present else ChangeKind.CREATED


async def _counted(survey: Survey, table: str, change: ChangeKind, count: int) -> Effect:
    where = table_of(survey, table)
    if change is ChangeKind.CREATED:
        return items(where, change, count)
    before, more = await count_items(survey, table, min(LIMIT, 100 * count))
    return items(where, change, count, max(before, count), more=more)


async def _there(survey: Survey, writes: Sequence[Write]) -> list[bool]:
    """For each, whether its key holds an item now."""
    found: dict[bytes, str] = {}
    for table in dict.fromkeys(one.table for one in writes):
        keys = [one.key for one in writes if one.table == table]
        for start in range(0, len(keys), _BATCH):
            found.update(await _look_up(survey, table, keys[start : start + _BATCH]))
    # What people approve rests on the items as they are: by a digest, as the values are nobody's business.
    survey.rests_on("items", digest(sorted(found.items())))
    return [_mark(one.table, one.key) in found for one in writes]


async def _look_up(survey: Survey, table: str, keys: Sequence[Mapping[str, Any]]) -> dict[bytes, str]:
    wanted: Mapping[str, Any] = {table: {"Keys": _distinct(keys), "ConsistentRead": True}}
    names = list(keys[0]) if keys else []
    found: dict[bytes, str] = {}
    for _ in range(_TRIES):
        answer = await survey.ask("dynamodb", "BatchGetItem", {"RequestItems": wanted})
        for item in (answer.get("Responses") or {}).get(table) or []:
            found[_mark(table, {name: item.get(name) for name in names})] = digest(item)
        wanted = answer.get("UnprocessedKeys") or {}
        if not wanted:
            return found
    raise Unsure("the table is too busy to say which items are there")


def _distinct(keys: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return list({_mark("", key): key for key in keys}.values())


def _mark(table: str, key: Mapping[str, Any]) -> bytes:
    return canonical([table, plain({name: _same(value) for name, value in key.items()})])


def _same(value: Any) -> Any:
    """Numbers are compared as such: 1.0 is the key 1."""
    if not isinstance(value, Mapping) or "N" not in value:
        return value
    try:
        return {"N": str(Decimal(value["N"]).normalize())}
    except (ArithmeticError, TypeError, ValueError):
        raise Unsure("a key isn't a number, though it should be") from None


async def _key_names(survey: Survey, table: str) -> list[str]:
    found = await described_table(survey, table)
    if found is None:
        raise CallFailed("ResourceNotFoundException", 400)
    return [part["AttributeName"] for part in found["KeySchema"]]


async def _put(survey: Survey, table: str, item: object) -> Write:
    if not isinstance(item, Mapping):
        raise Unsure("the call holds no item")
    names = await _key_names(survey, table)
    if not all(name in item for name in names):
        raise Unsure("the item has no key")
    return Write(table, {name: item[name] for name in names})


async def _one(survey: Survey, request: Mapping[str, Any], *, deletes: bool = False) -> Write:
    table = request.get("TableName")
    if not isinstance(table, str):
        raise Unsure("the call names no table")
    if "Item" in request:
        return await _put(survey, table, request["Item"])
    if not isinstance(request.get("Key"), Mapping):
        raise Unsure("the call names no key")
    return Write(table, request["Key"], deletes)


async def _answered(survey: Survey, writes: Sequence[Write]) -> Effects:
    if not writes:
        raise Unsure("the call writes nothing that is known here")
    return await effects_of(survey, writes)


async def _item_put(survey: Survey) -> Effects:
    return await _single(survey, deletes=False)


async def _item_deleted(survey: Survey) -> Effects:
    return await _single(survey, deletes=True)


async def _single(survey: Survey, *, deletes: bool) -> Effects:
    try:
        return await effects_of(survey, [await _one(survey, survey.parameters, deletes=deletes)])
    except CallFailed as failed:
        if failed.missing:
            return [absent(table_of(survey, survey.text("TableName")))]
        raise


async def _batch(survey: Survey) -> Effects:
    writes = []
    for table, requests in (survey.parameters.get("RequestItems") or {}).items():
        for request in requests:
            writes.append(await _of_batch(survey, table, request))
    return await _answered(survey, writes)


async def _of_batch(survey: Survey, table: str, request: Mapping[str, Any]) -> Write:
    if put := request.get("PutRequest"):
        return await _put(survey, table, put.get("Item"))
    if deletion := request.get("DeleteRequest"):
        return Write(table, deletion.get("Key") or {}, deletes=True)
    raise Unsure("the batch holds a request that isn't known here")


async def _transaction(survey: Survey) -> Effects:
    writes = []
    for action in survey.parameters.get("TransactItems") or []:
        for name, request in action.items():
            if name in ("Put", "Update", "Delete"):
                writes.append(await _one(survey, request, deletes=name == "Delete"))
            elif name != "ConditionCheck":
                raise Unsure("the transaction holds an action that isn't known here")
    return await _answered(survey, writes)


_PARTIQL = re.compile(
    r"""\s*(?P<verb>SELECT|INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+(?P<rest>.*)\Z""", re.IGNORECASE | re.DOTALL
)
_NAME = re.compile(r"""(?:"(?P<quoted>[A-Za-z0-9_.:/-]+)"|(?P<bare>[A-Za-z0-9_-]+))(?=[\s]|\Z)""")
_BY_VERB = {"INSERT": ChangeKind.CREATED, "UPDATE": ChangeKind.UPDATED, "DELETE": ChangeKind.DELETED}


def partiql(statement: object) -> tuple[ChangeKind, str] | None:
    """What a PartiQL statement does to which table; None for SELECT. A statement writes one item: it must give the whole key
    (Amazon DynamoDB Developer Guide, "PartiQL - a SQL-compatible query language")."""
    match = _PARTIQL.match(statement) if isinstance(statement, str) else None
    if match is None or ";" in match["rest"]:
        raise Unsure("the PartiQL statement isn't understood")
    verb = match["verb"].split()[0].upper()
    if verb == "SELECT":
        return None
    name = _NAME.match(match["rest"])
    if name is None:
        raise Unsure("the PartiQL statement names no table that is understood")
    return _BY_VERB[verb], name["quoted"] or name["bare"]


async def _statements(survey: Survey, statements: Iterable[object]) -> Effects:
    done = Counter(found for found in map(partiql, statements) if found is not None)
    effects = []
    for (change, table), count in done.items():
        effects.append(await _counted(survey, table, change, count))
    return effects


async def _statement(survey: Survey) -> Effects:
    return await _statements(survey, [survey.parameters.get("Statement")])


async def _several(survey: Survey) -> Effects:
    given = survey.parameters.get("Statements") or survey.parameters.get("TransactStatements") or [{}]
    return await _statements(survey, [one.get("Statement") for one in given])


TABLE = {
    **rows(
        "dynamodb", "overwrite replace", PutItem=_item_put, UpdateItem=_item_put, DeleteItem=_item_deleted
    ),
    **rows("dynamodb", "overwrite replace", BatchWriteItem=_batch, TransactWriteItems=_transaction),
    **rows(
        "dynamodb",
        "overwrite replace indirect",
        ExecuteStatement=_statement,
        BatchExecuteStatement=_several,
        ExecuteTransaction=_several,
    ),
}
