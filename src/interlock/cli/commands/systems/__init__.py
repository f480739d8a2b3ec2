"""Targets: setting them up, protecting their tables, their trash and their health."""
