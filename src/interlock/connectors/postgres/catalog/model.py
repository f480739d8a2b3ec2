"""The snapshot of the catalogs."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

from interlock.connectors.postgres.parse.facts import Name
from interlock.connectors.postgres.verbs.functions import TRUSTED_EXTENSIONS

Row: TypeAlias = Sequence[str | None]

FIRST_USER_OID = 16384
"""Lower ids belong to what a server is born with (`FirstNormalObjectId`)."""

OWN_SCHEMA = "interlock"
"""Where Interlock's store keeps its tables, should it lie in the same database. What begins so and goes on with an underscore
is its own as well: the trash, and the gate to it."""


def is_own(schema: str) -> bool:
    """Whether a schema is Interlock's, and so out of bounds for agents."""
    return schema == OWN_SCHEMA or schema.startswith(f"{OWN_SCHEMA}_")


_PAIR = re.compile(r"(\d+):([a-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class Function:
    """A function, procedure or aggregate that is not built in. `support` are the functions an aggregate is made of: id and name."""

    oid: int
    schema: str
    name: str
    arguments: str
    language: str
    body: str
    volatility: str
    kind: str
    definer: bool
    settings: tuple[str, ...]
    attribute: bool
    extension: str
    support: tuple[tuple[int, str], ...]

    @property
    def trusted(self) -> bool:
        """Whether it computes and reads, nothing else: C of a known extension, declared so."""
        return (
            self.extension in TRUSTED_EXTENSIONS
            and self.language in ("c", "internal")
            and self.volatility in "is"
        )

    @property
    def label(self) -> str:
        return f"{self.schema}.{self.name}()"


@dataclass(frozen=True, slots=True)
class Relation:
    """A table (r, p), view (v), materialized view (m), foreign table (f), sequence (S) or composite type (c)."""

    oid: int
    schema: str
    name: str
    kind: str
    row_security: bool
    row_type: int
    definition: str

    @property
    def label(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Type:
    """A base type (b), domain (d), enum (e), range (r), multirange (m) or pseudo-type (p) that is not built in."""

    oid: int
    schema: str
    name: str
    kind: str
    base: int
    extension: str
    support: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator that is not built in, and the function behind it."""

    schema: str
    name: str
    function: int
    builtin: str


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """Everything of a database that classification asks about. Equal snapshots have equal fingerprints.

    Make it with :meth:`from_rows`; `memo` holds what was found out since, per snapshot.
    """

    fingerprint: str
    version: int = 0
    encoding: str = "UTF8"
    database: str = ""
    functions: Mapping[int, Function] = field(default_factory=dict)
    functions_named: Mapping[str, tuple[Function, ...]] = field(default_factory=dict)
    relations: Mapping[int, Relation] = field(default_factory=dict)
    relations_named: Mapping[str, tuple[Relation, ...]] = field(default_factory=dict)
    row_types: Mapping[int, int] = field(default_factory=dict)
    types: Mapping[int, Type] = field(default_factory=dict)
    types_named: Mapping[str, tuple[Type, ...]] = field(default_factory=dict)
    operators_named: Mapping[str, tuple[Operator, ...]] = field(default_factory=dict)
    children: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    columns: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    expressions: Mapping[int, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    triggers: Mapping[int, tuple[tuple[int, str, str], ...]] = field(default_factory=dict)
    rules: Mapping[int, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    cascades: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    domains: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    casts: tuple[tuple[int, int, int], ...] = ()
    event_triggers: tuple[tuple[str, int], ...] = ()
    attributes: frozenset[str] = frozenset()
    builtin_functions: frozenset[str] = frozenset()
    builtin_relations: frozenset[Name] = frozenset()
    builtin_types: frozenset[str] = frozenset()
    memo: dict[Any, Any] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> Self:
        """A database of which nothing is known: nothing in it is a pure read but what names nothing."""
        return cls(fingerprint="")

    @classmethod
    def from_rows(cls, rows: Mapping[str, Sequence[Row]]) -> Self:
        """From the rows of each of `QUERIES`. Raises KeyError when one is missing, ValueError when one is not as expected."""
        digest = hashlib.sha256()
        for name in sorted(rows):
            digest.update(repr((name, sorted(rows[name], key=repr))).encode("utf-8", "surrogatepass"))
        ((version, encoding, database),) = rows["server"]
        functions = [_function(row) for row in rows["functions"]]
        relations = [_relation(row) for row in rows["relations"]]
        types = [_type(row) for row in rows["types"]]
        operators = [Operator(_text(r[0]), _text(r[1]), *_first(r[2])) for r in rows["operators"]]
        return cls(
            fingerprint=digest.hexdigest(),
            version=int(version or 0),
            encoding=_text(encoding),
            database=_text(database),
            functions={f.oid: f for f in functions},
            functions_named=_by_name(functions),
            relations={r.oid: r for r in relations},
            relations_named=_by_name(relations),
            row_types={r.row_type: r.oid for r in relations if r.row_type},
            types={t.oid: t for t in types},
            types_named=_by_name(types),
            operators_named=_by_name(operators),
            children=_group((_int(r[1]), _int(r[0])) for r in rows["inherits"]),
            columns=_group((_int(r[0]), _int(r[1])) for r in rows["columns"]),
            expressions=_group((_int(r[0]), (_text(r[1]), _text(r[2]))) for r in rows["expressions"]),
            triggers=_group((_int(r[0]), (_int(r[1]), _text(r[2]), _text(r[3]))) for r in rows["triggers"]),
            rules=_group((_int(r[0]), (_text(r[1]), _text(r[2]))) for r in rows["rules"]),
            cascades=_group(
                (_int(r[0]), _int(r[1])) for r in rows["foreign_keys"] if {r[2], r[3]} & {"c", "n", "d"}
            ),
            domains=_group((_int(r[0]), _text(r[1])) for r in rows["domains"]),
            casts=tuple((_int(r[0]), _int(r[1]), _int(r[2])) for r in rows["casts"]),
            event_triggers=tuple((_text(r[0]), _int(r[1])) for r in rows["event_triggers"]),
            attributes=frozenset(f.name for f in functions if f.attribute and not f.trusted),
            builtin_functions=frozenset(_text(r[0]) for r in rows["builtin_functions"]),
            builtin_relations=frozenset(Name(_text(r[0]), _text(r[1])) for r in rows["builtin_relations"]),
            builtin_types=frozenset(_text(r[0]) for r in rows["builtin_types"]),
        )

    # -- names; an unqualified one has every candidate, whatever the search path

    def named_functions(self, name: Name) -> tuple[Function, ...]:
        """The functions that a name may mean, other than built-in ones."""
        found = self.functions_named.get(name.name, ())
        return tuple(f for f in found if f.schema == name.schema) if name.schema else found

    def named_relations(self, name: Name) -> tuple[Relation, ...]:
        """The relations that a name may mean, other than the server's own."""
        found = self.relations_named.get(name.name, ())
        return tuple(r for r in found if r.schema == name.schema) if name.schema else found

    def named_types(self, name: Name) -> tuple[Type, ...]:
        """The types that a name may mean, other than built-in ones and rows of relations."""
        found = self.types_named.get(name.name, ())
        return tuple(t for t in found if t.schema == name.schema) if name.schema else found

    def named_operators(self, name: Name) -> tuple[Operator, ...]:
        """The operators that a name may mean, other than built-in ones."""
        found = self.operators_named.get(name.name, ())
        return tuple(o for o in found if o.schema == name.schema) if name.schema else found

    def has_extension(self, name: str) -> bool:
        """Whether an extension is there, as far as it has functions or types; a built-in one is not known of."""
        named = {f.extension for f in self.functions.values()} | {t.extension for t in self.types.values()}
        return bool(name) and name in named

    def system_relation(self, name: Name) -> Name | None:
        """The relation of the server's own that a name may mean."""
        full = Name(name.schema or "pg_catalog", name.name)
        return full if full in self.builtin_relations else None


def _text(value: str | None) -> str:
    return value or ""


def _int(value: str | None) -> int:
    return int(value or 0)


def _flag(value: str | None) -> bool:
    return value in ("t", "true")


def _pairs(value: str | None) -> list[tuple[int, str]]:
    """`oid:name` pairs; functions that are absent (0) are left out, names only matter for built-in ones."""
    found = [(int(oid), name) for oid, name in _PAIR.findall(value or "")]
    return [pair for pair in found if pair[0]]


def _first(value: str | None) -> tuple[int, str]:
    """The only pair; an operator that is merely announced has no function yet."""
    found = _pairs(value)
    return found[0] if found else (0, "")


def _function(row: Row) -> Function:
    (
        oid,
        schema,
        name,
        arguments,
        language,
        body,
        volatility,
        kind,
        definer,
        config,
        attribute,
        extension,
        support,
    ) = row
    return Function(
        _int(oid),
        _text(schema),
        _text(name),
        _text(arguments),
        _text(language),
        _text(body),
        _text(volatility),
        _text(kind),
        _flag(definer),
        tuple(_text(config).split("\n")) if config else (),
        _flag(attribute),
        _text(extension),
        tuple(_pairs(support)),
    )


def _relation(row: Row) -> Relation:
    oid, schema, name, kind, row_security, row_type, definition = row
    return Relation(
        _int(oid),
        _text(schema),
        _text(name),
        _text(kind),
        _flag(row_security),
        _int(row_type),
        _text(definition),
    )


def _type(row: Row) -> Type:
    oid, schema, name, kind, base, extension, support = row
    return Type(
        _int(oid),
        _text(schema),
        _text(name),
        _text(kind),
        _int(base),
        _text(extension),
        tuple(_pairs(support)),
    )


def _by_name(items: Iterable[Any]) -> dict[str, tuple[Any, ...]]:
    return _group((item.name, item) for item in items)


def _group(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, tuple[Any, ...]]:
    found = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return {key: tuple(values) for key, values in found.items()}
