"""Witnesses: whoever keeps signed checkpoints out of reach of those who could rewrite the store."""
