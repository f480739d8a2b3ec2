"""Which describer answers for which operation. Each family has a `TABLE`; here they are put together."""

from collections.abc import Mapping

from interlock.connectors.aws.preview.data import buckets, items, messages, objects, queues, tables
from interlock.connectors.aws.preview.estate import capacity, instances, networks, records
from interlock.connectors.aws.preview.hanging import identity as identities
from interlock.connectors.aws.preview.hanging import network, services
from interlock.connectors.aws.preview.policy import identity, resources
from interlock.connectors.aws.preview.rows import Row, Table
from interlock.connectors.aws.preview.settings import buckets as configurations
from interlock.connectors.aws.preview.settings import databases, lesser, overwrites
from interlock.connectors.aws.preview.settings import services as settings
from interlock.connectors.aws.preview.stacks import updates

TABLES: tuple[Table, ...] = (
    buckets.TABLE,
    capacity.TABLE,
    configurations.TABLE,
    databases.TABLE,
    identities.TABLE,
    identity.TABLE,
    instances.TABLE,
    items.TABLE,
    lesser.TABLE,
    messages.TABLE,
    network.TABLE,
    networks.TABLE,
    objects.TABLE,
    overwrites.TABLE,
    queues.TABLE,
    records.TABLE,
    resources.TABLE,
    services.TABLE,
    settings.TABLE,
    tables.TABLE,
    updates.TABLE,
)

ROWS: Mapping[tuple[str, str], Row] = {name: row for table in TABLES for name, row in table.items()}


def row_of(service: str, operation: str) -> Row | None:
    return ROWS.get((service, operation))
