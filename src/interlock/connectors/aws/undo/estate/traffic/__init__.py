"""Rows of Route 53 and the load balancers."""

from interlock.connectors.aws.undo.estate.traffic import balancers, targets, zones

ROWS = (*zones.ROWS, *balancers.ROWS, *targets.ROWS)
