"""Undoing an applied change from its stored before-image (DESIGN section 9, "Revert").

plan()     a sans-io part for the maintainer's connection, inside one open transaction
revert()   the same, in a transaction that it opens
"""

from interlock.connectors.postgres.undo.plan import DEFAULT_PATH, Reverted, TableReverted, plan, revert

__all__ = ["DEFAULT_PATH", "Reverted", "TableReverted", "plan", "revert"]
