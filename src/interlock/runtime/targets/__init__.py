"""Targets and the connectors that reach them, and the gate that their sessions go through."""
