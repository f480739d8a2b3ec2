"""The health of targets: configured checks are run, their results kept in the store, and agents stopped whose changes made a target
unwell (ADR 0034)."""
