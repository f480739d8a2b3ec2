"""What people are shown of a before-image: a few rows of each table, and definitions as they were and are."""

from interlock.connectors.postgres.samples.rows import samples

__all__ = ["samples"]
