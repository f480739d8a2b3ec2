"""The table of the API's operations."""

from interlock.console.routes.table import OPERATIONS

__all__ = ["OPERATIONS"]
