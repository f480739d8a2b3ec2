"""SQL that finds the rows which the open transaction touched, and what is learnt of them.

Old row versions are those that the observer still sees and the transaction no longer does; `currtid2` follows the update chain
from an old version to the one the transaction left (the version itself when it was deleted). New versions are visible to the
transaction and have an xmin that is not older than its own xid (subtransactions have later ones).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from interlock.connectors.postgres.image import Row
from interlock.connectors.postgres.preview.first import Counts
from interlock.connectors.postgres.preview.rows.layout import Layout
from interlock.connectors.postgres.queries import Rows, Statement, array, qualified

CHUNK = 1_000
"""Row versions fetched in full by one statement."""
# As a subselect: the planner looks at each element of a known array, which takes longer than reading the rows.
_AT = "t.ctid OPERATOR(pg_catalog.=) ANY ((SELECT $1::pg_catalog.tid[])::pg_catalog.tid[])"
_OWN = "pg_catalog.age(t.xmin) OPERATOR(pg_catalog.<=) 0"


def old_versions(table: str, ctids: Sequence[str]) -> Statement:
    """Observer: the committed versions at these places, in full."""
    sql = f"SELECT t.ctid::pg_catalog.text, t.* FROM ONLY {table} AS t WHERE {_AT}"
    return sql, (array(ctids),)


def marked(table: str, most: int) -> Statement:
    """Observer: versions that somebody deleted, updated or locked, now or in an aborted transaction. With their xmin."""
    sql = (
        f"SELECT t.ctid::pg_catalog.text, t.xmin::pg_catalog.text FROM ONLY {table} AS t"
        f" WHERE t.xmax OPERATOR(pg_catalog.<>) 0 LIMIT {most + 1}"
    )
    return sql, ()


def still_seen(table: str, ctids: Sequence[str]) -> Statement:
    """Either side: which of these versions it sees."""
    sql = f"SELECT t.ctid::pg_catalog.text FROM ONLY {table} AS t WHERE {_AT}"
    return sql, (array(ctids),)


def successors(table: str, ctids: Sequence[str]) -> tuple[Statement, Statement]:
    """Agent: where each old version's update chain leads, and the new versions there in full."""
    given = (array(ctids), table)
    chain = (
        "SELECT o::pg_catalog.text, pg_catalog.currtid2($2, o)::pg_catalog.text"
        " FROM pg_catalog.unnest($1::pg_catalog.tid[]) AS o"
    )
    rows = (
        f"SELECT t.ctid::pg_catalog.text, t.xmin::pg_catalog.text, t.* FROM ONLY {table} AS t"
        " WHERE t.ctid OPERATOR(pg_catalog.=) ANY ((SELECT pg_catalog.array_agg(pg_catalog.currtid2($2, o))"
        f" FROM pg_catalog.unnest($1::pg_catalog.tid[]) AS o)::pg_catalog.tid[]) AND {_OWN}"
    )
    return (chain, given), (rows, given)


def made_at(table: str, ctids: Sequence[str]) -> Statement:
    """Agent: of the versions at these places those that the transaction made and still sees, in full."""
    sql = f"SELECT t.ctid::pg_catalog.text, t.xmin::pg_catalog.text, t.* FROM ONLY {table} AS t WHERE {_AT} AND {_OWN}"
    return sql, (array(ctids),)


def new_versions(table: str, first_block: int, most: int) -> Statement:
    """Agent: versions that the transaction made, from a block on."""
    start = f" t.ctid OPERATOR(pg_catalog.>=) '({first_block},0)'::pg_catalog.tid AND" if first_block else ""
    sql = (
        f"SELECT t.ctid::pg_catalog.text, t.xmin::pg_catalog.text, t.* FROM ONLY {table} AS t"
        f" WHERE{start} {_OWN} LIMIT {most}"
    )
    return sql, ()


def at_most(table: str, most: int) -> Statement:
    """How many rows there are, counting no further than `most`."""
    return (
        f"SELECT pg_catalog.count(*)::pg_catalog.text FROM (SELECT FROM ONLY {table} AS t LIMIT {most}) AS n",
        (),
    )


@dataclass(slots=True)
class Touched:
    """What is known so far of one table's touched rows. `way` is `predicate` (1), `xmax` (2), `history` (3) or `new` (nothing
    old was touched).

    `links` are what history triggers wrote down: from an old version (None for a new row) to the new one (None for a deleted row).
    `reason` says why there is no image; `created` that the transaction made the table; `before` how many rows it had, and whether
    counting stopped there. `old` and `new` are row versions by place, `chain` leads from an old one to where its update chain
    ends, `unsure` are new ones that another transaction may have made.
    """

    counts: Counts
    way: str
    captured: list[str] = field(default_factory=list)
    layout: Layout | None = None
    reason: str = ""
    created: bool = False
    before: tuple[int, bool] | None = None
    old: dict[str, Row] = field(default_factory=dict)
    new: dict[str, Row] = field(default_factory=dict)
    chain: dict[str, str] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    links: list[tuple[str | None, str | None]] = field(default_factory=list)
    bytes: int = 0

    @property
    def sql(self) -> str:
        return qualified(self.counts.schema, self.counts.name or "")

    @property
    def label(self) -> str:
        return f"{self.counts.schema}.{self.counts.name}"

    @property
    def replaced(self) -> int:
        """How many old versions the counters speak of."""
        return self.counts.updated + self.counts.deleted

    def add_new(self, rows: Rows, xid: str) -> None:
        """Take rows of `successors` or `new_versions`. Those of another xid than the transaction's own may be somebody else's."""
        for ctid, xmin, *values in rows:
            self.new[ctid or ""] = tuple(values)
            self.bytes += weight(values)
            if xmin != xid:
                self.unsure.add(ctid or "")

    def add_old(self, rows: Rows) -> None:
        for ctid, *values in rows:
            self.old[ctid or ""] = tuple(values)
            self.bytes += weight(values)

    def deleted(self) -> list[Row]:
        return [row for ctid, row in self.old.items() if self.chain.get(ctid) not in self.new]

    def updated(self) -> list[tuple[Row, Row]]:
        return [
            (row, self.new[self.chain[ctid]])
            for ctid, row in self.old.items()
            if self.chain.get(ctid) in self.new
        ]

    def inserted(self) -> list[Row]:
        reached = {self.chain.get(ctid) for ctid in self.old}
        return [row for ctid, row in self.new.items() if ctid not in reached]

    def agrees(self) -> bool:
        """Whether what was found accounts for the counters.

        Every version that the transaction made and then replaced itself counts once as made and once as replaced, so the net
        must be equal, and neither side may be larger than its counter. (What a rolled-back savepoint did counts too: then
        they differ, which is the safe side.)
        """
        made = self.counts.inserted + self.counts.updated
        return (
            len(self.new) - len(self.old) == self.counts.inserted - self.counts.deleted
            and len(self.new) <= made
            and len(self.old) <= self.replaced
        )


def weight(values: Sequence[str | None]) -> int:
    """Roughly how many bytes a row takes."""
    return sum(len(value) if value is not None else 1 for value in values)
