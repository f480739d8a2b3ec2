"""Rows of IAM."""

from interlock.connectors.aws.undo.estate.identity import access, policies, principals

ROWS = (*principals.ROWS, *policies.ROWS, *access.ROWS)
