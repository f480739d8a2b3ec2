"""Rows of registries, file systems, backups, caches, warehouses, search domains and API stages."""

from interlock.connectors.aws.undo.estate.others import clusters, registries

ROWS = (*registries.ROWS, *clusters.ROWS)
