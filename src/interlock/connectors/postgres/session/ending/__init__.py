"""The end of a gated transaction: measured, decided, recorded, committed, or run again."""
