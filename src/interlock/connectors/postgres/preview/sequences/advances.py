"""Sequences from which a transaction took values: which of them a revert can give back exactly.

A rollback does not give values back, nor does PostgreSQL say how many a transaction took. They are known all the same when the rows
that the transaction made hold them: as many as there are numbers between the first and the last, and the last is the one that
the sequence gave last. Then nobody else took one in between. Anything else (a sequence with a cache, one that belongs to no
column, a value that is in no row) stays as it is, and says so.
"""

from collections.abc import Iterable, Mapping, Sequence

from interlock.connectors.postgres.image import Advanced
from interlock.connectors.postgres.preview.first import Counts
from interlock.connectors.postgres.preview.rows.touched import Touched
from interlock.connectors.postgres.queries import Ask, QueryFailed, Rows, Steps, array

_OWNED = """
SELECT q.seqrelid::pg_catalog.text, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, d.refobjid::pg_catalog.text,
       a.attname::pg_catalog.text, q.seqstart::pg_catalog.text, q.seqincrement::pg_catalog.text,
       q.seqcache::pg_catalog.text, pg_catalog.pg_sequence_last_value(q.seqrelid::pg_catalog.regclass)::pg_catalog.text
  FROM pg_catalog.pg_sequence AS q
  JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) q.seqrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  JOIN pg_catalog.pg_depend AS d ON d.classid OPERATOR(pg_catalog.=) 1259::pg_catalog.oid
   AND d.objid OPERATOR(pg_catalog.=) q.seqrelid AND d.refclassid OPERATOR(pg_catalog.=) 1259::pg_catalog.oid
   AND d.deptype OPERATOR(pg_catalog.=) ANY ('{a,i}'::pg_catalog."char"[])
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) d.refobjid
   AND a.attnum OPERATOR(pg_catalog.=) d.refobjsubid::pg_catalog.int2
 WHERE q.seqrelid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])
"""


class Advances:
    """The sequences of one examination. `look` asks (along with everything else), `frames` tells what can be given back."""

    def __init__(self, relations: Iterable[Counts], made: Iterable[int]) -> None:
        new = set(made)
        self._oids = [c.oid for c in relations if c.kind == "S" and not c.temporary and c.oid not in new]
        self._rows: Rows = []

    def look(self) -> Steps[None]:
        """Ask what the sequences belong to, and what they gave last (a part for `queries.together`)."""
        if not self._oids:
            return
        (reply,) = yield (Ask("observer", ((_OWNED, (array([str(oid) for oid in self._oids]),)),)),)
        self._rows = [] if isinstance(reply, QueryFailed) else reply[0]

    def frames(self, tables: Mapping[int, Touched]) -> list[Advanced]:
        """What can be given back, once the new rows are known."""
        found = [self._frame(row, tables.get(int(row[3] or 0))) for row in self._rows]
        return [frame for frame in found if frame is not None]

    def _frame(self, row: Sequence[str | None], table: Touched | None) -> Advanced | None:
        oid, schema, name, _, column, start, step, cache, last = row
        if table is None or table.reason or table.layout is None or last is None:
            return None
        if int(step or 0) < 1 or cache != "1":
            return None
        place = next((n for n, c in enumerate(table.layout.columns) if c.name == column), None)
        if place is None:
            return None
        values = sorted(int(made[place] or 0) for made in table.inserted())
        if not values or values[-1] != int(last) or len(values) != table.counts.inserted:
            return None
        # No gap, nothing twice: the numbers between were given to these rows and to nobody else.
        if values != list(range(values[0], values[-1] + 1, int(step or 1))):
            return None
        return Advanced(
            int(oid or 0), schema or "", name or "", table.counts.oid, column or "",
            values[0], values[-1], int(start or 0), int(step or 1),
        )  # fmt: skip
