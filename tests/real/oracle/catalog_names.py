"""What the rows of PostgreSQL's catalogs are called and belong to (manual, chapter 53), told without the product's code."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Address = tuple[str, str]
"""A catalog's name and the row's key in it: the values of the primary key, joined by `/`."""

PARENTS: dict[str, tuple[tuple[str, str], ...]] = {
    "pg_aggregate": (("aggfnoid", "pg_proc"),),
    "pg_amop": (("amopfamily", "pg_opfamily"),),
    "pg_amproc": (("amprocfamily", "pg_opfamily"),),
    "pg_attrdef": (("adrelid", "pg_class"),),
    "pg_attribute": (("attrelid", "pg_class"),),
    "pg_cast": (("castsource", "pg_type"), ("casttarget", "pg_type")),
    "pg_constraint": (("conrelid", "pg_class"), ("contypid", "pg_type")),
    "pg_db_role_setting": (("setrole", "pg_authid"), ("setdatabase", "pg_database")),
    "pg_default_acl": (("defaclrole", "pg_authid"), ("defaclnamespace", "pg_namespace")),
    "pg_enum": (("enumtypid", "pg_type"),),
    "pg_foreign_table": (("ftrelid", "pg_class"),),
    "pg_index": (("indexrelid", "pg_class"), ("indrelid", "pg_class")),
    "pg_inherits": (("inhrelid", "pg_class"), ("inhparent", "pg_class")),
    "pg_largeobject": (("loid", "pg_largeobject_metadata"),),
    "pg_partitioned_table": (("partrelid", "pg_class"),),
    "pg_policy": (("polrelid", "pg_class"),),
    "pg_publication_namespace": (("pnpubid", "pg_publication"),),
    "pg_publication_rel": (("prpubid", "pg_publication"),),
    "pg_range": (("rngtypid", "pg_type"),),
    "pg_rewrite": (("ev_class", "pg_class"),),
    "pg_sequence": (("seqrelid", "pg_class"),),
    "pg_statistic_ext": (("stxrelid", "pg_class"),),
    "pg_subscription_rel": (("srsubid", "pg_subscription"),),
    "pg_transform": (("trftype", "pg_type"),),
    "pg_trigger": (("tgrelid", "pg_class"),),
    "pg_ts_config_map": (("mapcfg", "pg_ts_config"),),
    "pg_type": (("typrelid", "pg_class"), ("typelem", "pg_type")),
    "pg_user_mapping": (("umserver", "pg_foreign_server"), ("umuser", "pg_authid")),
}
"""Columns that lead from a row to what it is a part of."""

ABOUT = ("classoid", "classid"), ("objoid", "objid")
"""Columns of rows about any object: comments, labels, dependencies."""

OF = {
    "1259": "pg_class",
    "1247": "pg_type",
    "1255": "pg_proc",
    "2606": "pg_constraint",
    "2604": "pg_attrdef",
    "2615": "pg_namespace",
    "2618": "pg_rewrite",
    "2620": "pg_trigger",
    "2613": "pg_largeobject_metadata",
    "2617": "pg_operator",
    "2616": "pg_opclass",
    "2753": "pg_opfamily",
    "2605": "pg_cast",
    "2607": "pg_conversion",
    "2612": "pg_language",
    "2601": "pg_am",
    "3079": "pg_extension",
    "3256": "pg_policy",
    "3381": "pg_statistic_ext",
    "3456": "pg_collation",
    "3466": "pg_event_trigger",
    "3600": "pg_ts_dict",
    "3601": "pg_ts_parser",
    "3602": "pg_ts_config",
    "3764": "pg_ts_template",
    "1417": "pg_foreign_server",
    "2328": "pg_foreign_data_wrapper",
    "1418": "pg_user_mapping",
    "1260": "pg_authid",
    "1261": "pg_auth_members",
    "1262": "pg_database",
    "1213": "pg_tablespace",
    "3576": "pg_transform",
    "6104": "pg_publication",
    "6106": "pg_publication_rel",
    "6237": "pg_publication_namespace",
    "826": "pg_default_acl",
    "2602": "pg_amop",
    "2603": "pg_amproc",
}
"""Catalogs by the oids that `ABOUT` names them by."""

FIRST_USER_OID = 16384
_NAMED = (
    "pg_class",
    "pg_type",
    "pg_proc",
    "pg_constraint",
    "pg_namespace",
    "pg_operator",
    "pg_trigger",
    "pg_rewrite",
)
_NUMBER = re.compile(r"\d{5,}")
_PART = "iaPSe"
"""Kinds of dependency of a part on its whole."""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One version of a catalog row, without the columns that say where things are stored."""

    catalog: str
    key: str
    values: dict[str, Any]

    @property
    def address(self) -> Address:
        return self.catalog, self.key

    def first(self, ending: str) -> str:
        """The value of the first column with that ending, as text."""
        return next((str(v) for k, v in self.values.items() if k.endswith(ending) and v is not None), "")

    @property
    def name(self) -> str:
        """The row's own name, if it has one."""
        return str(self.values.get("enumlabel") or self.first("name"))

    @property
    def namespace(self) -> str:
        """Key of its schema in `pg_namespace`, if it has one."""
        return self.first("namespace")


class Names:
    """Names of rows in the state before and after a change: `find` gives all known versions of a row, `depends` the rows of
    pg_depend of both states."""

    def __init__(self, find: Callable[[Address], list[Row]], depends: Iterable[Row]) -> None:
        self.find = find
        self._depends = depends

    @cached_property
    def _wholes(self) -> dict[Address, list[Address]]:
        found: dict[Address, list[Address]] = {}
        for row in self._depends:
            v = row.values
            if v["deptype"] in _PART:
                part, whole = (
                    (OF.get(str(v[c]), ""), str(v[o]))
                    for c, o in (("classid", "objid"), ("refclassid", "refobjid"))
                )
                found.setdefault(part, []).append(whole)
        return found

    def parents(self, row: Row) -> Iterator[Address]:
        """What a row is a part of, or about."""
        for column, catalog in PARENTS.get(row.catalog, ()):
            value = str(row.values.get(column) or "0")
            if value not in ("0", "-") or catalog == "pg_largeobject_metadata":
                yield catalog, value
        classes, objects = ABOUT
        for cls, oid in zip(classes, objects, strict=True):
            if cls in row.values:
                yield OF.get(str(row.values[cls]), ""), str(row.values[oid])
        yield from self._wholes.get(row.address, ())

    def closure(self, row: Row) -> dict[Address, list[Row]]:
        """The row and everything it is directly or indirectly a part of."""
        found: dict[Address, list[Row]] = {row.address: [row, *self.find(row.address)]}
        todo = list(found[row.address])
        while todo:
            for address in self.parents(todo.pop()):
                if address not in found:
                    found[address] = self.find(address)
                    todo += found[address]
        return found

    def schemas(self, row: Row) -> set[str]:
        """The names of the row's schema."""
        if row.catalog == "pg_namespace":
            return {row.name}
        return {one.name for one in self.find(("pg_namespace", row.namespace))} if row.namespace else set()

    def temporary(self, row: Row) -> bool:
        """Whether it is a session's own: temporary, or a part of something temporary."""
        for versions in self.closure(row).values():
            for one in versions:
                if one.values.get("relpersistence") == "t":
                    return True
                if any(s.startswith(("pg_temp_", "pg_toast_temp_")) for s in self.schemas(one)):
                    return True
        return False

    def signature(self, row: Row) -> str:
        """All that the row says, with names in place of numbers: equal for what was dropped and made again alike."""
        # A NOT NULL that is made anew may get another name (PostgreSQL 18 gives it one); it is its column's all the same.
        out = {"oid", "conname"} if row.values.get("contype") == "n" else {"oid"}
        said = {column: self._named(value) for column, value in row.values.items() if column not in out}
        return f"{row.catalog} {sorted(said.items())}"

    def _named(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._named(one) for one in value]
        text = str(value)
        if text.isdigit() and int(text) >= FIRST_USER_OID:
            found = (one for catalog in _NAMED for one in self.find((catalog, text)))
            return next(
                (f"{one.catalog} {sorted(self.schemas(one))} {_NUMBER.sub('#', one.name)}" for one in found),
                "#",
            )
        return _NUMBER.sub("#", text) if isinstance(value, str) else value

    def label(self, row: Row) -> str:
        """For people: catalog, schema and name, or what it belongs to."""
        name = row.name
        if not name:
            above = [
                one for a, rows in self.closure(row).items() if a != row.address for one in rows if one.name
            ]
            name = f"of {above[0].name}" if above else row.key
        schema = "".join(f"{s}." for s in sorted(self.schemas(row)) if row.catalog != "pg_namespace")
        return f"{row.catalog} {schema}{name}"
