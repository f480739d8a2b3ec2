"""Rows of the data and messaging services."""

from interlock.connectors.aws.undo.data import dynamodb, functions, keys, messaging, s3, watching
from interlock.connectors.aws.undo.registry import Row

ROWS: tuple[Row, ...] = (
    *s3.ROWS,
    *functions.ROWS,
    *dynamodb.ROWS,
    *messaging.ROWS,
    *keys.ROWS,
    *watching.ROWS,
)
