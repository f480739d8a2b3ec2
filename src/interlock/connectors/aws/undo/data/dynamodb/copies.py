"""Items of a whole table, copied into the before-image: for tables that cannot be backed up, or that something else makes
again."""

import msgspec

from interlock.connectors.aws.call import CallFailed
from interlock.connectors.aws.undo.data.common import literal
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Step
from interlock.connectors.aws.undo.store import mark

MOST_ITEMS = 5_000
"""How many items are copied at most."""
MOST_BYTES = 8 << 20
"""And how many bytes they have at most, as they are stored."""


async def steps(calls: Here, table: str) -> tuple[Step, ...] | None:
    """The steps that put all items of a table back; None when they are too many to be copied. Raises CallFailed."""
    asked = {"TableName": table, "ConsistentRead": True}
    items, more = await calls.pages("dynamodb", "Scan", asked, key="Items", limit=MOST_ITEMS)
    if more or sum(len(msgspec.json.encode(mark(item))) for item in items) > MOST_BYTES:
        return None
    return tuple(
        Step("dynamodb", "PutItem", {"TableName": literal(table), "Item": literal(item)}, independent=True)
        for item in items
    )


async def backups(calls: Here, table: str) -> bool:
    """Whether the service makes backups of this table, and the gateway may ask for one."""
    try:
        await calls.ask("dynamodb", "ListBackups", {"TableName": table, "Limit": 1})
    except CallFailed:
        return False
    return True
