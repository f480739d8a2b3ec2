"""Undoing an applied change from its stored before-image (DESIGN section 9, "Revert").

plan()   a sans-io part for the maintainer's connection, inside one open transaction
"""

from interlock.connectors.postgres.undo.plan import DEFAULT_PATH, Reverted, TableReverted, plan

__all__ = ["DEFAULT_PATH", "Reverted", "TableReverted", "plan"]
