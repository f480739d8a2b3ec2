"""Rows of CloudFormation."""

from interlock.connectors.aws.undo.estate.stacks.changes import ROWS

__all__ = ["ROWS"]
