"""Undoing an applied change from its stored before-image (DESIGN section 9, "Revert").

plan()   a sans-io part for the maintainer's connection, inside one open transaction
"""

from interlock.connectors.postgres.undo.plan import Reverted, TableReverted, plan

__all__ = ["Reverted", "TableReverted", "plan"]
