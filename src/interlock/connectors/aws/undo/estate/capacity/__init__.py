"""Rows of what has a size: groups, scalable targets, services and nodes."""

from interlock.connectors.aws.undo.estate.capacity import containers, groups, scaling

ROWS = (*groups.ROWS, *scaling.ROWS, *containers.ROWS)
