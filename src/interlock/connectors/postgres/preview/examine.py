"""From the measuring query's reply to effects and a before-image."""

from collections.abc import Sequence

from interlock.connectors.postgres.preview.context import Context
from interlock.connectors.postgres.preview.first import Counts, read
from interlock.connectors.postgres.queries import Rows, Steps
from interlock.model.change import Measurement
from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.model.operation import Resource
from interlock.sdk.connector import Preview


def examine(first_rows: Sequence[Rows], context: Context) -> Steps[Preview]:
    """What the transaction did. It must stay open and idle meanwhile; it is left as it was."""
    facts = read(first_rows)
    yield from ()
    effects = [effect for counts in facts.relations if counts.any for effect in _plain(counts)]
    marker = {
        "xid": facts.xid or "",
        "system": context.identity.system,
        "timeline": context.identity.timeline,
        "database": context.identity.database,
    }
    return Preview(Measurement(tuple(effects)), (), marker if facts.xid else {})


def _plain(counts: Counts) -> list[Effect]:
    table = Resource("table", f"{counts.schema}.{counts.name}", counts.schema)
    numbers = {
        ChangeKind.CREATED: counts.inserted,
        ChangeKind.UPDATED: counts.updated,
        ChangeKind.DELETED: counts.deleted,
    }
    return [Effect(table, kind, count, Unit.ROWS, before=count) for kind, count in numbers.items() if count]
