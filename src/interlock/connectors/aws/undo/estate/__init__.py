"""Rows of compute, identity, network, stacks and databases."""

from interlock.connectors.aws.undo.registry import Row

ROWS: tuple[Row, ...] = ()
