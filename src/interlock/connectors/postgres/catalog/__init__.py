"""What classification knows of a database's catalogs: read once, resolved without further I/O."""

from interlock.connectors.postgres.catalog.model import Catalog, Function, Relation
from interlock.connectors.postgres.catalog.purity import impure_type, impurity
from interlock.connectors.postgres.catalog.queries import FINGERPRINT_QUERY, QUERIES
from interlock.connectors.postgres.catalog.reach import Reach, reach

__all__ = [
    "FINGERPRINT_QUERY",
    "QUERIES",
    "Catalog",
    "Function",
    "Reach",
    "Relation",
    "impure_type",
    "impurity",
    "reach",
]
