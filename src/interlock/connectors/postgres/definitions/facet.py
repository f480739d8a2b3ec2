"""What one object is like: the rows of the catalogs that describe it, with names in the place of ids and expressions as text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from interlock.connectors.postgres.queries import ident, qualified

Address: TypeAlias = tuple[int, int]
"""The catalog's oid and the object's."""
Values: TypeAlias = dict[str, Any]

RELATION, CONSTRAINT, TRIGGER, RULE, POLICY = 1259, 2606, 2620, 2618, 3256
FUNCTION, TYPE, SCHEMA, STATISTICS, DEFAULT_ACL = 1255, 1247, 2615, 3381, 826
COLLATION, CONVERSION, OPERATOR, OPCLASS, OPFAMILY, CAST = 3456, 2607, 2617, 2616, 2753, 2605
TS_DICT, TS_CONFIG, PUBLICATION, EVENT_TRIGGER, LANGUAGE = 3600, 3602, 6104, 3466, 2612
FDW, SERVER, EXTENSION = 2328, 1417, 3079

_PHYSICAL = frozenset({"num", "dropped", "file", "content", "size", "usual"})


class Facet(msgspec.Struct, frozen=True):
    """An object. `kind`, `names` and `args` are `pg_identify_object_as_address`'s, which tell it apart whatever its oid; `identity`
    is `pg_identify_object`'s; `values` depends on the catalog (`portraits`). `dirty`: something of it was changed by the
    transaction that asked, before it was asked; `late`: names may have changed before, so what the texts say of others is sure only
    while the object stays."""

    address: Address
    kind: str
    names: tuple[str, ...]
    args: tuple[str, ...]
    identity: str
    values: Values
    dirty: bool = False
    late: bool = False

    @property
    def catalog(self) -> int:
        return self.address[0]

    @property
    def sort(self) -> str:
        """A relation's `relkind`; else an empty string."""
        return str(self.values.get("relkind", ""))

    @property
    def name(self) -> str:
        return str(self.values.get("name", ""))

    @property
    def schema(self) -> str:
        return str(self.values.get("schema", ""))

    @property
    def sql(self) -> str:
        """Its name in a statement, for what has a schema and a name."""
        return qualified(self.schema, self.name) if self.schema else ident(self.name)

    @property
    def columns(self) -> list[Values]:
        """A relation's columns in order, without dropped ones."""
        return [c for c in self.values.get("columns") or () if not c["dropped"]]

    @property
    def label(self) -> str:
        return f"{self.kind} {self.identity}"


def plain(facet: Facet, *, moving: bool = True) -> Values:
    """A facet's values without what is physical; with `moving=False` also without what changes by mere use (a sequence's value)."""
    values = {key: value for key, value in facet.values.items() if key not in _PHYSICAL}
    if "columns" in values and values["columns"] is not None:
        values["columns"] = [
            {k: v for k, v in column.items() if k not in _PHYSICAL} for column in facet.columns
        ]
    if not moving:
        values.pop("value", None)
    return values


def alike(one: Facet, other: Facet, *, moving: bool = True) -> bool:
    """Whether two facets describe the same, ids and places on disk aside."""
    return (one.kind, one.names, one.args) == (other.kind, other.names, other.args) and plain(
        one, moving=moving
    ) == plain(other, moving=moving)


def differing(one: Facet, other: Facet) -> Iterator[str]:
    """The values that differ, for messages and tests."""
    left, right = plain(one), plain(other)
    if (one.names, one.args) != (other.names, other.args):
        yield "name"
    for key in sorted(left.keys() | right.keys()):
        if left.get(key) != right.get(key):
            yield key


def by_address(facets: Sequence[Facet]) -> Mapping[Address, Facet]:
    return {facet.address: facet for facet in facets}
