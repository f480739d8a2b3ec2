"""Which describer answers for which operation. One module per family has a `TABLE`; here they are put together."""

from collections.abc import Mapping

from interlock.connectors.aws.preview.rows import Row

TABLES: tuple[Mapping[tuple[str, str], Row], ...] = ()

_ROWS: Mapping[tuple[str, str], Row] = {name: row for table in TABLES for name, row in table.items()}


def row_of(service: str, operation: str) -> Row | None:
    return _ROWS.get((service, operation))
