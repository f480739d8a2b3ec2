"""Which describer answers for which operation. Each family has a `TABLE`; here they are put together."""

from collections.abc import Mapping

from interlock.connectors.aws.preview.data import buckets, items, objects, queues, tables
from interlock.connectors.aws.preview.hanging import identity as identities
from interlock.connectors.aws.preview.hanging import network, services
from interlock.connectors.aws.preview.policy import identity, resources
from interlock.connectors.aws.preview.rows import Row, Table

TABLES: tuple[Table, ...] = (
    buckets.TABLE,
    identities.TABLE,
    identity.TABLE,
    items.TABLE,
    network.TABLE,
    objects.TABLE,
    queues.TABLE,
    resources.TABLE,
    services.TABLE,
    tables.TABLE,
)

ROWS: Mapping[tuple[str, str], Row] = {name: row for table in TABLES for name, row in table.items()}


def row_of(service: str, operation: str) -> Row | None:
    return ROWS.get((service, operation))
