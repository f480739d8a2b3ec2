"""Undoing a call: its before-image, and the calls that bring it back.

plan()      before the call, without touching anything
prepare()   after the intent: copies and snapshots; when it fails, the call isn't made
complete()  after the call: the names its answer gives, the state it left
conflicts() before a revert: what others changed since
revert()    the inverse; may be run again after a crash
discard()   removes copies that are needed no longer

Plans and outcomes are stored with `store.pack`, and read with `store.unpack`.
"""

from interlock.connectors.aws.undo.engine import complete, conflicts, discard, plan, prepare, revert
from interlock.connectors.aws.undo.plan import NOTHING, Check, Plan, Step, literal
from interlock.connectors.aws.undo.registry import covers
from interlock.connectors.aws.undo.result import Completed, Reverted, Since

__all__ = [
    "NOTHING",
    "Check",
    "Completed",
    "Plan",
    "Reverted",
    "Since",
    "Step",
    "complete",
    "conflicts",
    "covers",
    "discard",
    "literal",
    "plan",
    "prepare",
    "revert",
]
