"""Interlock: the safety control plane between AI agents and production."""

__version__ = "0.1.0"
