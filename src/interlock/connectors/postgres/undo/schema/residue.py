"""What differs from the committed catalogs after a change of definitions was undone, and belongs to no object that is as it was."""

from collections.abc import Iterable, Iterator, Sequence

from interlock.connectors.postgres.definitions import Facet
from interlock.connectors.postgres.definitions import facet as f
from interlock.connectors.postgres.definitions.facet import Address
from interlock.connectors.postgres.preview.ddl.catalog_diff import CatalogDiff, CatalogRow
from interlock.connectors.postgres.preview.ddl.catalogs import CATALOGS
from interlock.connectors.postgres.preview.ddl.names import is_internal

_BELONGS: dict[str, tuple[int, str]] = {
    "pg_attribute": (f.RELATION, "attrelid"),
    "pg_attrdef": (f.RELATION, "adrelid"),
    "pg_index": (f.RELATION, "indexrelid"),
    "pg_sequence": (f.RELATION, "seqrelid"),
    "pg_inherits": (f.RELATION, "inhrelid"),
    "pg_foreign_table": (f.RELATION, "ftrelid"),
    "pg_enum": (f.TYPE, "enumtypid"),
    "pg_publication_rel": (f.PUBLICATION, "prpubid"),
    "pg_publication_namespace": (f.PUBLICATION, "pnpubid"),
    "pg_ts_config_map": (f.TS_CONFIG, "mapcfg"),
}


def unaccounted(difference: CatalogDiff, was: Sequence[Facet], now: Sequence[Facet]) -> str:
    """What is left over, in words; empty when all is accounted for. `was` and `now` are the objects that are alike."""
    known: set[Address] = {facet.address for facet in (*was, *now)}
    names = {facet.identity for facet in (*was, *now)}
    for row in _rows(difference):
        if not _accounted(row, known, names):
            return f"{row.kind or row.catalog} {row.identity or row.key} is not as it was ({row.catalog})"
    if difference.unreadable:
        return f"{CATALOGS[difference.unreadable[0].oid]} was changed, and cannot be read"
    return ""


def _rows(difference: CatalogDiff) -> Iterator[CatalogRow]:
    yield from difference.created
    yield from difference.deleted
    for old, new in difference.updated:
        yield old
        if (new.catalog, new.key) != (old.catalog, old.key):
            yield new


def _accounted(row: CatalogRow, known: set[Address], names: Iterable[str]) -> bool:
    if is_internal(row):
        return True
    values = row.values
    match row.catalog:
        case "pg_description":
            return (_number(values, "classoid"), _number(values, "objoid")) in known
        case "pg_aggregate":
            return (f.FUNCTION, row.oid) in known
        case "pg_rewrite" if values.get("rulename") == "_RETURN":
            return (f.RELATION, _number(values, "ev_class")) in known
        case "pg_trigger" if values.get("tgisinternal"):
            # Those of foreign keys are the constraint's.
            return (f.CONSTRAINT, _number(values, "tgconstraint")) in known
        case "pg_type" if values.get("typcategory") == "A" or values.get("typtype") == "m":
            # Array and multirange types go with what they are made of.
            return True
        case "pg_type" if _number(values, "typrelid") and row.kind != "composite type":
            relation = (f.RELATION, _number(values, "typrelid"))
            return relation in known or (f.TYPE, row.oid) in known
        case "pg_class" | "pg_attribute" if row.kind.startswith("composite type"):
            return any(row.identity == name or row.identity.startswith(f"{name}.") for name in names)
        case catalog if catalog in _BELONGS:
            number, field = _BELONGS[catalog]
            return (number, _number(values, field)) in known
        case _:
            return row.address in known


def _number(values: dict[str, object], field: str) -> int:
    return int(str(values.get(field, 0)))
