"""Rows of the data and messaging services."""

from interlock.connectors.aws.undo.data import dynamodb, messaging, s3
from interlock.connectors.aws.undo.registry import Row

ROWS: tuple[Row, ...] = (*s3.ROWS, *dynamodb.ROWS, *messaging.ROWS)
