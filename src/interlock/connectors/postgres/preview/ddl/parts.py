"""The columns of tables by their attribute numbers, as they are committed: names may change underway, numbers do not."""

from collections.abc import Sequence
from dataclasses import dataclass

from interlock.connectors.postgres.image import Column, KeyColumn
from interlock.connectors.postgres.preview.rows.layout import layout_statements, read_layouts
from interlock.connectors.postgres.queries import Ask, QueryFailed, Steps, array

_NUMBERS = """
SELECT a.attrelid::pg_catalog.text, a.attnum::pg_catalog.text, a.attname::pg_catalog.text
  FROM pg_catalog.pg_attribute AS a
 WHERE a.attrelid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])
   AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
"""


@dataclass(frozen=True, slots=True)
class Parts:
    """The columns of one table by attribute number, in order, and the key that tells its rows apart (or none)."""

    columns: dict[int, Column]
    key: tuple[KeyColumn, ...]

    @property
    def key_numbers(self) -> list[int]:
        names = [part.name for part in self.key]
        return [number for number, column in self.columns.items() if column.name in names]


def parts_of(oids: Sequence[int]) -> Steps[dict[int, Parts]]:
    """Ask the observer. Tables that it does not know are left out."""
    if not oids:
        return {}
    statements = layout_statements(oids)
    numbers = (_NUMBERS, (array([str(oid) for oid in oids]),))
    (reply,) = yield (Ask("observer", (numbers, *statements)),)
    if isinstance(reply, QueryFailed):
        return {}
    placed = {(int(oid or 0), name or ""): int(number or 0) for oid, number, name in reply[0]}
    found: dict[int, Parts] = {}
    for oid, layout in read_layouts(reply[1:]).items():
        columns = {placed[oid, c.name]: c for c in layout.columns if (oid, c.name) in placed}
        if len(columns) == len(layout.columns):
            found[oid] = Parts(dict(sorted(columns.items())), layout.key)
    return found
