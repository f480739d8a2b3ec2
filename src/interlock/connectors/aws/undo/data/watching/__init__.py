"""Logs, trails and alarms: what watches over the rest."""

from interlock.connectors.aws.undo.data.watching import alarms, logs, trails
from interlock.connectors.aws.undo.registry import Row

ROWS: tuple[Row, ...] = (*logs.ROWS, *trails.ROWS, *alarms.ROWS)
